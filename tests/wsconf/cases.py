# SPDX-License-Identifier: MIT
"""The whole table, in the order of the ids."""

import group_bulk
import group_close
import group_deflate
import group_framing
import group_utf8

GROUPS = (group_framing, group_utf8, group_close, group_bulk, group_deflate)


def all_cases():
    table = [case for group in GROUPS for case in group.cases()]
    table.sort(key=lambda case: case.key())
    ids = [case.id for case in table]
    assert len(set(ids)) == len(ids), "an id stands twice in the table"
    return table
