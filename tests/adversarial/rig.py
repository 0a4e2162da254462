# SPDX-License-Identifier: MIT
"""What a case gets: a running server, users, clients, and the watch over all of it.

Around every case the rig asserts that the server is the same live process afterwards, that a canary
that logged in before was echoed within its limit all along, and that the server's memory and
descriptors have returned: RSS to at most `slack_mib` (4 unless the case says otherwise) above the
level before, descriptors to at most 2 above, both within 5 s.
"""

import atexit
import contextlib
import os
import re
import shlex
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import settings
from xmpp import Closed, Fail, Timeout, WsClient, Xmpp, check, message

from wsclient import Wire

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from ports import Port  # noqa: E402
from server import give_to_server  # noqa: E402

CANARY_EVERY_S = 0.2
FD_SLACK = 2
SETTLE_S = 5.0
METRICS_HOST = "127.7.7.7"  # no client connects from there, and so none takes the port first


class Canary:
    """A session that sends itself a message every 200 ms and keeps the longest wait."""

    def __init__(self, rig):
        self.client = rig.client("canary", source="127.0.0.1")
        self.count, self.worst, self.failure = 0, 0.0, None
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def echo(self):
        """One round; returns how long it took."""
        with self.lock:
            self.count += 1
            text, begun = "canary %d" % self.count, time.monotonic()
            # No archive keeps it: the store's cache would grow with it, in the memory that is watched.
            self.client.send(message(self.client.jid, text).replace(
                "</message>", "<no-store xmlns='urn:xmpp:hints'/></message>"))
            self.client.wait_for(lambda e: "".join(e.itertext()) == text, 5.0)
            took = time.monotonic() - begun
            self.worst = max(self.worst, took)
            return took

    def _loop(self):
        while not self.stopping.wait(CANARY_EVERY_S):
            try:
                self.echo()
            except (Closed, Timeout, Fail, OSError) as e:
                self.failure = "%s %s" % (type(e).__name__, e)
                return

    def judge(self, limit):
        """Asserts over the time since the last call, and one round now."""
        try:
            if self.failure is None:
                self.echo()
        except (Closed, Timeout, Fail, OSError) as e:
            self.failure = "%s %s" % (type(e).__name__, e)
        check(self.failure is None, "the canary lost its session: %s", self.failure)
        worst, self.worst = self.worst, 0.0
        check(worst <= limit, "the canary waited %.2f s for its echo", worst)

    def stop(self):
        self.stopping.set()
        self.thread.join(6)
        self.client.close()


