// SPDX-License-Identifier: MIT
// What two people do with an XMPP server, told once and played by each client library.
//
// A library takes part through `login({ user, password, resource })`, which resolves to a session:
//   jid                           full JID
//   inbox                         receives { kind: 'message' | 'presence' | 'push', ... }
//   rosterGet()                   -> [{ jid, name, subscription, groups }]
//   rosterSet({jid,name,groups}), rosterRemove(jid)
//   presence({to,type,show,status}), message({to,body})
//   ping(to), version(to)         -> version: the name; both throw an Error with `condition`
//   logout()                      resolves when the stream is closed
// and which throws an Error with `condition` (if the library tells it) when the login is refused. A session
// answers version queries with the name in VERSION_NAME.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as frames from './frames.mjs';
import { Report, within } from './tap.mjs';

export const VERSION_NAME = 'Jabiru interop <driver> & "friends"';

const AWKWARD = `  <>&'" ]]> &amp; &#x41; \ttab\nsecond line \u{1F600}\u{1F469}\u200D\u{1F680} e\u0301 \u05D0 end  `;
const STATUS = `back at 5 <soon> & "well" \u{1F41F}`;
const GROUP = 'Verona & <co>';

function setting(name) {
    const value = process.env[name];
    if (!value) {
        console.error(`${name} is not set`);
        process.exit(2);
    }
    return value;
}

export const settings = {
    url: setting('JABIRU_TEST_URL'),
    domain: setting('JABIRU_TEST_DOMAIN'),
    a: { user: setting('JABIRU_TEST_USER_A'), password: setting('JABIRU_TEST_PASS_A') },
    b: { user: setting('JABIRU_TEST_USER_B'), password: setting('JABIRU_TEST_PASS_B') },
};

export const bare = jid => jid.split('/')[0];

function tenKilobytes(token) {
    const line = `${token} The quick brown fox & the "lazy" <dog> \u{1F98A} \u00E9\u00E8\n`;
    const copies = Math.ceil(10_240 / Buffer.byteLength(line));
    return line.repeat(copies);
}

async function refusal(promise) {
    try {
        await promise;
    } catch (error) {
        if (error.late) throw error; // no answer is not a refusal
        return error;
    }
    throw new Error('was expected to be refused, but succeeded');
}

/** A play: two people, and a fresh token so that nothing left from an earlier run can be mistaken. */
class Play {
    constructor(login) {
        this.login = login;
        this.token = randomBytes(4).toString('hex');
        this.bareA = `${settings.a.user}@${settings.domain}`;
        this.bareB = `${settings.b.user}@${settings.domain}`;
    }

    /** The session of `who`; a clear failure when an earlier login did not work. */
    need(who) {
        if (!this[who]) throw new Error(`needs the session of ${who}, whose login failed`);
        return this[who];
    }

    async enter(who) {
        this[who] = undefined;
        try {
            this[who] = await within(
                this.login({ ...settings[who], resource: `${who}-${this.token}` }), `the login of ${who}`);
        } catch (error) {
            error.message += `\n${frames.lastFrames()}`;
            throw error;
        }
        return this[who];
    }

    /** Removes what a broken earlier run may have left, then lets pending pushes drain. */
    async tidy(session, other) {
        const items = await session.rosterGet();
        if (items.some(item => item.jid === other)) await session.rosterRemove(other);
    }

    async rosterItem(who, jid) {
        const items = await within(this.need(who).rosterGet(), `the roster of ${who}`);
        return items.find(item => item.jid === jid);
    }

    push(who, jid, what, matches) {
        return this.need(who).inbox.expect('push', `roster push to ${who}: ${what}`,
                                           event => event.jid === jid && matches(event));
    }

    async deliver(fromWho, toWho, to, body) {
        const sender = this.need(fromWho);
        sender.message({ to, body });
        const got = await this.need(toWho).inbox.expect(
            'message', `message from ${fromWho} to ${to}`,
            event => event.from === sender.jid && event.body !== undefined);
        assert.equal(got.body, body);
        return got;
    }
}

