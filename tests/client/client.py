# SPDX-License-Identifier: MIT
"""A client of the library as a process: commands go in, events come out (tests/client/driver.c)."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "harness"))
from server import COMPLAINTS, SANITIZER_DEFAULTS, Lines  # noqa: E402

DRIVER = os.environ.get("CLIENT_DRIVER", "build/asan/tests/client/client_driver")
WAIT_S = 20


class Client:
    """`with Client(url=..., CA_FILE=..., BACKOFF_LEAST_MS=10) as c:`; names in capitals are settings and texts."""

    TEXTS = ("URL", "RESOURCE", "CA_FILE", "CA_DIR", "MECHANISM", "TOKEN")

    def __init__(self, **options):
        self.process = subprocess.Popen(
            [DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            encoding="utf-8", env={**SANITIZER_DEFAULTS, **os.environ})
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        self.at = 0  # lines looked at
        for name, value in options.items():
            self.do(f"{'text' if name in self.TEXTS else 'set'} {name} {value}", "ok")

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def do(self, line, answer=None):
        """Runs a command and returns what its own line says, which must match `answer`."""
        self.command(line)
        said = self.expect(rf"^{line.split()[0]} (.*)$").group(1)
        if answer is not None:
            assert re.fullmatch(answer, said), f"{line}: {said}"
        return said

    def expect(self, pattern, seconds=WAIT_S):
        """Waits for a line that matches, and passes over those before it."""
        match = self.out.wait_for(re.compile(pattern), seconds, since=self.at)
        if not match:
            raise AssertionError(f"no {pattern!r}; it said:\n" + "\n".join(self.out.all()[-20:] + self.err.all()[-40:]))
        lines = self.out.all()
        while lines[self.at] != match.string:
            self.at += 1
        self.at += 1
        return match

    def said(self):
        return self.out.all()

    def quit(self):
        if self.process.poll() is None:
            self.command("quit")
        self.process.stdin.close()
        status = self.process.wait(WAIT_S)
        self.err.join(WAIT_S)
        bad = [line for line in self.err.all() if any(c in line for c in COMPLAINTS)]
        assert status == 0 and not bad, f"status {status}\n" + "\n".join(self.err.all()[-60:])

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.quit()
            return
        self.process.kill()
        self.process.wait(WAIT_S)
