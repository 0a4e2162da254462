// SPDX-License-Identifier: MIT
// The page at the WebSocket endpoint: a connection test in plain words.

const framing = 'urn:ietf:params:xml:ns:xmpp-framing';
const wait_ms = 10000;
const button = document.getElementById('test');
const steps = document.getElementById('steps');
const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${location.pathname}`;

const words = {
    mechanism: (el) => `log in with ${el.textContent}`,
    bind: () => 'a name for each device (resource binding)',
    sm: () => 'resume after a lost connection (stream management)',
    ver: () => 'send the contact list only when it changed (roster versioning)',
    register: () => 'create an account from a chat program (registration)',
    c: () => 'say briefly what the server can do (entity capabilities)',
    sub: () => 'accept a contact before the request (pre-approval)',
    limits: () => 'tell its size limits (stream limits)',
};

function step(kind, text, items = []) {
    const li = document.createElement('li');
    li.className = kind;
    li.textContent = text;
    if (items.length > 0) {
        const ul = document.createElement('ul');
        for (const item of items)
            ul.appendChild(document.createElement('li')).textContent = item;
        li.appendChild(ul);
    }
    steps.appendChild(li);
}

function leaves(el) {
    const inner = [...el.children].filter((child) => child.localName === 'mechanism');
    return inner.length > 0 ? inner : [el];
}

function describe(features) {
    const found = [...features.children].flatMap(leaves);
    return found.map((el) => words[el.localName]?.(el) ?? `${el.localName} (${el.namespaceURI})`);
}

function why(event, opened) {
    if (!opened)
        return 'The WebSocket was refused before it opened. Either nothing answers at this address, a proxy '
            + 'between here and the server does not pass the Upgrade on, or the server does not allow this '
            + "page's origin (option origins of its host). The browser's console may say more.";
    const because = event.reason ? ` and says: ${event.reason}` : '';
    if (event.code === 1006)
        return 'The connection was cut without a goodbye: often a proxy, or a server that stopped.';
    return `The server closed the connection with code ${event.code}${because}.`;
}

// One message of the server; returns true when the test is over.
function on_message(socket, text) {
    const root = new DOMParser().parseFromString(text, 'text/xml').documentElement;
    if (root.localName === 'open' && root.namespaceURI === framing) {
        step('good', `The server is ${root.getAttribute('from') ?? 'nameless'}, `
            + `XMPP version ${root.getAttribute('version') ?? 'unknown'}.`);
        return false;
    }
    if (root.localName === 'features') {
        step('good', 'It offers:', describe(root));
        step('good', 'All is well: a chat program can log in here.');
        socket.send(`<close xmlns="${framing}"/>`);
        return true;
    }
    if (root.localName === 'error') {
        const text_el = [...root.children].find((el) => el.localName === 'text');
        const condition = [...root.children].find((el) => el !== text_el)?.localName ?? 'unknown';
        step('bad', `The server refused the stream: ${condition}. ${text_el?.textContent ?? ''}`);
        return true;
    }
    if (root.localName === 'close') {
        const elsewhere = root.getAttribute('see-other-uri');
        step('bad', elsewhere ? `The server sends us elsewhere: ${elsewhere}` : 'The server ended the stream.');
        return true;
    }
    step('', `The server sent something unexpected: ${text.slice(0, 200)}`);
    return false;
}

async function domain() {
    const config = await fetch('/chat/config.json').then((r) => r.json()).catch(() => null);
    return config?.domain ?? location.hostname;
}

async function test() {
    steps.replaceChildren();
    button.disabled = true;
    const to = await domain();
    step('', `Connecting to ${address} …`);
    let socket;
    try {
        socket = new WebSocket(address, 'xmpp');
    } catch (error) {
        step('bad', `The browser does not even try: ${error.message}`);
        button.disabled = false;
        return;
    }
    let opened = false;
    let over = false;
    const end = () => {
        over = true;
        clearTimeout(timer);
        button.disabled = false;
        socket.close();
    };
    const timer = setTimeout(() => {
        step('bad', `No answer within ${wait_ms / 1000} seconds.`);
        end();
    }, wait_ms);
    socket.onopen = () => {
        opened = true;
        step('good', `The WebSocket is open, subprotocol ${socket.protocol || 'missing'}.`);
        socket.send(`<open xmlns="${framing}" to="${to}" version="1.0"/>`);
        step('', `We greet ${to} and wait for the answer …`);
    };
    socket.onmessage = (event) => {
        if (!over && on_message(socket, String(event.data)))
            end();
    };
    socket.onclose = (event) => {
        if (over)
            return;
        step('bad', why(event, opened));
        end();
    };
}

document.getElementById('address').textContent = address;
button.addEventListener('click', test);
