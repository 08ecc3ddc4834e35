"""Sending, reading, deleting messages."""

import concurrent.futures
import re
import threading
import uuid

import pytest

from peal import truth
from peal.people import Person
from peal.rest import Client


def draft(**more):
    return {"client_id": str(uuid.uuid4()), "message_type": "text", "content": "hello", **more}


def test_send(stack, pair):
    a, b, conversation = pair
    body = draft(content="Grüße 👩‍🚀\n\t\"quoted\" \\ <b> \u2028")
    reply = a.rest.post(f"/conversations/{conversation}/messages", body, expect=201)
    m = reply.json
    assert (m["id"], m["seq"], m["rev"], m["version"]) == (f"{conversation}.2", 2, 0, 1)
    assert (m["sender_id"], m["client_id"], m["content"], m["status"]) == (a.id, body["client_id"], body["content"], "sent")
    assert a.rest.get(f"/messages/{m['id']}", expect=200).json == m
    theirs = b.rest.get(f"/messages/{m['id']}", expect=200).json
    assert "status" not in theirs and theirs["content"] == body["content"]
    assert b.listed(conversation)["last_message"] == theirs
    assert truth.messages(stack, conversation)[1] == (2, a.id, body["client_id"], body["content"])


def test_send_with_the_conversation_in_the_body(pair):
    a, _, conversation = pair
    reply = a.rest.post("/messages", draft(conversation_id=conversation), expect=201)
    assert reply["id"] == f"{conversation}.2"
    reply = a.rest.post(f"/conversations/{conversation}/messages", draft(conversation_id="1"), expect=201)
    assert reply.headers["peal-ignored"] == "conversation_id"


def test_reply_and_mentions(pair):
    a, b, conversation = pair
    m = b.say(conversation, "👍 @ann", reply_to=f"{conversation}.1", mentions=[{"user_id": a.id, "offset": 2, "length": 4}])
    assert m["reply_to"] == {"id": f"{conversation}.1", "sender_id": a.id, "excerpt": "first"}
    assert m["mentions"] == [{"user_id": a.id, "offset": 2, "length": 4}]
    long = a.say(conversation, "ä" * 500)
    assert b.say(conversation, "so long", reply_to=long["id"])["reply_to"]["excerpt"] == "ä" * 120


@pytest.mark.parametrize("change, path, code", [
    ({"client_id": ...}, "/client_id", "required"), ({"client_id": ""}, "/client_id", "too_short"), ({"client_id": "x" * 65}, "/client_id", "too_long"),
    ({"client_id": 7}, "/client_id", "type"), ({"client_id": "a\nb"}, "/client_id", "format"), ({"message_type": ...}, "/message_type", "required"),
    ({"message_type": "carrier"}, "/message_type", "word"), ({"message_type": "system"}, "/message_type", "word"),
    ({"content": ...}, "/content", "required"), ({"content": None}, "/content", "type"), ({"content": ""}, "/content", "too_short"),
    ({"content": " \n\u200b"}, "/content", "too_short"), ({"content": "x" * 16385}, "/content", "too_long"), ({"content": ["x"]}, "/content", "type"),
    ({"reply_to": "x"}, "/reply_to", "format"), ({"reply_to": 1}, "/reply_to", "type"), ({"reply_to": "{c}.99"}, "/reply_to", "unknown"),
    ({"reply_to": "1{c}.1"}, "/reply_to", "format"), ({"mentions": {}}, "/mentions", "type"), ({"mentions": [1]}, "/mentions/0", "type"),
    ({"mentions": [{"user_id": "1", "offset": 0}]}, "/mentions/0/length", "required"),
    ({"mentions": [{"user_id": 1, "offset": 0, "length": 1}]}, "/mentions/0/user_id", "type"),
    ({"mentions": [{"user_id": "1", "offset": 0, "length": 1}, {"user_id": "1", "offset": 5, "length": 1}]}, "/mentions/1", "range"),
    ({"mentions": [{"user_id": "1", "offset": -1, "length": 1}]}, "/mentions/0/offset", "range"),
    ({"mentions": [{"user_id": "1", "offset": 0, "length": 1}] * 51}, "/mentions", "too_long"),
])
def test_send_refuses(pair, change, path, code):
    a, _, conversation = pair
    body = {k: v for k, v in draft(**change).items() if v is not ...}
    if isinstance(body.get("reply_to"), str):
        body["reply_to"] = body["reply_to"].format(c=conversation)
    reply = a.rest.post(f"/conversations/{conversation}/messages", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)
    assert a.conversation(conversation)["last_seq"] == 1, "what was refused has taken no number"


def test_the_longest_content(pair):
    a, b, conversation = pair
    for content in ("x" * 16384, "👩" * 16384):
        m = a.say(conversation, content)
        assert b.rest.get(f"/messages/{m['id']}")["content"] == content


