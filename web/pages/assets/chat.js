// SPDX-License-Identifier: MIT
// The chat page: Converse.js in full page mode on this server's own WebSocket endpoint.
//
// Kept in sessionStorage, hence for this tab until it closes:
//   jabiru.login   name and password right after the claim, so that a reload logs in again;
//                  removed at logout and when the server refuses them
//   jabiru.jid     whose tab this is: two tabs of one browser may be two users. With the resource: Converse
//                  resumes its session after a reload (XEP-0198), and must then be who it was
//   jabiru.left    the page was left in order, so jabiru.jid is free; a copy of an open tab lacks it
//   jabiru.second  the one-use link for a second user, until used or dismissed
// "Stay logged in" is Converse's own: SCRAM keys (never the password) in the browser's database.
import converse from '/chat/converse/converse.min.js';

const notice = document.getElementById('notice');
const second = document.getElementById('second-user');

function read_login() {
    try {
        return JSON.parse(sessionStorage.getItem('jabiru.login'));
    } catch {
        return null;
    }
}

const bare = (jid) => jid.split('/')[0];

// The address this tab had, or null. In a copy of a tab the resource is the other one's.
function take_address() {
    const jid = sessionStorage.getItem('jabiru.jid');
    const left = sessionStorage.getItem('jabiru.left');
    sessionStorage.removeItem('jabiru.left');
    return jid && (left ? jid : bare(jid));
}

function show_second(link) {
    // Only a claim link of this server: what stands in storage is not followed anywhere else.
    const shown = typeof link === 'string' && /^\/claim\/[\w-]+$/.test(link);
    document.getElementById('bar').hidden = !shown;
    document.documentElement.classList.toggle('has-bar', shown);
    if (shown)
        second.href = link;
    else
        sessionStorage.removeItem('jabiru.second');
}

// The bar goes once the link has been used, whoever used it.
async function check_second() {
    if (!sessionStorage.getItem('jabiru.second'))
        return;
    const answer = await fetch(second.href, { cache: 'no-store' }).catch(() => null);
    if (answer && (answer.status === 404 || answer.status === 410))
        show_second(null);
}

// Once opened, the link is asked about for some ten minutes.
async function watch_second() {
    for (let tries = 0; tries < 200 && sessionStorage.getItem('jabiru.second'); tries++) {
        await check_second();
        await new Promise((wake) => setTimeout(wake, 3000));
    }
}

function elements(_converse, config) {
    const { CustomElement } = _converse.exports;
    const { html } = converse.env;
    const define = (name, render) => _converse.api.elements.define(name,
        class extends CustomElement { render() { return render(); } });

    // The originals link and load from other hosts.
    define('converse-brand-logo', () => html`<div class="jabiru-brand">
        <img src="/assets/jabiru.svg" alt="" width="64" height="64"><span>Jabiru
        <small>with Converse.js</small></span></div>`);
    define('converse-bg', () => html`<img src="/assets/jabiru.svg" alt="">`);
    define('converse-controlbox-navbar', () => '');
    define('converse-footer', () => html`<footer><p>No account on ${config.domain} yet? Ask the person who
        runs this server for an invitation link.</p></footer>`);
}

function plugin(config, login) {
    return {
        initialize() {
            const { _converse } = this;
            const { api } = _converse;
            const { AUTHFAIL } = converse.env.Strophe.Status;

            elements(_converse, config);
            if (login)
                _converse.state.config.save({ trusted: login.stay !== false });
            api.listen.on('userSessionInitialized', () => keep_writing(_converse.storage.persistent));
            const keep_address = () => sessionStorage.setItem('jabiru.jid', _converse.session.get('jid'));
            // A page that was reloaded between binding and its first presence has a session to resume that
            // nobody knows to be there: say it again.
            const be_seen = () => api.connection.get().hasResumed() && api.user.presence.send();
            api.listen.on('reconnected', () => {
                keep_address();
                be_seen();
            });
            api.listen.on('connected', () => {
                keep_address();
                be_seen();
                open_contact(api);
            });
            api.listen.on('logout', () => {
                for (const name of ['login', 'jid', 'second'])
                    sessionStorage.removeItem(`jabiru.${name}`);
                show_second(null);
                // Converse would take these for its next attempt.
                api.settings.set({ jid: undefined, password: undefined });
            });
            api.listen.on('rosterContactsFetched', () => notice.textContent = '');
            _converse.state.connfeedback.on('change:connection_status', (feedback) => {
                if (feedback.get('connection_status') === AUTHFAIL)
                    sessionStorage.removeItem('jabiru.login');
            });
        },
    };
}

