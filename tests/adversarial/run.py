#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the adversarial cases against a server that it starts itself.

    run.py --bin build/jabirud --cli build/jabiru [--only 14] [--only 20-28]

One line per case, `ok NN - title` or `not ok NN - title: why`; the last line is
`N passed, N failed`. docs/adversarial.md has the table of all cases.
"""

import argparse
import json
import os
import resource
import sys
import time
import traceback

import cases_archive  # noqa: F401  (importing registers the cases)
import cases_auth  # noqa: F401
import cases_http  # noqa: F401
import cases_life  # noqa: F401
import cases_login  # noqa: F401
import cases_route  # noqa: F401
import cases_sm  # noqa: F401
import cases_ws  # noqa: F401
import cases_xml  # noqa: F401
from registry import CASES
from rig import Rig, wrap_stack
from xmpp import Closed, Eof, Fail, Timeout

HERE = os.path.dirname(os.path.abspath(__file__))


def numbers(patterns):
    """`3`, `20-28` and `4,9` in any mixture; all cases when nothing is given."""
    if not patterns:
        return sorted(CASES)
    wanted = set()
    for part in ",".join(patterns).split(","):
        low, _, high = part.partition("-")
        wanted |= set(range(int(low), int(high or low) + 1))
    return sorted(wanted & set(CASES))


class Fleet:
    """One rig at a time, kept for as long as cases want the same configuration."""

    def __init__(self, args):
        self.args, self.rig, self.key = args, None, None
        sys.path.insert(0, args.harness)
        from server import Server
        self.server_class = Server

    def start(self, config, stack_kib=None):
        binary = wrap_stack(self.args.bin, stack_kib) if stack_kib else self.args.bin
        return self.server_class(binary, self.args.cli, config=config).start()

    def get(self, overrides):
        key = json.dumps(overrides, sort_keys=True)
        if self.rig is not None and self.key == key and self.rig.alive() \
                and self.rig.canary.failure is None:
            return self.rig
        self.stop()
        self.rig, self.key = Rig(self.start, overrides, self.args), key
        self.rig.warm_up()
        return self.rig

    def stop(self):
        rig, self.rig = self.rig, None
        if rig is not None:
            rig.stop()


def judge(fleet, entry):
    """None when the case passed, otherwise why it did not."""
    try:
        rig = fleet.get(entry.config)
        with rig.watch(entry):
            entry.run(rig)
        return None
    except Fail as e:
        return str(e)
    except (Closed, Eof, Timeout) as e:
        where = traceback.extract_tb(e.__traceback__)
        ours = [f for f in where if os.path.basename(f.filename).startswith("cases_")]
        return "%s %s%s" % (type(e).__name__, e, " (%s)" % ours[-1].line if ours else "")
    except Exception as e:  # a server that cannot be started fails the case, not the run
        if fleet.args.trace:
            traceback.print_exc()
        return "%s: %s" % (type(e).__name__, e)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", help="the server")
    parser.add_argument("--cli", help="the command line tool, to add users")
    parser.add_argument("--only", action="append", metavar="N", help="case numbers: 14, 20-28")
    parser.add_argument("--without", action="append", metavar="N", help="case numbers to leave out")
    parser.add_argument("--harness", default=os.path.join(HERE, "..", "harness"), metavar="DIR",
                        help="the folder with server.py, which starts and stops the server")
    parser.add_argument("--rss-factor", type=float, default=1.0, metavar="F",
                        help="multiplies all memory tolerances; about 50 for AddressSanitizer")
    parser.add_argument("--scale", type=float, default=1.0, metavar="F",
                        help="multiplies socket counts and sample sizes")
    parser.add_argument("--trace", action="store_true", help="tracebacks of unexpected errors")
    parser.add_argument("--list", action="store_true", help="print the cases, run nothing")
    args = parser.parse_args()
    without = numbers(args.without) if args.without else []
    chosen = [CASES[n] for n in numbers(args.only) if n not in without]
    for number in without:
        print("# %02d is not run: asked to leave it out" % number)
    if args.list:
        print("\n".join("%2d %s - %s" % (e.number, e.run.__name__, e.title) for e in chosen))
        return 0
    if not (args.bin and args.cli):
        parser.error("--bin and --cli are required")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 16), hard))
    fleet, passed = Fleet(args), 0
    try:
        for entry in chosen:
            begun = time.monotonic()
            why = judge(fleet, entry)
            passed += why is None
            print("%s %02d - %s%s (%.1f s)" % ("ok" if why is None else "not ok", entry.number,
                                               entry.title, "" if why is None else ": " + why,
                                               time.monotonic() - begun), flush=True)
    finally:
        fleet.stop()
    print("%d passed, %d failed" % (passed, len(chosen) - passed))
    return 0 if chosen and passed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
