"""Who has got a message, who has read it, and when; what private reading and privacy keep back."""

import datetime
import time

import pytest

from peal import truth
from peal.people import Person

WHEN = "%Y-%m-%dT%H:%M:%S.%fZ"


@pytest.fixture(scope="module")
def people(stack):
    return [Person(stack, n) for n in ("ann", "ben", "cat", "dan", "eve")]


@pytest.fixture
def group(people):
    ann, ben, cat, dan, eve = people
    return ann, ben, cat, dan, eve, ann.group(ben, cat, dan)


def read(by, conversation, seq, expect=200, **more):
    return by.rest.patch(f"/conversations/{conversation}/read", {"seq": seq, **more}, expect=expect)


def receipts(by, message, limit=2):
    """user id -> (status, delivered_at, read_at), by pages; in order."""
    out, cursor = [], {}
    while cursor is not None:
        page = by.rest.get(f"/messages/{message}/receipts", query={"limit": limit, **cursor}, expect=200).json
        assert len(page["items"]) <= limit
        out += page["items"]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    ids = [int(r["user_id"]) for r in out]
    assert ids == sorted(set(ids))
    return {r["user_id"]: (r["status"], r["delivered_at"], r["read_at"]) for r in out}


def check_counts(by, message):
    """The receipts are what the message counts."""
    m, got = by.rest.get(f"/messages/{message}", expect=200).json, receipts(by, message)
    assert m["delivered_count"] == len(got) and m["read_count"] == sum(r[0] == "read" for r in got.values())
    return got


def privacy(who, told):
    who.rest.patch("/me", {"privacy": {"read_receipts": told}}, expect=200)


def delivered(stack, who, conversation, seq):
    """As the socket's acknowledgement does it."""
    truth.rows(stack, "SELECT * FROM event_acks(ARRAY[%s]::bigint[], ARRAY[%s]::bigint[], ARRAY[%s]::bigint[], 32)", int(who.id), int(conversation), seq)


def late(text, since):
    """Seconds after a moment."""
    return (datetime.datetime.strptime(text, WHEN) - since).total_seconds()


def test_times(stack, group):
    ann, ben, cat, dan, eve, g = group
    m = ann.say(g, "news")
    assert receipts(ann, m["id"]) == {}
    start = datetime.datetime.utcnow()
    delivered(stack, cat, g, m["seq"])
    read(ben, g, m["seq"])
    for who in (ann, ben, cat, dan):
        got = check_counts(who, m["id"])
        assert list(got) == [ben.id, cat.id], "not the sender, and not who has not got it"
    assert [got[ben.id][0], got[cat.id][0], got[cat.id][2]] == ["read", "delivered", None]
    for at in (got[ben.id][1], got[ben.id][2], got[cat.id][1]):
        assert -1 < late(at, start) < 11
    assert got[ben.id][1] <= got[ben.id][2]
    eve.rest.get(f"/messages/{m['id']}/receipts", expect=(404, "not_found"))
    ann.rest.get(f"/messages/{g}.99/receipts", expect=(404, "not_found"))
    for query in ({"cursor": "x"}, {"limit": 0}, {"limit": 101}, {"cursor": ""}):
        ann.rest.get(f"/messages/{m['id']}/receipts", query=query, valid=False, expect=(400, "invalid"))
    ann.rest.delete(f"/messages/{m['id']}", query={"for": "everyone"}, expect=200)
    assert len(check_counts(ann, m["id"])) == 2, "a tombstone was got, too"


def test_each_message_has_the_time_of_its_own_advance(stack, group):
    """Three reads, 30 s apart as far as the rows know: each message has the first advance that reached it."""
    ann, ben, *_, g = group
    ids = [ann.say(g, f"{n}") for n in range(4)]
    for n in (0, 2, 3):
        read(ben, g, ids[n]["seq"])
        truth.rows(stack, "UPDATE mark_advance SET slot = slot - 3, at = at - interval '30 s' WHERE conversation_id = %s", int(g))
    truth.rows(stack, "UPDATE message SET created_at = created_at - interval '2 minutes' WHERE conversation_id = %s", int(g))
    now = datetime.datetime.utcnow()
    got = [late(receipts(ann, m["id"])[ben.id][2], now) for m in ids]
    for seconds, want in zip(got, (-90, -60, -60, -30)):
        assert want - 11 < seconds < want + 1, got


