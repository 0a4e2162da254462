# SPDX-License-Identifier: MIT
"""The judge is judged first: a checker that cannot fail proves nothing."""

import io
import unittest

import test_checker
from registry import fault
from world import check


@fault("checker", "the checker finds each way in which a rule can be broken")
def test_the_checker(_options):
    words = io.StringIO()
    suite = unittest.defaultTestLoader.loadTestsFromModule(test_checker)
    result = unittest.TextTestRunner(stream=words).run(suite)
    check(result.wasSuccessful(), words.getvalue())
    return f"{result.testsRun} cases"
