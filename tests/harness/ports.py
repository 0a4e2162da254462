# SPDX-License-Identifier: MIT
"""Ports of loopback for servers that cannot choose one themselves."""

import socket


class Port:
    """A port that nobody else gets, from now until close().

    It is bound, and not listened on: connecting to it is refused, and the system gives it neither to another server
    nor to a connection that goes out. The server that is told its number can listen there all the same, for servers set
    SO_REUSEADDR, too. A port that is only looked up and let go of again may be another's before a server that takes
    seconds to start comes to it."""

    def __init__(self, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, 0))
        self.number = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self.number

    def __exit__(self, *error):
        self.close()
