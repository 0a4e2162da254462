# SPDX-License-Identifier: MIT
"""A terminal for a program under test: what it writes is drawn as a VT100 would, what is on the screen can be read.

    with Terminal([JABIRU, "chat"], env) as t:
        t.wait_for("Password")
        t.type("secret\n")
        t.screen()"""
import fcntl
import os
import pty
import re
import signal
import struct
import termios
import threading
import time

WAIT_S = 30
SEQUENCE = re.compile(r"\x1b(?:\[([0-9;?]*)([A-Za-z@])|([()][A-B0-2]|[=>78DEM]))")


class Screen:
    """As much of a VT100 as libedit uses of it; a sequence it does not know is an error."""

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column = columns, [""], 0, 0
        self.wrap = False  # the cursor stands behind the last column

    def put(self, text):
        while text:
            if text[0] == "\x1b":
                match = SEQUENCE.match(text)
                if not match:
                    return text  # the rest of it is still to come
                self.command(match.group(1) or "", match.group(2))
                text = text[match.end():]
                continue
            self.character(text[0])
            text = text[1:]
        return ""

    def character(self, c):
        if c == "\r":
            self.column, self.wrap = 0, False
        elif c == "\n":
            self.down(1)
        elif c == "\b":
            self.column, self.wrap = max(0, self.column - 1), False
        elif c in "\a\0":
            pass  # a VT100 was slow: NULs gave it time
        else:
            assert c >= " " and not 0x7f <= ord(c) <= 0x9f, f"a control character reaches the terminal: {c!r}"
            if self.wrap:
                self.down(1)
                self.column, self.wrap = 0, False
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[:self.column] + c + line[self.column + 1:]
            self.wrap = self.column == self.columns - 1
            self.column = min(self.column + 1, self.columns - 1)

    def down(self, n):
        self.row += n
        while len(self.rows) <= self.row:
            self.rows.append("")

    def command(self, arguments, letter):
        n = int(arguments or 0) if arguments.isdigit() or not arguments else 0
        if letter == "m" or letter is None:
            return
        self.wrap = False
        if letter == "A":
            self.row = max(0, self.row - max(n, 1))
        elif letter == "B":
            self.down(max(n, 1))
        elif letter == "C":
            self.column = min(self.columns - 1, self.column + max(n, 1))
        elif letter == "D":
            self.column = max(0, self.column - max(n, 1))
        elif letter in "KJ":
            assert n == 0, arguments
            self.rows[self.row] = self.rows[self.row][:self.column]
            if letter == "J":
                del self.rows[self.row + 1:]
        else:
            raise AssertionError(f"an unexpected sequence reaches the terminal: ESC [ {arguments} {letter}")


class Terminal:
    def __init__(self, command, env, columns=80, edits=False):
        self.bytes, self.error, self.changed = b"", None, threading.Condition()
        self.canvas, self.pending = Screen(columns), ""
        self.edits = edits
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # Before the program looks how wide it is.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
            os.execve(command[0], command, {**env, "TERM": "vt100"})
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        held = b""
        while True:
            try:
                part = os.read(self.fd, 65536)
            except OSError:
                part = b""
            with self.changed:
                self.bytes += part
                try:
                    text = (held + part).decode("utf-8")
                    held = b""
                except UnicodeDecodeError as error:
                    held = (held + part)[error.start:]
                    text = (self.bytes[-len(held) - len(part):-len(held)] if held else part).decode("utf-8", "ignore")
                try:
                    self.pending = self.canvas.put(self.pending + text)
                except AssertionError as wrong:
                    self.error = wrong
                self.changed.notify_all()
            if not part:
                return

    def lines(self):
        with self.changed:
            if self.error:
                raise self.error
            return [line.rstrip() for line in self.canvas.rows]

    def screen(self):
        return "\n".join(self.lines())

    def wait_for(self, pattern, seconds=WAIT_S):
        """Waits until the screen matches."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.screen(), re.M)
            if match:
                return match
            with self.changed:
                if not self.changed.wait(max(0.0, end - time.monotonic())) and time.monotonic() >= end:
                    raise AssertionError(f"no {pattern!r} on the screen:\n" + "\n".join(self.canvas.rows))

    def type(self, text):
        """What is typed before the program edits lines would be thrown away when it begins to."""
        deadline = time.monotonic() + 20
        while self.edits and termios.tcgetattr(self.fd)[3] & termios.ICANON and time.monotonic() < deadline:
            time.sleep(0.005)
        os.write(self.fd, text.encode("utf-8"))

    def attributes(self):
        return termios.tcgetattr(self.fd)

    def signal(self, number):
        os.kill(self.pid, number)

    def end(self):
        """Waits for the program's end; its exit status."""
        self.thread.join(WAIT_S)
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        self.lines()
        return os.waitstatus_to_exitcode(status)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
