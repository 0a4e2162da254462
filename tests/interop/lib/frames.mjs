// SPDX-License-Identifier: MIT
// A WebSocket that keeps every frame, and the rules of RFC 7395 each received frame must keep.

import assert from 'node:assert/strict';
import { DOMParser } from '@xmldom/xmldom';
import WebSocket from 'ws';
import { within } from './tap.mjs';

const FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing';
const STREAM = 'http://etherx.jabber.org/streams';
const SASL = ['urn:ietf:params:xml:ns:xmpp-sasl', 'urn:xmpp:sasl:2'];
const SM = ['urn:xmpp:sm:3'];

/** Which namespaces a first-level element may be in: whatever is not listed is a failure. */
const NAMESPACES = {
    open: [FRAMING],
    close: [FRAMING],
    features: [STREAM],
    error: [STREAM],
    challenge: SASL,
    success: SASL,
    failure: SASL,
    continue: SASL,
    enabled: SM,
    resumed: SM,
    failed: SM,
    r: SM,
    a: SM,
    iq: ['jabber:client'],
    message: ['jabber:client'],
    presence: ['jabber:client'],
};

/** One record per connection made in this process, oldest first. */
export const connections = [];

export class RecordingWebSocket extends WebSocket {
    constructor(url, protocols, options) {
        super(url, protocols, options);
        const record = { protocol: undefined, frames: [], closeCode: undefined };
        this.record = record;
        connections.push(record);
        this.on('open', () => {
            record.protocol = this.protocol;
        });
        this.on('message', (data, binary) => {
            record.frames.push({ from: 'server', text: String(data), binary });
        });
        record.closed = new Promise(resolve => {
            this.on('close', code => {
                record.closeCode = code;
                resolve();
            });
        });
    }

    send(data, ...rest) {
        this.record.frames.push({ from: 'client', text: String(data), binary: false });
        return super.send(data, ...rest);
    }
}

/** Parses a frame as RFC 7395 wants it read: alone, knowing nothing of the frames before it. */
function parseAlone(text) {
    const complain = (level, message) => {
        throw new Error(`${level}: ${message} in frame ${text.slice(0, 300)}`);
    };
    const root = new DOMParser({ onError: complain }).parseFromString(text, 'text/xml').documentElement;
    assertPrefixesBound(root, text);
    return root;
}

function assertPrefixesBound(element, text) {
    assert.ok(!element.prefix || element.namespaceURI,
              `prefix ${element.prefix} is not declared within frame ${text.slice(0, 300)}`);
    for (const child of Array.from(element.childNodes)) {
        if (child.nodeType === child.ELEMENT_NODE) assertPrefixesBound(child, text);
    }
}

/** Every connection got the subprotocol and an <open/> before anything else, and again per restart. */
export function assertOpened(domain) {
    assert.ok(connections.length > 0, 'the library opened no connection through the recorded WebSocket');
    for (const { protocol, frames } of connections) {
        assert.equal(protocol, 'xmpp', 'the subprotocol that the server chose');
        const received = frames.filter(frame => frame.from === 'server');
        const first = received[0]?.text ?? '';
        assert.match(first, /^<open\s/, 'the first frame of the server');
        const open = parseAlone(first);
        assert.equal(open.namespaceURI, FRAMING);
        assert.equal(open.getAttribute('from'), domain, "the server's <open/> from");
        assert.equal(open.getAttribute('version'), '1.0', "the server's <open/> version");
        assert.ok(open.getAttribute('id'), "the server's <open/> has an id");
        const opens = from => frames.filter(f => f.from === from && /^<open\s/.test(f.text)).length;
        assert.equal(opens('server'), opens('client'), 'one <open/> of the server for each of the client');
    }
    return `${connections.length} connections`;
}

/** Every received frame is text, one element, well-formed by itself, and in its own namespace. */
export function assertFramesStandAlone() {
    let checked = 0;
    for (const { frames } of connections) {
        for (const { from, text, binary } of frames) {
            if (from !== 'server') continue;
            assert.equal(binary, false, 'the server sent a binary frame');
            assert.match(text, /^<[^?!]/, `a frame begins with its element: ${text.slice(0, 100)}`);
            const root = parseAlone(text);
            const allowed = NAMESPACES[root.localName];
            assert.ok(allowed, `unknown first-level element in frame ${text.slice(0, 300)}`);
            assert.ok(allowed.includes(root.namespaceURI),
                      `${root.localName} in namespace ${root.namespaceURI}: ${text.slice(0, 300)}`);
            checked += 1;
        }
    }
    return `${checked} frames`;
}

/**
 * Where the client said <close/>, the server answered it, and the socket went down with a closing frame. For a
 * library that `hangsUp` (shuts the socket right behind its <close/>, not reading on) only that it went down.
 */
export async function assertClosed(hangsUp) {
    await Promise.all(connections.map(connection => within(connection.closed, 'the close of every socket')));
    if (hangsUp) return 'the library does not wait for the answer';

    let checked = 0;
    for (const { frames, closeCode } of connections) {
        // Some libraries drop the socket without <close/> after a refused login: nothing to check there.
        if (!frames.some(frame => frame.from === 'client' && /^<close\s/.test(frame.text))) continue;
        const last = frames.filter(frame => frame.from === 'server').at(-1)?.text ?? '';
        assert.match(last, /^<close\s/, 'the last frame of the server');
        assert.notEqual(closeCode, 1006, 'the socket was closed without a closing frame');
        checked += 1;
    }
    assert.ok(checked >= 2, 'the library closed its streams');
    return `${checked} streams, codes ${connections.map(connection => connection.closeCode).join(' ')}`;
}

/** The SASL mechanism of the newest connection and those it could choose from, as they went over the wire. */
export function mechanismUsed() {
    const { frames } = connections.at(-1);
    const offered = new Set();
    let used;
    for (const { from, text } of frames) {
        if (from === 'server') {
            const list = parseAlone(text).getElementsByTagNameNS('*', 'mechanism');
            for (const mechanism of Array.from(list)) offered.add(mechanism.textContent);
        } else {
            used ??= /^<(?:auth|authenticate)\s[^>]*mechanism=["']([^"']+)["']/.exec(text)?.[1];
        }
    }
    return { used, offered: [...offered] };
}

/** The condition of the last SASL failure of the newest connection, as it went over the wire. */
export function failureReceived() {
    for (const { from, text } of [...connections.at(-1).frames].reverse()) {
        if (from !== 'server' || !text.startsWith('<failure')) continue;
        for (const child of Array.from(parseAlone(text).childNodes)) {
            if (child.nodeType === child.ELEMENT_NODE && child.localName !== 'text') return child.localName;
        }
    }
    return undefined;
}

/** The last frames of the newest connection, for a failure message. */
export function lastFrames(count = 8) {
    const newest = connections.at(-1);
    if (!newest) return 'no connection was made';
    const lines = newest.frames.slice(-count).map(({ from, text }) => `${from}: ${text.slice(0, 400)}`);
    return [`${newest.frames.length} frames, the last of them:`, ...lines].join('\n');
}
