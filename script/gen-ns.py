#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the perfect hash over the namespaces of ns.def: gen-ns.py ns.def > ns_table.h"""
import re
import sys

SLOTS = 256


def fnv1a(seed, data):
    h = seed
    for b in data:
        h = ((h ^ b) * 16777619) & 0xFFFFFFFF
    return h ^ (h >> 15)


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    names = re.findall(r'^NS\((\w+), "([^"]+)"\)$', text, re.M)
    if len(names) > SLOTS // 3:
        sys.exit("ns.def: more names than the table is made for; double SLOTS")
    if len({uri for _, uri in names}) != len(names):
        sys.exit("ns.def: a namespace stands there twice")
    for seed in range(1, 10_000_000):
        slots = {fnv1a(seed, uri.encode()) % SLOTS for _, uri in names}
        if len(slots) == len(names):
            break
    else:
        sys.exit("no seed without a collision; double SLOTS")
    print("/* Made by script/gen-ns.py from ns.def. */")
    print(f"enum {{ NS_SEED = {seed}, NS_SLOTS = {SLOTS} }};")
    print("static const unsigned char ns_slot[NS_SLOTS] = {")
    for name, uri in names:
        print(f"    [{fnv1a(seed, uri.encode()) % SLOTS}] = JB_NS_{name},")
    print("};")


main()
