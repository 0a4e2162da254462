// SPDX-License-Identifier: MIT
// Strophe 1.2.14 of 2016, as Debian still packages it (libjs-strophe): what an old web page loads. It knows
// SCRAM-SHA-1, DIGEST-MD5 and PLAIN, asks for a session when that is offered, and has no stream management.

import { existsSync, readFileSync } from 'node:fs';
import vm from 'node:vm';
import { DOMImplementation, DOMParser } from '@xmldom/xmldom';
import { RecordingWebSocket } from './lib/frames.mjs';
import { run } from './lib/story.mjs';
import { stropheLogin } from './lib/strophe_session.mjs';

const SCRIPT = '/usr/share/javascript/strophe/strophe.js';

if (!existsSync(SCRIPT)) {
    console.log('# skipped: libjs-strophe is not installed');
    process.exit(77);
}

// The pieces of a browser that this script expects.
globalThis.window = globalThis;
globalThis.document = { implementation: new DOMImplementation() };
globalThis.DOMParser = DOMParser;
globalThis.WebSocket = RecordingWebSocket;
vm.runInThisContext(readFileSync(SCRIPT, 'utf8'), { filename: SCRIPT });

const { Strophe, $iq, $msg, $pres } = globalThis;
await run(`libjs-strophe ${Strophe.VERSION}`, stropheLogin({ Strophe, $iq, $msg, $pres }, {}),
          { scrams: ['SCRAM-SHA-1'], hangsUp: true });
