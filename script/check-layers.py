#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the layers: a file includes only what stands to its left.

    base <- core <- client <- cli          base <- core <- server <- modules
    base <- net  <- client, server         base <- store, bus   (and their own header)

Prints `FILE:LINE: what is wrong` for each finding and, at the end, how many files passed.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

LAYERS = {
    "base": {"base", "jabiru"},
    "core": {"base", "core"},
    "net": {"base", "net"},
    "store": {"base", "store"},
    "bus": {"base", "bus"},
    "client": {"base", "core", "net", "client", "jabiru"},
    "server": {"base", "core", "net", "store", "bus", "server"},
    "modules": {"base", "core", "server", "modules"},
    # `admin` works on the data folder of a stopped server, `bench` has connections of its own.
    "cli": {"base", "core", "net", "store", "client", "cli", "jabiru"},
}
# The core does no input or output of its own, and knows no loop, clock or thread.  (arpa/inet.h is
# allowed: inet_pton only computes.)
CORE_BANNED = {"uv.h", "unistd.h", "fcntl.h", "poll.h", "time.h", "netdb.h", "pthread.h", "threads.h",
               "sys/socket.h", "sys/epoll.h", "sys/time.h"}
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check(path):
    """(line, what is wrong) for each include of src/LAYER/... that points to the right."""
    parts = path.relative_to(ROOT / "src").parts
    layer = parts[0]
    if len(parts) < 2 or layer not in LAYERS:
        yield 1, "this folder has no place in script/check-layers.py"
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        mark, target = found.groups()
        if mark == "<" and layer == "core" and target in CORE_BANNED:
            yield number, f"the core does no I/O: <{target}>"
        if mark == '"' and "/" in target and target.split("/")[0] not in LAYERS[layer]:
            yield number, f"{layer} does not include {target.split('/')[0]}"


def main():
    passed = failed = 0
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix not in (".c", ".h", ".def"):
            continue
        findings = list(check(path))
        for line, what in findings:
            print(f"not ok - {path.relative_to(ROOT)}:{line}: {what}")
        passed += not findings
        failed += bool(findings)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
