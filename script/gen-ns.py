#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the perfect hash over the namespaces of ns.def: gen-ns.py ns.def > ns_table.h"""
import random
import re
import sys

SLOT_BITS = 8
TAIL_BYTES = 8  # as many as a register holds
TRIES = 1_000_000


def slot_of(factor, uri):
    """As in ns.c."""
    tail = int.from_bytes(uri[-TAIL_BYTES:], "little")
    return ((tail + len(uri)) * factor % 2**64) >> (64 - SLOT_BITS)


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    names = {uri.encode(): name for name, uri in re.findall(r'^NS\((\w+), "([^"]+)"\)$', text, re.M)}
    if len(names) != len(re.findall(r"^NS\(", text, re.M)):
        sys.exit("ns.def: a namespace stands there twice, or a line is malformed")
    if len(names) > 2**SLOT_BITS // 3:
        sys.exit("ns.def: more names than the table is made for; one more of SLOT_BITS")
    if min(map(len, names)) < TAIL_BYTES or len({(len(uri), uri[-TAIL_BYTES:]) for uri in names}) != len(names):
        sys.exit(f"ns.def: a name is shorter than {TAIL_BYTES} bytes, or two are alike in length and end")
    draw = random.Random(1)
    for _ in range(TRIES):
        factor = draw.getrandbits(64) | 1
        if len({slot_of(factor, uri) for uri in names}) == len(names):
            break
    else:
        sys.exit("no factor without a collision; one more of SLOT_BITS")
    print("/* Made by script/gen-ns.py from ns.def. */")
    print(f"enum {{ NS_TAIL_BYTES = {TAIL_BYTES}, NS_SLOT_BITS = {SLOT_BITS} }};")
    print(f"#define NS_FACTOR {factor:#x}u")
    print("static const unsigned char ns_slot[1 << NS_SLOT_BITS] = {")
    for uri, name in names.items():
        print(f"    [{slot_of(factor, uri)}] = JB_NS_{name},")
    print("};")


main()
