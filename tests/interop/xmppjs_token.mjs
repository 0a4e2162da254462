// SPDX-License-Identifier: MIT
// xmpp.js 0.14 in one round (XEP-0388, 0386, 0484): it comes back by its token, and has its session back.

import { client as createClient, xml } from '@xmpp/client';
import { RecordingWebSocket } from './lib/frames.mjs';
import { settings } from './lib/story.mjs';
import { PATIENCE_MS, Report, within } from './lib/tap.mjs';

globalThis.WebSocket = RecordingWebSocket;

const AGENT = 'd4565fa7-4d72-4749-b3d3-740edbf87770';

const happens = (emitter, event) => new Promise(resolve => { emitter.once(event, resolve); });

const report = new Report();
const client = createClient({
    service: settings.url, domain: settings.domain, username: settings.a.user, password: settings.a.password,
    userAgent: xml('user-agent', { id: AGENT }, xml('software', {}, 'interop')),
});
const asked = [], told = [];
client.on('error', () => {}); // of the connection that is cut
client.on('send', element => { if (element.is('authenticate')) asked.push(element); });
client.on('element', element => { if (element.is('success')) told.push(element); });

await report.test('a password logs in, binds and enables in one round, and a token comes with it', async () => {
    await within(client.start(), 'online');
    if (!asked[0]?.attrs.mechanism.startsWith('SCRAM-')) throw new Error(`asked: ${asked[0]}`);
    if (!told[0].getChild('bound')?.getChild('enabled') || !told[0].getChild('token')) throw new Error(`told: ${told[0]}`);
});
await report.test('the token logs in again and resumes in one round', async () => {
    const jid = client.jid.toString();
    const resumed = happens(client.streamManagement, 'resumed');
    client.socket.socket.close();
    await within(resumed, 'resumed');
    if (asked[1].attrs.mechanism !== 'HT-SHA-256-NONE') throw new Error(`asked: ${asked[1]}`);
    if (!told[1].getChild('resumed')) throw new Error(`told: ${told[1]}`);
    if (client.jid.toString() !== jid) throw new Error(`${client.jid} instead of ${jid}`);
});
await report.test('and the session goes on', async () => {
    await client.iqCaller.get(xml('ping', { xmlns: 'urn:xmpp:ping' }), settings.domain, PATIENCE_MS);
    await client.stop();
});
process.exit(report.finish());
