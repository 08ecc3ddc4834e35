"""Blocks, who may see whose presence, privacy, and the stream that tells my other devices."""

import asyncio
import threading

import pytest

from peal import truth
from peal.people import Person, pair as make_pair
from peal.ws import Socket

ALLOWED_LOG = [r"redis"]


def blocked_by(person):
    got, cursor = [], {}
    while True:
        page = person.rest.get("/blocks", query={"limit": 2, **cursor}, expect=200)
        assert len(page["items"]) <= 2
        got += page["items"]
        if page["next_cursor"] is None:
            return got
        cursor = {"cursor": page["next_cursor"]}


def stream(stack, person):
    """[(user_rev, kind, target_id)] of a person's own stream."""
    return truth.rows(stack, "SELECT user_rev, kind, target_id FROM user_event WHERE user_id = %s ORDER BY user_rev", int(person.id))


def presence(asking, of):
    return asking.rest.get(f"/users/{of.id}/presence")


# -- blocks


def test_block_list_and_unblock(stack, person):
    others = [Person(stack, f"other{i}") for i in range(5)]
    for other in others:
        person.rest.put(f"/users/{other.id}/block", expect=204)
    listed = blocked_by(person)
    assert [b["user"]["id"] for b in listed] == [o.id for o in reversed(others)], "newest first"
    assert listed[0]["user"] == person.rest.get(f"/users/{others[4].id}").json
    assert blocked_by(others[0]) == [], "whom I block is mine alone to know"
    person.rest.delete(f"/users/{others[2].id}/block", expect=204)
    assert others[2].id not in [b["user"]["id"] for b in blocked_by(person)]


def test_blocking_again_changes_nothing(stack, person):
    other = Person(stack)
    for method, count in ((person.rest.put, 1), (person.rest.put, 1), (person.rest.delete, 2), (person.rest.delete, 2)):
        method(f"/users/{other.id}/block", expect=204)
        assert len(stream(stack, person)) == count
    assert stream(stack, person) == [(1, 7, int(other.id)), (2, 7, int(other.id))]
    assert stream(stack, other) == [], "the other person is not told"


def test_who_cannot_be_blocked(person):
    for method in (person.rest.put, person.rest.delete):
        reply = method(f"/users/{person.id}/block", expect=(400, "invalid"))
        assert reply["errors"] == [{"path": "id", "code": "range", "message": "Nobody blocks themselves."}]
        method("/users/987654321/block", expect=(404, "not_found"))


@pytest.mark.parametrize("query, path, code", [("limit=0", "limit", "range"), ("limit=101", "limit", "range"), ("cursor=%21", "cursor", "format"),
                                               ("cursor=MS4", "cursor", "format"), ("cursor=" + "A" * 129, "cursor", "too_long")])
def test_block_list_refuses(person, query, path, code):
    reply = person.rest.get("/blocks", exact_query=query, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_disabled_people_are_not_found_but_can_be_blocked(stack, person):
    other = Person(stack, "goner")
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(other.id))
    assert person.rest.get("/users", query={"q": other.username}, expect=200)["items"] == []
    person.rest.put(f"/users/{other.id}/block", expect=204)
    assert person.rest.get(f"/users/{other.id}", expect=200)["id"] == other.id, "what they have said has still a name"


def test_the_directory_does_not_tell_of_blocks(stack, person):
    other = Person(stack)
    other.rest.put(f"/users/{person.id}/block", expect=204)
    person.rest.get(f"/users/{other.id}", expect=200)
    assert [u["id"] for u in person.rest.get("/users", query={"q": other.username})["items"]] == [other.id]
    assert [u["id"] for u in other.rest.get("/users", query={"q": person.username})["items"]] == [person.id]


def test_nothing_is_sent_once_a_block_was_answered(stack):
    """Whoever was sending has finished before the answer to the block, or is refused."""
    a, b, conversation = make_pair(stack)
    stop, refused = threading.Event(), []

    def send():
        client = b.rest.as_(b.token)
        for n in range(2000):
            if stop.is_set():
                break
            reply = client.post(f"/conversations/{conversation}/messages", {"client_id": f"{threading.get_ident()}-{n}", "message_type": "text",
                                                                            "content": "more"})
            if reply.status == 403:
                refused.append(reply.code)
                break
        client.close()
    senders = [threading.Thread(target=send) for _ in range(3)]
    for s in senders:
        s.start()
    while a.conversation(conversation)["last_seq"] < 20:
        pass
    a.rest.put(f"/users/{b.id}/block", expect=204)
    last = a.conversation(conversation)["last_seq"]
    for s in senders:
        s.join(20)
    stop.set()
    assert refused == ["blocked"] * 3
    assert a.conversation(conversation)["last_seq"] == last


