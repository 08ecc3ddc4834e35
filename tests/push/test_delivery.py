"""Never lose, never hold a hole: retries, slow consumers, Redis and the daemons themselves away, as a device sees it."""

import asyncio
import signal
import time

import pytest

from peal import busy, truth
from peal.device import Device
from peal.loop import operate, run
from peal.ws import Raw, Socket

STACK = {"push_processes": 2}
ALLOWED_LOG = [r"connect\(\) to unix:\S+/sock/\S+ failed", r"database-away|redis"]


async def settle(devices, timeout=10):
    """Until every device is where the database is."""
    async def one(device):
        end = time.monotonic() + timeout
        while time.monotonic() < end and not truth.has_arrived(device):
            await asyncio.sleep(0.05)
    await asyncio.gather(*(one(d) for d in devices))
    for d in devices:
        truth.check_device(d)


async def test_devices_agree_with_the_database(stack, pair):
    a, b, conversation = pair
    devices = [Device(p) for p in (a, a, b, b, b)]
    for d in devices:
        await d.start()
    for i in range(30):
        await run((a, b)[i % 2].say, conversation, f"{i}")
        if i % 7 == 0:
            await run(lambda i=i: b.rest.patch(f"/conversations/{conversation}/read", {"seq": i + 1}, expect=200))
    await run(lambda: a.rest.delete(f"/messages/{conversation}.1", query={"for": "everyone"}, expect=200))
    await settle(devices)
    assert all(d.stats["syncs"] == 0 and d.stats["connections"] == 1 for d in devices), [dict(d.stats) for d in devices]
    for d in devices:
        await d.stop()


async def test_acks_are_accepted(stack, pair):
    """A device that follows the rule is never sent a retry."""
    a, b, conversation = pair
    async with Device(b) as d:
        for i in range(80):
            await run(a.say, conversation, f"{i}")
        await settle([d])
        await asyncio.sleep(2.5)
        assert d.stats["retry"] == 0 and d.acked == 80


async def test_the_retry_schedule(stack, pair):
    """Unacknowledged: again after 2 s and 4 s more; an ack ends it."""
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        await s.hello()
        begun = time.monotonic()
        await run(a.say, conversation, "unacknowledged")
        start = time.monotonic()
        early = start - begun       # it was written somewhere in between
        event = await s.until("new_message")
        first = await s.until("retry", 20)
        at_first = time.monotonic() - start
        second = await s.until("retry", 20)
        at_second = time.monotonic() - start
        assert first["attempt"] == 1 and second["attempt"] == 2 and first["events"] == second["events"] == [event]
        assert 1.7 < at_first + early and 5.5 < at_second + early, (at_first, at_second, early)
        assert await run(busy.within, stack, at_first, 3.2) and await run(busy.within, stack, at_second, 7.5), (at_first, at_second)
        await s.send({"type": "ack", "count": 1})
        await s.none_of({"retry"}, 2.5)


async def test_two_hundred_unacknowledged_turn_into_a_pull(stack, pair):
    """At 256 unacknowledged the server stops pushing; each ack brings what is next, nothing twice, nothing missing."""
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        await s.hello()
        for i in range(320):
            await run(a.say, conversation, f"{i}")
        positions, count = [], 0

        def take(frame):
            nonlocal count
            events = [frame] if frame["type"] == "new_message" else frame["events"] if frame["type"] == "batch" else []
            count += len(events)
            positions.extend(e["seq"] + e["rev"] for e in events)
        while True:
            try:
                take(await s.recv(1.0))
            except asyncio.TimeoutError:
                break
        assert 200 <= count <= 256 + 50, count
        while count < 320:
            await s.send({"type": "ack", "count": count})
            take(await s.recv(5))
        assert positions == list(range(3, 323))
        await s.send({"type": "ack", "count": count})
        await run(a.say, conversation, "live again")
        assert (await s.until("new_message"))["data"]["message"]["content"] == "live again"


def test_a_slow_consumer(stack, pair):
    """Somebody who does not read for a while loses nothing and gets it in order; memory stays bounded."""
    a, b, conversation = pair
    with Raw(stack, b.token, timeout=10) as raw:
        raw.text({"type": "hello", "device_id": "slow", "since": None})
        import json
        while json.loads(raw.recv()[1])["type"] != "live":
            pass
        for i in range(400):
            a.say(conversation, f"{i} " + "x" * 4000)
        positions, count, acked = [], 0, 0
        while len(positions) < 400:
            opcode, payload = raw.recv()
            if opcode != 1:
                if opcode == 9:
                    raw.send(Raw.frame(10, payload))
                assert opcode != 8, payload
                continue
            frame = json.loads(payload)
            events = [frame] if frame["type"] == "new_message" else frame.get("events", []) if frame["type"] == "batch" else []
            count += len(events)
            positions += [e["seq"] + e["rev"] for e in events]
            if count - acked >= 20 or len(positions) == 400:
                raw.text({"type": "ack", "count": count})
                acked = count
    assert positions == list(range(3, 403))


