"""Pages of what is visible: every place and size against a list in Python, with holes of what expired or was deleted for me."""

import random
import re

import pytest

from peal import truth
from peal.people import Person

N = 30


def hide(stack, person, conversation, seqs):
    """Deleted for me, as the product's own delete leaves it."""
    truth.rows(stack, "INSERT INTO message_mine (user_id, conversation_id, seq, hidden_at) SELECT %s, %s, s, now() FROM unnest(%s::bigint[]) s",
               int(person.id), int(conversation), list(seqs))
    truth.rows(stack, "UPDATE member SET hides = true WHERE user_id = %s AND conversation_id = %s", int(person.id), int(conversation))


def expire(stack, conversation, seqs):
    truth.rows(stack, "UPDATE message SET expires_at = now() - interval '1 second' WHERE conversation_id = %s AND seq = ANY (%s::bigint[])",
               int(conversation), list(seqs))


def page_of(visible, limit, before=None, after=None, around=None):
    """(seqs, has_before, has_after) by docs/model.md and the contract."""
    if after is not None:
        older, newer = [s for s in visible if s <= after], [s for s in visible if s > after]
        return newer[:limit], bool(older), len(newer) > limit
    at = before or around or N + 1
    older, newer = [s for s in visible if s < at], [s for s in visible if s >= at]
    n_after = min(len(newer), limit - min(len(older), limit // 2)) if around else 0
    n_before = min(len(older), limit - n_after)
    return older[len(older) - n_before:] + newer[:n_after], len(older) > n_before, len(newer) > n_after


@pytest.mark.parametrize("name, hidden, expired", [
    ("all", [], []), ("one", [15], []), ("ends", [1, 2, 29, 30], []), ("runs", range(5, 15), range(20, 28)), ("alternate", range(1, 31, 2), []),
    ("last", [], [30]), ("few", range(2, 30), []), ("one left", range(1, 17), range(18, 31)), ("none", range(1, 21), range(11, 31)),
    *((f"seed {s}", random.Random(s).sample(range(1, N + 1), 8), random.Random(s + 1).sample(range(1, N + 1), 8)) for s in range(1, 4)),
], ids=lambda v: v if isinstance(v, str) else "")
def test_every_page(stack, name, hidden, expired):
    a, b = Person(stack), Person(stack)
    conversation = a.start(b)
    for i in range(1, N + 1):
        (b, a)[i % 2 or i == 1].say(conversation, f"m{i}")
    hide(stack, a, conversation, hidden)
    expire(stack, conversation, expired)
    for who, visible in ((a, sorted(set(range(1, N + 1)) - set(hidden) - set(expired))), (b, sorted(set(range(1, N + 1)) - set(expired)))):
        for limit in (1, 4, 7, 30):
            for query in [{}, *({k: at} for at in (1, 2, 15, 16, 29, 30, 1000) for k in ("before", "after", "around")), {"after": 0}, {"cursor": 16}]:
                page = who.history(conversation, limit=limit, **query)
                seqs = [m["seq"] for m in page["messages"]]
                where = {"before": query["cursor"]} if "cursor" in query else query
                assert (seqs, page["has_before"], page["has_after"]) == page_of(visible, limit, **where), (query, limit)
                assert len(seqs) <= limit and (seqs or "after" in query or not page["has_before"])
                assert all(m["content"] == f"m{m['seq']}" for m in page["messages"])
        walked, query = [], {}
        while True:
            page = who.history(conversation, limit=4, **query)
            walked = [m["seq"] for m in page["messages"]] + walked
            if not page["has_before"]:
                break
            query = {"before": walked[0]}
        assert walked == visible
        listed = who.listed(conversation)
        assert (listed["last_message"] or {}).get("seq") == (visible[-1] if visible else None)
        theirs = [s for s in visible if s > listed["my"]["read_seq"] and (s % 2 == 0) == (who is a)]
        assert listed["unread_count"] == len(theirs)
        for seq in range(1, N + 1):
            who.rest.get(f"/messages/{conversation}.{seq}", expect=200 if seq in visible else (404, "not_found"))


def test_pages_are_one_statement(stack, pair):
    a, _, conversation = pair
    a.say(conversation, "hidden")
    hide(stack, a, conversation, [2])
    for query in ({}, {"before": 2}, {"after": 1}, {"around": 2}):
        reply = a.rest.get(f"/conversations/{conversation}/messages", query=query, expect=200)
        assert re.search(r"\bstatements=1\b", stack.log_line(reply.headers["x-request-id"]))


@pytest.mark.parametrize("query, path", [({"cursor": 5, "before": 3}, "cursor"), ({"cursor": 5, "around": 3}, "cursor"), ({"cursor": 0}, "cursor"),
                                         ({"cursor": "eyJ"}, "cursor")])
def test_cursor_refuses(pair, query, path):
    a, _, conversation = pair
    reply = a.rest.get(f"/conversations/{conversation}/messages", query=query, valid=False, expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == path


def test_what_i_deleted_for_me_is_nowhere(stack, pair):
    a, b, conversation = pair
    b.say(conversation, "second", mentions=[{"user_id": a.id, "offset": 0, "length": 6}])
    answer = b.say(conversation, "answer", reply_to=f"{conversation}.2")
    assert a.listed(conversation)["unread_count"] == 2
    hide(stack, a, conversation, [2])
    listed = a.listed(conversation)
    assert (listed["unread_count"], listed["mention_count"]) == (1, 0)
    assert a.rest.get("/conversations/unread-count").json["total"] == 1
    assert a.rest.get(f"/messages/{answer['id']}")["reply_to"] is None
    assert a.history(conversation)["messages"][-1]["reply_to"] is None
    assert b.rest.get(f"/messages/{answer['id']}")["reply_to"]["id"] == f"{conversation}.2"
    for body in ({"message_type": "text", "content": "x", "reply_to": f"{conversation}.2"}, {"forward_of": f"{conversation}.2"}):
        a.rest.post(f"/conversations/{conversation}/messages", {"client_id": "x", **body}, expect=(400, "invalid"))
    hide(stack, a, conversation, [3])
    assert (a.listed(conversation)["unread_count"], a.listed(conversation)["last_message"]["seq"]) == (0, 1)
    a.say(conversation, "nothing is unread")
    assert a.listed(conversation)["my"]["read_seq"] == 4


def test_the_example_of_the_model(stack, pair):
    """docs/model.md: Bob has sent 5 messages, Alice has read 3."""
    bob, alice, _ = pair
    group = bob.group(alice)
    first = bob.conversation(group)["last_seq"]
    for i in range(5):
        bob.say(group, f"{i + 1}")
    alice.rest.patch(f"/conversations/{group}/read", {"seq": first + 3}, expect=200)

    def unread():
        return alice.listed(group)["unread_count"]

    assert unread() == 2
    hide(stack, alice, group, [first + 4])
    assert unread() == 1
    bob.rest.delete(f"/messages/{group}.{first + 5}", query={"for": "everyone"}, expect=200)
    assert unread() == 0
    bob.say(group, "6")
    assert unread() == 1
    alice.say(group, "without reading")
    assert (alice.listed(group)["my"]["read_seq"], unread()) == (first + 3, 1)
    alice.rest.post(f"/conversations/{group}/unread", {"seq": first + 2}, expect=200)
    assert unread() == 3


def test_unread_is_at_most_100(stack):
    a, b = Person(stack), Person(stack)
    conversation = a.start(b)
    for i in range(103):
        a.say(conversation, f"{i}", mentions=[{"user_id": b.id, "offset": 0, "length": 1}])
    assert (b.listed(conversation)["unread_count"], b.listed(conversation)["mention_count"]) == (100, 100)
    hide(stack, b, conversation, range(1, 6))
    assert b.listed(conversation)["unread_count"] == 98
