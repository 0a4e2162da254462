# SPDX-License-Identifier: MIT
"""A WebSocket client (RFC 6455) as small as a test can have it: one text message is one element."""

import base64
import os
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "wsconf"))
from wsclient import encode_frame  # noqa: E402  pylint: disable=wrong-import-position

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
NORMAL = 1000


class Late(Exception):
    """Nothing came in time."""


class Gone(Exception):
    """The connection is closed; the code of the close frame, or None when there was none."""

    def __init__(self, code=None):
        super().__init__(f"the connection is closed (code {code})")
        self.code = code


class WebSocket:
    def __init__(self, connected, path="/xmpp-websocket", seconds=20):
        """Opens a WebSocket on a connected socket, which is its own from now on."""
        self.seconds = seconds
        self.socket = connected
        self.data = b""
        self.parts = b""
        self.pongs = 0
        self.gone = None  # a Gone once it is
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Protocol: xmpp\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.data:
            self._read(time.monotonic() + seconds)
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(head.decode("latin-1"))

    def _read(self, until):
        left = until - time.monotonic()
        if left <= 0:
            raise Late()
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            raise Late() from None
        except OSError:
            data = b""
        if not data:
            self.gone = self.gone or Gone()
            raise self.gone
        self.data += data

    def _frame(self):
        """(last, opcode, payload) of the next whole frame in the buffer, or None."""
        if len(self.data) < 2:
            return None
        size, at = self.data[1] & 127, 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(self.data) < at + wide:
                return None
            size = int.from_bytes(self.data[at:at + wide], "big")
            at += wide
        if len(self.data) < at + size:
            return None
        frame = self.data[0] & 128, self.data[0] & 15, self.data[at:at + size]
        self.data = self.data[at + size:]
        return frame

    def _take(self, frame):
        last, opcode, payload = frame
        if opcode == PING:
            self._send(PONG, payload)
        elif opcode == PONG:
            self.pongs += 1
        elif opcode == CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else None
            if not self.gone:
                self.gone = Gone(code)
                self._send(CLOSE, payload[:2])
        else:
            self.parts += payload
            if last:
                text, self.parts = self.parts.decode(), b""
                return text
        return None

    def receive(self, seconds=None):
        """The next message.  Late, or Gone."""
        until = time.monotonic() + (seconds or self.seconds)
        while True:
            frame = self._frame()
            if frame:
                text = self._take(frame)
                if text is not None:
                    return text
            elif self.gone:
                raise self.gone
            else:
                self._read(until)

    def pump(self):
        """Looks at what has arrived, without waiting: answers pings, and gives the messages."""
        messages = []
        self.socket.setblocking(False)
        try:
            while data := self.socket.recv(65536):
                self.data += data
        except OSError:
            pass  # nothing more for now; whether it is closed the next one to read will see
        while frame := self._frame():
            text = self._take(frame)
            if text is not None:
                messages.append(text)
        return messages

    def ping(self):
        """All that was sent before the answer, as messages."""
        messages = []
        goal = self.pongs + 1
        self._send(PING, b"fence")
        until = time.monotonic() + self.seconds
        while self.pongs < goal:
            frame = self._frame()
            if frame:
                text = self._take(frame)
                if text is not None:
                    messages.append(text)
            elif self.gone:
                break
            else:
                try:
                    self._read(until)
                except Gone:
                    break
        return messages

    def _send(self, opcode, payload):
        try:
            self.socket.sendall(encode_frame(opcode, payload))
        except OSError:
            self.gone = self.gone or Gone()

    def send(self, text):
        self._send(TEXT, text.encode())

    def close(self):
        """The closing handshake; gives the messages that came before the other side's close frame."""
        messages = []
        if not self.gone:
            self._send(CLOSE, struct.pack("!H", NORMAL))
            try:
                while True:
                    messages.append(self.receive())
            except (Gone, Late):
                pass
        self.socket.close()
        return messages

    def wait_closed(self):
        """Reads on until the other side has ended the connection; messages before that."""
        messages = []
        try:
            while True:
                messages.append(self.receive())
        except Gone:
            self.socket.close()
            return messages

    def abort(self):
        """As a lost network does it: no close frame, a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.gone = Gone()
