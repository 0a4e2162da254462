#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages: well-formed, and in step with the programs."""
import os
import re
import shutil
import subprocess
import unittest

ROOT, CONF_PAGE, JABIRUD = os.environ["MAN_SOURCE"], os.environ["CONF_PAGE"], os.environ["JABIRUD"]
PAGES = [os.path.join(ROOT, "jabirud.8"), os.path.join(ROOT, "jabiru.1"), CONF_PAGE]


class Man(unittest.TestCase):
    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_lint(self):
        for page in PAGES:
            # "referenced manual not found" is about what is installed on this machine.
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                                  capture_output=True, text=True)
            self.assertEqual(lint.stdout + lint.stderr, "")

    def test_every_option_is_there(self):
        with open(CONF_PAGE, encoding="utf-8") as f:
            page = f.read()
        keys = re.findall(r"^(\S+)$", subprocess.run([JABIRUD, "--explain"], capture_output=True, text=True,
                                                     check=True).stdout, re.M)
        self.assertGreater(len(keys), 80)
        for key in keys:
            self.assertIn(f".It Ic {key.rpartition('.')[2]}\n", page)

    def test_every_command_is_there(self):
        with open(os.path.join(ROOT, "jabiru.1"), encoding="utf-8") as f:
            page = f.read()
        overview = subprocess.run([os.environ["JABIRU"], "--help"], capture_output=True, text=True,
                                  check=True).stdout
        for name in re.findall(r"^  admin ([a-z]+(?: [a-z]+)?)", overview, re.M):
            self.assertRegex(page, rf"(?m)^\.It Cm {name}\b")
        others = [name for name in re.findall(r"^  ([a-z]+) ", overview, re.M) if name not in ("admin", "bench")]
        self.assertIn("chat", others)
        for name in others:
            self.assertRegex(page, rf"(?m)^\.It Cm {name}\b")
            one = subprocess.run([os.environ["JABIRU"], name, "--help"], capture_output=True, text=True,
                                 check=True).stdout
            for option in re.findall(r"^  --([a-z-]+)", one, re.M):
                self.assertIn(f"Fl -{option}", page)


if __name__ == "__main__":
    unittest.main()
