# SPDX-License-Identifier: MIT
"""More waits for somebody than is handed over in one go, and his connection, or the server, goes in the middle."""

import asyncio
import contextlib
import socket
import sqlite3

from client import FRAMING, PONG, SM, Client, wait_for
from registry import fault
from world import PASSWORD, RELAXED, check, control, running

PAGE = 200  # what the server hands over until its client has confirmed it
MANY = 2 * PAGE + 50
SECONDS = 15
SHORT_QUEUE = RELAXED.replace("limits {\n", "limits {\n    sm_queue_bytes = 262144\n")
COMMITTED = RELAXED + 'host "localhost" {\n    delivery = committed\n}\n'


class Mute(Client):
    """Says nothing of what it has got until told to."""

    mute = True

    def _take(self, element):
        if not (self.mute and element.tag == "{%s}r" % SM):
            super()._take(element)


class Crossing(Client):
    """Sends a message to itself in one piece with its first answer: the server queues the one, and then hears the
    other before it has sent anything."""

    asked = 0

    def _take(self, element):
        if element.tag != "{%s}r" % SM:
            super()._take(element)
            return
        self.asked += 1
        wire = self.socket.writer.get_extra_info("socket")
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        if self.asked == 1:
            self.message_to(self.bare)
        super()._take(element)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


