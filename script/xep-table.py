#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the table of the XEPs that modules implement, for the manual: xep-table.py [--check]

With --check it prints nothing but what is missing, and `N passed, N failed`: each module needs its
line in modules.def, its page docs/xeps/xep0199.md and its play tests/plays/xep0199-*.play, and each
page and play needs its module.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULES = ROOT / "src" / "modules"
PAGES = ROOT / "docs" / "xeps"
PLAYS = ROOT / "tests" / "plays"
LISTED = re.compile(r"^MODULE\((\w+)\)", re.M)
DEFINED = re.compile(r"^const struct module (\w+) = \{(.*?)^\};", re.M | re.S)


def fields(body):
    """The scalar fields of a module's definition as text."""
    return dict(re.findall(r'\.(name|title|xep) = "?([^",\n]+)"?,', body))


def read_modules():
    found = {}
    for path in sorted(MODULES.glob("*.c")):
        for symbol, body in DEFINED.findall(path.read_text(encoding="utf-8")):
            found[symbol] = fields(body)
    return found


def xep_of(path):
    """xep0199 of src/modules/xep0199_ping.c, docs/xeps/xep0199.md and tests/plays/xep0199-ping.play."""
    return path.name[:7]


def table(modules):
    rows = sorted((int(m["xep"]), m) for m in modules.values() if "xep" in m)
    print("| XEP | Title | Module | Page |\n|---|---|---|---|")
    for number, module in rows:
        page = f"xep{number:04}.md"
        print(f"| {number:04} | {module['title']} | `{module['name']}` | [{page}](xeps/{page}) |")


def problems(modules):
    listed = LISTED.findall((MODULES / "modules.def").read_text(encoding="utf-8"))
    xeps = {f"xep{int(m['xep']):04}": symbol for symbol, m in modules.items() if "xep" in m}
    for symbol in listed:
        if symbol not in modules:
            yield f"src/modules/modules.def: {symbol} is defined nowhere"
    for symbol, module in modules.items():
        if symbol not in listed:
            yield f"{symbol} has no line in src/modules/modules.def"
        if {"name", "title"} - module.keys():
            yield f"{symbol} has no name or no title"
        if symbol.startswith("xep") and symbol[:7] not in xeps:
            yield f"{symbol} gives another number than its name"
    for xep in xeps:
        if not (PAGES / f"{xep}.md").exists():
            yield f"docs/xeps/{xep}.md is missing"
        if not list(PLAYS.glob(f"{xep}-*.play")):
            yield f"tests/plays/{xep}-*.play is missing"
    for path in [*PAGES.glob("xep*.md"), *PLAYS.glob("xep*.play")]:
        if xep_of(path) not in xeps:
            yield f"{path.relative_to(ROOT)} is of no module"


def main():
    modules = read_modules()
    if sys.argv[1:] != ["--check"]:
        table(modules)
        return 0
    found = list(problems(modules))
    for words in found:
        print(f"not ok - {words}")
    print(f"{max(len(modules) - len(found), 0)} passed, {len(found)} failed")
    return 1 if found else 0


sys.exit(main())
