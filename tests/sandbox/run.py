#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the server gives up before it serves, and what then still works.

    run.py --bin JABIRUD --cli JABIRU --probe JABIRUD-OF-A-TEST-BUILD

The test build has a control command that tries what the sandbox must refuse (server/sandbox_probe.h).
Cases that need root are said to be skipped for anybody else.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("harness", "adversarial", "wsconf"):
    sys.path.insert(0, str(HERE.parent / folder))
from rig import self_signed  # noqa: E402
from server import WORKER, Server, ServerError, give_to_server  # noqa: E402
from xmpp import Xmpp, message  # noqa: E402

IS_ROOT = os.geteuid() == 0
IN_FORCE = "the sandbox is in force"
LANDLOCK_CREATE_RULESET = 444  # the same number on every processor
CASES = []


class Fail(AssertionError):
    """The server did not do what the case requires."""


def check(condition, words):
    if not condition:
        raise Fail(words)


def case(function):
    CASES.append((function, False))
    return function


def root_case(function):
    CASES.append((function, True))
    return function


# --- looking at a process ---

def status(pid, task=None):
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


def check_confined(server):
    for task in os.listdir(f"/proc/{server.pid}/task"):
        got = status(server.pid, task)
        check(got["Seccomp"] == ["2"], f"thread {task} has no filter: Seccomp {got['Seccomp']}")
        check(got["NoNewPrivs"] == ["1"], f"thread {task} may get new privileges")
        check("0" not in got["Uid"] + got["Gid"], f"thread {task} is root: {got['Uid']} {got['Gid']}")
        check(int(got["CapPrm"][0], 16) == 0 and int(got["CapEff"][0], 16) == 0,
              f"thread {task} has capabilities")


def talk(server):
    """A login by password, a message to oneself, one for somebody who is not there."""
    with Xmpp(server.url) as client:
        client.login("romeo", "secret").presence()
        client.send(message("juliet@localhost", "kept in the store"))
        client.send(message(client.jid, "back to me"))
        client.wait_for(lambda e: "".join(e.itertext()) == "back to me")


def control(server, command, **args):
    """One command on the control socket; None when the server died of it."""
    line = json.dumps({"id": 1, "command": command, "args": args}) + "\n"
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(server.data / "control.sock"))
        s.sendall(line.encode())
        try:
            answer = s.makefile().readline()
        except ConnectionResetError:
            return None
    return json.loads(answer) if answer else None


def probe(server, what, path=None):
    answer = control(server, "sandbox-probe", **({"try": what, "path": str(path)} if path else {"try": what}))
    return answer["result"]["errno"] if answer else None


def expect(server, wanted, what, path=None):
    got = probe(server, what, path)
    check(got == wanted, f"{what} {path or ''}: wanted {wanted}, got {got}")


@contextlib.contextmanager
def users(binary, options, config="", **kw):
    with Server(binary, options.cli, config, **kw) as server:
        server.import_users([("romeo@localhost", "secret"), ("juliet@localhost", "secret")])
        yield server


def refused(binary, options, config, words, data=None):
    """The server must not start, and say why."""
    server = Server(binary, options.cli, config, data=data)
    if config.startswith("user"):
        server.config.write_text(config, encoding="utf-8")
    try:
        server.start()
    except ServerError as e:
        check(words in str(e), f"refused, but without the words `{words}`:\n{e}")
    else:
        raise Fail(f"started, and was to say: {words}")
    finally:
        server.abandon()


# --- the release ---

@case
def release_serves_confined(options):
    with users(options.bin, options, debuggable=False) as server:
        server.wait_for_log(IN_FORCE)
        talk(server)
        check_confined(server)
        # Not dumpable: the kernel then gives what is in /proc to root.
        check(os.stat(f"/proc/{server.pid}/environ").st_uid == 0, "the process can be looked into")
        server.restart()
        talk(server)
        check_confined(server)


