"""What becomes of a message after it was sent: edits, deletion, reactions, stars, pins, votes."""

import concurrent.futures
import datetime
import random
import threading

import pytest

from peal import truth
from peal.kinds import draft
from peal.people import Person
from peal.rest import Client

RGI = ["😀", "👍🏽", "🇩🇪", "#️⃣", "🏴󠁧󠁢󠁷󠁬󠁳󠁿", "❤️‍🔥", "👩🏿‍❤️‍💋‍👨🏻", "👨‍👩‍👧‍👦", "🧑🏽‍🚀", "🏳️‍🌈", "👁️‍🗨️", "©️", "🐦‍⬛", "🫱🏻‍🫲🏿"]
NO_EMOJI = ["a", "1", "#", "👍👍", "👍 ", " 👍", "👍‍👍", "😀🏽", "🇦🇦", "🇩", "🇩🇪🇫🇷", "🏴󠁧󠁢󠁸󠁿", "‍", "️", "👍‍", "☺︎", "❤️‍", ":thumbsup:", "\u200b", "👨🏻‍👩‍👧", "⁠👍"]


@pytest.fixture(scope="module")
def people(stack):
    return [Person(stack, n) for n in ("ann", "ben", "cat", "dan", "eve")]


@pytest.fixture
def group(people):
    """ann owns it, ben is an admin, cat and dan are members, eve is a stranger. ann has said two things."""
    ann, ben, cat, dan, eve = people
    group = ann.group(ben, cat, dan)
    ann.rest.patch(f"/conversations/{group}/participants/{ben.id}", {"role": "admin"}, expect=200)
    return ann, ben, cat, dan, eve, group


def place(stack, conversation):
    return truth.rows(stack, "SELECT last_seq, last_rev FROM conversation WHERE id = %s", int(conversation))[0]


def events(stack, conversation, n):
    """The last n: (kind, actor, target, detail)."""
    rows = truth.rows(stack, "SELECT kind, actor_id, target_seq, detail FROM event WHERE conversation_id = %s ORDER BY position DESC LIMIT %s",
                      int(conversation), n)
    return [(k, str(a), t, d) for k, a, t, d in reversed(rows)]


def own(stack, person, n):
    rows = truth.rows(stack, "SELECT kind, conversation_id, target_seq FROM user_event WHERE user_id = %s ORDER BY user_rev DESC LIMIT %s", int(person.id), n)
    return [(k, str(c), t) for k, c, t in reversed(rows)]


def edit(by, message, content, expect=200, method="PATCH", **more):
    return by.rest.call(method, f"/messages/{message}", {"content": content, **more}, expect=expect)


def react(by, message, emoji, expect=200, **options):
    return by.rest.post(f"/messages/{message}/reactions", {"emoji": emoji}, expect=expect, **options)


def unreact(by, message, emoji, expect=200, **options):
    return by.rest.delete(f"/messages/{message}/reactions", query={"emoji": emoji}, expect=expect, **options)


def delete(by, message, whom="everyone", expect=200):
    return by.rest.delete(f"/messages/{message}", query={"for": whom}, expect=expect)


def put(by, path, expect=200):
    return by.rest.call("PUT", path, expect=expect)


def walk(by, path, limit=2, **query):
    out, cursor = [], {}
    while cursor is not None:
        page = by.rest.get(path, query={"limit": limit, **query, **cursor}, expect=200).json
        assert len(page["items"]) <= limit
        out += page["items"]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    return out


def block(one, other, on=True):
    one.rest.call("PUT" if on else "DELETE", f"/users/{other.id}/block", expect=204)


# -- edits


def test_edit(stack, pair):
    a, b, conversation = pair
    m = a.say(conversation, "frist", mentions=[{"user_id": b.id, "offset": 0, "length": 5}])
    was = place(stack, conversation)
    for method in ("PATCH", "PUT"):
        reply = edit(a, m["id"], f"first by {method}", method=method).json
    assert (reply["version"], reply["content"], reply["mentions"], reply["rev"]) == (3, "first by PUT", [], was[1] + 2)
    assert reply["edited_at"] >= reply["created_at"] == m["created_at"]
    assert place(stack, conversation) == (was[0], was[1] + 2)
    assert events(stack, conversation, 2) == [(4, a.id, 2, None)] * 2
    assert a.rest.get(f"/messages/{m['id']}", expect=200).json == reply == a.history(conversation)["messages"][-1]
    past = [{"version": 2, "content": "first by PATCH", "mentions": []}, {"version": 1, "content": "frist", "mentions": m["mentions"]}]
    for who in (a, b):
        shown = walk(who, f"/messages/{m['id']}/revisions", 1)
        assert [{k: v for k, v in r.items() if k != "created_at"} for r in shown] == past
    assert shown[1]["created_at"] == m["created_at"] < shown[0]["created_at"] < reply["edited_at"]
    assert b.conversation(conversation)["unread_count"] == 2, "an edit is nothing new to read"
    truth.check_dense(stack, conversation)


