#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks requirements.csv and prints the conformance table.

Every row names tests that exist: a scene of a play as `FILE: TITLE`, a unit test as
`unit/FOLDER/UNIT: NAME`, an adversarial case as `adversarial: case_NN_NAME`, a test of the client
library or of the command line as `client/FILE: NAME` or `cli/FILE: NAME`, a limit's row as
`limits: NAME`, a case of the WebSocket table as `wsconf: ID`; several with `; ` between them. With
--list SPEC the rows of one specification follow the table. The last line is `N passed, N failed`, one
for each row.

What does not apply has no row: what RFC 6120 says of streams between servers, and over TCP (section 3),
as neither is spoken here; STARTTLS (5), in whose place section 3.9 of RFC 7395 stands; see-other-host
(4.9.3.19), in whose place its section 3.6.1 stands; validation (11.4) and the limits of types of stanzas
(13.12), which are optional; security layers, realms and mechanisms that we do not have, SASL EXTERNAL
among them, and with it the certificates of clients (13.7.2.2) and their end (13.7.2.3); the cipher suite of
13.8, which RFC 7590 replaces by the recommendations for TLS (BCP 195); what a certification authority does
(13.7.1); what RFC 6455 says of browsers, proxies and intermediaries, and of extensions to come.

What applies and is not done is in docs/weak-points.md.
"""

import argparse
import collections
import csv
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = ["id", "spec", "section", "level", "requirement", "test"]
LEVELS = {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"}


def scenes():
    """Each scene as `FILE: TITLE`."""
    found = set()
    for file in (HERE / "plays").glob("*.play"):
        for title in re.findall(r"^scene:\s*(.+?)\s*$", file.read_text(encoding="utf-8"), re.M):
            found.add(f"{file.stem}: {title}")
    return found


def unit_tests():
    """Each unit test that its program runs, as `unit/FOLDER/UNIT: NAME`."""
    found = set()
    for file in (HERE / "unit").glob("*/test_*.c"):
        unit = f"unit/{file.parent.name}/{file.stem.removeprefix('test_')}"
        names = re.findall(r"\b(?:cmocka_unit_test\w*|TEST)\(\s*(\w+)", file.read_text(encoding="utf-8"))
        found.update(f"{unit}: {name}" for name in names)
    return found


def adversarial_cases():
    """Each case as `adversarial: case_NN_NAME`."""
    found = set()
    for file in (HERE / "adversarial").glob("cases_*.py"):
        names = re.findall(r"^def (case_\d+_\w+)\(", file.read_text(encoding="utf-8"), re.M)
        found.update(f"adversarial: {name}" for name in names)
    return found


def python_tests(folder):
    """Each test method in a folder of unittest files, as `FOLDER/FILE: NAME`."""
    found = set()
    for file in (HERE / folder).glob("test_*.py"):
        names = re.findall(r"^    def (test_\w+)\(", file.read_text(encoding="utf-8"), re.M)
        found.update(f"{folder}/{file.stem}: {name}" for name in names)
    return found


def limit_rows():
    """Each limit that tests/limits tries, as `limits: NAME`; that all have a row it checks itself."""
    text = (HERE.parent / "src/core/limits.h").read_text(encoding="utf-8")
    return {f"limits: {name}" for name in re.findall(r"^ *X\(([a-z0-9_]+),", text, re.M)}


def websocket_cases():
    """Each case of tests/wsconf, as `wsconf: ID`."""
    sys.path.insert(0, str(HERE / "wsconf"))
    import cases  # pylint: disable=import-outside-toplevel,import-error
    return {f"wsconf: {case.id}" for case in cases.all_cases()}


def faults(row, known, ids):
    """What is wrong with a row, one sentence each."""
    if ids[row["id"]] > 1:
        yield "its id is used twice"
    if row["level"] not in LEVELS:
        yield f"unknown level {row['level']!r}"
    if not row["requirement"].strip():
        yield "it says nothing"
    tests = [test.strip() for test in row["test"].split("; ") if test.strip()]
    if not tests:
        yield "it has no test"
    for test in tests:
        if test not in known:
            yield f"there is no test `{test}`"


def print_table(rows):
    specs = collections.OrderedDict()
    for row in rows:
        specs.setdefault(row["spec"], collections.Counter())[row["level"].split()[0]] += 1
    print(f"{'':<12}{'MUST':>8}{'SHOULD':>8}{'MAY':>8}")
    for spec, levels in specs.items():
        print(f"{spec:<12}{levels['MUST']:>8}{levels['SHOULD']:>8}{levels['MAY']:>8}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", metavar="SPEC", help='for example "RFC 6121"')
    options = parser.parse_args()
    with open(HERE / "requirements.csv", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if reader.fieldnames != COLUMNS:
        print(f"not ok - the columns are {reader.fieldnames}, not {COLUMNS}\n0 passed, 1 failed")
        return 1
    known = scenes() | unit_tests() | adversarial_cases() | limit_rows() | websocket_cases()
    known |= python_tests("client") | python_tests("cli")
    ids = collections.Counter(row["id"] for row in rows)
    failed = 0
    for row in rows:
        wrong = list(faults(row, known, ids))
        failed += bool(wrong)
        for sentence in wrong:
            print(f"not ok - {row['id']}: {sentence}")
    print_table(rows)
    for row in rows if options.list else []:
        if row["spec"] == options.list:
            print(f"{row['section']:<12}{row['level']:<12}{row['requirement']}")
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
