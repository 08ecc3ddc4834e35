"""The way of a connection: who may connect, hello, heads, replay, live, and what clients may say."""

import asyncio
import time

import pytest
import websockets

from peal import busy, tokens, truth
from peal.loop import run
from peal.people import Person
from peal.ws import Raw, Socket

STACK = {"settings": {"push_hello_seconds": 4, "push_offline_seconds": 1, "push_heartbeat_seconds": 1, "push_dead_seconds": 4}}


def origin(stack):
    return stack.conf["origins"].split()[0]


# -- who


@pytest.mark.parametrize("how", ["header", "subprotocol", "none"])
async def test_three_ways_to_say_who(stack, person, how):
    async with await Socket.open(stack, person.token, how=how, origin=origin(stack)) as s:
        welcome, heads, events, live = await s.hello(token=person.token if how == "none" else None)
        assert welcome["user_id"] == person.id and welcome["mode"] == "fresh" and welcome["max_frame"] == 327680
        assert heads["conversations"] == [] and events == [] and live["since"]
        assert s.ws.subprotocol == ("peal.v1" if how == "subprotocol" else None)


async def test_no_origin_with_a_bearer_token(stack, person):
    async with await Socket.open(stack, person.token) as s:
        await s.hello()


@pytest.mark.parametrize("where", ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1.evil.example"])
async def test_other_origins_are_refused(stack, person, where):
    for how in ("header", "subprotocol", "none"):
        with pytest.raises(websockets.InvalidStatusCode) as e:
            await Socket.open(stack, person.token, how=how, origin=where)
        assert e.value.status_code == 403


async def test_no_origin_and_no_token(stack):
    with pytest.raises(websockets.InvalidStatusCode) as e:
        await Socket.open(stack)
    assert e.value.status_code == 403


def test_not_a_websocket(stack, person):
    status, headers, _ = person.rest._exchange("GET", "/ws", None, {"Authorization": f"Bearer {person.token}"})
    assert status == 426 and headers["upgrade"] == "websocket"
    for target in ("/ws/", "/ws/x"):
        status, headers, raw = person.rest._exchange("GET", target, None, {})
        assert status in (200, 404) and "upgrade" not in headers, "the web client's page, or nothing"


async def test_bad_tokens(stack, person):
    for name, token in tokens.broken(stack, person.token).items():
        if name == "garbage" or not token.strip("."):
            continue
        async with await Socket.open(stack, origin=origin(stack)) as s:
            await s.send({"type": "hello", "device_id": "d", "since": None, "token": token}, valid=False)
            code = await s.wait_closed()
            assert code == 4401 or (name == "too_long" and code in (4401, 4408)), (name, code)


async def test_a_bad_token_in_the_handshake(stack, person):
    async with await Socket.open(stack, tokens.altered(stack, person.token, key=tokens.other_key())) as s:
        assert await s.wait_closed() == 4401


async def test_an_expired_token(stack, person):
    async with await Socket.open(stack, tokens.expired(stack, person.token)) as s:
        assert await s.wait_closed() == 4401


async def test_no_token_at_all(stack):
    async with await Socket.open(stack, origin=origin(stack)) as s:
        await s.send({"type": "hello", "device_id": "d", "since": None})
        assert await s.wait_closed() == 4401


async def test_no_hello(stack, person):
    start = time.monotonic()
    async with await Socket.open(stack, person.token) as s:
        assert await s.wait_closed(20) == 4408
    took = time.monotonic() - start
    assert 3.8 < took and await run(busy.within, stack, took, 7)


async def test_an_ended_session(stack, person):
    """Logout ends the session: its socket is closed, and its token opens none any more."""
    async with await Socket.open(stack, person.token) as live:
        await live.hello()
        person.rest.post("/auth/logout", {"refresh_token": person.refresh_token}, expect=204)
        assert await live.wait_closed() == 4409
        async with await Socket.open(stack, person.token) as s:
            await s.send({"type": "hello", "device_id": "d", "since": None})
            assert await s.wait_closed() == 4401


async def test_renewal(stack, person):
    """A token that ends is renewed on the socket; one that is not renewed ends it."""
    short = tokens.expiring(stack, person.token, 3)
    async with await Socket.open(stack, short) as renewed, await Socket.open(stack, short) as forgotten:
        await renewed.hello("a")
        await forgotten.hello("b")
        await renewed.send({"type": "auth", "token": person.token})
        assert await forgotten.wait_closed(10) == 4401
        assert [f["reason"] for f in forgotten.frames if f["type"] == "bye"] in ([], ["expired"])
        await renewed.send({"type": "ping"})
        await renewed.until("pong")


async def test_renewal_by_somebody_else(stack, person):
    other = Person(stack)
    async with await Socket.open(stack, person.token) as s:
        await s.hello()
        await s.send({"type": "auth", "token": other.token})
        assert await s.wait_closed() == 4403


# -- hello, heads, replay


async def test_fresh_heads(stack, pair):
    a, b, conversation = pair
    a.say(conversation, "second")
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1}, expect=200)
    async with await Socket.open(stack, b.token) as s:
        welcome, heads, events, _ = await s.hello()
        assert welcome["mode"] == "fresh" and events == []
        (head,) = heads["conversations"]
        assert (head["id"], head["last_seq"], head["last_rev"], head["first_seq"]) == (conversation, 2, 1, 1)
        assert (head["read_seq"], head["unread_count"]) == (1, 1)
        assert heads["user"]["last_rev"] == 1 and heads["removed"] == []
        mark = {m["user_id"]: m for m in head["marks"]}[a.id]
        assert mark["receipt_seq"] == 2 and mark["delivered_seq"] == 2


