"""What older clients call by other names: the same answers, and everything since a time."""

import random
import threading

import pytest

from peal import truth
from peal.people import Person, pair as make_pair


SENDING = 2  # seconds that it may take: so much comes again


def times(stack, conversation):
    """seq -> microseconds since 1970, as the database has it."""
    return dict(truth.rows(stack, "SELECT seq, (extract(epoch FROM created_at) * 1000000)::bigint FROM message WHERE conversation_id = %s",
                           int(conversation)))


def say_at(stack, conversation, seq, second):
    truth.rows(stack, "UPDATE message SET created_at = '2026-01-02T03:00:00Z'::timestamptz + %s * interval '1 second' "
                      "WHERE conversation_id = %s AND seq = %s", second, int(conversation), seq)


def since(person, time, limit=3, **query):
    """All of the pages: [id]."""
    got, cursor = [], {}
    while True:
        page = person.rest.get("/messages/sync", query={"lastMessageTimestamp": time, "limit": limit, **query, **cursor}, expect=200)
        assert len(page["items"]) <= limit
        got += page["items"]
        if page["next_cursor"] is None:
            return got
        assert len(page["items"]) == limit
        cursor = {"cursor": page["next_cursor"]}


def ids(messages):
    return [m["id"] for m in messages]


# -- history by the other person


def test_history_by_recipient(stack):
    a, b, conversation = make_pair(stack)
    for n in range(6):
        (a, b)[n % 2].say(conversation, f"message {n}")
    whole = a.history(conversation)["messages"]
    got, query = [], {}
    while True:
        page = a.rest.get("/api/messages", query={"recipient_id": b.id, "limit": 3, **query}, expect=200)
        assert page["count"] == len(page["messages"]) <= 3
        got = page["messages"] + got
        if page["next_cursor"] is None:
            break
        assert page["next_cursor"] == page["messages"][0]["seq"]
        query = {"cursor": page["next_cursor"]}
    assert got == whole and len(got) == 7
    same = b.rest.get(f"/messages/conversation/{a.id}", query={"limit": 2, "before": 4}, expect=200)
    assert same.json == b.history(conversation, limit=2, before=4)
    assert b.rest.get(f"/messages/conversation/{a.id}", query={"cursor": 4, "limit": 2}).json == same.json
    b.rest.get(f"/messages/conversation/{a.id}", query={"cursor": 4, "limit": 2}, headers={"If-None-Match": same.headers["etag"]}, expect=304)


def test_no_history_yet(stack, person):
    other = Person(stack)
    empty = {"messages": [], "has_before": False, "has_after": False, "as_of_rev": 0}

    def nothing(one, of):
        assert one.rest.get("/api/messages", query={"recipient_id": of.id}, expect=200).json == {"messages": [], "count": 0, "next_cursor": None}
        return one.rest.get(f"/messages/conversation/{of.id}", expect=200).json
    assert nothing(person, other) == empty
    other.start(person)
    assert nothing(person, other) == empty, "what was started with me is hidden until something is said"
    assert nothing(other, person)["messages"] == []
    for path in ("/api/messages?recipient_id=987654321", "/messages/conversation/987654321", "/messages/conversation/x"):
        person.rest.get(path, valid=False, expect=(404, "not_found"))
    mine = person.start(person)
    person.say(mine, "to myself")
    assert person.rest.get("/api/messages", query={"recipient_id": person.id})["count"] == 1


