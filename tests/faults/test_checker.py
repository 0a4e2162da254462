#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checker of the fault tests must be able to fail: each rule, broken in each way we can think of."""

import pathlib
import sqlite3
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import checker  # noqa: E402

A, B = "a@x", "b@x"


def sent(*numbers, user=A, to=B):
    return [["sent", f"{user}:{n}", to] for n in numbers]


def came(*numbers, user=A, resource="r"):
    events = []
    for n in numbers:
        token = f"{user}:{n}"
        events += [["received", token, f"{user}/{resource}", token, f"id{n}"], ["shown", token, user]]
    return events


def again(n, **other):
    event = {"token": f"{A}:{n}", "from": f"{A}/r", "origin": f"{A}:{n}", "stanza": f"id{n}", **other}
    return [["received", event["token"], event["from"], event["origin"], event["stanza"]]]


def tokens(*numbers, user=A):
    return [f"{user}:{n}" for n in numbers]


def broken(a=(), b=(), archive_a=(), archive_b=None, undelivered=None):
    """The rules that a run of two clients breaks."""
    archive = {A: list(archive_a), B: list(archive_a if archive_b is None else archive_b)}
    found = checker.judge({A: [["enabled", "1"], *a], B: [["enabled", "2"], *b]}, archive, undelivered)
    return {finding.rule for finding in found}


class Good(unittest.TestCase):
    def test_nothing(self):
        self.assertEqual(broken(), set())

    def test_all_went_well(self):
        self.assertEqual(broken(sent(1, 2) + [["acked", 2]], came(1, 2), tokens(1, 2)), set())

    def test_not_acknowledged_may_be_lost(self):
        self.assertEqual(broken(sent(1, 2) + [["acked", 1]], came(1), tokens(1)), set())

    def test_failed_and_sent_again(self):
        a = sent(1, 2, 3) + [["acked", 1], ["failed", 2], ["enabled", "3"], *sent(3), ["acked", 1]]
        self.assertEqual(broken(a, came(1, 2, 3), tokens(1, 2, 3)), set())

    def test_resumed_and_sent_again(self):
        a = sent(1, 2, 3) + [["resumed", 1], *sent(2, 3), ["acked", 3]]
        self.assertEqual(broken(a, came(1, 2, 3), tokens(1, 2, 3)), set())

    def test_other_stanzas_count(self):
        a = [["sent", None, None], *sent(1), ["sent", None, None], ["acked", 2]]
        self.assertEqual(broken(a, came(1), tokens(1)), set())
        self.assertEqual(broken(a, [], []), {"kept"})
        a[-1] = ["acked", 1]
        self.assertEqual(broken(a, [], []), set())

    def test_delivered_again(self):
        self.assertEqual(broken(sent(1), came(1) + again(1), tokens(1)), set())

    def test_sent_again_and_renamed(self):
        a = sent(1) + [["resumed", 0], *sent(1), ["acked", 1]]
        self.assertEqual(broken(a, came(1) + again(1, stanza="x"), tokens(1)), set())

    def test_refused(self):
        a = sent(1) + [["refused", f"{A}:1"], ["acked", 1]]
        self.assertEqual(broken(a, [], []), set())
        self.assertEqual(broken(a, came(1), []), set())

    def test_undelivered(self):
        a = sent(1) + [["acked", 1]]
        self.assertEqual(broken(a, [], tokens(1), undelivered={B: tokens(1)}), set())

    def test_to_oneself(self):
        a = sent(1, to=A) + [["acked", 1]]
        self.assertEqual(broken(a, [], tokens(1), []), set())

    def test_wrapped_counter(self):
        out = checker.Outbox(A)
        out.sent = out.h = checker.WRAP - 2
        for n in range(1, 5):
            out.add(f"{A}:{n}", B)
        out.cover(1, "<a/>")
        self.assertEqual(out.acked, set(tokens(1, 2, 3)))
        self.assertEqual(out.findings, [])
        out.cover(checker.WRAP - 1, "<a/>")
        self.assertEqual([f.rule for f in out.findings], ["count"])