def test_send_to_nowhere(pair):
    a, _, _ = pair
    for id_ in ("999999999", "0", "x", "-1", "1.0", "9223372036854775808"):
        a.rest.post(f"/conversations/{id_}/messages", draft(), valid=False, expect=(404, "not_found"))
    a.rest.post("/messages", draft(conversation_id="999999999"), expect=(404, "not_found"))
    a.rest.post("/messages", draft(), valid=False, expect=(400, "invalid"))
    a.rest.post("/messages", draft(conversation_id=12), valid=False, expect=(400, "invalid"))


# -- idempotency


def test_a_retry_finds_the_first(stack, pair):
    a, _, conversation = pair
    body = draft(mentions=[])
    first = a.rest.post(f"/conversations/{conversation}/messages", body, expect=201)
    for again in (body, dict(reversed(body.items())), {**body, "reply_to": None}, {k: v for k, v in body.items() if k != "mentions"}):
        reply = a.rest.post(f"/conversations/{conversation}/messages", again, expect=200)
        assert reply.json == first.json
    assert a.rest.post("/messages", {**body, "conversation_id": conversation}, expect=200).json == first.json
    a.rest.post("/messages", {**body, "conversation_id": conversation, "content": "other"}, expect=(409, "idempotency_conflict"))
    for other in ({"content": "other"}, {"reply_to": f"{conversation}.1"}, {"content": "hello "}, {"mentions": [{"user_id": a.id, "offset": 0, "length": 1}]}):
        a.rest.post(f"/conversations/{conversation}/messages", {**body, **other}, expect=(409, "idempotency_conflict"))
    assert len(truth.messages(stack, conversation)) == 2


def test_keys_are_per_sender_and_conversation(stack, pair):
    a, b, conversation = pair
    body = draft()
    assert a.rest.post(f"/conversations/{conversation}/messages", body, expect=201)["seq"] == 2
    assert b.rest.post(f"/conversations/{conversation}/messages", {**body, "content": "mine"}, expect=201)["seq"] == 3
    assert a.rest.post(f"/conversations/{a.start(a)}/messages", {**body, "content": "note"}, expect=201)["seq"] == 1


def test_the_key_may_be_a_header(pair):
    a, _, conversation = pair
    body = {"message_type": "text", "content": "by header"}
    first = a.rest.post(f"/conversations/{conversation}/messages", body, headers={"Idempotency-Key": "header-key"}, expect=201)
    again = a.rest.post(f"/conversations/{conversation}/messages", {**body, "client_id": "header-key"}, expect=200)
    assert first["client_id"] == "header-key" and again["id"] == first["id"]
    for key in ("x" * 65, "a\tb"):
        a.rest.post(f"/conversations/{conversation}/messages", body, headers={"Idempotency-Key": key}, expect=(400, "invalid"))


def test_a_replay_shows_what_it_is_now(pair):
    a, _, conversation = pair
    body = draft()
    first = a.rest.post(f"/conversations/{conversation}/messages", body, expect=201)
    a.rest.delete(f"/messages/{first['id']}", query={"for": "everyone"}, expect=200)
    again = a.rest.post(f"/conversations/{conversation}/messages", body, expect=200)
    assert again["content"] is None and again["deleted_at"]


def test_100_posts_with_one_key_make_one_message(stack, pair):
    a, _, conversation = pair
    body = draft(content="once")
    start = threading.Barrier(20)

    def five(_):
        client = Client(stack.url, a.token)
        start.wait()
        out = [client.post(f"/conversations/{conversation}/messages", body) for _ in range(5)]
        client.close()
        return out

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        replies = [r for rs in pool.map(five, range(20)) for r in rs]
    assert sorted(r.status for r in replies) == [200] * 99 + [201]
    assert len({r["id"] for r in replies}) == 1
    assert [m[2] for m in truth.messages(stack, conversation)].count(body["client_id"]) == 1
    truth.check_dense(stack, conversation)
    a.rest.post(f"/conversations/{conversation}/messages", {**body, "content": "twice"}, expect=(409, "idempotency_conflict"))


def test_many_senders_are_dense(stack, pair):
    a, b, conversation = pair

    def ten(i):
        client = Client(stack.url, (a, b)[i % 2].token)
        return [client.post(f"/conversations/{conversation}/messages", draft(content=f"{i}.{n}"), expect=201)["seq"] for n in range(10)]

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        seqs = [s for ss in pool.map(ten, range(10)) for s in ss]
    assert sorted(seqs) == list(range(2, 102))
    truth.check_dense(stack, conversation)


# -- history


@pytest.fixture(scope="module")
def long(stack):
    """A conversation of 25 messages."""
    a, b = Person(stack), Person(stack)
    conversation = a.start(b)
    for i in range(1, 26):
        (b, a)[i % 2].say(conversation, f"m{i}")
    return a, b, conversation


