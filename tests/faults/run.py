#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the fault tests against servers that it starts itself.

    run.py --bin build/jabirud --cli build/jabiru [--hooks] [--long] [--only kill]

Without --hooks, tests that need a test build are left out; with it, the others are. One line per test,
`ok - name: title; figures`, and at the end `N passed, N failed`. --long takes the full figures, which
takes hours; script/soak does that.
"""

import argparse
import json
import sys
import time
import traceback

import world  # noqa: F401  (sets the path)
import unittests  # noqa: F401  (importing registers the tests)
import backlog  # noqa: F401
import crowd  # noqa: F401
import deaths  # noqa: F401
import disk  # noqa: F401
import torture  # noqa: F401
from registry import TESTS, Skip


def run_one(test, options):
    """(passed or None, words)"""
    begun = time.monotonic()
    try:
        words = test.run(options)
        passed = True
    except Skip as skip:
        passed, words = None, str(skip)
    except AssertionError as failed:
        passed, words = False, str(failed)
    except Exception:
        passed, words = False, traceback.format_exc()
    return passed, words, time.monotonic() - begun


def note(options, test, passed, words, seconds):
    """A line for the report that script/soak writes."""
    if options.figures:
        with open(options.figures, "a", encoding="utf-8") as file:
            json.dump({"name": test.name, "title": test.title, "passed": passed, "figures": words,
                       "seconds": round(seconds), "date": time.strftime("%Y-%m-%d")}, file)
            file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, help="the server")
    parser.add_argument("--cli", required=True, help="the command line tool")
    parser.add_argument("--hooks", action="store_true", help="the server is a test build")
    parser.add_argument("--long", action="store_true", help="the full figures")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--figures", metavar="FILE", help="append what was measured, as JSON")
    options = parser.parse_args()
    chosen = [test for test in TESTS.values()
              if (test.name in options.only if options.only else test.hooks == options.hooks)]
    passed = failed = 0
    for test in chosen:
        well, words, seconds = run_one(test, options)
        mark = "ok" if well is not False else "not ok"
        skipped = " # skipped" if well is None else ""
        print(f"{mark} - {test.name}: {test.title}; {words} ({seconds:.0f} s){skipped}", flush=True)
        note(options, test, well, words, seconds)
        passed += well is True
        failed += well is False
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
