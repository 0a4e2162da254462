// SPDX-License-Identifier: MIT
// Test lines, and events that can be awaited: the two things every driver needs.

/** How long any single thing may take before the test that waits for it fails. */
export const PATIENCE_MS = 10_000;

/** Prints one `ok`/`not ok` line per test and remembers whether any failed. */
export class Report {
    #count = 0;
    #failed = 0;

    note(text) {
        for (const line of String(text).split('\n')) console.log(`# ${line}`);
    }

    /** Runs one test. What it returns, if anything, is shown beside the description. */
    async test(description, body) {
        this.#count += 1;
        try {
            const detail = await body();
            console.log(`ok ${this.#count} - ${description}${detail ? ` (${detail})` : ''}`);
        } catch (error) {
            this.#failed += 1;
            console.log(`not ok ${this.#count} - ${description}`);
            this.note(error?.message ?? error);
            // Where in our own files; the rest of a stack is the machinery of Node.
            for (const line of String(error?.stack ?? '').split('\n')) {
                if (/^\s+at .*\.mjs:/.test(line) && !/node_modules|tap\.mjs|story\.mjs.*run/.test(line)) {
                    this.note(line);
                    break;
                }
            }
        }
    }

    finish() {
        console.log(`1..${this.#count}`);
        return this.#failed === 0 ? 0 : 1;
    }
}

/** Fails with `what` when `promise` has not settled in time. */
export function within(promise, what, ms = PATIENCE_MS) {
    let timer;
    const late = new Promise((_, reject) => {
        const error = Object.assign(new Error(`waited ${ms / 1000} s for ${what}`), { late: true });
        timer = setTimeout(() => reject(error), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What a session received, in order. Each event is handed out once, to whoever expects it. */
export class Inbox {
    #events = [];
    #waiting = new Set();

    push(event) {
        for (const waiter of this.#waiting) {
            if (waiter.wants(event)) {
                this.#waiting.delete(waiter);
                waiter.resolve(event);
                return;
            }
        }
        this.#events.push(event);
    }

    clear() {
        this.#events = [];
    }

    /** The first event of that kind that satisfies `matches`: one already here, or one to come. */
    async expect(kind, what, matches = () => true) {
        const wants = event => event.kind === kind && matches(event);
        const here = this.#events.findIndex(wants);
        if (here >= 0) return this.#events.splice(here, 1)[0];

        const waiter = { wants };
        const arrival = new Promise(resolve => {
            waiter.resolve = resolve;
        });
        this.#waiting.add(waiter);
        try {
            return await within(arrival, what);
        } catch (error) {
            const others = this.#events.slice(-5).map(event => JSON.stringify(event).slice(0, 300));
            error.message += `; last unexpected events: ${others.join(' ') || 'none'}`;
            throw error;
        } finally {
            this.#waiting.delete(waiter);
        }
    }
}
