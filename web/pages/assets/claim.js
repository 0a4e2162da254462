// SPDX-License-Identifier: MIT
// The claim page: a one-use link turns into an account, then the chat opens.

const form = document.getElementById('claim');
const username = form.elements.username;
const password = form.elements.password;
const create = document.getElementById('create');
const domain = document.body.dataset.domain;
const hints = ['At least 8 characters. Three or four words make a good one.',
    'Easy to guess. Longer is better.', 'Fair. A few more characters help.', 'Good.', 'Strong.'];

// 0 is too short, 4 strong. A hint, not a verdict: length counts most, variety a little.
function strength(text) {
    if (text.length < 8)
        return 0;
    const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\p{N}/u, /[^\p{L}\p{N}]/u].filter((k) => k.test(text)).length;
    const different = new Set(text).size;
    const score = different * 2 + text.length + kinds * 2;
    return different < 5 || score < 28 ? 1 : score < 34 ? 2 : score < 44 ? 3 : 4;
}

function complain(field, words) {
    for (const name of ['username', 'password', 'form']) {
        const mine = name === field && words !== '';
        document.getElementById(`${name}-error`).textContent = mine ? words : '';
        form.elements[name]?.setAttribute('aria-invalid', String(mine));
    }
    form.elements[field]?.focus();
}

function check() {
    const name = username.value.trim();
    if (name === '')
        return ['username', 'Please choose a name.'];
    if (/[\s"&'/:<>@]/.test(name))
        return ['username', 'A name has no spaces and none of the characters " & \' / : < > @'];
    if (password.value.length < 8)
        return ['password', 'Please use at least 8 characters.'];
    return null;
}

// The chat page reads this; it lives as long as the tab.
function remember(answer) {
    sessionStorage.setItem('jabiru.login', JSON.stringify({
        jid: answer.jid,
        password: password.value,
        contact: answer.contact ?? null,
        stay: document.getElementById('stay').checked,
    }));
    if (answer.second)
        sessionStorage.setItem('jabiru.second', answer.second);
    else
        sessionStorage.removeItem('jabiru.second');
}

async function claim() {
    const response = await fetch(location.pathname, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ username: username.value.trim(), password: password.value }),
    });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) {
        remember(answer);
        location.replace('/chat/');
        return;
    }
    if (response.status === 404 || response.status === 410)
        location.reload(); // the server says there in full what became of the link
    const field = answer.field ?? (response.status < 500 ? 'username' : 'form');
    complain(field, answer.error ?? `The server refused with status ${response.status}.`);
}

form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const wrong = check();
    if (wrong)
        return complain(...wrong);
    complain('form', '');
    create.disabled = true;
    create.textContent = 'Creating…';
    try {
        await claim();
    } catch {
        complain('form', 'The server cannot be reached. Is it running? Your link is still good.');
    }
    create.disabled = false;
    create.textContent = 'Create account';
});

username.addEventListener('input', () => {
    const name = username.value.trim().toLowerCase() || 'name';
    document.querySelector('#username-hint code').textContent = `${name}@${domain}`;
});

password.addEventListener('input', () => {
    const score = strength(password.value);
    document.getElementById('strength').value = score;
    document.getElementById('password-hint').textContent = hints[score];
});

document.getElementById('show').addEventListener('click', (event) => {
    const shown = password.type === 'password';
    password.type = shown ? 'text' : 'password';
    event.target.textContent = shown ? 'Hide' : 'Show';
    event.target.setAttribute('aria-pressed', String(shown));
    password.focus();
});
