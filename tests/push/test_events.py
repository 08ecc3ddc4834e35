"""Every kind of event of the log, by every way that it comes: rung again by peal-jobs, replayed, polled, and asked for."""

import asyncio
import time

from peal import truth
from peal.device import Device, Poller
from peal.loop import operate, run
from peal.people import Person

STACK = {"settings": {"push_offline_seconds": 1}}
ALLOWED_LOG = [r"redis"]

NEW, CREATED, DELETED, EDITED, PINNED, UNPINNED, REACTED, UNREACTED, VOTED, ADDED, REMOVED, UPDATED = range(1, 13)
HEARD = {DELETED: "message_deleted", EDITED: "message_edited", PINNED: "message_pinned", UNPINNED: "message_unpinned",
         REACTED: "reaction_added", UNREACTED: "reaction_removed", VOTED: "poll_voted", ADDED: "member_added", REMOVED: "member_removed",
         UPDATED: "conversation_updated", CREATED: "skipped"}
MINE = ["read", "star", "hidden", "draft", "scheduled", "settings", "block", "profile", "removed"]


def write_all(stack, me, other, place, poll):
    """One event of each kind, as a worker leaves them that dies before it rings."""
    with truth.cursor(stack) as c:
        for kind in HEARD:
            about_message = kind not in (ADDED, REMOVED, UPDATED, CREATED)
            c.execute("SELECT event_rev(%s, %s::smallint, %s, %s, %s, %s)", (
                int(place), kind, int(other.id), (int(poll) if kind == VOTED else 1) if about_message else None,
                int(other.id) if kind in (ADDED, REMOVED) else None,
                "👍" if kind in (REACTED, UNREACTED) else "name" if kind == UPDATED else None))
        c.execute("SELECT event_rev(%s, 12::smallint, %s, NULL, %s, 'role')", (int(place), int(me.id), int(other.id)))
        for kind in range(1, 10):
            c.execute("SELECT event_user(%s, %s::smallint, %s, %s, %s)", (int(me.id), kind, int(place), 1, int(other.id)))


async def settle(*devices, timeout=15):
    end = time.monotonic() + timeout
    while not all(truth.has_arrived(d) for d in devices) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    for d in devices:
        assert truth.has_arrived(d), (d.places, d.user_rev, truth.user_rev(d.stack, d.person.id), dict(d.stats))
        assert not d.wrong


def begin(stack):
    me, other = Person(stack, "me"), Person(stack, "other")
    place = other.group(me, name="all kinds")
    other.say(place, "a message")
    poll = other.rest.post(f"/conversations/{place}/messages", {"client_id": "poll", "message_type": "poll", "poll": {
        "question": "?", "options": ["a", "b"]}}, expect=201)["seq"]
    return me, other, place, poll


def check(device, place):
    heard = [e["type"] for e in device.applied[place]]
    assert heard[-len(HEARD) - 1:] == [*HEARD.values(), "conversation_updated"]
    assert [e["kind"] for e in device.user_applied[-9:]] == MINE
    *_, role = device.applied[place]
    assert role["data"]["changed"] == ["role"] and role["data"]["member"]["role"] == "owner"
    assert device.user_applied[-1]["data"] == {"conversation_id": place, "seq": 0, "rev": 0}, "no removal in that transaction"


async def test_jobs_ring_again_for_all_kinds(stack):
    me, other, place, poll = await run(begin, stack)
    async with Device(me) as d:
        await settle(d)
        syncs = d.stats["syncs"]
        await run(write_all, stack, me, other, place, poll)
        await settle(d)
        await run(check, d, place)
        assert d.stats["syncs"] == syncs and d.stats["batch"] == 0 and d.stats["connections"] == 1


