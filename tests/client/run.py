#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The client library as programs use it: run.py --bin JABIRUD --cli JABIRU [TEST...]

Each test_*.py of this folder runs; a name (hostile, or hostile.Hostile.test_x) chooses. The last line is
`N passed, N failed`."""
import argparse
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "harness"))
import parts  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cli", required=True)
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    build = pathlib.Path(options.bin).resolve().parents[2]
    os.environ.update(JABIRUD=str(pathlib.Path(options.bin).resolve()), JABIRU=str(pathlib.Path(options.cli).resolve()),
                      BUILD=str(build), CLIENT_DRIVER=str(build / "tests/client/client_driver"))
    sys.path.insert(0, str(HERE))
    names = ["test_" + name for name in options.tests] or sorted(path.stem for path in HERE.glob("test_*.py"))
    passed, failed = parts.run(names)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
