#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Performs the plays:  run.py --bin JABIRUD [--on HOUSE]... [--only WORDS] [--trace] [FILE.play...]

A house is how and on what the plays are performed: `sockets:N` is jabirud with N reactors, reached over TCP;
`memory:N` and `sqlite:N` are the same server in a process of the tests (backstage), with that store. By default the
plays are performed in each of the HOUSES below. Each scene has accounts of its own on a server that all scenes with
the same configuration share. The last line is `N passed, N failed`.
"""

import argparse
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
import infoset  # noqa: E402
import backstage  # noqa: E402
import script  # noqa: E402
import stage  # noqa: E402
from server import Server, ServerError  # noqa: E402
from websocket import Gone, Late  # noqa: E402

HOUSES = ["sockets:1", "sockets:4", "memory:1", "sqlite:4"]

# A play is quicker than any person, and all of them come from one address.
LIMITS = {
    "accept_rate_per_address": "1000000",
    "auth_failures_per_address": "1000000",
    "connections_per_address": "1000000",
    "unauthenticated_per_address": "1000000",
    "stanza_rate": "100000",
    "ws_close_timeout_ms": "500",
    "input_rate": "1048576",
    "input_rate_preauth": "1048576",
}


class Theatre:
    """A server for the scenes of one configuration; started when the first needs it."""

    def __init__(self, options, config, house, scenes):
        self.options = options
        self.house = house
        self.kind, _, self.reactors = house.partition(":")
        self.config = config
        self.scenes = scenes
        self.names = list(dict.fromkeys(f"{name}{suffix_of(number)}" for number, scene in scenes
                                        for name in scene.names))
        self.server = None

    def config_text(self):
        root = {"reactors": self.reactors, "durability": "process"}
        if self.kind != "sockets":
            root["sandbox"] = "false"  # there is a thread of the tests in it, which makes sockets
        if self.kind == "memory":
            root["storage"] = "memory"
        sections = {"limits": dict(LIMITS)}
        for name, value in self.config:
            section, dot, option = name.rpartition(".")
            (sections.setdefault(section, {}) if dot else root)[option if dot else name] = value
        lines = [f"{name} = {value}" for name, value in root.items()]
        for section, rows in sections.items():
            title = ' "localhost"' if section == "host" else ""
            inner = "\n".join(f"  {name} = {value}" for name, value in rows.items())
            lines.append(f"{section}{title} {{\n{inner}\n}}")
        return "\n".join(lines) + "\n"

    def open(self):
        if self.kind == "sockets":
            self.server = Server(self.options.bin, self.options.cli or "jabiru", self.config_text())
            make_accounts(self.options, self.server, self.names)
            self.server.start()
        else:
            self.server = backstage.Backstage(helper(self.options, "backstage"), self.config_text())
            self.server.start()
            self.server.make_accounts(stage.DOMAIN, stage.PASSWORD, self.names)

    def is_open(self):
        return self.server.process is not None and self.server.process.poll() is None

    def reopen(self):
        """After it died, so that the scenes to come have a chance."""
        self.server.kill()
        self.server.start()
        if self.kind == "memory":
            self.server.make_accounts(stage.DOMAIN, stage.PASSWORD, self.names)

    def close(self):
        """Why the server itself failed, or None."""
        if not self.server:
            return None
        try:
            self.server.stop()
        except ServerError as error:
            return str(error)
        return None

    def perform(self, number, scene):
        """Why the scene failed, or None."""
        on = stage.Stage(self.server, suffix_of(number), self.options.seconds, self.options.trace)
        line = None
        try:
            for line in scene.lines:
                if self.options.trace:
                    print(f"  {line.number}: {line.words}")
                on.perform(line)
            return None
        except (stage.Failure, infoset.BadXml, ServerError, OSError, subprocess.TimeoutExpired) as error:
            return f"{scene.file}:{line.number}: {line.words}\n{error}"
        except (Gone, Late) as error:
            return f"{scene.file}:{line.number}: {line.words}\n{type(error).__name__}: {error}"
        finally:
            on.leave()


def suffix_of(number):
    return f".{number}"


def make_accounts(options, server, names):
    program = helper(options, "mkaccount")
    if not program.exists():
        server.import_users([(f"{name}@{stage.DOMAIN}", stage.PASSWORD) for name in names])
        return
    server.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [str(program), str(server.data), stage.DOMAIN, stage.PASSWORD]
    done = subprocess.run(command, input="".join(name + "\n" for name in names), text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"{' '.join(command)}: status {done.returncode}")


def helper(options, name):
    """A program of tests/plays of the build that the server is of."""
    for folder in pathlib.Path(options.bin).resolve().parents:
        if (folder / "build.ninja").exists():
            return folder / "tests" / "plays" / name
    return pathlib.Path(name)


def fits(scene, house):
    if house.startswith("sockets:"):
        return scene.only != "in process"
    if house.startswith("memory:") and scene.restarts:
        return False  # nothing would be left
    return scene.only != "over sockets"


def theatres(options, scenes, house):
    """One for each configuration, in the order of the scenes."""
    by_config = {}
    for number, scene in enumerate(scenes, 1):
        if fits(scene, house):
            by_config.setdefault(tuple(sorted(scene.config.items())), []).append((number, scene))
    return [Theatre(options, config, house, rows) for config, rows in by_config.items()]


def play(options, theatre):
    """(passed, failed) of all scenes in one theatre."""
    passed = failed = 0
    theatre.open()
    for number, scene in theatre.scenes:
        title = f"{scene.file.removesuffix('.play')}: {scene.title} [{theatre.house}]"
        why = theatre.perform(number, scene)
        if not theatre.is_open():
            why = (why + "\n" if why else "") + "the server is gone\n" + "\n".join(theatre.server.log()[-60:])
        print(f"{'not ok' if why else 'ok'} - {title}")
        if why:
            failed += 1
            print("    " + why.replace("\n", "\n    "), flush=True)
        else:
            passed += 1
        if not theatre.is_open():
            theatre.reopen()
    why = theatre.close()
    if why:
        failed += 1
        print(f"not ok - the server of {theatre.config}\n{why}")
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="the jabirud to be tested")
    parser.add_argument("--cli", help="its jabiru, to make accounts when mkaccount was not built")
    parser.add_argument("--on", action="append", metavar="HOUSE", help="default: " + ", ".join(HOUSES))
    parser.add_argument("--only", help="scenes whose title has these words")
    parser.add_argument("--seconds", type=float, default=20, help="the most a play waits for anything")
    parser.add_argument("--trace", action="store_true", help="show everything that passes the wire")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    try:
        scenes = [scene for file in options.files or sorted(HERE.glob("*.play")) for scene in script.read(file)]
    except script.BadPlay as error:
        print(f"not ok - {error}\n0 passed, 1 failed")
        return 1
    if options.only:
        scenes = [scene for scene in scenes if options.only in scene.title]
    begun = time.monotonic()
    passed = failed = 0
    for house in options.on or HOUSES:
        for theatre in theatres(options, scenes, house):
            more = play(options, theatre)
            passed += more[0]
            failed += more[1]
    print(f"{time.monotonic() - begun:.1f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
