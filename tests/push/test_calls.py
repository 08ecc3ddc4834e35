"""What remains of a call: one message, made by the server when it is over, whoever dies on the way."""

import asyncio
import time

import pytest

from peal import truth
from peal.loop import operate, run
from peal.people import Person
from peal.ws import Socket

STACK = {"push_processes": 2, "settings": {"call_gone_seconds": 6, "call_ring_seconds": 4}}
ALLOWED_LOG = [r"connect\(\) to unix:\S+/sock/\S+ failed", r"worker_died", r"recv\(\) failed", r"upstream prematurely closed"]


async def live(stack, *people):
    sockets = [await Socket.open(stack, p.token) for p in people]
    for i, s in enumerate(sockets):
        await s.hello(f"d{i}")
    return sockets


async def closed(sockets):
    for s in sockets:
        await s.close()


def signal(conversation, kind, call="call-1", **more):
    return {"type": "signal", "conversation_id": conversation, "call_id": call, "kind": kind, "payload": {}, **more}


def records(person, conversation):
    return [(m["sender_id"], m["call"]) for m in person.history(conversation)["messages"] if m["message_type"] == "call"]


async def record(person, conversation, seconds=30):
    """The one record, when it is there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = await run(records, person, conversation)
        if found:
            assert len(found) == 1, found
            return found[0]
        await asyncio.sleep(0.2)
    raise AssertionError("no record of the call")


async def talk(sa, sb, conversation, call="call-1", **offer):
    """Offered and answered, and both know."""
    await sa.send(signal(conversation, "offer", call, **offer))
    await sb.until("signal")
    await sb.send(signal(conversation, "answer", call))
    assert (await sa.until("signal"))["data"]["kind"] == "answer"


async def hears(socket, person, kind):
    """The next signal of this kind from them, whatever others say."""
    while (said := (await socket.until("signal"))["data"])["user_id"] != person.id or said["kind"] != kind:
        pass


async def test_hung_up(stack, pair):
    a, b, conversation = pair
    unread = (await run(b.rest.get, f"/conversations/{conversation}"))["unread_count"]
    sockets = sa, sb = await live(stack, a, b)
    await talk(sa, sb, conversation, media="video")
    truth.rows(stack, "UPDATE call SET answered_at = now() - interval '75 seconds' WHERE conversation_id = %s", int(conversation))
    await sb.send(signal(conversation, "hangup"))
    for s in (sa, sb):
        message = (await s.until("new_message"))["data"]["message"]
        lasted = message["call"].pop("duration_seconds")
        assert message["call"] == {"call_id": "call-1", "media": "video", "outcome": "completed"} and 75 <= lasted < 90
        assert (message["sender_id"], message["client_id"], message["content"]) == (a.id, None, None)
    assert (await run(b.rest.get, f"/conversations/{conversation}"))["unread_count"] == unread + 1
    for again in ("hangup", "offer", "answer", "hangup"):
        await sa.send(signal(conversation, again))
    await sa.send({"type": "ping"})
    await sa.until("pong")
    draft = {"client_id": "mine", "message_type": "call", "call": {"call_id": "call-1", "media": "audio", "outcome": "missed"}}
    refused = await sb.request(9, "POST", f"/api/v1/conversations/{conversation}/messages", draft)
    assert (refused["status"], refused["body"]["code"]) == (409, "conflict")
    assert len(await run(records, a, conversation)) == 1
    await closed(sockets)


@pytest.mark.parametrize("who, reason, outcome", [("caller", None, "missed"), ("caller", "failed", "failed"), ("other", None, "declined"), ("other", "busy", "busy")])
async def test_not_answered(stack, pair, who, reason, outcome):
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await sa.send(signal(conversation, "offer"))
    await sb.until("signal")
    await (sa if who == "caller" else sb).send(signal(conversation, "hangup", **({"reason": reason} if reason else {})))
    sender, call = await record(a, conversation)
    assert (sender, call) == (a.id, {"call_id": "call-1", "media": "audio", "outcome": outcome, "duration_seconds": 0})
    await closed(sockets)


async def test_it_rings_out(stack, pair):
    """Nobody hangs up, the other is not even there."""
    a, b, conversation = pair
    (sa,) = await live(stack, a)
    await sa.send(signal(conversation, "offer"))
    assert (await record(b, conversation))[1]["outcome"] == "missed"
    assert (await sa.until("new_message"))["data"]["message"]["call"]["outcome"] == "missed"
    await sa.close()


async def test_both_call_at_once(stack, pair):
    """One of the two has called, the other is told to answer; the record is one. So it is each time."""
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    for n in range(8):
        await asyncio.gather(sa.send(signal(conversation, "offer", f"a{n}", id=n)), sb.send(signal(conversation, "offer", f"b{n}", id=n)))
        first = await asyncio.gather(*(next_of(s, "response") for s in sockets))
        statuses = [frame["status"] for frame, _ in first]
        assert sorted(statuses) == [204, 409], first
        winner = statuses.index(204)
        caller, called = sockets[winner], sockets[1 - winner]
        assert first[1 - winner][0]["body"]["code"] == "conflict"
        passed = [f for f in first[1 - winner][1] if f["type"] == "signal"]
        heard = (passed[0] if passed else await called.until("signal"))["data"]
        assert (heard["call_id"], heard["kind"]) == (f"{'ab'[winner]}{n}", "offer")
        await called.send(signal(conversation, "answer", heard["call_id"]))
        assert (await caller.until("signal"))["data"]["kind"] == "answer"
        await caller.send(signal(conversation, "hangup", heard["call_id"]))
        for s in sockets:
            while (await s.until("signal"))["data"]["kind"] != "hangup":
                pass
            await s.until("new_message")
    assert [c["outcome"] for _, c in await run(records, a, conversation)] == ["completed"] * 8
    await closed(sockets)


async def next_of(socket, type_):
    """The next frame of this type, and those before it."""
    before = []
    while (frame := await socket.recv())["type"] != type_:
        before.append(frame)
    return frame, before


async def test_calling_back(stack, pair):
    """Somebody called and their device died: after ten seconds, or when it was declined, one calls them."""
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await sa.send(signal(conversation, "offer", "first"))
    await sb.until("signal")
    await sb.send(signal(conversation, "offer", "mine", id=1))
    assert (await sb.until("response"))["status"] == 409
    truth.rows(stack, "UPDATE call SET started_at = started_at - interval '10 seconds' WHERE conversation_id = %s", int(conversation))
    await sb.send(signal(conversation, "offer", "mine", id=2))
    assert (await sb.until("response"))["status"] == 204
    await sb.send(signal(conversation, "hangup", "mine"))
    await sa.send(signal(conversation, "hangup", "first"))
    await sa.send(signal(conversation, "offer", "second"))
    while (await sb.until("signal"))["data"]["call_id"] != "second":
        pass
    await sb.send(signal(conversation, "hangup", "second", id=3))
    assert (await sb.until("response"))["status"] == 204
    await sb.send(signal(conversation, "offer", "third", id=4))
    assert (await sb.until("response"))["status"] == 204
    await closed(sockets)


async def test_groups_begin_as_many_as_they_like(stack):
    a, b, c = (Person(stack) for _ in range(3))
    group = a.group(b, c)
    sockets = await live(stack, a, b)
    for s, name in zip(sockets, "ab"):
        await s.send(signal(group, "offer", name, id=1))
        assert (await s.until("response"))["status"] == 204
    await closed(sockets)


async def test_a_group_talks_until_two_are_left(stack):
    a, b, c, d = (Person(stack) for _ in range(4))
    group = a.group(b, c, d)
    sockets = sa, sb, sc, sd = await live(stack, a, b, c, d)
    await talk(sa, sb, group)
    await sd.until("signal")
    await sd.send(signal(group, "hangup"))                  # does not come
    await sc.send(signal(group, "offer", to=a.id))          # joins
    await hears(sa, c, "offer")
    await sa.send(signal(group, "hangup", to=c.id))         # one line of several
    await sa.send(signal(group, "hangup"))                  # the caller leaves, two go on
    for _ in range(2):
        await hears(sc, a, "hangup")
    assert await run(records, b, group) == []
    await sb.send(signal(group, "hangup"))
    sender, call = await record(c, group)
    assert sender == a.id and call["outcome"] == "completed"
    await closed(sockets)


async def test_nobody_comes_back(stack, pair):
    """A push process dies under both, and they with it: the call lasted until then."""
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await talk(sa, sb, conversation)
    for i in range(2):
        await operate(stack.kill, f"peal-push-{i}")
    began = time.monotonic()
    for i in range(2):
        await operate(stack.start, f"peal-push-{i}")
    sender, call = await record(a, conversation)
    assert (sender, call["outcome"]) == (a.id, "completed") and call["duration_seconds"] <= time.monotonic() - began + 3
    await closed(sockets)


async def test_they_come_back(stack, pair):
    """The process dies under a call, its people are back in time: the call goes on, and its one record is made when they hang up."""
    a, b, conversation = pair
    before = await live(stack, a, b)
    await talk(*before, conversation)
    for i in range(2):
        await operate(stack.kill, f"peal-push-{i}")
        await operate(stack.start, f"peal-push-{i}")
    sockets = sa, sb = await live(stack, a, b)
    await asyncio.sleep(8)      # longer than it takes to be gone
    assert await run(records, a, conversation) == []
    await sa.send(signal(conversation, "hangup"))
    assert (await sb.until("new_message"))["data"]["message"]["call"]["outcome"] == "completed"
    assert len(await run(records, a, conversation)) == 1
    await closed([*before, *sockets])


async def test_the_worker_dies_before_it_tells(stack, pair):
    """The hangup is committed and nobody has heard of it: the record comes all the same, once, whoever hangs up again."""
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await talk(sa, sb, conversation)
    await operate(stack.fail, "signal.before_publish")
    await sa.send(signal(conversation, "hangup"))
    assert (await sb.until("new_message", timeout=20))["data"]["message"]["call"]["outcome"] == "completed"
    await sa.send(signal(conversation, "hangup"))
    await sb.send(signal(conversation, "hangup"))
    await sb.send({"type": "ping"})
    await sb.until("pong")
    assert len(await run(records, a, conversation)) == 1
    await closed(sockets)


async def test_a_block_and_a_leaving_leave_nothing(stack, pair):
    """Nothing of somebody whom I blocked comes to our conversation, and nobody says anything who is not there."""
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await talk(sa, sb, conversation)
    await run(lambda: b.rest.put(f"/users/{a.id}/block", expect=204))
    await sb.send(signal(conversation, "hangup"))
    c = await run(Person, stack)
    group = await run(lambda: a.group(c))
    (sc,) = await live(stack, c)
    await talk(sa, sc, group)
    await run(lambda: a.rest.delete(f"/conversations/{group}/participants/{a.id}", expect=204))
    await sc.send(signal(group, "hangup"))
    until = time.monotonic() + 30
    while truth.rows(stack, "SELECT 1 FROM call WHERE conversation_id IN (%s, %s) AND ended_at IS NULL", int(conversation), int(group)):
        assert time.monotonic() < until
        await asyncio.sleep(0.2)
    assert await run(records, b, conversation) == [] and await run(records, c, group) == []
    await closed([*sockets, sc])
