"""The index: restarts, rebuilding while everything goes on, slices, what leaves it, what never enters it, and what a broad search costs."""

import json
import re
import threading
import time

import pytest

from peal import media, truth
from peal.find import cut, found, indexed, pages
from peal.people import Person, pair as make_pair

STACK = {"settings": {"search_slice_rows": 100, "expiry_seconds": 1}}


def index_of(stack):
    """Everything in the index, each message once: {(conversation, seq): terms}."""
    rows = truth.rows(stack, "SELECT conversation_id, seq, terms::text FROM message_search")
    every = {(c, s): t for c, s, t in rows}
    assert len(every) == len(rows), "a message is in the index twice"
    return every


def rebuild(stack):
    return json.loads(stack.pealctl("--json", "search", "rebuild").stdout)


def test_lag_is_below_a_second(stack, pair):
    a, _, conversation = pair
    lags = []
    for n in range(10):
        message = a.say(conversation, f"needle{n} in a haystack")
        begin = time.monotonic()
        while found(a, f"needle{n}") != [message["id"]]:
            assert time.monotonic() - begin < 5
            time.sleep(0.02)
        lags.append(time.monotonic() - begin)
    print("lags", sorted(round(lag, 3) for lag in lags))
    assert sorted(lags)[len(lags) // 2] < 1


def test_a_restart_leaves_nothing_out(stack, pair):
    a, _, conversation = pair
    said = []
    for n in range(4):
        said.append(a.say(conversation, f"before restart{n}")["id"])
        stack.kill("peal-jobs")
        said.append(a.say(conversation, f"after restart{n}")["id"])
        stack.start("peal-jobs")
    indexed(stack)
    assert found(a, "restart") == said[::-1]


def test_rebuild_makes_the_same(stack, pair):
    a, b, conversation = pair
    for n in range(230):
        a.say(conversation, f"message number {n} about rebuilding")
    indexed(stack)
    before = index_of(stack)
    assert rebuild(stack)["rebuilt"] >= 231
    assert index_of(stack) == before
    truth.rows(stack, "DELETE FROM message_search WHERE mod(seq, 3) = 0")
    truth.rows(stack, "UPDATE message_search SET terms = to_tsvector('simple', 'something else') WHERE mod(seq, 3) = 1")
    rebuild(stack)
    assert index_of(stack) == before
    truth.rows(stack, "DELETE FROM message_search")
    assert found(b, "rebuilding") == []
    rebuild(stack)
    assert index_of(stack) == before
    assert len(found(b, "rebuilding")) == 230


def test_rebuild_while_people_talk(stack, pair):
    a, b, conversation = pair
    for n in range(150):
        a.say(conversation, f"old word {n}")
    indexed(stack)
    done = threading.Event()

    def talk():
        n = 0
        while not done.is_set():
            n += 1
            seq = 2 + n % 150
            a.rest.patch(f"/messages/{conversation}.{seq}", {"content": f"new word {n}"})
            b.say(conversation, f"fresh word {n}")
            assert len(found(b, "word", limit=100)) >= 150

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        for _ in range(3):
            rebuild(stack)
    finally:
        done.set()
        talker.join()
    indexed(stack)
    after = index_of(stack)
    rebuild(stack)
    assert index_of(stack) == after, "the index is what a rebuild makes of the messages"
    for seq, content in truth.rows(stack, "SELECT seq, content FROM message WHERE conversation_id = %s AND seq > 1", int(conversation)):
        have = after[int(conversation), seq]
        assert all(f"'{word}'" in have for word in content.split()), (seq, content, have)


def slices_opened(stack, conversation):
    """Slices that are locked when the indexer writes a message that the log has just told; it is not written."""
    with stack.db() as db, db.cursor() as c:
        c.execute("SELECT pg_current_xact_id()::text::bigint")
        place, = c.fetchone()
        c.execute("UPDATE search_state SET xid = %s::text::xid8", (place,))
        c.execute("SELECT search_write(ARRAY[%s], '{1000000}', ARRAY[%s], 'word', %s, %s, NULL, NULL, 1, 1)",
                  (int(conversation), int(time.time() * 1e6), place, place + 1))
        assert c.fetchone() == (1,)
        c.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation::regclass::text ~ '^message_search_[0-9]+$'")
        opened, = c.fetchone()
        db.rollback()
    return opened


def test_slices_are_cut_and_searched_in_order(stack, pair):
    a, _, conversation = pair
    begin = truth.rows(stack, "SELECT count(*) FROM search_slice")[0][0]
    said = [a.say(conversation, f"sliced {n}")["id"] for n in range(260)]
    indexed(stack)
    end = time.monotonic() + 30
    while truth.rows(stack, "SELECT count(*) FROM search_slice")[0][0] <= begin:
        assert time.monotonic() < end
        time.sleep(0.5)
    said += [a.say(conversation, f"sliced {n}")["id"] for n in range(260, 300)]
    indexed(stack)
    for limit in (7, 100):
        assert found(a, "sliced", limit=limit) == said[::-1]
    assert sorted(found(a, "sliced", limit=7, sort="relevance")) == sorted(said)
    assert slices_opened(stack, conversation) == 1, "what is new was looked for"
    bounds = truth.rows(stack, "SELECT from_at::text, to_at::text FROM search_slice ORDER BY from_at")
    assert bounds[0][0] == "-infinity" and bounds[-1][1] == "infinity"
    assert all(one[1] == other[0] for one, other in zip(bounds, bounds[1:]))


def test_what_goes_leaves_the_index(stack, pair):
    a, b, conversation = pair
    kept = a.say(conversation, "vanishing act, kept")
    a.say(conversation, "vanishing act, expiring", expires_in_seconds=1)
    deleted = a.say(conversation, "vanishing act, deleted")
    hidden = a.say(conversation, "vanishing act, hidden")
    indexed(stack)
    a.rest.delete(f"/messages/{deleted['id']}", query={"for": "everyone"})
    b.rest.delete(f"/messages/{hidden['id']}", query={"for": "me"})
    assert found(b, "vanishing") in ([kept["id"]], [f"{conversation}.3", kept["id"]])
    time.sleep(1.1)
    assert found(b, "vanishing") == [kept["id"]] and found(a, "vanishing") == [hidden["id"], kept["id"]]
    end = time.monotonic() + 30
    while truth.rows(stack, "SELECT count(*) FROM message_search WHERE conversation_id = %s AND seq > 1", int(conversation))[0][0] != 2:
        assert time.monotonic() < end, "expired, and still in the index"
        time.sleep(0.3)


def test_what_never_enters(stack, pair):
    a, b, conversation = pair
    secret = {"ciphertext": "c2VjcmV0d29yZA==", "nonce": "AAAA", "key_id": "CCCC", "ephemeral_key": "BBBB"}
    a.rest.post(f"/conversations/{conversation}/messages", {"client_id": "enc", "message_type": "encrypted", "encrypted": secret}, expect=201)
    group = a.group(b, name="Zanzibar")
    indexed(stack)
    assert truth.rows(stack, "SELECT seq FROM message_search WHERE conversation_id = %s AND seq > 1 OR conversation_id = %s",
                      int(conversation), int(group)) == []
    assert found(a, "zanzibar") == found(a, "CCCC") == []


def test_names_polls_and_places(stack, pair):
    a, b, conversation = pair
    picture = a.rest.post("/messages/upload-image", raw=media.png(), query={"filename": "Sunset_Beach-2026.png"}, headers={"Content-Type": "image/png"},
                          expect=201)["id"]
    post = lambda **body: a.rest.post(f"/conversations/{conversation}/messages", body, expect=201)["id"]  # noqa: E731
    image = post(client_id="i", message_type="image", attachment_ids=[picture], content="our caption")
    poll = post(client_id="p", message_type="poll", poll={"question": "Where do we lunch?", "options": ["Pizzeria", "Ramen bar"]})
    place = post(client_id="l", message_type="location", location={"latitude": 1, "longitude": 2, "name": "Old Harbour", "address": "Quay Street 5"})
    link = post(client_id="u", message_type="text", content="look: https://example.org/lunch")
    indexed(stack)
    for q, want in (("sunset", [image]), ("beach-2026.png", [image]), ("caption sunset", [image]), ("lunch", [link, poll]), ("ramen", [poll]),
                    ("pizzeria bar", [poll]), ("harbour", [place]), ("quay street", [place]), ("has:image", [image]), ("has:image caption", [image]),
                    ("has:link", [link]), ("has:link lunch", [link]), ("lunch -has", [link, poll]), ("has:file lunch", []), ('"pizzeria ramen"', [])):
        assert found(b, q) == want, q
    caption, = pages(b, "caption sunset")
    assert cut(caption) == ["caption"]
    assert pages(b, "sunset")[0]["highlights"] == []


def test_operators(stack):
    a, b, c = Person(stack, "ada"), Person(stack, "bob"), Person(stack, "cyd")
    group = a.group(b, c, name="Blue Team")
    pair = a.start(b)
    a.say(pair, "hello")
    one = a.say(group, "budget meeting")["id"]
    two = b.say(group, "budget draft", mentions=[{"user_id": a.id, "offset": 0, "length": 6}])["id"]
    three = b.say(pair, "budget secret")["id"]
    indexed(stack)
    a.rest.post(f"/messages/{two}/star")
    a.rest.put(f"/messages/{one}/pin")
    for q, want in (
            ("budget", [three, two, one]), (f"budget from:{b.username}", [three, two]), (f"from:@{b.username.upper()} budget", [three, two]),
            ("from:me budget", [one]), (f"budget in:{group}", [two, one]), ('budget in:"blue team"', [two, one]), (f"in:{b.username} budget", [three]),
            ("is:starred", [two]), ("is:starred meeting", []), ("is:pinned", [one]), ("is:pinned budg", [one]), ("mentions:me", [two]),
            ("mentions:me -draft", []), ("budget -secret -meeting", [two]), ("budget after:2020-01-01", [three, two, one]), ("budget before:2020-01-01", []),
            ("budget after:2099-01-01", []), ("FROM:ME Budget", [one]), ("“budget meeting”", [one]), ("«budget draft»", [two]),
            (f"is:starred from:{b.username}", [two])):
        assert found(a, q) == want, q
    assert found(c, "budget") == [two, one] and found(c, "is:starred") == [] and found(c, "mentions:me") == []
    at = a.rest.get(f"/messages/{two}")["created_at"]
    assert found(a, f"budget before:{at}") == [one]
    assert found(a, f"budget after:{at}") == [three]


@pytest.mark.parametrize("q, code", [
    ("", "too_short"), ("   ", "too_broad"), ("?!", "too_broad"), ("-word", "too_broad"), ("after:2026-01-01", "too_broad"), ('""', "too_broad"),
    ("has:banana", "word"), ("is:red", "word"), ("mentions:you", "word"), ("before:yesterday", "format"), ("after:2026-13-01", "format"),
    ("x -from:me", "syntax"), ("x from:a from:b", "duplicate"), ("x in:nowhere-at-all", "unknown"), ("x from:nobody-at-all", "unknown"), ("from:", "unknown"),
    (" ".join(f"w{n}" for n in range(40)), "too_long"), ("x" * 513, "too_long")])
def test_refused(person, q, code):
    reply = person.rest.get("/messages/search", query={"q": q}, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("q", code), reply


@pytest.mark.parametrize("query, path", [({"sort": "oldest"}, "sort"), ({"cursor": "x"}, "cursor"), ({"cursor": "MS4y"}, "cursor"), ({"limit": 0}, "limit"),
                                         ({"conversation_id": "0"}, "conversation_id")])
def test_parameters_refused(person, query, path):
    reply = person.rest.get("/messages/search", query={"q": "word", **query}, valid=False, expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == path


def test_a_cursor_is_of_its_order(stack, pair):
    a, _, conversation = pair
    for n in range(3):
        a.say(conversation, f"ordered {n}")
    indexed(stack)
    cursor = a.rest.get("/messages/search", query={"q": "ordered", "limit": 1}, expect=200)["next_cursor"]
    a.rest.get("/messages/search", query={"q": "ordered", "sort": "relevance", "cursor": cursor}, expect=(400, "invalid"))


def test_relevance(stack, pair):
    a, _, conversation = pair
    best = a.say(conversation, "tomato tomato tomato")["id"]
    good = a.say(conversation, "a tomato")["id"]
    worst = a.say(conversation, "tomatoes " + "and many other words " * 40)["id"]
    indexed(stack)
    assert found(a, "tomato", sort="relevance", limit=1) == [best, good, worst]
    assert found(a, "tomato") == [worst, good, best]


def test_pages_stay_while_people_talk(stack, pair):
    """What comes while somebody turns pages is on none of them; nothing is left out or shown twice."""
    a, _, conversation = pair
    said = [a.say(conversation, f"turning {n}")["id"] for n in range(30)]
    indexed(stack)
    seen, cursor = [], {}
    while True:
        page = a.rest.get("/messages/search", query={"q": "turning", "limit": 4, **cursor}, expect=200)
        seen += [i["message"]["id"] for i in page["items"]]
        a.say(conversation, "turning again")
        indexed(stack)
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == said[::-1]


def test_many_conversations(stack):
    """More than are looked up one by one."""
    a = Person(stack)
    said = [a.say(a.group(name=f"Group {n}"), "everywhere the same")["id"] for n in range(24)]
    indexed(stack)
    assert found(a, "everywhere same") == said[::-1]
    assert found(Person(stack), "everywhere same") == []


def test_partial_goes_on(new_stack):
    """With hardly any time, and messages that are slow to look at, answers are partial; their cursors lead through everything all the same."""
    with new_stack(settings={"search_budget_ms": 1}) as stack:
        a, _, conversation = make_pair(stack)
        said = [a.say(conversation, f"slowly, slowly {n}" if n % 50 == 7 else f"slowly {n}")["id"] for n in range(130)]
        indexed(stack)
        stack.psql("UPDATE message SET attachments = '[]' WHERE kind = 1")
        stack.psql("CREATE OR REPLACE FUNCTION search_names(p_attachments jsonb, p_extra jsonb) RETURNS text LANGUAGE plpgsql AS "
                   "$$ BEGIN PERFORM pg_sleep(0.002); RETURN NULL; END $$", user="peal_owner")
        for sort in ("newest", "relevance"):
            partial, seen, cursor = 0, [], {}
            while True:
                page = a.rest.get("/messages/search", query={"q": '"slowly slowly"', "limit": 10, "sort": sort, **cursor}, expect=200)
                seen += [i["message"]["id"] for i in page["items"]]
                partial += page["partial"]
                if page["next_cursor"] is None:
                    break
                assert page["partial"]
                cursor = {"cursor": page["next_cursor"]}
            assert sorted(seen) == sorted([said[7], said[57], said[107]]) and (partial or sort == "relevance"), sort


def test_what_people_type_is_in_no_log(stack, person):
    person.rest.get("/messages/search", query={"q": "canaryword7"}, expect=200)
    time.sleep(0.3)
    for name in ("nginx", "access", "peal-fcgi", "postgres"):
        try:
            text = stack.log(name)
        except (OSError, KeyError):
            continue
        assert "canaryword7" not in text, name


def test_status(stack):
    assert re.search(r"0 events wait", stack.pealctl("search", "status").stdout)
    assert json.loads(stack.pealctl("--json", "search", "status").stdout)["rebuilding"] is False
