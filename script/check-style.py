#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks what a formatter cannot: sizes, licence lines, banned functions.

Prints `FILE:LINE: what is wrong` for each finding and, at the end, how many files passed.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUNCTION_LINES = 70
FILE_LINES = 800
CODE = {".c", ".h", ".def", ".py", ".js", ".mjs", ".css", ".html", ".sh"}
BANNED = {
    "alloca": "the stack has no limit we could name", "atof": "no error", "atoi": "no error; jb_str_u64",
    "atol": "no error; jb_str_u64", "gets": "no bound", "scanf": "no bound", "sprintf": "snprintf",
    "sscanf": "parse slices", "stpcpy": "no bound", "strcat": "no bound", "strcpy": "no bound",
    "strncat": "bound of the wrong thing", "strncpy": "may leave no NUL", "strtok": "hidden state",
    "vsprintf": "vsnprintf",
}
BANNED_CALL = re.compile(r"\b(%s)\s*\(" % "|".join(BANNED))
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """Spaces for a comment or string, so that lines and columns stay."""
    return re.sub(r"[^\n]", " ", match.group())


def functions(lines):
    """(first line, number of lines) of each body; the formatter puts its braces into column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start - 1
            start = None


def check_c(text):
    code = NOT_CODE.sub(blank, text)
    for start, length in functions(code.split("\n")):
        if length > FUNCTION_LINES:
            yield start, f"a function of {length} lines; {FUNCTION_LINES} is the most"
    for number, line in enumerate(code.split("\n"), 1):
        for found in BANNED_CALL.finditer(line):
            yield number, f"{found.group(1)} is banned: {BANNED[found.group(1)]}"
        if re.match(r"\s*typedef\s+(struct|union)\b", line):
            yield number, "structs are not typedef'd"


def check(path):
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    if not any("SPDX-License-Identifier: MIT" in line for line in lines[:3]):
        yield 1, "the licence line is missing"
    if len(lines) - 1 > FILE_LINES:
        yield len(lines) - 1, f"{len(lines) - 1} lines; {FILE_LINES} is the most"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield number, "unfinished business belongs into an issue"
    if path.suffix in (".c", ".h"):
        yield from check_c(text)


def is_code(name):
    path = pathlib.PurePosixPath(name)
    return path.suffix in CODE or (path.suffix == "" and path.parts[0] in ("script", ".ci"))


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                            stdout=subprocess.PIPE, text=True).stdout.split("\n")
    passed = failed = 0
    for name in sorted(filter(is_code, filter(None, listed))):
        if not (ROOT / name).is_file():
            continue
        findings = list(check(ROOT / name))
        for line, what in findings:
            print(f"not ok - {name}:{line}: {what}")
        passed += not findings
        failed += bool(findings)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