@case
def release_serves_confined_with_own_tls(options):
    tls = 'listener "a" { tls = own }\n'
    with users(options.bin, options, tls) as server:
        server.wait_for_log(IN_FORCE)
        check_confined(server)
        check((server.data / "tls" / "localhost.crt").exists(), "no certificate was made")


@case
def release_has_no_probe(options):
    with Server(options.bin, options.cli) as server:
        answer = control(server, "sandbox-probe", **{"try": "read"})
        check(answer["ok"] is False and answer["code"] == "not-found", f"got {answer}")


@case
def a_core_dump_is_off_unless_debuggable(options):
    for debuggable, wanted in ((True, False), (False, True)):
        with Server(options.bin, options.cli, debuggable=debuggable) as server:
            limits = server.proc("limits") if debuggable or IS_ROOT else None
            line = [l for l in (limits or "").splitlines() if l.startswith("Max core file size")]
            check(limits is None or (line[0].split()[4:6] == ["0", "0"]) is wanted,
                  f"debuggable {debuggable}: {line}")


# --- what is tried from inside ---

@case
def calls_end_the_process(options):
    for what in ("execve", "ptrace"):
        server = Server(options.probe, options.cli).start()
        try:
            check(probe(server, what) is None, f"{what} was answered")
            code = server.process.wait(10)
            check(code == -signal.SIGSYS, f"{what}: the process ended with {code}")
        finally:
            server.abandon()


@case
def calls_fail_and_the_server_goes_on(options):
    with users(options.probe, options) as server:
        expect(server, "EAFNOSUPPORT", "socket")
        expect(server, "ENOSYS", "bind")
        expect(server, "ENOSYS", "fork")
        expect(server, "ENOSYS", "exec-memory")
        talk(server)


@case
def files_are_closed(options):
    outside = pathlib.Path(tempfile.mkdtemp(prefix="jabiru-outside-"))
    try:
        outside.chmod(0o777)
        file = outside / "open-to-all"
        file.write_text("x", encoding="utf-8")
        file.chmod(0o666)
        with users(options.probe, options) as server:
            expect(server, "EACCES", "read", "/etc/shadow")
            expect(server, "EACCES", "read", "/etc/passwd")  # which anybody may read
            expect(server, "EACCES", "read", "/proc/self/mem")
            expect(server, "EACCES", "read", file)
            expect(server, "EACCES", "write", file)
            expect(server, "EACCES", "write", outside / "new")
            expect(server, "EACCES", "write", server.config.parent / "new")
            expect(server, "done", "read", server.config)
            expect(server, "done", "read", "/etc/hosts")
            expect(server, "done", "write", server.data / "new")
            talk(server)
    finally:
        shutil.rmtree(outside)


@case
def without_the_sandbox_all_of_it_works(options):
    """So the refusals above are the sandbox's."""
    with users(options.probe, options, "sandbox = false\n") as server:
        server.wait_for_log("no sandbox: the option `sandbox` is off")
        check(status(server.pid)["Seccomp"] == ["0"], "there is a filter")
        for what in ("socket", "bind", "exec-memory"):
            expect(server, "done", what)
        expect(server, "done", "read", "/etc/passwd")
        check("0" not in status(server.pid)["Uid"], "root without a sandbox")


# --- a reload ---

def certified(folder):
    cert, key = self_signed(str(folder))
    return f'listener "a" {{ tls = own }}\nhost "localhost" {{ tls_certificate = "{cert}" tls_key = "{key}" }}\n'