def test_within_ten_seconds_there_is_one_row(stack, group):
    ann, ben, *_, g = group
    ids = [ann.say(g, f"{n}") for n in range(10)]
    while time.time() % 10 > 4:
        time.sleep(0.1)
    for m in ids:
        read(ben, g, m["seq"])
    assert truth.rows(stack, "SELECT count(*), max(receipt_seq) FROM mark_advance WHERE conversation_id = %s AND user_id = %s", int(g), int(ben.id)) == [
        (1, ids[-1]["seq"])]
    assert len({receipts(ann, m["id"])[ben.id][2] for m in ids}) == 1


def test_times_that_are_not_known_any_more(stack, group):
    ann, ben, cat, *_, g = group
    old, new = ann.say(g, "old"), ann.say(g, "new")
    read(ben, g, old["seq"])
    read(cat, g, new["seq"])
    read(ben, g, new["seq"])
    truth.rows(stack, "UPDATE message SET created_at = now() - interval '40 days' WHERE conversation_id = %s", int(g))
    for m in (old, new):
        assert check_counts(ann, m["id"])[cat.id] == ("read", None, None), "the first advance kept may not be the one"
    truth.rows(stack, "INSERT INTO mark_advance SELECT conversation_id, user_id, slot - 100, at - interval '1000 s', 1, 1 FROM mark_advance "
                      "WHERE conversation_id = %s AND user_id = %s LIMIT 1", int(g), int(cat.id))
    assert all(check_counts(ann, new["id"])[cat.id]), "with one before it, it is"


def test_who_joined_later(group):
    ann, ben, cat, dan, eve, g = group
    m = ann.say(g, "before eve")
    ann.rest.patch(f"/conversations/{g}", {"history": "all"}, expect=200)
    ann.rest.post(f"/conversations/{g}/participants", {"user_ids": [eve.id]}, expect=200)
    assert check_counts(ann, m["id"]) == {eve.id: ("read", None, None)}, "joining starts the marks, and says no time"
    after = ann.say(g, "after eve")
    read(eve, g, after["seq"])
    assert check_counts(eve, m["id"])[eve.id] == ("read", None, None)
    assert all(check_counts(ann, after["id"])[eve.id])


def test_private_reading(group):
    ann, ben, *_, g = group
    m = ann.say(g, "pst")
    assert read(ben, g, m["seq"], private=True)["unread_count"] == 0
    assert receipts(ann, m["id"]) == {}
    read(ben, g, m["seq"])
    assert check_counts(ann, m["id"])[ben.id][0] == "read"


def test_who_keeps_receipts_to_themselves(stack, group):
    ann, ben, *_, g = group
    m = ann.say(g, "one")
    privacy(ben, False)
    try:
        c = read(ben, g, m["seq"])
        assert (c["unread_count"], c["my"]["read_seq"]) == (0, m["seq"])
        ben.rest.post(f"/messages/{m['id']}/read", expect=200)
        assert receipts(ann, m["id"]) == {}
        delivered(stack, ben, g, m["seq"])
        assert check_counts(ann, m["id"])[ben.id][0] == "delivered"
        ben.say(g, "an answer")
        assert check_counts(ann, m["id"])[ben.id][0] == "delivered", "answering does not tell either"
    finally:
        privacy(ben, True)
    assert check_counts(ann, m["id"])[ben.id][0] == "delivered", "what was read meanwhile stays untold"
    after = ann.say(g, "two")
    read(ben, g, after["seq"])
    assert check_counts(ann, after["id"])[ben.id][0] == "read"


def test_status_follows(stack, pair):
    a, b, conversation = pair
    m = a.say(conversation, "hello?")
    states = [a.rest.get(f"/messages/{m['id']}")["status"]]
    delivered(stack, b, conversation, m["seq"])
    states.append(a.rest.get(f"/messages/{m['id']}")["status"])
    b.rest.post(f"/messages/{m['id']}/read", expect=200)
    states.append(a.rest.get(f"/messages/{m['id']}")["status"])
    assert states == ["sent", "delivered", "read"]


def test_reading_is_monotone(stack, pair):
    a, b, conversation = pair
    ids = [a.say(conversation, f"{n}") for n in range(3)]
    assert read(b, conversation, 3)["my"]["read_seq"] == 3
    was = truth.user_rev(stack, b.id)
    for seq in (1, 2, 3):
        c = read(b, conversation, seq)
        assert (c["my"]["read_seq"], c["unread_count"]) == (3, 1)
    assert truth.user_rev(stack, b.id) == was, "what moves nothing is not told"
    b.rest.post(f"/messages/{ids[0]['id']}/read", expect=200)
    assert truth.user_rev(stack, b.id) == was
    reply = b.rest.patch(f"/conversations/{conversation}/read", {"seq": 5}, expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == "/seq"
    b.rest.post(f"/messages/{conversation}.5/read", expect=(404, "not_found"))
