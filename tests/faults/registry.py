# SPDX-License-Identifier: MIT
"""Where the fault tests register themselves: @fault(name, title)."""

import collections

Test = collections.namedtuple("Test", "name title run hooks")
TESTS = {}


class Skip(Exception):
    """This machine or build cannot run the test; the words say why."""


def fault(name, title, hooks=False):
    """`hooks`: needs a test build. The function gets the options and returns its figures in words."""
    def register(function):
        assert name not in TESTS, name
        TESTS[name] = Test(name, title, function, hooks)
        return function
    return register
