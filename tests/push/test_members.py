"""Groups on sockets: each device hears every change of what it is in, as REST shows it, and nothing of what it is not in any more."""

import asyncio
import time

from peal import truth
from peal.device import Device
from peal.loop import run
from peal.people import Person
from peal.ws import Socket

LATER = "2031-01-02T03:04:05.678Z"


async def settle(*devices, timeout=10):
    """Until every device is where the database is."""
    end = time.monotonic() + timeout
    while not all(truth.has_arrived(d) for d in devices) and time.monotonic() < end:
        await asyncio.sleep(0.03)
    for d in devices:
        truth.check_device(d)


async def devices_of(*people):
    return [await Device(p).start() for p in people for _ in range(2)]


async def stop(devices):
    for d in devices:
        await d.stop()


def agrees(device, group):
    """What the device made of the events is what REST says."""
    seen = device.person.conversation(group)
    assert device.state.conversations[group] == device.state.shared(seen)
    assert device.state.members[group] == {p["user"]["id"]: p["role"] for p in seen["participants"]}
    assert device.state.settings[group] == {k: seen["my"][k] for k in ("notify", "muted_until", "archived", "pinned")}
    assert device.state.drafts.get(group) == seen["my"]["draft"]


def kinds(device, group):
    return [e["type"] for e in device.applied[group]]


def call(person, method, path, body=None):
    return run(lambda: person.rest.call(method, f"/conversations/{path}", body))


async def test_two_devices_of_each_see_every_change(stack):
    ann, ben, cat = (Person(stack, n) for n in ("ann", "ben", "cat"))
    devices = await devices_of(ann, ben, cat)
    group = await run(lambda: ann.group(ben, name="Club"))
    await settle(*devices)
    assert [group in d.places for d in devices] == [True] * 4 + [False] * 2
    people = f"{group}/participants"
    for method, path, body in (
            ("POST", people, {"user_ids": [cat.id]}), ("PATCH", group, {"name": "Book club", "ttl_seconds": 86400, "history": "all"}),
            ("PATCH", f"{people}/{ben.id}", {"role": "admin"}), ("PATCH", group, {"slow_mode_seconds": 5, "retention_days": 9}),
            ("PATCH", f"{people}/{ben.id}", {"role": "owner"}), ("DELETE", f"{people}/{ann.id}", None)):
        reply = await call(ann, method, path, body)
        assert reply.status < 300, reply
        await settle(*devices)
        for d in devices:
            if group in d.places:
                await run(agrees, d, group)
    assert [group in d.places for d in devices] == [False] * 2 + [True] * 4
    heard = ["conversation_created", "new_message", "member_added", "new_message", "conversation_updated"] + ["new_message"] * 3 + \
        ["conversation_updated", "new_message"] * 3 + ["member_removed", "new_message"]
    assert kinds(devices[2], group) == kinds(devices[3], group) == heard
    assert kinds(devices[4], group) == kinds(devices[5], group) == ["conversation_created"] + heard[3:], "from the moment of joining"
    assert all(d.stats["syncs"] == 0 and d.stats["connections"] == 1 for d in devices), [dict(d.stats) for d in devices]
    removed = [e for e in devices[0].user_applied if e["kind"] == "removed"]
    assert [e["data"]["conversation_id"] for e in removed] == [group] and devices[1].user_applied == devices[0].user_applied
    await stop(devices)


async def test_what_is_mine_reaches_my_other_devices_alone(stack):
    ann, ben = Person(stack, "ann"), Person(stack, "ben")
    group = await run(lambda: ann.group(ben))
    await run(ann.say, group, "hello")
    devices = await devices_of(ann, ben)
    for d in devices:
        await run(d.load, group)
    for method, path, body in (("PUT", "settings", {"archived": True, "notify": "mentions", "muted_until": LATER, "pinned": True}),
                               ("PUT", "draft", {"content": "dear", "reply_to": f"{group}.2"}), ("POST", "unread", {"seq": 2}),
                               ("PUT", "settings", {"muted_until": None}), ("DELETE", "draft", None)):
        assert (await call(ben, method, f"{group}/{path}", body)).status < 300
        await settle(*devices)
        for d in devices:
            await run(agrees, d, group)
    assert [[e["kind"] for e in d.user_applied] for d in devices] == [[], []] + [["settings", "draft", "read", "settings", "draft"]] * 2
    unread = devices[2].user_applied[2]["data"]
    assert (unread["unread_from"], unread["unread_count"]) == (2, 1)
    assert not any(d.applied[group] for d in devices), "nothing of it is the conversation's"
    await stop(devices)


async def test_who_is_removed_hears_nothing_from_that_moment(stack):
    """While others talk as fast as they can. Two who publish at once may come in the other order; clients hold what is early."""
    ann, ben, cat = (Person(stack, n) for n in ("ann", "ben", "cat"))
    before = 0
    for _ in range(5):
        group = await run(lambda: ann.group(ben, cat))
        async with await Socket.open(stack, cat.token) as s:
            await s.hello()

            def talk(who):
                for i in range(25):
                    who.say(group, f"{i}")
            talking = [asyncio.create_task(run(talk, p)) for p in (ann, ben)]
            await asyncio.sleep(0.02)
            assert (await call(ann, "DELETE", f"{group}/participants/{cat.id}")).status == 204
            await asyncio.gather(*talking)
            told = await s.until("user_changed")
            assert told["kind"] == "removed" and told["data"]["conversation_id"] == group
            heard = [f for f in s.frames if f.get("conversation_id") == group]
            while True:
                try:
                    heard += [f for f in [await s.recv(0.3)] if f.get("conversation_id") == group]
                except asyncio.TimeoutError:
                    break
        (removed,), = truth.rows(stack, "SELECT position FROM event WHERE conversation_id = %s AND kind = 11", int(group))
        positions = [f["seq"] + f["rev"] for f in heard if "seq" in f]
        assert sorted(positions) == list(range(3, 3 + len(positions))) and all(p < removed for p in positions), (removed, positions)
        assert {f["type"] for f in heard} <= {"new_message"}
        before += len(positions)
    assert before, "nothing was said before the removal: this proves nothing"


async def test_removed_and_added_while_away(stack):
    """A device that comes back hears that the group is gone, or that it begins anew; nothing of what was said without it."""
    ann, ben, cat = (Person(stack, n) for n in ("ann", "ben", "cat"))
    gone, back, kept = [await run(lambda: ann.group(ben, cat, history="joined")) for _ in range(3)]
    device = await Device(cat).start()
    await run(device.load, gone, back, kept)
    await settle(device)
    await device.stop()
    device.stopping = False
    for group in (gone, back, kept):
        await run(ben.say, group, "last words that cat may hear")
        if group != kept:
            await call(ann, "DELETE", f"{group}/participants/{cat.id}")
            await run(ben.say, group, "cat is not here")
    await call(ann, "POST", f"{back}/participants", {"user_ids": [cat.id]})
    await run(ann.say, back, "welcome back")
    await device.start()
    await settle(device)
    assert gone not in device.places and [m["content"] for m in device.state.view(gone)] == []
    assert kinds(device, back) == ["conversation_created", "new_message", "new_message"]
    assert [m["content"] for m in device.state.view(back)] == [None, "welcome back"]
    assert [m["content"] for m in device.state.view(kept)][-1] == "last words that cat may hear"
    for group in (back, kept):
        await run(agrees, device, group)
    await device.stop()
