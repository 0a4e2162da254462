# SPDX-License-Identifier: MIT
"""The files that everything else rests on, and the unit tests that must know all of them.

script/coverage, script/mcdc and script/mutate judge them one by one.  src/core/limits.c belongs to
them in spirit, but it is two tables and no code: there is nothing in it to judge.
"""
# Programs of tests/unit, without test_.
FILES = {
    "src/base/utf8.c": ["base_utf8"],
    "src/core/sendq.c": ["core_sendq"],
    "src/core/sm.c": ["core_sm"],
    "src/core/sm_client.c": ["core_sm_client"],
    "src/core/ws_frame.c": ["core_ws_frame"],
    "src/core/xml_char.c": ["core_xml_char", "core_xml_parse"],
    "src/core/xml_node.c": ["core_xml_node"],
    "src/core/xml_parse.c": ["core_xml_parse", "core_xml_node"],
    "src/core/xml_write.c": ["core_xml_write"],
}
