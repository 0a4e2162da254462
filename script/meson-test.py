#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a build's tests and counts them: meson-test.py [--suite NAME | --no-suite NAME] BUILD

Prints each test that failed with what it wrote, and at the end `N passed, N failed`. A program that
speaks TAP counts as its tests, any other as one; one that died counts as one failure more.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys


def count(test):
    """(passed, failed) of one program."""
    out = test.get("stdout") or ""
    passed = len(re.findall(r"^ok\b", out, re.M))
    failed = len(re.findall(r"^not ok\b", out, re.M))
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        return max(passed, 1), failed
    if test["result"] == "SKIP":
        return 0, 0
    return passed, max(failed, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite")
    parser.add_argument("--no-suite")
    parser.add_argument("build")
    options = parser.parse_args()
    log = pathlib.Path(options.build, "meson-logs", "testlog.json")
    log.unlink(missing_ok=True)
    command = ["meson", "test", "-C", options.build, "--no-rebuild"]
    if options.suite:
        command += ["--suite", options.suite]
    if options.no_suite:
        command += ["--no-suite", options.no_suite]
    status = subprocess.run(command, check=False).returncode
    passed = failed = 0
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        test = json.loads(line)
        ok, bad = count(test)
        passed += ok
        failed += bad
        if bad:
            print(f"not ok - {test['name']}: {test['result']}")
            print(test.get("stdout") or "", test.get("stderr") or "", sep="")
    if status and not failed:
        print(f"meson test ended with status {status}")
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
