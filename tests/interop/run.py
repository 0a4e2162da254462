#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plays the interop story with every client library, against a server started for it or one that runs already.

    run.py --bin build/jabirud --cli build/jabiru [CLIENT ...]
    run.py --url ws://127.0.0.1:5280/xmpp-websocket --domain localhost --users users.txt [CLIENT ...]

A users file has one line `name password` per account; they are used in pairs, in order.
"""

import argparse
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
from server import Server, ServerError  # noqa: E402  pylint: disable=wrong-import-position

DRIVERS = {
    "strophe": ["node", "strophe.mjs"],
    "stanza": ["node", "stanza.mjs"],
    "xmppjs": ["node", "xmppjs.mjs"],
    "xmppjs_token": ["node", "xmppjs_token.mjs"],
    "libjs_strophe": ["node", "libjs_strophe.mjs"],
    # Debian's own Python, which alone has python3-nbxmpp and python3-gi.
    "nbxmpp": ["/usr/bin/python3", "nbxmpp_client.py"],
}
# What must be installed (npm ci) for each of the drivers in JavaScript.
PACKAGES = {
    "strophe": ["strophe.js", "ws"],
    "stanza": ["stanza", "ws"],
    "xmppjs": ["@xmpp/client", "ws"],
    "xmppjs_token": ["@xmpp/client", "ws"],
    "libjs_strophe": ["ws", "@xmldom/xmldom"],
}
DRIVER_S = 300  # a driver has caps of its own on everything it waits for
SKIPPED = 77


class Tally:
    """Counts test lines over all drivers."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def take(self, line):
        self.passed += line.startswith("ok ")
        self.failed += line.startswith("not ok ")


def play(name, environment, tally, allow_missing):
    """Runs one driver, passing on what it prints, and counts."""
    print(f"# ---- {name}", flush=True)
    own = Tally()
    plan = None
    process = subprocess.Popen(DRIVERS[name], cwd=HERE, env={**os.environ, **environment}, text=True,
                               encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watchdog = threading.Timer(DRIVER_S, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            print(f"{name}: {line}", end="", flush=True)
            own.take(line)
            if line.startswith("1.."):
                plan = int(line[3:])
        status = process.wait()
    finally:
        watchdog.cancel()

    if status == SKIPPED and allow_missing:
        tally.skipped += 1
        return
    tally.passed += own.passed
    tally.failed += own.failed
    # A driver that broke off, or whose lines and status disagree, is a failure of its own.
    if plan != own.passed + own.failed or (status == 0) != (own.failed == 0):
        tally.failed += 1
        print(f"{name}: not ok - ended with status {status} after {own.passed + own.failed} tests of {plan}")


def missing(name):
    """Why a client cannot be played here, or None."""
    if shutil.which(DRIVERS[name][0]) is None:
        return f"no {DRIVERS[name][0]}"
    packages = [package for package in PACKAGES.get(name, []) if not (HERE / "node_modules" / package).is_dir()]
    return f"not installed: {' '.join(packages)}" if packages else None


def play_all(names, url, domain, accounts, allow_missing):
    tally = Tally()
    for index, name in enumerate(names):
        (user_a, pass_a), (user_b, pass_b) = accounts[2 * index:2 * index + 2]
        reason = missing(name)
        if reason and allow_missing:
            print(f"{name}: # skipped: {reason}")
            tally.skipped += 1
            continue
        play(name, {
            "JABIRU_TEST_URL": url, "JABIRU_TEST_DOMAIN": domain,
            "JABIRU_TEST_USER_A": user_a, "JABIRU_TEST_PASS_A": pass_a,
            "JABIRU_TEST_USER_B": user_b, "JABIRU_TEST_PASS_B": pass_b,
        }, tally, allow_missing)
    return tally


def own_server(options):
    """Starts a server, fills it, plays, stops it."""
    accounts = [(f"{who}{pair}", secrets.token_hex(8))
                for pair in range(1, len(options.clients) + 1) for who in ("romeo", "juliet")]
    server = Server(options.bin, options.cli).start()
    try:
        server.add_user(f"{accounts[0][0]}@{server.domain}", accounts[0][1])
        server.import_users([(f"{user}@{server.domain}", password) for user, password in accounts[1:]])
        tally = play_all(options.clients, server.url, server.domain, accounts, options.allow_missing)
        if tally.failed:
            print("\n".join(["# ---- the server's log", *server.log()]))
    except BaseException:
        server.abandon()
        raise
    try:
        server.stop()
        print("ok - the server ended well")
        tally.passed += 1
    except ServerError as error:
        print(f"not ok - {error}")
        tally.failed += 1
    return tally


def running_server(options):
    lines = pathlib.Path(options.users).read_text(encoding="utf-8").split("\n")
    accounts = [tuple(line.split(" ", 1)) for line in lines if line.strip()]
    if len(accounts) < 2 * len(options.clients):
        sys.exit(f"{options.users}: {len(options.clients)} clients need two accounts each")
    return play_all(options.clients, options.url, options.domain, accounts, options.allow_missing)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", help="the jabirud to start")
    parser.add_argument("--cli", help="the jabiru to administer it with")
    parser.add_argument("--url", help="instead: a server that runs already")
    parser.add_argument("--domain", default="localhost")
    parser.add_argument("--users", help="with --url: file of `name password` lines")
    parser.add_argument("--allow-missing", action="store_true", help="skip clients that are not installed")
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=" ".join(DRIVERS))
    options = parser.parse_args()
    unknown = set(options.clients) - set(DRIVERS)
    if unknown:
        parser.error(f"unknown client: {', '.join(sorted(unknown))}")
    options.clients = options.clients or list(DRIVERS)

    if options.url and options.users:
        tally = running_server(options)
    elif options.bin and options.cli:
        tally = own_server(options)
    else:
        parser.error("either --bin and --cli, or --url and --users")

    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {tally.failed} failed{skipped}")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
