# SPDX-License-Identifier: MIT
"""Every call that can fail is made to fail, in every script: once, and from then on for ever.

A script runs once to count the calls of each point (base/inject.h). Then it runs again on a fresh server
for each k, with the k-th call failing. Whatever happens to the script, afterwards

- the server still serves; or it has ended as it should: with status 74 when the store failed, by
  "out of memory" when one of its own allocations did, with 1 and a reason when it could not start;
- no sanitizer has complained, also not of a leak when it ended;
- it starts again, and everything that was confirmed is there.

Signals are raised at the same places. There are thousands of places: script/test takes a sample, drawn
the same each time, script/soak takes all.
"""

import collections
import concurrent.futures
import os
import pathlib
import random
import shutil
import signal
import tempfile

import checker
from registry import fault
from scripts import CONFIRMING, GIVEN_UP, SCRIPTS, Quick, can_log_in, message
from server import SANITIZER_DEFAULTS, ServerError
from world import PASSWORD, RELAXED, Failed, TestServer, admin_or_none, check, copy_data, users

WORDS = 3000  # of one failure
AT_ONCE = 4  # servers; they mostly wait
STORE_FAILED, REFUSED = 74, 1
TLS = RELAXED + 'listener "test" {\n    tls = "own"\n}\n'
Place = collections.namedtuple("Place", "script point k how")  # how: "", "+", or "=SIGNAL"


def starts_failing(inject):
    """The environment of a server in whose start a call fails. OpenSSL has leaks of its own there (openssl.supp), and
    is built without frame pointers: to know them costs slower stacks."""
    leaks = os.environ.get("ASAN_OPTIONS", SANITIZER_DEFAULTS["ASAN_OPTIONS"])
    return {"JABIRU_INJECT": inject, "ASAN_OPTIONS": leaks + ":fast_unwind_on_malloc=0",
            "LSAN_OPTIONS": f"suppressions={pathlib.Path(__file__).with_name('openssl.supp')}:print_suppressions=0"}


class Run:
    """One script on one server; its data folder is a copy of the template's."""

    patience_s = 3.0

    def __init__(self, options, template, name, inject=None):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jabiru-torture-"))
        copy_data(template, self.folder / "data")
        tls = name == "tls"
        self.config = TLS if tls else RELAXED
        self.scheme = "wss" if tls else "ws"
        self.options = options
        self.server = self.make_server(starts_failing(inject) if inject else None)
        self.clients, self.confirmed = [], []

    def make_server(self, env=None):
        return TestServer(self.options.bin, self.options.cli, config=self.config, env=env,
                          data=self.folder / "data")

    @property
    def url(self):
        return f"{self.scheme}://{self.server.host}:{self.server.port}/xmpp-websocket"

    def archive(self):
        return checker.read_archive(self.folder / "data" / "jabiru.db")

    def perform(self):
        try:
            SCRIPTS[self.name](self)
        except GIVEN_UP:
            pass
        for client in self.clients:
            client.close()

    def remove(self):
        self.server.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- counting ----


def make_template(options, config):
    server = TestServer(options.bin, options.cli, config=config).start()
    server.import_users((f"{user}@localhost", PASSWORD) for user in users(4))
    server.terminate()
    return server


def count_calls(options, template, name):
    """{point: calls} of one undisturbed run; and the proof that the script works at all."""
    run = Run(options, template, name)
    try:
        run.server.start()
        before = {p: v["calls"] for p, v in admin_or_none(run.server, "inject").items()}
        SCRIPTS[name](run)
        check(run.confirmed or name not in CONFIRMING, f"{name}: undisturbed, nothing was confirmed")
        for client in run.clients:
            client.close()
        after = {p: v["calls"] for p, v in admin_or_none(run.server, "inject").items()}
        run.server.terminate()
        check(run.server.status == 0, f"{name}: undisturbed, the server ended with {run.server.status}")
        return {point: after[point] - before[point] for point in after}
    finally:
        run.remove()