# -- presence


def test_presence_of_one(stack):
    a, b, _ = make_pair(stack)
    assert presence(a, b).json == {"user_id": b.id, "status": "offline", "last_seen_at": None}

    async def run():
        async with await Socket.open(stack, b.token) as s:
            await s.hello()
            await s.send({"type": "active"})
            await s.send({"type": "ping"})
            await s.until("pong")
            assert presence(a, b).json == {"user_id": b.id, "status": "online", "last_seen_at": None}
    asyncio.run(run())
    truth.rows(stack, "UPDATE users SET last_seen_at = '2026-01-02T03:04:05.678Z' WHERE id = %s", int(a.id))
    assert presence(b, a).json == {"user_id": a.id, "status": "offline", "last_seen_at": "2026-01-02T03:04:05.678Z"}
    assert presence(a, a)["user_id"] == a.id


def test_presence_is_for_people_who_share_a_conversation(stack):
    a, b, c = (Person(stack) for _ in range(3))
    for other in (b, c):
        a.rest.get(f"/users/{other.id}/presence", expect=(404, "not_found"))
    conversation = a.start(b)
    a.rest.get(f"/users/{b.id}/presence", expect=(404, "not_found"))
    b.rest.get(f"/users/{a.id}/presence", expect=(404, "not_found"))
    a.say(conversation, "now you see me")
    assert presence(a, b).status == presence(b, a).status == 200
    ids = ",".join((b.id, c.id, "987654321", a.id, b.id))
    items = a.rest.get("/users/presence/bulk", query={"ids": ids}, expect=200)["items"]
    assert [p["user_id"] for p in items] == sorted((a.id, b.id), key=int), "strangers are left out, nobody comes twice"


@pytest.mark.parametrize("blocking", [0, 1])
def test_a_block_hides_presence_both_ways(stack, blocking):
    people = make_pair(stack)[:2]
    one, other = people[blocking], people[1 - blocking]
    one.rest.put(f"/users/{other.id}/block", expect=204)
    for x, y in ((one, other), (other, one)):
        x.rest.get(f"/users/{y.id}/presence", expect=(404, "not_found"))
        assert x.rest.get("/users/presence/bulk", query={"ids": y.id}, expect=200)["items"] == []
    one.rest.delete(f"/users/{other.id}/block", expect=204)
    assert presence(one, other).status == presence(other, one).status == 200


def test_whoever_does_not_show_it_is_not_seen(stack):
    a, b, _ = make_pair(stack)
    assert b.rest.patch("/me", {"privacy": {"last_seen": False}}, expect=200)["privacy"] == {"read_receipts": True, "last_seen": False}
    a.rest.get(f"/users/{b.id}/presence", expect=(404, "not_found"))
    assert a.rest.get("/users/presence/bulk", query={"ids": f"{a.id},{b.id}"})["items"][0]["user_id"] == a.id
    assert presence(b, a).status == presence(b, b).status == 200
    b.rest.patch("/me", {"privacy": {"last_seen": True}}, expect=200)
    assert presence(a, b).status == 200


def test_a_hundred_at_once_in_one_statement(stack):
    a, b, _ = make_pair(stack)
    ids = [b.id] + [str(900000 + i) for i in range(99)]
    assert len(a.rest.get("/users/presence/bulk", query={"ids": ",".join(ids)}, expect=200)["items"]) == 1
    for bad, code in (("", "too_short"), ("1,", "format"), (",1", "format"), ("1,,2", "format"), ("0", "format"), ("1, 2", "format"), ("-1", "format"),
                      ("01", "format"), ("9223372036854775808", "format"), ("x", "format"), (",".join(ids + ["1"]), "too_long"),
                      ("1" * 2001, "too_long")):
        reply = a.rest.get("/users/presence/bulk", query={"ids": bad}, valid=False, expect=(400, "invalid"))
        assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("ids", code), bad
    a.rest.get("/users/presence/bulk", valid=False, expect=(400, "invalid"))


# -- my other devices


