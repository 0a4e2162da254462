#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`jabiru admin`: on the data folder of a stopped server, and through a control socket.

The server here is a few lines of Python that answer as server/control.h says; the real one has its
own tests (tests/unit/server/test_control*.c)."""
import base64
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

JABIRU = os.environ["JABIRU"]


def run(*args, stdin="", env=None, timeout=60):
    return subprocess.run([JABIRU, *args], input=stdin, capture_output=True, text=True,
                          timeout=timeout, env={**os.environ, **(env or {})})


class Folder(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="jabiru-cli-")
        self.addCleanup(shutil.rmtree, self.data)

    def admin(self, *args, stdin=""):
        return run("admin", *args, "--data", self.data, stdin=stdin)

    def expect(self, result, status, out=None, err=None):
        self.assertEqual(result.returncode, status, result.stderr + result.stdout)
        if out is not None:
            self.assertEqual(result.stdout, out)
        if err is not None:
            self.assertEqual(result.stderr, err)

    def file(self, text, mode="w", name="accounts.txt"):
        path = os.path.join(self.data, name)
        with open(path, mode) as f:
            f.write(text)
        return path


class Stopped(Folder):
    def test_life_of_an_account(self):
        self.expect(self.admin("user", "add", "Juliet@Example.org", stdin="pw\n"), 0, "", "")
        self.expect(self.admin("user", "add", "juliet@example.org", stdin="pw\n"), 1, "",
                    "jabiru: juliet@example.org exists already\n")
        self.expect(self.admin("user", "list", "example.org"), 0, "juliet@example.org\n", "")
        self.expect(self.admin("user", "passwd", "juliet@example.org", stdin="other\n"), 0, "", "")
        self.expect(self.admin("user", "passwd", "romeo@example.org", stdin="x\n"), 1, "",
                    "jabiru: romeo@example.org does not exist\n")
        self.expect(self.admin("user", "delete", "juliet@example.org"), 0, "", "")
        self.expect(self.admin("user", "delete", "juliet@example.org"), 1, "",
                    "jabiru: juliet@example.org does not exist\n")
        self.expect(self.admin("user", "list", "example.org"), 0, "", "")

    def test_folder_is_made_and_private(self):
        path = os.path.join(self.data, "state", "jabiru")
        env = {"XDG_STATE_HOME": os.path.join(self.data, "state")}
        self.expect(run("admin", "user", "add", "a@b", stdin="pw\n", env=env), 0, "",
                    f"jabiru: {path} was not there and has been made\n")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o700)
        self.expect(run("admin", "user", "list", "b", env=env), 0, "a@b\n")
        env = {"XDG_STATE_HOME": "relative", "HOME": self.data}
        self.expect(run("admin", "user", "list", "b", env=env), 3)  # only add makes one

    def test_backup_and_restore(self):
        copy = os.path.join(self.data, "copy.db")
        self.expect(self.admin("backup", copy), 1)
        self.assertFalse(os.path.exists(copy))
        self.admin("user", "add", "a@b", stdin="pw\n")
        self.assertRegex(self.admin("backup", copy).stdout, r"copy.db: \d+ bytes, checked\n")
        self.admin("user", "add", "c@b", stdin="pw\n")
        again = self.admin("backup", copy)
        self.expect(again, 1, "", f"jabiru: cannot write {copy}: File exists\n")

        there = self.admin("restore", copy)
        self.expect(there, 1, "", f"jabiru: {self.data}/jabiru.db is there: move it away first\n")
        self.expect(self.admin("user", "list", "b"), 0, "a@b\nc@b\n")
        os.rename(os.path.join(self.data, "jabiru.db"), os.path.join(self.data, "old.db"))
        self.expect(self.admin("restore", copy), 0)
        self.expect(self.admin("user", "list", "b"), 0, "a@b\n")
        self.assertEqual(os.stat(os.path.join(self.data, "jabiru.db")).st_mode & 0o777, 0o600)

    def test_restore_of_something_else(self):
        other = self.file("this is no database\n" * 100)
        self.assertIn("not a database", self.admin("restore", other).stderr)
        self.expect(self.admin("restore", other), 1)
        self.assertFalse(os.path.exists(os.path.join(self.data, "jabiru.db")))

    def test_json(self):
        self.admin("user", "add", "a@b", stdin="pw\n")
        row = json.loads(self.admin("user", "list", "b", "--json").stdout)
        self.assertEqual(row["jid"], "a@b")
        self.assertRegex(row["created"], r"^20\d\d-\d\d-\d\dT[\d:.]+Z$")
        self.assertIs(row["admin"], False)

    def test_password_file(self):
        path = self.file("from a file\nsecond line\n", name="pw")
        self.expect(self.admin("user", "add", "a@b", "--password-file", path), 0, "", "")
        self.expect(self.admin("user", "add", "c@b", "--password-file", path + "x"), 3)
        self.expect(self.admin("user", "add", "c@b", "--password-file", self.file("\n")), 1)
        self.expect(self.admin("user", "add", "c@b", stdin=""), 3)
        self.expect(self.admin("user", "add", "c@b", stdin="x" * 5000), 1)

    def test_password_on_a_terminal(self):
        def talk(lines):
            pid, fd = pty.fork()
            if pid == 0:
                os.execv(JABIRU, [JABIRU, "admin", "user", "add", "t@b", "--data", self.data])
            seen = b""
            for prompt, line in lines:
                while prompt not in seen:
                    seen += os.read(fd, 1000)
                os.write(fd, line + b"\n")
                seen = seen.replace(prompt, b"")
            try:
                while chunk := os.read(fd, 1000):
                    seen += chunk
            except OSError:
                pass
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(fd)
            return status, seen

        status, seen = talk([(b"Password for t@b: ", b"hush"), (b"Again: ", b"hash")])
        self.assertEqual(status, 1)
        self.assertIn(b"not the same", seen)
        status, seen = talk([(b"Password for t@b: ", b"hush"), (b"Again: ", b"hush")])
        self.assertEqual(status, 0)
        self.assertNotIn(b"hush", seen)  # no echo
        self.expect(self.admin("user", "list", "b"), 0, "t@b\n")

    def test_usage(self):
        for args in (["admin"], ["admin", "nothing"], ["else"], [], ["admin", "user"],
                     ["admin", "user", "add"], ["admin", "user", "add", "a@b", "c@d"],
                     ["admin", "user", "add", "nobody"], ["admin", "user", "add", "a@b/c"],
                     ["admin", "user", "add", "a@b", "--json"],
                     ["admin", "user", "add", "a@b", "--password", "x"],
                     ["admin", "user", "add", "a@b", "--data", ""],
                     ["admin", "user", "import", "f", "--iterations", "4095"],
                     ["admin", "user", "list", "a b"]):
            result = run(*args, "--data", self.data) if len(args) > 2 else run(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertEqual(result.stdout, "")
            self.assertNotEqual(result.stderr, "")

    def test_unknown_commands(self):
        for words, said in (("frob", "unknown command `frob`;"), ("admin frob", "unknown command `admin frob`;"),
                            ("lsten", "`lsten` (did you mean `listen`?)"), ("bensh", "(did you mean `bench`?)"),
                            ("admni sessions", "(did you mean `admin`?)"),
                            ("admin sesions", "(did you mean `admin sessions`?)"),
                            ("admin user ad a@b", "(did you mean `admin user add`?)"),
                            ("sessions", "(did you mean `admin sessions`?)"),
                            ("user add a@b", "(did you mean `admin user add`?)")):
            result = run(*words.split())
            self.expect(result, 2, "")
            self.assertIn(said, result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for words in ((), ("admin",)):
            self.assertIn("usage: jabiru COMMAND", run(*words).stderr)

    def test_help(self):
        overview = run("--help")
        self.expect(overview, 0, err="")
        for name in re.findall(r"^  admin ([a-z]+(?: [a-z]+)?)", overview.stdout, re.M):
            text = run("admin", *name.split(), "--help")
            self.expect(text, 0, err="")
            self.assertIn(f"\n  jabiru admin {name}", text.stdout)  # an example
            self.assertIn("exit status: 0 ", text.stdout)
        self.assertRegex(run("--version").stdout, r"^jabiru \d+\.\d+\.\d+\n$")

    def test_needs_a_server(self):
        for command in ("sessions", "stats", "drain", "log", "reload"):
            self.expect(self.admin(command), 3, "", f"jabiru: no server runs on {self.data}\n")
        self.expect(self.admin("user", "list"), 1)
        self.assertIn("say of which host", self.admin("user", "list").stderr)

    def test_import(self):
        path = self.file("# comment\n\n  a@b pass word \nb@b\tx\r\nbad\nc@@d x\n#e@b x\n"
                         "A@B again\nf@b \n" + "g@b " + "y" * 9000 + "\n\xff\xfe x\nh@c last")
        result = self.admin("user", "import", path)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.splitlines()
        self.assertEqual([int(l[len(path) + 1:].split(":")[0]) for l in lines[:-1]],
                         [5, 6, 9, 10, 11, 8])
        self.assertRegex(lines[-1], r"^3 accounts imported, 6 lines refused, \d+\.\d s$")
        self.expect(self.admin("user", "list", "b"), 0, "a@b\nb@b\n")
        self.expect(self.admin("user", "list", "c"), 0, "h@c\n")

    def test_import_from_another_system(self):
        path = self.file(b"\xef\xbb\xbfa@b one\r\nb@b two\r\n", mode="wb")
        self.expect(self.admin("user", "import", path), 0)
        self.expect(self.admin("user", "list", "b"), 0, "a@b\nb@b\n")

    def test_import_of_what_is_no_text(self):
        """A bad line takes none of its neighbours with it."""
        path = self.file(b"a@b one\nx\0y@b two\nb@b three\nz@b with\0nul\nc@b " + b"y" * 20000 + b"\nd@b four\n\0", mode="wb")
        result = self.admin("user", "import", path)
        self.expect(result, 1)
        refused = [line[len(path) + 1:].split(":")[0] for line in result.stderr.splitlines()[:-1]]
        self.assertEqual(sorted(refused), ["2", "4", "5", "7"])
        self.expect(self.admin("user", "list", "b"), 0, "a@b\nb@b\nd@b\n")

    def test_import_more_than_a_chunk(self):
        path = self.file("".join(f"u{i:05}@b pw{i}\n" for i in range(1300)) + "u00007@b again\n")
        result = self.admin("user", "import", path, "--iterations", "4096")
        self.expect(result, 1)
        self.assertIn(f"{path}:1301: this account exists already\n", result.stderr)
        self.assertEqual(len(self.admin("user", "list", "b").stdout.splitlines()), 1300)

    def test_import_from_a_pipe_and_nothing(self):
        self.expect(self.admin("user", "import", "-", stdin="a@b pw\n"), 0, "")
        self.expect(self.admin("user", "import", "-", stdin=""), 0, "")
        self.expect(self.admin("user", "import", os.path.join(self.data, "none")), 3)

    def test_locked_folder(self):
        self.admin("user", "add", "a@b", stdin="x\n")
        # An import that waits for more input holds the lock.
        big = subprocess.Popen([JABIRU, "admin", "user", "import", "-", "--data", self.data],
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        big.stdin.write(b"bad\n")
        big.stdin.flush()
        try:
            big.stderr.readline()  # it is at work
            result = self.admin("user", "list", "b")
            self.expect(result, 3)
            self.assertIn("is in use by process", result.stderr)
        finally:
            big.stdin.close()
            big.stderr.read()
            big.stderr.close()
            big.wait()


class Server(Folder):
    """Answers each request by self.answers[command](args) -> list of replies without their id; None: it is gone."""

    def setUp(self):
        super().setUp()
        self.requests = []
        self.answers = {}
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(os.path.join(self.data, "control.sock"))
        self.socket.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        self.addCleanup(self.hang_up)

    def hang_up(self):
        """The thread first: its accept() must not find the next test's socket under the same number."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as f:
                for line in f:
                    request = json.loads(line)
                    assert len(line) <= 65536
                    self.requests.append((request["command"], request["args"]))
                    replies = self.answers[request["command"]](request["args"])
                    if replies is None:
                        break
                    for reply in replies:
                        f.write(json.dumps({"id": request["id"], **reply}).encode() + b"\n")
                    f.flush()

    @staticmethod
    def ok(result=None, done=True):
        return {"ok": True, "done": done, "result": result or {}}

    @staticmethod
    def no(code, error):
        return {"ok": False, "done": True, "code": code, "error": error}

    def test_add(self):
        self.answers["user-add"] = lambda args: [self.ok()]
        self.expect(self.admin("user", "add", "Juliet@b", stdin="pencil\n"), 0, "", "")
        command, args = self.requests[0]
        self.assertEqual(args["jid"], "juliet@b")
        raw = base64.b64decode(args["credential"], validate=True)
        self.assertEqual(raw[0], 1)
        self.assertEqual(raw[1], 3)  # three digests
        self.assertNotIn(b"pencil", raw)
        self.answers["user-add"] = lambda args: [self.no("exists", "juliet@b exists already")]
        self.expect(self.admin("user", "add", "juliet@b", stdin="x\n"), 1)
        self.answers["user-add"] = lambda args: [self.no("refused", "b: not a host")]
        self.expect(self.admin("user", "add", "juliet@b", stdin="x\n"), 1, "",
                    "jabiru: b: not a host\n")
        self.answers["user-add"] = lambda args: [self.no("failed", "the disk is full")]
        self.expect(self.admin("user", "add", "juliet@b", stdin="x\n"), 3)

    def test_list(self):
        def users(args):
            start = int(args.get("after", "u-1")[1:]) + 1
            rows = [{"jid": f"u{i}@{args['domain']}", "created": "2026-01-01T00:00:00Z",
                     "admin": i == 0, "disabled": False} for i in range(start, min(start + 2, 5))]
            return [self.ok({"users": rows, "more": start + 2 < 5})]

        self.answers["hosts"] = lambda args: [self.ok({"hosts": ["a", "b"]})]
        self.answers["user-list"] = users
        self.expect(self.admin("user", "list", "a"), 0,
                    "u0@a (admin)\nu1@a\nu2@a\nu3@a\nu4@a\n", "")
        self.assertEqual(len(self.admin("user", "list").stdout.splitlines()), 10)

    def test_import(self):
        seen, credentials = [], []

        def batch(args):
            seen.extend(jid for jid, _ in args["users"])
            credentials.extend(base64.b64decode(text, validate=True) for _, text in args["users"])
            refused = [[i, "exists"] for i, (jid, _) in enumerate(args["users"]) if jid == "u7@b"]
            return [self.ok({"stored": len(args["users"]) - len(refused), "refused": refused})]

        self.answers["user-import"] = batch
        self.answers["user-imported"] = lambda args: [self.ok()]
        path = self.file("".join(f"u{i}@b pw\n" for i in range(600)))
        result = self.admin("user", "import", path)
        self.expect(result, 1)
        self.assertIn(f"{path}:8: this account exists already\n", result.stderr)
        self.assertEqual(seen, [f"u{i}@b" for i in range(600)])
        # Version, two keys, then digest, iterations, salt, and two digests of 20 and of 32 bytes.
        self.assertEqual({len(raw) for raw in credentials}, {2 + 22 + 2 * 20 + 22 + 2 * 32})
        self.assertEqual({raw[:7] for raw in credentials}, {bytes([1, 2, 0, 0, 0, 16, 0])})
        self.assertEqual(len(set(credentials)), 600)  # each its own salt
        self.assertEqual(self.requests[-1],
                         ("user-imported", {"domain": "b", "digests": 3, "iterations": 4096,
                                            "accounts": 599}))

    def test_import_into_a_server_that_goes_away(self):
        """It says so, and where to go on."""
        def batch(args):
            seen.extend(jid for jid, _ in args["users"])
            return [self.ok({"stored": len(args["users"]), "refused": []})] if len(seen) <= survives else None

        self.answers["user-import"] = batch
        path = self.file("# two lines are no\n\n" + "".join(f"u{i}@b pw\n" for i in range(600)))
        for survives in (0, 200, 550):
            seen = []
            result = self.admin("user", "import", path)
            self.expect(result, 3)
            lines = result.stderr.splitlines()
            self.assertEqual(lines[0], f"jabiru: {path}: the server has gone")
            known = int(re.match(r"(\d+) accounts imported", lines[-1])[1])
            self.assertLessEqual(known, survives)
            self.assertLess(survives - known, 100)  # at most the batch that was on its way
            self.assertEqual(lines[1:-1], [f"{path}: done up to line {known + 2}; import what follows again" if known
                                           else f"{path}: no line is done; import it again"])

    def test_server_commands(self):
        self.answers["sessions"] = lambda args: [
            self.ok({"sessions": [{"jid": "a@b/c", "address": "::1", "since": "now"}]}, False),
            self.ok({"sessions": []})]
        self.assertEqual(self.admin("sessions").stdout.split(), ["a@b/c", "::1", "now"])
        self.answers["stats"] = lambda args: [self.ok({"sessions": 5, "name": "x", "list": [1]})]
        self.assertEqual(self.admin("stats").stdout.split(),
                         ["sessions", "5", "name", "x", "list", "[1]"])
        self.assertEqual(json.loads(self.admin("stats", "--json").stdout)["sessions"], 5)
        self.answers["drain"] = lambda args: [self.ok({"sessions": 2}, False),
                                              self.ok({"sessions": 0})]
        self.expect(self.admin("drain"), 0, "2 sessions left\n0 sessions left\n")
        left = iter((3, 3, 1, 0))  # asked again until all are gone
        self.answers["drain"] = lambda args: [self.ok({"sessions": next(left)})]
        self.expect(self.admin("drain"), 0, "3 sessions left\n1 sessions left\n0 sessions left\n")
        self.answers["reload"] = lambda args: [self.ok({"changes": [
            {"key": "data", "from": '"/a"', "to": '"/b"', "restart": True},
            {"key": "log.level", "from": "info", "to": "debug", "restart": False}]})]
        self.expect(self.admin("reload"), 0, 'data: "/a" -> "/b" (needs a restart)\n'
                                             "log.level: info -> debug\n")
        self.answers["reload"] = lambda args: [self.no("refused", "jabiru.conf:3: unknown ...")]
        self.expect(self.admin("reload"), 1, "", "jabiru: jabiru.conf:3: unknown ...\n")

    def test_log_until_interrupted(self):
        self.answers["log"] = lambda args: [self.ok({"line": "one"}, False),
                                            self.ok({"lost": 3}, False),
                                            self.ok({"line": "two"}, False)]
        with subprocess.Popen([JABIRU, "admin", "log", "--data", self.data], text=True,
                              stdout=subprocess.PIPE) as p:
            self.assertEqual(p.stdout.readline(), "one\n")
            self.assertIn("3 lines lost", p.stdout.readline())
            self.assertEqual(p.stdout.readline(), "two\n")
            p.send_signal(signal.SIGINT)

    def test_a_server_that_breaks_off(self):
        self.answers["stats"] = lambda args: [{"nonsense": 1}]
        self.expect(self.admin("stats"), 3)
        self.answers["stats"] = lambda args: 1 // 0  # its thread dies, the socket closes
        hook, threading.excepthook = threading.excepthook, lambda args: None
        try:
            result = self.admin("stats")
        finally:
            threading.excepthook = hook
        self.expect(result, 3, "", "jabiru: the server has gone\n")


if __name__ == "__main__":
    unittest.main()
