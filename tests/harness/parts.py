# SPDX-License-Identifier: MIT
"""Runs tests of unittest in parts that go side by side, each in a process of its own, as befits tests that wait.

A part is some tests of one class, which share what its setUpClass makes; `together` of a class says how many at most.
"""

import io
import itertools
import multiprocessing
import unittest

AT_ONCE = 4
TOGETHER = 6


class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def cases(suite):
    for test in suite:
        yield from cases(test) if isinstance(test, unittest.TestSuite) else [test]


def parts(names):
    """Lists of names, each for one process."""
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    for kind, tests in itertools.groupby(cases(suite), type):
        ids = [test.id() for test in tests]
        count = -(-len(ids) // getattr(kind, "together", TOGETHER))
        yield from (ids[first::count] for first in range(count))


def run_part(names):
    """(passed, failed, what it printed)"""
    output = io.StringIO()
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    result = unittest.TextTestRunner(stream=output, verbosity=2, resultclass=Result).run(suite)
    return result.passed, len(result.failures) + len(result.errors), output.getvalue()


def run(names):
    """(passed, failed) of the modules, classes or tests that are named; prints what each part does, in order."""
    passed = failed = 0
    with multiprocessing.get_context("fork").Pool(AT_ONCE, maxtasksperchild=1) as pool:
        for good, bad, text in pool.imap(run_part, list(parts(names)), chunksize=1):
            print(text, end="", flush=True)
            passed += good
            failed += bad
    return passed, failed