def test_my_other_devices_hear_of_profile_and_blocks(stack):
    a, b, _ = make_pair(stack)

    async def run():
        async with await Socket.open(stack, a.token) as s, await Socket.open(stack, b.token) as other:
            await s.hello()
            await other.hello()
            shown = a.rest.patch("/me", {"display_name": "Somebody Else"}, expect=200).json
            event = await s.until("user_changed")
            assert (event["kind"], event["data"]["user"]) == ("profile", shown)
            rev = event["user_rev"]
            a.rest.patch("/me", {"display_name": "Somebody Else", "privacy": {"read_receipts": True}}, expect=200)
            for method, blocked in ((a.rest.put, True), (a.rest.delete, False)):
                rev += 1
                method(f"/users/{b.id}/block", expect=204)
                event = await s.until("user_changed")
                assert (event["user_rev"], event["kind"], event["data"]) == (rev, "block", {"user_id": b.id, "blocked": blocked})
            await other.none_of({"user_changed"}, 0.3)
    asyncio.run(run())


# -- typing


def test_typing_does_not_pass_a_block(stack):
    a, b, conversation = make_pair(stack)

    async def run():
        async with await Socket.open(stack, a.token) as mine, await Socket.open(stack, b.token) as theirs:
            await mine.hello()
            await theirs.hello()
            b.rest.post(f"/conversations/{conversation}/typing", {"is_typing": True}, expect=204)
            assert (await mine.until("typing"))["data"]["user_id"] == b.id
            a.rest.put(f"/users/{b.id}/block", expect=204)
            for one in (a, b):
                one.rest.post(f"/conversations/{conversation}/typing", {"is_typing": True}, expect=204)
                one.rest.post(f"/conversations/{conversation}/typing/start", expect=204)
                one.rest.post(f"/conversations/{conversation}/typing/stop", expect=204)
            for s in (mine, theirs):
                await s.send({"type": "typing", "conversation_id": conversation, "is_typing": True})
            await mine.none_of({"typing", "error"}, 0.4)
            await theirs.none_of({"typing", "error"}, 0.1)
            a.rest.delete(f"/users/{b.id}/block", expect=204)
            b.rest.post(f"/conversations/{conversation}/typing/start", expect=204)
            await mine.until("typing")
    asyncio.run(run())


# -- read receipts


def test_reading_without_receipts(stack):
    """What I read moves my own mark, and what others may see stays; turning it on again shows what is read from then on."""
    a, b, conversation = make_pair(stack)

    def shown():
        (receipt,) = [p["receipt_seq"] for p in a.conversation(conversation)["participants"] if p["user"]["id"] == b.id]
        return receipt, a.history(conversation)["messages"][0]["read_count"]
    b.rest.patch("/me", {"privacy": {"read_receipts": False}}, expect=200)
    a.say(conversation, "second")

    async def run():
        async with await Socket.open(stack, a.token) as s, await Socket.open(stack, b.token) as mine:
            await s.hello()
            await mine.hello()
            b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1}, expect=200)
            await mine.send({"type": "read_receipt", "message_id": f"{conversation}.2"})
            assert (await mine.until("user_changed"))["data"]["unread_count"] == 1
            assert (await mine.until("user_changed"))["data"]["unread_count"] == 0
            b.say(conversation, "an answer tells nothing, either")
            await s.none_of({"message_read"}, 0.4)
            assert shown() == (0, 0) and b.conversation(conversation)["my"]["read_seq"] == 3
            b.rest.patch("/me", {"privacy": {"read_receipts": True}}, expect=200)
            a.say(conversation, "third")
            b.rest.patch(f"/conversations/{conversation}/read", {"seq": 4}, expect=200)
            assert (await s.until("message_read"))["data"] == {"user_id": b.id, "seq": 4}
            assert shown() == (4, 1)
    asyncio.run(run())


# -- the last one: workers and sockets need a moment to find Redis again


def test_presence_without_redis(stack):
    a, b, _ = make_pair(stack)
    stack.stop("redis")
    try:
        for path in (f"/users/{b.id}/presence", f"/users/presence/bulk?ids={b.id}"):
            reply = a.rest.get(path, expect=(503, "unavailable"))
            assert int(reply.headers["retry-after"]) >= 1
        a.rest.get("/users/987654321/presence", expect=(404, "not_found"))
        a.rest.put(f"/users/{b.id}/block", expect=204)
        a.rest.patch("/me", {"status_text": "without Redis"}, expect=200)
    finally:
        stack.start("redis")
