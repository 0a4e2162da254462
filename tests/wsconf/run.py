#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the WebSocket conformance table against an echo endpoint.

    run.py --url ws://127.0.0.1:8080/echo [--deflate] [--only '6.*'] [--quick]

One line per case, `ok ID - description` or `not ok ID - description: why`; the last line is
`N passed, N failed` and the exit status is 0 only when none failed. An allowed but second-best
behaviour counts as passed and is marked `# NON-STRICT`. `--strict` counts it as failed.
"""

import argparse
import fnmatch
import sys
import time

from cases import all_cases
from table import NON_STRICT, Failed, Options
from wsclient import Eof, Timeout


def chosen(case, args):
    if args.only:
        return any(fnmatch.fnmatch(case.id, pattern) for pattern in args.only)
    return args.deflate or case.key()[0] not in (12, 13)


def judge(case, opts):
    """(passed, note): a case that cannot even talk to the server has failed, not crashed."""
    try:
        verdict = case.run(opts)
        return True, " # NON-STRICT" if verdict == NON_STRICT else ""
    except Failed as e:
        return False, ": %s" % e
    except (Eof, Timeout, OSError) as e:
        return False, ": %s %s" % (type(e).__name__, e)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", help="ws:// or wss:// address of the echo endpoint")
    parser.add_argument("--deflate", action="store_true", help="run groups 12 and 13 too")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="ids, such as 6.4.*")
    parser.add_argument("--quick", action="store_true", help="fewer messages in groups 9, 12, 13")
    parser.add_argument("--strict", action="store_true", help="NON-STRICT counts as failed")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for anything")
    parser.add_argument("--slow", type=float, default=0, metavar="S",
                        help="also print the time of cases that take longer than S seconds")
    parser.add_argument("--list", action="store_true", help="print the table, run nothing")
    args = parser.parse_args()
    table = [case for case in all_cases() if chosen(case, args)]
    if args.list:
        print("\n".join("%s - %s" % (case.id, case.title) for case in table))
        return 0
    if not args.url:
        parser.error("--url is required")
    opts = Options(args.url, args.quick, args.timeout)
    passed = failed = lenient = 0
    for case in table:
        begun = time.monotonic()
        good, note = judge(case, opts)
        lenient += good and bool(note)
        good = good and not (args.strict and note)
        passed, failed = passed + good, failed + (not good)
        took = time.monotonic() - begun
        slow = " (%.1f s)" % took if args.slow and took > args.slow else ""
        print("%s %s - %s%s%s" % ("ok" if good else "not ok", case.id, case.title, note, slow),
              flush=True)
    if lenient:
        print("%d NON-STRICT" % lenient)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not table else 0


if __name__ == "__main__":
    sys.exit(main())
