"""Sockets that a program opens with its access token."""

import time

import pytest

from peal import busy, truth
from peal.loop import run
from peal.people import Person
from peal.ws import Closed, Socket


def token_of(person, *scopes, **more):
    return person.rest.post("/tokens", {"name": "a program", "scopes": list(scopes), **more}, expect=201).json


async def refused(stack, token):
    """The code with which a socket of this token is closed."""
    try:
        async with await Socket.open(stack, token) as s:
            await s.send({"type": "hello", "device_id": "d", "since": None})
            return await s.wait_closed()
    except Closed as e:
        return e.code


async def test_it_hears_and_speaks_as_far_as_its_scopes_go(stack, pair):
    a, b, c = pair
    made = await run(lambda: token_of(b, "messages:read", "messages:write"))
    async with await Socket.open(stack, made["token"]) as s:
        welcome, *_ = await s.hello()
        assert welcome["user_id"] == b.id
        said = await run(lambda: a.say(c, "to a program"))
        event = await s.until("new_message")
        assert event["data"]["message"]["id"] == said["id"]
        body = {"client_id": "by-socket", "message_type": "text", "content": "from a program"}
        reply = await s.request(1, "POST", f"/api/v1/conversations/{c}/messages", body)
        assert reply["status"] == 201 and reply["body"]["sender_id"] == b.id
        reply = await s.request(2, "GET", "/api/v1/conversations")
        assert (reply["status"], reply["body"]["code"]) == (403, "insufficient_scope")
        reply = await s.request(3, "GET", "/api/v1/tokens")
        assert (reply["status"], reply["body"]["code"]) == (403, "insufficient_scope")


async def test_without_messages_read_there_is_no_socket(stack, person):
    made = await run(lambda: token_of(person, "messages:write", "profile:read"))
    assert await refused(stack, made["token"]) in (4401, 4403)


async def test_it_ends_with_its_token(stack, person):
    made, other = await run(lambda: token_of(person, "messages:read")), await run(lambda: token_of(person, "messages:read"))
    async with await Socket.open(stack, made["token"]) as s, await Socket.open(stack, other["token"]) as t:
        await s.hello()
        await t.hello(device="e")
        began = time.monotonic()
        await run(lambda: person.rest.delete(f"/tokens/{made['id']}", expect=204))
        assert await s.wait_closed() == 4409
        assert await run(busy.within, stack, time.monotonic() - began, 1)
        await t.send({"type": "ping"})
        await t.until("pong")
    assert await refused(stack, made["token"]) == 4401


@pytest.mark.parametrize("how", ["retired", "owner disabled"])
async def test_a_bot_s_socket_ends_with_it(stack, how):
    owner = await run(lambda: Person(stack))
    bot = await run(lambda: owner.rest.post("/bots", {"username": f"bot-{owner.id}"}, expect=201).json)
    made = await run(lambda: token_of(owner, "messages:read", bot_id=bot["id"], expires_in_days=None))
    async with await Socket.open(stack, made["token"]) as s:
        welcome, *_ = await s.hello()
        assert welcome["user_id"] == bot["id"]
        began = time.monotonic()
        if how == "retired":
            await run(lambda: owner.rest.delete(f"/bots/{bot['id']}", expect=204))
        else:
            truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(owner.id))
        assert await s.wait_closed() == 4409
        assert await run(busy.within, stack, time.monotonic() - began, 1)
    assert await refused(stack, made["token"]) == 4401


async def test_the_command_door_asks_each_time(stack, person):
    """A revocation that push has not heard of yet is still one."""
    made = await run(lambda: token_of(person, "messages:read"))
    async with await Socket.open(stack, made["token"]) as s:
        await s.hello()
        assert (await s.request(1, "GET", "/api/v1/messages/starred"))["status"] == 200
        truth.rows(stack, "UPDATE access_token SET expires_at = now() WHERE id = %s", int(made["id"]))
        reply = await s.request(2, "GET", "/api/v1/messages/starred")
        assert (reply["status"], reply["body"]["code"]) == (401, "token_expired")