class Distant(Client):
    """Without stream management; what it says takes longer to arrive than the server waits between two pings."""

    FAR_S = 1.5

    async def _bind(self, stream):
        stream.socket.send("<iq xmlns='jabber:client' type='set' id='bind'><bind "
                           "xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        await stream.expect("{jabber:client}iq")
        at_once = self.socket._frame
        self.socket._frame = lambda opcode, data: asyncio.get_running_loop().call_later(
            self.FAR_S if opcode == PONG else 0, at_once, opcode, data)


class Deaf(Distant):
    """Never answers a ping."""

    FAR_S = 3600
    logins = 0

    async def _bind(self, stream):
        await super()._bind(stream)
        self.logins += 1


class Stage:
    """The clients of a scene; what they do ends with it."""

    def __init__(self, server):
        self.server, self.tasks = server, {}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for client, task in self.tasks.items():
            client.stop()
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def enter(self, kind, user, resource="r"):
        client = kind(self.server.host, self.server.port, user, PASSWORD, resource=resource)
        self.tasks[client] = asyncio.create_task(client.run())
        await wait_for(client.online.is_set, SECONDS, f"{user}/{resource} to be online")
        return client

    async def fill(self):
        """Somebody has sent more than one page, and it is acknowledged."""
        sender = await self.enter(Client, "u0")
        for _ in range(MANY):
            sender.message_to("u1@localhost")
        sender.ask()
        await wait_for(sender.quiet.is_set, SECONDS, "what was sent to be acknowledged")
        return sender


def shown(client):
    return [entry[1] for entry in client.log if entry[0] == "shown"]


async def restart_in_a_page(server):
    async with Stage(server) as stage:
        await stage.fill()
        reader = await stage.enter(Mute, "u1")
        await wait_for(lambda: len(shown(reader)) == PAGE, SECONDS, "the first page")
        reader.mute = False
        await asyncio.to_thread(server.terminate)
        await asyncio.to_thread(server.start)
        await wait_for(lambda: len(shown(reader)) == MANY, SECONDS, "what waited behind the page")
        check(reader.resumptions == 1 and reader.failures == 0, "the session was not resumed")
        check(shown(reader) == [f"u0@localhost:{n + 1}" for n in range(MANY)], "not in the order that it was sent")


async def another_comes_in_a_page(server, still_there):
    async with Stage(server) as stage:
        sender = await stage.fill()
        lost = await stage.enter(Mute, "u1", "lost")
        await wait_for(lambda: len(shown(lost)) == PAGE, SECONDS, "the first page")
        if not still_there:
            lost.stop()
        reader = await stage.enter(Client, "u1", "here")
        await wait_for(lambda: len(shown(reader)) == MANY - PAGE, SECONDS, "what waits behind the page")
        sender.message_to("u1@localhost")
        await wait_for(lambda: len(shown(reader)) == MANY - PAGE + 1, SECONDS, "what is sent to who is there")


@contextlib.contextmanager
def nothing_is_committed(server):
    """Somebody else has the database's lock, shorter than the server waits for it."""
    other = sqlite3.connect(server.data / "jabiru.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def say(client, presence):
    client._stanza(None, None, f"<presence xmlns='jabber:client'{presence}/>")


async def nobody_overtakes(server):
    """Who had the first message is gone before it is committed; the second one comes, and then who gets both."""
    def there():
        return sorted(s["jid"] for s in control(server, "sessions")["sessions"]
                      if s["jid"].startswith("u1@") and s["available"])

    async with Stage(server) as stage:
        sender = await stage.enter(Client, "u0")
        heir = await stage.enter(Client, "u1", "heir")
        say(heir, " type='unavailable'")
        first = await stage.enter(Mute, "u1", "first")
        await wait_for(lambda: there() == ["u1@localhost/first"], SECONDS, "one of them to be there")
        with nothing_is_committed(server):
            sender.message_to("u1@localhost")
            await wait_for(lambda: shown(first), SECONDS, "the first message")
            first.stopping = True
            first.socket.send(f"<close xmlns='{FRAMING}'/>")
            await wait_for(lambda: not there(), SECONDS, "its session to end")
            say(heir, "")
            await wait_for(there, SECONDS, "the other one to be there")
            sender.message_to("u1@localhost")
            await asyncio.sleep(0.3)
        await wait_for(lambda: len(shown(heir)) == 2, SECONDS, "both messages")
        check(shown(heir) == ["u0@localhost:1", "u0@localhost:2"], f"not in order: {shown(heir)}")


async def far_away_confirms_all_the_same(server):
    """A message each half second: of what came some seconds ago nothing comes again."""
    async with Stage(server) as stage:
        sender = await stage.enter(Client, "u0")
        distant = await stage.enter(Distant, "u1")
        for number in range(16):
            sender.message_to("u1@localhost")
            await asyncio.sleep(0.5)
        await wait_for(lambda: len(shown(distant)) == 16, SECONDS, "all of them")
        distant.stop()
        after = await stage.enter(Client, "u1")
        await wait_for(lambda: "u0@localhost:16" in shown(after), SECONDS, "what was not confirmed")
        check(len(shown(after)) < 12, f"{len(shown(after))} of 16 came again")


async def who_confirms_nothing_is_closed(server):
    async with Stage(server) as stage:
        sender = await stage.enter(Client, "u0")
        deaf = await stage.enter(Deaf, "u1")
        for _ in range(2000):
            sender.message_to("u1@localhost")
        sender.ask()
        await wait_for(lambda: deaf.logins > 1, SECONDS, "its connection to be closed")
        await wait_for(sender.quiet.is_set, SECONDS, "what was sent to be acknowledged")


async def saved_before_its_counter(server):
    """As if what was saved had not been taken out, the session had gone on, and the server had died then."""
    async with Stage(server) as stage:
        client = await stage.enter(Client, "u1")
        client.message_to("u0@localhost")
        client.ask()
        await wait_for(client.quiet.is_set, SECONDS, "what was sent to be acknowledged")
        await asyncio.to_thread(server.terminate)
        with contextlib.closing(sqlite3.connect(server.data / "jabiru.db")) as db, db:
            (count,), = db.execute("SELECT bytes FROM kv WHERE owner = ? AND store = ?", (b"u1@localhost", b"sm"))
            handled = int.from_bytes(count[:4], "big") + 1
            db.execute("UPDATE kv SET bytes = ? WHERE owner = ? AND store = ?",
                       (handled.to_bytes(4, "big") + count[4:], b"u1@localhost", b"sm"))
        await asyncio.to_thread(server.start)
        await wait_for(lambda: client.failures or client.resumptions, SECONDS, "an answer to the resumption")
        check(["failed", handled] in client.log, f"resumed {client.resumptions} times; {client.log[-3:]}")


async def delivery_waits_for_the_commit(server):
    async with Stage(server) as stage:
        sender = await stage.enter(Client, "u0")
        reader = await stage.enter(Client, "u1")
        with nothing_is_committed(server):
            sender.message_to("u1@localhost")
            await asyncio.sleep(0.5)
            check(not shown(reader), "it was delivered before it was committed")
        await wait_for(lambda: shown(reader), SECONDS, "the message")


async def answer_crosses_a_message(server):
    async with Stage(server) as stage:
        client = await stage.enter(Crossing, "u1")
        client.message_to("u1@localhost")
        await wait_for(lambda: client.asked == 2, SECONDS, "the question for what was queued when the answer came")
        check(len(shown(client)) == 2, f"{shown(client)} came")


def noted(server):
    """Whether it is in the store that u1 has confirmed all of his log."""
    owner = b"u1@localhost"
    with contextlib.closing(sqlite3.connect(server.data / "jabiru.db")) as db:
        cursor = db.execute("SELECT bytes FROM kv WHERE owner = ? AND store = ?", (owner, b"offline")).fetchone()
        (last,) = db.execute("SELECT max(log.id) FROM log JOIN space ON log.space = space.id "
                             "WHERE owner = ? AND store = ?", (owner, b"messages")).fetchone()
        return cursor is not None and int.from_bytes(cursor[0], "big") == last


async def noted_at_last(server):
    """Nothing can be written while a message is confirmed, and then nothing else happens."""
    async with Stage(server) as stage:
        sender = await stage.enter(Client, "u0")
        reader = await stage.enter(Mute, "u1")
        sender.message_to("u1@localhost")
        sender.ask()
        await wait_for(lambda: shown(reader) and sender.quiet.is_set(), SECONDS, "a message, and that it is stored")
        check(not noted(server), "it is not confirmed yet")
        control(server, "inject", arm="file_full:1+")
        reader.socket.send(f"<a xmlns='{SM}' h='{reader.handled}'/>")
        await wait_for(lambda: control(server, "inject")["file_full"]["hits"] > 0, SECONDS, "a write that failed")
        control(server, "inject", disarm="file_full")
        await wait_for(lambda: noted(server), SECONDS, "what was confirmed to be noted")


@fault("noted", "that a message was confirmed is noted, although it could not be written at first", hooks=True)
def test_noted(options):
    with running(options, 2) as server:
        asyncio.run(noted_at_last(server))
    return "noted as soon as there was room"


@fault("backlog", "the server stops, or a client stays away, while a page of what waited is not confirmed")
def test_backlog(options):
    with running(options, 2) as server:
        asyncio.run(restart_in_a_page(server))
    for still_there in False, True:
        with running(options, 2) as server:
            asyncio.run(another_comes_in_a_page(server, still_there))
    for scene in (answer_crosses_a_message, nobody_overtakes, saved_before_its_counter,
                  far_away_confirms_all_the_same):
        with running(options, 2) as server:
            asyncio.run(scene(server))
    with running(options, 2, config=SHORT_QUEUE) as server:
        asyncio.run(who_confirms_nothing_is_closed(server))
    with running(options, 2, config=COMMITTED) as server:
        asyncio.run(delivery_waits_for_the_commit(server))
    return f"{MANY} waited: the rest came after a restart, and to who came meanwhile"
