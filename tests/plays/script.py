# SPDX-License-Identifier: MIT
"""The text of a play: from a file to scenes, each a list of lines that stage.py knows how to perform.

README.md has the language.
"""

import re

TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*")


class BadPlay(Exception):
    """A play that cannot be understood; the message names file and line."""


class Line:
    """A statement with the indented block below it."""

    def __init__(self, number, words):
        self.number = number
        self.words = words
        self.block = []

    @property
    def text(self):
        return "\n".join(self.block)

    def with_values(self, values):
        """The same with $names replaced."""
        def put(text):
            return re.sub(r"\$([a-z][a-z0-9_]*)", lambda m: values.get(m.group(1), m.group(0)), text)
        line = Line(self.number, put(self.words))
        line.block = [put(text) for text in self.block]
        return line


class Scene:
    def __init__(self, file, number, title, config, lines, only=None):
        self.file = file
        self.number = number
        self.title = title
        self.config = config  # {"section.option" or "option": "value"}
        self.lines = lines
        self.only = only      # "in process" or "over sockets"; None: both

    @property
    def restarts(self):
        return any(line.words.startswith("the server restarts") or line.words.endswith(" messages stored")
                   for line in self.lines)

    @property
    def names(self):
        """The accounts it asks for."""
        found = []
        for line in self.lines:
            match = re.fullmatch(r"given ([a-z]+(?:, [a-z]+)*(?: and [a-z]+)?)", line.words)
            if match:
                found += re.split(r", | and ", match.group(1))
        return found


def read_lines(path):
    lines = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not raw.strip() or raw.startswith("#"):
            continue
        if raw[0] in " \t":
            if not lines:
                raise BadPlay(f"{path.name}:{number}: a block without a statement above it")
            lines[-1].block.append(raw.strip())
        else:
            lines.append(Line(number, raw.strip()))
    return lines


def read_table(path, line):
    rows = [[cell.strip() for cell in row.split("|")] for row in line.block]
    if not rows or not all(TABLE_NAME.fullmatch(name) for name in rows[0]):
        raise BadPlay(f"{path.name}:{line.number}: the first line of a table has the names of its columns")
    for row in rows[1:]:
        if len(row) != len(rows[0]):
            raise BadPlay(f"{path.name}:{line.number}: a row has {len(row)} cells, not {len(rows[0])}: {row}")
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def read_config(path, line):
    name, equals, value = line.words.removeprefix("config:").partition("=")
    if not equals:
        raise BadPlay(f"{path.name}:{line.number}: config: OPTION = VALUE")
    return name.strip(), value.strip()


def read(path):
    """The scenes of a file, those with a table once for each row."""
    scenes, config, current = [], {}, None
    for line in read_lines(path):
        if line.words.startswith("scene:"):
            current = Scene(path.name, line.number, line.words.removeprefix("scene:").strip(), dict(config), [])
            current.tables = []
            scenes.append(current)
        elif line.words.startswith("config:"):
            name, value = read_config(path, line)
            (current.config if current else config)[name] = value
        elif line.words in ("only in process", "only over sockets") and current:
            current.only = line.words.removeprefix("only ")
        elif current is None:
            raise BadPlay(f"{path.name}:{line.number}: before the first scene there is only config:")
        elif line.words == "for each:":
            current.tables = read_table(path, line)
        else:
            current.lines.append(line)
    return [played for scene in scenes for played in rows_of(scene)]


def rows_of(scene):
    if not scene.tables:
        return [scene]
    played = []
    for row in scene.tables:
        title = f"{scene.title} ({', '.join(row.values())})"
        lines = [line.with_values(row) for line in scene.lines]
        played.append(Scene(scene.file, scene.number, title, scene.config, lines, scene.only))
    return played
