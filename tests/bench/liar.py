# SPDX-License-Identifier: MIT
"""A relay of WebSocket messages, as bench/floor is one, that does one thing wrong, once.

    with Liar("loses") as liar:
        ... liar.url ...

Kinds: honest, loses, doubles, swaps (two messages), strays (sends one back), hangs up.
"""
import base64
import hashlib
import re
import selectors
import socket
import struct
import threading

AT = 20  # the message with which it goes wrong


def read_frames(data):
    """([(opcode, payload)], what is left of data)"""
    frames = []
    while len(data) >= 6:
        length, at = data[1] & 127, 2
        if length == 126:
            length, at = struct.unpack(">H", data[2:4])[0], 4
        if len(data) < at + 4 + length:
            break
        mask = data[at:at + 4]
        payload = bytes(b ^ mask[i & 3] for i, b in enumerate(data[at + 4:at + 4 + length]))
        frames.append((data[0] & 15, payload))
        data = data[at + 4 + length:]
    return frames, data


def write_frame(payload):
    head = bytes([0x81, len(payload)]) if len(payload) < 126 else bytes([0x81, 126]) + struct.pack(">H", len(payload))
    return head + payload


class Liar:
    def __init__(self, kind):
        self.kind = kind
        self.seen = 0
        self.held = None
        self.sides = {}   # socket -> bytes read
        self.upgraded = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(5)

    def run(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while not self.stopping:
                for key, _ in selector.select(0.1):
                    if key.fileobj is self.listener:
                        side, _ = self.listener.accept()
                        self.sides[side] = b""
                        selector.register(side, selectors.EVENT_READ)
                    elif not self.on_readable(key.fileobj):
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
        for side in self.sides:
            side.close()
        self.listener.close()

    def on_readable(self, side):
        try:
            data = side.recv(65536)
        except OSError:
            return False
        if not data:
            return False
        self.sides[side] += data
        if side not in self.upgraded:
            return self.upgrade(side)
        frames, self.sides[side] = read_frames(self.sides[side])
        return all(self.relay(side, payload) for opcode, payload in frames if opcode == 1)

    def upgrade(self, side):
        head, found, rest = self.sides[side].partition(b"\r\n\r\n")
        if not found:
            return True
        key = re.search(rb"Sec-WebSocket-Key: *(\S+)", head, re.I).group(1)
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        side.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Protocol: xmpp\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self.sides[side] = rest
        self.upgraded.append(side)
        return True

    def relay(self, side, payload):
        other = next((s for s in self.upgraded if s is not side), None)
        self.seen += 1
        if self.held is not None and self.held[0] is other:
            other.sendall(write_frame(payload) + write_frame(self.held[1]))
            self.held = None
            return True
        if self.seen == AT and self.kind != "honest":
            if self.kind == "hangs up":
                return False
            if self.kind == "swaps":
                self.held = (other, payload)
                return True
            if self.kind == "loses":
                return True
            if self.kind == "doubles":
                other.sendall(write_frame(payload))
            if self.kind == "strays":
                side.sendall(write_frame(payload))
        other.sendall(write_frame(payload))
        return True
