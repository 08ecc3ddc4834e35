"""One who floods the others with signals uses up their own allowance; calls of others go on."""

import asyncio

from peal.people import Person, pair
from test_signals import closed, live, signal

ALLOWED = 12
STACK = {"settings": {"rate_typing_per_minute": ALLOWED}}


async def test_a_flood_of_signals(stack):
    a, b, conversation = pair(stack)
    c, d = Person(stack), Person(stack)
    others = c.start(d)
    c.say(others, "hello")
    sockets = sa, sb, sc, sd = await live(stack, a, b, c, d)
    for n in range(30):
        await sa.send(signal(conversation, "candidate" if n else "offer", {"n": n}, id=n))
    await sc.send(signal(others, "offer", call_id="theirs"))
    assert (await sd.until("signal"))["data"]["call_id"] == "theirs"
    await sd.send(signal(others, "answer", call_id="theirs"))
    assert (await sc.until("signal"))["data"]["kind"] == "answer"
    statuses = [(await sa.until("response"))["status"] for _ in range(30)]
    passed = statuses.count(204)
    assert ALLOWED <= passed <= ALLOWED + 6 and statuses[ALLOWED + 6:] == [429] * (24 - ALLOWED), statuses       # it comes back, one in five seconds
    assert [(await sb.until("signal"))["data"]["payload"]["n"] for _ in range(passed)] == [n for n, s in enumerate(statuses) if s == 204]
    await sb.send(signal(conversation, "hangup"))
    assert (await sa.until("signal"))["data"]["kind"] == "hangup", "whoever is flooded gets out"
    await asyncio.gather(closed(sockets))
