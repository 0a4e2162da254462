// SPDX-License-Identifier: MIT
// The session of lib/story.mjs on top of Strophe's API, which has hardly changed in a decade: strophe.mjs
// uses it with today's Strophe, libjs_strophe.mjs with the one Debian packages.

import { Inbox } from './tap.mjs';
import { VERSION_NAME, settings } from './story.mjs';

const ROSTER = 'jabber:iq:roster';
const VERSION = 'jabber:iq:version';

function children(element, name) {
    return [...element.childNodes].filter(node => node.nodeType === 1 && (!name || node.localName === name));
}

function text(element, name) {
    return children(element, name)[0]?.textContent;
}

function attribute(element, name) {
    return element.getAttribute(name) || undefined;
}

function rosterItems(iq) {
    const query = children(iq, 'query')[0];
    return query ? children(query, 'item').map(item => ({
        jid: attribute(item, 'jid'),
        name: attribute(item, 'name'),
        subscription: attribute(item, 'subscription'),
        groups: children(item, 'group').map(group => group.textContent),
    })) : [];
}

function refused(iq) {
    const error = iq && children(iq, 'error')[0];
    const condition = error && children(error).find(child => child.localName !== 'text')?.localName;
    return Object.assign(new Error(`iq refused: ${condition ?? 'no answer'}`), { condition });
}

class StropheSession {
    inbox = new Inbox();

    constructor(library, connection) {
        Object.assign(this, library);
        this.connection = connection;
        const listen = (handler, ns, name, type) => connection.addHandler(stanza => {
            handler(stanza);
            return true; // keep the handler
        }, ns, name, type);
        listen(stanza => this.#onMessage(stanza), null, 'message');
        listen(stanza => this.#onPresence(stanza), null, 'presence');
        listen(stanza => this.#onPush(stanza), ROSTER, 'iq', 'set');
        listen(stanza => this.#onVersion(stanza), VERSION, 'iq', 'get');
    }

    get jid() {
        return this.connection.jid;
    }

    #onMessage(stanza) {
        const delay = children(stanza, 'delay').find(child => child.namespaceURI === 'urn:xmpp:delay');
        this.inbox.push({ kind: 'message', from: attribute(stanza, 'from'), body: text(stanza, 'body'),
                          delay: delay && attribute(delay, 'stamp') });
    }

    #onPresence(stanza) {
        this.inbox.push({ kind: 'presence', from: attribute(stanza, 'from'), type: attribute(stanza, 'type'),
                          show: text(stanza, 'show'), status: text(stanza, 'status') });
    }

    #onPush(stanza) {
        this.connection.send(this.$iq({ type: 'result', id: stanza.getAttribute('id') }));
        for (const item of rosterItems(stanza)) this.inbox.push({ kind: 'push', ...item });
    }

    #onVersion(stanza) {
        this.connection.send(this.$iq({ type: 'result', id: stanza.getAttribute('id'), to: stanza.getAttribute('from') })
            .c('query', { xmlns: VERSION }).c('name').t(VERSION_NAME).up().c('version').t('1'));
    }

    #request(builder) {
        return new Promise((resolve, reject) => {
            this.connection.sendIQ(builder.tree(), resolve, iq => reject(refused(iq)), 9_000);
        });
    }

    async rosterGet() {
        return rosterItems(await this.#request(this.$iq({ type: 'get' }).c('query', { xmlns: ROSTER })));
    }

    rosterSet({ jid, name, groups }) {
        const set = this.$iq({ type: 'set' }).c('query', { xmlns: ROSTER }).c('item', { jid, name });
        for (const group of groups) set.c('group').t(group).up();
        return this.#request(set);
    }

    rosterRemove(jid) {
        return this.#request(this.$iq({ type: 'set' }).c('query', { xmlns: ROSTER })
            .c('item', { jid, subscription: 'remove' }));
    }

    presence({ to, type, show, status }) {
        const attributes = {};
        if (to) attributes.to = to;
        if (type) attributes.type = type;
        const stanza = this.$pres(attributes);
        if (show) stanza.c('show').t(show).up();
        if (status) stanza.c('status').t(status).up();
        this.connection.send(stanza);
    }

    message({ to, body }) {
        this.connection.send(this.$msg({ to, type: 'chat' }).c('body').t(body));
    }

    ping(to) {
        return this.#request(this.$iq({ type: 'get', to }).c('ping', { xmlns: 'urn:xmpp:ping' }));
    }

    async version(to) {
        const iq = await this.#request(this.$iq({ type: 'get', to }).c('query', { xmlns: VERSION }));
        return text(children(iq, 'query')[0], 'name');
    }

    logout() {
        const closed = new Promise(resolve => {
            this.onDisconnected = resolve;
        });
        this.connection.disconnect('done');
        return closed;
    }
}

/** The `login` of the story for one Strophe: `library` is { Strophe, $iq, $msg, $pres }. */
export function stropheLogin(library, options) {
    const { Strophe } = library;
    const { Status } = Strophe;
    const FAILURES = [Status.AUTHFAIL, Status.CONNFAIL, Status.ERROR];
    const statusName = status => Object.keys(Status).find(key => Status[key] === status);

    return ({ user, password, resource }) => new Promise((resolve, reject) => {
        const connection = new Strophe.Connection(settings.url, options);
        let session;
        connection.connect(`${user}@${settings.domain}/${resource}`, password, (status, condition) => {
            if (status === Status.CONNECTED) {
                session = new StropheSession(library, connection);
                resolve(session);
            } else if (FAILURES.includes(status)) {
                reject(Object.assign(new Error(`${statusName(status)} ${condition ?? ''}`),
                                     { condition: condition || undefined }));
                // After a refused login Strophe leaves the socket open, for another try.
                if (status === Status.AUTHFAIL) connection.disconnect('refused');
            } else if (status === Status.DISCONNECTED) {
                session?.onDisconnected?.();
                reject(new Error('disconnected before the login was complete'));
            }
        });
    });
}