async def test_resume_replays_exactly_what_was_missed(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        _, _, _, live = await s.hello("b1")
    ids = [a.say(conversation, f"while away {i}")["client_id"] for i in range(7)]
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": 4}, expect=200)
    c = Person(stack)
    new = c.start(b)
    c.say(new, "a new conversation")
    async with await Socket.open(stack, b.token) as s:
        welcome, heads, events, again = await s.hello("b1", since=live["since"])
        assert welcome["mode"] == "resume"
        got = [e["data"]["message"]["client_id"] for e in events if e["type"] == "new_message" and e["conversation_id"] == conversation]
        assert got[-7:] == ids, got
        assert [e["kind"] for e in events if e["type"] == "user_changed"] == ["read"]
        fresh = [e for e in events if e.get("conversation_id") == new]
        assert [(e["type"], e["seq"] + e["rev"]) for e in fresh] == [("conversation_created", 1), ("new_message", 2)]
        assert {h["id"] for h in heads["conversations"]} >= {conversation, new}
    async with await Socket.open(stack, b.token) as s:
        _, _, events, _ = await s.hello("b1", since=again["since"], cursors={conversation: {"seq": 8, "rev": 1}, new: {"seq": 1, "rev": 1}})
        assert [e for e in events if e["type"] == "new_message"] == [], "nothing happened since, and the cursors say so"


async def test_a_long_replay_comes_in_batches(stack, pair):
    """More than 200 events: at most 50 in a batch, at most 2 batches unacknowledged."""
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        _, _, _, live = await s.hello("b1")
    for i in range(230):
        a.say(conversation, f"{i}")
    async with await Socket.open(stack, b.token) as s:
        await s.send({"type": "hello", "device_id": "b1", "since": live["since"], "cursors": {conversation: {"seq": 1, "rev": 1}}})
        await s.until("heads")
        positions, count, batches, unacked, patience = [], 0, 0, 0, 10
        while True:
            try:
                frame = await s.recv(1.0)
            except asyncio.TimeoutError:  # it waits for us
                patience -= unacked < 2
                if unacked < 2 and patience:
                    continue
                assert unacked == 2, unacked
                await s.send({"type": "ack", "count": count})
                unacked = 0
                continue
            if frame["type"] == "live":
                break
            if frame["type"] == "retry":
                continue
            assert frame["type"] == "batch" and frame["count"] == len(frame["events"]) <= 50
            count += frame["count"]
            batches += 1
            unacked += 1
            assert unacked <= 2, "a third batch before the first was acknowledged"
            positions += [e["seq"] + e["rev"] for e in frame["events"] if e["conversation_id"] == conversation]
        assert positions == list(range(3, 233)) and batches >= 5


async def test_unknown_since_is_fresh(stack, pair):
    _, b, _ = pair
    for since in ("AAAA", "MS4xNzM0", "x" * 128):
        async with await Socket.open(stack, b.token) as s:
            welcome, _, events, live = await s.hello("b", since=since)
            assert welcome["mode"] == "fresh" and events == [] and live["since"] != since


async def test_a_restored_database_is_another_epoch(stack, pair):
    _, b, _ = pair
    async with await Socket.open(stack, b.token) as s:
        _, _, _, live = await s.hello()
    old = truth.rows(stack, "SELECT epoch FROM peal_meta")[0][0]
    truth.rows(stack, "UPDATE peal_meta SET epoch = 'restored'")
    try:
        async with await Socket.open(stack, b.token) as s:
            welcome, heads, _, _ = await s.hello(since=live["since"])
            assert welcome["mode"] == "fresh" and len(heads["conversations"]) == 1
    finally:
        truth.rows(stack, "UPDATE peal_meta SET epoch = %s", old)


async def test_since_covers_a_transaction_that_commits_late(stack, pair):
    """An event whose transaction began before `since` was handed out and committed after it is replayed."""
    a, b, conversation = pair
    blocker = stack.db()
    with blocker.cursor() as c:
        c.execute("SELECT o_seq FROM message_send(%s, %s, 'late', '\\x00', 1::smallint, 'late', NULL, NULL)", (int(a.id), int(conversation)))
        async with await Socket.open(stack, b.token) as s:
            _, heads, _, live = await s.hello("b1")
            assert heads["conversations"][0]["last_seq"] == 1
    blocker.commit()
    blocker.close()
    async with await Socket.open(stack, b.token) as s:
        _, _, events, _ = await s.hello("b1", since=live["since"], cursors={conversation: {"seq": 1, "rev": 1}})
        assert [e["data"]["message"]["content"] for e in events if e["type"] == "new_message"] == ["late"]


async def test_sync_fills_a_hole(stack, pair):
    a, b, conversation = pair
    for i in range(5):
        a.say(conversation, f"{i}")
    async with await Socket.open(stack, b.token) as s:
        await s.hello()
        await s.send({"type": "sync", "conversation_id": conversation, "seq": 2, "rev": 1})
        batch = await s.until("batch")
        assert [e["seq"] for e in batch["events"]] == [3, 4, 5, 6] and batch["more"] is False
        await s.send({"type": "ack", "count": 4})
        a.say(conversation, "live again")
        event = await s.until("new_message")
        assert event["data"]["message"]["content"] == "live again"


async def test_sync_of_what_is_not_mine(stack, pair):
    a, b, conversation = pair
    stranger = Person(stack)
    async with await Socket.open(stack, stranger.token) as s:
        await s.hello()
        await s.send({"type": "sync", "conversation_id": conversation, "seq": 0, "rev": 0})
        await s.send({"type": "ping"})
        await s.until("pong")
        await asyncio.sleep(0.3)
        await s.send({"type": "ping"})
        await s.until("pong")
        assert all(f.get("events", []) == [] and f.get("conversation_id") != conversation for f in s.frames)


# -- live


async def test_live(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s, await Socket.open(stack, a.token) as mine:
        await s.hello()
        await mine.hello()
        m = a.say(conversation, "Grüße 👩‍🚀 \"x\"")
        for socket in (s, mine):
            event = await socket.until("new_message")
            assert (event["conversation_id"], event["seq"], event["rev"]) == (conversation, 2, 1)
            assert event["data"]["message"]["content"] == m["content"] and event["data"]["message"]["id"] == m["id"]
        assert "status" not in event["data"]["message"]


async def test_a_deleted_message(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        _, _, _, live = await s.hello()
        a.rest.delete(f"/messages/{conversation}.1", query={"for": "everyone"}, expect=200)
        event = await s.until("message_deleted")
        assert (event["seq"], event["rev"]) == (1, 2) and event["data"]["message"]["content"] is None
    async with await Socket.open(stack, b.token) as s:
        _, _, events, _ = await s.hello(since=live["since"], cursors={conversation: {"seq": 1, "rev": 1}})
        assert [e["type"] for e in events] == ["message_deleted"]
        for one in (events[0], event):  # counts are absolute, so they say how things stand now
            del one["data"]["message"]["read_count"], one["data"]["message"]["delivered_count"]
        assert events[0] == event, "the replayed event is the live one"


async def test_a_new_conversation(stack):
    """The creator's devices learn of it at once; the other person with the first message, in order."""
    a, b = Person(stack), Person(stack)
    async with await Socket.open(stack, a.token) as sa, await Socket.open(stack, b.token) as sb:
        await sa.hello()
        await sb.hello()
        conversation = a.start(b)
        event = await sa.until("conversation_created")
        assert (event["seq"], event["rev"]) == (0, 1) and event["data"]["conversation"]["peer"]["id"] == b.id
        await sb.none_of({"conversation_created", "new_message"}, 0.3)
        a.say(conversation, "hello")
        created = await sb.until("conversation_created")
        assert (created["seq"], created["rev"]) == (0, 1) and created["data"]["conversation"]["peer"]["id"] == a.id
        assert (await sb.recv())["type"] == "new_message"


async def test_all_devices_of_both_hear_the_same(stack, pair):
    a, b, conversation = pair
    sockets = [await Socket.open(stack, p.token) for p in (a, a, b, b, b)]
    for i, s in enumerate(sockets):
        await s.hello(f"d{i}")
    for i in range(20):
        (a, b)[i % 2].say(conversation, f"{i}")
    for s in sockets:
        seqs = [(await s.until("new_message"))["seq"] for _ in range(20)]
        assert seqs == list(range(2, 22))
        await s.close()


async def test_my_other_devices_learn_what_i_read(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s, await Socket.open(stack, a.token) as sender:
        await s.hello()
        await sender.hello()
        b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1}, expect=200)
        event = await s.until("user_changed")
        assert (event["user_rev"], event["kind"]) == (1, "read")
        assert event["data"] == {"conversation_id": conversation, "read_seq": 1, "unread_from": None, "unread_count": 0, "mention_count": 0}
        mark = await sender.until("message_read")
        assert mark["data"] == {"user_id": b.id, "seq": 1}


async def test_private_reading_is_not_told(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s, await Socket.open(stack, a.token) as sender:
        await s.hello()
        await sender.hello()
        b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1, "private": True}, expect=200)
        await s.until("user_changed")
        await sender.none_of({"message_read"}, 0.5)


async def test_an_ack_is_a_delivery(stack, pair):
    """What a device acknowledges moves its owner's mark, and the sender hears of it."""
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s, await Socket.open(stack, a.token) as sender:
        await s.hello()
        await sender.hello("s")
        m = a.say(conversation, "delivered?")
        await sender.until("new_message")
        await s.until("new_message")
        await asyncio.sleep(0.2)
        assert a.rest.get(f"/messages/{m['id']}")["status"] == "sent"
        await s.send({"type": "ack", "count": 1})
        mark = await sender.until("message_delivered")
        assert mark["data"] == {"user_id": b.id, "seq": 2}
        assert a.rest.get(f"/messages/{m['id']}")["status"] == "delivered"


async def test_hello_is_a_delivery_too(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        _, _, _, live = await s.hello()
    m = a.say(conversation, "x")
    async with await Socket.open(stack, a.token) as sender:
        await sender.hello()
        async with await Socket.open(stack, b.token) as s:
            await s.hello(since=live["since"], cursors={conversation: {"seq": 2, "rev": 1}})
            mark = await sender.until("message_delivered")
            assert mark["data"] == {"user_id": b.id, "seq": 2}
    assert a.rest.get(f"/messages/{m['id']}")["status"] == "delivered"


async def test_read_receipt_frame(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s, await Socket.open(stack, a.token) as sender:
        await s.hello()
        await sender.hello()
        await s.send({"type": "read_receipt", "message_id": f"{conversation}.1"})
        assert (await sender.until("message_read"))["data"] == {"user_id": b.id, "seq": 1}
        for bad, code in ((f"{conversation}.99", "invalid"), ("999999.1", "not_found")):
            await s.send({"type": "read_receipt", "message_id": bad})
            assert (await s.until("error"))["code"] == code
        assert b.listed(conversation)["my"]["read_seq"] == 1


async def test_typing(stack, pair):
    a, b, conversation = pair
    stranger = Person(stack)
    async with await Socket.open(stack, b.token) as s, await Socket.open(stack, a.token) as mine, \
            await Socket.open(stack, stranger.token) as outside:
        for socket in (s, mine, outside):
            await socket.hello()
        await mine.send({"type": "typing", "conversation_id": conversation, "is_typing": True})
        assert (await s.until("typing"))["data"] == {"user_id": a.id, "is_typing": True, "kind": "text"}
        a.rest.post(f"/conversations/{conversation}/typing", {"is_typing": True, "kind": "audio"}, expect=204)
        assert (await s.until("typing"))["data"]["kind"] == "audio"
        a.rest.post(f"/conversations/{conversation}/typing/stop", expect=204)
        assert (await s.until("typing"))["data"]["is_typing"] is False
        await outside.send({"type": "typing", "conversation_id": conversation, "is_typing": True})
        assert (await outside.until("error"))["code"] == "not_found"
        await mine.none_of({"typing"}, 0.3)
        await s.none_of({"typing"}, 0.1)


# -- presence


async def test_presence(stack, pair):
    a, b, _ = pair
    async with await Socket.open(stack, a.token) as s:
        await s.hello()
        await s.send({"type": "presence_watch", "add": [b.id]})
        first = await s.until("presence")
        assert first["data"]["user_id"] == b.id and first["data"]["status"] == "offline"
        other = await Socket.open(stack, b.token)
        await other.hello()
        await other.send({"type": "active"})
        assert (await s.until("presence"))["data"]["status"] in ("online", "away")
        if s.frames[-1]["data"]["status"] == "away":
            assert (await s.until("presence"))["data"]["status"] == "online"
        await other.close()
        gone = (await s.until("presence", 8))["data"]
        assert gone["status"] == "offline" and gone["last_seen_at"]
        await s.send({"type": "presence_watch", "remove": [b.id]})
        await s.send({"type": "ping"})
        await s.until("pong")
        async with await Socket.open(stack, b.token) as other:
            await other.hello()
            await s.none_of({"presence"}, 0.5)


async def test_presence_of_strangers_is_not_told(stack, pair):
    a, _, _ = pair
    stranger = Person(stack)
    async with await Socket.open(stack, stranger.token) as there, await Socket.open(stack, a.token) as s:
        await there.hello()
        await s.hello()
        await s.send({"type": "presence_watch", "add": [stranger.id, "987654321"]})
        await s.none_of({"presence"}, 0.7)


async def test_watching_too_many(stack, person):
    async with await Socket.open(stack, person.token) as s:
        await s.hello()
        await s.send({"type": "presence_watch", "add": [str(i) for i in range(1, 202)]}, valid=False)
        assert (await s.until("error"))["code"] == "invalid"


# -- requests


async def test_request_frames(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, a.token) as s:
        await s.hello()
        body = {"client_id": "socket-1", "message_type": "text", "content": "by socket"}
        reply = await s.request(5, "POST", f"/api/v1/conversations/{conversation}/messages", body)
        assert reply["status"] == 201 and reply["body"]["content"] == "by socket" and reply["body"]["status"] == "sent"
        again = await s.request(6, "POST", f"/api/v1/conversations/{conversation}/messages", body)
        assert again["status"] == 200 and again["body"]["id"] == reply["body"]["id"]
        assert (await s.request(7, "POST", f"/api/v1/conversations/{conversation}/messages", {**body, "content": "x"}))["status"] == 409
        page = await s.request(8, "GET", f"/api/v1/conversations/{conversation}/messages?limit=1")
        assert page["body"]["messages"][0]["content"] == "by socket" and page["body"]["has_before"]
        typing = await s.request(9, "POST", f"/api/v1/conversations/{conversation}/typing/start")
        assert typing["status"] == 204 and typing.get("body") is None
        assert (await s.request(10, "GET", "/api/v1/nothing"))["status"] == 404
        assert (await s.request(11, "PUT", "/api/v1/me"))["status"] == 405
        assert (await s.request(12, "GET", "/api/v1/health"))["body"] == {"status": "ok"}


async def test_a_request_with_a_key_is_done_once(stack, person):
    """Over the socket as over HTTP, and one is the other's retry."""
    path, body = "/api/v1/conversations", {"type": "group", "name": "by socket", "participant_ids": []}
    async with await Socket.open(stack, person.token) as s:
        await s.hello()
        made = await s.request(1, "POST", path, body, key="once-by-socket")
        again = await s.request(2, "POST", path, body, key="once-by-socket")
        assert (made["status"], again["status"]) == (201, 200) and made["body"]["id"] == again["body"]["id"]
        other = await s.request(3, "POST", path, {**body, "name": "another"}, key="once-by-socket")
        assert (other["status"], other["body"]["code"]) == (409, "idempotency_conflict")
        assert (await s.request(4, "POST", path, body))["status"] == 201, "without a key it is a new request"
        bad = await s.request(5, "POST", path, body, key="k" * 65, valid=False)
        assert (bad["status"], bad["body"]["code"]) == (400, "invalid")
        bad = await s.request(6, "POST", path, body, key="two\nlines")
        assert (bad["status"], bad["body"]["code"]) == (400, "invalid")
    reply = person.rest.post("/conversations", body, headers={"Idempotency-Key": "once-by-socket"}, expect=200)
    assert reply["id"] == made["body"]["id"] and reply.headers["idempotency-replayed"] == "true"


async def test_many_requests_at_once(stack, pair):
    a, _, conversation = pair
    async with await Socket.open(stack, a.token) as s:
        await s.hello()
        for i in range(30):
            await s.send({"type": "request", "id": i, "method": "GET", "path": f"/api/v1/users/{a.id}"})
        ids = [(await s.until("response"))["id"] for _ in range(30)]
        assert sorted(ids) == list(range(30))


@pytest.mark.parametrize("method, path, code", [
    ("GET", "/api/v1/../../feed/open", "invalid"), ("GET", "/api/v1//me", "invalid"), ("GET", "/api/v1/%6de", "invalid"), ("GET", "/feed/open", "invalid"),
    ("GET", "api/v1/me", "invalid"), ("GET", "/api/v1/me#x", "invalid"), ("GET", "/api/v1/me\r\nX: y", "invalid"), ("GET", "/api/v1/m e", "invalid"),
    ("TRACE", "/api/v1/me", "invalid"), ("get", "/api/v1/me", "invalid"), ("POST", "/api/v1/auth/refresh", "forbidden"),
    ("POST", "/api/v1/auth/login", "forbidden"), ("POST", "/api/v1/uploads", "forbidden"), ("POST", "/api/v1/messages/upload-image", "forbidden"),
])
async def test_requests_that_are_refused(stack, person, method, path, code):
    async with await Socket.open(stack, person.token) as s:
        await s.hello()
        reply = await s.request(3, method, path, valid=False)
        assert (reply["type"], reply["id"], reply["code"]) == ("error", 3, code)


# -- what is not a frame


@pytest.mark.parametrize("text, code", [
    ("{", "bad_json"), ("[]", "invalid"), ("1", "invalid"), ('{"type":"nothing"}', "invalid"), ('{"type":7}', "invalid"), ("{}", "invalid"),
    ('{"type":"ping","type":"ping"}', "bad_json"), ('{"type":"ack"}', "invalid"), ('{"type":"ack","count":"1"}', "invalid"),
    ('{"type":"ack","count":-1}', "invalid"), ('{"type":"ack","count":1}', "invalid"), ('{"type":"hello","device_id":"d"}', "conflict"),
    ('{"type":"sync","conversation_id":12,"seq":0,"rev":0}', "invalid"), ('{"type":"typing","conversation_id":"1"}', "invalid"),
    ('{"type":"typing","conversation_id":"1","is_typing":true,"kind":"smoke"}', "invalid"), ('{"type":"presence_watch","add":[7]}', "invalid"),
    ('{"type":"request","id":1}', "invalid"), ('{"type":"read_receipt","message_id":"x"}', "invalid"), ('{"type":"a\\u0000"}', "bad_json"),
    ('{"type":"ping","x":' + "[" * 20 + "]" * 20 + "}", "bad_json"), ("nonsense", "bad_json"), ("", "bad_json"),
])
async def test_bad_frames_are_answered(stack, person, text, code):
    async with await Socket.open(stack, person.token) as s:
        await s.hello()
        await s.send_raw(text)
        assert (await s.until("error"))["code"] == code
        await s.send({"type": "ping"})
        await s.until("pong")


async def test_nothing_before_hello(stack, person):
    async with await Socket.open(stack, person.token) as s:
        await s.send({"type": "typing", "conversation_id": "1", "is_typing": True})
        assert (await s.until("error"))["code"] == "invalid"
        await s.hello()


async def test_unknown_members_are_ignored(stack, person):
    async with await Socket.open(stack, person.token) as s:
        await s.send({"type": "hello", "device_id": "d", "since": None, "colour": "blue"}, valid=False)
        await s.until("live")


# -- devices and life


async def test_the_eleventh_device_closes_the_oldest(stack, person):
    sockets = []
    for i in range(11):
        s = await Socket.open(stack, person.token)
        await s.hello("same id" if i % 2 else f"d{i}")
        sockets.append(s)
    assert await sockets[0].wait_closed() == 4409
    for s in sockets[1:]:
        await s.send({"type": "ping"})
        await s.until("pong")
        await s.close()


def test_heartbeat(stack, person):
    """Pings come on their own; whoever is silent is closed with 4010; whoever answers is not."""
    with Raw(stack, person.token, timeout=8) as quiet, Raw(stack, person.token, timeout=8) as awake:
        for raw in (quiet, awake):
            raw.text({"type": "hello", "device_id": "raw", "since": None})
        end, pings = time.monotonic() + 6, 0
        while time.monotonic() < end:
            opcode, payload = awake.recv()
            if opcode == 9:
                pings += 1
                awake.send(Raw.frame(10, payload))
        assert pings >= 2
        assert quiet.close_code() == 4010
