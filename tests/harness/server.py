# SPDX-License-Identifier: MIT
"""A server of one's own for a test: started on a free loopback port with a fresh data folder, watched, and stopped.

    with Server("build/jabirud", "build/jabiru") as server:
        server.add_user("romeo@localhost", "secret")
        talk_to(server.url)

Leaving the block stops the server and fails if it did not end well or a sanitizer complained. Every wait is for an
event (a log line, the end of a process), with a cap.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

LISTENING = re.compile(r"listening on (\S+):(\d+)")
CLAIM = re.compile(r"https?://\S+/claim/\S+")
COMPLAINTS = ("ERROR: AddressSanitizer", "runtime error:", "LeakSanitizer", "WARNING: ThreadSanitizer")
START_S = 10
STOP_S = 10
COMMAND_S = 60
DEBUGGABLE = "debuggable = true\n"
WORKER = "nobody"  # whom a server becomes that root starts for a test

# Taken over from the environment if set there, so that a run can be tuned without touching the tests.
SANITIZER_DEFAULTS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:halt_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1",
}


class ServerError(AssertionError):
    """The server did not do what a test relies on; the message carries the end of its log."""


class Lines:
    """Reads a pipe in a thread, keeps its lines, and lets others wait for one."""

    def __init__(self, pipe):
        self._lines = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def all(self):
        with self._changed:
            return list(self._lines)

    def join(self, seconds):
        """Waits until the pipe is closed, so that nothing written before is missed."""
        self._thread.join(seconds)

    def wait_for(self, pattern, seconds, since=0):
        """The first match at or after line `since`; None when the pipe ended or the time is up."""
        def found():
            for line in self._lines[since:]:
                match = pattern.search(line)
                if match:
                    return match
            return None
        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, seconds)
            return found()


class Server:
    """One jabirud with a data folder that lives as long as this object."""

    def __init__(self, bin, cli, config=None, args=(), env=None, data=None, debuggable=True):
        """`config`: the text of a configuration file; `env`: further environment variables (sanitizers);
        `debuggable`: tests may look at the process's memory and descriptors."""
        self.bin = str(bin)
        self.cli = str(cli)
        self.args = list(args)
        self.env = {**SANITIZER_DEFAULTS, **os.environ, **(env or {})}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jabiru-test-"))
        self.data = pathlib.Path(data) if data else self.folder / "data"
        if os.geteuid() == 0:
            self.folder.chmod(0o711)  # the server gives up root, and has to reach its data
        self.config = self.folder / "jabiru.conf"
        head = (DEBUGGABLE if debuggable else "") + (f"user = {WORKER}\n" if os.geteuid() == 0 else "")
        if "sandbox" not in (config or ""):
            head += os.environ.get("JABIRU_TEST_OPTIONS", "")  # of a whole run: script/coverage sets it
        self.config.write_text(head + (config or ""), encoding="utf-8")
        self.host = "127.0.0.1"
        self.port = 0
        self.process = None
        self.stdout = None
        self.stderr = None
        self.past_log = []  # stderr of runs before a restart

    # -- addresses

    @property
    def url(self):
        """Where XMPP clients connect."""
        return f"ws://{self.host}:{self.port}/xmpp-websocket"

    @property
    def origin(self):
        """What a person types into a browser; the host is the served domain, so cookies and origins agree."""
        return f"http://localhost:{self.port}"

    @property
    def domain(self):
        return "localhost"

    @property
    def pid(self):
        return self.process.pid

    def connect(self, seconds):
        """A socket to it."""
        connected = socket.create_connection((self.host, self.port), timeout=seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def listen(self):
        """The arguments that say where; without any, the listeners of the configuration."""
        return ["--listen", f"{self.host}:{self.port}"]

    # -- life

    def start(self):
        if self.process is not None:
            raise ServerError("already started")
        self.process = subprocess.Popen(
            [self.bin, "--data", str(self.data), *self.listen(), "--config", str(self.config), *self.args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace", env=self.env)
        self.stdout = Lines(self.process.stdout)
        self.stderr = Lines(self.process.stderr)
        match = self.stderr.wait_for(LISTENING, START_S)
        if not match:
            self.kill()
            raise ServerError(self._with_log("did not say `listening on` in time"))
        self.port = int(match.group(2))
        return self

    def stop(self):
        """Ends the server as an administrator does, and fails if that did not go well."""
        try:
            self._terminate()
        finally:
            self._remove()

    def restart(self, meanwhile=None):
        """Stops and starts again on the same port and data; meanwhile(database) is called in between."""
        self._terminate()
        if meanwhile:
            meanwhile(self.data / "jabiru.db")
        return self.start()

    def kill(self):
        """As a power cut would: nothing is checked, the data folder stays; start() may follow."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait(STOP_S)
        self._finish_reading()

    def abandon(self):
        """For a test that has failed already: ends it all without judging."""
        self.kill()
        self._remove()

    def _terminate(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(self._with_log(f"did not end within {STOP_S} s of SIGTERM")) from None
        self._finish_reading()
        if status != 0:
            raise ServerError(self._with_log(f"ended with status {status}"))
        self.assert_no_complaints()

    def _finish_reading(self):
        self.stdout.join(STOP_S)
        self.stderr.join(STOP_S)
        self.past_log += self.stderr.all()
        self.process = self.stderr = None

    def _remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.abandon()
            raise

    def __exit__(self, kind, error, _trace):
        if kind is None:
            self.stop()
            return
        # A test failed: show the log, and do not hide its failure behind one of ours.
        print(self._with_log(f"log of the server, for the failure: {error!r}"))
        self.abandon()

    # -- what it says

    def log(self):
        """All of stderr so far, over restarts."""
        return self.past_log + (self.stderr.all() if self.stderr else [])

    def assert_no_complaints(self):
        bad = [line for line in self.log() if any(complaint in line for complaint in COMPLAINTS)]
        if bad:
            raise ServerError(self._with_log("a sanitizer complained: " + bad[0], lines=200))

    def claim_link(self):
        """The link that a server on an empty data folder prints for its first visitor."""
        match = self.stdout.wait_for(CLAIM, START_S)
        if not match:
            raise ServerError(self._with_log(f"printed no claim link, but: {self.stdout.all()}"))
        return match.group(0)

    def wait_for_log(self, pattern, seconds=START_S):
        match = self.stderr.wait_for(re.compile(pattern), seconds)
        if not match:
            raise ServerError(self._with_log(f"no log line matched {pattern!r}"))
        return match

    def _with_log(self, message, lines=40):
        tail = "\n".join("    " + line for line in self.log()[-lines:])
        return f"{self.bin}: {message}\n{tail}"

    # -- administration

    def admin(self, *args, input=None):
        """Runs `jabiru admin ARGS --data DIR` and gives what it printed."""
        command = [self.cli, "admin", *args, "--data", str(self.data)]
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=COMMAND_S,
                              env=self.env, check=False)
        if done.returncode != 0:
            raise ServerError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def add_user(self, jid, password):
        self.admin("user", "add", jid, input=password + "\n")

    def import_users(self, users):
        """`users`: pairs of JID and password, all in one command."""
        file = self.folder / "users.txt"
        file.write_text("".join(f"{jid} {password}\n" for jid, password in users), encoding="utf-8")
        file.chmod(0o600)
        self.admin("user", "import", str(file))

    # -- the process

    def _as_owner(self, *command):
        """Runs a command as the user that the server became: root in a container may not be allowed to look."""
        status = os.stat(f"/proc/{self.pid}")
        uid, gid = status.st_uid, status.st_gid
        return subprocess.run(command, user=uid, group=gid, extra_groups=[], check=True, capture_output=True,
                              text=True).stdout

    def proc(self, name):
        """The text of /proc/PID/NAME."""
        path = f"/proc/{self.pid}/{name}"
        try:
            return pathlib.Path(path).read_text(encoding="utf-8")
        except PermissionError:
            return self._as_owner("cat", path)

    def descriptors(self):
        """What is open: the names in /proc/PID/fd."""
        path = f"/proc/{self.pid}/fd"
        try:
            return os.listdir(path)
        except PermissionError:
            return self._as_owner("ls", path).split()

    def reset_peak(self):
        """From now on VmHWM counts anew."""
        path = f"/proc/{self.pid}/clear_refs"
        try:
            pathlib.Path(path).write_text("5", encoding="ascii")
        except PermissionError:
            self._as_owner("sh", "-c", f"echo 5 >{path}")

    def memory(self):
        """{'Rss': bytes, 'Pss': bytes, ...} of the process, from the kernel's own sums."""
        sums = {}
        for line in self.proc("smaps_rollup").splitlines():
            name, _, rest = line.partition(":")
            if rest.endswith(" kB"):
                sums[name] = int(rest.split()[0]) * 1024
        return sums

    @property
    def rss(self):
        return self.memory()["Rss"]

    @property
    def pss(self):
        return self.memory()["Pss"]


def give_to_server(*paths):
    """Files that only the server may read: root made them, and the server is not root."""
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, WORKER)


def eventually(condition, what, seconds=10, step=0.02):
    """For the few things that announce themselves to nobody (a file, a counter): asks until true, with a cap."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise ServerError(f"waited {seconds} s for {what}")
        time.sleep(step)