def test_an_edit_that_changes_nothing(stack, pair):
    a, b, conversation = pair
    m = a.say(conversation, "same", mentions=[{"user_id": b.id, "offset": 0, "length": 4}])
    was = place(stack, conversation)
    for if_version in ({}, {"if_version": 1}, {"if_version": 7}):
        assert edit(a, m["id"], "same", mentions=m["mentions"], **if_version).json == m
    assert place(stack, conversation) == was
    assert a.rest.get(f"/messages/{m['id']}/revisions", expect=200).json == {"items": [], "next_cursor": None}
    assert edit(a, m["id"], "same")["version"] == 2, "mentions alone are an edit"


def test_if_version(pair):
    a, _, conversation = pair
    assert edit(a, f"{conversation}.1", "second", if_version=1)["version"] == 2
    edit(a, f"{conversation}.1", "third", if_version=1, expect=(409, "stale_version"))
    edit(a, f"{conversation}.1", "third", if_version=3, expect=(409, "stale_version"))
    assert edit(a, f"{conversation}.1", "second", if_version=1)["version"] == 2, "the retry of an edit whose answer was lost"
    assert edit(a, f"{conversation}.1", "third", if_version=2)["version"] == 3


def test_who_edits_what(stack, group):
    ann, ben, cat, dan, eve, g = group
    m = cat.say(g, "mine")
    for who in (ann, ben, dan):
        edit(who, m["id"], "not mine", expect=(403, "forbidden"))
    edit(eve, m["id"], "?", expect=(404, "not_found"))
    edit(cat, f"{g}.99", "?", expect=(404, "not_found"))
    system = ann.history(g, limit=100)["messages"][0]
    assert system["message_type"] == "system"
    edit(ann, system["id"], "?", expect=(409, "wrong_kind"))
    for kind in ("location", "poll", "call", "encrypted"):
        other = cat.rest.post(f"/conversations/{g}/messages", draft(kind), expect=201)["id"]
        edit(cat, other, "?", expect=(409, "wrong_kind"))
    copy = cat.rest.post(f"/conversations/{g}/messages", {"client_id": "copy", "forward_of": m["id"]}, expect=201)["id"]
    edit(cat, copy, "nobody said that", expect=(409, "wrong_kind"))
    delete(cat, m["id"])
    edit(cat, m["id"], "back again", expect=(409, "deleted"))
    brief = cat.rest.post(f"/conversations/{g}/messages", draft(expires_in_seconds=1), expect=201)["id"]
    truth.rows(stack, "UPDATE message SET expires_at = now() WHERE conversation_id = %s AND seq = %s", *map(int, brief.split(".")))
    edit(cat, brief, "too late", expect=(404, "not_found"))
    cat.rest.get(f"/messages/{brief}/revisions", expect=(404, "not_found"))
    eve.rest.get(f"/messages/{g}.2/revisions", expect=(404, "not_found"))
    truth.check_dense(stack, g)


@pytest.mark.parametrize("body, path, code", [
    ({}, "/content", "required"), ({"content": ""}, "/content", "too_short"), ({"content": " \n"}, "/content", "too_short"),
    ({"content": None}, "/content", "type"), ({"content": 7}, "/content", "type"), ({"content": "x" * 16385}, "/content", "too_long"),
    ({"content": "x", "if_version": 0}, "/if_version", "range"), ({"content": "x", "if_version": "1"}, "/if_version", "type"),
    ({"content": "x", "if_version": None}, "/if_version", "type"), ({"content": "x", "mentions": {}}, "/mentions", "type"),
    ({"content": "x", "mentions": [{"user_id": "1", "offset": 1, "length": 1}]}, "/mentions/0", "range"),
    ({"content": "x", "mentions": [{"user_id": "999999", "offset": 0, "length": 1}]}, "/mentions/0/user_id", "unknown"),
])
def test_edit_refuses(stack, pair, body, path, code):
    a, _, conversation = pair
    was = place(stack, conversation)
    for method in ("PATCH", "PUT"):
        reply = a.rest.call(method, f"/messages/{conversation}.1", body, valid=False, expect=(400, "invalid"))
        assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code), reply
    assert place(stack, conversation) == was


