#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the browser story of chat.mjs against a server of its own on an empty data folder.

    run.py --bin build/jabirud --cli build/jabiru --out build/screenshots
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
from server import Server, ServerError  # noqa: E402  pylint: disable=wrong-import-position

INVALID_FROM = "the 'from' is not the session's own"  # a resumed session with a new resource
STORY_S = 400  # each step has a cap of its own


def tell(server, out):
    """Plays the story, restarting the server when asked; gives (passed, failed)."""
    passed = failed = 0
    plan = None
    environment = {**os.environ, "JABIRU_TEST_CLAIM": server.claim_link(), "JABIRU_TEST_OUT": str(out)}
    story = subprocess.Popen(["node", "chat.mjs"], cwd=HERE, env=environment, text=True, encoding="utf-8",
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watchdog = threading.Timer(STORY_S, story.kill)
    watchdog.start()
    try:
        for line in story.stdout:
            if line == "@restart\n":
                server.restart()
                story.stdin.write("restarted\n")
                story.stdin.flush()
                continue
            print(line, end="", flush=True)
            passed += line.startswith("ok ")
            failed += line.startswith("not ok ")
            if line.startswith("1.."):
                plan = int(line[3:])
        status = story.wait()
    finally:
        watchdog.cancel()
        story.kill()
    wronged = [line for line in server.log() if INVALID_FROM in line]
    if wronged:
        failed += 1
        print(f"not ok - the page said it was somebody else: {wronged[0]}")
    if plan != passed + failed - bool(wronged) or (status == 0) != (failed == 0):
        failed += 1
        print(f"not ok - the story ended with status {status} after {passed} tests of {plan}")
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the jabirud to start")
    parser.add_argument("--cli", required=True, help="the jabiru to administer it with")
    parser.add_argument("--out", help="folder for the screenshots")
    options = parser.parse_args()
    out = pathlib.Path(options.out or tempfile.mkdtemp(prefix="jabiru-screenshots-")).resolve()

    server = Server(options.bin, options.cli).start()
    try:
        passed, failed = tell(server, out)
        if failed:
            print("\n".join(["# ---- the server's log", *server.log()]))
    except BaseException:
        server.abandon()
        raise
    try:
        server.stop()
        print("ok - the server ended well")
        passed += 1
    except ServerError as error:
        print(f"not ok - {error}")
        failed += 1
    print(f"# screenshots: {out}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