# -- Redis


async def test_without_redis(stack, pair):
    """Sockets stay, messages arrive by polling; afterwards everything is live again."""
    a, b, conversation = pair
    da, db = await Device(a).start(), await Device(b).start()
    await operate(stack.stop, "redis")
    times = []
    for i in range(15):
        m = await run(a.say, conversation, f"without {i}")
        start = time.monotonic()
        await db.at(conversation, m["seq"], 30)
        times.append(time.monotonic() - start)
    assert await run(busy.within, stack, sorted(times)[7], 0.7), times
    new = await Device(b).start()
    await run(a.say, conversation, "to a device that came meanwhile")
    await settle([da, db, new])
    await operate(stack.start, "redis")
    await asyncio.sleep(1.5)
    for i in range(10):
        m = await run(b.say, conversation, f"again {i}")
        start = time.monotonic()
        await da.at(conversation, m["seq"], 30)
        times.append(time.monotonic() - start)
    await settle([da, db, new])
    assert await run(busy.within, stack, sorted(times[-10:])[5], 0.1), times[-10:]
    assert all(d.stats["connections"] == 1 for d in (da, db, new)), "no socket was closed for it"
    for d in (da, db, new):
        await d.stop()


async def test_the_log_begins_anew_without_redis(stack, pair):
    """A restore while Redis is away: the place that is polled from means nothing any more, and everybody begins afresh."""
    a, b, conversation = pair
    async with Device(b) as d:
        await operate(stack.stop, "redis")
        await run(a.say, conversation, "of the old log")
        await run(stack.psql, "UPDATE peal_meta SET epoch = 'restored'")
        await d.until(lambda d: d.stats["fresh"] == 2, what="a second fresh start")
        m = await run(a.say, conversation, "of the new log")
        await d.at(conversation, m["seq"], 5)
        await operate(stack.start, "redis")
        await settle([d])
        assert set(d.closes) == {1012}, d.closes


async def test_redis_comes_and_goes_under_load(stack, pair):
    a, b, conversation = pair
    devices = [await Device(p).start() for p in (a, b, b)]
    stopping = False

    async def load(person):
        n = 0
        while not stopping:
            n += 1
            await run(person.say, conversation, f"{n}")
    tasks = [asyncio.create_task(load(p)) for p in (a, b)]
    for _ in range(3):
        await asyncio.sleep(0.5)
        await operate(stack.kill, "redis")
        await asyncio.sleep(0.7)
        await operate(stack.start, "redis")
    await asyncio.sleep(0.5)
    stopping = True
    await asyncio.gather(*tasks)
    await settle(devices)
    for d in devices:
        await d.stop()


async def test_a_killed_subscription_is_made_again(stack, pair):
    """CLIENT KILL of everybody: the link comes back, and what was published meanwhile is found."""
    import redis
    a, b, conversation = pair
    async with Device(b) as d:
        client = redis.Redis(unix_socket_path=stack.redis_socket)
        for i in range(5):
            client.client_kill_filter(_type="pubsub")
            await run(a.say, conversation, f"{i}")
            await asyncio.sleep(0.1)
        client.close()
        await settle([d])


# -- the daemons


async def test_push_is_killed(stack, pair):
    a, b, conversation = pair
    devices = [await Device(p).start() for p in (a, b, b, b)]
    for i in range(4):
        name = f"peal-push-{i % 2}"
        await run(a.say, conversation, f"before {i}")
        await operate(stack.kill, name)
        await run(a.say, conversation, f"between {i}")
        await operate(stack.start, name)
        await run(b.say, conversation, f"after {i}")
    await settle(devices)
    assert sum(d.stats["connections"] for d in devices) > 4
    assert all(d.stats["fresh"] == 1 for d in devices), "a restart is a resume"
    for d in devices:
        await d.stop()