def count_start(options, template):
    run = Run(options, template, "login")
    try:
        run.server.start()
        return {p: v["calls"] for p, v in admin_or_none(run.server, "inject").items()}
    finally:
        run.remove()


# ---- one place ----


def check_end(run, place, reached):
    """After the script: the server serves, or has ended as it should."""
    server = run.server
    if not server.ended():
        admin_or_none(server, "inject", disarm=place.point)
    ends = reached and place.how in ("=15", "=9")
    if not server.ended() and not ends:
        try:
            can_log_in(run, "u1", PASSWORD)
        except GIVEN_UP as error:
            # It may have been about to end.
            check(server.ended() or wait_ended(server), f"it neither serves nor ends: {error!r}")
    if not server.ended() and not ends:
        server.process.send_signal(signal.SIGTERM)
    check(wait_ended(server), "it does not end")
    if server.process is not None:
        server.kill()  # it is dead: this collects its status and log
    check_status(server, place)


def wait_ended(server):
    try:
        if server.process is not None:
            server.process.wait(10)
        return True
    except Exception:
        return False


def check_status(server, place):
    text = "\n".join(server.log())
    server.assert_no_complaints()
    status = server.status
    allowed = {0: True,
               STORE_FAILED: "the store failed" in text,
               REFUSED: place.script == "start" and "error" in text,
               -signal.SIGABRT: place.point == "alloc" and "out of memory" in text,
               -signal.SIGKILL: place.how == "=9"}
    if place.script == "start" and place.how[:1] == "=":
        allowed[-int(place.how[1:])] = True  # nothing is promised yet
    check(allowed.get(status, False), f"it ended with {status}\n" + "\n".join(server.log()[-15:]))


def check_confirmed(run):
    """A fresh start on what is left."""
    if run.server.folder.exists():
        shutil.rmtree(run.server.folder, ignore_errors=True)
    run.server = run.make_server().start()
    for what, is_there in run.confirmed:
        check(is_there(), f"{what} was confirmed, and is gone")
    run.server.terminate()
    check(run.server.status == 0, f"afterwards it ended with {run.server.status}")


def torture(options, template, place):
    """True when the place was reached. Raises Failed."""
    at_start = place.script == "start"
    arm = f"{place.point}:{place.k}{place.how}"
    run = Run(options, template, "login" if at_start else place.script, arm if at_start else None)
    try:
        try:
            run.server.start()
        except ServerError:
            check_status(run.server, place)
            check_confirmed(run)
            return True
        if not at_start:
            check(admin_or_none(run.server, "inject", arm=arm) is not None or place.point == "alloc",
                  "it could not be armed")
        run.perform()
        reached = was_reached(run, place)
        check_end(run, place, reached)
        check_confirmed(run)
        return reached
    except (Failed, ServerError) as error:
        raise Failed(f"{place}: {str(error)[:WORDS]}") from None
    finally:
        run.remove()


def was_reached(run, place):
    if run.server.ended():
        return True
    counts = admin_or_none(run.server, "inject")
    return counts is None or counts[place.point]["hits"] > 0


# ---- all places ----


