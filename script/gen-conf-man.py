#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts the options that `PROGRAM [ARG...]` prints (jabirud --explain) into a manual page.

    gen-conf-man.py TEMPLATE PROGRAM [ARG...] > jabirud.conf.5

The template has a line @OPTIONS@.  Each option is three lines: its key, what it means, what it
takes; the two last are indented."""
import subprocess
import sys


def escape(text):
    """mdoc(7): a backslash is \\e, and a line must not begin with a control character."""
    text = text.replace("\\", "\\e").replace('"', "\\(dq")
    return "\\&" + text if text[:1] in ".'" else text


def entries(text):
    lines = text.splitlines()
    if len(lines) % 3:
        sys.exit("gen-conf-man: not three lines for each option")
    for key, words, allowed in zip(lines[0::3], lines[1::3], lines[2::3]):
        if key.startswith(" ") or not (words.startswith("    ") and allowed.startswith("    ")):
            sys.exit(f"gen-conf-man: not an option: {key}")
        section, _, name = key.rpartition(".")
        yield section, name, words.strip(), allowed.strip()


def options(text):
    current = None
    for section, name, words, allowed in entries(text):
        if section != current:
            if current is not None:
                yield ".El"
            yield f".Ss {escape(heading(section))}"
            yield ".Bl -tag -width Ds"
            current = section
        yield f".It Ic {escape(name)}"
        yield escape(words[:1].upper() + words[1:]) + "."
        yield ".br"
        yield escape(allowed[:1].upper() + allowed[1:]) + "."
    if current is not None:
        yield ".El"


def heading(section):
    if not section:
        return "Top level"
    if section.startswith("module."):
        return f"module \"{section[7:]}\" {{ ... }}, on all hosts or inside of a host"
    title = ' "name"' if section in ("listener", "host") else ""
    return f"{section}{title} {{ ... }}"


def main():
    template, *command = sys.argv[1:]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    with open(template, encoding="utf-8") as f:
        for line in f:
            print("\n".join(options(text)) if line.strip() == "@OPTIONS@" else line.rstrip("\n"))


if __name__ == "__main__":
    main()
