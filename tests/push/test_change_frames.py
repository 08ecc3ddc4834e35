"""Changes of messages as two devices of each person hear them: live, and again by replay."""

import asyncio
import time

from peal import truth
from peal.device import Device
from peal.kinds import draft
from peal.loop import run
from peal.people import Person


def reactions(*pairs):
    return [{"emoji": e, "count": n} for e, n in pairs]


async def settled(devices, timeout=10):
    end = time.monotonic() + timeout
    for d in devices:
        while not truth.has_arrived(d):
            assert time.monotonic() < end, f"{d.device_id}: {d.places}, {d.user_rev}"
            await asyncio.sleep(0.02)
        assert not d.wrong, d.wrong


def heard(device, conversation, n):
    """The last n events of a conversation, as (type, data)."""
    return [(e["type"], e["data"]) for e in device.applied[conversation][-n:]]


def shared(message):
    """A message as it travels."""
    out = {k: v for k, v in message.items() if k not in ("starred", "status")}
    out["reactions"] = [{"emoji": r["emoji"], "count": r["count"]} for r in message["reactions"]]
    if out["poll"]:
        out["poll"] = {k: v for k, v in out["poll"].items() if k != "my_votes"}
    for moving in ("read_count", "delivered_count"):
        out.pop(moving)
    return out


def check_message(frame, type_, message, **more):
    assert frame[0] == type_, frame
    data = {**frame[1], "message": {k: v for k, v in frame[1]["message"].items() if k not in ("read_count", "delivered_count")}}
    assert data == {"message": shared(message), **more}


async def all_changes(a, b, conversation):
    """Does everything that can be done with messages; the answers, in order."""
    m = await run(a.say, conversation, "frist")
    poll = await run(lambda: a.rest.post(f"/conversations/{conversation}/messages", draft("poll"), expect=201).json)
    path = f"/messages/{m['id']}"
    calls = [
        lambda: a.rest.patch(path, {"content": "first"}, expect=200),
        lambda: b.rest.post(f"{path}/reactions", {"emoji": "👍"}, expect=200),
        lambda: a.rest.post(f"{path}/reactions", {"emoji": "👍"}, expect=200),
        lambda: b.rest.delete(f"{path}/reactions", query={"emoji": "👍"}, expect=200),
        lambda: b.rest.call("PUT", f"{path}/pin", expect=200),
        lambda: a.rest.delete(f"{path}/pin", expect=200),
        lambda: b.rest.post(f"/messages/{poll['id']}/vote", {"options": [0]}, expect=200),
        lambda: a.rest.delete(path, query={"for": "everyone"}, expect=200),
    ]
    replies = []
    for call in calls:
        replies.append((await run(call)).json)
        again = (await run(call)).json
        assert again["rev"] == replies[-1]["rev"], "the same again is no event"
    return m, poll, replies


def check_all(device, conversation, a, b, m, replies):
    frames = heard(device, conversation, 8)
    check_message(frames[0], "message_edited", replies[0])
    for frame, reply, who, type_, counts in zip(frames[1:4], replies[1:4], (b, a, b), ("reaction_added",) * 2 + ("reaction_removed",), (1, 2, 1)):
        assert frame == (type_, {"message_id": m["id"], "message_rev": reply["rev"], "user_id": who.id, "emoji": "👍", "reactions": reactions(("👍", counts))})
    check_message(frames[4], "message_pinned", replies[4])
    check_message(frames[5], "message_unpinned", replies[5])
    check_message(frames[6], "poll_voted", replies[6], user_id=b.id)
    check_message(frames[7], "message_deleted", replies[7])


async def test_everything_reaches_all_devices(stack, pair):
    a, b, conversation = pair
    devices = [Device(p) for p in (a, a, b, b)]
    for d in devices:
        await d.start()
    m, _, replies = await all_changes(a, b, conversation)
    await settled(devices)
    for d in devices:
        check_all(d, conversation, a, b, m, replies)
        assert d.stats["syncs"] == 0 and d.stats["connections"] == 1, dict(d.stats)
        await d.stop()


async def test_what_was_missed_is_replayed_as_it_is_now(stack, pair):
    """A device that was away is told the same changes in the same places, with nothing that was deleted since."""
    a, b, conversation = pair
    device = Device(b)
    await device.start()
    await settled([device])
    await device.stop()
    await all_changes(a, b, conversation)
    device.stopping = False
    async with device as d:
        await settled([d])
        assert d.mode == "resume" and d.stats["batch"]
        frames = heard(d, conversation, 8)
        assert [t for t, _ in frames] == ["message_edited", "reaction_added", "reaction_added", "reaction_removed", "message_pinned", "message_unpinned",
                                          "poll_voted", "message_deleted"]
        for type_, data in frames:
            if type_ == "poll_voted":
                continue
            if "message" in data:
                assert data["message"]["content"] is None and data["message"]["deleted_at"], "deleted text is nowhere"
            else:
                assert data["reactions"] == []