@case
def reload_reads_what_took_the_place_of_a_file(options):
    with contextlib.ExitStack() as stack:
        first, other = (pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in "ab")
        server = stack.enter_context(Server(options.bin, options.cli, certified(first)))
        before = server.config.read_text(encoding="utf-8")
        for name in ("cert.pem", "key.pem"):  # as tools that renew certificates do
            (first / name).unlink()
        self_signed(str(first))
        new = server.config.with_name("new")
        new.write_text(before + 'include = "more.conf"\n', encoding="utf-8")
        server.config.with_name("more.conf").write_text("limits { resources = 7 }\n", encoding="utf-8")
        new.rename(server.config)
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for_log("configuration reloaded")
        server.wait_for_log("limits.resources.* to=7")
        server.config.write_text(before.replace(str(first), str(other)), encoding="utf-8")
        self_signed(str(other))
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for_log("others need a restart")
        server.wait_for_log("configuration not reloaded; the old one stays in force")
        server.restart()  # and that is enough


# --- kernels that lack something ---

def wrapped(folder, binary, error):
    """The server on a kernel that answers `error` to whoever asks for Landlock."""
    script = pathlib.Path(folder) / "jabirud"
    script.write_text(textwrap.dedent(f"""\
        #!{sys.executable}
        import ctypes, os, sys
        lib = ctypes.CDLL("libseccomp.so.2")
        lib.seccomp_init.restype = ctypes.c_void_p
        ctx = ctypes.c_void_p(lib.seccomp_init(0x7fff0000))
        assert lib.seccomp_rule_add(ctx, 0x00050000 | {error}, {LANDLOCK_CREATE_RULESET}, 0) == 0
        assert lib.seccomp_load(ctx) == 0
        os.execv({str(binary)!r}, [{str(binary)!r}] + sys.argv[1:])
        """), encoding="utf-8")
    script.chmod(0o755)
    return script


@case
def a_kernel_without_landlock_is_said(options):
    with tempfile.TemporaryDirectory() as folder:
        with users(wrapped(folder, options.bin, 38), options) as server:  # ENOSYS
            server.wait_for_log("only part of the sandbox is in force.*the kernel has none")
            check_confined(server)
            talk(server)


@case
def a_sandbox_that_fails_refuses_to_start(options):
    with tempfile.TemporaryDirectory() as folder:
        refused(wrapped(folder, options.bin, 1), options, "", "cannot set up the sandbox")  # EPERM


@root_case
def reload_of_a_file_for_root_only(options):
    """Root read it at the start and is root no more; the words do not blame the sandbox for that."""
    with Server(options.bin, options.cli) as server:
        server.config.chmod(0o600)
        os.chown(server.config, 0, 0)
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for_log("configuration not reloaded")
        said = "\n".join(server.log())
        uid = status(server.pid)["Uid"][0]
        check(f"Permission denied; a reload reads as the user that the server works as (uid {uid})" in said, said)
        check("others need a restart" not in said, said)
        os.chown(server.config, 0, int(status(server.pid)["Gid"][0]))
        server.config.chmod(0o640)  # what the words advise
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for_log("configuration reloaded")


# --- never root ---

@contextlib.contextmanager
def own_folder(mode=0o711):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jabiru-owner-"))
    folder.chmod(mode)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def start_bare(options, folder):
    """Without the option `user` that the harness sets: what somebody gets who types it."""
    server = Server(options.bin, options.cli, data=folder / "data")
    server.config.write_text("", encoding="utf-8")
    return server


@root_case
def root_becomes_the_folders_owner(options):
    with own_folder() as folder:
        (folder / "data").mkdir(mode=0o700)
        os.chown(folder / "data", 12345, 23456)
        with start_bare(options, folder) as server:
            check(status(server.pid)["Uid"] == ["12345"] * 4, "not the owner of the data folder")
            check(status(server.pid)["Gid"] == ["23456"] * 4, "not the group of the data folder")
            check(status(server.pid)["Groups"] == [], "root's groups were kept")
            check(os.stat(folder / "data" / "jabiru.db").st_uid == 12345, "the database is not his")


@root_case
def root_becomes_the_owner_of_the_checkout(options):
    """sudo script/server in one's own folder."""
    with own_folder() as folder:
        os.chown(folder, 12345, 12345)
        with start_bare(options, folder) as server:
            check(status(server.pid)["Uid"] == ["12345"] * 4, "not who owns the folder around it")