def test_a_caption_comes_and_goes(pair):
    from peal import media
    a, _, conversation = pair
    picture = a.rest.post("/messages/upload-image", raw=media.png(), headers={"Content-Type": "image/png"}, expect=201)["id"]
    m = a.rest.post(f"/conversations/{conversation}/messages", draft("image", attachment_ids=[picture]), expect=201).json
    for version, caption in enumerate(["a boat", None, "a ship"], m["version"] + 1):
        reply = edit(a, m["id"], caption).json
        assert (reply["content"], reply["version"]) == (caption, version)
        assert [x["id"] for x in reply["attachments"]] == [picture]


def test_two_editors_of_one_version(stack, pair):
    """Only one edit is made on each version; each is kept."""
    a, _, conversation = pair
    m = a.say(conversation, "0")
    start = threading.Barrier(4)

    def ten(n):
        client, won = Client(stack.url, a.token), 0
        start.wait()
        while won < 10:
            version = client.get(f"/messages/{m['id']}", expect=200)["version"]
            reply = client.patch(f"/messages/{m['id']}", {"content": f"{n}.{won}", "if_version": version})
            assert reply.status == 200 or reply.code == "stale_version", reply
            won += reply.status == 200
        client.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(ten, range(4)))
    assert a.rest.get(f"/messages/{m['id']}")["version"] == 41
    past = walk(a, f"/messages/{m['id']}/revisions", 7)
    assert [r["version"] for r in past] == list(range(40, 0, -1)) and len({r["content"] for r in past}) == 40
    truth.check_dense(stack, conversation)


# -- reactions


@pytest.mark.parametrize("emoji", RGI)
def test_an_emoji_is_taken(pair, emoji):
    a, b, conversation = pair
    for sent in (emoji, emoji.replace("\ufe0f", "")):
        assert react(b, f"{conversation}.1", sent)["reactions"] == [{"emoji": emoji, "count": 1, "me": True}]
    assert unreact(b, f"{conversation}.1", emoji.replace("\ufe0f", ""))["reactions"] == []


@pytest.mark.parametrize("emoji", NO_EMOJI)
def test_what_is_no_emoji(stack, pair, emoji):
    a, _, conversation = pair
    was = place(stack, conversation)
    for call in (react, unreact):
        reply = call(a, f"{conversation}.1", emoji, (400, "invalid"), valid=False)
        assert reply["errors"][0]["code"] == "format", reply
    a.rest.get(f"/messages/{conversation}.1/reactions", query={"emoji": emoji}, expect=(400, "invalid"))
    assert place(stack, conversation) == was


def test_reactions_are_set_not_toggled(stack, group):
    ann, ben, cat, dan, eve, g = group
    m = ann.say(g, "who comes?")
    was = place(stack, g)
    said = [(ben, "👍"), (cat, "🎉"), (cat, "👍"), (dan, "👍"), (ann, "🎉")]
    for who, emoji in said:
        first = react(who, m["id"], emoji).json
        assert react(who, m["id"], emoji).json == first, "the same again changes nothing"
    assert place(stack, g) == (was[0], was[1] + 5)
    assert events(stack, g, 5) == [(7, who.id, m["seq"], emoji) for who, emoji in said]
    for who in (ann, ben, cat, dan):
        mine = {e for w, e in said if w is who}
        want = [{"emoji": "👍", "count": 3, "me": "👍" in mine}, {"emoji": "🎉", "count": 2, "me": "🎉" in mine}]
        assert who.rest.get(f"/messages/{m['id']}")["reactions"] == want == who.listed(g)["last_message"]["reactions"]
    shown = walk(dan, f"/messages/{m['id']}/reactions")
    assert [(r["user"]["id"], r["emojis"]) for r in shown] == [(ann.id, ["🎉"]), (ben.id, ["👍"]), (cat.id, ["🎉", "👍"]), (dan.id, ["👍"])]
    assert shown[2]["user"]["username"] == cat.username
    assert [r["user"]["id"] for r in walk(dan, f"/messages/{m['id']}/reactions", 1, emoji="🎉")] == [ann.id, cat.id]
    for _ in range(2):
        assert unreact(cat, m["id"], "👍")["reactions"][0] == {"emoji": "👍", "count": 2, "me": False}
    unreact(ben, m["id"], "👍"), unreact(dan, m["id"], "👍")
    assert cat.rest.get(f"/messages/{m['id']}")["reactions"] == [{"emoji": "🎉", "count": 2, "me": True}]
    assert place(stack, g) == (was[0], was[1] + 8)
    assert events(stack, g, 1) == [(8, dan.id, m["seq"], "👍")]
    for call in (react, unreact):
        call(eve, m["id"], "👍", (404, "not_found"))
        call(ann, f"{g}.999", "👍", (404, "not_found"))
    eve.rest.get(f"/messages/{m['id']}/reactions", expect=(404, "not_found"))
    delete(ann, m["id"])
    react(ben, m["id"], "👍", (409, "deleted"))
    assert unreact(cat, m["id"], "🎉")["reactions"] == []
    assert walk(ben, f"/messages/{m['id']}/reactions") == []
    truth.check_dense(stack, g)


