"""Limits of the socket that other tests raise."""

from peal.people import Person
from peal.ws import Socket

STACK = {"settings": {"push_frames_per_minute": 20, "push_max_connections": 5, "push_devices_per_user": 3}}


async def test_rate_limit(stack, person):
    """20 frames are free, then `rate_limited`, then 4029; acks, pings and auth are not counted."""
    async with await Socket.open(stack, person.token) as s:
        await s.hello()  # 1
        for i in range(19):
            await s.send({"type": "active"})
            await s.send({"type": "ping"})
            await s.send({"type": "auth", "token": person.token})
            await s.send({"type": "ack", "count": 0})
            await s.until("pong")
        assert not [f for f in s.frames if f["type"] == "error"]
        await s.send({"type": "request", "id": 77, "method": "GET", "path": "/api/v1/me"})
        error = await s.until("error")
        assert (error["code"], error["id"]) == ("rate_limited", 77) and 0 < error["retry_after_ms"] <= 60000
        await s.send({"type": "ping"})
        await s.until("pong")
        for _ in range(5):
            await s.send({"type": "active"})
        assert await s.wait_closed() == 4029


async def test_devices_per_user(stack, person):
    sockets = [await Socket.open(stack, person.token) for _ in range(4)]
    for s in sockets:
        await s.hello("the same")
    assert await sockets[0].wait_closed() == 4409
    assert [f["reason"] for f in sockets[0].frames if f["type"] == "bye"] == ["forced"]
    for s in sockets[1:]:
        await s.send({"type": "ping"})
        await s.until("pong")
        await s.close()


async def test_connections(stack):
    """What is too much is told so: 503 or 1013, and those who are in stay."""
    import websockets
    people = [Person(stack) for _ in range(3)]
    sockets, refused = [], 0
    for i in range(8):
        try:
            s = await Socket.open(stack, people[i % 3].token)
            await s.hello()
            sockets.append(s)
        except websockets.InvalidStatusCode as e:
            assert e.status_code == 503
            refused += 1
        except Exception as e:  # pylint: disable=broad-except
            assert getattr(e, "code", None) == 1013, e
            refused += 1
    assert refused == 3 and len(sockets) == 5
    for s in sockets:
        await s.send({"type": "ping"})
        await s.until("pong")
        await s.close()
