"""Groups: made, changed, joined and left; roles; and what a member keeps for themselves."""

import collections
import concurrent.futures
import os
import random
import re
import time

import pytest

from peal import audit, media, truth
from peal.busy import at_once
from peal.people import Person

BACKGROUND = ("account_revoked", "upkeep_", "event_", "schedule", "search_", "expiry", "session_", "log_", "attachment_removals", "attachment_unknown",
              "attachment_stale", "call_list", "call_forget", "erasure_step", "export_", "report_forget", "notify_follow",
              "notify_due", "notify_done", "notify_clean")  # statements of nobody's request
LATER = "2031-01-02T03:04:05.678Z"


@pytest.fixture(scope="module")
def people(stack):
    return [Person(stack, n) for n in ("ann", "ben", "cat", "dan", "eve")]


@pytest.fixture
def group(people):
    """ann owns it, ben is an admin, cat and dan are members, eve is a stranger."""
    ann, ben, cat, dan, eve = people
    group = ann.group(ben, cat, dan)
    role(ann, group, ben, "admin")
    return ann, ben, cat, dan, eve, group


def role(by, group, whom, to, expect=200):
    return by.rest.patch(f"/conversations/{group}/participants/{whom.id}", {"role": to}, expect=expect)


def add(by, group, *whom, expect=200):
    return by.rest.post(f"/conversations/{group}/participants", {"user_ids": [p.id for p in whom]}, expect=expect)


def remove(by, group, whom, expect=204):
    return by.rest.delete(f"/conversations/{group}/participants/{whom.id}", expect=expect)


def change(by, conversation, expect=200, **changes):
    return by.rest.patch(f"/conversations/{conversation}", changes, expect=expect)


def settings(by, conversation, expect=200, **changes):
    return by.rest.put(f"/conversations/{conversation}/settings", changes, expect=expect)


def draft(by, conversation, content, expect=204, **more):
    return by.rest.put(f"/conversations/{conversation}/draft", {"content": content, **more}, expect=expect)


def members(by, group):
    """[(user id, role)] in the order in which they came, by pages of two."""
    out, cursor = [], {}
    while cursor is not None:
        page = by.rest.get(f"/conversations/{group}/participants", query={"limit": 2, **cursor}, expect=200)
        out += [(m["user"]["id"], m["role"]) for m in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    return out


def roles(by, group):
    return dict(members(by, group))


def said(by, group):
    """What the group was told, oldest first: system messages without what names people, and texts."""
    return [m["system"] and {k: v for k, v in m["system"].items() if k != "user_ids"} or m["content"] for m in by.history(group)["messages"]]


def place(by, conversation):
    c = by.conversation(conversation)
    return c["last_seq"], c["last_rev"]


def stream(stack, person):
    """Kinds in a person's own stream, in order."""
    return [k for k, in truth.rows(stack, "SELECT kind FROM user_event WHERE user_id = %s ORDER BY user_rev", int(person.id))]


# -- making


def test_make(stack, people):
    ann, ben, cat, *_ = people
    group = ann.rest.post("/conversations", {"type": "group", "name": " Book club ", "participant_ids": [ben.id, cat.id, ben.id, ann.id]}, expect=201)
    assert (group["type"], group["name"], group["peer"], group["history"]) == ("group", "Book club", None, "joined")
    assert (group["last_seq"], group["last_rev"], group["participant_count"], group["unread_count"]) == (1, 1, 3, 0)
    assert (group["ttl_seconds"], group["retention_days"], group["slow_mode_seconds"], group["avatar_id"]) == (None, None, None, None)
    assert group["my"] == {"read_seq": 0, "unread_from": None, "role": "owner", "notify": "all", "muted_until": None, "archived": False,
                           "pinned": False, "draft": None}
    assert roles(ann, group["id"]) == {ann.id: "owner", ben.id: "member", cat.id: "member"}
    for p in (ann, ben, cat):
        seen = p.listed(group["id"])
        assert seen["unread_count"] == 0 and seen["last_message"]["system"] == {"kind": "created", "name": "Book club"}
        assert seen["last_message"]["sender_id"] == ann.id and seen["last_message"]["message_type"] == "system"
    truth.check_dense(stack, group["id"])


def test_make_alone(people):
    ann = people[0]
    assert roles(ann, ann.group(name="x" * 100)) == {ann.id: "owner"}


@pytest.mark.parametrize("body, path, code", [
    ({}, "/type", "required"), ({"type": "direct"}, "/type", "word"), ({"type": "group"}, "/name", "required"),
    ({"name": ""}, "/name", "too_short"), ({"name": "x" * 101}, "/name", "too_long"), ({"name": None}, "/name", "type"),
    ({"name": " \u200b "}, "/name", "format"), ({"name": "two\nlines"}, "/name", "format"), ({"name": 7}, "/name", "type"),
    ({"participant_ids": None}, "/participant_ids", "type"), ({"participant_ids": "7"}, "/participant_ids", "type"),
    ({"participant_ids": {}}, "/participant_ids", "type"), ({"participant_ids": [7]}, "/participant_ids/0", "format"),
    ({"participant_ids": ["{ben}", "x"]}, "/participant_ids/1", "format"), ({"participant_ids": ["0"]}, "/participant_ids/0", "format"),
    ({"participant_ids": ["{ben}"] * 101}, "/participant_ids", "too_long"), ({"participant_ids": ["{ben}", "987654321"]}, "/participant_ids", "unknown"),
    ({"participant_ids": [["7"]]}, "/participant_ids/0", "format"), ({"participant_ids": [None]}, "/participant_ids/0", "format"),
    ({"history": "some"}, "/history", "word"), ({"history": None}, "/history", "type"),
    ({"avatar_id": "x"}, "/avatar_id", "format"), ({"avatar_id": 7}, "/avatar_id", "type"),
])
def test_make_refuses(people, body, path, code):
    ann, ben, *_ = people
    if "type" not in body and body:
        body = {"type": "group", "name": "x", "participant_ids": []} | body
    if isinstance(body.get("participant_ids"), list):
        body = body | {"participant_ids": [ben.id if i == "{ben}" else i for i in body["participant_ids"]]}
    reply = ann.rest.post("/conversations", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_make_again_with_a_key(stack, people):
    ann, ben, cat, *_ = people
    body = {"type": "group", "name": "once", "participant_ids": [ben.id, cat.id]}

    def make(by=ann, key="key-1", expect=201, **more):
        return by.rest.post("/conversations", body | more, headers={"Idempotency-Key": key}, expect=expect)
    first = make()
    ann.say(first["id"], "hello")
    body = dict(reversed(body.items()))
    again = make(expect=200)
    assert again["id"] == first["id"] and again["last_seq"] == 2, "as it is now, in whatever order the members of the body are"
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    for other in ({"name": "twice"}, {"participant_ids": [ben.id]}, {"participant_ids": [cat.id, ben.id]}, {"history": "all"}):
        make(expect=(409, "idempotency_conflict"), **other)
    assert make(key="key-2")["id"] != first["id"] and make(ben, participant_ids=[])["id"] != first["id"]
    remove(ann, first["id"], ann)
    make(expect=(404, "not_found"))
    for bad in ("x" * 65, "a\tb"):
        reply = make(key=bad, expect=(400, "invalid"))
        assert reply["errors"][0]["path"] == "Idempotency-Key"


def test_a_retry_at_the_same_time_makes_one(stack, people):
    ann, ben, *_ = people
    body = {"type": "group", "name": "race", "participant_ids": [ben.id]}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: ann.rest.post("/conversations", body, headers={"Idempotency-Key": "race"}), range(8)))
    assert sorted(r.status for r in replies) == [200] * 7 + [201] and len({r["id"] for r in replies}) == 1