@root_case
def root_gives_its_folder_away(options):
    """A data folder of a server that ran as root, or made by `jabiru admin` before the first start."""
    with own_folder() as folder:
        server = start_bare(options, folder)
        subprocess.run([options.cli, "admin", "user", "add", "romeo@localhost", "--data", folder / "data"],
                       input="secret\n", text=True, check=True)
        check(os.stat(folder / "data" / "jabiru.db").st_uid == 0, "the test is about a folder of root's")
        with server:
            check("0" not in status(server.pid)["Uid"], "the server is root")
            uid = int(status(server.pid)["Uid"][0])
            for path in [folder / "data", *(folder / "data").rglob("*")]:
                check(path.lstat().st_uid == uid, f"{path} belongs to {path.lstat().st_uid}, not {uid}")
            with Xmpp(server.url) as client:
                client.login("romeo", "secret")
            server._terminate()
            # And root's command line makes nothing that the server could not open.
            server.add_user("juliet@localhost", "secret")
            server.start()
            for path in (folder / "data").rglob("*"):
                check(path.lstat().st_uid == uid, f"{path} belongs to {path.lstat().st_uid} after admin")


@root_case
def root_refuses_what_it_cannot_judge(options):
    with own_folder() as folder:
        data = folder / "data"
        data.mkdir(mode=0o777)
        data.chmod(0o777)
        refused(options.bin, options, "", "others could write to it", data=data)
        data.chmod(0o700)
        (folder / "foreign").write_text("root's own", encoding="utf-8")
        os.link(folder / "foreign", data / "jabiru.db")
        refused(options.bin, options, "", "others could write to it", data=data)
        check((folder / "foreign").stat().st_uid == 0, "a file of root's was given away")


@root_case
def root_names_another_user(options):
    for name in ("root", "no-such-user"):
        refused(options.bin, options, f"user = {name}\n", "names nobody, or root")
    with own_folder(0o700) as folder:
        refused(options.bin, options, "", "cannot reach the data folder", data=folder / "data")


@root_case
def others_cannot_become_somebody(options):
    """Started by an ordinary user, the option must name just him."""
    with own_folder(0o777) as folder:
        config = folder / "jabiru.conf"
        command = [options.bin, "--config", config, "--data", folder / "data", "--listen", "127.0.0.1:0"]
        config.write_text("user = daemon\n", encoding="utf-8")
        done = subprocess.run(command, user=WORKER, group="nogroup", extra_groups=[], capture_output=True,
                              text=True, timeout=20, check=False)
        check(done.returncode == 1 and "only root can become another user" in done.stderr, done.stderr)


# --- the service manager ---

def notices(manager, wanted):
    """Datagrams until one begins with `wanted`."""
    seen = []
    while True:
        seen.append(manager.recv(4096).decode())
        if seen[-1].startswith(wanted):
            return seen


@case
def the_service_manager_is_told(options):
    with own_folder(0o711) as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = folder / "notify"
        manager.bind(str(path))
        manager.settimeout(10)
        give_to_server(path)
        env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
        with users(options.bin, options, env=env) as server:
            notices(manager, "READY=1")
            for _ in range(3):
                check(notices(manager, "WATCHDOG=1") == ["WATCHDOG=1"], "more than the watchdog")
            os.kill(server.pid, signal.SIGHUP)
            check("MONOTONIC_USEC=" in notices(manager, "RELOADING=1")[-1], "no time of the reload")
            notices(manager, "READY=1")
            os.kill(server.pid, signal.SIGTERM)
            notices(manager, "STOPPING=1")


def falls_silent(manager, seconds):
    """True when, after what was on its way, a second passes without a word (ten times the period)."""
    end = time.monotonic() + seconds
    manager.settimeout(1.0)
    try:
        while time.monotonic() < end:
            manager.recv(4096)
        return False
    except TimeoutError:
        return True
    finally:
        manager.settimeout(10)


