"""Who is connected and does nothing is away, on whatever devices, at whatever processes."""

import asyncio

import websockets

from peal.loop import run
from peal.ws import MAX_FRAME, Socket

STACK = {"push_processes": 2, "settings": {"redis_timeout_ms": 500, "push_away_seconds": 4, "push_heartbeat_seconds": 1, "push_offline_seconds": 1}}


async def at(stack, person, process):
    """A device of this person at this process, as nginx would bring it there."""
    ws = await websockets.unix_connect(str(stack.run_dir / f"push-{process}.sock"), uri="ws://peal/ws", compression=None, ping_interval=None,
                                       max_size=MAX_FRAME, max_queue=None, extra_headers={"Authorization": f"Bearer {person.token}"})
    s = Socket(ws)
    await s.hello(f"at-{process}")
    return s


async def told(watcher, person, status):
    frame = await watcher.until("presence", 10)
    assert frame["data"] == {"user_id": person.id, "status": status, "last_seen_at": None}, f"not {status}"


async def watch(stack, watcher, person, status):
    s = await Socket.open(stack, watcher.token)
    await s.hello("watcher")
    await s.send({"type": "presence_watch", "add": [person.id]})
    await told(s, person, status)
    return s


def asked(watcher, person):
    return run(lambda: watcher.rest.get(f"/users/{person.id}/presence", expect=200).json["status"])


async def test_who_does_nothing_is_away(stack, pair):
    a, b, _ = pair
    async with await at(stack, b, 0) as device, await watch(stack, a, b, "online") as s:
        for _ in range(2):
            await told(s, b, "away")
            assert await asked(a, b) == "away"
            await device.send({"type": "active"})
            await told(s, b, "online")
            assert await asked(a, b) == "online"
        for _ in range(14):  # for longer than it takes to be away
            await device.send({"type": "active"})
            await asyncio.sleep(0.4)
        await s.send({"type": "ping"})
        await s.until("pong")
        assert [f["data"]["status"] for f in s.frames if f["type"] == "presence"] == ["online", "away", "online", "away", "online"]


async def test_active_elsewhere_and_gone_from_there(stack, pair):
    """What one process said last, another one may have made untrue."""
    a, b, _ = pair
    async with await at(stack, b, 0), await watch(stack, a, b, "online") as s:
        other = await at(stack, b, 1)
        while [f["data"]["status"] for f in s.frames if f["type"] == "presence"].count("away") < 2:     # each process says so
            await s.until("presence", 10)
        await other.send({"type": "active"})
        await told(s, b, "online")
        await other.close()
        await told(s, b, "away")
        assert await asked(a, b) == "away"
