// SPDX-License-Identifier: MIT
// The first five minutes of a newcomer, in a real browser: from the claim link that an empty server prints to two
// people who talk, one at a desk and one on a phone, over a restart of the server.
//
// Started by run.py, which owns the server: a line `@restart` on standard output asks it to restart the server, and
// a line on standard input says that it has.
// Environment: JABIRU_TEST_CLAIM (the link), JABIRU_TEST_OUT (folder for the screenshots).

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { Report, within } from '../interop/lib/tap.mjs';

const CLAIM = process.env.JABIRU_TEST_CLAIM;
const OUT = process.env.JABIRU_TEST_OUT;
if (!CLAIM || !OUT) {
    console.error('JABIRU_TEST_CLAIM and JABIRU_TEST_OUT are needed: start run.py');
    process.exit(2);
}
const ORIGIN = new URL(CLAIM).origin;
const PATIENCE_MS = 30_000; // a browser on a busy machine; each wait ends as soon as its event is there
const RECONNECT_MS = 60_000; // Converse waits longer from try to try

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

// Converse 14's own page, by what it is made of.
const CONNECTED = 'converse-user-profile';
const rosterEntry = jid => `converse-roster a.open-chat[data-jid="${jid}"]`;
const ONLINE = 'converse-icon[color="var(--chat-status-online)"]';
const COMPOSER = 'converse-chat textarea.chat-textarea';
const MESSAGE = 'converse-chat .chat-msg__text';
const BACK_TO_ROSTER = 'converse-chat converse-controlbox-navback converse-icon';

/** All that a person has open: one browser context, and what its pages did. */
class Person {
    constructor(name, password) {
        this.name = name;
        this.password = password;
        this.jid = `${name}@localhost`;
        this.requests = [];
        this.errors = [];
        this.pictures = 0;
        this.events = new EventEmitter();
    }

    async sitDown(browser, device) {
        this.context = await browser.newContext(device);
        this.context.setDefaultTimeout(PATIENCE_MS);
        this.context.on('request', request => this.requests.push(request.url()));
        this.page = await this.context.newPage();
        this.page.on('websocket', socket => this.#listen(socket));
        this.page.on('pageerror', error => this.errors.push(error.stack ?? String(error)));
    }

    /**
     * Announces arrivals: streams on which the server has taken this person's presence (it is sent back to its sender)
     * or resumed the old one. The page cannot tell: after a reload Converse first shows what it remembers.
     */
    #listen(socket) {
        this.requests.push(socket.url());
        let announced = false;
        let arrived = false;
        socket.on('framesent', ({ payload }) => {
            announced ||= /^<presence(?![^>]*\s(?:type|to)=)/.test(payload);
        });
        socket.on('framereceived', ({ payload }) => {
            const echo = announced && payload.startsWith('<presence') && payload.includes(`${this.jid}/`);
            if (arrived || !(echo || payload.startsWith('<resumed'))) return;
            arrived = true;
            this.events.emit('arrival');
        });
    }

    /** Waits for the arrival after those there have been so far: taken as a promise before what brings it about. */
    arrival(patience = PATIENCE_MS) {
        const arrived = within(once(this.events, 'arrival'), `${this.name} being online`, patience);
        arrived.catch(() => {}); // reported where it is awaited
        return arrived;
    }

    async picture(what) {
        this.pictures += 1;
        const number = String(this.pictures).padStart(2, '0');
        await this.page.screenshot({ path: join(OUT, `${this.name}-${number}-${what}.png`) });
    }

    /** Follows a claim link and fills in its form; ends in the chat page, connected. */
    async claim(link) {
        await this.page.goto(link);
        await this.page.locator('input[name="username"]').fill(this.name);
        await this.page.locator('input[name="password"]').fill(this.password);
        await this.picture('claim');
        const arrival = this.arrival();
        await this.page.locator('#create').click();
        await this.page.waitForURL(`${ORIGIN}/chat/**`);
        await this.connected(arrival);
    }

    async connected(arrival) {
        await arrival;
        await this.page.locator(CONNECTED).waitFor({ state: 'attached' });
    }

    /** Opens the conversation from the roster; on a phone the roster may be behind another conversation. */
    async openChat(other) {
        const composer = this.page.locator(COMPOSER);
        if (await composer.isVisible()) return;
        // A contact with unread messages is listed a second time, in a group of its own.
        await this.page.locator(rosterEntry(other.jid)).first().click();
        await composer.waitFor();
    }

    async seesOnline(other) {
        const icon = this.page.locator(`${rosterEntry(other.jid)} ${ONLINE}`).first();
        await icon.waitFor({ state: 'attached' });
    }

    async say(text) {
        const composer = this.page.locator(COMPOSER);
        await composer.fill(text);
        await composer.press('Enter');
    }

    async sees(text, patience = PATIENCE_MS) {
        await this.page.locator(MESSAGE, { hasText: text }).first().waitFor({ timeout: patience });
        const copies = await this.page.locator(MESSAGE, { hasText: text }).count();
        assert.equal(copies, 1, `${this.name} sees "${text}" ${copies} times`);
    }
}

/** Asks run.py to restart the server. */
async function restartServer(answers) {
    console.log('@restart');
    const { value } = await within(answers.next(), 'the restart of the server', 30_000);
    assert.equal(value, 'restarted');
}