class Bad(unittest.TestCase):
    def test_acknowledged_and_lost(self):
        a = sent(1, 2) + [["acked", 2]]
        self.assertEqual(broken(a, came(1), tokens(1)), {"kept"})

    def test_lost_for_one_side(self):
        a = sent(1) + [["acked", 1]]
        self.assertEqual(broken(a, [], tokens(1), []), {"kept"})
        self.assertEqual(broken(a, came(1), [], tokens(1)), {"kept"})

    def test_covered_by_failed_and_lost(self):
        self.assertEqual(broken(sent(1) + [["failed", 1]], [], []), {"kept"})

    def test_covered_by_resumed_and_lost(self):
        self.assertEqual(broken(sent(1) + [["resumed", 1]], [], []), {"kept"})

    def test_archived_and_not_delivered(self):
        self.assertEqual(broken(sent(1) + [["acked", 1]], [], tokens(1)), {"all"})

    def test_delivered_and_not_archived(self):
        self.assertEqual(broken(sent(1), came(1), []), {"all"})

    def test_twice_in_the_archive(self):
        a = sent(1) + [["acked", 1]]
        self.assertEqual(broken(a, came(1), tokens(1, 1), tokens(1)), {"once"})

    def test_shown_twice(self):
        a = sent(1) + [["acked", 1]]
        self.assertEqual(broken(a, came(1, 1), tokens(1)), {"once"})

    def test_delivered_again_as_another(self):
        a = sent(1) + [["acked", 1]]
        for change in ({"from": f"{A}/other"}, {"origin": "x"}, {"stanza": "x"}, {"stanza": None}):
            self.assertEqual(broken(a, came(1) + again(1, **change), tokens(1)), {"once"}, change)

    def test_shown_out_of_order(self):
        a = sent(1, 2) + [["acked", 2]]
        self.assertEqual(broken(a, came(2, 1), tokens(1, 2)), {"order"})

    def test_archived_out_of_order(self):
        a = sent(1, 2) + [["acked", 2]]
        self.assertEqual(broken(a, came(1, 2), tokens(2, 1), tokens(1, 2)), {"order"})

    def test_h_goes_back(self):
        a = sent(1, 2) + [["acked", 2], ["acked", 1]]
        self.assertEqual(broken(a, came(1, 2), tokens(1, 2)), {"count"})

    def test_h_too_high(self):
        self.assertEqual(broken(sent(1) + [["acked", 2]], came(1), tokens(1)), {"count"})

    def test_failed_says_less_than_was_acknowledged(self):
        a = sent(1, 2) + [["acked", 2], ["failed", 1]]
        self.assertEqual(broken(a, came(1, 2), tokens(1, 2)), {"count"})

    def test_resumed_says_less_than_was_acknowledged(self):
        a = sent(1, 2) + [["acked", 2], ["resumed", 1]]
        self.assertEqual(broken(a, came(1, 2), tokens(1, 2)), {"count"})

    def test_failed_says_less_than_was_stored(self):
        self.assertEqual(broken(sent(1, 2) + [["failed", 1]], came(1, 2), tokens(1, 2)), {"count"})

    def test_resumed_says_less_than_was_stored(self):
        self.assertEqual(broken(sent(1, 2) + [["resumed", 1]], came(1, 2), tokens(1, 2)), {"count"})

    def test_failed_without_h(self):
        self.assertEqual(broken(sent(1) + [["failed", None]], [], []), {"count"})


class Archive(unittest.TestCase):
    def test_read(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "jabiru.db")
            db = sqlite3.connect(file)
            db.executescript("CREATE TABLE space(id, owner, store); CREATE TABLE log(space, id, bytes)")
            db.executemany("INSERT INTO space VALUES(?, ?, ?)",
                           [(1, b"a@x", b"messages"), (2, b"b@x", b"messages"), (3, b"b@x", b"offline")])
            xml = b"<message to='b@x'><body>%s</body></message>"
            db.executemany("INSERT INTO log VALUES(?, ?, ?)", [
                (1, 5, xml % b"a@x:2"), (1, 4, xml % b"a@x:1"), (2, 1, xml % b"a@x:1"),
                (3, 1, xml % b"a@x:9"), (1, 6, xml % b"words")])
            db.commit()
            db.close()
            self.assertEqual(checker.read_archive(file), {A: tokens(1, 2), B: tokens(1)})

    def test_logs(self):
        with tempfile.TemporaryDirectory() as folder:
            logs = {A: sent(1) + [["acked", 1]], B: came(1)}
            checker.save_logs(folder, logs)
            self.assertEqual(checker.load_logs(folder), logs)
            self.assertEqual(checker.figures(logs, {A: tokens(1)})["acknowledged"], 1)


if __name__ == "__main__":
    unittest.main()
