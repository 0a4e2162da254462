# SPDX-License-Identifier: MIT
"""How a row of the table is written. One of these for each limit of src/core/limits.h:

    @counts("roster_items", 3)            a number of something: `run(rig, n)` makes n of them and says
    def roster_items(rig, n): ...         whether all were taken ("fine") or the limit bit ("over")
    @lasts("http_timeout_ms", 200)        a time: `run(rig)` says how many seconds passed until the end
    @slows("stanza_rate", 100, burst=400) a rate that is held by not reading: `run(rig, n)` gives seconds
    elsewhere("store_batch", "tests/unit/server/test_store_queue.c", "store_batch")
                                          tried there, where the text given is found

`value` is what the limit is set to; `bound`, when it differs, how many of what `run` makes are fine.
"""

from dataclasses import dataclass, field
from typing import Callable

ROWS = {}


@dataclass(frozen=True)
class Row:
    kind: str
    name: str
    value: int = 0
    bound: int = 0
    run: Callable = None
    config: dict = field(default_factory=dict)
    metric: bool = True      # that it bit is counted under its name
    far_metric: bool = True  # also ten times above, where another limit may bite first
    blur: int = 1            # so far above it is sure to bite: more than 1 where the kernel has buffers, too
    where: str = ""
    words: str = ""


def add(row):
    assert row.name not in ROWS, f"{row.name} has two rows"
    ROWS[row.name] = row


def counts(name, value, bound=None, metric=True, far_metric=True, blur=1, **config):
    def register(run):
        add(Row("counts", name, value, value if bound is None else bound, run, config, metric, far_metric, blur))
        return run
    return register


def lasts(name, value, metric=True, **config):
    def register(run):
        add(Row("lasts", name, value, value, run, config, metric))
        return run
    return register


def slows(name, value, burst, metric=True, **config):
    def register(run):
        add(Row("slows", name, value, burst, run, config, metric))
        return run
    return register


def elsewhere(name, where, words):
    add(Row("elsewhere", name, where=where, words=words))
