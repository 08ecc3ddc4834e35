"""Starting, listing and reading conversations; unread counts against a small model of docs/model.md."""

import os
import random
import re
import time

import pytest

from peal import truth
from peal.people import Person, pair as make_pair


def test_start(stack):
    a, b = Person(stack), Person(stack)
    new = a.rest.post(f"/conversations/{b.id}", expect=201)
    assert new["type"] == "direct" and new["peer"]["id"] == b.id and new["name"] == new["peer"]["display_name"]
    assert (new["last_seq"], new["last_rev"], new["participant_count"], new["last_message"]) == (0, 1, 2, None)
    assert {p["user"]["id"] for p in new["participants"]} == {a.id, b.id}
    again = a.rest.post(f"/conversations/{b.id}", expect=200)
    assert again["id"] == new["id"]
    assert a.conversation(new["id"]) == again.json
    assert b.rest.post(f"/conversations/{a.id}", expect=200)["id"] == new["id"], "there is one conversation of two people"
    assert b.conversation(new["id"])["peer"]["id"] == a.id


def test_hidden_until_the_first_message(stack):
    a, b = Person(stack), Person(stack)
    conversation = a.start(b)
    assert a.listed(conversation) and b.listed(conversation) is None
    b.rest.get(f"/conversations/{conversation}", expect=(404, "not_found"))
    b.rest.get(f"/conversations/{conversation}/messages", expect=(404, "not_found"))
    assert b.rest.get("/conversations/unread-count")["total"] == 0
    a.say(conversation, "hello")
    assert b.listed(conversation)["unread_count"] == 1
    assert b.history(conversation)["messages"][0]["content"] == "hello"


def test_with_myself(stack, person):
    conversation = person.start(person)
    message = person.say(conversation, "note")
    shown = person.conversation(conversation)
    assert shown["participant_count"] == 1 and shown["peer"]["id"] == person.id and shown["unread_count"] == 0
    assert message["status"] == "sent"
    assert person.rest.post(f"/conversations/{person.id}", expect=200)["id"] == conversation


def test_start_at_the_same_time(stack):
    import concurrent.futures
    a, b = Person(stack), Person(stack)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda i: (a, b)[i % 2].rest.post(f"/conversations/{(b, a)[i % 2].id}"), range(8)))
    assert {r.status for r in replies} <= {200, 201} and len({r["id"] for r in replies}) == 1
    assert [r.status for r in replies].count(201) == 1


@pytest.mark.parametrize("user", ["999999999", "0", "x", "-1", "01", "99999999999999999999"])
def test_start_with_nobody(person, user):
    person.rest.post(f"/conversations/{user}", valid=False, expect=(404, "not_found"))


