# SPDX-License-Identifier: MIT
"""Where the cases register themselves: @case(number, title, config=...)."""

from dataclasses import dataclass, field
from typing import Callable

CASES = {}


@dataclass(frozen=True)
class Entry:
    number: int
    title: str
    run: Callable
    config: dict = field(default_factory=dict)
    slack_mib: float = 4.0   # how much RSS may have grown once the case is over
    canary_s: float = 1.0    # the longest the canary may wait for its echo during the case
    counts: tuple = ()       # limits that bite in this case: the server must have counted each


def case(number, title, config=None, slack_mib=4.0, canary_s=1.0, counts=()):
    def register(function):
        assert number not in CASES, "case %d stands twice" % number
        CASES[number] = Entry(number, title, function, config or {}, slack_mib, canary_s,
                              tuple(counts))
        return function
    return register