async def test_an_anonymous_poll_names_nobody(stack, pair):
    a, b, conversation = pair
    body = draft("poll", poll={"question": "?", "options": ["a", "b"], "anonymous": True})
    poll = await run(lambda: a.rest.post(f"/conversations/{conversation}/messages", body, expect=201).json)
    async with Device(a) as mine, Device(b) as theirs:
        await run(lambda: b.rest.post(f"/messages/{poll['id']}/vote", {"options": [1]}, expect=200))
        await settled([mine, theirs])
        for d in (mine, theirs):
            (type_, data), = heard(d, conversation, 1)
            assert (type_, data["user_id"], data["message"]["poll"]["voters"]) == ("poll_voted", None, 1)
            assert "my_votes" not in data["message"]["poll"]


async def test_what_is_mine_reaches_my_devices_only(stack, pair):
    a, b, conversation = pair
    devices = [Device(p) for p in (b, b, a)]
    for d in devices:
        await d.start()
    path = f"/messages/{conversation}.1"
    for call in (lambda: b.rest.post(f"{path}/star", expect=200), lambda: b.rest.delete(f"{path}/star", expect=200),
                 lambda: b.rest.delete(path, query={"for": "me"}, expect=204)):
        await run(call)
        await run(call)
    await settled(devices)
    for d in devices[:2]:
        assert [(e["kind"], e["data"]) for e in d.user_applied[-3:]] == [
            ("star", {"message_id": f"{conversation}.1", "starred": True}), ("star", {"message_id": f"{conversation}.1", "starred": False}),
            ("hidden", {"message_id": f"{conversation}.1"})]
    assert not [e for e in devices[2].user_applied if e["kind"] in ("star", "hidden")]
    await run(lambda: a.rest.patch(path, {"content": "edited"}, expect=200))
    await run(lambda: a.rest.post(f"{path}/reactions", {"emoji": "🎉"}, expect=200))
    await settled(devices)
    for d in devices[:2]:
        assert [e["type"] for e in d.applied[conversation][-2:]] == ["skipped", "skipped"], "changes of what I deleted for me"
    assert [e["type"] for e in devices[2].applied[conversation][-2:]] == ["message_edited", "reaction_added"]
    for d in devices:
        await d.stop()


async def test_marks_and_their_times(stack, pair):
    """Acknowledging is delivery, reading is reading; both reach the sender, and whoever keeps receipts back tells nothing."""
    a, b, conversation = pair
    async with Device(a) as mine:
        async with Device(b):
            m = await run(a.say, conversation, "hello?")
            await mine.until(lambda d: d.marks.get((conversation, b.id, "message_delivered")) == m["seq"], what="told of the delivery")
        (receipt,), = [(await run(lambda: a.rest.get(f"/messages/{m['id']}/receipts", expect=200)))["items"]]
        assert receipt["status"] == "delivered" and receipt["delivered_at"] and receipt["read_at"] is None
        await run(lambda: b.rest.patch("/me", {"privacy": {"read_receipts": False}}, expect=200))
        await run(lambda: b.rest.patch(f"/conversations/{conversation}/read", {"seq": m["seq"]}, expect=200))
        await run(lambda: b.rest.patch("/me", {"privacy": {"read_receipts": True}}, expect=200))
        await settled([mine])
        assert (conversation, b.id, "message_read") not in mine.marks or mine.marks[conversation, b.id, "message_read"] < m["seq"]
        after = await run(a.say, conversation, "and now?")
        await run(lambda: b.rest.post(f"/messages/{after['id']}/read", expect=200))
        await mine.until(lambda d: d.marks.get((conversation, b.id, "message_read")) == after["seq"], what="told of the reading")


async def test_an_admin_of_a_group(stack):
    ann, ben, cat = (Person(stack, n) for n in ("ann", "ben", "cat"))
    group = await run(lambda: ann.group(ben, cat))
    m = await run(cat.say, group, "to be pinned")
    async with Device(ben) as one, Device(cat) as other:
        await run(lambda: ann.rest.call("PUT", f"/messages/{m['id']}/pin", expect=200))
        await run(lambda: ann.rest.delete(f"/messages/{m['id']}", query={"for": "everyone"}, expect=200))
        await settled([one, other])
        for d in (one, other):
            frames = heard(d, group, 2)
            assert [t for t, _ in frames] == ["message_pinned", "message_deleted"]
            assert frames[1][1]["message"]["pinned"] is False and frames[1][1]["message"]["content"] is None