def test_only_so_many_reactions(stack, group):
    ann, ben, cat, dan, _, g = group
    m = ann.say(g, "all of them")
    faces = [chr(0x1F600 + n) for n in range(51)]
    for n, who in enumerate((ann, ben)):
        for emoji in faces[20 * n:20 * n + 20]:
            react(who, m["id"], emoji)
        react(who, m["id"], "💯", (409, "too_many"))
        react(who, m["id"], faces[20 * n])
    for emoji in faces[40:50]:
        react(cat, m["id"], emoji)
    react(dan, m["id"], faces[50], (409, "too_many"))
    assert len(react(dan, m["id"], faces[0])["reactions"]) == 50
    assert len(walk(dan, f"/messages/{m['id']}/reactions")[0]["emojis"]) == 20
    unreact(cat, m["id"], faces[49])
    assert react(dan, m["id"], faces[50])["reactions"][-1] == {"emoji": faces[50], "count": 1, "me": True}


def test_many_react_at_once(stack, group):
    """Counts are those of the rows, whatever the order."""
    ann, ben, cat, dan, _, g = group
    m = ann.say(g, "go")
    start = threading.Barrier(8)

    def random_clicks(n):
        rng, who = random.Random(n), (ann, ben, cat, dan)[n % 4]
        client = Client(stack.url, who.token)
        start.wait()
        for _ in range(25):
            emoji = rng.choice(["👍", "🎉", "❤️"])
            if rng.random() < 0.6:
                client.post(f"/messages/{m['id']}/reactions", {"emoji": emoji}, expect=200)
            else:
                client.delete(f"/messages/{m['id']}/reactions", query={"emoji": emoji}, expect=200)
        client.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(random_clicks, range(8)))
    (row,), = truth.rows(stack, "SELECT reactions FROM message WHERE conversation_id = %s AND seq = %s", int(g), m["seq"])
    rows = truth.rows(stack, "SELECT unnest(reactions) AS e, count(*) FROM message_mine WHERE conversation_id = %s AND seq = %s GROUP BY 1", int(g), m["seq"])
    assert {r["emoji"]: r["count"] for r in row or []} == dict(rows)
    counted = truth.rows(stack, "SELECT detail, sum(CASE kind WHEN 7 THEN 1 ELSE -1 END) FROM event WHERE conversation_id = %s AND kind IN (7, 8) GROUP BY 1", int(g))
    assert {e: n for e, n in counted if n} == dict(rows), "each event is one change"
    truth.check_dense(stack, g)


# -- stars