@case
def a_hung_reactor_starves_the_watchdog(options):
    with own_folder(0o711) as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(10)
        give_to_server(folder / "notify")
        env = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "400000"}
        with users(options.probe, options, "reactors = 2\n", env=env) as server:
            notices(manager, "WATCHDOG=1")
            check(probe(server, "hang") == "done", "the second reactor was not told to hang")
            check(falls_silent(manager, 2.0), "a reactor hangs, and the watchdog is fed all the same")
            notices(manager, "WATCHDOG=1")  # it turns again


UNIT = HERE.parent.parent / "packaging" / "systemd" / "jabirud.service"


def unit_calls():
    """The system calls that the unit leaves, from systemd's own groups."""
    groups, current = {}, None
    listing = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True,
                             check=True).stdout
    for line in listing.splitlines():
        if line.startswith("@"):
            current = groups.setdefault(line.strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            current.append(line.strip())

    def expand(name):
        return {call for part in groups[name] for call in expand(part)} if name.startswith("@") else {name}
    left = expand("@default")
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("SystemCallFilter="):
            value = line.partition("=")[2]
            calls = {call for part in value.lstrip("~").split() for call in expand(part)}
            left = left - calls if value.startswith("~") else left | calls
    return left


@root_case
def the_units_system_calls_are_enough(options):
    """As the unit does: an ordinary user, and systemd's filter around ours."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        script = pathlib.Path(folder) / "jabirud"
        script.write_text(textwrap.dedent(f"""\
            #!{sys.executable}
            import ctypes, grp, os, pwd, sys
            lib = ctypes.CDLL("libseccomp.so.2")
            lib.seccomp_init.restype = ctypes.c_void_p
            worker = pwd.getpwnam({WORKER!r})
            os.makedirs(sys.argv[sys.argv.index("--data") + 1], 0o700, exist_ok=True)
            os.chown(sys.argv[sys.argv.index("--data") + 1], worker.pw_uid, worker.pw_gid)
            os.setgroups([]), os.setgid(worker.pw_gid), os.setuid(worker.pw_uid)
            ctx = ctypes.c_void_p(lib.seccomp_init(0x00050001))  # the rest: EPERM
            for name in {sorted(unit_calls())!r}:
                number = lib.seccomp_syscall_resolve_name(name.encode())
                if number >= 0:
                    assert lib.seccomp_rule_add(ctx, 0x7fff0000, number, 0) == 0, name
            assert lib.seccomp_load(ctx) == 0
            os.execv({str(options.bin)!r}, [{str(options.bin)!r}] + sys.argv[1:])
            """), encoding="utf-8")
        script.chmod(0o755)
        with users(script, options) as server:
            server.wait_for_log(IN_FORCE)
            check_confined(server)
            talk(server)


@case
def the_systemd_unit_is_hardened(_options):
    unit = UNIT
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=15", unit],
                          capture_output=True, text=True, check=False)
    check(done.returncode == 0 and "Overall exposure level" in done.stdout,
          done.stderr + done.stdout[-600:])
    print("# " + done.stdout.strip().splitlines()[-1].strip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--probe", required=True, help="jabirud of a build with test hooks, without sanitizers")
    parser.add_argument("--only")
    options = parser.parse_args()
    options.bin, options.cli, options.probe = map(os.path.abspath, (options.bin, options.cli, options.probe))
    passed = failed = 0
    for function, needs_root in CASES:
        name = function.__name__.replace("_", " ")
        if options.only and options.only not in function.__name__:
            continue
        if needs_root and not IS_ROOT:
            print(f"# skipped, needs root: {name}")
            continue
        try:
            function(options)
        except Exception as e:  # a server that does not start fails the case, not the run
            failed += 1
            print(f"not ok - {name}: {type(e).__name__}: {e}", flush=True)
        else:
            passed += 1
            print(f"ok - {name}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
