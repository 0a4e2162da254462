# SPDX-License-Identifier: MIT
"""A crowd that means no good, all at once, and a canary that must not notice.

Slow readers who are sent more than their queues may hold, slow writers, TLS handshakes that stop, pings
without end, and ten times each rate; from some hundred addresses of 127.0.0.0/8, because at one address
the server lets in a few only. Whether each limit does what it says is asked of the guests; whether the
server stays well, of its memory, its descriptors, and of a canary in a process of its own.
"""

import asyncio
import collections
import json
import pathlib
import re
import socket
import subprocess
import sys
import time

import checker
from client import FRAMING, Client, wait_for
from floods import FLOODS
from guests import (BULK_BYTES, DOMAIN, PRESENCE, FramePinger, HalfHandshake, Sender, SlowReader, SlowWriter,
                    StanzaPinger)
from registry import fault
from world import PASSWORD, Failed, TestServer, check, control, eventually, raise_descriptor_limit, users
from ports import Port

HERE = pathlib.Path(__file__).resolve().parent
LIMITS_H = HERE.parent.parent / "src" / "core" / "limits.h"
KIB, MIB = 1024, 1024 * 1024

TRIP_S = 1.0          # the canary's, at p99
LATE_S = 5.0          # a deadline that the server keeps, as seen by a driver that is busy
PATIENCE = 3          # how many times as long they may stay to do what they came for
BACK_S = 10           # until memory that nobody needs any more must have gone back
BLOCKED_S = 1.0       # how long nothing must have been taken from who is not read from
CANARY_USERS = 3
AT_ONCE = 10          # readers that come back at the end; they come from one address
FD_SLACK = 8

# The queues are made small: to fill a thousand of four MiB would only take longer. Stanzas as small keep
# the bound on memory close to what is queued. Above a quarter of `unauthenticated` the server turns away whom it
# likes, and the floods could not be told from the others any more. Who is not read from looks as if it were
# silent: how long a busy machine makes the crowd stay must not end it.
CHANGED = {"sendq_bytes": 64 * KIB, "sendq_hard_bytes": 128 * KIB, "sm_queue_bytes": 256 * KIB,
           "stanza_bytes": 16 * KIB, "unauthenticated": 16000, "ws_ping_timeout_ms": 600000}
# What the short version cannot wait for, or has not the guests for.
SHORT = {"tls_timeout_ms": 1500, "http_timeout_ms": 1500, "auth_timeout_ms": 3000, "connections_per_address": 30,
         "input_rate": 256 * KIB}

# What stands in no limit. Of a connection: structures, the TLS library's buffers and handshake, buffers
# that grow by doubling. Of a stanza: its table of nodes and its place in a queue. Of an account: what is
# kept in memory of it (limit user_cache). Of the server: the pages that SQLite keeps (16 MiB), arenas.
CONNECTION_BYTES = 64 * KIB
STANZA_EXTRA_BYTES = 600
ACCOUNT_BYTES = 4 * KIB
SERVER_BYTES = 32 * MIB
SCRATCH_BYTES = 64 * KIB

Sizes = collections.namedtuple("Sizes", "readers senders writers handshakes pingers floods calm_s entry_s seconds")
LONG = Sizes(1000, 400, 1000, 1000, 100, 1, 5, 10, 75)
BRIEF = Sizes(50, 120, 50, 50, 6, 1, 0.3, 0.5, 5)


def limits_in_force(changed):
    """Every limit of limits.h with its value: the default, or what the test changes."""
    text = LIMITS_H.read_text(encoding="utf-8")
    names = {"JB_KIB": KIB, "JB_MIB": MIB}
    found = re.findall(r"^ *X\(([a-z0-9_]+), ([^,]+),", text, re.M)
    limits = {name: eval(value, {"__builtins__": {}}, names) for name, value in found}
    check(set(changed) <= set(limits), "a limit is changed that is none")
    tried = {flood.limit for flood in FLOODS}
    rates = {name for name in limits if re.search(r"(^|_)rate(_|$)|_per_", name)}
    check(rates == tried, f"these rates have no flood, or the other way round: {sorted(rates ^ tried)}")
    return {**limits, **changed}


