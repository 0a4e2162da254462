#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that each option of src/server/config_options.c is read by somebody.

An option whose value only the configuration's own files touch is parsed, explained and compared at a
reload, and changes nothing. Prints one line for each option without a reader, and at the end
`N passed, N failed`. What a limit does is the business of tests/limits.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "src/server/config_options.c"
ROW = re.compile(r"\b(?:FLAG|NUMBER|TEXT|LIST)\((config\w*), ([\w.]+)\)")
CONTACT = re.compile(r"^ *CONTACT\((\w+)\),$", re.M)
# Through what an option is read: `config` anywhere, as in host->config->admins; short names only where
# they are known to mean a configuration.
ANYWHERE = r"(?:\bconfig|\))(?:->|\.)"
SHORT = r"(?:\b[chl]|\b(?:hosts|listeners)\[\w+\])(?:->|\.)"
SHORT_IN = {"config.c", "boot.c", "sandbox.c", "welcome.c", "xep0157_contact.c"}


def options():
    """(struct, field) of each row."""
    text = TABLE.read_text(encoding="utf-8")
    found = [(kind, field) for kind, field in ROW.findall(text) if "contact_" not in field]
    return found + [("config_host", f"contact_{which}") for which in CONTACT.findall(text)]


def sources():
    for folder in ("server", "modules"):
        for path in sorted((ROOT / "src" / folder).glob("*.c")):
            if not path.name.startswith("config_"):
                yield path.name, path.read_text(encoding="utf-8")


def is_read(field, files):
    """Found, and not only where it is assigned to."""
    for name, text in files:
        owner = f"(?:{ANYWHERE}|{SHORT})" if name in SHORT_IN else ANYWHERE
        if re.search(owner + re.escape(field) + r"\b(?! = )", text):
            return True
    return False


def main():
    files = list(sources())
    rows = options()
    unread = [f"{kind}.{field}" for kind, field in rows if not is_read(field, files)]
    for name in unread:
        print(f"not ok - {TABLE.relative_to(ROOT)}: nobody reads {name}")
    if len(rows) < 30:
        unread.append("rows")
        print(f"not ok - {TABLE.relative_to(ROOT)}: only {len(rows)} options were found in it")
    print(f"{len(rows) - len(unread)} passed, {len(unread)} failed")
    return 1 if unread else 0


if __name__ == "__main__":
    sys.exit(main())
