# SPDX-License-Identifier: MIT
"""A process that measures what others notice: canary.py HOST PORT

Two users chat: u0 says something every 50 ms, u1 answers, and the round trip counts from when it was
due, so that a server that stops for a second is seen twenty times. Beside them u2 logs in, over and
over. A line on standard input says that the crowd comes, another one ends it; what it measured goes to
standard output as JSON. Where it may, it goes before others on the machine: what it waits for should be the
server, and not its own turn.
"""

import asyncio
import contextlib
import json
import os
import sys
import time

import world  # noqa: F401  (sets the path)
from client import Client, wait_for
from world import PASSWORD

EVERY_S = 0.05
LOGIN_EVERY_S = 0.25
LAST_WORDS_S = 5
BEFORE_OTHERS = -10


class Answering(Client):
    """Says back what it hears."""

    def _message(self, element):
        super()._message(element)
        if element.get("type") == "chat":
            self.message_to(element.get("from").split("/")[0])


class Canary(Client):
    """What comes back answers the oldest that has no answer: order between two is kept."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.due, self.trips = [], []

    def _message(self, element):
        super()._message(element)
        if element.get("type") == "chat":
            self.trips.append(time.monotonic() - self.due[len(self.trips)])

    async def sing(self):
        due = time.monotonic()
        while True:
            self.due.append(due)
            self.message_to("u1@localhost")
            due += EVERY_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def log_in_again(host, port, took):
    while True:
        begun = time.monotonic()
        visitor = Client(host, port, "u2", PASSWORD)
        task = asyncio.create_task(visitor.run())
        await visitor.online.wait()
        took.append(time.monotonic() - begun)
        visitor.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(max(0.0, begun + LOGIN_EVERY_S - time.monotonic()))


async def main(host, port):
    canary, pair = Canary(host, port, "u0", PASSWORD), Answering(host, port, "u1", PASSWORD)
    lives = [asyncio.create_task(client.run()) for client in (canary, pair)]
    await wait_for(lambda: canary.online.is_set() and pair.online.is_set(), 10, "the canary's logins")
    logins = []
    work = [asyncio.create_task(canary.sing()), asyncio.create_task(log_in_again(host, port, logins))]
    print("singing", flush=True)
    line = asyncio.get_running_loop().run_in_executor
    await line(None, sys.stdin.readline)
    calm = len(canary.due)
    logins.clear()
    await line(None, sys.stdin.readline)
    for task in work:
        task.cancel()
    end = time.monotonic() + LAST_WORDS_S
    while len(canary.trips) < len(canary.due) and time.monotonic() < end:
        await asyncio.sleep(0.01)
    failed = [str(task.exception()) for task in work if task.done() and not task.cancelled() and task.exception()]
    print(json.dumps({"calm": canary.trips[:calm], "trips": canary.trips[calm:], "logins": logins, "unanswered": len(canary.due) - len(canary.trips),
                      "lost": canary.resumptions + canary.failures + pair.resumptions + pair.failures,
                      "failed": failed + canary.refusals + pair.refusals}), flush=True)
    for task in lives:
        task.cancel()
    await asyncio.gather(*lives, *work, return_exceptions=True)


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, BEFORE_OTHERS)
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
