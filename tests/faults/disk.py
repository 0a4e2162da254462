# SPDX-License-Identifier: MIT
"""The disk is full, and has room again; a backup is made under load, and restored."""

import asyncio
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import checker
from client import Client, wait_for
from registry import Skip, fault
from world import PASSWORD, RELAXED, TestServer, World, check, make_server, users

DISK_BYTES = 16 << 20
BACK_S = 5.0


@contextlib.contextmanager
def small_disk():
    if os.geteuid() != 0:
        raise Skip("needs root, to mount a small disk")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jabiru-disk-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0755", "jabiru", str(folder)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        folder.rmdir()
        raise Skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def fill(folder):
    """Takes all the room there is; the file that has it."""
    file = folder / "ballast"
    with open(file, "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(1 << 16))
        except OSError:
            pass
        with contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(512))
    return file


async def until_refused(world, seconds=20):
    """Messages are sent until the server says that it has no room."""
    end = time.monotonic() + seconds
    while not refused(world):
        check(time.monotonic() < end, "the disk is full, and nobody was told")
        for _ in range(10):
            world.say_something()
        await asyncio.sleep(0.05)


def refused(world):
    return [error for client in world.clients for error in client.errors if "resource-constraint" in error]


async def works_meanwhile(world, seconds):
    """With the disk full: others log in, and archives are read; for so long."""
    end = time.monotonic() + seconds
    visitor = Client(world.server.host, world.server.port, "u0", PASSWORD, resource="visitor")
    task = asyncio.create_task(visitor.run())
    try:
        await wait_for(visitor.online.is_set, 5, "a login while the disk is full")
        while time.monotonic() < end:
            answer = await visitor.request("<query xmlns='urn:xmpp:mam:2'/>", "set")
            check(answer.get("type") == "result", "an archive cannot be read while the disk is full")
            await asyncio.sleep(0.5)
    finally:
        visitor.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    check("wait" in refused(world)[0], "the refusal does not say that it may be tried again")


async def resumes_meanwhile(world):
    """A connection is lost while nothing can be committed: its session goes on all the same, and what of it is not
    committed is sent again."""
    client = world.clients[0]
    resumptions, failures = client.resumptions, client.failures
    client.message_to(world.clients[1].bare)
    before = len(client.errors)
    await wait_for(lambda: len(client.errors) > before, 5, "a refusal")
    client.drop()
    await wait_for(lambda: client.resumptions > resumptions or client.failures > failures, 5,
                   "a resumption while the disk is full")
    check(client.failures == failures, "a session was lost because the disk was full")


async def back_after(world, ballast):
    """Seconds from when there is room to a message that is acknowledged and arrives."""
    ballast.unlink()
    begun = time.monotonic()
    one, two = world.clients[:2]
    while True:
        check(time.monotonic() - begun < 60, "it does not come back")
        await asyncio.gather(one.online.wait(), two.online.wait())
        before = set(two.seen)
        one.message_to(two.bare)
        token = f"{one.bare}:{one.number}"
        one.ask()
        for _ in range(20):
            await asyncio.sleep(0.02)
            if (one.bare, token) in two.seen - before and one.quiet.is_set():
                return time.monotonic() - begun


async def full_disk(server, folder, count, seconds):
    async with World(server, count) as world:
        await world.enter()
        for _ in range(50):
            world.say_something()
        await world.settle()
        ballast = fill(folder)
        await until_refused(world)
        await works_meanwhile(world, seconds)
        await resumes_meanwhile(world)
        took = await back_after(world, ballast)
        for _ in range(50):
            world.say_something()
        await world.settle(20)
        figures = world.judge()
        return took, len(refused(world)), figures


@fault("disk", "a disk of 16 MiB is full, and has room again")
def test_full_disk(options):
    seconds = 60 if options.long else 3
    with small_disk() as folder:
        server = TestServer(options.bin, options.cli, config=RELAXED, data=folder / "data").start()
        try:
            server.import_users((f"{user}@localhost", PASSWORD) for user in users(10))
            pid = server.pid
            took, told, figures = asyncio.run(full_disk(server, folder, 10, seconds))
            check(server.pid == pid and not server.ended(), "the server had to be started again")
            check(took <= BACK_S, f"back only after {took:.1f} s")
        except BaseException:
            server.abandon()
            raise
        server.stop()
    return (f"full for {seconds} s: {told} messages refused with resource-constraint, "
            f"{figures['acknowledged']} acknowledged, 0 lost; back after {took:.2f} s, without a restart")


# ---- backup ----


async def backup_under_load(server, count, rate, file):
    async with World(server, count) as world:
        await world.enter()
        world.start_traffic(rate)
        await asyncio.sleep(1.0)
        acked = set().union(*(checker.read_log(c.bare, c.log)[0].acked for c in world.clients))
        begun = time.monotonic()
        await asyncio.to_thread(server.admin, "backup", str(file))
        took = time.monotonic() - begun
        await world.stop_traffic()
        await world.settle()
        world.judge()
        return acked, took


@fault("backup", "a backup under load, restored: everything acknowledged before it is in it")
def test_backup(options):
    count, rate = (200, 2000) if options.long else (30, 300)
    server = make_server(options, count)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jabiru-backup-"))
    folder.chmod(0o711)
    try:
        acked, took = asyncio.run(backup_under_load(server, count, rate, folder / "copy.db"))
        server.stop()
        restored = TestServer(options.bin, options.cli, config=RELAXED, data=folder / "data")
        restored.admin("restore", str(folder / "copy.db"))
        restored.start()
        restored.stop()
        archive = checker.read_archive(folder / "data" / "jabiru.db")
        for token in acked:
            check(token in archive[checker.sender_of(token)], f"{token} is not in the backup")
        check(acked, "nothing was acknowledged before the backup")
        size = (folder / "copy.db").stat().st_size
    except BaseException:
        server.abandon()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return f"{len(acked)} messages acknowledged before it, all there; {size} bytes in {took:.2f} s"
