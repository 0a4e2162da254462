#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""jabiru bench against jabirud: every scenario works, and what a server does wrong is noticed.

    tests/bench/run.py --bin JABIRUD --cli JABIRU

Prints `ok - ...` or `not ok - ...` for each test, and at the end `N passed, N failed`.
"""
import argparse
import json
import os
import pathlib
import pty
import re
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "harness"), str(ROOT / "tests" / "bench"), str(ROOT / "bench" / "peers"),
                str(ROOT / "bench"), str(ROOT / "tests" / "client")]
import peers  # noqa: E402  pylint: disable=wrong-import-position
from liar import Liar  # noqa: E402  pylint: disable=wrong-import-position
from page import write_page  # noqa: E402  pylint: disable=wrong-import-position
from peer import BIND, SM, Peer  # noqa: E402  pylint: disable=wrong-import-position
from server import Server  # noqa: E402  pylint: disable=wrong-import-position

PASSWORD = "not-a-secret"
PEOPLE = 40
RUN_S = 60
IDLE, SESSION_BYTES = 2000, 3072
OK, REFUSED, USAGE, IO, UNACCOUNTED = 0, 1, 2, 3, 4
# As in a benchmark, but the harness chooses the port, reads it from the log, and looks at memory.
CONFIG = re.sub(r"(listener|debuggable) .*\n", "", (ROOT / "bench" / "peers" / "jabiru.conf").read_text("utf-8"))
CONFIG = CONFIG.replace("level = warn", "level = info")


class Failure(AssertionError):
    pass


def expect(condition, words):
    if not condition:
        raise Failure(words)


class Bench:
    """Runs the command against one server."""

    def __init__(self, options, server):
        self.bin, self.cli, self.server = options.bin, options.cli, server
        self.environment = {**os.environ, "JABIRU_BENCH_PASSWORD": PASSWORD}

    def run(self, *arguments, status=OK, url=None, environment=None):
        """(standard output, standard error); fails when the exit status is another."""
        url = url or f"ws://127.0.0.1:{self.server.port}/xmpp-websocket"
        command = [self.cli, "bench", *arguments, "--url", url, "--domain", "bench.example"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=RUN_S,
                              env=environment or self.environment, check=False)
        expect(done.returncode == status, f"status {done.returncode}, not {status}: {done.stderr}{done.stdout[-500:]}")
        return done.stdout, done.stderr

    def figures(self, *arguments, **kwargs):
        out, _ = self.run(*arguments, "--json", "--pid", str(self.server.pid), **kwargs)
        result = json.loads(out)
        expect(result["ok"] and result["samples"], "not ok, or no samples")
        return result["figures"]


USERS = ["--users", "user#"]
SHORT = ["--duration", "1", "--warmup", "0.3"]


# -- every scenario ------------------------------------------------------------------------------

def test_pairs_closed(bench):
    f = bench.figures("pairs", "--auth", "anonymous", "--connections", "20", "--window", "2", "--threads", "2", *SHORT)
    expect(f["lost"] == f["twice"] == f["disorder"] == f["strays"] == 0, f"unaccounted: {f}")
    expect(f["messages"] > 500 and f["latency_p50_ms"] > 0, f"too little: {f}")
    expect(0 < f["server_cpu_us_per_message"] < 10000 and f["own_cpu_us_per_message"] > 0, f"CPU: {f}")


def test_pairs_open(bench):
    f = bench.figures("pairs", *USERS, "--connections", "20", "--rate", "300", *SHORT)
    expect(200 <= f["messages"] <= 400, f"300 a second for a second are not {f['messages']}")
    expect(f["latency_p50_ms"] <= f["latency_p99_ms"] <= f["latency_max_ms"], f"percentiles: {f}")
    expect("own_lag_p99_ms" in f, "an open loop tells its own delay")


def test_a_low_rate_is_not_late(bench):
    """A message is sent when it is due, also where the next one is due much later."""
    f = bench.figures("pairs", "--auth", "anonymous", "--connections", "2", "--rate", "5", "--warmup", "0", "--duration", "3")
    expect(14 <= f["messages"] <= 16, f"5 a second for 3 seconds are not {f['messages']}")
    expect(f["latency_p50_ms"] < 100, f"half of them are late by more than half of the time to the next: {f}")


def test_arrivals_count_from_their_stamps(bench):
    """What is looked at once in a millisecond would be late by that, were it not for the kernel's stamps.

    A machine that is busy delays a message, too, but not half of them in each of five runs; in a run without stamps
    every message is late by a tick.
    """
    options = ["pairs", "--auth", "anonymous", "--connections", "8", "--rate", "200", "--duration", "0.5", "--warmup", "0.2",
               "--json"]
    best = min(json.loads(bench.run(*options)[0])["figures"]["latency_p50_ms"] for _ in range(5))
    expect(0 < best < 0.95, f"half of the messages take {best} ms in the best of five runs")
    expect(json.loads(bench.run(*options)[0])["arrivals"] == "stamped", "an open loop gathers")
    options[options.index("200")] = "0"
    expect(json.loads(bench.run(*options)[0])["arrivals"] == "read", "a closed loop does not")


def test_stream_management(bench):
    """Anonymous users' messages wait for no disk, those between accounts do; and the server asks, too."""
    for who in (["--auth", "anonymous"], USERS):
        f = bench.figures("pairs", *who, "--connections", "20", "--rate", "500", "--sm", *SHORT)
        expect(f["acked"] > 400 and f["unacked"] == f["lost"] == f["twice"] == 0, f"acknowledged: {f}")
        expect(0 < f["ack_p50_ms"] <= f["ack_p99_ms"] <= f["ack_max_ms"], f"percentiles: {f}")
        expect(f["answers"] > 10, f"the server asks: {f}")
    f = bench.figures("pairs", "--auth", "anonymous", "--connections", "8", "--sm", "--window", "3", *SHORT)
    expect(f["acked"] > 400 and f["unacked"] == 0, f"closed loop: {f}")
    f = bench.figures("pairs", "--auth", "anonymous", "--connections", "8", *SHORT)
    expect("acked" not in f and "ack_p50_ms" not in f, f"without it: {f}")