# ---- the server ----


def config_text(changed, port, tls_port):
    lines = "".join(f"    {name} = {value}\n" for name, value in changed.items())
    return (f"scram_iterations = 4096\nlimits {{\n{lines}}}\nhost \"{DOMAIN}\" {{\n    registration = true\n}}\n"
            f"listener \"plain\" {{\n    port = {port}\n}}\nlistener \"tls\" {{\n    port = {tls_port}\n    tls = own\n}}\n")


class CrowdServer(TestServer):
    """With a listener for TLS beside the other."""

    def __init__(self, options, changed):
        self.ports = Port(), Port()  # its own from now until the end of the test
        self.plain_port, self.tls_port = (port.number for port in self.ports)
        super().__init__(options.bin, options.cli, config=config_text(changed, self.plain_port, self.tls_port))

    def listen(self):
        return []

    def start(self):
        super().start()
        self.port = self.plain_port
        # A line for each who comes and goes would have to be read by us, who are busy with the crowd.
        with open(self.config, "a", encoding="utf-8") as file:
            file.write("log {\n    level = warn\n}\n")
        control(self, "reload")
        return self

    def limit_counts(self):
        """{limit: how often it was reached}, from the control socket."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(str(self.data / "control.sock"))
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            text = s.makefile().read()
        found = re.findall(r'^jabiru_limit_total\{limit="(\w+)"\} (\d+)', text, re.M)
        return {name: int(value) for name, value in found}

    def resident(self, name):
        """VmRSS or VmHWM, in bytes."""
        return int(re.search(rf"^{name}:\s+(\d+) kB", self.proc("status"), re.M).group(1)) * KIB


# ---- the canary ----


class Aviary:
    """The canary's process, and what it measured."""

    def __init__(self, server):
        self.process = subprocess.Popen([sys.executable, str(HERE / "canary.py"), server.host, str(server.port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        check(self.process.stdout.readline() == "singing\n", "the canary did not come in")

    def crowd_comes(self):
        self.process.stdin.write("crowd\n")
        self.process.stdin.flush()

    def finish(self):
        out, _ = self.process.communicate("enough\n", timeout=60)
        return json.loads(out)

    def kill(self):
        self.process.kill()
        self.process.wait()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def judge_canary(measured):
    trips, logins = measured["trips"], measured["logins"]
    check(not measured["failed"], f"canary: {measured['failed'][:1]}")
    check(measured["lost"] == 0, f"the canary lost its connection {measured['lost']} times")
    check(measured["unanswered"] == 0, f"{measured['unanswered']} of the canary's messages were not answered")
    check(len(trips) > 20 and len(logins) >= 5, f"the canary saw too little: {len(trips)} and {len(logins)}")
    trip, login = percentile(trips, 0.99), percentile(logins, 0.99)
    calm = percentile(measured["calm"], 0.99)
    check(trip < TRIP_S, f"a round trip takes {trip:.2f} s at p99 ({max(trips):.2f} s at most; {calm:.2f} s without "
                         "the crowd)")
    check(login < TRIP_S, f"a login takes {login:.2f} s at p99 ({max(logins):.2f} s at most)")
    return (f"round trip {trip * 1000:.0f} ms at p99, {max(trips) * 1000:.0f} ms at most of {len(trips)} "
            f"(without the crowd {calm * 1000:.0f} ms at p99); "
            f"login {login * 1000:.0f} ms at p99 of {len(logins)}")


# ---- the crowd ----


class Crowd:
    """Everybody, and what they have noted."""

    def __init__(self, server, sizes, limits):
        self.host, self.port, self.tls_port = server.host, server.port, server.tls_port
        self.limits, self.senders = limits, sizes.senders
        self.tally = collections.Counter()
        self.lives = collections.defaultdict(list)  # seconds until the server ended it, by stage
        self.acknowledged, self.refused = {}, set()  # token: reader; tokens that came back
        self.offered = 0                             # octets for slow readers that the server took
        self.accounts = CANARY_USERS
        kinds = [(SlowReader, sizes.readers), (Sender, sizes.senders), (SlowWriter, sizes.writers),
                 (HalfHandshake, sizes.handshakes), (FramePinger, sizes.pingers), (StanzaPinger, sizes.pingers)]
        kinds += [(flood, sizes.floods) for flood in FLOODS]
        self.guests = [kind(self, n) for kind, count in kinds for n in range(count)]

    def account(self):
        self.accounts += 1
        return f"u{self.accounts - 1}"

    def of(self, kind):
        return [guest for guest in self.guests if isinstance(guest, kind)]

    async def stay(self, entry_s, seconds, enough):
        """All come, not in one moment, and leave after so long; what went wrong with one of them is raised.

        On a busy machine they stay for longer: until they have done what they came for."""
        begun = time.monotonic()
        tasks = []
        for n, guest in enumerate(self.guests):
            tasks.append(asyncio.create_task(guest.live()))
            await asyncio.sleep(max(0.0, begun + n * entry_s / len(self.guests) - time.monotonic()))
        await asyncio.sleep(begun + seconds - time.monotonic())
        while not self.has_done(enough) and time.monotonic() < begun + PATIENCE * seconds:
            await asyncio.sleep(0.1)
        last = time.monotonic() + LATE_S
        while not self.all_blocked() and time.monotonic() < last:
            await asyncio.sleep(0.1)
        self.blocked = self.all_blocked()
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def has_done(self, enough):
        """So many octets were offered to the readers, and each flood has seen what it has to."""
        try:
            for guest in self.of(tuple(FLOODS)):
                guest.verdict()
        except Failed:
            return False
        return self.offered > enough

    def all_blocked(self):
        return all(guest.is_blocked(BLOCKED_S) for guest in self.of(StanzaPinger))

    def tokens_for(self, user):
        return {token for token, reader in self.acknowledged.items()
                if reader == f"{user}@{DOMAIN}" and token not in self.refused}


def bound(limits, sizes, accounts):
    """What the limits let this crowd take of the server's memory, and the sum in words."""
    stanzas = 2 * limits["sm_queue_bytes"] // BULK_BYTES * 2  # one in two may be a small one
    out = 2 * (SCRATCH_BYTES + limits["stanza_bytes"])        # rendered, not taken by the socket
    managed = max(2 * limits["sm_queue_bytes"], limits["sm_queue_bytes"] + out) + stanzas * STANZA_EXTRA_BYTES
    plain = limits["sendq_hard_bytes"] + out + stanzas * STANZA_EXTRA_BYTES
    pinger = limits["sendq_bytes"] + 2 * SCRATCH_BYTES + out
    sender = 2 * SCRATCH_BYTES                                 # read, and waiting for its rate
    connections = (sizes.readers + sizes.senders + sizes.writers + sizes.handshakes + 2 * sizes.pingers
                   + sizes.floods * (limits["connections_per_address"] + 2 * limits["unauthenticated_per_address"] + 10))
    parts = {"readers with stream management": sizes.readers // 2 * managed,
             "readers without": sizes.readers // 2 * plain,
             "senders": (sizes.senders + 3 * sizes.floods) * sender,
             "pingers": 2 * sizes.pingers * pinger,
             "connections": connections * CONNECTION_BYTES,
             "accounts": accounts * ACCOUNT_BYTES, "server": SERVER_BYTES}
    return sum(parts.values()), ", ".join(f"{name} {value / MIB:.0f}" for name, value in parts.items())


# ---- afterwards ----


async def come_back(crowd, server, reader):
    """A reader reads at last: everything that was acknowledged to its senders is there for it."""
    wanted = crowd.tokens_for(reader.user)
    client = Client(server.host, server.port, reader.user, PASSWORD)
    client.sm_id = reader.sm_id
    # All that the reader has said in its session. Without it nobody is sent anything, and it may have gone unread.
    client.queue.append((1, None, None, PRESENCE))
    task = asyncio.create_task(client.run())

    def seen():
        return {token for _, token in client.seen}
    try:
        await wait_for(lambda: client.online.is_set() and wanted <= seen(), 60,
                       f"what was sent to {reader.user}")
        client.socket.send(f"<close xmlns='{FRAMING}'/>")
        client.stopping = True
        await asyncio.wait_for(task, 10)
    except TimeoutError:
        missing = sorted(wanted - seen())
        there = [s for s in control(server, "sessions")["sessions"] if s["jid"].startswith(f"{reader.user}@")]
        check(False, f"{reader.user} (online {client.online.is_set()}, resumed {client.resumptions}, "
                     f"failed {client.failures}, {client.refusals[:1]}) has not got {len(missing)} of {len(wanted)}: {missing[:3]}; "
                     f"its sessions: {there}; the client: {task}")
    finally:
        client.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return client.resumptions


async def all_come_back(crowd, server):
    """How many of them could resume."""
    readers, resumed = crowd.of(SlowReader), 0
    for at in range(0, len(readers), AT_ONCE):
        resumed += sum(await asyncio.gather(*(come_back(crowd, server, r) for r in readers[at:at + AT_ONCE])))
    return resumed


def judge_archive(crowd, server):
    archive = {user: set(tokens) for user, tokens in checker.read_archive(server.data / "jabiru.db").items()}
    check(len(crowd.acknowledged) >= len(crowd.of(SlowReader)), "hardly anything was acknowledged")
    for token, reader in crowd.acknowledged.items():
        for owner in {checker.sender_of(token), reader} if token not in crowd.refused else ():
            check(token in archive.get(owner, ()), f"{token} is acknowledged and not in the archive of {owner}")


def judge_lives(crowd):
    """Who is slow before the login is ended when its time is over, and not before; after it, never."""
    deadlines = {"tls": "tls_timeout_ms", "http": "http_timeout_ms", "frame": "auth_timeout_ms",
                 "login": "auth_timeout_ms"}
    for stage, limit in deadlines.items():
        lives, due = crowd.lives[stage], crowd.limits[limit] / 1000
        check(lives, f"{limit}: nobody was ended for it at the stage {stage}")
        check(due - 0.2 <= min(lives) and max(lives) <= due + LATE_S,
              f"{limit}: {stage} lived for {min(lives):.1f} to {max(lives):.1f} s where {due:.1f} s are due")
    check(not crowd.lives["message"], "a session was ended for being slow")


def judge_guests(crowd, counted):
    tally = crowd.tally
    check(tally["readers closed"] > 0, "no reader without stream management was closed for what it did not read")
    check(tally["readers with management closed"] > 0, "no reader with stream management was closed")
    came_back = tally["resumed"] + tally["sessions not there to be resumed"]
    check(came_back > 0, "no reader came back to resume its session")
    refused = [words for words in tally if words.startswith("reader refused")]
    check(not refused, f"readers could not log in: {refused[:3]}")
    check(tally["pingers closed"] > 0, "nobody was closed for a flood of WebSocket pings")
    check(crowd.blocked, "some who ping and do not read are still read from, or were closed")
    for guest in crowd.of(tuple(FLOODS)):
        guest.verdict()
    for limit in [flood.limit for flood in FLOODS] + ["sendq_hard_bytes", "sm_queue_bytes", "auth_attempts",
                                                      "tls_timeout_ms", "http_timeout_ms", "auth_timeout_ms"]:
        check(counted[limit] > 0, f"{limit}: was not counted")


def crowded(server, sizes, limits):
    """The crowd comes, the canary sings, all leave; what both have noted, and the most memory there was."""
    crowd = Crowd(server, sizes, limits)
    server.import_users((f"{user}@{DOMAIN}", PASSWORD) for user in users(crowd.accounts))
    aviary = Aviary(server)
    try:
        time.sleep(sizes.calm_s)
        aviary.crowd_comes()
        before = server.resident("VmRSS"), len(server.descriptors())
        server.reset_peak()
        asyncio.run(crowd.stay(sizes.entry_s, sizes.seconds, bound(limits, sizes, crowd.accounts)[0]))
        peak = server.resident("VmHWM")
        measured = aviary.finish()
    except BaseException:
        aviary.kill()
        raise
    return crowd, measured, before, peak


def note(words, counts):
    print(f"# {words}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count), flush=True)


def judge_memory(crowd, sizes, grown):
    most, sum_in_words = bound(crowd.limits, sizes, crowd.accounts)
    check(crowd.offered > most, f"the readers were sent {crowd.offered / MIB:.0f} MiB, which proves nothing about a "
                                f"bound of {most / MIB:.0f} MiB")
    check(grown <= most, f"memory grew by {grown / MIB:.0f} MiB where {most / MIB:.0f} are allowed ({sum_in_words})")
    print(f"# bound on memory, MiB: {sum_in_words}; the readers were sent {crowd.offered / MIB:.0f}", flush=True)
    return f"memory + {grown / MIB:.0f} MiB where the limits allow {most / MIB:.0f}"


def back_again(server, before, accounts):
    """Everybody has left: so have their memory and their descriptors."""
    rss, descriptors = before
    most = rss + accounts * ACCOUNT_BYTES + SERVER_BYTES
    eventually(lambda: len(server.descriptors()) <= descriptors + FD_SLACK, "the descriptors to be closed")
    end = time.monotonic() + BACK_S
    while server.resident("VmRSS") > most and time.monotonic() < end:
        time.sleep(0.2)
    now, stats = server.resident("VmRSS"), control(server, "stats")
    check(now <= most, f"{BACK_S} s after all had left the server has {now / MIB:.0f} MiB where {most / MIB:.0f} are "
                       f"allowed; {stats['allocated_bytes'] / MIB:.0f} MiB are in use, {stats['hibernating']} sessions wait")
    return f"+ {(now - rss) / MIB:.0f} MiB when all had left"


@fault("crowd", "slow readers, slow writers, handshakes that stop, pings without end, ten times each rate, all at once")
def test_crowd(options):
    sizes, changed = (LONG, CHANGED) if options.long else (BRIEF, {**CHANGED, **SHORT})
    limits = limits_in_force(changed)
    needed = sum(sizes[:5]) + sizes.pingers + 20 * limits["connections_per_address"] * sizes.floods
    check(raise_descriptor_limit() > needed, f"the test needs {needed} descriptors")
    server = CrowdServer(options, changed).start()
    try:
        crowd, measured, before, peak = crowded(server, sizes, limits)
        counted = server.limit_counts()
        note("guests", crowd.tally)
        note("limits reached", counted)
        memory = judge_memory(crowd, sizes, peak - before[0])
        resumed = asyncio.run(all_come_back(crowd, server))
        memory += ", " + back_again(server, before, crowd.accounts)
        print(f"# {memory}", flush=True)
        judge_archive(crowd, server)
        judge_guests(crowd, counted)
        # What a clock says comes last: it may be the machine's fault, and then the rest is known all the same.
        judge_lives(crowd)
        canary = judge_canary(measured)
    except BaseException:
        server.abandon()
        raise
    server.stop()
    return (f"{sizes.readers} slow readers, {sizes.writers} slow writers, {sizes.handshakes} half-open handshakes, "
            f"{2 * sizes.pingers} who flood with pings, {len(FLOODS)} rates: {canary}; {memory}; "
            f"{len(crowd.acknowledged)} messages acknowledged, 0 lost; {resumed} resumed at the end")
