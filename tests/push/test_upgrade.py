"""Exchanging the program of peal-push while it serves, and what happens at systemd's sockets while a process drains."""

import asyncio
import os
import signal
import time

import pytest
import websockets

from peal import truth
from peal.device import Device
from peal.loop import operate, run
from peal.people import Person, pair
from peal.upgrade import upgrade
from peal.ws import Closed, Raw, Socket
from stack import listener

STACK = {"settings": {"push_drain_seconds": 1, "push_devices_per_user": 100}}     # one process: there is nobody else to go to
ALLOWED_LOG = [r"successor .*error="]


class Knocking:
    """People who come and go without pause. Every one of them is let in."""

    def __init__(self, stack, person):
        self.stack, self.person, self.n, self.refused, self.stopping = stack, person, 0, [], False

    async def go_on(self):
        while not self.stopping:
            self.n += 1
            try:
                async with await Socket.open(self.stack, self.person.token) as s:
                    await s.send({"type": "hello", "device_id": f"knock-{self.n}", "since": None})
                    await s.until("welcome", 20)
            except Closed as e:     # it came to the process that was about to go
                assert e.code == 1012, e
            except (OSError, asyncio.TimeoutError, websockets.InvalidHandshake) as e:
                self.refused.append(repr(e))


async def arrived(devices):
    for d in devices:
        end = time.monotonic() + 30
        while not await run(truth.has_arrived, d):
            assert time.monotonic() < end, f"{d.device_id} is at {d.places}"
            await asyncio.sleep(0.05)


async def test_the_program_is_exchanged_under_load(stack):
    a, b, conversation = await run(pair, stack)
    devices = [await Device(p).start() for p in (a, b, b, b)]
    knocking = [Knocking(stack, p) for p in (a, b)]
    tasks = [asyncio.create_task(k.go_on()) for k in knocking]
    pids = {stack.pid("peal-push-0")}
    for i in range(3):
        old = await operate(upgrade, stack, "peal-push-0")
        while old.poll() is None:
            await run(a.say, conversation, f"while it drains, {i}")
        assert old.returncode == 0
        pids.add(stack.pid("peal-push-0"))
        before, end = sum(k.n for k in knocking), time.monotonic() + 30
        while sum(k.n for k in knocking) < before + 4 or any(d.stats["connections"] < i + 2 for d in devices):
            assert time.monotonic() < end, "each process told everybody to go, and everybody came back"
            await asyncio.sleep(0.01)
    for k in knocking:
        k.stopping = True
    await asyncio.gather(*tasks)
    await arrived(devices)
    assert len(pids) == 4 and not any(k.refused for k in knocking), [k.refused for k in knocking]
    for d in devices:
        truth.check_device(d)
        assert d.stats["refused"] == 0 and d.stats["fresh"] == 1 and set(d.closes) <= {1012}, (dict(d.stats), dict(d.closes))
        await d.stop()
    lines = await run(lambda: (stack.dir / "log" / "access.log").read_text().splitlines())
    assert not [line for line in lines if '"uri":"/ws"' in line and '"status":101' not in line], "nginx had to refuse somebody"


async def test_the_metrics_are_those_of_the_new_process(stack):
    def scrape():
        import http.client
        import socket
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(stack.run_dir / "stat-0.sock"))
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()

    a, = [await run(Person, stack, "scraper")]
    async with await Socket.open(stack, a.token) as s:
        await s.hello()
        assert 'peal_push_upgrades_total{code="101"} 0' not in await run(scrape)
        old = await operate(upgrade, stack, "peal-push-0")
        text = await run(scrape)
        assert 'peal_push_upgrades_total{code="101"} ' not in text or 'peal_push_upgrades_total{code="101"} 0' in text
        assert await s.wait_closed() == 1012
    await run(old.wait, 20)


async def test_a_program_that_does_not_start_changes_nothing(stack):
    program = stack.dir / "bin" / "peal-push"
    good = program.with_suffix(".good")
    pid = stack.pid("peal-push-0")
    program.rename(good)
    try:
        program.write_text("#!/bin/sh\nexit 3\n")
        program.chmod(0o755)
        a = await run(Person, stack, "stays")
        async with Device(a) as d:
            for _ in range(2):
                seen = stack.log("peal-push-0").count("it ended before it could serve")
                os.kill(pid, signal.SIGUSR2)
                end = time.monotonic() + 10
                while stack.log("peal-push-0").count("it ended before it could serve") == seen:
                    assert time.monotonic() < end
                    await asyncio.sleep(0.02)
            async with await Socket.open(stack, a.token) as s:
                await s.hello()
            assert d.stats["connections"] == 1 and stack.running("peal-push-0")
    finally:
        good.rename(program)
    old = await operate(upgrade, stack, "peal-push-0")
    assert await run(old.wait, 20) == 0


async def drained(stack, person):
    """Stops the process and starts it again; over how long its 24 sockets were told to go."""
    sockets = [await Socket.open(stack, person.token) for _ in range(24)]
    for i, s in enumerate(sockets):
        await s.hello(f"goes-{i}")

    async def told(s):
        bye = await s.until("bye", 30)
        at = time.monotonic()
        assert bye["reason"] == "drain" and 0 <= bye["reconnect_in_ms"] <= 1000 and await s.wait_closed() == 1012
        return at

    stopping = asyncio.create_task(operate(stack.stop, "peal-push-0"))
    moments = await asyncio.gather(*(told(s) for s in sockets))
    await stopping
    await operate(stack.start, "peal-push-0")
    return max(moments) - min(moments)


async def test_a_drain_is_spread(stack):
    """Everybody is told to go at a moment of their own within the second, so that they do not all come back at once."""
    a, = [await run(Person, stack, "goes")]
    for _ in range(4):      # a machine that stands still for a moment tells everybody at once
        if await drained(stack, a) > 0.4:
            return
    raise AssertionError("all of them at once, four times")


async def test_sockets_of_systemd_while_a_process_drains(new_stack):
    """systemd keeps the socket open: whoever comes must not wait there until the drain is over, nginx asks the other process."""
    with new_stack(push_processes=2, settings={"push_drain_seconds": 2}) as stack:
        kept = []
        for i in range(2):
            name = f"peal-push-{i}"
            await operate(stack.stop, name)
            path = stack.run_dir / f"push-{i}.sock"
            kept.append(listener(str(path)))
            stack._own(path)
            stack.services[name].passed = {f"push-{i}": kept[i]}
            await operate(stack.start, name)
        a = await run(Person, stack, "waits")
        held = [await run(Raw, stack, a.token) for _ in range(8)]       # least_conn: four on either, so that it takes its time
        stopping = asyncio.create_task(operate(stack.stop, "peal-push-0"))
        end = time.monotonic() + 10
        while " drain " not in stack.log("peal-push-0"):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        slowest = 0
        for i in range(20):
            start = time.monotonic()
            async with await Socket.open(stack, a.token) as s:
                slowest = max(slowest, time.monotonic() - start)
                await s.hello(f"late-{i}")
        assert not stopping.done(), "all of this while it drained"
        print(f"slowest connection while one of two processes drained: {slowest:.3f} s")
        await stopping
        for h in held:
            h.sock.close()
        await operate(stack.start, "peal-push-0")


@pytest.fixture(autouse=True)
def _no_successor_is_left(stack):
    yield
    assert stack.running("peal-push-0")