def test_stars_are_mine(stack, pair):
    a, b, conversation = pair
    ids = [f"{conversation}.1"] + [a.say(conversation, f"{n}")["id"] for n in range(4)]
    was = place(stack, conversation)
    for id_ in ids[2:] + ids[:2]:
        reply = b.rest.post(f"/messages/{id_}/star", expect=200)
        assert reply["starred"] is True and b.rest.post(f"/messages/{id_}/star", expect=200).json == reply.json
    assert own(stack, b, 5) == [(2, conversation, int(i.split(".")[1])) for i in ids[2:] + ids[:2]]
    assert place(stack, conversation) == was, "nobody else learns of it"
    want = list(reversed(ids[2:] + ids[:2]))
    for limit in (1, 2, 100):
        starred = walk(b, "/messages/starred", limit)
        assert [m["id"] for m in starred] == want and all(m["starred"] for m in starred)
    assert starred[0] == b.rest.get(f"/messages/{want[0]}").json
    assert walk(a, "/messages/starred") == [] and a.rest.get(f"/messages/{ids[0]}")["starred"] is False
    for _ in range(2):
        assert b.rest.delete(f"/messages/{ids[0]}/star", expect=200)["starred"] is False
    delete(b, ids[1], "me", 204)
    delete(a, ids[2])
    assert [m["id"] for m in walk(b, "/messages/starred")] == [i for i in want if i not in ids[:2]]
    truth.rows(stack, "UPDATE message SET expires_at = now() WHERE conversation_id = %s AND seq = 4", int(conversation))
    assert [m["id"] for m in walk(b, "/messages/starred", 1)] == [i for i in want if i not in ids[:2] + [f"{conversation}.4"]]
    for call in (b.rest.post, b.rest.delete):
        for gone in (ids[1], f"{conversation}.4", f"{conversation}.99"):
            call(f"/messages/{gone}/star", expect=(404, "not_found"))
    for cursor in ("x", "MQ", "MS4yLjMuNA", "LTEuMi4z"):
        b.rest.get("/messages/starred", query={"cursor": cursor}, expect=(400, "invalid"))


def test_stars_of_where_i_am_no_longer(group):
    ann, ben, cat, _, _, g = group
    m = ann.say(g, "remember")
    cat.rest.post(f"/messages/{m['id']}/star", expect=200)
    ann.rest.delete(f"/conversations/{g}/participants/{cat.id}", expect=204)
    assert m["id"] not in [x["id"] for x in walk(cat, "/messages/starred")]
    cat.rest.delete(f"/messages/{m['id']}/star", expect=(404, "not_found"))


# -- pins


def test_pins(stack, group):
    ann, ben, cat, dan, eve, g = group
    ids = [cat.say(g, f"{n}")["id"] for n in range(3)]
    was = place(stack, g)
    for who, id_ in ((ann, ids[2]), (ben, ids[0])):
        reply = put(who, f"/messages/{id_}/pin").json
        assert reply["pinned"] is True and put(who, f"/messages/{id_}/pin").json == reply
    assert place(stack, g) == (was[0], was[1] + 2)
    assert events(stack, g, 2) == [(5, ann.id, int(ids[2].split(".")[1]), None), (5, ben.id, int(ids[0].split(".")[1]), None)]
    for who in (cat, dan):
        put(who, f"/messages/{ids[1]}/pin", (403, "forbidden"))
        who.rest.delete(f"/messages/{ids[0]}/pin", expect=(403, "forbidden"))
        page = who.rest.get(f"/conversations/{g}/pins", expect=200).json
        assert [m["id"] for m in page["items"]] == [ids[0], ids[2]] and page["next_cursor"] is None
        assert page["items"][0] == who.rest.get(f"/messages/{ids[0]}").json
    put(eve, f"/messages/{ids[1]}/pin", (404, "not_found"))
    eve.rest.get(f"/conversations/{g}/pins", expect=(404, "not_found"))
    for _ in range(2):
        assert ben.rest.delete(f"/messages/{ids[0]}/pin", expect=200)["pinned"] is False
    assert events(stack, g, 1) == [(6, ben.id, int(ids[0].split(".")[1]), None)]
    delete(cat, ids[2])
    put(ann, f"/messages/{ids[2]}/pin", (409, "deleted"))
    assert ann.rest.delete(f"/messages/{ids[2]}/pin", expect=200)["pinned"] is False
    assert cat.rest.get(f"/conversations/{g}/pins")["items"] == []
    put(ann, f"/messages/{ids[1]}/pin")
    delete(cat, ids[1], "me", 204)
    assert cat.rest.get(f"/conversations/{g}/pins")["items"] == [], "not what I have deleted for me"
    assert len(dan.rest.get(f"/conversations/{g}/pins")["items"]) == 1
    truth.check_dense(stack, g)


def test_both_pin_in_a_direct_conversation(pair):
    a, b, conversation = pair
    assert put(b, f"/messages/{conversation}.1/pin")["pinned"] is True
    assert a.rest.delete(f"/messages/{conversation}.1/pin", expect=200)["pinned"] is False