def test_list_order_and_paging(stack):
    me = Person(stack)
    others = [Person(stack) for _ in range(7)]
    ids = [me.start(o) for o in others]
    for i in (3, 1, 6, 0, 5, 2, 4):
        me.say(ids[i], f"to {i}")
    want = [ids[i] for i in (4, 2, 5, 0, 6, 1, 3)]
    assert [c["id"] for c in me.rest.get("/conversations", expect=200)["items"]] == want
    truth.rows(stack, "UPDATE member SET pinned = true WHERE user_id = %s AND conversation_id = ANY (%s)", int(me.id), [int(ids[0]), int(ids[3])])
    want = [ids[i] for i in (0, 3, 4, 2, 5, 6, 1)]
    for limit in (1, 2, 3, 7, 100):
        got, cursor = [], {}
        while True:
            page = me.rest.get("/conversations", query={"limit": limit, **cursor}, expect=200)
            assert 0 < len(page["items"]) <= limit
            got += [c["id"] for c in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert got == want, limit
    truth.rows(stack, "UPDATE member SET archived = true WHERE user_id = %s AND conversation_id = %s", int(me.id), int(ids[5]))
    assert ids[5] not in [c["id"] for c in me.rest.get("/conversations")["items"]]
    assert [c["id"] for c in me.rest.get("/conversations", query={"archived": "true"})["items"]] == [ids[5]]


def test_same_activity_time_does_not_lose_anybody(stack):
    me = Person(stack)
    ids = [me.start(Person(stack)) for _ in range(5)]
    truth.rows(stack, "UPDATE conversation SET updated_at = '2026-01-01' WHERE id = ANY (%s)", [int(i) for i in ids])
    got, cursor = [], {}
    while cursor is not None:
        page = me.rest.get("/conversations", query={"limit": 2, **cursor})
        got += [c["id"] for c in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert got == sorted(ids, key=int, reverse=True)


@pytest.mark.parametrize("query, path, code", [
    ({"limit": "0"}, "limit", "range"), ({"limit": "101"}, "limit", "range"), ({"limit": "-1"}, "limit", "range"),
    ({"limit": ""}, "limit", "type"), ({"limit": "1.5"}, "limit", "type"), ({"limit": "9" * 30}, "limit", "type"),
    ({"cursor": "!!!"}, "cursor", "format"), ({"cursor": "AAAA"}, "cursor", "format"), ({"archived": "yes"}, "archived", "type"),
])
def test_list_refuses(person, query, path, code):
    reply = person.rest.get("/conversations", query=query, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


@pytest.mark.parametrize("path, most", [("/conversations?limit=50", 1), ("/conversations/{c}/messages?limit=50", 1),
                                        ("/conversations/unread-count", 1), ("/me", 1), ("/users/{b}", 1), ("/conversations/{c}", 2)])
def test_statements_per_request(stack, pair, path, most):
    """One request, one statement: counted by the worker that served it, whatever the number of conversations."""
    a, b, conversation = pair
    for i in range(3):
        a.say(a.start(Person(stack)), f"{i}")
    for _ in range(3):
        reply = a.rest.get(path.format(c=conversation, b=b.id), expect=200)
        line = stack.log_line(reply.headers["x-request-id"])
        assert int(re.search(r"\bstatements=(\d+)", line)[1]) <= most, line


def test_one_statement_in_the_database_s_own_log(stack, pair):
    """The same from the other side: PostgreSQL logs what it runs, and there is one line for the list."""
    a, _, _ = pair
    truth.rows(stack, "ALTER ROLE peal SET log_statement = 'all'")
    truth.rows(stack, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'peal'")
    try:
        for _ in range(40):  # the workers connect again, each at its next request
            a.rest.get("/conversations")
        time.sleep(0.2)
        before = len(stack.log("postgres"))
        for _ in range(5):
            a.rest.get("/conversations", query={"limit": 50}, expect=200)
        time.sleep(0.2)
        logged = [line for line in stack.log("postgres")[before:].splitlines() if "execute conversation_list" in line]
        others = [line for line in stack.log("postgres")[before:].splitlines() if re.search(r"execute (?!conversation_list)(message|member|user|conversation)", line)]
        assert len(logged) == 5 and not others, (logged, others)
    finally:
        truth.rows(stack, "ALTER ROLE peal RESET log_statement")


# -- read marks


def test_read(pair):
    a, b, conversation = pair
    for i in range(4):
        a.say(conversation, f"{i}")
    assert b.listed(conversation)["unread_count"] == 5
    reply = b.rest.patch(f"/conversations/{conversation}/read", {"seq": 3}, expect=200)
    assert (reply["my"]["read_seq"], reply["unread_count"]) == (3, 2)
    reply = b.rest.patch(f"/conversations/{conversation}/read", {"seq": 2}, expect=200)
    assert (reply["my"]["read_seq"], reply["unread_count"]) == (3, 2), "a mark never moves back"
    reply = b.rest.post(f"/messages/{conversation}.4/read", expect=200)
    assert (reply["my"]["read_seq"], reply["unread_count"]) == (4, 1)
    reply = b.rest.patch(f"/conversations/{conversation}/read", {"message_id": f"{conversation}.5"}, expect=200)
    assert (reply["my"]["read_seq"], reply["unread_count"]) == (5, 0)
    messages = a.history(conversation)["messages"]
    assert [m["status"] for m in messages] == ["read"] * 5 and all(m["read_count"] == m["delivered_count"] == 1 for m in messages)
    participants = {p["user"]["id"]: p for p in a.conversation(conversation)["participants"]}
    assert participants[b.id]["receipt_seq"] == participants[b.id]["delivered_seq"] == 5


def test_private_reading(pair):
    a, b, conversation = pair
    reply = b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1, "private": True}, expect=200)
    assert (reply["my"]["read_seq"], reply["unread_count"]) == (1, 0)
    assert a.history(conversation)["messages"][0]["status"] != "read"
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1}, expect=200)
    assert a.history(conversation)["messages"][0]["status"] == "read", "reading openly afterwards tells"


def test_read_is_numbered_in_my_own_stream(stack, pair):
    a, b, conversation = pair
    def rev():
        return truth.rows(stack, "SELECT last_user_rev FROM users WHERE id = %s", int(b.id))[0][0]
    assert rev() == 0
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1}, expect=200)
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": 1}, expect=200)
    assert rev() == 1, "a mark that does not move is no event"