def test_the_days_of_others_with_stream_management(bench):
    f = bench.figures("mix", *USERS, "--connections", str(PEOPLE), "--duration", "4", "--sm")
    expect(f["acked"] > 100 and f["unacked"] == f["lost"] == 0, f"a day: {f}")
    f = bench.figures("login", *USERS, "--connections", "8", "--sm", *SHORT)
    expect(f["logins"] > 5, f"logins: {f}")


def test_login_with_each_mechanism(bench):
    for auth in ("plain", "scram-sha-1", "scram-sha-256"):
        f = bench.figures("login", *USERS, "--auth", auth, "--connections", "8", *SHORT)
        expect(f["logins"] > 5 and f["login_p50_ms"] > 0 and f["retries"] == 0, f"{auth}: {f}")
    f = bench.figures("login", "--auth", "anonymous", "--connections", "8", "--rate", "40", *SHORT)
    expect(30 <= f["logins"] <= 50, f"40 a second for a second are not {f['logins']}")


def test_idle(bench):
    """On a server of its own: one that had sessions before has memory to spare for new ones."""
    with Server(bench.bin, bench.cli, CONFIG) as fresh:
        f = Bench(bench, fresh).figures("idle", "--auth", "anonymous", "--connections", str(IDLE), "--duration", "0.5")
    expect(f["sessions"] == f["logins"] == IDLE, f"sessions: {f}")
    # What is promised. PSS also moves with what other programs map of the same libraries, the heap only
    # with sessions; what the first session makes for all is shared by enough of them to leave no trace.
    expect(1000 < f["anon_bytes_per_session"] <= SESSION_BYTES, f"memory of a session: {f}")
    expect(f["pss_mib_before"] > 1 and f["pss_mib_after"] > 1, f"memory: {f}")


def test_presence_makes_contacts_once(bench):
    options = ["presence", *USERS, "--connections", "10", "--contacts", "4", "--rate", "50", *SHORT]
    first, second = bench.figures(*options), bench.figures(*options)
    for f in (first, second):
        expect(f["lost"] == f["twice"] == f["strays"] == 0 and f["messages"] > 100, f"unaccounted: {f}")


def test_storm(bench):
    f = bench.figures("storm", *USERS, "--auth", "scram-sha-1", "--connections", str(PEOPLE))
    expect(f["logins"] == PEOPLE and f["back_s"] > 0, f"back: {f}")


def test_mix(bench):
    f = bench.figures("mix", *USERS, "--connections", str(PEOPLE), "--duration", "5", "--threads", "2")
    expect(f["lost"] == f["twice"] == f["disorder"] == f["strays"] == 0, f"unaccounted: {f}")
    expect(f["messages"] > 100 and f["logins"] > 10, f"a day is more than {f}")


