// SPDX-License-Identifier: MIT
// xmpp.js 0.14 (@xmpp/client): takes SASL 2, Bind 2 and stream management whenever they are offered.

import { client as createClient, xml } from '@xmpp/client';
import { RecordingWebSocket } from './lib/frames.mjs';
import { VERSION_NAME, run, settings } from './lib/story.mjs';
import { Inbox } from './lib/tap.mjs';

// xmpp.js uses the global WebSocket, which Node 20 does not have.
globalThis.WebSocket = RecordingWebSocket;

const ROSTER = 'jabber:iq:roster';
const VERSION = 'jabber:iq:version';
const PATIENCE_MS = 9_000;

function contact(item) {
    const { jid, name, subscription } = item.attrs;
    return { jid, name, subscription, groups: item.getChildren('group').map(group => group.text()) };
}

class XmppJsSession {
    inbox = new Inbox();

    constructor(client) {
        this.client = client;
        client.on('stanza', stanza => {
            if (stanza.is('message')) this.#onMessage(stanza);
            if (stanza.is('presence')) this.#onPresence(stanza);
        });
        client.iqCallee.set(ROSTER, 'query', ({ element }) => {
            for (const item of element.getChildren('item')) this.inbox.push({ kind: 'push', ...contact(item) });
            return true;
        });
        client.iqCallee.get(VERSION, 'query', () => xml(
            'query', { xmlns: VERSION }, xml('name', {}, VERSION_NAME), xml('version', {}, '1')));
    }

    get jid() {
        return this.client.jid.toString();
    }

    #onMessage(stanza) {
        this.inbox.push({ kind: 'message', from: stanza.attrs.from, body: stanza.getChildText('body') ?? undefined,
                          delay: stanza.getChild('delay', 'urn:xmpp:delay')?.attrs.stamp });
    }

    #onPresence(stanza) {
        const { from, type } = stanza.attrs;
        this.inbox.push({ kind: 'presence', from, type, show: stanza.getChildText('show') ?? undefined,
                          status: stanza.getChildText('status') ?? undefined });
    }

    async rosterGet() {
        const query = await this.client.iqCaller.get(xml('query', { xmlns: ROSTER }), undefined, PATIENCE_MS);
        return query.getChildren('item').map(contact);
    }

    #rosterSet(attributes, ...children) {
        const item = xml('item', attributes, ...children);
        return this.client.iqCaller.set(xml('query', { xmlns: ROSTER }, item), undefined, PATIENCE_MS);
    }

    rosterSet({ jid, name, groups }) {
        return this.#rosterSet({ jid, name }, ...groups.map(group => xml('group', {}, group)));
    }

    rosterRemove(jid) {
        return this.#rosterSet({ jid, subscription: 'remove' });
    }

    presence({ to, type, show, status }) {
        this.client.send(xml('presence', { to, type }, show && xml('show', {}, show),
                             status && xml('status', {}, status)));
    }

    message({ to, body }) {
        this.client.send(xml('message', { to, type: 'chat' }, xml('body', {}, body)));
    }

    ping(to) {
        return this.client.iqCaller.get(xml('ping', { xmlns: 'urn:xmpp:ping' }), to, PATIENCE_MS);
    }

    async version(to) {
        const query = await this.client.iqCaller.get(xml('query', { xmlns: VERSION }), to, PATIENCE_MS);
        return query.getChildText('name');
    }

    async logout() {
        // Unlike the other libraries this one leaves it to the server to tell the contacts.
        await this.client.stop();
    }
}

async function login({ user, password, resource }) {
    const client = createClient({ service: settings.url, domain: settings.domain, username: user, password, resource });
    client.reconnect.stop();
    client.on('error', () => {}); // start() rejects with the same error
    const session = new XmppJsSession(client);
    try {
        await client.start();
    } catch (error) {
        await client.stop();
        throw error;
    }
    return session;
}

await run('@xmpp/client', login, { scrams: ['SCRAM-SHA-1'] });