def places_of(name, counts, hows, most, draw):
    """Of each point up to `most` of its calls, None: all; of memory, which has far more, a tenth of that."""
    for point, calls in sorted(counts.items()):
        limit = most or calls
        if most and point.endswith("alloc"):
            limit = max(most // 10, 2)
        for how in hows:
            if how == "+" and point == "alloc":
                continue  # the first one that fails ends the process
            ks = range(1, calls + 1)
            for k in (ks if calls <= limit else sorted(draw.sample(ks, limit))):
                yield Place(name, point, k, how)


def all_places(options, templates, hows, most):
    draw = random.Random(1)
    places = []
    for name in ["start", *SCRIPTS]:
        template = templates["tls" if name == "tls" else "plain"]
        counts = count_start(options, template) if name == "start" else count_calls(options, template, name)
        places += places_of(name, counts, hows, most, draw)
    return places


def torture_all(options, hows, most, at_most=None):
    """(places, reached) or Failed with all that went wrong."""
    made = {"plain": make_template(options, RELAXED), "tls": make_template(options, TLS)}
    templates = {name: server.data for name, server in made.items()}
    try:
        places = all_places(options, templates, hows, most)
        if at_most and len(places) > at_most:
            places = random.Random(2).sample(places, at_most)
        wrong = []

        def one(place):
            try:
                return torture(options, templates["tls" if place.script == "tls" else "plain"], place)
            except Failed as failed:
                wrong.append(str(failed))
                print(f"# {failed}", flush=True)
                return False
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            reached = sum(pool.map(one, places))
        check(not wrong, f"{len(wrong)} of {len(places)} places:\n" + "\n".join(wrong[:10]))
        return len(places), reached
    finally:
        for server in made.values():
            server._remove()


@fault("calls", "89, 90: each call fails once, then for ever: no crash, no leak, nothing confirmed is lost",
       hooks=True)
def test_calls(options):
    places, reached = torture_all(options, ("", "+"), None if options.long else 4)
    return f"{places} places in {len(SCRIPTS) + 1} scripts, {reached} of them reached"


@fault("signals", "91: SIGTERM, SIGHUP, SIGPIPE and SIGKILL in the middle of calls", hooks=True)
def test_signals(options):
    hows = [f"={int(number)}" for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGKILL)]
    places, reached = torture_all(options, hows, 30 if options.long else 2, None if options.long else 200)
    return f"{places} places, {reached} of them reached"


def page_arrives(run, k):
    """A message was kept; reading it fails at the k-th allocation. It must come all the same, and soon."""
    text = f"kept {k}"
    with login_again(run, "u0") as one:
        one.send(message("u2@localhost", text))
        one.silent_until_ping()
    with login_again(run, "u2") as two:
        admin_or_none(run.server, "inject", arm=f"sql_alloc:{k}")
        two.send("<presence xmlns='jabber:client'/>")
        try:
            two.wait_for(lambda e: "".join(e.itertext()).startswith(text), 5.0)
            two.silent_until_ping()
        except GIVEN_UP as error:
            raise Failed(f"allocation {k} failed, and the kept message does not come: {error!r}") from None
        admin_or_none(run.server, "inject", disarm="sql_alloc")


def login_again(run, user):
    return Quick(run.url, "localhost").login(user, PASSWORD, "r")


@fault("page", "what was kept is handed over although reading it failed once", hooks=True)
def test_page(options):
    template = make_template(options, RELAXED)
    run = Run(options, template.data, "login")
    most = 200 if options.long else 40
    try:
        run.server.start()
        for k in range(1, most + 1):
            page_arrives(run, k)
        run.server.terminate()
    finally:
        run.remove()
        template.abandon()
    return f"{most} allocations"


@fault("unread", "who comes after somebody whose account could not be read is not refused for it", hooks=True)
def test_unread(options):
    template = make_template(options, RELAXED)
    run = Run(options, template.data, "login")
    most, refused = 20, 0
    try:
        run.server.start()
        readers = [f"reader{n}" for n in range(most)]
        run.server.import_users((f"{user}@localhost", PASSWORD) for user in readers)
        for k, user in enumerate(readers, 1):  # each is read for the first time
            with Quick(run.url, "localhost") as one:
                admin_or_none(run.server, "inject", arm=f"sql_alloc:{k}")
                try:
                    one.login(user, PASSWORD, "r")
                except GIVEN_UP as error:
                    refused += "cannot be read now" in str(error)
                admin_or_none(run.server, "inject", disarm="sql_alloc")
                try:
                    can_log_in(run, user, PASSWORD)  # while the first is still connected
                except GIVEN_UP as error:
                    raise Failed(f"allocation {k} failed for somebody else: {error!r}") from None
        run.server.terminate()
    finally:
        run.remove()
        template.abandon()
    check(refused, "no allocation was one of those that read an account")
    return f"{refused} of {most} logins refused, and nobody after them"
