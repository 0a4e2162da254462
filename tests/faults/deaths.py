# SPDX-License-Identifier: MIT
"""The server is killed, or stopped, in the middle of traffic, and comes back."""

import asyncio
import sqlite3
import time

from registry import fault
from world import World, check, raise_descriptor_limit, running


async def restart_in_thread(server):
    """Seconds from the start of the process until it listens."""
    begun = time.monotonic()
    await asyncio.to_thread(server.start)
    return time.monotonic() - begun


async def first_online(world, begun):
    """Seconds until somebody has a session again: serving means more than listening."""
    while not any(client.online.is_set() for client in world.clients):
        world.check_refusals()
        await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def kill_round(world, rate):
    """Traffic, kill -9 at a random moment, start, everybody comes back, judgement."""
    world.start_traffic(rate)
    await asyncio.sleep(world.random.uniform(0.3, 1.5))
    world.server.kill()
    for client in world.clients:  # they hear of it in their own time; nobody counts as there
        client.online.clear()
    await asyncio.sleep(0)
    begun = time.monotonic()
    await restart_in_thread(world.server)
    took = await first_online(world, begun)
    await world.all_online()
    await asyncio.sleep(0.3)
    await world.stop_traffic()
    await world.settle()
    return took, world.judge()


async def kill_rounds(server, count, rounds, rate, first=0):
    took, figures = [], {}
    async with World(server, count) as world:
        for client in world.clients:
            client.first = first
        await world.enter()
        for number in range(rounds):
            seconds, figures = await kill_round(world, rate)
            took.append(seconds)
            print(f"# round {number + 1}: serving after {seconds:.2f} s, {figures}", flush=True)
    check(figures["failed"] > 0, "nobody's session was lost: was the server killed at all?")
    return took, figures


def fill_archive(server, rows):
    """An archive of so many messages, put into the database of a stopped server."""
    db = sqlite3.connect(server.data / "jabiru.db")
    db.execute("INSERT INTO space(owner, store, last, lag)"
               " VALUES(CAST('old@localhost' AS BLOB), CAST('messages' AS BLOB), 0, 0)")
    space = db.execute("SELECT max(id) FROM space").fetchone()[0]
    body = b"<message xmlns='jabber:client' type='chat'><body>" + b"x" * 300 + b"</body></message>"
    db.executemany("INSERT INTO log(space, id, stamp, flags, size, peer, part, bytes)"
                   " VALUES(?, ?, ?, 0, ?, CAST('u1@localhost' AS BLOB), CAST('' AS BLOB), ?)",
                   ((space, 10 + n, 10 + n, len(body), body) for n in range(rows)))
    db.commit()
    db.close()


@fault("kill", "killed with SIGKILL in traffic: nothing acknowledged is lost, nothing is stored twice")
def test_kill(options):
    count, rounds, rate = (500, 100, 2000) if options.long else (50, 5, 500)
    raise_descriptor_limit()
    with running(options, count) as server:
        if options.long:
            server.terminate()
            fill_archive(server, 1000000)
            server.start()
        took, figures = asyncio.run(kill_rounds(server, count, rounds, rate))
        check(max(took) <= 2.0, f"served again only after {max(took):.2f} s")
    return (f"{rounds} rounds, {count} clients: {figures['acknowledged']} acknowledged, 0 lost, 0 twice "
            f"({figures['again']} came again and were dropped); serving again in {max(took):.2f} s at most")


async def dropped_connections(server, count, seconds, rate, first=0):
    """Traffic while connections are lost all the time; every session must be resumed."""
    async with World(server, count) as world:
        for client in world.clients:
            client.first = first
        await world.enter()
        world.start_traffic(rate)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            world.random.choice(world.clients).drop()
            await asyncio.sleep(0.3 / count)
        await world.stop_traffic()
        await world.settle()
        figures = world.judge()
    check(figures["failed"] == 0, f"{figures['failed']} sessions were lost")
    check(figures["resumed"] >= count, f"only {figures['resumed']} resumptions")
    return figures


@fault("drops", "connections are lost all the time: every session is resumed, nothing is lost or doubled")
def test_drops(options):
    count, seconds, rate = (300, 120, 1500) if options.long else (40, 4, 400)
    with running(options, count) as server:
        figures = asyncio.run(dropped_connections(server, count, seconds, rate))
    return f"{figures['resumed']} resumptions of {count} sessions, {figures['acknowledged']} messages, 0 lost, 0 twice"


NEARLY_WRAPPED = (1 << 32) - 3


@fault("wrap", "61: counters that begin at 2^32-3 wrap, with resumptions and a death in between", hooks=True)
def test_wrap(options):
    env = {"JABIRU_SM_FIRST": str(NEARLY_WRAPPED)}
    with running(options, 10, env=env) as server:
        figures = asyncio.run(dropped_connections(server, 10, 20 if options.long else 3, 100, NEARLY_WRAPPED))
    with running(options, 10, env=env) as server:
        _, after = asyncio.run(kill_rounds(server, 10, 10 if options.long else 2, 100, NEARLY_WRAPPED))
    return f"{figures['resumed']} resumptions and {after['failed']} refused ones, 0 lost, 0 twice"


async def restart_round(world, rate):
    """Traffic, SIGTERM, start, everybody resumes; seconds that it took."""
    before = [client.resumptions for client in world.clients]
    world.start_traffic(rate)
    await asyncio.sleep(0.5)
    begun = time.monotonic()
    await asyncio.to_thread(world.server.terminate)
    await asyncio.to_thread(world.server.start)
    await wait_resumed(world, before)
    took = time.monotonic() - begun
    await world.stop_traffic()
    await world.settle(120)
    return took


async def restarts(server, count, rounds):
    took = []
    async with World(server, count) as world:
        await world.enter(300)
        for number in range(rounds):
            took.append(await restart_round(world, count / 3))
            print(f"# restart {number + 1}: all resumed after {took[-1]:.2f} s", flush=True)
        figures = world.judge()
        figures["postponed"] = sum(client.postponed for client in world.clients)
    check(figures["failed"] == 0, f"{figures['failed']} sessions were not resumed")
    check(figures["again"] == 0, f"{figures['again']} messages came again that had been confirmed")
    return took, figures


async def wait_resumed(world, before):
    end = time.monotonic() + 120
    while any(client.resumptions <= was for client, was in zip(world.clients, before)):
        world.check_refusals()
        lost = sum(client.failures for client in world.clients)
        check(lost == 0, f"{lost} sessions were not resumed")
        check(time.monotonic() < end, "not everybody has resumed after 120 s")
        await asyncio.sleep(0.02)


def postponed(figures):
    return f"; told {figures['postponed']} times to come back in a moment" if figures["postponed"] else ""


@fault("restart", "stopped with SIGTERM and started: every session is resumed")
def test_restart(options):
    # More than the store lets wait, also in the short version.
    count, rounds = (10000, 20) if options.long else (3000, 1)
    limit = raise_descriptor_limit()
    check(limit > count + 100, f"RLIMIT_NOFILE is {limit}")
    with running(options, count) as server:
        took, figures = asyncio.run(restarts(server, count, rounds))
    return (f"{rounds} restarts, {count} sessions: {figures['resumed']} resumed, 0 lost, 0 twice; "
            f"all back after {max(took):.1f} s at most{postponed(figures)}")