async def test_push_drains(stack, pair):
    """SIGTERM: bye and 1012; clients move over to the other process and lose nothing."""
    a, b, conversation = pair
    devices = [await Device(p).start() for p in (a, b, b, b, b, b)]
    for i in range(2):
        name = f"peal-push-{i}"
        stopping = asyncio.create_task(operate(stack.stop, name))
        while not stopping.done():
            await run(a.say, conversation, f"draining {i}")
        await stopping
        await operate(stack.start, name)
    await settle(devices)
    closes = sum((d.closes for d in devices), start=type(devices[0].closes)())
    assert closes[1012] + sum(d.stats["bye"] for d in devices) >= 6 and set(closes) <= {1012}, closes
    for d in devices:
        await d.stop()


async def test_the_workers_are_away(stack, pair):
    """peal-fcgi down: sockets stay, hello waits, requests answer `unavailable`; then all goes on."""
    a, b, conversation = pair
    async with Device(b) as d:
        await operate(stack.stop, "peal-fcgi")
        async with await Socket.open(stack, a.token) as s:
            await s.send({"type": "hello", "device_id": "x", "since": None})
            with pytest.raises(asyncio.TimeoutError):
                await s.recv(0.7)
            await operate(stack.start, "peal-fcgi")
            await s.replayed(10)
        await run(a.say, conversation, "after")
        await settle([d])
        assert d.stats["connections"] == 1


async def test_a_new_generation_of_workers(stack, pair):
    a, b, conversation = pair
    async with Device(b) as d, Device(a) as da:
        for i in range(3):
            await run(a.say, conversation, f"{i}")
            await operate(stack.reload, "peal-fcgi")
            await run(b.say, conversation, f"then {i}")
        await settle([d, da])
        assert d.stats["connections"] == da.stats["connections"] == 1


@pytest.mark.parametrize("name", ["send.before_publish", "send.after_publish", "send.before_reply"])
async def test_a_worker_dies_around_the_doorbell(stack, pair, name):
    """The message is stored and its sender gets 502; peal-jobs rings within 2 s, without anybody asking again."""
    a, b, conversation = pair
    async with Device(b) as d:
        await operate(stack.fail, name)
        body = {"client_id": name, "message_type": "text", "content": name}
        start = time.monotonic()
        reply = await run(lambda: a.rest.post(f"/conversations/{conversation}/messages", body))
        assert reply.status == 502
        await d.at(conversation, 2, 30)
        assert await run(busy.within, stack, time.monotonic() - start, 3.5)
        assert [m["client_id"] for m in d.messages(conversation)] == [name]
        assert (await run(lambda: a.rest.post(f"/conversations/{conversation}/messages", body))).status == 200
        await asyncio.sleep(1.2)
        truth.check_device(d)


@pytest.mark.parametrize("name", ["jobs.before_publish", "jobs.after_publish"])
async def test_jobs_die_while_republishing(stack, pair, name):
    a, b, conversation = pair
    async with Device(b) as d:
        await operate(stack.fail, name)
        await operate(stack.fail, "send.before_publish")
        await run(lambda: a.rest.post(f"/conversations/{conversation}/messages", {"client_id": name, "message_type": "text", "content": "x"}))
        await operate(stack.wait_death, "peal-jobs")
        await operate(stack.start, "peal-jobs")
        await d.at(conversation, 2, 6)
        truth.check_device(d)


@pytest.mark.parametrize("name", ["push.before_write", "push.after_write", "push.before_acks"])
async def test_push_dies_at_a_failpoint(stack, pair, name):
    a, b, conversation = pair
    async with Device(b) as d, Device(a) as da:
        await operate(stack.fail, name)
        for i in range(3):
            await run(a.say, conversation, f"{i}")
        end = time.monotonic() + 5
        while not (dead := [p for p in ("peal-push-0", "peal-push-1") if not stack.running(p)]):
            assert time.monotonic() < end, "nobody died"
            await asyncio.sleep(0.05)
        for p in dead:
            await operate(stack.start, p)
        await run(b.say, conversation, "after")
        await settle([d, da])


async def test_a_frozen_process(stack, pair):
    """SIGSTOP for a while: late, not lost."""
    import os
    a, b, conversation = pair
    devices = [await Device(b).start() for _ in range(4)]
    pids = [stack.pid("peal-push-0"), stack.pid("peal-push-1")]
    os.kill(pids[0], signal.SIGSTOP)
    try:
        for i in range(50):
            await run(a.say, conversation, f"{i}")
    finally:
        os.kill(pids[0], signal.SIGCONT)
    await settle(devices)
    for d in devices:
        await d.stop()
