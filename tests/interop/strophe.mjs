// SPDX-License-Identifier: MIT
// Strophe.js 5, with its stream management on.

import { Strophe, $iq, $msg, $pres } from 'strophe.js';
import { RecordingWebSocket } from './lib/frames.mjs';
import { run } from './lib/story.mjs';
import { stropheLogin } from './lib/strophe_session.mjs';

// Strophe's Node build puts `ws` into globalThis when it is loaded, and looks there at each connect.
globalThis.WebSocket = RecordingWebSocket;

Strophe.setLogLevel(Strophe.LogLevel.ERROR);

await run('strophe.js', stropheLogin({ Strophe, $iq, $msg, $pres }, { enableStreamManagement: true }),
          { scrams: ['SCRAM-SHA-512', 'SCRAM-SHA-384', 'SCRAM-SHA-256', 'SCRAM-SHA-1'], hangsUp: true });
