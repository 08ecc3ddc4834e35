"""Messages of every kind: what each has, what is refused, forwarding, expiry, slow mode, blocks, and who is mentioned."""

import datetime
import time

import pytest

from peal import truth
from peal.kinds import DRAFTS, SHOWN, draft
from peal.people import Person

WHEN = "%Y-%m-%dT%H:%M:%S.%fZ"


def at(text):
    return datetime.datetime.strptime(text, WHEN)


def post(person, conversation, body, **options):
    return person.rest.post(f"/conversations/{conversation}/messages", body, **{"expect": 201, **options})


def refused(person, conversation, body, path, code, status=400):
    reply = post(person, conversation, body, valid=False, expect=(status, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code), reply


@pytest.mark.parametrize("kind", DRAFTS)
def test_each_kind_is_shown_as_it_was_said(stack, pair, kind):
    a, b, conversation = pair
    body = draft(kind)
    m = post(a, conversation, body).json
    assert m["message_type"] == kind and m["content"] == body.get("content")
    want = dict(SHOWN[kind] or {})
    if kind == "poll":
        late = (at(m["poll"]["closes_at"]) - at(m["created_at"])).total_seconds()
        assert late == 3600, "seconds are counted from when it was said"
        want["closes_at"] = m["poll"]["closes_at"]
    for other in ("location", "poll", "call", "system", "encrypted"):
        assert m[other] == (want if other == kind else None)
    for who in (a, b):
        shown = who.rest.get(f"/messages/{m['id']}", expect=200).json
        if who is a:
            assert shown == m
        assert shown[kind] == want if kind != "text" else shown["content"] == "Grüße"
        assert who.history(conversation)["messages"][-1] == shown == who.listed(conversation)["last_message"]
    assert b.listed(conversation)["unread_count"] == 2
    again = post(a, conversation, dict(reversed(body.items())), expect=200)
    assert again.json == m and again.headers["idempotency-replayed"] == "true"
    if kind != "text":
        part = {**body[kind], "duration_seconds": 1, "question": "Supper?", "name": "elsewhere", "key_id": "a2V5LTI="}
        post(a, conversation, {**body, kind: {k: part[k] for k in {**body[kind], **({"name": 0} if kind == "location" else {})}}},
             expect=(409, "idempotency_conflict"))
    truth.check_dense(stack, conversation)


def test_what_is_optional(pair):
    a, _, conversation = pair
    place = post(a, conversation, draft("location", location={"latitude": 0, "longitude": -0.00000001})).json["location"]
    assert place == {"latitude": 0, "longitude": 0, "name": None, "address": None}
    place = post(a, conversation, draft("location", location={"latitude": -90, "longitude": 179.99999994, "address": "ä" * 300})).json["location"]
    assert (place["latitude"], place["longitude"], place["address"]) == (-90, 179.9999999, "ä" * 300)
    poll = post(a, conversation, draft("poll", poll={"question": "?", "options": [f"{i}" for i in range(12)]})).json["poll"]
    assert (poll["multiple"], poll["anonymous"], poll["closes_at"], len(poll["options"])) == (False, False, None, 12)
    closes = (datetime.datetime.utcnow() + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.250Z")
    poll = post(a, conversation, draft("poll", poll={"question": "?", "options": ["a", "b"], "closes_at": closes, "anonymous": True})).json["poll"]
    assert (poll["closes_at"], poll["anonymous"]) == (closes, True)
    call = post(a, conversation, draft("call", call={"call_id": "x", "media": "audio", "outcome": "missed"})).json["call"]
    assert call["duration_seconds"] == 0
    text = post(a, conversation, draft(poll=None, location=None, call=None, encrypted=None, forward_of=None, expires_in_seconds=None)).json
    assert text["expires_at"] is None
    longest = {"ciphertext": "A" * 87384, "nonce": "AA==", "key_id": "AAA=", "ephemeral_key": "AAAA" * 256}
    assert post(a, conversation, draft("encrypted", encrypted=longest)).json["encrypted"] == longest


POLL, PLACE, CALL, SECRET = (DRAFTS[k][k] for k in ("poll", "location", "call", "encrypted"))


@pytest.mark.parametrize("kind, more, path, code", [
    ("location", {"location": ...}, "/location", "required"), ("location", {"location": None}, "/location", "required"),
    ("location", {"location": []}, "/location", "type"), ("location", {"location": {"latitude": 1}}, "/location/longitude", "required"),
    ("location", {"location": {**PLACE, "latitude": 90.1}}, "/location/latitude", "range"),
    ("location", {"location": {**PLACE, "longitude": -180.0001}}, "/location/longitude", "range"),
    ("location", {"location": {**PLACE, "latitude": "52"}}, "/location/latitude", "type"),
    ("location", {"location": {**PLACE, "name": ""}}, "/location/name", "too_short"),
    ("location", {"location": {**PLACE, "name": "x" * 101}}, "/location/name", "too_long"),
    ("location", {"content": "look"}, "/content", "exclusive"), ("location", {"poll": POLL}, "/poll", "exclusive"),
    ("text", {"location": PLACE}, "/location", "exclusive"), ("text", {"encrypted": SECRET}, "/encrypted", "exclusive"),
    ("text", {"poll": {}}, "/poll", "exclusive"), ("text", {"call": 1}, "/call", "exclusive"),
    ("poll", {"poll": {**POLL, "question": "x" * 301}}, "/poll/question", "too_long"),
    ("poll", {"poll": {**POLL, "question": " "}}, "/poll/question", "too_short"), ("poll", {"poll": {**POLL, "options": ["a"]}}, "/poll/options", "too_short"),
    ("poll", {"poll": {**POLL, "options": [f"{i}" for i in range(13)]}}, "/poll/options", "too_long"),
    ("poll", {"poll": {**POLL, "options": {"a": 1}}}, "/poll/options", "type"), ("poll", {"poll": {**POLL, "options": ["a", 2]}}, "/poll/options/1", "type"),
    ("poll", {"poll": {**POLL, "options": ["a", "b", "a"]}}, "/poll/options/2", "duplicate"),
    ("poll", {"poll": {**POLL, "options": ["a", ""]}}, "/poll/options/1", "too_short"),
    ("poll", {"poll": {**POLL, "options": ["a", "x" * 101]}}, "/poll/options/1", "too_long"),
    ("poll", {"poll": {**POLL, "multiple": 1}}, "/poll/multiple", "type"),
    ("poll", {"poll": {**POLL, "closes_in_seconds": 0}}, "/poll/closes_in_seconds", "range"),
    ("poll", {"poll": {**POLL, "closes_in_seconds": 31536001}}, "/poll/closes_in_seconds", "range"),
    ("poll", {"poll": {**POLL, "closes_at": "2030-01-01T00:00:00Z"}}, "/poll/closes_at", "exclusive"),
    ("poll", {"poll": {**POLL, "closes_in_seconds": None, "closes_at": "tomorrow"}}, "/poll/closes_at", "format"),
    ("poll", {"poll": {**POLL, "closes_in_seconds": None, "closes_at": "2001-01-01T00:00:00Z"}}, "/poll/closes_at", "range"),
    ("poll", {"poll": {**POLL, "closes_in_seconds": None, "closes_at": "9001-01-01T00:00:00Z"}}, "/poll/closes_at", "range"),
    ("call", {"call": {**CALL, "outcome": "lost"}}, "/call/outcome", "word"), ("call", {"call": {**CALL, "media": None}}, "/call/media", "type"),
    ("call", {"call": {**CALL, "call_id": "x" * 65}}, "/call/call_id", "too_long"), ("call", {"call": {**CALL, "call_id": "a\nb"}}, "/call/call_id", "format"),
    ("call", {"call": {**CALL, "duration_seconds": -1}}, "/call/duration_seconds", "range"),
    ("call", {"mentions": [{"user_id": "1", "offset": 0, "length": 1}]}, "/mentions/0", "range"),
    ("encrypted", {"encrypted": {**SECRET, "ciphertext": "abc"}}, "/encrypted/ciphertext", "format"),
    ("encrypted", {"encrypted": {**SECRET, "ciphertext": "A" * 87388}}, "/encrypted/ciphertext", "too_long"),
    ("encrypted", {"encrypted": {**SECRET, "nonce": "ab-_"}}, "/encrypted/nonce", "format"),
    ("encrypted", {"encrypted": {**SECRET, "key_id": "=AAA"}}, "/encrypted/key_id", "format"),
    ("encrypted", {"encrypted": {**SECRET, "ephemeral_key": "A==="}}, "/encrypted/ephemeral_key", "format"),
    ("encrypted", {"content": "clear"}, "/content", "exclusive"), ("encrypted", {"attachment_ids": ["0" * 32]}, "/attachment_ids", "type"),
    ("file", {}, "/attachment_ids", "required"), ("audio", {"attachment_ids": []}, "/attachment_ids", "required"),
    ("video", {"attachment_ids": ["x"]}, "/attachment_ids", "format"), ("file", {"attachment_ids": ["0" * 32]}, "/attachment_ids", "unknown"),
    ("text", {"expires_in_seconds": 0}, "/expires_in_seconds", "range"), ("text", {"expires_in_seconds": 31536001}, "/expires_in_seconds", "range"),
    ("text", {"expires_in_seconds": "60"}, "/expires_in_seconds", "type"), ("system", {}, "/message_type", "word"),
    (None, {"content": "x"}, "/message_type", "type"),
])
def test_kinds_refuse(pair, kind, more, path, code):
    a, _, conversation = pair
    refused(a, conversation, {k: v for k, v in draft(kind, **more).items() if v is not ...}, path, code)
    assert a.conversation(conversation)["last_seq"] == 1


def test_the_header_and_the_body_say_one_key(pair):
    a, _, conversation = pair
    first = post(a, conversation, draft(client_id="one"), headers={"Idempotency-Key": "one"})
    assert post(a, conversation, draft(client_id="one"), expect=200)["id"] == first["id"]
    reply = post(a, conversation, draft(client_id="two"), headers={"Idempotency-Key": "three"}, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/client_id", "exclusive")


# -- mentions


def test_only_members_are_mentioned(stack, pair):
    a, b, conversation = pair
    stranger = Person(stack)
    mention = {"offset": 0, "length": 1}
    refused(a, conversation, draft(mentions=[{"user_id": b.id, **mention}, {"user_id": stranger.id, **mention}]), "/mentions/1/user_id", "unknown")
    refused(a, conversation, draft(mentions=[{"user_id": "9223372036854775807", **mention}]), "/mentions/0/user_id", "unknown")
    post(a, conversation, draft(mentions=[{"user_id": b.id, **mention}, {"user_id": a.id, **mention}]))
    assert (b.listed(conversation)["unread_count"], b.listed(conversation)["mention_count"]) == (2, 1)


def test_the_peer_is_mentioned_before_they_see_the_conversation(stack):
    a, b = Person(stack), Person(stack)
    conversation = a.start(b)
    post(a, conversation, draft(mentions=[{"user_id": b.id, "offset": 0, "length": 1}]))
    assert b.listed(conversation)["mention_count"] == 1


# -- forwarding


@pytest.mark.parametrize("kind", ["text", "location"])
def test_forward_is_a_frozen_copy(stack, pair, kind):
    a, b, conversation = pair
    c = Person(stack)
    other = b.start(c)
    first = post(a, conversation, draft(kind, **({"mentions": [{"user_id": b.id, "offset": 0, "length": 1}]} if kind == "text" else {}))).json
    body = {"client_id": "f", "forward_of": first["id"]}
    copy = post(b, other, body).json
    assert copy["forward_of"] == {"sender_id": a.id, "created_at": first["created_at"]}
    assert (copy["message_type"], copy["content"], copy["location"]) == (kind, first["content"], first["location"])
    assert copy["sender_id"] == b.id and copy["mentions"] == [] and copy["reply_to"] is None
    assert b.rest.get(f"/messages/{copy['id']}").json == copy
    assert post(b, other, body, expect=200).json == copy
    post(b, other, {**body, "forward_of": f"{conversation}.1"}, expect=(409, "idempotency_conflict"))
    twice = post(c, other, {"client_id": "g", "forward_of": copy["id"], "message_type": kind, "reply_to": copy["id"], "expires_in_seconds": 60}).json
    assert twice["forward_of"] == copy["forward_of"], "who said it first"
    assert twice["reply_to"]["id"] == copy["id"] and twice["expires_at"]
    a.rest.delete(f"/messages/{first['id']}", query={"for": "everyone"}, expect=200)
    assert b.rest.get(f"/messages/{copy['id']}").json["content"] == first["content"], "frozen"
    b.rest.delete(f"/messages/{copy['id']}", query={"for": "everyone"}, expect=200)
    gone = c.rest.get(f"/messages/{copy['id']}", expect=200)
    assert gone["forward_of"] is None and gone["location"] is None
    assert post(b, other, body, expect=200)["deleted_at"], "a replay shows the tombstone"


def test_what_cannot_be_forwarded(stack, pair):
    a, b, conversation = pair
    c = Person(stack)
    other = b.start(c)
    for kind in ("poll", "call", "encrypted"):
        m = post(a, conversation, draft(kind)).json
        post(b, other, {"client_id": kind, "forward_of": m["id"]}, expect=(409, "wrong_kind"))
    group = a.group(b)
    post(b, other, {"client_id": "s", "forward_of": f"{group}.1"}, expect=(409, "wrong_kind"))
    m = a.say(conversation, "going")
    a.rest.delete(f"/messages/{m['id']}", query={"for": "everyone"}, expect=200)
    post(b, other, {"client_id": "d", "forward_of": m["id"]}, expect=(409, "deleted"))
    m = a.say(conversation, "here")
    b.say(other, "hello")
    body = {"client_id": "x", "forward_of": m["id"]}
    refused(c, other, body, "/forward_of", "unknown")
    refused(b, other, {**body, "forward_of": f"{conversation}.99"}, "/forward_of", "unknown")
    refused(b, other, {**body, "forward_of": "x"}, "/forward_of", "format")
    refused(b, other, {**body, "message_type": "location"}, "/message_type", "word")
    for more, path in (({"content": "mine"}, "/content"), ({"mentions": [{"user_id": b.id, "offset": 0, "length": 1}]}, "/mentions"),
                       ({"attachment_ids": []}, "/attachment_ids"), ({"poll": POLL}, "/poll")):
        refused(b, other, {**body, **more}, path, "exclusive")
    post(c, conversation, draft(), expect=(404, "not_found"))
    post(b, other, {**body, "content": None, "mentions": [], "poll": None, "message_type": None})
    m = a.say(conversation, "not for long", expires_in_seconds=1)
    time.sleep(1.1)
    refused(b, other, {"client_id": "e", "forward_of": m["id"]}, "/forward_of", "unknown")


# -- expiry


def test_a_message_expires_by_the_clock(stack, pair):
    a, b, conversation = pair
    body = draft(content="for a moment", expires_in_seconds=4)
    m = post(a, conversation, body).json
    assert (at(m["expires_at"]) - at(m["created_at"])).total_seconds() == 4
    answer = b.say(conversation, "seen", reply_to=m["id"])
    assert answer["reply_to"]["excerpt"] == "for a moment"
    assert b.rest.get(f"/messages/{m['id']}", expect=200)["content"] == "for a moment"
    time.sleep(4.1)
    for who in (a, b):
        who.rest.get(f"/messages/{m['id']}", expect=(404, "not_found"))
        page = who.history(conversation)
        assert [x["seq"] for x in page["messages"]] == [1, 3]
        assert page["messages"][1]["reply_to"] is None
    refused(b, conversation, draft(reply_to=m["id"]), "/reply_to", "unknown")
    assert truth.rows(stack, "SELECT read_seq FROM member WHERE user_id = %s AND conversation_id = %s", int(a.id), int(conversation)) == [(2,)]
    post(a, conversation, body, expect=404)


def test_what_has_expired_is_not_unread(pair):
    a, b, conversation = pair
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1}, expect=200)
    a.say(conversation, "soon gone", expires_in_seconds=4, mentions=[{"user_id": b.id, "offset": 0, "length": 1}])
    assert (b.listed(conversation)["unread_count"], b.listed(conversation)["mention_count"]) == (1, 1)
    assert b.listed(conversation)["last_message"]["seq"] == 2
    time.sleep(4.1)
    listed = b.listed(conversation)
    assert (listed["unread_count"], listed["mention_count"], listed["last_message"]["seq"], listed["last_seq"]) == (0, 0, 1, 2)
    assert b.rest.get("/conversations/unread-count").json["total"] == 0
    b.say(conversation, "nothing was unread")
    assert b.listed(conversation)["my"]["read_seq"] == 3


def test_the_conversation_s_time_to_live(stack, pair):
    a, b, _ = pair
    group = a.group(b)
    before = a.say(group, "before")
    a.rest.patch(f"/conversations/{group}", {"ttl_seconds": 3600}, expect=200)
    for given, want in ((None, 3600), (60, 60), (86400, 3600)):
        m = post(b, group, draft(expires_in_seconds=given)).json
        assert (at(m["expires_at"]) - at(m["created_at"])).total_seconds() == want
    assert a.rest.get(f"/messages/{before['id']}")["expires_at"] is None, "only what is said after it was set"
    copy = post(a, group, {"client_id": "f", "forward_of": before["id"]}).json
    assert (at(copy["expires_at"]) - at(copy["created_at"])).total_seconds() == 3600


# -- slow mode, blocks


def test_slow_mode(stack, pair):
    a, b, _ = pair
    group = a.group(b)
    b.say(group, "before it was slow")
    a.rest.patch(f"/conversations/{group}", {"slow_mode_seconds": 5}, expect=200)
    body = draft()
    first = post(b, group, body)
    reply = post(b, group, draft(), expect=(429, "slow_mode"))
    assert 0 < reply["retry_after_ms"] <= 5000 and int(reply.headers["retry-after"]) == -(-reply["retry_after_ms"] // 1000)
    assert reply["retryable"]
    b.rest.post("/messages", draft(conversation_id=group), expect=(429, "slow_mode"))
    assert post(b, group, body, expect=200)["id"] == first["id"], "a retry says nothing new"
    for _ in range(3):
        a.say(group, "whoever runs the group speaks")
    assert a.conversation(group)["last_seq"] == first["seq"] + 3, "what was refused has taken no number"
    time.sleep(reply["retry_after_ms"] / 1000)
    post(b, group, draft())
    a.rest.patch(f"/conversations/{group}", {"slow_mode_seconds": 0}, expect=200)
    b.say(group, "fast"), b.say(group, "again")
    truth.check_dense(stack, group)


def test_blocked_people_do_not_send_to_each_other(stack, pair):
    a, b, conversation = pair
    body = draft()
    first = post(b, conversation, body)
    group = a.group(b)
    a.rest.call("PUT", f"/users/{b.id}/block", expect=204)
    for who in (a, b):
        post(who, conversation, draft(), expect=(403, "blocked"))
        who.rest.post("/messages", draft(conversation_id=conversation), expect=(403, "blocked"))
        assert who.history(conversation)["messages"], "both still read it"
        who.say(group, "in groups everything stays as it is")
    assert post(b, conversation, body, expect=200)["id"] == first["id"]
    a.rest.call("DELETE", f"/users/{b.id}/block", expect=204)
    post(b, conversation, draft())
    truth.check_dense(stack, conversation)
