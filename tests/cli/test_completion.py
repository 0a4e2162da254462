#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""jabiru completion: what shells are offered."""
import re
import shutil
import subprocess
import unittest

from test_client import Client


class Completion(Client):
    def script(self, shell):
        return self.run_it("completion", shell, env=self.env)

    def expected(self):
        """{words of a command: what its --help says may follow}."""
        found = {}
        overview = self.run_it("--help", env=self.env)
        names = re.findall(r"^  ((?:admin )?[a-z]+(?: [a-z]+)?) +[A-Z]", overview, re.M)
        self.assertGreater(len(names), 18)
        names.remove("bench")
        names += ["bench " + name for name in re.findall(r"^  ([a-z]+) ", self.run_it("bench", "--help", env=self.env), re.M)]
        for name in names:
            found[name] = set(re.findall(r"^  (--[a-z-]+)", self.run_it(*name.split(), "--help", env=self.env), re.M))
        return found

    def bash(self, *words):
        line = "COMP_WORDS=(jabiru \"$@\"); COMP_CWORD=$#; compopt() { :; }; _jabiru; printf '%s\\n' \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "-c", self.script("bash") + line, "bash", *words], capture_output=True, text=True,
                              check=True, cwd=self.folder)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_scripts_parse(self):
        for shell in ("bash", "zsh"):
            if shutil.which(shell):
                done = subprocess.run([shell, "-n"], input=self.script(shell), capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.run_it("completion", "fish", status=1, env=self.env)

    def test_every_command_and_option_is_known(self):
        for name, options in self.expected().items():
            words = name.split()
            self.assertEqual(options - self.bash(*words, "--"), set(), name)
            for k, word in enumerate(words):
                self.assertIn(word, self.bash(*words[:k], ""))
        zsh = self.script("zsh")
        self.assertEqual(zsh[zsh.index("_jabiru_words"):zsh.index("_jabiru()")],
                         (bash := self.script("bash"))[bash.index("_jabiru_words"):bash.index("_jabiru()")])

    def test_values_are_files_or_nothing(self):
        (self.folder / "some file").write_text("")
        self.assertEqual(self.bash("ping", "--ca-file", "some"), {"some", "file"})
        self.assertEqual(self.bash("ping", "--jid", ""), set())
        self.assertEqual(self.bash("se"), {"send"})
        self.assertEqual(self.bash("completion", ""), {"bash", "zsh", "--help"})
        self.assertIn("file", self.bash("admin", "backup", ""))

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_completes(self):
        """The function runs; what it would offer is printed by a compadd of our own."""
        script = self.script("zsh") + ('\ncompadd() { shift; print -l -- "$@"; }; _files() { print files; }\n'
                                       'words=(jabiru send --t); CURRENT=3; _jabiru\n'
                                       'words=(jabiru send --ca-file ""); CURRENT=4; _jabiru\n')
        done = subprocess.run(["zsh", "-f", "-c", "compdef() { :; }\n" + script], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--timeout", done.stdout.split())
        self.assertEqual(done.stdout.split()[-1], "files")


if __name__ == "__main__":
    unittest.main()
