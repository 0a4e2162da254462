#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Starts a server on an empty data folder, runs a command, stops the server:

    with-server.py --bin JABIRUD --cli JABIRU -- COMMAND [ARGUMENT...]

With --config FILE it is configured by that. In the arguments {ws} stands for ws://host:port. The command's status is ours; its last line stays
the last one.
"""
import argparse
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "harness"))
from server import Server  # noqa: E402  pylint: disable=wrong-import-position


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--config")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    config = pathlib.Path(options.config).read_text(encoding="utf-8") if options.config else None
    with Server(options.bin, options.cli, config) as server:
        ws = server.url.rsplit("/", 1)[0]
        command = [argument.replace("{ws}", ws) for argument in options.command]
        return subprocess.run(command, check=False).returncode


sys.exit(main())
