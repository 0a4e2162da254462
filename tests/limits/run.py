#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every limit of src/core/limits.h: below it, at it, one above, and ten times above.

    run.py --bin JABIRUD --cli JABIRU [--only NAME]

Below and at its limit a client is served; above it, the limit bites, is counted in the metric
jabiru_limit_total{limit}, and somebody else's round trip stays below a second all along. A limit
without a row in rows_*.py fails, so does a row without a limit. rows.py says how a row is written.
"""
import argparse
import concurrent.futures
import pathlib
import re
import resource
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
for folder in ("adversarial", "wsconf", "harness"):
    sys.path.insert(0, str(HERE.parent / folder))
import settings  # noqa: E402
from rig import Rig  # noqa: E402
from server import Server  # noqa: E402
from xmpp import Fail, check  # noqa: E402

from rows import ROWS  # noqa: E402
import rows_queues  # noqa: E402,F401  (importing registers the rows)
import rows_users  # noqa: E402,F401
import rows_wire  # noqa: E402,F401

AT_ONCE = 6      # rows; each has a server and a canary of its own, and they mostly wait
LATE_S = 1.5     # a timer's step, and a machine that is busy
SLOW_FACTOR = 1.5


def limits():
    text = (ROOT / "src/core/limits.h").read_text(encoding="utf-8")
    table = text[text.index("#define JB_LIMITS(X)"):text.index("enum jb_limit {")]
    return re.findall(r"^ *X\(([a-z0-9_]+),", table, re.M)


class Bench:
    """Servers for the rows."""

    def __init__(self, options):
        self.options = options

    def start(self, config, _stack_kib=None):
        return Server(self.options.bin, self.options.cli, config=config).start()

    def rig(self, row, value):
        return Rig(self.start, {**row.config, row.name: value}, self.options)


def judged(rig, row, n, wanted, counted=True):
    before = rig.limit_count(row.name)
    got = row.run(rig, n)
    check(got == wanted, "%d is %s, and should be %s", n, got, wanted)
    if wanted == "over" and row.metric and counted:
        rig.wait_counted(row.name, before)
    rig.canary.judge(1.0)


def run_counts(bench, row):
    rig = bench.rig(row, row.value)
    try:
        steps = [(row.bound - 1, "fine"), (row.bound, "fine"), (row.bound + row.blur, "over"), (10 * row.bound, "over")]
        for n, wanted in steps:
            if n > 0:
                judged(rig, row, n, wanted, row.far_metric or n <= row.bound + row.blur)
    finally:
        rig.stop()


def run_lasts(bench, row):
    """Once with the value, once with ten times that."""
    for value in (row.value, 10 * row.value):
        rig = bench.rig(row, value)
        try:
            before = rig.limit_count(row.name)
            took = row.run(rig)
            # Not too early: the timer's step may round down by some milliseconds, not by more.
            check(value / 1000 - 0.1 <= took <= value / 1000 + LATE_S, "%d ms took %.2f s", value, took)
            if row.metric:
                rig.wait_counted(row.name, before)
            rig.canary.judge(1.0)
        finally:
            rig.stop()


def run_slows(bench, row):
    """What fits into the burst is at once; half as much again takes the time that the rate says."""
    rig = bench.rig(row, row.value)
    try:
        for n in (row.bound // 2, int(SLOW_FACTOR * row.bound)):
            before = rig.limit_count(row.name)
            took = row.run(rig, n)
            least = (n - row.bound) / row.value * 0.8
            if least <= 0:
                check(took < 1.0, "%d within the burst took %.2f s", n, took)
            else:
                check(took >= least, "%d took %.2f s, at least %.1f", n, took, least)
                if row.metric:
                    rig.wait_counted(row.name, before)
            rig.canary.judge(1.0)
    finally:
        rig.stop()


def run_elsewhere(_bench, row):
    path = ROOT / row.where
    check(path.exists() and row.words in path.read_text(encoding="utf-8"), "%s says nothing of `%s`", row.where,
          row.words)


def try_row(bench, row):
    """(why it failed or None, seconds)"""
    begun = time.monotonic()
    run = {"counts": run_counts, "lasts": run_lasts, "slows": run_slows, "elsewhere": run_elsewhere}[row.kind]
    try:
        run(bench, row)
        why = None
    except Fail as e:
        why = str(e)
    except Exception as e:  # a server that died fails its row, not the run
        why = f"{type(e).__name__}: {e}"
    return why, time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--only")
    options = parser.parse_args()
    options.rss_factor = 1.0
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 16), hard))
    names, failed = limits(), []
    for name in names:
        settings.LIMITS.setdefault(name, 0)  # an option of the section `limits`
    settings.OPTIONS["registration"] = f'host "{settings.DOMAIN}"'
    for name in sorted(set(names) ^ set(ROWS)):
        failed.append(name)
        print(f"not ok - {name}: " + ("no row in tests/limits" if name in names else "there is no such limit"))
    bench, passed = Bench(options), 0
    rows = [ROWS[name] for name in names if name in ROWS and options.only in (None, name)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for row, (why, took) in zip(rows, pool.map(lambda row: try_row(bench, row), rows)):
            where = f" (in {row.where})" if row.where else ""
            failed += [row.name] if why else []
            passed += why is None
            print(f"not ok - {row.name}: {why} ({took:.1f} s)" if why else f"ok - {row.name}{where} ({took:.1f} s)",
                  flush=True)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