async def test_replay_and_sync_of_all_kinds(stack):
    me, other, place, poll = await run(begin, stack)
    async with Device(me) as d:
        await settle(d)
        since, places = d.since, dict(d.places)
    poller = Poller(me, since)
    poller.state.places |= places
    poller.state.user_rev = d.user_rev
    await run(write_all, stack, me, other, place, poll)
    d.stopping = False
    await d.start()
    await settle(d)
    await run(poller.catch_up)
    assert d.applied[place][-13:] == poller.applied[place][-13:] and d.user_applied[-9:] == poller.user_applied[-9:]
    for one in (d, poller):
        await run(check, one, place)
    await d.stop()


async def test_polled_while_redis_is_away(stack):
    me, other, place, poll = await run(begin, stack)
    async with Device(me) as d:
        await settle(d)
        await operate(stack.stop, "redis")
        await asyncio.sleep(0.5)
        await run(write_all, stack, me, other, place, poll)
        await settle(d)
        await run(check, d, place)
        await operate(stack.start, "redis")


async def test_all_come_the_same_way(stack):
    """What a device heard live, it is told later in the same order; what changed since is as it is then."""
    me, other, place, poll = await run(begin, stack)
    third = await run(lambda: Person(stack, "third"))
    d = await Device(me).start()
    since, places, rev = d.since, dict(d.places), d.user_rev

    def live():
        for method, path, body in (
                ("POST", f"/messages/{place}.2/reactions", {"emoji": "👍"}), ("PUT", f"/messages/{place}.2/pin", None),
                ("POST", f"/messages/{place}.{poll}/vote", {"options": [1]}), ("PATCH", f"/messages/{place}.2", {"content": "edited"}),
                ("DELETE", f"/messages/{place}.2/reactions?emoji=%F0%9F%91%8D", None), ("DELETE", f"/messages/{place}.2/pin", None),
                ("POST", f"/conversations/{place}/participants", {"user_ids": [third.id]}),
                ("PATCH", f"/conversations/{place}/participants/{third.id}", {"role": "admin"}),
                ("PATCH", f"/conversations/{place}", {"name": "another"}),
                ("DELETE", f"/conversations/{place}/participants/{third.id}", None)):
            reply = other.rest.call(method, path, body)
            assert reply.status < 300, reply
        for method, path, body in (
                ("POST", f"/messages/{place}.2/star", None), ("PUT", f"/conversations/{place}/draft", {"content": "draft"}),
                ("PUT", f"/conversations/{place}/settings", {"notify": "none"}), ("PUT", f"/users/{third.id}/block", None),
                ("PATCH", "/me", {"status_text": "here"}), ("POST", f"/messages/{place}.2/read", None),
                ("DELETE", f"/messages/{place}.1?for=me", None)):
            reply = me.rest.call(method, path, body)
            assert reply.status < 300, reply

    await run(live)
    await settle(d)
    assert d.stats["syncs"] == 0
    poller = Poller(me, since)
    poller.state.places |= places
    poller.state.user_rev = rev
    await run(poller.catch_up)
    assert d.user_applied[-len(poller.user_applied):] == poller.user_applied
    then = poller.applied[place]
    for heard, told in zip(d.applied[place][-len(then):], then, strict=True):
        assert (heard["seq"], heard["rev"]) == (told["seq"], told["rev"])
        assert heard["type"] == told["type"] or (heard["type"], told["type"]) == ("member_added", "skipped"), "and gone again"
        if heard["type"] in ("reaction_added", "reaction_removed"):
            assert {k: heard["data"][k] for k in ("user_id", "emoji")} == {k: told["data"][k] for k in ("user_id", "emoji")}
        if heard["type"] == "member_removed":
            assert heard == told
    end = [m["data"]["message"] for m in then if m["type"] == "message_edited"]
    assert [m["content"] for m in end] == ["edited"] and end[0]["rev"] == d.state.messages[place][2]["rev"]
    assert {s: m for s, m in d.state.messages[place].items() if s in poller.state.messages[place]} == poller.state.messages[place]
    await d.stop()