@pytest.mark.parametrize("body, path, code", [
    ({}, "/seq", "required"), ({"seq": 0}, "/seq", "range"), ({"seq": 2}, "/seq", "range"), ({"seq": "1"}, "/seq", "type"),
    ({"seq": 1.5}, "/seq", "type"), ({"seq": True}, "/seq", "type"), ({"seq": None}, "/seq", "type"), ({"seq": 2**63 - 1}, "/seq", "range"),
    ({"message_id": "x"}, "/message_id", "format"), ({"message_id": "{c}.2"}, "/message_id", "range"),
    ({"message_id": "1{c}.1"}, "/message_id", "format"), ({"seq": 1, "message_id": "{c}.1"}, "/message_id", "exclusive"),
    ({"seq": 1, "private": "yes"}, "/private", "type"),
])
def test_read_refuses(pair, body, path, code):
    _, b, conversation = pair
    body = {k: v.format(c=conversation) if isinstance(v, str) else v for k, v in body.items()}
    reply = b.rest.patch(f"/conversations/{conversation}/read", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_read_what_is_not_there(pair):
    _, b, conversation = pair
    for id_ in (f"{conversation}.2", f"{conversation}.99999", "999999.1", f"{conversation}.0", f"{conversation}", "x.1", "1.x", f"{conversation}.01"):
        b.rest.post(f"/messages/{id_}/read", valid=False, expect=(404, "not_found"))


class Model:
    """docs/model.md for one conversation of two, as a program."""

    def __init__(self, people):
        self.people = people
        self.messages = []                                    # (sender, live)
        self.read = dict.fromkeys(people, 0)
        self.receipt = dict.fromkeys(people, 0)

    def unread(self, who):
        return min(100, sum(1 for s, (by, live) in enumerate(self.messages, 1) if s > self.read[who] and by != who and live))

    def send(self, who):
        quiet = self.unread(who) == 0
        self.messages.append((who, True))
        if quiet:
            told = self.receipt[who] == self.read[who]
            self.read[who] = len(self.messages)
            if told:
                self.receipt[who] = len(self.messages)

    def mark(self, who, seq, private):
        self.read[who] = max(self.read[who], seq)
        if not private:
            self.receipt[who] = max(self.receipt[who], seq)

    def delete(self, seq):
        self.messages[seq - 1] = (self.messages[seq - 1][0], False)


def test_unread_counts_follow_the_model(stack):
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    a, b, conversation = make_pair(stack)
    model = Model([a, b])
    model.send(a)
    for step in range(120):
        who, last = rng.choice([a, b]), len(model.messages)
        what = rng.random()
        if what < 0.5:
            for _ in range(rng.choice([1, 1, 2, 5])):
                who.say(conversation, f"step {step}")
                model.send(who)
        elif what < 0.8:
            seq, private = rng.randint(1, last), rng.random() < 0.3
            who.rest.patch(f"/conversations/{conversation}/read", {"seq": seq, "private": private}, expect=200)
            model.mark(who, seq, private)
        else:
            seq = rng.randint(1, last)
            mine = model.messages[seq - 1][0] is who
            who.rest.delete(f"/messages/{conversation}.{seq}", query={"for": "everyone"}, expect=200 if mine else (403, "forbidden"))
            if mine:
                model.delete(seq)
        for person in (a, b):
            shown = person.listed(conversation)
            assert (shown["my"]["read_seq"], shown["unread_count"]) == (model.read[person], model.unread(person)), (seed, step)
        if step % 10 == 0:
            for person, other in ((a, b), (b, a)):
                total = person.rest.get("/conversations/unread-count", expect=200)
                n = model.unread(person)
                assert total["total"] == n and total["conversations"] == ([{"id": conversation, "unread": n, "mentions": 0}] if n else [])
                for m in person.history(conversation, limit=100)["messages"]:
                    if m["sender_id"] == person.id:
                        assert (m["status"] == "read") == (model.receipt[other] >= m["seq"]), (seed, step, m)


def test_unread_is_capped_at_100(stack, pair):
    a, b, conversation = pair
    for i in range(104):
        a.say(conversation, f"{i}")
    assert b.listed(conversation)["unread_count"] == 100
    assert b.rest.get("/conversations/unread-count")["total"] == 100
    assert b.rest.patch(f"/conversations/{conversation}/read", {"seq": 4}, expect=200)["unread_count"] == 100
    assert b.rest.patch(f"/conversations/{conversation}/read", {"seq": 6}, expect=200)["unread_count"] == 99


def test_mentions_are_counted(stack, pair):
    a, b, conversation = pair
    a.say(conversation, "@ben look", mentions=[{"user_id": b.id, "offset": 0, "length": 4}])
    a.say(conversation, "@ann me", mentions=[{"user_id": a.id, "offset": 0, "length": 4}])
    shown = b.listed(conversation)
    assert (shown["unread_count"], shown["mention_count"]) == (3, 1)
    assert b.rest.get("/conversations/unread-count")["mentions"] == 1


def test_typing(pair):
    a, _, conversation = pair
    a.rest.post(f"/conversations/{conversation}/typing", {"is_typing": True, "kind": "audio"}, expect=204)
    a.rest.post(f"/conversations/{conversation}/typing", {"is_typing": False}, expect=204)
    a.rest.post(f"/conversations/{conversation}/typing/start", expect=204)
    a.rest.post(f"/conversations/{conversation}/typing/stop", expect=204)


@pytest.mark.parametrize("body, path, code", [
    ({}, "/is_typing", "required"), ({"is_typing": "true"}, "/is_typing", "type"), ({"is_typing": None}, "/is_typing", "type"),
    ({"is_typing": True, "kind": "smoke"}, "/kind", "word"),
])
def test_typing_refuses(pair, body, path, code):
    a, _, conversation = pair
    reply = a.rest.post(f"/conversations/{conversation}/typing", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)
