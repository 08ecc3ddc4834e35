"""Sockets that are opened with a token that only the workers can check."""

import asyncio
import atexit
import re
import time

import pytest

from peal import busy, issuers, truth
from peal.loop import operate, run
from peal.rest import Client
from peal.ws import Closed, Socket

FOLDER = issuers.Folder()
atexit.register(FOLDER.remove)
ALLOWED_LOG = [r"connect\(\) to unix:\S+/sock/\S+ failed"]
STACK = {"settings": {"issuers_dir": str(FOLDER.dir), "push_hello_seconds": 3}}
CORP = FOLDER.by_jwks("corp", "ES256")
OTHER = FOLDER.hs256("other")


def origin(stack):
    return stack.conf["origins"].split()[0]


def asked(stack):
    """How often the door was asked whose a token is."""
    return (stack.dir / "log" / "peal-fcgi.log").read_text().count("route=/feed/who")


@pytest.mark.parametrize("how", ["header", "subprotocol", "none"])
async def test_three_ways_to_say_who(stack, how):
    token = CORP.token(name="Outside")
    async with await Socket.open(stack, token, how=how, origin=origin(stack)) as s:
        welcome, *_ = await s.hello(token=token if how == "none" else None)
        me = Client(stack.url, token).get("/me", expect=200)
        assert welcome["user_id"] == me["id"]
        reply = await s.request(1, "GET", "/api/v1/me")
        assert reply["body"]["username"] == me["username"]


async def test_it_is_asked_once(stack):
    token = CORP.token()
    before = asked(stack)
    for _ in range(4):
        async with await Socket.open(stack, token) as s:
            await s.hello()
            await s.send({"type": "auth", "token": token})
            await s.send({"type": "ping"})
            await s.until("pong")
    assert asked(stack) == before + 1


async def test_messages_arrive(stack, person):
    token = CORP.token()
    outside = Client(stack.url, token).get("/me", expect=200)
    async with await Socket.open(stack, token) as s:
        await s.hello()
        conversation = person.rest.post(f"/conversations/{outside['id']}")["id"]
        person.say(conversation, "hello")
        frame = await s.until("new_message")
        assert frame["data"]["message"]["content"] == "hello"
        body = {"client_id": "c", "message_type": "text", "content": "back"}
        reply = await s.request(2, "POST", f"/api/v1/conversations/{conversation}/messages", body)
        assert reply["status"] == 201 and reply["body"]["sender_id"] == outside["id"]


@pytest.mark.parametrize("make", [
    lambda: CORP.token(key=issuers.new_ec()), lambda: CORP.token(aud="else"), lambda: CORP.token(iss="https://nobody.example"),
    lambda: CORP.token(iat=int(time.time()) - 700, exp=int(time.time()) - 60), lambda: OTHER.token(key=b"x" * 32), lambda: CORP.token()[:-1],
    lambda: CORP.token(header={"alg": "none"}), lambda: "peal_pat_" + "A" * 49, lambda: "peal_pat_", lambda: CORP.token(note="x" * 3500),
], ids=["key", "aud", "iss", "expired", "secret", "cut", "none", "pat", "prefix", "large"])
async def test_bad_ones(stack, make):
    for how in ("header", "none"):
        token = make()
        async with await Socket.open(stack, token, how=how, origin=origin(stack)) as s:
            try:
                await s.send({"type": "hello", "device_id": "d", "since": None, **({"token": token} if how == "none" else {})}, valid=False)
                code = await s.wait_closed()
            except Closed as e:
                code = e.code
            assert code == 4401 or (len(token) > 4096 and code == 4408), code
            assert not any(f["type"] == "welcome" for f in s.frames)


