"""WebRTC signalling: passed on, as it came, to those who may hear it now, and to nobody else."""

import pytest

from peal.loop import run
from peal.people import Person
from peal.ws import Socket

STACK = {"push_processes": 2}
SDP = {"sdp": "v=0\r\no=- 46117317 2 IN IP4 127.0.0.1\r\n", "nested": {"a": [1, 2.5, None, "ü 👩‍🚀"]}}


async def live(stack, *people):
    sockets = [await Socket.open(stack, p.token) for p in people]
    for i, s in enumerate(sockets):
        await s.hello(f"d{i}")
    return sockets


def signal(conversation, kind, payload=None, **more):
    return {"type": "signal", "conversation_id": conversation, "call_id": "call-1", "kind": kind, "payload": payload or {}, **more}


async def closed(sockets):
    for s in sockets:
        await s.close()


async def test_a_call(stack, pair):
    """Offer, answer, candidates both ways, hangup; and the message that remains of it."""
    a, b, conversation = pair
    sa, sb, sb2 = sockets = await live(stack, a, b, b)
    await sa.send(signal(conversation, "offer", SDP, media="video"))
    for s in (sb, sb2):
        heard = await s.until("signal")
        assert heard["data"] == {"user_id": a.id, "call_id": "call-1", "kind": "offer", "to": None, "media": "video", "reason": None,
                                  "payload": SDP}
    await sb.send(signal(conversation, "answer", SDP, to=a.id))
    assert (await sa.until("signal"))["data"]["kind"] == "answer"
    assert (await sb2.until("signal"))["data"]["user_id"] == b.id, "the other device stops ringing"
    await sa.send(signal(conversation, "candidate", {"n": 1}))
    await sb.until("signal")        # its own answer came back
    assert (await sb.until("signal"))["data"]["payload"] == {"n": 1}
    await sb.send(signal(conversation, "candidate", {"n": 2}))
    assert (await sa.until("signal"))["data"]["payload"] == {"n": 2}
    await sa.send(signal(conversation, "hangup"))
    assert (await sb.until("signal"))["data"]["kind"] == "hangup"
    assert (await sb.until("new_message"))["data"]["message"]["call"]["outcome"] == "completed"
    await closed(sockets)


async def test_to_one_of_a_group(stack):
    a, b, c, d = (Person(stack) for _ in range(4))
    group = a.group(b, c, d)
    sockets = sa, sb, sc = await live(stack, a, b, c)
    await sa.send(signal(group, "offer", SDP, to=b.id))
    assert (await sb.until("signal"))["data"]["to"] == b.id
    await sc.none_of({"signal"}, 0.4)
    await sa.send(signal(group, "candidate"))
    assert (await sc.until("signal"))["data"]["kind"] == "candidate"
    await closed(sockets)


async def test_membership_is_looked_at_each_time(stack):
    a, b, c = (Person(stack) for _ in range(3))
    group = a.group(b, c)
    sockets = sa, sb, sc = await live(stack, a, b, c)
    await sa.send(signal(group, "offer"))
    await sb.until("signal")
    await sc.until("signal")
    await run(lambda: a.rest.delete(f"/conversations/{group}/participants/{b.id}", expect=204))
    await sa.send(signal(group, "candidate"))
    await sc.until("signal")
    await sb.none_of({"signal"}, 0.4)
    for wrong in (signal(group, "answer"), signal("999999", "offer")):
        await sb.send(wrong)
        assert (await sb.until("error"))["code"] == "not_found"
    await sa.send(signal(group, "candidate", to=b.id))
    assert (await sa.until("error"))["code"] == "not_found"
    await sc.none_of({"signal"}, 0.3)
    await closed(sockets)


async def test_not_after_a_block(stack, pair):
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await run(lambda: b.rest.put(f"/users/{a.id}/block", expect=204))
    await sa.send(signal(conversation, "offer"))
    await sb.none_of({"signal"}, 0.5)
    await closed(sockets)


@pytest.mark.parametrize("bad", [{"kind": "ring"}, {"call_id": ""}, {"call_id": "x" * 65}, {"payload": "text"}, {"payload": None}, {"to": "me"}, {"to": 7},
                                 {"conversation_id": "x"}])
async def test_bad_ones(stack, pair, bad):
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await sa.send(signal(conversation, "offer") | bad, valid=False)
    assert (await sa.until("error"))["code"] in ("invalid", "bad_json")
    await sb.none_of({"signal"}, 0.2)
    await closed(sockets)


async def test_nobody_keeps_them(stack, pair):
    """Whoever was away hears nothing of it later."""
    a, b, conversation = pair
    (sa,) = await live(stack, a)
    await sa.send(signal(conversation, "offer", id=1))
    assert (await sa.until("response"))["status"] == 204
    async with await Socket.open(stack, b.token) as sb:
        await sb.hello()
        await sb.none_of({"signal"}, 0.4)
    await sa.close()


async def test_in_the_order_in_which_they_were_sent(stack, pair):
    """As many as may wait, in one go: the offer first, then what belongs to it. Notices of typing likewise."""
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    for n in range(30):
        await sa.send(signal(conversation, "candidate" if n else "offer", {"n": n}))
    assert [(await sb.until("signal"))["data"]["payload"]["n"] for _ in range(30)] == list(range(30))
    for n in range(30):
        await sa.send({"type": "typing", "conversation_id": conversation, "is_typing": n % 2 == 0})
    assert [(await sb.until("typing"))["data"]["is_typing"] for _ in range(30)] == [n % 2 == 0 for n in range(30)]
    await closed(sockets)


async def test_an_answer_for_who_wants_one(stack, pair):
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await sa.send(signal(conversation, "offer", id=7))
    answer = await sa.until("response")
    assert (answer["id"], answer["status"], answer["body"]) == (7, 204, None)
    await sa.send(signal("999999", "offer", id=0))
    answer = await sa.until("response")
    assert (answer["id"], answer["status"], answer["body"]["code"]) == (0, 404, "not_found")
    await sa.send(signal(conversation, "offer", id=9) | {"kind": "ring"}, valid=False)
    answer = await sa.until("response")
    assert (answer["id"], answer["status"]) == (9, 400)
    await closed(sockets)


async def test_a_reason_is_heard(stack, pair):
    a, b, conversation = pair
    sockets = sa, sb = await live(stack, a, b)
    await sa.send(signal(conversation, "offer"))
    assert (await sb.until("signal"))["data"]["media"] is None
    await sb.send(signal(conversation, "hangup", reason="busy"))
    assert (await sa.until("signal"))["data"]["reason"] == "busy"
    await closed(sockets)