def test_blocks_keep_people_apart(stack, people):
    ann, ben, cat, *_ = people
    x, y = Person(stack, "ex"), Person(stack, "why")
    x.rest.put(f"/users/{y.id}/block", expect=204)
    for one, other in ((x, y), (y, x)):
        one.rest.post("/conversations", {"type": "group", "name": "no", "participant_ids": [ann.id, other.id]}, expect=(403, "blocked"))
        add(one, one.group(ann), other, expect=(403, "blocked"))
    group = ann.group(x, y)
    assert roles(y, group) == {ann.id: "owner", x.id: "member", y.id: "member"}, "a third person may bring both"
    role(ann, group, x, "admin")
    assert add(x, group, y)["added"] == [], "and who is there already is no matter"


# -- adding


def test_add(stack, group):
    ann, ben, cat, dan, eve, group = group
    seq, rev = place(ann, group)
    reply = add(ben, group, eve, cat, eve)
    assert reply.json == {"added": [eve.id], "participant_count": 5}
    assert place(ann, group) == (seq + 1, rev + 1)
    assert add(ann, group, eve, cat).json == {"added": [], "participant_count": 5} and place(ann, group) == (seq + 1, rev + 1)
    last = ann.history(group)["messages"][-1]
    assert (last["sender_id"], last["system"]) == (ben.id, {"kind": "member_added", "user_ids": [eve.id]})
    assert members(eve, group)[-1] == (eve.id, "member"), "last, in the order in which they came"
    seen = eve.listed(group)
    assert (seen["unread_count"], seen["my"]["read_seq"], seen["first_seq"], seen["participant_count"]) == (0, seq, seq + 1, 5)
    truth.check_dense(stack, group)


def test_several_at_once_are_told_one_by_one(stack, people):
    ann, ben, cat, dan, eve = people
    group = ann.group()
    assert add(ann, group, eve, ben, dan)["added"] == [eve.id, ben.id, dan.id]
    events = truth.rows(stack, "SELECT kind, target_user::text FROM event WHERE conversation_id = %s ORDER BY position", int(group))
    assert events == [(2, None), (1, None), (10, eve.id), (10, ben.id), (10, dan.id), (1, None)]
    assert [u for u, _ in members(ann, group)] == [ann.id, eve.id, ben.id, dan.id]
    assert [p["user"]["id"] for p in ann.conversation(group)["participants"]] == [ann.id, eve.id, ben.id, dan.id]