async function arrive(report, browser, alice, bob) {
    await report.test('the claim link opens a form, and alice lands in the chat page, connected', async () => {
        await alice.sitDown(browser, DESKTOP);
        await alice.claim(CLAIM);
        await alice.picture('chat');
    });
    await report.test('#second-user is a claim link of its own', async () => {
        const href = await alice.page.locator('#second-user').getAttribute('href');
        alice.secondUser = new URL(href, ORIGIN).href;
        assert.match(alice.secondUser, /\/claim\/[^/]+$/);
        assert.equal(new URL(alice.secondUser).origin, ORIGIN);
        assert.notEqual(alice.secondUser, CLAIM);
    });
    await report.test('bob opens it on a phone and lands in the chat page, connected', async () => {
        await bob.sitDown(browser, PHONE);
        await bob.claim(alice.secondUser);
        await bob.picture('chat');
    });
    await report.test('alice and bob are each other\'s contacts and see each other online', async () => {
        for (const [who, other] of [[alice, bob], [bob, alice]]) {
            await who.page.locator(rosterEntry(other.jid)).first().waitFor();
            await who.seesOnline(other);
        }
        await bob.picture('roster');
    });
    await report.test('a used claim link answers 404 or 410 with a page for people', async () => {
        const page = await alice.context.newPage();
        for (const link of [CLAIM, alice.secondUser]) {
            const response = await page.goto(link);
            assert.ok([404, 410].includes(response.status()), `status ${response.status()}`);
            assert.match(response.headers()['content-type'] ?? '', /^text\/html/);
            const text = await page.locator('body').innerText();
            assert.ok(text.trim().length > 20, `says something: ${text}`);
            assert.equal(await page.locator('input[name="password"]').count(), 0, 'and offers no form');
        }
        await page.screenshot({ path: join(OUT, 'used-link.png') });
        await page.close();
    });
}

async function talk(report, alice, bob, token) {
    await report.test('alice writes, bob reads it on the phone', async () => {
        await alice.openChat(bob);
        await alice.say(`Hello bob <${token}> & welcome \u{1F41F}`);
        await alice.sees(`Hello bob <${token}> & welcome \u{1F41F}`);
        await bob.openChat(alice);
        await bob.sees(`Hello bob <${token}> & welcome \u{1F41F}`);
        await bob.picture('message');
    });
    await report.test('bob answers, alice reads it', async () => {
        await bob.say(`Hello alice ${token}`);
        await alice.sees(`Hello alice ${token}`);
        await alice.picture('answer');
        await bob.picture('answered');
    });
    await report.test('the conversation fits the phone, and leads back to the roster', async () => {
        const { width } = PHONE.viewport;
        const composer = await bob.page.locator(COMPOSER).boundingBox();
        assert.ok(composer.x >= 0 && composer.x + composer.width <= width, JSON.stringify(composer));
        assert.ok(composer.width > width / 2, JSON.stringify(composer));
        assert.equal(await bob.page.evaluate(() => document.scrollingElement.scrollWidth), width, 'no sideways scrolling');
        await bob.page.locator(BACK_TO_ROSTER).click();
        await bob.page.locator(rosterEntry(alice.jid)).click();
        await bob.sees(`Hello alice ${token}`);
    });
}

async function absence(report, alice, bob, token) {
    await report.test('what alice writes while bob is away is there when he comes back', async () => {
        await bob.page.goto('about:blank');
        await alice.say(`While you were away ${token}`);
        await alice.sees(`While you were away ${token}`);
        const arrival = bob.arrival();
        await bob.page.goto(`${ORIGIN}/chat/`);
        await bob.connected(arrival);
        await bob.openChat(alice);
        await bob.sees(`While you were away ${token}`);
        await bob.sees(`Hello alice ${token}`);
        await bob.picture('back');
    });
}

async function restart(report, alice, bob, token, answers) {
    const aliceIsBack = alice.arrival(RECONNECT_MS);
    await report.test('after a restart of the server alice reconnects by herself', async () => {
        await restartServer(answers);
        await aliceIsBack;
    });
    await report.test('bob reloads and sees the history', async () => {
        const arrival = bob.arrival();
        await bob.page.reload();
        await bob.connected(arrival);
        await bob.openChat(alice);
        await bob.sees(`Hello alice ${token}`);
        await bob.sees(`While you were away ${token}`);
        await bob.picture('restarted');
    });
    await report.test('both talk again', async () => {
        await bob.say(`Still there? ${token}`);
        await alice.sees(`Still there? ${token}`);
        await alice.say(`Still here ${token}`);
        await bob.sees(`Still here ${token}`);
        await alice.sees(`Hello alice ${token}`);
        await alice.picture('restarted');
    });
}

async function manners(report, people) {
    await report.test('no request goes to another host', async () => {
        const urls = people.flatMap(person => person.requests);
        const host = new URL(ORIGIN).host;
        const foreign = urls.filter(url => !/^(data|blob):/.test(url) && new URL(url).host !== host);
        assert.deepEqual(foreign, []);
        assert.ok(urls.some(url => url.startsWith('ws')), 'the WebSocket connections were seen');
        return `${urls.length} requests`;
    });
    await report.test('no page threw an uncaught exception', async () => {
        assert.deepEqual(people.flatMap(person => person.errors), []);
    });
}

mkdirSync(OUT, { recursive: true });
const input = createInterface({ input: process.stdin });
const answers = input[Symbol.asyncIterator]();
const report = new Report();
const token = randomBytes(3).toString('hex');
const alice = new Person('alice', randomBytes(8).toString('hex'));
const bob = new Person('bob', randomBytes(8).toString('hex'));
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
           '--disable-component-update', '--disable-sync',
           // Whatever a page might ask for elsewhere, it gets nowhere; the test sees that it asked.
           '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost'],
});
try {
    await arrive(report, browser, alice, bob);
    await talk(report, alice, bob, token);
    await absence(report, alice, bob, token);
    await restart(report, alice, bob, token, answers);
    await manners(report, [alice, bob]);
} finally {
    await browser.close();
    input.close();
}
process.exit(report.finish());