@pytest.mark.parametrize("query, first, last, before, after", [
    ({}, 1, 25, False, False), ({"limit": 10}, 16, 25, True, False), ({"limit": 25}, 1, 25, False, False), ({"limit": 24}, 2, 25, True, False),
    ({"before": 11, "limit": 5}, 6, 10, True, True), ({"before": 5, "limit": 10}, 1, 4, False, True), ({"before": 1}, None, None, False, True),
    ({"before": 6, "limit": 5}, 1, 5, False, True), ({"before": 1000}, 1, 25, False, False), ({"after": 0, "limit": 5}, 1, 5, False, True),
    ({"after": 20, "limit": 5}, 21, 25, True, False), ({"after": 20}, 21, 25, True, False), ({"after": 25}, None, None, True, False),
    ({"after": 10, "limit": 3}, 11, 13, True, True), ({"after": 1000}, None, None, True, False),
    ({"around": 13, "limit": 5}, 11, 15, True, True), ({"around": 1, "limit": 5}, None, None, False, True),
    ({"around": 25, "limit": 5}, None, None, True, False), ({"around": 13, "limit": 1}, 13, 13, True, True),
], ids=str)
def test_history_pages(long, query, first, last, before, after):
    a, _, conversation = long
    page = a.history(conversation, **query)
    seqs = [m["seq"] for m in page["messages"]]
    if "around" in query and first is None:
        assert query["around"] in seqs and len(seqs) <= query["limit"] and seqs == list(range(seqs[0], seqs[-1] + 1))
    else:
        assert seqs == (list(range(first, last + 1)) if first else [])
    assert (page["has_before"], page["has_after"]) == (before, after)
    assert page["as_of_rev"] == 1
    assert all(m["content"] == f"m{m['seq']}" for m in page["messages"])


def test_history_walks(long):
    a, b, conversation = long
    for limit in (1, 4, 7):
        seqs, query = [], {}
        while True:
            page = b.history(conversation, limit=limit, **query)
            seqs = [m["seq"] for m in page["messages"]] + seqs
            if not page["has_before"]:
                break
            query = {"before": seqs[0]}
        assert seqs == list(range(1, 26))


@pytest.mark.parametrize("query, path, code", [
    ({"limit": 0}, "limit", "range"), ({"limit": 101}, "limit", "range"), ({"before": 0}, "before", "range"), ({"after": -1}, "after", "range"),
    ({"around": 0}, "around", "range"), ({"before": "x"}, "before", "type"), ({"before": 5, "after": 3}, "after", "exclusive"),
    ({"before": 5, "around": 3}, "around", "exclusive"), ({"after": 5, "around": 3}, "around", "exclusive"),
    ({"before": "99999999999999999999"}, "before", "type"),
])
def test_history_refuses(long, query, path, code):
    a, _, conversation = long
    reply = a.rest.get(f"/conversations/{conversation}/messages", query=query, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_one_message_that_is_not_there(long):
    a, _, conversation = long
    for id_ in (f"{conversation}.26", f"{conversation}.0", f"{conversation}.01", conversation, f"{conversation}.", f".{conversation}", "1.1.1", "x"):
        a.rest.get(f"/messages/{id_}", valid=False, expect=(404, "not_found"))


# -- deleting


def test_delete_for_everyone(stack, pair):
    a, b, conversation = pair
    m = a.say(conversation, "secret words")
    b.rest.delete(f"/messages/{m['id']}", query={"for": "everyone"}, expect=(403, "forbidden"))
    gone = a.rest.delete(f"/messages/{m['id']}", query={"for": "everyone"}, expect=200)
    assert gone["content"] is None and gone["deleted_at"] and gone["rev"] == 2 and gone["seq"] == 2
    assert a.rest.delete(f"/messages/{m['id']}", query={"for": "everyone"}, expect=200).json == gone.json
    page = b.history(conversation)
    assert page["as_of_rev"] == 2 and page["messages"][1]["content"] is None
    assert b.conversation(conversation)["last_rev"] == 2
    assert b.listed(conversation)["unread_count"] == 1
    assert truth.rows(stack, "SELECT count(*) FROM message WHERE content LIKE '%%secret words%%'")[0][0] == 0
    truth.check_dense(stack, conversation)


def test_delete_wants_an_audience(pair):
    a, _, conversation = pair
    for query in ({}, {"for": "nobody"}, {"for": ""}):
        reply = a.rest.delete(f"/messages/{conversation}.1", query=query, valid=False, expect=(400, "invalid"))
        assert reply["errors"][0]["path"] == "for"


def test_a_reply_to_what_was_deleted(pair):
    a, b, conversation = pair
    reply = b.say(conversation, "answer", reply_to=f"{conversation}.1")
    a.rest.delete(f"/messages/{conversation}.1", query={"for": "everyone"}, expect=200)
    shown = b.rest.get(f"/messages/{reply['id']}")
    assert shown["reply_to"]["id"] == f"{conversation}.1" and not shown["reply_to"]["excerpt"]


def test_send_is_one_statement(stack, pair):
    """One call does it all; what comes after the commit is the doorbell, which needs none."""
    a, _, conversation = pair
    reply = a.rest.post(f"/conversations/{conversation}/messages", draft(), expect=201)
    line = stack.log_line(reply.headers["x-request-id"])
    assert re.search(r"\bstatements=1\b", line), line