async function logins(report, play, scrams) {
    await report.test('a wrong password is refused with not-authorized', async () => {
        const error = await refusal(within(
            play.login({ user: settings.a.user, password: `not-${settings.a.password}`, resource: 'x' }),
            'the refusal of a wrong password'));
        assert.equal(error.condition ?? frames.failureReceived(), 'not-authorized', error.stack);
    });

    for (const who of ['a', 'b']) {
        await report.test(`login of ${settings[who].user}`, async () => {
            const session = await play.enter(who);
            const bareJid = who === 'a' ? play.bareA : play.bareB;
            assert.equal(bare(session.jid), bareJid);
            assert.ok(session.jid.length > bareJid.length + 1, 'a resource was bound');
            await play.tidy(session, who === 'a' ? play.bareB : play.bareA);
            session.presence({});
        });
    }

    await report.test('the strongest SCRAM that both sides know was used', () => {
        play.need('b');
        const { used, offered } = frames.mechanismUsed();
        // `scrams` is what the library knows, strongest first.
        assert.equal(used, scrams.find(name => offered.includes(name)), `offered: ${offered.join(' ')}`);
        return `${used} of ${offered.join(', ')}`;
    });

    await report.test('IQ ping to the server', async () => {
        for (const who of ['a', 'b']) {
            await within(play.need(who).ping(settings.domain), `ping of ${who}`);
            play.need(who).inbox.clear();
        }
    });
}

async function rosters(report, play) {
    await report.test('roster set with name and group is pushed', async () => {
        const name = `Juliet <${play.token}> & "co"`;
        await within(play.need('a').rosterSet({ jid: play.bareB, name, groups: [GROUP] }), 'roster set');
        const pushed = await play.push('a', play.bareB, 'the new contact', () => true);
        assert.deepEqual([pushed.name, pushed.groups, pushed.subscription], [name, [GROUP], 'none']);
    });

    await report.test('roster get shows the contact', async () => {
        const item = await play.rosterItem('a', play.bareB);
        assert.ok(item, 'the contact is listed');
        assert.deepEqual([item.name, item.groups, item.subscription],
                         [`Juliet <${play.token}> & "co"`, [GROUP], 'none']);
    });

    for (const [asker, granter] of [['a', 'b'], ['b', 'a']]) {
        await report.test(`subscription of ${asker} to ${granter}: asked and granted`, async () => {
            const from = play.need(asker);
            const to = play.need(granter);
            from.presence({ to: bare(to.jid), type: 'subscribe' });
            await to.inbox.expect('presence', `subscribe at ${granter}`,
                                  event => event.type === 'subscribe' && event.from === bare(from.jid));
            to.presence({ to: bare(from.jid), type: 'subscribed' });
            await from.inbox.expect('presence', `subscribed at ${asker}`,
                                    event => event.type === 'subscribed' && event.from === bare(to.jid));
            await from.inbox.expect('presence', `presence of ${granter} at ${asker}`,
                                    event => event.type === undefined && event.from === to.jid);
        });
    }

    await report.test('both are pushed subscription both, and both rosters say so', async () => {
        await play.push('a', play.bareB, 'both', event => event.subscription === 'both');
        await play.push('b', play.bareA, 'both', event => event.subscription === 'both');
        assert.equal((await play.rosterItem('a', play.bareB))?.subscription, 'both');
        assert.equal((await play.rosterItem('b', play.bareA))?.subscription, 'both');
    });
}

async function presences(report, play) {
    for (const [who, other] of [['a', 'b'], ['b', 'a']]) {
        await report.test(`presence of ${who} with show and status reaches ${other}`, async () => {
            const sender = play.need(who);
            const status = `${STATUS} ${play.token}`;
            sender.presence({ show: 'dnd', status });
            const got = await play.need(other).inbox.expect(
                'presence', `show and status of ${who}`,
                event => event.from === sender.jid && event.status === status);
            assert.equal(got.show, 'dnd');
        });
    }
}

async function messages(report, play) {
    await report.test('message a to b, full JID, awkward body exact', async () => {
        await play.deliver('a', 'b', play.need('b').jid, `${AWKWARD}${play.token}`);
    });
    await report.test('message b to a, bare JID, awkward body exact', async () => {
        await play.deliver('b', 'a', play.bareA, `${AWKWARD}${play.token}`);
    });
    await report.test('message of 10 KB each way, body exact', async () => {
        await play.deliver('a', 'b', play.bareB, tenKilobytes(play.token));
        await play.deliver('b', 'a', play.need('a').jid, tenKilobytes(play.token));
    });
    await report.test('fifty messages keep their order', async () => {
        const bodies = Array.from({ length: 50 }, (_, index) => `${play.token} number ${index}`);
        for (const body of bodies) play.need('a').message({ to: play.bareB, body });
        for (const body of bodies) {
            const got = await play.need('b').inbox.expect('message', body,
                                                          event => event.body?.startsWith(play.token));
            assert.equal(got.body, body);
        }
    });
}