def test_room_without_rooms(bench):
    _, err = bench.run("room", "--auth", "anonymous", "--connections", "4", *SHORT, status=REFUSED)
    expect("has no rooms" in err, err)


def test_room(bench):
    """With a server that has rooms."""
    expect(shutil.which("prosody"), "Prosody is not installed")
    with peers.Prosody(accounts=10) as server:
        f = bench.figures("room", *USERS, "--auth", "scram-sha-1", "--connections", "10", "--senders", "3", "--rate", "30",
                          *SHORT, url=server.url, environment={**os.environ, "JABIRU_BENCH_PASSWORD": peers.PASSWORD})
    expect(f["lost"] == f["twice"] == f["disorder"] == f["strays"] == 0, f"unaccounted: {f}")
    expect(200 <= f["messages"] <= 400, f"30 a second for a second, each to ten, are not {f['messages']}")


def test_over_tls(bench):
    options = ["pairs", "--auth", "anonymous", "--connections", "8", *SHORT]
    with Server(bench.bin, bench.cli, CONFIG + 'listener "tls" { tls = own }\n') as server:
        url = f"wss://127.0.0.1:{server.port}/xmpp-websocket"
        _, err = bench.run(*options, url=url, status=REFUSED)
        expect("certificate" in err, f"a self-signed certificate passes: {err}")
        out, _ = bench.run(*options, "--insecure", url=url)
        expect("all accounted for" in out, out)
        out, _ = bench.run(*options, "--insecure", "--rate", "100", "--json", url=url)
        expect(json.loads(out)["ok"] and json.loads(out)["arrivals"] == "read", "an open loop over TLS reads at once")
        certificate = next((server.data / "tls").glob("*.crt"))
        _, err = bench.run(*options, "--ca-file", str(certificate), url=url, status=REFUSED)
        expect("mismatch" in err, f"a certificate of another name passes: {err}")


# -- what servers do wrong -----------------------------------------------------------------------

def lied_to(bench, kind):
    options = ["pairs", "--auth", "raw", "--connections", "2", "--window", "4", "--timeout", "2", *SHORT, "--json"]
    with Liar(kind) as liar:
        out, err = bench.run(*options, url=liar.url, status=UNACCOUNTED if kind != "honest" else OK)
    return json.loads(out)["figures"], err


def test_an_honest_relay_passes(bench):
    f, _ = lied_to(bench, "honest")
    expect(f["messages"] > 100, f"too little: {f}")


def test_a_lost_message_is_noticed(bench):
    f, err = lied_to(bench, "loses")
    expect(f["lost"] == 1 and "arrived" in err, f"{f} {err}")


def test_a_doubled_message_is_noticed(bench):
    f, _ = lied_to(bench, "doubles")
    expect(f["twice"] == 1 and f["lost"] == 0, str(f))


def test_a_disordered_message_is_noticed(bench):
    f, _ = lied_to(bench, "swaps")
    expect(f["disorder"] == 1 and f["lost"] == 0 and f["twice"] == 0, str(f))


def test_a_stray_message_is_noticed(bench):
    f, _ = lied_to(bench, "strays")
    expect(f["strays"] >= 1, str(f))


def managed(bench, said_of, status):
    """Two users of a server whose acknowledgement of h stanzas is said_of(h)."""
    conns = {}

    def serve(conn):
        handled, k = 0, conn.number
        while True:
            text = conn.recv()
            if text.startswith("<r "):
                conn.send(f"<a xmlns='urn:xmpp:sm:3' h='{said_of(handled)}'/>")
                continue
            handled += 1
            query = re.match("<iq .*id='(\\w+)'", text)
            if query:
                conn.send(f"<iq xmlns='jabber:client' type='result' id='{query.group(1)}'/>")
            elif text.startswith("<message"):
                try:
                    conns[k ^ 1].send(text)
                except OSError:  # who was lied to has gone
                    return

    def script(conn):
        conn.open()
        conn.offer("SCRAM-SHA-256")
        conn.scram(password=PASSWORD)
        conn.bind(jid=f"user{conn.number}@bench.example/x", more=SM)
        conn.recv_like("^<enable ")
        conn.send("<enabled xmlns='urn:xmpp:sm:3'/>")
        conns[conn.number] = conn
        serve(conn)
    with Peer(script) as peer:
        return bench.run("pairs", *USERS, "--auth", "scram-sha-256", "--connections", "2", "--logins-at-once", "1", "--rate",
                         "50", "--sm", "--timeout", "2", "--json", *SHORT, url=peer.url, status=status)