async def test_nobody_speaks_before_the_answer(stack):
    token = CORP.token()
    async with await Socket.open(stack, token) as s:
        await s.send({"type": "request", "id": 1, "method": "GET", "path": "/api/v1/me"})
        assert (await s.until("error"))["code"] == "invalid"
        await s.send({"type": "hello", "device_id": "d", "since": None})
        await s.send({"type": "hello", "device_id": "d", "since": None})
        await s.until("live")
        assert [f["code"] for f in s.frames if f["type"] == "error"] in (["invalid", "conflict"], ["invalid"])


async def test_renewal_with_the_next_token(stack):
    sub = f"renew-{time.time_ns()}"
    first = CORP.token(sub=sub, iat=int(time.time()) - 100, exp=int(time.time()) - 26)
    async with await Socket.open(stack, first) as s:
        await s.hello()
        await s.send({"type": "auth", "token": CORP.token(sub=sub)})
        await asyncio.sleep(6)
        await s.send({"type": "ping"})
        await s.until("pong")
        assert (await s.request(1, "GET", "/api/v1/me"))["status"] == 200


async def test_without_renewal_it_ends(stack):
    token = CORP.token(iat=int(time.time()) - 100, exp=int(time.time()) - 24)
    async with await Socket.open(stack, token) as s:
        await s.hello()
        assert await s.wait_closed(20) == 4401
        assert s.frames[-1] == {"type": "bye", "reason": "expired", "reconnect_in_ms": 0}


@pytest.mark.parametrize("renew, code", [(lambda: CORP.token(), 4403), (lambda: CORP.token(key=issuers.new_ec()), 4401), (lambda: None, 4403)],
                         ids=["somebody-else", "forged", "ours"])
async def test_renewal_with_another_s_token(stack, person, renew, code):
    async with await Socket.open(stack, CORP.token()) as s:
        await s.hello()
        await s.send({"type": "auth", "token": renew() or person.token})
        assert await s.wait_closed() == code


async def test_ours_is_not_renewed_with_theirs(stack, person):
    async with await Socket.open(stack, person.token) as s:
        await s.hello()
        await s.send({"type": "auth", "token": CORP.token()})
        assert await s.wait_closed() == 4403


@pytest.mark.parametrize("how", ["session", "person"])
async def test_it_ends_with_its_session_or_person(stack, how):
    token = CORP.token()
    async with await Socket.open(stack, token) as s:
        welcome, *_ = await s.hello()
        user = int(welcome["user_id"])
        began = time.monotonic()
        if how == "session":
            truth.rows(stack, "UPDATE session SET ended_at = now() WHERE user_id = %s", user)
        else:
            truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", user)
        assert await s.wait_closed() == 4409
        assert await run(busy.within, stack, time.monotonic() - began, 3)
    async with await Socket.open(stack, token) as s:
        try:
            await s.send({"type": "hello", "device_id": "d", "since": None})
            assert await s.wait_closed() == 4401
        except Closed as e:
            assert e.code == 4401


async def test_many_at_once(stack):
    held = [CORP.token() for _ in range(30)]

    async def one(token):
        async with await Socket.open(stack, token) as s:
            return (await s.hello(timeout=20))[0]["user_id"]

    ids = await asyncio.gather(*(one(t) for t in held))
    assert len(set(ids)) == 30


async def test_nobody_can_say_whose_it_is(stack):
    """The workers are away: come back later, with the same token. Whoever said hello in time is not told that they did not."""
    await operate(stack.stop, "peal-fcgi")
    try:
        async with await Socket.open(stack, CORP.token()) as s:
            await s.send({"type": "hello", "device_id": "d", "since": None})
            assert await s.wait_closed(30) == 1013
    finally:
        await operate(stack.start, "peal-fcgi")


def test_tokens_are_in_no_log(stack):
    token = CORP.token()

    async def once():
        async with await Socket.open(stack, token) as s:
            await s.hello()

    asyncio.run(once())
    for log in (stack.dir / "log").iterdir():
        text = log.read_text(errors="replace")
        assert token not in text and not re.search(r"eyJ[\w-]{20}", text), log
