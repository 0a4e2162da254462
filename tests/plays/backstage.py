# SPDX-License-Identifier: MIT
"""The server in a process of the tests (backstage.c): no port, no listening socket, and a clock that can be put on."""

import socket
import subprocess

from server import START_S, Lines, Server, ServerError

CLIENT = "127.0.0.1"
NAMES_AT_ONCE = 64  # accounts in one unit of the store


class Backstage(Server):
    """Like a Server, but its clients come by connect() alone."""

    def __init__(self, program, config):
        super().__init__(program, None, config)
        self.line = None  # the commands go through it

    def start(self):
        if self.process is not None:
            raise ServerError("already started")
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [self.bin, str(theirs.fileno()), "--config", str(self.config), "--data", str(self.data)]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                encoding="utf-8", errors="replace", env=self.env, pass_fds=[theirs.fileno()])
        self.stdout = Lines(self.process.stdout)
        self.stderr = Lines(self.process.stderr)
        self.line.settimeout(START_S)
        self._answer("the start")
        return self

    def _answer(self, to):
        """The descriptors that came with `ok`."""
        try:
            words, descriptors, _flags, _address = socket.recv_fds(self.line, 4096, 1)
        except OSError as error:
            words, descriptors = str(error).encode(), []
        if words != b"ok":
            raise ServerError(self._with_log(f"{to}: {words.decode() or 'the server is gone'}"))
        return descriptors

    def _command(self, text):
        try:
            self.line.send(text.encode())
        except OSError as error:
            raise ServerError(self._with_log(f"{text.partition(' ')[0]}: {error}")) from None
        return self._answer(text.partition("\n")[0])

    def connect(self, seconds, address=CLIENT):
        """A client's end of a connection that comes from `address`."""
        descriptor, = self._command(f"open {address}")
        connected = socket.socket(fileno=descriptor)
        connected.settimeout(seconds)
        return connected

    def advance(self, milliseconds):
        """The clocks go on; what is due happens before this returns."""
        self._command(f"advance {milliseconds}")

    def set_clock(self, way, milliseconds):
        """The wall clock jumps, `back` or `ahead`; what waits for a time to pass does not notice."""
        self._command(f"clock {way} {milliseconds}")

    def make_accounts(self, domain, password, names):
        for at in range(0, len(names), NAMES_AT_ONCE):
            self._command("\n".join([f"accounts {domain}", password, *names[at:at + NAMES_AT_ONCE]]))

    def _finish_reading(self):
        super()._finish_reading()
        self.line.close()