def test_only_so_many_pins(stack, pair):
    a, b, conversation = pair
    for n in range(50):
        a.say(conversation, f"{n}")
        put(b, f"/messages/{conversation}.{n + 1}/pin")
    put(b, f"/messages/{conversation}.51/pin", (409, "too_many"))
    assert [m["seq"] for m in a.rest.get(f"/conversations/{conversation}/pins")["items"]] == list(range(50, 0, -1))
    delete(a, f"{conversation}.7")
    put(b, f"/messages/{conversation}.51/pin")


# -- deleting


def test_deleting_for_me(stack, group):
    ann, ben, cat, dan, eve, g = group
    ids = [ann.say(g, f"{n}", mentions=[{"user_id": cat.id, "offset": 0, "length": 1}])["id"] for n in range(3)]
    was, before = place(stack, g), cat.conversation(g)
    react(cat, ids[1], "👍")
    for _ in range(2):
        assert delete(cat, ids[1], "me", 204).raw == b""
    assert own(stack, cat, 1) == [(3, g, int(ids[1].split(".")[1]))]
    after = cat.conversation(g)
    assert (after["unread_count"], after["mention_count"]) == (before["unread_count"] - 1, before["mention_count"] - 1)
    assert place(stack, g) == (was[0], was[1] + 1), "only the reaction took a number"
    assert [m["id"] for m in cat.history(g, limit=100)["messages"]][-2:] == [ids[0], ids[2]]
    assert ids[1] in [m["id"] for m in dan.history(g)["messages"]]
    assert dan.rest.get(f"/messages/{ids[1]}")["reactions"] == [{"emoji": "👍", "count": 1, "me": False}]
    for call in ("", "/revisions", "/reactions", "/receipts"):
        cat.rest.get(f"/messages/{ids[1]}{call}", expect=(404, "not_found"))
    unreact(cat, ids[1], "👍", (404, "not_found"))
    reply = dan.say(g, "re", reply_to=ids[1])
    assert cat.rest.get(f"/messages/{reply['id']}")["reply_to"] is None
    delete(cat, reply["id"], "me", 204)
    assert cat.listed(g)["last_message"]["id"] == ids[2]
    delete(eve, ids[0], "me", (404, "not_found"))
    delete(cat, f"{g}.99", "me", (404, "not_found"))
    delete(ann, ids[2])
    delete(cat, ids[2], "me", 204)
    assert cat.listed(g)["last_message"]["id"] == ids[0], "a tombstone, too"