class Rig:
    """One server with one configuration. `start` is (config text, stack KiB or None) -> server."""

    def __init__(self, start, overrides, options, stack_kib=None):
        self.start, self.overrides, self.options = start, overrides, options
        self.metrics_port = Port(METRICS_HOST)
        self.metrics = "%s:%d" % (METRICS_HOST, self.metrics_port.number)
        listen = {"metrics_listen": self.metrics}
        self.server = start(settings.config_text({**overrides, **listen}), stack_kib)
        self.host, self.port = self.server.host, self.server.port
        self.scheme = "wss" if overrides.get("tls") == "own" else "ws"
        self.domain = settings.DOMAIN
        self.limits = {**settings.LIMITS,
                       **{k: v for k, v in overrides.items() if k in settings.LIMITS}}
        self.server.import_users((self.bare(user), settings.PASSWORD) for user in settings.USERS)
        self.canary = Canary(self)

    def stop(self):
        self.canary.stop()
        self.server.stop()
        self.metrics_port.close()

    @contextlib.contextmanager
    def variant(self, overrides=None, stack_kib=None):
        """A second server for the length of a block, for a case that needs two configurations."""
        other = Rig(self.start, {**self.overrides, **(overrides or {})}, self.options, stack_kib)
        try:
            yield other
            other.canary.judge(1.0)
        finally:
            other.stop()

    # -- clients -----------------------------------------------------------------------------

    def url(self, path=None):
        return "%s://%s:%d%s" % (self.scheme, self.host, self.port, path or settings.WS_PATH)

    def wire(self, **kw):
        return Wire(self.host, self.port, **{"timeout": 5.0, **kw})

    def ws(self, **kw):
        return WsClient(self.url(), **{"timeout": 5.0, **kw})

    def connect(self, **kw):
        """Upgraded, nothing opened yet."""
        return Xmpp(self.url(), self.domain, **kw)

    def opened(self, **kw):
        client = self.connect(**kw)
        client.open()
        return client

    def client(self, user, resource=None, **kw):
        return self.connect(**kw).login(user, settings.PASSWORD, resource)

    def bare(self, user):
        return "%s@%s" % (user, self.domain)

    # -- the process -------------------------------------------------------------------------

    def status_word(self, field):
        with open("/proc/%d/status" % self.server.pid) as f:
            for line in f:
                if line.startswith(field + ":"):
                    return line.split()[1]
        raise Fail("no %s: is the server dead?" % field)

    def rss_kib(self):
        return int(self.status_word("VmRSS"))

    def peak_kib(self):
        return int(self.status_word("VmHWM"))

    def reset_peak(self):
        self.server.reset_peak()

    def fds(self):
        return len(self.server.descriptors())

    def cpu_s(self):
        """Processor time of all threads so far; in nanoseconds, unlike what /proc/PID/stat has.

        The kernel writes it down when a thread goes to sleep: so this waits until all do.
        """
        deadline = time.monotonic() + 0.1
        while self.is_running() and time.monotonic() < deadline:
            pass
        total = 0
        for task in os.listdir("/proc/%d/task" % self.server.pid):
            try:
                with open("/proc/%d/task/%s/schedstat" % (self.server.pid, task)) as f:
                    total += int(f.read().split()[0])
            except FileNotFoundError:
                pass  # a thread of the pool that has just ended
        return total / 1e9

    def is_running(self):
        """Whether a thread of the server is on a processor, or waits for one."""
        for task in os.listdir("/proc/%d/task" % self.server.pid):
            try:
                with open("/proc/%d/task/%s/stat" % (self.server.pid, task)) as f:
                    if f.read().rpartition(")")[2].split()[0] == "R":
                        return True
            except FileNotFoundError:
                pass
        return False

    def alive(self):
        try:
            return self.status_word("State") not in ("Z", "X")
        except (OSError, Fail):
            return False

    def log_text(self):
        return "\n".join(self.server.log())

    def metric(self, pattern):
        """The figure that the pattern finds in what the server tells a collector."""
        with urllib.request.urlopen("http://" + self.metrics + settings.METRICS_PATH, timeout=5) as answer:
            found = re.search(pattern, answer.read().decode())
        return float(found.group(1)) if found else 0.0

    def allocated(self):
        """Bytes that the server's own code and OpenSSL hold: what RSS is without the allocator's habits."""
        return int(self.metric(r"jabiru_allocated_bytes ([0-9]+)"))

    def limit_count(self, limit):
        """How often the server says that this limit has bitten."""
        return self.metric(settings.LIMIT_METRIC % limit)

    @contextlib.contextmanager
    def slow_disk(self):
        """Within it the store writes nothing: somebody else has the database. Afterwards it goes on."""
        with contextlib.closing(sqlite3.connect(self.server.data / "jabiru.db", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                db.execute("ROLLBACK")

    def wait_counted(self, limit, before):
        """The figures are gathered from all threads: at most a second late."""
        deadline = time.monotonic() + 1.0
        while not self.limit_count(limit) > before:
            check(time.monotonic() < deadline, "the limit %s bit but was not counted", limit)
            time.sleep(0.02)

    # -- the watch ---------------------------------------------------------------------------

    def warm_up(self):
        """First uses of code and allocator should not be counted against the first case."""
        for _ in range(3):
            with self.client("alice") as client:
                client.silent_until_ping()

    @contextlib.contextmanager
    def watch(self, entry):
        self.canary.judge(1.0)
        counted = {limit: self.limit_count(limit) for limit in entry.counts}
        rss, fds = self.rss_kib(), self.fds()
        yield
        check(self.alive(), "the server died")
        self.canary.judge(entry.canary_s)
        for limit, before in counted.items():
            self.wait_counted(limit, before)
        slack = entry.slack_mib * 1024 * self.options.rss_factor
        deadline = time.monotonic() + SETTLE_S
        while self.fds() > fds + FD_SLACK or self.rss_kib() > rss + slack:
            check(time.monotonic() < deadline,
                  "not back to baseline: RSS %d -> %d KiB, fds %d -> %d",
                  rss, self.rss_kib(), fds, self.fds())
            time.sleep(0.05)


def wrap_stack(binary, stack_kib):
    """A script that runs `binary` with a small stack, under the same pid."""
    fd, path = tempfile.mkstemp(prefix="small-stack-", suffix=".sh")
    with os.fdopen(fd, "w") as f:
        f.write("#!/bin/sh\nulimit -s %d\nexec %s \"$@\"\n" % (stack_kib, shlex.quote(binary)))
    os.chmod(path, stat.S_IRWXU)
    atexit.register(os.unlink, path)  # a restart may need it again
    return path


def self_signed(directory, name=settings.DOMAIN):
    """A key and certificate for `name`; returns their paths."""
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=DNS:%s,IP:127.0.0.1" % name,
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    give_to_server(directory, key)
    return cert, key
