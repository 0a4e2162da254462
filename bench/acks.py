#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long a client waits until a message that is kept is acknowledged (XEP-0198).

    bench/acks.py --port 5280 --from u98 --to u99 --password-file FILE [--messages 1200]

One message at a time, so the figure is one of waiting and not of a queue; load beside it comes from
`jabiru bench pairs --rate`.  Prints percentiles in milliseconds.
"""

import argparse
import base64
import pathlib
import re
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "plays"))
from websocket import WebSocket  # noqa: E402

CLIENT = "jabber:client"
OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{}' version='1.0'/>"
ACK = re.compile(r"<a [^>]*h='(\d+)'")


def log_in(options, password):
    socket_ = WebSocket(socket.create_connection((options.host, options.port)))
    secret = base64.b64encode(f"\0{options.sender}\0{password}".encode()).decode()

    def say(text, answers):
        socket_.send(text)
        return [socket_.receive() for _ in range(answers)]
    say(OPEN.format(options.domain), 2)
    [answer] = say(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>", 1)
    if not answer.startswith("<success"):
        sys.exit(f"the server says {answer}")
    say(OPEN.format(options.domain), 2)
    say(f"<iq xmlns='{CLIENT}' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", 1)
    socket_.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    while not socket_.receive().startswith("<enabled"):
        pass
    return socket_


def wait_for(socket_, number):
    while True:
        found = ACK.search(socket_.receive())
        if found and int(found.group(1)) >= number:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5280)
    parser.add_argument("--domain", default="localhost")
    parser.add_argument("--from", dest="sender", required=True, metavar="USER")
    parser.add_argument("--to", required=True, metavar="USER")
    parser.add_argument("--password-file", required=True)
    parser.add_argument("--messages", type=int, default=1200)
    options = parser.parse_args()
    password = pathlib.Path(options.password_file).read_text(encoding="utf-8").splitlines()[0]
    socket_ = log_in(options, password)
    waits = []
    for number in range(1, options.messages + 1):
        begun = time.monotonic()
        socket_.send(f"<message xmlns='{CLIENT}' to='{options.to}@{options.domain}' type='chat' id='m{number}'>"
                     f"<body>{'x' * 250}</body></message>")
        wait_for(socket_, number)
        waits.append(1000 * (time.monotonic() - begun))
        time.sleep(0.003)
    waits.sort()
    print("acknowledged after", ", ".join(f"{100 * part:g} %: {waits[int(len(waits) * part)]:.2f} ms"
                                          for part in (0.5, 0.9, 0.99, 0.999)))


if __name__ == "__main__":
    main()