def test_deleting_for_me_while_somebody_takes_me_out(stack, group):
    """Nothing is left behind that would count when I am brought back."""
    ann, _, cat, _, _, conversation = group
    seq = int(ann.say(conversation, "for everybody")["id"].partition(".")[2])
    with concurrent.futures.ThreadPoolExecutor(1) as pool, stack.db() as remover, remover.cursor() as cursor:
        cursor.execute("SELECT member_remove(%s, %s, %s)", (int(ann.id), int(conversation), int(cat.id)))
        reply = pool.submit(cat.rest.call, "DELETE", f"/messages/{conversation}.{seq}", query={"for": "me"})
        while not truth.rows(stack, "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            assert not reply.done(), reply.result()
        remover.commit()
        assert (reply.result().status, reply.result().code) == (404, "not_found")
    assert not truth.rows(stack, "SELECT FROM message_mine WHERE user_id = %s AND conversation_id = %s", int(cat.id), int(conversation))


def test_deleting_for_everyone_takes_all_with_it(stack, group):
    ann, ben, cat, dan, _, g = group
    m = cat.say(g, "secret one")
    edit(cat, m["id"], "secret two")
    react(dan, m["id"], "👍")
    put(ben, f"/messages/{m['id']}/pin")
    dan.rest.post(f"/messages/{m['id']}/star", expect=200)
    delete(dan, m["id"], expect=(403, "forbidden"))
    was = place(stack, g)
    gone = delete(ben, m["id"]).json
    assert delete(cat, m["id"]).json["rev"] == gone["rev"] == was[1] + 1
    assert (gone["content"], gone["reactions"], gone["pinned"], gone["version"]) == (None, [], False, 2)
    assert dan.rest.get(f"/messages/{m['id']}/revisions", expect=200)["items"] == []
    assert dan.rest.get(f"/messages/{m['id']}")["starred"] is True, "the star is mine, and so is its end"
    assert place(stack, g) == (was[0], was[1] + 1)
    poll = cat.rest.post(f"/conversations/{g}/messages", draft("poll"), expect=201)["id"]
    dan.rest.post(f"/messages/{poll}/vote", {"options": [0]}, expect=200)
    assert delete(cat, poll)["poll"] is None
    for table in ("message", "message_revision", "event"):
        assert not truth.rows(stack, f"SELECT 1 FROM {table} x WHERE x::text LIKE '%%secret%%' AND conversation_id = %s", int(g))
    assert not truth.rows(stack, "SELECT 1 FROM message_mine WHERE conversation_id = %s AND (reactions IS NOT NULL OR votes IS NOT NULL)", int(g))


# -- polls


def poll(by, conversation, **more):
    return by.rest.post(f"/conversations/{conversation}/messages", draft("poll", poll={"question": "When?", "options": ["now", "later", "never"], **more}), expect=201)["id"]


def vote(by, message, *options, expect=200, **more):
    return by.rest.post(f"/messages/{message}/vote", {"options": list(options)}, expect=expect, **more)


def test_votes(stack, group):
    ann, ben, cat, dan, eve, g = group
    p = poll(ann, g)
    was = place(stack, g)
    for who, choice in ((ben, 2), (cat, 2), (dan, 0)):
        first = vote(who, p, choice).json
        assert first["poll"]["my_votes"] == [choice] and vote(who, p, choice).json == first
    shown = ann.rest.get(f"/messages/{p}")["poll"]
    assert ([o["count"] for o in shown["options"]], shown["voters"], shown["my_votes"]) == ([1, 0, 2], 3, [])
    shown = vote(cat, p, 1)["poll"]
    assert ([o["count"] for o in shown["options"]], shown["voters"]) == ([1, 1, 1], 3)
    for _ in range(2):
        shown = vote(cat, p)["poll"]
    assert ([o["count"] for o in shown["options"]], shown["voters"], shown["my_votes"]) == ([1, 0, 1], 2, [])
    assert place(stack, g) == (was[0], was[1] + 5) and events(stack, g, 1) == [(9, cat.id, int(p.split(".")[1]), None)]
    vote(eve, p, 0, expect=(404, "not_found"))
    vote(ann, f"{g}.1", 0, expect=(409, "wrong_kind"))
    delete(ann, p)
    vote(ben, p, 0, expect=(409, "deleted"))
    truth.check_dense(stack, g)


def test_votes_for_several(group):
    ann, ben, _, _, _, g = group
    p = poll(ann, g, multiple=True, anonymous=True)
    shown = vote(ben, p, 2, 0)["poll"]
    assert (shown["my_votes"], [o["count"] for o in shown["options"]], shown["voters"]) == ([0, 2], [1, 0, 1], 1)
    assert vote(ben, p, 0, 2)["rev"] == vote(ben, p, 2, 0)["rev"], "a set has no order"
    shown = vote(ben, p, 1, 2)["poll"]
    assert (shown["my_votes"], [o["count"] for o in shown["options"]], shown["voters"]) == ([1, 2], [0, 1, 1], 1)


@pytest.mark.parametrize("options, path, code", [
    ([3], "/options/0", "unknown"), ([-1], "/options/0", "unknown"), ([0, 1], "/options", "too_long"), (["0"], "/options/0", "type"),
    ([True], "/options/0", "type"), (None, "/options", "type"), ({}, "/options", "type"), (list(range(13)), "/options", "too_long"),
    ([0, 0], "/options/1", "duplicate"), ([1.5], "/options/0", "type"), ([2 ** 40], "/options/0", "unknown"),
], ids=str)
def test_vote_refuses(pair, options, path, code):
    a, _, conversation = pair
    p = poll(a, conversation)
    reply = a.rest.post(f"/messages/{p}/vote", {"options": options}, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code), reply
    a.rest.post(f"/messages/{p}/vote", {}, valid=False, expect=(400, "invalid"))


def test_a_closed_poll(stack, pair):
    a, b, conversation = pair
    closes = (datetime.datetime.utcnow() + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    p = poll(a, conversation, closes_at=closes)
    vote(b, p, 0)
    truth.rows(stack, "UPDATE message SET extra = extra || '{\"closes_at\": \"2026-01-02T03:04:05.678Z\"}' WHERE conversation_id = %s AND seq = %s",
               *map(int, p.split(".")))
    for options in ([1], []):
        vote(b, p, *options, expect=(409, "poll_closed"))
    assert a.rest.get(f"/messages/{p}")["poll"]["options"][0]["count"] == 1


# -- blocks


@pytest.mark.parametrize("blocker", ["a", "b"])
def test_blocked(stack, pair, blocker):
    a, b, conversation = pair
    mine, theirs, p = a.say(conversation, "mine")["id"], b.say(conversation, "theirs")["id"], poll(b, conversation)
    react(a, theirs, "👍"), put(a, f"/messages/{theirs}/pin")
    block(*((a, b) if blocker == "a" else (b, a)))
    was = place(stack, conversation)
    for who in (a, b):
        react(who, theirs, "🎉", (403, "blocked"))
        unreact(who, theirs, "👍", (403, "blocked"))
        put(who, f"/messages/{mine}/pin", (403, "blocked"))
        who.rest.delete(f"/messages/{theirs}/pin", expect=(403, "blocked"))
        vote(who, p, 0, expect=(403, "blocked"))
        who.rest.post(f"/messages/{theirs}/star", expect=200)
        assert len(who.rest.get(f"/conversations/{conversation}/pins")["items"]) == 1
    edit(a, mine, "?", expect=(403, "blocked"))
    edit(a, theirs, "?", expect=(403, "forbidden"))
    assert place(stack, conversation) == was
    delete(a, mine)
    delete(b, mine, "me", 204)
    block(*((a, b) if blocker == "a" else (b, a)), on=False)
    react(a, theirs, "🎉")
    g = a.group(b)
    block(a, b)
    m = b.say(g, "in a group all goes on")
    react(a, m["id"], "👍")


# -- histories that begin late


def test_what_was_before_me_does_not_exist(group):
    ann, ben, cat, dan, eve, g = group
    m = ann.say(g, "before")
    react(ben, m["id"], "👍")
    put(ann, f"/messages/{m['id']}/pin")
    ann.rest.post(f"/conversations/{g}/participants", {"user_ids": [eve.id]}, expect=200)
    for call in ("", "/revisions", "/reactions", "/receipts"):
        eve.rest.get(f"/messages/{m['id']}{call}", expect=(404, "not_found"))
    react(eve, m["id"], "👍", (404, "not_found"))
    eve.rest.post(f"/messages/{m['id']}/star", expect=(404, "not_found"))
    delete(eve, m["id"], "me", (404, "not_found"))
    assert eve.rest.get(f"/conversations/{g}/pins", expect=200)["items"] == []
    ann.rest.patch(f"/conversations/{g}", {"history": "all"}, expect=200)
    assert [x["id"] for x in eve.rest.get(f"/conversations/{g}/pins")["items"]] == [m["id"]]
    assert react(eve, m["id"], "👍")["reactions"] == [{"emoji": "👍", "count": 2, "me": True}]


def test_statements_per_request(stack, pair):
    """What one request costs: a change is one call, the answer another, and telling the others a third; a list is one statement."""
    a, b, conversation = pair
    p, m = poll(a, conversation), a.say(conversation, "count me")["id"]
    calls = {
        "PATCH": (lambda: edit(a, m, "counted"), 3), "react": (lambda: react(b, m, "👍"), 3), "pin": (lambda: put(b, f"/messages/{m}/pin"), 3),
        "vote": (lambda: vote(b, p, 1), 3), "star": (lambda: b.rest.post(f"/messages/{m}/star"), 3),
        "read": (lambda: b.rest.post(f"/messages/{m}/read", expect=200), 3), "hide": (lambda: delete(b, f"{conversation}.1", "me", 204), 2),
        "revisions": (lambda: b.rest.get(f"/messages/{m}/revisions"), 1), "reactions": (lambda: b.rest.get(f"/messages/{m}/reactions"), 1),
        "receipts": (lambda: a.rest.get(f"/messages/{m}/receipts"), 1), "starred": (lambda: b.rest.get("/messages/starred"), 1),
        "pins": (lambda: b.rest.get(f"/conversations/{conversation}/pins"), 1), "delete": (lambda: delete(a, m), 3),
    }
    for name, (call, most) in calls.items():
        for expected in (most, max(most - 1, 1)):  # the second time nothing changes, and nobody is told
            line = stack.log_line(call().headers["x-request-id"])
            assert f" statements={expected} " in line, f"{name}: {line}"
