# SPDX-License-Identifier: MIT
"""J. Exhaustion and life cycle: cases 87, 88, 94 and 95. Cases 89 to 91 need a test build: tests/faults."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import time

import rig as rigs
import settings
from registry import case
from xmpp import FRAMING, SASL, Closed, Fail, Scram, Timeout, Xmpp, b64, check, message

CYCLES = 10000
LEFT_BYTES = 16 * 1024  # a canary's message on its way; two bytes of each connection would be more
HEAD = ("GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: xmpp\r\n")


# ---- 87 ----


def begin(rig):
    client = Xmpp(rig.url(), rig.domain)
    client.open()
    return client


def raw(rig, text):
    wire = rig.wire()
    if text:
        wire.send(text.encode())
    return wire


def stage_open_sent(rig):
    client = rig.connect()
    client.send("<open xmlns='%s' version='1.0' to='%s'/>" % (FRAMING, rig.domain))
    return client


def stage_auth_sent(rig):
    client = begin(rig)
    scram = Scram("alice", settings.PASSWORD)
    client.send("<auth xmlns='%s' mechanism='SCRAM-SHA-1'>%s</auth>" % (SASL, b64(scram.first())))
    return client


def stage_challenged(rig, answered=False):
    client = begin(rig)
    scram = Scram("alice", settings.PASSWORD)
    client.scram_begin(scram, "SCRAM-SHA-1")
    if answered:
        client.send("<response xmlns='%s'>%s</response>" % (SASL, b64(scram.final())))
    return client


def stage_authenticated(rig):
    client = begin(rig)
    client.auth_scram("alice", settings.PASSWORD)
    return client


def stage_frame_begun(rig):
    client = rig.connect()
    client.ws.wire.send(b"\x81\xfe\x01")  # two bytes of length are to come
    return client


STAGES = (
    lambda rig: raw(rig, ""),
    lambda rig: raw(rig, "GET /xmpp-"),
    lambda rig: raw(rig, HEAD % settings.WS_PATH),
    lambda rig: rig.connect(),
    stage_frame_begun,
    stage_open_sent,
    begin,
    stage_auth_sent,
    stage_challenged,
    lambda rig: stage_challenged(rig, answered=True),
    stage_authenticated,
    lambda rig: rig.client("alice"),
)


def cycle(rig, count):
    for n in range(count):
        connection = STAGES[n % len(STAGES)](rig)
        connection.close(reset=n // len(STAGES) % 2 == 0)


@case(87, "connections that end at each of 12 stages of the handshake leave nothing behind", canary_s=2.0)
def case_87_cycles(rig):
    count = int(CYCLES * rig.options.scale)
    cycle(rig, 600)  # first uses are not growth
    time.sleep(0.5)
    rss, allocated, fds = rig.rss_kib(), rig.allocated(), rig.fds()
    cycle(rig, count)
    deadline = time.monotonic() + 10
    while True:
        grown, more, left = rig.rss_kib() - rss, rig.allocated() - allocated, rig.fds() - fds
        if grown < 1024 * rig.options.rss_factor and more < LEFT_BYTES and left <= 0:
            print("# %d connections: RSS %+d KiB, %+d bytes allocated" % (count, grown, more), flush=True)
            return
        check(time.monotonic() < deadline, "after %d connections RSS grew by %d KiB, %d bytes more are allocated, "
              "%d descriptors are left", count, grown, more, left)
        time.sleep(0.2)


# ---- 88 ----

DESCRIPTORS = 64
CLIENTS = 200


@contextlib.contextmanager
def few_descriptors(rig):
    """A server that may have so many open and no more."""
    folder = tempfile.mkdtemp(prefix="few-descriptors-")
    os.chmod(folder, 0o755)
    script = pathlib.Path(folder, "jabirud.sh")
    script.write_text("#!/bin/sh\nulimit -n %d\nexec %s \"$@\"\n"
                      % (DESCRIPTORS, os.path.abspath(rig.server.bin)), encoding="ascii")
    script.chmod(0o755)
    other = rigs.Rig(lambda config, _stack: type(rig.server)(script, rig.server.cli, config=config).start(),
                     {"reactors": 2}, rig.options)
    try:
        yield other
    finally:
        other.stop()
        shutil.rmtree(folder)


@case(88, "out of descriptors, accepting pauses; who is there is served, and nothing spins")
def case_88_descriptors(rig):
    with few_descriptors(rig) as few:
        with few.client("alice") as alice, few.client("bob") as bob:
            crowd = [few.wire() for _ in range(CLIENTS)]
            time.sleep(1.0)
            check("out of descriptors" in few.log_text(), "%d clients fit into %d descriptors", CLIENTS, DESCRIPTORS)
            cpu, begun = few.cpu_s(), time.monotonic()
            for n in range(10):
                alice.send(message(bob.jid, "number %d" % n))
                bob.wait_for(lambda e, n=n: "".join(e.itertext()) == "number %d" % n, 1.0)
                time.sleep(0.3)
            share = (few.cpu_s() - cpu) / (time.monotonic() - begun)
            check(share < 0.05 * rig.options.rss_factor, "%.0f %% of a processor for nothing", share * 100)
            turned_away = sum(is_closed(wire) for wire in crowd)
            check(turned_away > 0, "nobody was turned away")
            for wire in crowd:
                wire.close()
        deadline = time.monotonic() + 10
        while True:
            try:
                few.client("kim").close()
                break
            except (Closed, Timeout, Fail, OSError):
                check(time.monotonic() < deadline, "nobody gets in although there is room again")
                time.sleep(0.1)
        rests, goes_on = (few.log_text().count("accepting " + word) for word in ("rests", "again"))
        check(rests == goes_on <= 3, "the log says %d times that accepting rests, %d times that it goes on",
              rests, goes_on)


def is_closed(wire):
    try:
        wire.sock.setblocking(False)
        return wire.sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


# ---- 94 ----


def start_on(rig, data):
    """(status, log) of a server that is started on the folder; it is given the time to refuse."""
    done = subprocess.run([rig.server.bin, "--data", str(data), "--listen", "127.0.0.1:0", "--config",
                           str(rig.server.config)], capture_output=True, text=True, timeout=20, check=False,
                          env=rig.server.env)
    return done.returncode, done.stderr


def digest(folder):
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in pathlib.Path(folder).glob("jabiru.db*")}


def sql(text):
    def run(folder):
        db = sqlite3.connect(pathlib.Path(folder, "jabiru.db"))
        db.executescript(text)
        db.close()
    return run


def overwrite(at, data):
    def run(folder):
        with open(pathlib.Path(folder, "jabiru.db"), "r+b") as file:
            file.seek(at)
            file.write(data)
        pathlib.Path(folder, "lock").write_text("999999\n", encoding="ascii")  # as after a crash
    return run


def cut(folder):
    with open(pathlib.Path(folder, "jabiru.db"), "r+b") as file:
        file.truncate(5000)
    pathlib.Path(folder, "lock").write_text("999999\n", encoding="ascii")


def orphan_log(folder):
    pathlib.Path(folder, "jabiru.db").rename(pathlib.Path(folder, "jabiru.db-wal"))


DAMAGES = {
    "a newer version": (sql("PRAGMA user_version=99"), "newer version"),
    "another program's": (sql("PRAGMA application_id=1"), "belongs to another program"),
    "no database": (overwrite(0, b"what is this?\n" * 10), "not a database"),
    "a page of noise": (overwrite(4096, bytes(range(256)) * 16), "quick_check"),
    "cut off": (cut, "malformed"),
    "a log without its database": (orphan_log, "restore both"),
}


@case(94, "a database that is damaged, newer or another's is refused and left as it is")
def case_94_databases(rig):
    with tempfile.TemporaryDirectory() as folder:
        template = pathlib.Path(folder, "template")
        rig.server.admin("backup", str(pathlib.Path(folder, "copy.db")))
        os.chmod(folder, 0o711)
        template.mkdir()
        shutil.copy(pathlib.Path(folder, "copy.db"), template / "jabiru.db")
        for what, (damage, words) in DAMAGES.items():
            data = pathlib.Path(folder, "data")
            shutil.rmtree(data, ignore_errors=True)
            shutil.copytree(template, data)
            damage(data)
            rigs_give(data)
            before = digest(data)
            status, log = start_on(rig, data)
            check(status == 1, "%s: it ended with %d", what, status)
            check(words in log, "%s: the log does not say %r:\n%s", what, words, log)
            check(digest(data) == before, "%s: the files were changed", what)


def rigs_give(data):
    from server import give_to_server
    give_to_server(data, *data.iterdir())


# ---- 95 ----

CONFIGS = {
    "an unknown key": ("colour = \"blue\"\n", 1),
    "an unknown key in a section": ("\nlimits {\n    wishes = 3\n}\n", 3),
    "a key twice": ("reactors = 1\nreactors = 2\n", 2),
    "a number that is none": ("\n\nreactors = many\n", 3),
    "a number out of range": ("limits {\n    xml_depth = 100000\n}\n", 2),
    "a section that does not end": ("limits {\n    xml_depth = 8\n", 2),
    "bytes that are not UTF-8": (b"data = \"\xff\xfe\"\n", 1),
    "10 MiB": (b"# words\n" * (10 << 17), None),
}


@case(95, "a configuration with a mistake is refused with its line; a reload then changes nothing")
def case_95_configurations(rig):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        file = pathlib.Path(folder, "jabiru.conf")
        for what, (text, line) in CONFIGS.items():
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            done = subprocess.run([rig.server.bin, "--check", str(file)], capture_output=True, text=True,
                                  timeout=20, check=False, errors="replace")
            check(done.returncode != 0, "%s: accepted", what)
            check(line is None or "jabiru.conf:%d:" % line in done.stderr,
                  "%s: line %s is not named: %s", what, line, done.stderr)
            started = subprocess.run([rig.server.bin, "--config", str(file), "--data", folder, "--listen",
                                      "127.0.0.1:0"], capture_output=True, timeout=20, check=False)
            check(started.returncode == 1, "%s: the server ended with %d", what, started.returncode)
    reload_refused(rig)
    world_readable_key(rig)


def reload_refused(rig):
    """The canary lives on, and what was in force is in force."""
    config, old = pathlib.Path(rig.server.config), None
    old = config.read_text(encoding="utf-8")
    try:
        config.write_text(old + "\nnonsense = 1\n", encoding="utf-8")
        with rig.client("alice") as alice:
            done = subprocess.run([rig.server.cli, "admin", "reload", "--data", str(rig.server.data)],
                                  capture_output=True, text=True, timeout=20, check=False)
            check(done.returncode == 1 and "nonsense" in done.stderr, "reload: %d %s", done.returncode, done.stderr)
            alice.silent_until_ping()
    finally:
        config.write_text(old, encoding="utf-8")
    done = subprocess.run([rig.server.cli, "admin", "reload", "--data", str(rig.server.data)],
                          capture_output=True, text=True, timeout=20, check=False)
    check(done.returncode == 0, "the file as it was is refused: %s", done.stderr)


def world_readable_key(rig):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        cert, key = rigs.self_signed(folder)
        file = pathlib.Path(folder, "jabiru.conf")
        file.write_text("listener \"a\" {\n    tls = own\n}\nhost \"localhost\" {\n    tls_certificate = \"%s\"\n"
                        "    tls_key = \"%s\"\n}\n" % (cert, key), encoding="utf-8")
        os.chmod(key, 0o644)
        done = subprocess.run([rig.server.bin, "--check", str(file)], capture_output=True, text=True,
                              timeout=20, check=False)
        check(done.returncode != 0 and "jabiru.conf:6:" in done.stderr,
              "a key that everybody can read: %d %s", done.returncode, done.stderr)
        os.chmod(key, 0o600)
        done = subprocess.run([rig.server.bin, "--check", str(file)], capture_output=True, text=True,
                              timeout=20, check=False)
        check(done.returncode == 0, "a key that only its owner can read: %s", done.stderr)
