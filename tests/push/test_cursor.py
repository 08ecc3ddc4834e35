"""`cursor` frames: newer places to resume from, which never promise more than was written before them."""

import asyncio

from peal import metrics, truth
from peal.device import Device
from peal.loop import operate, run
from peal.ws import Socket

STACK = {"settings": {"push_cursor_seconds": 1, "push_heartbeat_seconds": 1, "push_dead_seconds": 60}}
ALLOWED_LOG = [r"worker_died"]


async def after(stack, person, since):
    """What a device would get that has this place and nothing else: [client_id], or that it begins afresh."""
    async with await Socket.open(stack, person.token) as s:
        welcome, _, events, _ = await s.hello("other", since=since)
        assert welcome["mode"] == "resume"
        return [e["data"]["message"]["client_id"] for e in events if e["type"] == "new_message"]


async def test_it_comes_and_saves_the_replay(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        _, _, _, live = await s.hello("d")
        said = [(await run(a.say, conversation, f"{i}"))["client_id"] for i in range(5)]
        for _ in said:
            await s.until("new_message")
        await s.send({"type": "ack", "count": 5})
        for _ in range(8):
            cursor = await s.until("cursor", 5)
            if not await after(stack, b, cursor["since"]):
                break
        else:
            raise AssertionError("no cursor got past what was acknowledged long ago")
        assert (await after(stack, b, live["since"]))[-len(said):] == said
        assert (await run(metrics.scrape, stack))["peal_push_cursors_total"] >= 1


async def test_at_most_so_often(stack, pair):
    _, b, _ = pair
    async with await Socket.open(stack, b.token) as s:
        await s.hello("d")
        times = []
        for _ in range(4):
            await s.until("cursor", 6)
            times.append(asyncio.get_running_loop().time())
        assert times[-1] - times[0] > 2.5, f"three pauses; after one that comes late the next is shorter: {times}"


async def test_never_past_what_nobody_has_rung_for(stack, pair):
    """Its worker died after the commit: until peal-jobs rings, no cursor is past it."""
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        await s.hello("d")
        await s.until("cursor", 5)
        await operate(stack.fail, "send.before_publish")
        await run(lambda: a.rest.post(f"/conversations/{conversation}/messages", {"client_id": "late", "message_type": "text", "content": "x"}))
        places = []
        while (frame := await s.recv(6))["type"] != "new_message":
            places += [frame["since"]] if frame["type"] == "cursor" else []
        for since in places:
            assert "late" in await after(stack, b, since)


async def test_never_past_a_transaction_that_is_open(stack, pair):
    a, b, conversation = pair
    blocker = stack.db()
    with blocker.cursor() as c:
        c.execute("SELECT o_seq FROM message_send(%s, %s, 'open', '\\x00', 1::smallint, 'open', NULL, NULL)", (int(a.id), int(conversation)))
        async with await Socket.open(stack, b.token) as s:
            await s.hello("d")
            places = [(await s.until("cursor", 5))["since"] for _ in range(2)]
    blocker.commit()
    blocker.close()
    for since in places:
        assert (await after(stack, b, since))[-1:] == ["open"]


async def test_none_without_peal_jobs_or_redis(stack, pair):
    """Who says how far the log was published is away, or cannot be heard: places stay where they are, and nothing else happens."""
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        await s.hello("d")
        await s.until("cursor", 5)
        await operate(stack.stop, "peal-jobs")
        last = None
        await s.send({"type": "ping"})
        while (frame := await s.recv(5))["type"] != "pong":
            last = frame["since"] if frame["type"] == "cursor" else last
        m = await run(a.say, conversation, "while nobody looks")
        await asyncio.sleep(1.5)
        await s.send({"type": "ping"})
        while (frame := await s.recv(5))["type"] != "pong":
            assert frame["type"] != "cursor" or m["client_id"] in await after(stack, b, frame["since"])
        await operate(stack.start, "peal-jobs")
        await s.until("cursor", 6)


async def test_a_device_that_keeps_them(stack, pair):
    """Many cuts with the newest place each time: nothing is missing and nothing comes twice."""
    a, b, conversation = pair
    cuts = 5
    async with Device(b) as d:
        for cut in range(1, cuts + 1):
            begun = d.since
            for i in range(100):  # how long a cursor takes is not ours to say: each connection is cut when it has kept one
                await run(a.say, conversation, f"{cut}.{i}")
                await asyncio.sleep(0.1)
                if d.since != begun:
                    break
            else:
                raise AssertionError(f"connection {cut} was told no newer place: {dict(d.stats)}")
            await run(a.say, conversation, f"{cut}: after the cursor, on its way")
            d.socket.ws.transport.abort()
            await run(a.say, conversation, f"{cut}: while it is away")
            await d.until(lambda d: d.live.is_set() and d.stats["connections"] > cut, what="live again")
        await d.until(lambda d: truth.has_arrived(d), what="where the database is")
        truth.check_device(d)
        assert d.stats["cursor"] >= cuts and d.stats["fresh"] == 1