def test_acknowledgements_are_accounted_for(bench):
    out, _ = managed(bench, lambda handled: handled, OK)
    f = json.loads(out)["figures"]
    expect(f["acked"] > 40 and f["unacked"] == 0, str(f))


def test_a_missing_acknowledgement_is_noticed(bench):
    out, err = managed(bench, lambda handled: min(handled, 20), UNACCOUNTED)
    f = json.loads(out)["figures"]
    expect(f["unacked"] > 10 and f["lost"] == 0 and "never acknowledged" in err, f"{f} {err}")


def test_an_invented_acknowledgement_is_noticed(bench):
    _, err = managed(bench, lambda handled: handled + (handled > 20), UNACCOUNTED)
    expect("acknowledges what was not sent" in err, err)


def test_no_stream_management_is_noticed(bench):
    def script(conn):
        conn.open()
        conn.offer("SCRAM-SHA-256")
        conn.scram(password=PASSWORD)
        conn.open()
        conn.features(BIND)
        conn.until_closed()
    with Peer(script) as peer:
        _, err = bench.run("pairs", *USERS, "--auth", "scram-sha-256", "--connections", "2", "--sm", url=peer.url,
                           status=REFUSED)
    expect("no stream management" in err, err)


def test_a_lost_connection_is_noticed(bench):
    with Liar("hangs up") as liar:
        _, err = bench.run("pairs", "--auth", "raw", "--connections", "2", *SHORT, url=liar.url, status=UNACCOUNTED)
    expect("connection" in err, err)


# -- the command line ----------------------------------------------------------------------------

def test_wrong_usage(bench):
    for arguments in (["nonsense"], ["pairs", "--connections", "3", "--auth", "anonymous"], ["pairs", "--rate", "-1"],
                      ["pairs", "--password", "x"], ["pairs", "--password=x"], ["pairs", "--auth", "plain"],
                      ["presence", "--auth", "anonymous"], ["pairs", "--sm", "--auth", "raw"], ["pairs", "--pid", "x"], ["pairs", "superfluous"]):
        bench.run(*arguments, status=USAGE)
    without = {k: v for k, v in os.environ.items() if k != "JABIRU_BENCH_PASSWORD"}
    _, err = bench.run("pairs", *USERS, status=USAGE, environment=without)
    expect("password" in err, err)


def test_help(bench):
    for arguments, words in ((["--help"], "storm"), (["pairs", "--help"], "example: jabiru bench pairs"),
                             (["room", "--help"], "XEP-0045")):
        done = subprocess.run([bench.cli, "bench", *arguments], stdout=subprocess.PIPE, text=True, check=True)
        expect(words in done.stdout and "exit status" in done.stdout, done.stdout)


def test_unreachable(bench):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        _, err = bench.run("pairs", "--auth", "anonymous", url=f"ws://127.0.0.1:{s.getsockname()[1]}/", status=IO)
    expect("refused" in err.lower(), err)
    bench.run("pairs", "--auth", "anonymous", "--pid", "4194303", status=IO)
    bench.run("pairs", "--auth", "anonymous", url="ws://name.invalid/", status=IO)


def test_wrong_password(bench):
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("wrong\n")
        file.flush()
        _, err = bench.run("pairs", *USERS, "--password-file", file.name, "--connections", "2", *SHORT, status=REFUSED)
    expect("not-authorized" in err, err)


def test_insecure_is_for_loopback(bench):
    _, err = bench.run("pairs", "--auth", "anonymous", "--insecure", url="wss://192.0.2.1/", status=USAGE)
    expect("this machine" in err, err)


