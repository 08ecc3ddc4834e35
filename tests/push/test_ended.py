"""Sockets end with their session: on every push process, with Redis and without, within a second."""

import asyncio
import time

import pytest

from peal import busy, tokens, truth
from peal.loop import run
from peal.people import PASSWORD, Person
from peal.rest import Client
from peal.ws import Closed, Socket

STACK = {"push_processes": 2}
ALLOWED_LOG = [r"feed.*polling"]
FORCED, SOON = 4409, 1.0


async def sockets_of(stack, token, n=3):
    """So many that both processes have some."""
    made = []
    for i in range(n):
        s = await Socket.open(stack, token)
        await s.hello(device=f"d{i}")
        made.append(s)
    return made


async def closed_soon(stack, sockets):
    """All of them are told to stay away, and closed, within a second."""
    began = time.monotonic()
    codes = await asyncio.gather(*(s.wait_closed() for s in sockets))
    took = time.monotonic() - began
    assert codes == [FORCED] * len(sockets) and await run(busy.within, stack, took, SOON), (codes, took)
    for s in sockets:
        bye = s.frames[-1]
        assert bye["type"] == "bye" and bye["reason"] == "forced"
    return took


async def still_open(sockets):
    for s in sockets:
        await s.send({"type": "ping"})
        await s.until("pong")


def sign_in(person):
    client = Client(person.stack.url)
    reply = client.post("/auth/login", {"username": person.username, "password": PASSWORD, "token_delivery": "body"}, expect=200)
    client.token = reply["access_token"]
    return client


async def test_signing_out_closes_the_sockets_of_that_session(stack, person):
    other = await run(lambda: sign_in(person))
    mine, others = await sockets_of(stack, person.token), await sockets_of(stack, other.token)
    await run(lambda: other.post("/auth/logout", {"refresh_token": person.refresh_token}, expect=204))
    await closed_soon(stack, mine)
    await still_open(others)
    with pytest.raises(Closed) as e:
        s = await Socket.open(stack, person.token)
        await s.hello()
    assert e.value.code == 4401


async def test_ending_a_session_and_ending_the_others(stack, person):
    clients = [await run(lambda: sign_in(person)) for _ in range(2)]
    mine = await sockets_of(stack, person.token)
    first, second = [await sockets_of(stack, c.token) for c in clients]
    sid = tokens.claims_of(clients[0].token)["sid"]
    await run(lambda: person.rest.delete(f"/auth/sessions/{sid}", expect=204))
    await closed_soon(stack, first)
    await run(lambda: person.rest.delete("/auth/sessions", expect=204))
    await closed_soon(stack, second)
    await still_open(mine)


async def test_another_password_closes_the_others(stack, person):
    other = await run(lambda: sign_in(person))
    mine, others = await sockets_of(stack, person.token), await sockets_of(stack, other.token)
    body = {"old_password": PASSWORD, "new_password": "another password of tests, long enough"}
    await run(lambda: person.rest.post("/auth/password", body, expect=204))
    await closed_soon(stack, others)
    await still_open(mine)


async def test_a_stolen_refresh_token_closes_the_sockets(stack, person):
    mine = await sockets_of(stack, person.token)
    anonymous, token = Client(stack.url), person.refresh_token
    for _ in range(2):
        token = (await run(lambda t=token: anonymous.post("/auth/refresh", {"refresh_token": t}, expect=200)))["refresh_token"]
    await run(lambda: anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=(401, "bad_refresh_token")))
    await closed_soon(stack, mine)


async def test_disabling_somebody_closes_everything(stack, person):
    mine = await sockets_of(stack, person.token)
    await run(lambda: truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(person.id)))
    await closed_soon(stack, mine)


async def test_what_nobody_published_is_found(stack, person):
    """By hand, by pealctl, or by a worker that died before it said so."""
    mine = await sockets_of(stack, person.token)
    await run(lambda: truth.rows(stack, "UPDATE session SET ended_at = now() WHERE user_id = %s", int(person.id)))
    await closed_soon(stack, mine)


async def test_without_redis(stack, person):
    mine = await sockets_of(stack, person.token)
    other = Person(stack)
    theirs = await sockets_of(stack, other.token)
    await run(lambda: stack.kill("redis"))
    try:
        await run(lambda: person.rest.post("/auth/logout", {"refresh_token": person.refresh_token}, expect=204))
        await closed_soon(stack, mine)
        await still_open(theirs)
    finally:
        await run(lambda: stack.start("redis"))


async def test_a_socket_keeps_to_its_session(stack, person):
    """Renewing with the token of another session would let the socket outlive the one that was checked."""
    other = await run(lambda: sign_in(person))
    mine, = await sockets_of(stack, person.token, 1)
    await mine.send({"type": "auth", "token": other.token})
    assert await mine.wait_closed() == 4403