async function queries(report, play) {
    await report.test('version of the server', async () => {
        const name = await within(play.need('a').version(settings.domain), 'the version of the server');
        assert.ok(name, 'the server tells its name');
        return name;
    });
    await report.test('IQ between two full JIDs is answered, both ways', async () => {
        for (const [who, other] of [['a', 'b'], ['b', 'a']]) {
            const name = await within(play.need(who).version(play.need(other).jid), `version of ${other}`);
            assert.equal(name, VERSION_NAME);
        }
    });
    await report.test('IQ to an unknown resource is answered service-unavailable', async () => {
        const error = await refusal(within(
            play.need('a').version(`${play.bareB}/nobody-${play.token}`), 'the error of an unknown resource'));
        assert.equal(error.condition, 'service-unavailable', error.stack);
    });
}

async function absence(report, play) {
    await report.test('logout of b is seen by a as unavailable presence', async () => {
        const { jid } = play.need('b');
        await within(play.b.logout(), 'the logout of b');
        play.b = undefined;
        await play.need('a').inbox.expect('presence', 'unavailable of b',
                                          event => event.type === 'unavailable' && event.from === jid);
    });
    await report.test('message to the absent b arrives at the next login, with a delay stamp', async () => {
        const body = `while you were away ${play.token} ${AWKWARD}`;
        const before = Date.now();
        play.need('a').message({ to: play.bareB, body });
        await within(play.a.ping(settings.domain), 'the server having taken the message');
        const session = await play.enter('b');
        await session.rosterGet();
        session.presence({});
        const got = await session.inbox.expect('message', 'the offline message', event => event.body === body);
        assert.equal(bare(got.from), play.bareA);
        assert.ok(got.delay, 'the message has a delay stamp');
        // XEP-0082 stamps may be cut to whole seconds, hence the second of leeway.
        const stamp = new Date(got.delay).getTime();
        assert.ok(stamp >= before - 1000 && stamp <= Date.now() + 1000, `delay stamp ${got.delay}`);
    });
}

async function farewell(report, play) {
    await report.test('unsubscribe and unsubscribed: both are pushed subscription none', async () => {
        play.need('a').presence({ to: play.bareB, type: 'unsubscribe' });
        play.need('a').presence({ to: play.bareB, type: 'unsubscribed' });
        for (const type of ['unsubscribe', 'unsubscribed']) {
            await play.need('b').inbox.expect('presence', `${type} at b`,
                                              event => event.type === type && event.from === play.bareA);
        }
        await play.push('a', play.bareB, 'none', event => event.subscription === 'none');
        await play.push('b', play.bareA, 'none', event => event.subscription === 'none');
    });
    await report.test('roster remove leaves no entry on either side', async () => {
        for (const [who, jid] of [['a', play.bareB], ['b', play.bareA]]) {
            await within(play.need(who).rosterRemove(jid), `roster remove of ${who}`);
            await play.push(who, jid, 'remove', event => event.subscription === 'remove');
            assert.equal(await play.rosterItem(who, jid), undefined);
        }
    });
    await report.test('logout of both', async () => {
        for (const who of ['a', 'b']) await within(play.need(who).logout(), `the logout of ${who}`);
    });
}

async function wire(report, hangsUp) {
    await report.test('subprotocol xmpp chosen, <open/> first', async () => frames.assertOpened(settings.domain));
    await report.test('each frame is text, parses alone and has its own namespace',
                      async () => frames.assertFramesStandAlone());
    await report.test('each stream ends with <close/> and a clean WebSocket close', () => frames.assertClosed(hangsUp));
}

/**
 * Plays the whole story and ends the process.
 * `scrams`: the mechanisms of that family that the library can do, strongest first.
 * `hangsUp`: the library does not wait for the server's <close/>.
 */
export async function run(name, login, { scrams, hangsUp = false }) {
    const report = new Report();
    report.note(`${name} against ${settings.url}`);
    const play = new Play(login);
    await logins(report, play, scrams);
    await rosters(report, play);
    await presences(report, play);
    await messages(report, play);
    await queries(report, play);
    await absence(report, play);
    await farewell(report, play);
    await wire(report, hangsUp);
    // Libraries may keep timers of their own; the last line is printed, so nothing is cut off.
    process.exit(report.finish());
}