// A second user in another tab adds his store to the same IndexedDB database; that closes this tab's
// connection, and Converse's batched writes, unlike its single ones, do not open it again.
function keep_writing(store) {
    const write = store.setItems;
    store.setItems = (items) => write.call(store, items).catch(async () => {
        await store.getItem('jabiru'); // opens the database again
        return write.call(store, items);
    });
}

// Who was invited lands in the chat with the inviter, once.
async function open_contact(api) {
    const login = read_login();
    if (!login?.contact)
        return;
    sessionStorage.setItem('jabiru.login', JSON.stringify({ ...login, contact: null }));
    await api.waitUntil('rosterContactsFetched');
    api.chats.open(login.contact, {}, true);
}

function settings(config, login) {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const host = location.hostname;
    const assets = new URL('.', new URL('/chat/converse/converse.min.js', location)).pathname;
    return {
        // one server, found without asking anyone
        websocket_url: `${scheme}://${location.host}${config.websocket}`,
        discover_connection_methods: false,
        locked_domain: config.domain,
        allow_registration: false,
        show_connection_url_input: false,
        // log in with what the claim left, else with the SCRAM keys Converse kept, else ask
        authentication: 'login',
        auto_login: true,
        jid: login?.jid,
        password: login?.password,
        // files from here, nothing from other hosts
        assets_path: assets,
        notification_icon: '/assets/jabiru.svg',
        use_system_emojis: true,
        emoji_image_path: assets,
        autocomplete_providers_url: '',
        xmpp_providers_url: '',
        providers_link: '',
        muc_search_service: '',
        embed_3rd_party_media_players: false,
        fetch_url_headers: false,
        render_media: [host],
        allowed_image_domains: [host],
        allowed_audio_domains: [host],
        allowed_video_domains: [host],
        // the page
        view_mode: 'fullscreen',
        theme: 'classic',
        dark_theme: 'dracula',
        show_background: true,
        show_self_in_roster: false,
        loglevel: 'warn',
        whitelisted_plugins: ['jabiru'],
        // OMEMO needs PEP on the server and code under the GPL; BOSH has no endpoint here
        blacklisted_plugins: ['converse-omemo', 'converse-omemo-views', 'converse-bosh'],
    };
}

async function start() {
    const login = read_login();
    const response = await fetch('/chat/config.json', { cache: 'no-store' });
    if (!response.ok)
        throw new Error(`the server answered ${response.status}`);
    const config = await response.json();

    // Converse remembers one address for the whole browser; a reload is to bring back this tab's.
    const mine = take_address();
    if (mine)
        localStorage.setItem('conversejs-session-jid', mine);
    if (login && mine && bare(mine) === login.jid)
        login.jid = mine;
    show_second(sessionStorage.getItem('jabiru.second'));
    check_second();
    converse.plugins.add('jabiru', plugin(config, login));
    await converse.initialize(settings(config, login));
    notice.textContent = '';
}

second.addEventListener('click', () => setTimeout(watch_second, 1000));
addEventListener('focus', check_second);
addEventListener('pagehide', () => sessionStorage.setItem('jabiru.left', '1'));
addEventListener('pageshow', (event) => event.persisted && sessionStorage.removeItem('jabiru.left'));
document.getElementById('second-dismiss').addEventListener('click', () => show_second(null));
start().catch((error) => {
    notice.textContent = `The chat could not start: ${error.message}. Load the page again to retry.`;
});
