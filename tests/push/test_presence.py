"""Watching the presence of others under blocks, privacy and lost conversations: what was watched ends, whatever was under way."""

import asyncio

import pytest

from peal import truth
from peal.loop import operate
from peal.people import Person, pair as make_pair
from peal.ws import Socket

STACK = {"settings": {"push_offline_seconds": 1, "push_watch_check_seconds": 2}}
ALLOWED_LOG = [r"database-away|redis"]


async def watching(stack, watcher, *watched):
    """A socket that has been told how each of them is."""
    s = await Socket.open(stack, watcher.token)
    await s.hello()
    await s.send({"type": "presence_watch", "add": [w.id for w in watched]})
    for _ in watched:
        await s.until("presence")
    return s


async def here(stack, person):
    s = await Socket.open(stack, person.token)
    await s.hello()
    await s.send({"type": "active"})
    await s.send({"type": "ping"})
    await s.until("pong")
    return s


async def ends_with_offline(s, person, seconds=10):
    frame = await s.until("presence", seconds)
    while frame["data"]["status"] != "offline":
        frame = await s.until("presence", seconds)
    assert frame["data"] == {"user_id": person.id, "status": "offline", "last_seen_at": None}, "the last word says nothing"


def block(one, other):
    one.rest.put(f"/users/{other.id}/block", expect=204)


@pytest.mark.parametrize("blocking", [0, 1])
async def test_a_block_ends_watching_both_ways(stack, blocking):
    people = make_pair(stack)[:2]
    a, b = await watching(stack, people[0], people[1]), await watching(stack, people[1], people[0])
    block(people[blocking], people[1 - blocking])
    await ends_with_offline(a, people[1])
    await ends_with_offline(b, people[0])
    async with await here(stack, people[0]), await here(stack, people[1]):
        await a.none_of({"presence"}, 0.7)
        await b.none_of({"presence"}, 0.1)
    await a.none_of({"presence"}, 1.7)
    await b.none_of({"presence"}, 0.1)
    for s in (a, b):
        await s.close()


async def test_other_watchers_keep_watching(stack):
    a, b, _ = make_pair(stack)
    c = Person(stack)
    c.say(c.start(b), "hello")
    async with await watching(stack, a, b) as s, await watching(stack, c, b) as other:
        block(b, a)
        await ends_with_offline(s, b)
        await other.none_of({"presence"}, 0.3)
        async with await here(stack, b):
            assert (await other.until("presence"))["data"]["status"] == "online"
            await s.none_of({"presence"}, 0.5)


async def test_watching_again_needs_the_block_to_end(stack):
    a, b, _ = make_pair(stack)
    async with await watching(stack, a, b) as s, await here(stack, b):
        block(a, b)
        await ends_with_offline(s, b)
        await s.send({"type": "presence_watch", "add": [b.id]})
        await s.none_of({"presence"}, 0.5)
        a.rest.delete(f"/users/{b.id}/block", expect=204)
        await s.none_of({"presence"}, 0.3)
        await s.send({"type": "presence_watch", "add": [b.id]})
        assert (await s.until("presence"))["data"]["status"] == "online"


async def test_who_hides_is_watched_by_nobody(stack):
    a, b, _ = make_pair(stack)
    c = Person(stack)
    c.say(c.start(b), "hello")
    async with await watching(stack, a, b) as s, await watching(stack, c, b) as other, await here(stack, b):
        assert (await s.until("presence"))["data"]["status"] == "online"
        b.rest.patch("/me", {"privacy": {"last_seen": False}}, expect=200)
        await ends_with_offline(s, b)
        await ends_with_offline(other, b)
        await s.send({"type": "presence_watch", "add": [b.id]})
        await s.none_of({"presence"}, 0.5)
        b.rest.patch("/me", {"privacy": {"last_seen": True}}, expect=200)
        await s.send({"type": "presence_watch", "add": [b.id]})
        assert (await s.until("presence"))["data"]["status"] == "online"


async def test_a_block_while_the_watch_is_being_asked_for(stack):
    """Whichever comes first, nothing is shown once the block was answered."""
    for n in range(12):
        a, b, _ = make_pair(stack)
        async with await here(stack, b), await Socket.open(stack, a.token) as s:
            await s.hello()
            blocking = asyncio.create_task(asyncio.to_thread(block, *((a, b) if n % 2 else (b, a))))
            await asyncio.sleep(n * 0.0007)
            await s.send({"type": "presence_watch", "add": [b.id]})
            await blocking
            await asyncio.sleep(0.4)
            await s.send({"type": "ping"})
            await s.until("pong")
            shown = [f["data"]["status"] for f in s.frames if f["type"] == "presence"]
            assert not shown or shown[-1] == "offline", f"round {n}: {shown}"
            async with await here(stack, b):
                await s.none_of({"presence"}, 0.2)


async def test_a_block_while_redis_is_away(stack):
    a, b, _ = make_pair(stack)
    async with await watching(stack, a, b) as s:
        await operate(stack.stop, "redis")
        try:
            await asyncio.to_thread(block, b, a)
            await ends_with_offline(s, b, 5)
        finally:
            await operate(stack.start, "redis")
        await asyncio.sleep(1.5)
        async with await here(stack, b):
            await s.none_of({"presence"}, 1)


async def test_a_block_whose_worker_died_before_it_told(stack):
    """peal-jobs tells instead."""
    a, b, _ = make_pair(stack)
    async with await watching(stack, a, b) as s, await here(stack, b):
        assert (await s.until("presence"))["data"]["status"] == "online"
        truth.rows(stack, "SELECT person_block(%s, %s, true)", int(b.id), int(a.id))
        await ends_with_offline(s, b, 5)


async def test_whoever_shares_nothing_any_more(stack):
    """No event says so: the right is looked at again from time to time."""
    a, b, conversation = make_pair(stack)
    async with await watching(stack, a, b) as s, await here(stack, b):
        assert (await s.until("presence"))["data"]["status"] == "online"
        truth.rows(stack, "DELETE FROM member WHERE conversation_id = %s AND user_id = %s", int(conversation), int(b.id))
        await ends_with_offline(s, b, 40)


async def test_typing_over_the_socket_does_not_pass_a_block(stack):
    a, b, conversation = make_pair(stack)
    async with await Socket.open(stack, a.token) as s, await Socket.open(stack, b.token) as other:
        await s.hello()
        await other.hello()
        await other.send({"type": "typing", "conversation_id": conversation, "is_typing": True})
        await s.until("typing")
        block(a, b)
        for one in (s, other):
            await one.send({"type": "typing", "conversation_id": conversation, "is_typing": True})
        await s.none_of({"typing", "error"}, 0.5)
        await other.none_of({"typing", "error"}, 0.1)
