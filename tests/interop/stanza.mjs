// SPDX-License-Identifier: MIT
// stanza 12 (the library of games and call centres), with its stream management on, as it is by default.

import { createRequire } from 'node:module';
import * as XMPP from 'stanza';
import { RecordingWebSocket } from './lib/frames.mjs';
import { VERSION_NAME, run, settings } from './lib/story.mjs';
import { Inbox } from './lib/tap.mjs';

// stanza takes its WebSocket from this module of its own at each connect, and offers no option for it.
createRequire(import.meta.url)('stanza/platform/node').WebSocket = RecordingWebSocket;

/** stanza rejects with the error stanza itself, not with an Error. */
async function answered(request) {
    try {
        return await request;
    } catch (stanza) {
        const condition = stanza.error?.condition;
        throw Object.assign(new Error(`iq refused: ${condition ?? JSON.stringify(stanza)}`), { condition });
    }
}

function contact({ jid, name, subscription, groups }) {
    return { jid, name, subscription, groups: groups ?? [] };
}

class StanzaSession {
    inbox = new Inbox();

    constructor(client) {
        this.client = client;
        client.on('message', ({ from, body, delay }) => {
            this.inbox.push({ kind: 'message', from, body, delay: delay?.timestamp });
        });
        client.on('presence', ({ from, type, show, status }) => {
            this.inbox.push({ kind: 'presence', from, type, show, status });
        });
        client.on('roster:update', ({ roster }) => {
            for (const item of roster.items) this.inbox.push({ kind: 'push', ...contact(item) });
        });
    }

    get jid() {
        return this.client.jid;
    }

    async rosterGet() {
        // stanza remembers the roster version; asked with it, a server may answer that nothing has changed, and
        // the contacts would have to come from a store that an application keeps and this driver does not.
        this.client.config.rosterVer = undefined;
        return (await answered(this.client.getRoster())).items.map(contact);
    }

    rosterSet(item) {
        return answered(this.client.updateRosterItem(item));
    }

    rosterRemove(jid) {
        return answered(this.client.removeRosterItem(jid));
    }

    presence(stanza) {
        this.client.sendPresence(stanza);
    }

    message({ to, body }) {
        this.client.sendMessage({ to, body, type: 'chat' });
    }

    ping(to) {
        return answered(this.client.ping(to));
    }

    async version(to) {
        return (await answered(this.client.getSoftwareVersion(to))).name;
    }

    async logout() {
        const disconnected = new Promise(resolve => this.client.once('disconnected', resolve));
        await this.client.disconnect();
        await disconnected;
    }
}

function login({ user, password, resource }) {
    const client = XMPP.createClient({
        jid: `${user}@${settings.domain}`,
        password,
        resource,
        softwareVersion: { name: VERSION_NAME, version: '1' },
        transports: { websocket: settings.url, bosh: false },
    });
    const session = new StanzaSession(client);
    return new Promise((resolve, reject) => {
        let condition;
        client.on('sasl', sasl => {
            if (sasl.type === 'failure') condition = sasl.condition;
        });
        client.once('auth:failed', () => reject(Object.assign(new Error(`refused: ${condition}`), { condition })));
        client.once('disconnected', () => reject(new Error('disconnected before the login was complete')));
        client.once('session:started', () => resolve(session));
        client.connect();
    });
}

await run('stanza', login, { scrams: ['SCRAM-SHA-256', 'SCRAM-SHA-1'] });
