# SPDX-License-Identifier: MIT
"""A server, its users as clients, messages between them at a rate, and the judgement at the end."""

import asyncio
import contextlib
import json
import pathlib
import random
import resource
import shutil
import socket
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness"), str(HERE.parent / "wsconf")]

import checker  # noqa: E402
from client import Client, wait_for  # noqa: E402
from server import Server, ServerError, eventually, give_to_server  # noqa: E402

PASSWORD = "correct horse battery"

# The driver is one address and faster than any client; none of these changes what one is answered.
RELAXED = """
limits {
    unauthenticated = 10000
    unauthenticated_per_address = 10000
    connections_per_address = 20000
    accept_rate_per_address = 1000000
    auth_failures_per_address = 1000000
    input_rate_preauth = 1073741824
    input_rate = 1073741824
    stanza_rate = 1000000
    new_recipients_rate = 1000000
    store_timeout_ms = 60000
}
"""


class Failed(AssertionError):
    """The server did not do what it promises."""


def check(condition, words):
    if not condition:
        raise Failed(words)


def raise_descriptor_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 17), hard))
    return min(hard, 1 << 17)


def control(server, command, **args):
    """One request to the control socket; the final answer's result. None: the server went away."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        try:
            s.connect(str(server.data / "control.sock"))
            s.sendall(json.dumps({"id": 1, "command": command, "args": args}).encode() + b"\n")
            line = s.makefile().readline()
        except (ConnectionError, FileNotFoundError):
            return None
    if not line:
        return None
    answer = json.loads(line)
    check(answer["ok"], f"{command} {args}: {answer}")
    return answer["result"]


def admin_or_none(server, command, **args):
    """None when the server does not answer, or says no."""
    try:
        return control(server, command, **args)
    except (AssertionError, OSError, ValueError):
        return None


class TestServer(Server):
    """Keeps the status it ended with, and says no where Server raises."""

    status = None

    def start(self):
        """Until its loop runs: before that, SIGTERM has its default effect."""
        super().start()
        eventually(lambda: self.ended() or admin_or_none(self, "stats") is not None, "the control socket")
        return self

    def _finish_reading(self):
        self.status = self.process.returncode
        super()._finish_reading()

    def add_user_or_not(self, jid, password):
        try:
            self.add_user(jid, password)
            return True
        except ServerError:
            return False

    def terminate(self):
        """As stop(), but the data folder stays."""
        self._terminate()

    def ended(self):
        return self.process is None or self.process.poll() is not None


def copy_data(source, target):
    """A data folder that a server can use, which is not root even if we are."""
    target.parent.chmod(0o711)
    shutil.copytree(source, target)
    give_to_server(target, *target.rglob("*"))


def users(count):
    return [f"u{n}" for n in range(count)]


def make_server(options, count, config=RELAXED, **more):
    """Started, with that many users."""
    server = TestServer(options.bin, options.cli, config=config, **more).start()
    try:
        server.import_users((f"{user}@localhost", PASSWORD) for user in users(count))
    except BaseException:
        server.abandon()
        raise
    return server


@contextlib.contextmanager
def running(options, count, **more):
    """A server with that many users for a block; what the block raises is what counts."""
    server = make_server(options, count, **more)
    try:
        yield server
    except BaseException:
        server.abandon()
        raise
    server.stop()


class World:
    """All clients of a server: `async with World(...) as world`, and they are gone afterwards."""

    def __init__(self, server, count, seed=None):
        self.server = server
        self.random = random.Random(seed)
        self.clients = [Client(server.host, server.port, user, PASSWORD) for user in users(count)]
        self.tasks = []
        self.traffic = None
        self.made = 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        if self.traffic:
            await self.stop_traffic()
        await self.leave()

    async def enter(self, seconds=60):
        """Everybody comes online; not all at once, which would be a test of something else."""
        for n, client in enumerate(self.clients):
            self.tasks.append(asyncio.create_task(client.run()))
            if n % 20 == 19:
                await asyncio.sleep(0)
        await self.all_online(seconds)

    async def all_online(self, seconds=60):
        def online():
            self.check_refusals()
            return all(client.online.is_set() for client in self.clients)
        await wait_for(online, seconds, "all clients to come online")

    def check_refusals(self):
        for client in self.clients:
            check(not client.refusals, f"{client.bare}: {client.refusals[:1]}")

    # -- messages

    def start_traffic(self, rate):
        self.traffic = asyncio.create_task(self._talk(rate))

    async def stop_traffic(self):
        self.traffic.cancel()
        await asyncio.gather(self.traffic, return_exceptions=True)

    async def _talk(self, rate):
        begun, made = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - begun) * rate)
            for _ in range(min(due - made, 200)):
                self.say_something()
            made = max(due, made)
            await asyncio.sleep(0.01)

    def say_something(self):
        client, peer = self.random.sample(self.clients, 2)
        if client.online.is_set():
            client.message_to(peer.bare)
            self.made += 1

    async def settle(self, seconds=60):
        """Everybody is there, nothing waits for an acknowledgement, and all has arrived."""
        await self.all_online(seconds)
        for client in self.clients:
            client.ask()
        await wait_for(lambda: all(client.quiet.is_set() for client in self.clients), seconds,
                       "all acknowledgements")
        try:
            await wait_for(lambda: self.arrived() >= self.made, seconds, "all messages")
        except TimeoutError:
            pass  # the checker says which are missing

    def arrived(self):
        """Of what was made; what came back is as good."""
        return sum(len(client.seen) + len(client.errors) for client in self.clients)

    async def leave(self):
        for client in self.clients:
            client.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # -- judging

    def logs(self):
        return {client.bare: client.log for client in self.clients}

    def judge(self):
        """Fails with what the checker found; otherwise its figures."""
        self.check_refusals()
        logs, archive = self.logs(), checker.read_archive(self.server.data / "jabiru.db")
        found = checker.judge(logs, archive)
        if found:
            folder = tempfile.mkdtemp(prefix="jabiru-faults-")
            checker.save_logs(folder, logs)
            raise Failed(f"logs in {folder}\n{checker.report(found)}")
        return checker.figures(logs, archive)