def test_all_or_nobody(stack, group):
    ann, _, _, _, eve, group = group
    before = place(ann, group)
    for ids in ([eve.id, "987654321"], ["987654321"]):
        reply = ann.rest.post(f"/conversations/{group}/participants", {"user_ids": ids}, expect=(400, "invalid"))
        assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/user_ids", "unknown")
    assert place(ann, group) == before and eve.listed(group) is None
    assert add(ann, group).json == {"added": [], "participant_count": 4}


@pytest.mark.parametrize("body, path, code", [
    ({}, "/user_ids", "required"), ({"user_ids": None}, "/user_ids", "type"), ({"user_ids": "7"}, "/user_ids", "type"),
    ({"user_ids": ["1", 2]}, "/user_ids/1", "format"), ({"user_ids": ["-1"]}, "/user_ids/0", "format"), ({"user_ids": ["1"] * 101}, "/user_ids", "too_long"),
])
def test_add_refuses(group, body, path, code):
    ann, *_, group = group
    reply = ann.rest.post(f"/conversations/{group}/participants", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


@pytest.mark.parametrize("history", ["joined", "all"])
def test_what_a_newcomer_sees(people, history):
    ann, ben, *_, eve = people
    group = ann.group(ben, history=history)
    ann.say(group, "before")
    add(ann, group, eve)
    ann.say(group, "after", reply_to=f"{group}.2")
    old = [{"kind": "created", "name": "The group"}, "before"] if history == "all" else []
    assert said(eve, group) == old + [{"kind": "member_added"}, "after"]
    assert eve.listed(group)["unread_count"] == 1, "what was there before counts as read"
    reply = eve.history(group)["messages"][-1]["reply_to"]
    assert (reply and reply["excerpt"]) == ("before" if history == "all" else None)
    eve.rest.get(f"/messages/{group}.2", expect=200 if history == "all" else (404, "not_found"))
    change(ann, group, history="joined" if history == "all" else "all")
    eve.rest.get(f"/messages/{group}.2", expect=200 if history == "joined" else (404, "not_found"))


def test_coming_back(people):
    ann, ben, *_ = people
    group = ann.group(ben)
    ben.say(group, "mine")
    remove(ann, group, ben)
    ann.say(group, "meanwhile")
    add(ann, group, ben)
    assert said(ben, group) == [{"kind": "member_added"}], "a new floor"
    change(ann, group, history="all")
    assert said(ben, group)[1:5] == ["mine", {"kind": "member_removed"}, "meanwhile", {"kind": "member_added"}]


def test_coming_back_brings_nothing_back_that_one_deleted(stack, people):
    """Also when whoever adds them never saw it."""
    ann, ben, _, _, eve = people
    group = ann.group(ben, history="joined")
    gone = ann.say(group, "not for ben")["id"]
    ben.rest.delete(f"/messages/{gone}?for=me", expect=204)
    remove(ann, group, ben)
    add(ann, group, eve)
    role(ann, group, eve, "admin")
    add(eve, group, ben)
    change(ann, group, history="all")
    assert "not for ben" in said(ann, group) and "not for ben" not in said(ben, group)
    ben.rest.get(f"/messages/{gone}", expect=(404, "not_found"))
    audit.check(stack)


def test_a_full_group(stack, people):
    """5,000 members: no more; and everything still answers."""
    ann, ben, cat, dan, eve = people
    group = ann.group(ben)
    truth.rows(stack, "WITH u AS (INSERT INTO users (username, display_name) SELECT 'full-' || %s || '-' || n, 'N ' || n FROM generate_series(1, 4997) n RETURNING id) "
                      "INSERT INTO member (user_id, conversation_id, joined_position, joined_seq) SELECT id, %s, 2, 1 FROM u", group, int(group))
    truth.rows(stack, "UPDATE conversation SET participant_count = 4999 WHERE id = %s", int(group))
    add(ann, group, cat, dan, expect=(409, "group_full"))
    assert cat.listed(group) is None
    started = time.monotonic()
    assert add(ann, group, cat).json == {"added": [cat.id], "participant_count": 5000}
    took = time.monotonic() - started
    add(ann, group, dan, expect=(409, "group_full"))
    assert add(ann, group, cat)["participant_count"] == 5000, "who is in it already takes no place"
    assert len(ann.conversation(group)["participants"]) == 32
    ids, cursor = [], {}
    while cursor is not None:
        page = cat.rest.get(f"/conversations/{group}/participants", query={"limit": 100, **cursor}, expect=200)
        ids += [m["user"]["id"] for m in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert len(ids) == len(set(ids)) == 5000 and ids[:2] == [ann.id, ben.id] and ids[-1] == cat.id
    remove(ann, group, cat)
    assert add(ann, group, dan)["participant_count"] == 5000
    assert took < 5, took


def test_pages_stay_in_order_while_people_come_and_go(people):
    ann, ben, cat, dan, eve = people
    group = ann.group(ben, cat)
    first = ann.rest.get(f"/conversations/{group}/participants", query={"limit": 2}, expect=200)
    assert [m["user"]["id"] for m in first["items"]] == [ann.id, ben.id]
    remove(ann, group, ben)
    add(ann, group, eve)
    rest = ann.rest.get(f"/conversations/{group}/participants", query={"limit": 2, "cursor": first["next_cursor"]}, expect=200)
    assert [m["user"]["id"] for m in rest["items"]] == [cat.id, eve.id] and rest["next_cursor"] is None


@pytest.mark.parametrize("query, path, code", [({"limit": "0"}, "limit", "range"), ({"limit": "101"}, "limit", "range"), ({"limit": "x"}, "limit", "type"),
                                               ({"cursor": "!"}, "cursor", "format"), ({"cursor": "AAAA"}, "cursor", "format"), ({"cursor": "LTEuMQ"}, "cursor", "format")])
def test_participants_refuses(group, query, path, code):
    ann, *_, group = group
    reply = ann.rest.get(f"/conversations/{group}/participants", query=query, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_participants_of_a_direct_conversation(pair):
    a, b, conversation = pair
    page = b.rest.get(f"/conversations/{conversation}/participants", expect=200)
    assert {(m["user"]["id"], m["role"], m["receipt_seq"]) for m in page["items"]} == {(a.id, "member", 1), (b.id, "member", 0)}


# -- roles


def test_roles(stack, group):
    ann, ben, cat, dan, eve, group = group
    seq, rev = place(ann, group)
    reply = role(ann, group, cat, "admin")
    assert (reply["user"]["id"], reply["role"], reply["receipt_seq"]) == (cat.id, "admin", 0)
    assert place(ann, group) == (seq + 1, rev + 1)
    assert ann.history(group)["messages"][-1]["system"] == {"kind": "role_changed", "user_ids": [cat.id], "role": "admin"}
    role(ann, group, cat, "admin")
    assert place(ann, group) == (seq + 1, rev + 1), "again: nothing"
    for by, whom, to in ((ben, dan, "admin"), (ben, ben, "member"), (ben, cat, "member"), (dan, dan, "owner"), (dan, ann, "member")):
        role(by, group, whom, to, expect=(403, "forbidden"))
    role(ann, group, eve, "admin", expect=(404, "not_found"))
    role(ann, group, ann, "admin", expect=(409, "last_owner"))
    role(ann, group, dan, "owner")
    role(dan, group, ann, "member")
    role(ann, group, ben, "member", expect=(403, "forbidden"))
    assert roles(ben, group) == {ann.id: "member", ben.id: "admin", cat.id: "admin", dan.id: "owner"}
    assert ben.conversation(group)["my"]["role"] == "admin"
    truth.check_dense(stack, group)


@pytest.mark.parametrize("body, code", [({}, "required"), ({"role": "boss"}, "word"), ({"role": None}, "type"), ({"role": 3}, "type")])
def test_role_refuses(group, body, code):
    ann, ben, *_, group = group
    reply = ann.rest.patch(f"/conversations/{group}/participants/{ben.id}", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/role", code)


# -- going


def test_remove(stack, group):
    ann, ben, cat, dan, eve, group = group
    for by, whom in ((cat, dan), (cat, ben), (ben, ann), (cat, eve)):
        remove(by, group, whom, expect=(403, "forbidden"))
    remove(ben, group, eve, expect=(404, "not_found"))
    seq, rev = place(ann, group)
    remove(ben, group, dan)
    assert place(ann, group) == (seq + 1, rev + 1)
    last = ann.history(group)["messages"][-1]
    assert (last["sender_id"], last["system"]) == (ben.id, {"kind": "member_removed", "user_ids": [dan.id]})
    for method, path, body in (("GET", "", None), ("GET", "/messages", None), ("GET", "/participants", None), ("PATCH", "/read", {"seq": 1}),
                               ("POST", "/messages", {"client_id": "x", "message_type": "text", "content": "x"}), ("DELETE", "/draft", None)):
        dan.rest.call(method, f"/conversations/{group}{path}", body, expect=(404, "not_found"))
    assert dan.listed(group) is None and stream(stack, dan)[-1] == 9
    assert ann.conversation(group)["participant_count"] == 3 and dan.id not in roles(ann, group)
    remove(ben, group, dan, expect=(404, "not_found"))
    remove(ann, group, ben)
    assert roles(ann, group) == {ann.id: "owner", cat.id: "member"}
    truth.check_dense(stack, group)


def test_an_owner_removes_an_owner(group):
    ann, ben, *_, group = group
    role(ann, group, ben, "owner")
    remove(ann, group, ben)
    assert ben.listed(group) is None


def test_the_last_owner_leaves(stack, group):
    ann, ben, cat, dan, eve, group = group
    role(ann, group, cat, "admin")
    remove(ann, group, ann)
    assert roles(ben, group) == {ben.id: "owner", cat.id: "admin", dan.id: "member"}, "the longest-standing admin"
    assert said(ben, group)[-2:] == [{"kind": "role_changed", "role": "owner"}, {"kind": "member_left"}]
    role(ben, group, cat, "member")
    remove(ben, group, ben)
    assert roles(dan, group) == {cat.id: "owner", dan.id: "member"}, "the longest-standing member"
    remove(cat, group, dan)
    remove(cat, group, cat)
    assert truth.rows(stack, "SELECT participant_count FROM conversation WHERE id = %s", int(group)) == [(0,)]
    truth.check_dense(stack, group)
    for p in (ann, ben, cat, dan):
        p.rest.get(f"/conversations/{group}", expect=(404, "not_found"))


def test_an_owner_beside_another_just_leaves(group):
    ann, ben, cat, dan, _, group = group
    role(ann, group, dan, "owner")
    remove(ann, group, ann)
    assert roles(ben, group) == {ben.id: "admin", cat.id: "member", dan.id: "owner"}


# -- changing


def test_change(stack, group):
    ann, ben, cat, _, eve, group = group
    seq, rev = place(ann, group)
    reply = change(ben, group, name=" New ", history="all", ttl_seconds=86400, retention_days=30, slow_mode_seconds=10)
    assert (reply["name"], reply["history"], reply["ttl_seconds"], reply["retention_days"], reply["slow_mode_seconds"]) == ("New", "all", 86400, 30, 10)
    assert (reply["last_seq"], reply["last_rev"]) == (seq + 4, rev + 1), "one event, and a message for each kind of change"
    assert said(cat, group)[-4:] == [{"kind": "renamed", "name": "New"}, {"kind": "history_changed", "history": "all"}, {"kind": "ttl_changed", "ttl_seconds": 86400},
                                     {"kind": "settings_changed", "retention_days": 30, "slow_mode_seconds": 10}]
    assert truth.rows(stack, "SELECT detail FROM event WHERE conversation_id = %s AND kind = 12 ORDER BY position DESC LIMIT 1", int(group)) == \
        [("name,history,ttl_seconds,retention_days,slow_mode_seconds",)]
    change(ben, group, name="New", history="all", ttl_seconds=86400, retention_days=30, slow_mode_seconds=10, avatar_id=None)
    change(ben, group)
    assert place(ann, group) == (seq + 4, rev + 1), "what is so already is no change"
    reply = change(ann, group, ttl_seconds=None, retention_days=None, slow_mode_seconds=0)
    assert (reply["ttl_seconds"], reply["retention_days"], reply["slow_mode_seconds"], reply["name"]) == (None, None, None, "New")
    assert said(cat, group)[-2:] == [{"kind": "ttl_changed", "ttl_seconds": None}, {"kind": "settings_changed", "retention_days": None, "slow_mode_seconds": None}]
    change(cat, group, name="x", expect=(403, "forbidden"))
    change(eve, group, name="x", expect=(404, "not_found"))
    truth.check_dense(stack, group)


@pytest.mark.parametrize("body, path, code", [
    ({"name": ""}, "/name", "too_short"), ({"name": "x" * 101}, "/name", "too_long"), ({"name": None}, "/name", "type"), ({"name": "\n"}, "/name", "format"),
    ({"history": "none"}, "/history", "word"), ({"history": None}, "/history", "type"), ({"avatar_id": "nope"}, "/avatar_id", "format"),
    ({"ttl_seconds": 0}, "/ttl_seconds", "range"), ({"ttl_seconds": 31536001}, "/ttl_seconds", "range"), ({"ttl_seconds": "1"}, "/ttl_seconds", "type"),
    ({"retention_days": 0}, "/retention_days", "range"), ({"retention_days": 36501}, "/retention_days", "range"), ({"retention_days": 1.5}, "/retention_days", "type"),
    ({"slow_mode_seconds": -1}, "/slow_mode_seconds", "range"), ({"slow_mode_seconds": 21601}, "/slow_mode_seconds", "range"),
])
def test_change_refuses(group, body, path, code):
    ann, *_, group = group
    before = place(ann, group)
    reply = ann.rest.patch(f"/conversations/{group}", {"name": "Good"} | body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)
    assert place(ann, group) == before and ann.conversation(group)["name"] == "The group"


def test_the_limits_are_in(group):
    ann, *_, group = group
    change(ann, group, ttl_seconds=31536000, retention_days=36500, slow_mode_seconds=21600)
    change(ann, group, ttl_seconds=1, retention_days=1, slow_mode_seconds=1)


def test_direct_conversations(stack, pair):
    a, b, conversation = pair
    for more in ({"name": "x"}, {"avatar_id": None}, {"history": "all"}, {"slow_mode_seconds": 5}, {"ttl_seconds": 60, "name": "x"}):
        change(a, conversation, expect=(409, "wrong_kind"), **more)
    assert change(b, conversation, ttl_seconds=3600)["ttl_seconds"] == 3600
    assert change(a, conversation, retention_days=90)["retention_days"] == 90
    assert said(a, conversation) == ["first", {"kind": "ttl_changed", "ttl_seconds": 3600}, {"kind": "settings_changed", "retention_days": 90}]
    assert a.listed(conversation)["unread_count"] == 0
    add(a, conversation, b, expect=(409, "wrong_kind"))
    role(a, conversation, b, "admin", expect=(409, "wrong_kind"))
    remove(a, conversation, a, expect=(409, "wrong_kind"))
    truth.check_dense(stack, conversation)
    b.rest.put(f"/users/{a.id}/block", expect=204)
    for p in (a, b):
        change(p, conversation, ttl_seconds=None, expect=(403, "blocked"))


def test_before_the_first_message_the_other_hears_nothing(stack, people):
    ann, x = people[0], Person(stack, "ex")
    conversation = ann.start(x)
    assert change(ann, conversation, ttl_seconds=3600)["last_seq"] == 0
    x.rest.get(f"/conversations/{conversation}", expect=(404, "not_found"))
    ann.say(conversation, "hello")
    assert said(x, conversation) == ["hello"] and x.conversation(conversation)["ttl_seconds"] == 3600
    truth.check_dense(stack, conversation)


# -- avatars


def upload(person):
    return media.upload(person, media.png(), "image/png")["id"]


def test_avatars(stack, people):
    ann, ben, *_ = people
    one, two, used, theirs = upload(ann), upload(ann), upload(ann), upload(ben)
    group = ann.group(ben, avatar_id=one)
    seen = ben.conversation(group)
    assert seen["avatar_id"] == one and media.ask(stack, seen["avatar_url"]).image.size
    ann.rest.post(f"/conversations/{group}/messages", {"client_id": "used", "message_type": "image", "attachment_ids": [used]}, expect=201)
    for bad in (used, theirs, "0" * 32):
        change(ann, group, avatar_id=bad, expect=(409, "conflict"))
        ann.rest.post("/conversations", {"type": "group", "name": "x", "participant_ids": [], "avatar_id": bad}, expect=(409, "conflict"))
    ann.rest.post(f"/conversations/{group}/messages", {"client_id": "one", "message_type": "image", "attachment_ids": [one]}, expect=(400, "invalid"))
    url = seen["avatar_url"]
    assert change(ann, group, avatar_id=two)["avatar_id"] == two
    at_once(stack, "the picture before it is gone", lambda: media.ask(stack, url).status == 404)
    assert said(ben, group)[-1] == {"kind": "avatar_changed"}
    assert change(ann, group, avatar_id=None)["avatar_url"] is None
    assert truth.rows(stack, "SELECT count(*) FROM attachment WHERE id = ANY (%s) AND deleted_at IS NULL", [one, two]) == [(0,)]


# -- my own side


def test_settings(stack, group):
    ann, ben, *_, eve, group = group
    before = len(stream(stack, ben))
    reply = settings(ben, group, notify="mentions", muted_until=LATER, archived=True, pinned=True)
    mine = {"notify": "mentions", "muted_until": LATER, "archived": True, "pinned": True}
    assert {k: reply["my"][k] for k in mine} == mine
    settings(ben, group, notify="mentions", muted_until="2031-01-02T04:04:05.678+01:00", archived=True)
    settings(ben, group)
    assert stream(stack, ben)[before:] == [6], "what is so already is no change"
    reply = settings(ben, group, archived=False)
    assert {k: reply["my"][k] for k in mine} == mine | {"archived": False}, "what is absent stays"
    assert settings(ben, group, muted_until=None)["my"]["muted_until"] is None
    assert settings(ben, group, notify="none")["my"]["notify"] == "none" and settings(ben, group, notify="all")["my"]["notify"] == "all"
    settings(ben, group, muted_until=LATER)
    assert settings(ben, group, muted_until="2020-01-01T00:00:00Z")["my"]["muted_until"] is None, "a time that has passed mutes nothing"
    assert settings(ben, group, muted_until="9999-12-31T23:59:59.999Z")["my"]["muted_until"] == "9999-12-31T23:59:59.999Z", "for ever"
    assert ann.conversation(group)["my"]["notify"] == "all", "mine alone"
    settings(eve, group, archived=True, expect=(404, "not_found"))


@pytest.mark.parametrize("body, path, code", [
    ({"muted_until": "tomorrow"}, "/muted_until", "format"), ({"muted_until": 7}, "/muted_until", "type"), ({"archived": "yes"}, "/archived", "type"),
    ({"pinned": None}, "/pinned", "type"), ({"notify": "some"}, "/notify", "word"), ({"notify": None}, "/notify", "type"),
    ({"muted_until": "9" * 65}, "/muted_until", "too_long"), ({"muted_until": "9999-12-31T23:59:59-12:00"}, "/muted_until", "format"),
])
def test_settings_refuses(group, body, path, code):
    ann, *_, group = group
    reply = ann.rest.put(f"/conversations/{group}/settings", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_archived(people):
    """A place in the list, until I take it out; what is said there changes nothing about it."""
    ann, ben, *_ = people
    group = ann.group(ben)
    settings(ben, group, archived=True)
    ann.say(group, "anybody?")
    assert ben.listed(group) is None
    archive = ben.rest.get("/conversations", query={"archived": "true"}, expect=200)["items"]
    assert [(c["id"], c["unread_count"]) for c in archive] == [(group, 1)]
    assert {"id": group, "unread": 1, "mentions": 0} in ben.rest.get("/conversations/unread-count")["conversations"]
    settings(ben, group, archived=False)
    assert ben.listed(group) and ben.rest.get("/conversations", query={"archived": "true"})["items"] == []


def test_pinned(stack):
    me = Person(stack)
    groups = [me.group(name=f"{n}") for n in range(3)]
    settings(me, groups[0], pinned=True)
    assert [c["id"] for c in me.rest.get("/conversations")["items"]] == [groups[0], groups[2], groups[1]]
    truth.rows(stack, "WITH c AS (INSERT INTO conversation (kind, name, created_by, participant_count) SELECT 2, 'n', %(me)s, 1 FROM generate_series(1, 98) RETURNING id) "
                      "INSERT INTO member (user_id, conversation_id, role, pinned) SELECT %(me)s, id, 3, true FROM c".replace("%(me)s", me.id))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda g: me.rest.put(f"/conversations/{g}/settings", {"pinned": True}), groups[1:]))
    assert sorted((r.status, r.code) for r in replies) == [(200, None), (409, "too_many")], "one place was left"
    settings(me, groups[0], pinned=False)
    left = groups[1 + [r.status for r in replies].index(409)]
    assert settings(me, left, pinned=True)["my"]["pinned"]


def test_unread(stack, pair):
    a, b, conversation = pair
    for i in range(4):
        a.say(conversation, f"{i}")
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": 5}, expect=200)
    before = len(stream(stack, b))

    def mark(seq, expect=200):
        return b.rest.post(f"/conversations/{conversation}/unread", {"seq": seq}, expect=expect)
    reply = mark(4)
    assert (reply["my"]["unread_from"], reply["my"]["read_seq"], reply["unread_count"]) == (4, 5, 2)
    assert a.history(conversation)["messages"][-1]["status"] == "read", "what the others see stays"
    mark(4)
    assert mark(2)["unread_count"] == 4
    assert stream(stack, b)[before:] == [1, 1], "again: nothing"
    assert b.rest.get("/conversations/unread-count")["total"] == 4
    b.say(conversation, "an answer")
    assert b.listed(conversation)["unread_count"] == 4, "sending does not read"
    reply = b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1}, expect=200)
    assert (reply["my"]["unread_from"], reply["unread_count"]) == (None, 0), "reading anything does"
    reply = mark(7, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/seq", "range")


@pytest.mark.parametrize("body, code", [({}, "required"), ({"seq": 0}, "range"), ({"seq": "1"}, "type"), ({"seq": None}, "type"), ({"seq": 2}, "range")])
def test_unread_refuses(pair, body, code):
    _, b, conversation = pair
    reply = b.rest.post(f"/conversations/{conversation}/unread", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/seq", code)


def test_unread_from_before_i_came(people):
    ann, ben, *_ = people
    group = ann.group()
    ann.say(group, "before")
    add(ann, group, ben)
    ben.rest.post(f"/conversations/{group}/unread", {"seq": 2}, expect=(400, "invalid"))
    assert ben.rest.post(f"/conversations/{group}/unread", {"seq": 3}, expect=200)["unread_count"] == 0


def test_draft(stack, pair):
    a, b, conversation = pair
    before = len(stream(stack, b))
    draft(b, conversation, " I was \n")
    kept = b.listed(conversation)["my"]["draft"]
    assert (kept["content"], kept["reply_to"]) == (" I was \n", None)
    draft(b, conversation, " I was \n")
    assert b.conversation(conversation)["my"]["draft"] == kept and stream(stack, b)[before:] == [4], "the same again: nothing"
    draft(b, conversation, "I was", reply_to=f"{conversation}.1")
    assert b.conversation(conversation)["my"]["draft"]["reply_to"] == f"{conversation}.1"
    assert a.conversation(conversation)["my"]["draft"] is None and a.listed(conversation)["updated_at"] == b.listed(conversation)["updated_at"]
    b.say(conversation, "something else")
    assert b.conversation(conversation)["my"]["draft"], "sending leaves it"
    for _ in range(2):
        b.rest.delete(f"/conversations/{conversation}/draft", expect=204)
    assert b.conversation(conversation)["my"]["draft"] is None and stream(stack, b)[before:].count(4) == 3


def test_draft_limits(pair):
    a, _, conversation = pair
    draft(a, conversation, "\U0001f600" * 16384)
    assert len(a.conversation(conversation)["my"]["draft"]["content"]) == 16384
    for body, path, code in (({}, "/content", "required"), ({"content": ""}, "/content", "too_short"), ({"content": None}, "/content", "type"),
                             ({"content": "x" * 16385}, "/content", "too_long"), ({"content": "x", "reply_to": "7"}, "/reply_to", "format"),
                             ({"content": "x", "reply_to": f"{conversation}.99"}, "/reply_to", "unknown"),
                             ({"content": "x", "reply_to": f"{int(conversation) + 1}.1"}, "/reply_to", "format")):
        reply = a.rest.put(f"/conversations/{conversation}/draft", body, valid=False, expect=(400, "invalid"))
        assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


# -- many at once


class Chance:
    """One person's random doings in a group, and what came of them."""

    def __init__(self, stack, seed, n, people, group):
        self.rng = random.Random(seed * 100 + n)
        self.me, self.people, self.group = people[n], people, group
        self.odd = []

    def step(self, i):
        other = self.rng.choice(self.people)
        what = self.rng.choice(["add"] * 6 + ["role"] * 6 + ["say"] * 4 + ["remove"] * 3 + ["rename"] * 2 + ["leave"])
        path, rest = f"/conversations/{self.group}", self.me.rest
        if what == "add":
            return rest.post(f"{path}/participants", {"user_ids": [p.id for p in self.rng.sample(self.people, 3)]})
        if what == "leave" and self.me is self.people[0]:  # or the group might end early
            what = "say"
        if what in ("remove", "leave"):
            return rest.delete(f"{path}/participants/{self.me.id if what == 'leave' else other.id}")
        if what == "role":
            return rest.patch(f"{path}/participants/{other.id}", {"role": self.rng.choice(["member", "admin", "owner"])})
        if what == "rename":
            return rest.patch(path, {"name": f"name {self.rng.randrange(3)}"})
        return rest.post(f"{path}/messages", {"client_id": f"{self.me.id}-{i}", "message_type": "text", "content": "x"})

    def run(self, steps):
        for i in range(steps):
            reply = self.step(i)
            if (reply.status, reply.code) not in {(200, None), (201, None), (204, None), (403, "forbidden"), (404, "not_found"), (409, "last_owner")}:
                self.odd.append(reply)


def check_group(stack, group):
    """What has to hold whatever happened: a dense log, a right count, an owner while there are members, and places that fit."""
    truth.check_dense(stack, group)
    (count, last), = truth.rows(stack, "SELECT participant_count, last_seq + last_rev FROM conversation WHERE id = %s", int(group))
    rows = truth.rows(stack, "SELECT user_id, role, joined_position, joined_seq FROM member WHERE conversation_id = %s", int(group))
    assert len(rows) == count
    assert not rows or 3 in {r for _, r, _, _ in rows}, "nobody owns it"
    log = truth.rows(stack, "SELECT position, kind, target_user, seq FROM event WHERE conversation_id = %s ORDER BY position", int(group))
    inside, last_of = {}, {}
    for position, kind, user, seq in log:
        if kind in (10, 11):
            assert (user in last_of and last_of[user] == 10) != (kind == 10) or user not in last_of, (position, kind, user)
            last_of[user] = kind
            inside[user] = (position, seq) if kind == 10 else None
    for user, _, position, seq in rows:
        assert inside.get(user, (1, 0)) == (position, seq), user
    for user, at in inside.items():
        assert (at is not None) == (user in {u for u, *_ in rows}), user


@pytest.mark.parametrize("round_", range(3))
def test_joiners_leavers_and_owners_at_once(stack, people, round_):
    """In one group after the other, until something of everything has happened: whoever may add others may be the first to leave."""
    seed = int(os.environ.get("SEED", random.randrange(2**32))) + round_
    print(f"SEED={seed}")
    happened = collections.Counter()
    for try_ in range(5):
        group = people[0].group(*people[1:])
        chances = [Chance(stack, seed + 1000 * try_, n, people, group) for n in range(len(people))]
        with concurrent.futures.ThreadPoolExecutor(len(people)) as pool:
            for done in [pool.submit(c.run, 80) for c in chances]:
                done.result()
        assert not [c.odd for c in chances if c.odd], (seed, try_, [c.odd for c in chances])
        check_group(stack, group)
        happened.update(dict(truth.rows(stack, "SELECT kind, count(*) FROM event WHERE conversation_id = %s GROUP BY 1", int(group))))
        if all(happened[kind] for kind in (1, 10, 11, 12)):
            return
    raise AssertionError(f"too little happened to prove anything: {dict(happened)}")


def test_two_owners_leave_at_the_same_time(stack, people):
    for _ in range(10):
        group = people[0].group(*people[1:])
        role(people[0], group, people[1], "owner")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda p: remove(p, group, p), people[:2]))
        assert roles(people[2], group)[people[2].id] == "owner"
        check_group(stack, group)


# -- statements


def test_statements_per_request(stack, group):
    """What one request costs, by PostgreSQL's own log: whatever the number of conversations, members and messages."""
    ann, ben, *_, group = group
    for i in range(3):
        ben.say(ben.group(ann, name=f"{i}"), "hello")
        ben.say(group, f"{i}")
    truth.rows(stack, "ALTER ROLE peal SET log_statement = 'all'")
    truth.rows(stack, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'peal'")
    calls = {"conversation_list": ("GET", "/conversations?limit=50", None), "message_page": ("GET", f"/conversations/{group}/messages?limit=50", None),
             "conversation_unread": ("GET", "/conversations/unread-count", None), "member_list": ("GET", f"/conversations/{group}/participants", None),
             "conversation_get conversation_participants": ("GET", f"/conversations/{group}", None),
             "message_send": ("POST", f"/conversations/{group}/messages", {"message_type": "text", "content": "x"})}
    try:
        for _ in range(40):  # the workers connect again, each at its next request
            ann.rest.get("/conversations")
        for names, (method, path, body) in calls.items():
            if body:
                ann.rest.call(method, path, body | {"client_id": "warm"}, expect=201)
            time.sleep(0.2)
            before = len(stack.log("postgres"))
            for i in range(3):
                ann.rest.call(method, path, body and body | {"client_id": f"n{i}"}, expect=201 if body else 200)
            time.sleep(0.2)
            ran = re.findall(r"execute (\w+):", stack.log("postgres")[before:])
            ran = [name for name in ran if not name.startswith(BACKGROUND)]
            assert sorted(ran) == sorted(names.split() * 3), (names, ran)
    finally:
        truth.rows(stack, "ALTER ROLE peal RESET log_statement")