@pytest.mark.parametrize("path, query, where, code", [
    ("/api/messages", "", "recipient_id", "required"), ("/api/messages", "recipient_id=x", "recipient_id", "format"),
    ("/api/messages", "recipient_id=1&limit=101", "limit", "range"), ("/api/messages", "recipient_id=1&cursor=0", "cursor", "range"),
    ("/api/messages", "recipient_id=1&cursor=x", "cursor", "type"), ("/messages/conversation/1", "limit=0", "limit", "range"),
    ("/messages/conversation/1", "before=1&cursor=1", "cursor", "exclusive"), ("/messages/conversations/all", "limit=0", "limit", "range"),
    ("/messages/conversations/all", "cursor=%21", "cursor", "format"), ("/messages/sync", "", "lastMessageTimestamp", "required"),
    ("/messages/sync", "lastMessageTimestamp=yesterday", "lastMessageTimestamp", "format"),
    ("/messages/sync", "lastMessageTimestamp=1969-12-31T23:59:59Z", "lastMessageTimestamp", "format"),
    ("/messages/sync", "lastMessageTimestamp=2026-01-02T03:04:05Z&cursor=MS4y", "cursor", "format"),
    ("/messages/sync", "lastMessageTimestamp=2026-01-02T03:04:05Z&limit=0", "limit", "range"),
])
def test_refusals(person, path, query, where, code):
    reply = person.rest.get(path, exact_query=query, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (where, code)


def test_other_methods(person):
    for method in ("POST", "PUT", "DELETE"):
        reply = person.rest.call(method, "/api/messages", valid=False, expect=(405, "method_not_allowed"))
        assert reply.headers["allow"] == "GET"


def test_the_list_by_its_older_name(stack):
    a, b, _ = make_pair(stack)
    a.say(a.start(a), "note")
    for query in ({}, {"limit": 1}, {"archived": "true"}):
        assert a.rest.get("/messages/conversations/all", query=query, expect=200).json == a.rest.get("/conversations", query=query).json


# -- everything since a time


def test_since_a_time(stack):
    a, b, one = make_pair(stack)
    c = Person(stack)
    other = a.start(c)
    said = []
    for n in range(9):
        said.append((a.say(one, f"one {n}") if n % 3 else c.say(other, f"other {n}"))["id"] if n else a.say(other, "first")["id"])
    assert ids(since(a, "1970-01-01T00:00:01Z")) == [f"{one}.1"] + said
    for n, id_ in enumerate([f"{one}.1"] + said, -1):
        say_at(stack, *id_.split("."), 10 * n)
    middle = a.rest.get(f"/messages/{said[4]}")["created_at"]
    assert ids(since(a, middle)) == said[4:], "that very moment included"
    say_at(stack, *said[3].split("."), 38.5)
    assert ids(since(a, middle)) == said[3:], "and whatever was being sent then"
    say_at(stack, *said[3].split("."), 30)
    assert ids(since(a, middle, limit=100)) == said[4:]
    assert since(a, "2100-01-01T00:00:00Z") == []
    assert ids(since(b, "1970-01-01T00:00:01Z")) == ids(b.history(one)["messages"])
    assert since(a, middle)[0] == a.rest.get(f"/messages/{said[4]}").json, "as everywhere else"
    assert since(a, middle.replace("Z", "+00:00")) == since(a, middle)


def test_since_shows_what_is_visible(stack):
    a, b, conversation = make_pair(stack)
    stranger = Person(stack)
    hidden = stranger.start(a)
    gone, mine, short, last = (a.say(conversation, w)["id"] for w in ("gone", "not for me", "short", "last"))
    a.rest.delete(f"/messages/{gone}?for=everyone", expect=200)
    truth.rows(stack, "INSERT INTO message_mine (user_id, conversation_id, seq, hidden_at) VALUES (%s, %s, %s, now())",
               int(a.id), int(conversation), int(mine.split(".")[1]))
    truth.rows(stack, "UPDATE member SET hides = true WHERE user_id = %s AND conversation_id = %s", int(a.id), int(conversation))
    truth.rows(stack, "UPDATE message SET expires_at = now() WHERE conversation_id = %s AND seq = %s", int(conversation), int(short.split(".")[1]))
    seen = since(a, "2000-01-01T00:00:00Z", limit=2)
    assert ids(seen) == [f"{conversation}.1", gone, last] and seen[1]["deleted_at"] and hidden not in {m["conversation_id"] for m in seen}
    assert ids(since(b, "2000-01-01T00:00:00Z")) == [f"{conversation}.1", gone, mine, last]
    assert since(stranger, "2000-01-01T00:00:00Z") == []


def test_since_in_a_group_begins_with_my_joining(stack):
    a, b, c = (Person(stack) for _ in range(3))
    group = a.rest.post("/conversations", {"type": "group", "name": "g", "participant_ids": [b.id], "history": "joined"}, expect=201)["id"]
    a.say(group, "before")
    a.rest.post(f"/conversations/{group}/participants", {"user_ids": [c.id]}, expect=200)
    a.say(group, "after")
    assert [m["content"] for m in since(c, "2000-01-01T00:00:00Z")] == [None, "after"]
    assert ids(since(c, "2000-01-01T00:00:00Z")) == ids(c.history(group)["messages"])


def expected(stack, person, start):
    """From the definition: a message counts as said when the latest up to it in its conversation was."""
    out = []
    for conversation in truth.places(stack, person.id):
        latest = 0
        for seq, at in sorted(times(stack, conversation).items()):
            latest = max(latest, at)
            out.append((latest, int(conversation), seq))
    return [f"{c}.{s}" for at, c, s in sorted(out) if at >= (start - SENDING + 1767322800) * 1000000]


@pytest.mark.parametrize("seed", range(3))
def test_since_when_times_are_out_of_order(stack, seed):
    """Transactions that began in another order than they ended in: nothing is left out, nothing comes twice, at any page size."""
    dice = random.Random(seed)
    me, others = Person(stack), [Person(stack) for _ in range(3)]
    for other in others:
        conversation = me.start(other)
        for n in range(1, dice.randint(8, 25)):
            me.say(conversation, str(n))
            say_at(stack, conversation, n, n * 2 + dice.choice([0, 0, 0, 0.5, -3.25, -9, 5]))
        truth.rows(stack, "UPDATE conversation SET updated_at = (SELECT created_at FROM message m WHERE m.conversation_id = id "
                          "ORDER BY seq DESC LIMIT 1) WHERE id = %s", int(conversation))
    for start in (0, 1, 7, 15, 16, 31, 47, 60):
        want = expected(stack, me, start)
        for limit in (1, 2, 5, 100):
            assert ids(since(me, f"2026-01-02T03:{start // 60:02}:{start % 60:02}Z", limit)) == want, f"SEED={seed} from {start}, pages of {limit}"


def test_since_while_others_send(stack):
    """A client that goes on from the newest time it has seen has everything in the end."""
    a, b, conversation = make_pair(stack)
    people = [b] + [Person(stack) for _ in range(3)]
    rooms = [conversation] + [p.start(a) for p in people[1:]]

    def send(who, where):
        for n in range(40):
            who.say(where, str(n))
    senders = [threading.Thread(target=send, args=pair) for pair in zip(people, rooms)]
    for s in senders:
        s.start()
    got, newest = {}, "2000-01-01T00:00:00.000Z"
    while True:
        sending = any(s.is_alive() for s in senders)
        for m in since(a, newest, limit=20):
            got[m["id"]] = m
            newest = max(newest, m["created_at"])
        if not sending:
            break
    for room in rooms:
        seqs = sorted(m["seq"] for m in got.values() if m["conversation_id"] == room)
        last = a.conversation(room)["last_seq"]
        assert seqs == list(range(1, last + 1))