def test_progress_is_for_terminals(bench):
    """One line, drawn again and again, and gone in the end; nothing of it where nobody looks."""
    options = ["pairs", "--auth", "anonymous", "--connections", "4", *SHORT]
    _, err = bench.run(*options)
    expect(err == "", f"not for a pipe: {err!r}")
    ours, theirs = pty.openpty()
    try:
        done = subprocess.Popen([bench.cli, "bench", *options, "--domain", "bench.example", "--url",
                                 f"ws://127.0.0.1:{bench.server.port}/xmpp-websocket"],
                                stdout=subprocess.DEVNULL, stderr=theirs, env=bench.environment)
        os.close(theirs)
        drawn = read_to_end(ours)
        expect(done.wait(RUN_S) == OK, f"status {done.returncode}: {drawn!r}")
    finally:
        os.close(ours)
    pattern = r"\rpairs: measuring, \d+ s, (\d+) sessions, (\d+) logins, (\d+) messages, \d+ a second\x1b\[K"
    lines = re.findall(pattern, drawn)
    expect(len(lines) > 1 and lines[-1][:2] == ("4", "4") and int(lines[-1][2]) > 0, f"drawn: {drawn!r}")
    expect(drawn.endswith("\r\x1b[K"), f"the line stays: {drawn[-80:]!r}")


def read_to_end(fd):
    """What a terminal's program writes until it is gone."""
    found = b""
    while True:
        try:
            part = os.read(fd, 65536)
        except OSError:  # as Linux says the end of a terminal
            part = b""
        if not part:
            return found.decode()
        found += part


def test_table_and_page(bench):
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder) / "page.html"
        out, _ = bench.run("pairs", "--auth", "anonymous", "--connections", "4", "--sm", "--pid", str(bench.server.pid),
                           "--report", str(page), *SHORT)
        text = page.read_text("utf-8")
        expect("all accounted for" in out and re.search(r"messages lost +0\b", out), out)
        expect(text.count("<svg") >= 5 and "prefers-color-scheme:dark" in text, "plots, light and dark")
        expect(not re.search(r"(src|href)=|url\(|@import|<script", text), "the page asks for something outside")
        bench.run("pairs", "--auth", "anonymous", "--connections", "4", "--report", f"{folder}/no/page.html", *SHORT,
                  status=IO)


# -- the comparison of script/bench ---------------------------------------------------------------

def test_the_page_of_a_comparison(_):
    """What failed stands in it, and ratios are of the rounds in which both went well."""
    def went_well(cpu):
        return {"ok": True, "figures": {"server_cpu_us_per_message": cpu, "messages_per_s": 1000 / cpu}}
    facts = {"date": "2026-01-01", "machine": "a machine", "load": 0.5, "rounds": 2,
             "versions": {"jabirud": "1", "prosody": "2"}, "titles": {"jabirud": "jabirud", "prosody": "Prosody"},
             "skipped": {"pairs-closed": {}}, "sizes": {"pairs-closed": {"connections": 2, "duration": 1, "options": ""}}}
    rounds = {"jabirud": [went_well(10), went_well(12), went_well(20)],
              "prosody": [went_well(30), {"ok": False, "why": "one `is` lost"}, went_well(30)]}
    with tempfile.TemporaryDirectory() as folder:
        write_page(pathlib.Path(folder), facts, {"pairs-closed": rounds})
        text = (pathlib.Path(folder) / "benchmarks.md").read_text("utf-8")
        plot = (pathlib.Path(folder) / "images" / "bench-pairs-closed-1.svg").read_text("utf-8")
    expect(re.search(r"^\| jabirud \| 12\.0 \(10\.0 to 20\.0\) \|.*\| 1 \| 1 \|$", text, re.M), text)
    expect(re.search(r"^\| Prosody \(1 of 3 failed\) \| 30\.0 \(30\.0 to 30\.0\) \|.*\| 2\.25 \(1\.50 to 3\.00\) \|",
                     text, re.M), text)
    expect("- Prosody failed in 1 of 3 rounds: `one 'is' lost`\n" in text, text)
    expect("Prosody</text>" in plot and "30.0 (30.0 to 30.0)" in plot, plot)


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--only", default="", help="tests whose name has this in it")
    options = parser.parse_args()
    passed = failed = 0
    with Server(options.bin, options.cli, CONFIG) as server:
        server.import_users([(f"user{i}@bench.example", PASSWORD) for i in range(PEOPLE)])
        bench = Bench(options, server)
        for test in TESTS:
            if options.only not in test.__name__:
                continue
            words = test.__name__[5:].replace("_", " ")
            try:
                test(bench)
                print(f"ok - {words}", flush=True)
                passed += 1
            except (Failure, subprocess.SubprocessError, KeyError, ValueError, OSError) as error:
                print(f"not ok - {words}: {error!r}", flush=True)
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
