"""What comes over the socket counts like a request: the same classes, the same allowance as over HTTP."""

import uuid

from peal.people import Person, pair as make_pair
from peal.ws import Socket

STACK = {"settings": {"rate_write_per_minute": 6, "rate_read_per_minute": 4, "rate_mark_per_minute": 3, "rate_typing_per_minute": 2}}


async def test_requests_count(stack, person):
    async with await Socket.open(stack, person.token) as s:
        await s.hello()
        for n in range(4):
            assert (await s.request(n, "GET", "/api/v1/me"))["status"] == 200
        reply = await s.request(9, "GET", "/api/v1/me")
        assert (reply["status"], reply["body"]["code"]) == (429, "rate_limited") and 0 < reply["body"]["retry_after_ms"] <= 15000
    assert person.rest.get("/me").status == 429


async def test_messages_count_together(stack):
    """Two to begin with, two by each way: six."""
    ann, _, conversation = make_pair(stack)
    body = lambda: {"client_id": str(uuid.uuid4()), "message_type": "text", "content": "hi"}
    path = f"/conversations/{conversation}/messages"
    async with await Socket.open(stack, ann.token) as s:
        await s.hello()
        for n in range(2):
            assert (await s.request(n, "POST", "/api/v1" + path, body()))["status"] == 201
            assert ann.rest.post(path, body()).status == 201
        assert (await s.request(9, "POST", "/api/v1" + path, body()))["status"] == 429
        assert ann.rest.post(path, body()).status == 429


async def test_frames_without_an_answer_are_told(stack, pair):
    """typing and read_receipt have no reply of their own: an error frame says that they went too far."""
    ann, _, conversation = pair
    async with await Socket.open(stack, ann.token) as s:
        await s.hello()
        for frame, n in (({"type": "typing", "conversation_id": conversation, "is_typing": True}, 2),
                         ({"type": "read_receipt", "message_id": f"{conversation}.1"}, 3)):
            for _ in range(n):
                await s.send(frame)
            await s.send({"type": "ping"})
            await s.until("pong")
            assert not [f for f in s.frames if f["type"] == "error"]
            await s.send(frame)
            error = await s.until("error")
            assert error["code"] == "rate_limited" and 0 < error["retry_after_ms"] <= 30000
            s.frames.clear()


async def test_the_daemon_s_own_questions_are_free(stack):
    """Opening a socket and catching up asks the workers as well, for nobody's account."""
    one = Person(stack)
    for _ in range(8):
        async with await Socket.open(stack, one.token) as s:
            await s.hello()
    assert one.rest.get("/me").headers["ratelimit-remaining"] == "3"
