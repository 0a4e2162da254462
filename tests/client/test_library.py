# SPDX-License-Identifier: MIT
"""The library as a file: what it exports, how large it is, and that it can be linked to."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import textwrap
import unittest
import unittest.mock

from client import Client
from peer import Peer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ["BUILD"])
TEXT_MOST = 256 * 1024


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


class Library(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """The sanitizers' build is not what people get: a release of the library alone."""
        cls.held = tempfile.TemporaryDirectory(prefix="jabiru-lib-")
        cls.folder = pathlib.Path(cls.held.name)
        cls.build, cls.prefix = cls.folder / "build", cls.folder / "installed"
        run("meson", "setup", str(cls.build), str(ROOT), "--prefix", str(cls.prefix), "--libdir", "lib", "-Dtests=false",
            "-Dbuildtype=release", "-Dlibrary_only=true")
        run("nice", "ninja", "-C", str(cls.build), "install")
        cls.library = cls.prefix / "lib" / "libjabiru.so"

    @classmethod
    def tearDownClass(cls):
        cls.held.cleanup()

    def declared(self):
        text = "".join(path.read_text() for path in (ROOT / "include/jabiru").glob("*.h"))
        return set(re.findall(r"JB_API[^;{]*?\b(jb_\w+)\(", text))

    def test_it_exports_what_the_headers_have_and_no_more(self):
        listed = re.findall(r"^\S+ (\w) (\S+?)@@(\S+)$", run("nm", "-D", "--defined-only", str(self.library)), re.M)
        functions = {name: version for kind, name, version in listed if kind == "T"}
        self.assertEqual(set(functions), self.declared())
        self.assertEqual(set(functions.values()), {"JABIRU_0.1"})
        others = [line for line in run("nm", "-D", "--defined-only", str(self.library)).splitlines()
                  if "@@" not in line and " A " not in line]
        self.assertEqual(others, [])

    def test_its_names_have_a_prefix_in_the_archive_too(self):
        names = re.findall(r"^\S+ [TDBRVW] (\S+)$",
                           run("nm", "--defined-only", "--extern-only", str(self.prefix / "lib/libjabiru.a")), re.M)
        self.assertTrue(names)
        self.assertEqual([n for n in names if not n.startswith("jb_")], [])

    def test_its_text_is_small(self):
        text = int(run("size", str(self.library)).splitlines()[1].split()[0])
        print(f"text of libjabiru.so: {text} bytes")
        self.assertLessEqual(text, TEXT_MOST)

    def test_it_is_found_by_pkg_config(self):
        for compiler in ("gcc", "clang-14"):
            for static in ([], ["--static"]):
                if not shutil.which(compiler):
                    continue
                env = {**os.environ, "PKG_CONFIG_PATH": str(self.prefix / "lib/pkgconfig")}
                flags = run("pkg-config", "--cflags", "--libs", *static, "libjabiru", env=env).split()
                program = self.folder / "program"
                # The archive alone, and all that it needs from elsewhere.
                if static:
                    flags = [str(self.prefix / "lib/libjabiru.a") if f == "-ljabiru" else f for f in flags]
                run(compiler, "-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-o", str(program),
                    str(ROOT / "examples/echo_bot.c"), *flags)
                done = subprocess.run([str(program)], env={**env, "LD_LIBRARY_PATH": str(self.prefix / "lib")}, check=False)
                self.assertEqual(done.returncode, 2)  # it wants arguments

    def test_the_program_of_its_page_compiles(self):
        text = (ROOT / "docs/client.md").read_text().partition("## Thirty lines\n")[2].partition("Build with `cc ")[0]
        source, program = self.folder / "thirty.c", self.folder / "thirty"
        source.write_text(textwrap.dedent(text))
        run("gcc", "-std=c99", "-pedantic-errors", "-Wall", "-Werror", "-o", str(program), str(source),
            f"-I{self.prefix / 'include'}", f"-L{self.prefix / 'lib'}", "-ljabiru")
        self.assertTrue(program.exists())

    def test_the_minimal_build_is_smaller_and_needs_less(self):
        build = self.folder / "minimal"
        run("meson", "setup", str(build), str(ROOT), "-Dbuildtype=release", "-Dminimal=true")
        run("nice", "ninja", "-C", str(build))
        library = build / "src/client/libjabiru.so"
        text = [int(run("size", str(file)).splitlines()[1].split()[0]) for file in (library, self.library)]
        print(f"minimal: {text[0]} bytes of text instead of {text[1]}")
        self.assertLess(text[0], text[1])
        needed = re.findall(r"NEEDED.*\[(\w+)\.so", run("readelf", "-d", str(library)))
        self.assertNotIn("libjansson", needed)
        self.assertNotIn("libz", needed)
        self.refuses_compression(build)
        self.logs_in(build)
        self.assertEqual(set(re.findall(r" T (\S+?)@@", run("nm", "-D", "--defined-only", str(library)))), self.declared())

    def refuses_compression(self, build):
        source, program = self.folder / "deflate.c", self.folder / "deflate"
        source.write_text("#include <jabiru/jabiru.h>\nint main(void) { struct jb_client *c; int rc = jb_client_new(&c, 0);\n"
                          "if (rc == 0) rc = jb_client_set(c, JB_SETTING_DEFLATE, 0);\n"
                          "return rc ? 1 : jb_client_set(c, JB_SETTING_DEFLATE, 1) != JB_ENOTSUP; }\n")
        run("gcc", "-o", str(program), str(source), f"-I{ROOT / 'include'}", f"-L{build / 'src/client'}", "-ljabiru")
        run(str(program), env={**os.environ, "LD_LIBRARY_PATH": str(build / "src/client")})

    def logs_in(self, build):
        """The old way, at the endpoint that the program names; where it names none, there is none."""
        driver = self.folder / "driver"
        run("gcc", "-o", str(driver), str(ROOT / "tests/client/driver.c"), f"-I{ROOT / 'include'}",
            f"-L{build / 'src/client'}", "-ljabiru", f"-Wl,-rpath,{build / 'src/client'}")
        with unittest.mock.patch("client.DRIVER", str(driver)):
            with Peer(lambda conn: (conn.login(), conn.until_closed())) as peer, \
                    Client(URL=peer.url, CLOSE_TIMEOUT_MS=200) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("online romeo@localhost/here plain SCRAM-SHA-256$")
                c.command("disconnect")
                c.expect("offline requested")
            with Client(RECONNECT=0) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("offline discovery -1 ")

    def test_its_manual_says_all_that_the_headers_say(self):
        pages = sorted((self.prefix / "share/man/man3").glob("*.3"))
        text = "".join(page.read_text() for page in pages)
        self.assertEqual([name for name in self.declared() if f".Ss {name}\n" not in text], [])
        names = re.findall(r"\bX\(([A-Z_]+), \d", (ROOT / "include/jabiru/client.h").read_text())
        self.assertGreater(len(names), 10)
        self.assertEqual([name for name in names if f".It JB_SETTING_{name}\n" not in text], [])
        for header in (ROOT / "include/jabiru").glob("*.h"):
            for comment, name in re.findall(r"/\*\*\n(.*?)\*/\nJB_API[^;{]*?\b(jb_\w+)\(", header.read_text(), re.S):
                self.assertIn("Threads:", comment, name)
                if re.search(rf"\*{name}\(", header.read_text()):
                    self.assertIn("Ownership:", comment, name)
                self.assertTrue("Returns:" in comment or re.search(rf"void {name}\(", header.read_text()), name)
        if shutil.which("mandoc"):
            self.assertEqual(run("mandoc", "-T", "lint", "-W", "warning", *map(str, pages)), "")

    def test_nothing_of_it_writes_globals(self):
        """No state outside of the objects: nothing writable but what the loader needs, and words for each thread."""
        table = run("objdump", "-t", str(self.library))
        names = re.findall(r"^\S+ .{7} \.(?:data|bss|tdata|tbss)\s+\S+\s+(\S+)$", table, re.M)
        ours = {re.sub(r"\.\d+$", "", n) for n in names if not n.startswith((".", "__", "completed"))}
        self.assertEqual(ours, {"why"})  # in net/sock.c


if __name__ == "__main__":
    unittest.main()
