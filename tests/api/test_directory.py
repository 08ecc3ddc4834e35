"""The directory: what people type to find somebody, who comes first, and pages."""

import os
import random

import pytest

from peal import truth
from peal.people import PASSWORD, Person

NAMES = {
    "zoe": "Zoë O'Neill-Smith", "asa": "Åsa Øverdahl", "mueller": "Jürgen Müller-Lüdenscheidt", "strasse": "Kai Weiß", "taro": "山田太郎", "kim": "김철수",
    "andrej": "Андрей Ёлкин", "nikos": "Νίκος Παππάς", "fatima": "فَاطِمَة الزهراء", "noa": "נֹעָה כהן", "linh": "Nguyễn Thùy Linh", "lukasz": "Łukasz Żak",
    "wide": "Ｗｉｄｅ Ｎａｍｅ", "ana": "Ana", "ana.b": "Annabel Lee", "bo_j": "Bo  Jackson", "curly": "Pat O’Brien", "cat": "🐱 Cat Person", "priya": "प्रिया शर्मा",
}
# what is typed: whose names it finds, in order
TYPED = {
    "zoe": ["zoe"], "ZOË": ["zoe"], "smith": ["zoe"], "neil": ["zoe"], "oneill": ["zoe"], "o'neill-smi": ["zoe"], "o’neill": ["zoe"], "smith zo": ["zoe"], "zoe mith": [],
    "asa": ["asa"], "overd": ["asa"], "åsa øver": ["asa"], "muller": ["mueller"], "MÜLLER-lu": ["mueller"], "weiss": ["strasse"], "weiß": ["strasse"],
    "山田": ["taro"], "太郎": ["taro"], "郎": ["taro"], "山太": [], "김": ["kim"], "철수": ["kim"], "андрей": ["andrej"], "елкин": ["andrej"], "Ёлк": ["andrej"],
    "νικοσ": ["nikos"], "ΠΑΠΠΆΣ": ["nikos"], "فاطمة": ["fatima"], "נעה": ["noa"], "nguyen": ["linh"], "thuy lin": ["linh"], "lukasz zak": ["lukasz"], "ŁUKASZ": ["lukasz"],
    "wide name": ["wide"], "ana": ["ana", "ana.b"], "@ana": ["ana", "ana.b"], "ana.": ["ana.b"], "lee anna": ["ana.b"], "bo_": ["bo_j"], "boj": ["bo_j"], "jack bo": ["bo_j"],
    "o'br": ["curly"], "obrien": ["curly"], "🐱": ["cat"], "person cat": ["cat"], "शर्मा": ["priya"], "%": [], "_": [], "\\": [], "a%": [], "@": [], " ": [], "'": [],
}


@pytest.fixture(scope="module")
def me(stack):
    return Person(stack, "me-who-looks")


@pytest.fixture(scope="module")
def people(stack, me):
    for username, name in NAMES.items():
        me.rest.post("/auth/register", {"username": username, "display_name": name, "password": PASSWORD, "token_delivery": "body"}, expect=201)
    return {username: id_ for username, id_ in truth.rows(stack, "SELECT username, id::text FROM users")}


def names(person, q, limit=50, **query):
    return [u["username"] for u in person.rest.get("/users", query={"q": q, "limit": limit, **query}, expect=200)["items"]]


@pytest.mark.parametrize("typed", TYPED)
def test_what_people_type(me, people, typed):
    assert names(me, typed) == TYPED[typed]


def turned(person, q, limit):
    """Everybody, page by page."""
    seen, cursor = [], {}
    while True:
        page = person.rest.get("/users", query={"q": q, "limit": limit, **cursor}, expect=200)
        seen += [u["username"] for u in page["items"]]
        assert len(page["items"]) == limit or page["next_cursor"] is None
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}


def test_those_i_share_a_conversation_with_come_first(stack):
    a, b, c, d, e = (Person(stack, f"kin{n}") for n in "abcde")
    everybody = [p.username for p in (a, b, c, d, e)]
    assert names(a, "kin") == everybody, "nobody is known: by name, and I am among them"
    a.group(e, name="A group")
    direct = a.start(c)
    known = [c.username, e.username]
    assert names(a, "kin") == known + [n for n in everybody if n not in known]
    assert names(e, "kin")[0] == a.username and names(d, "kin") == everybody
    assert names(c, "kin") == everybody, "a conversation that was only begun is nothing that c knows of"
    a.say(direct, "hello")
    assert names(c, "kin")[0] == a.username and names(b, "kin") == everybody
    for limit in (1, 2, 3):
        assert turned(a, "kin", limit) == names(a, "kin")
    group = next(i["id"] for i in a.rest.get("/conversations", expect=200)["items"] if i["type"] == "group")
    e.rest.delete(f"/conversations/{group}/participants/{e.id}")
    assert names(a, "kin") == [c.username] + [n for n in everybody if n != c.username], "e has left"


def test_blocks_change_nothing_and_disabled_people_go(stack):
    a, b = Person(stack, "blk"), Person(stack, "blk")
    a.say(a.start(b), "hello")
    for who, other in ((a, b), (b, a)):
        who.rest.put(f"/users/{other.id}/block", expect=204)
        assert names(a, "blk") == [b.username, a.username] and names(b, "blk") == [a.username, b.username]
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(b.id))
    assert names(a, "blk") == [a.username]
    truth.rows(stack, "UPDATE users SET disabled_at = NULL WHERE id = %s", int(b.id))
    assert names(a, "blk") == [b.username, a.username]


def test_a_new_name_is_found_at_once_and_the_old_one_no_more(stack):
    a = Person(stack, "rnm")
    assert names(a, a.username) == [a.username]
    a.rest.patch("/me", {"display_name": "Quentin Zzyzx"}, expect=200)
    assert names(a, "zzyz") == [a.username] and names(a, a.username) == [a.username]
    a.rest.patch("/me", {"display_name": "Somebody Else"}, expect=200)
    assert names(a, "zzyz") == [] and names(a, "somebody el") == [a.username]
    a.rest.patch("/me", {"status_text": "zzyzx"}, expect=200)
    assert names(a, "zzyz") == []


def test_pages_of_many(stack):
    """Everybody once, in order, whatever the size of a page; who has two words that match is there once."""
    a = Person(stack)
    truth.rows(stack, "INSERT INTO users (username, display_name) SELECT 'pgs' || n, 'Pgs' || mod(n, 7) || ' Pgs' || mod(n, 3) FROM generate_series(1, 130) n")
    want = [f"pgs{n}" for n in range(1, 131)]
    for limit in (7, 50, 100):
        got = turned(a, "pgs", limit)
        assert sorted(got) == sorted(want) and got == turned(a, "PGS", 100)


@pytest.mark.parametrize("cursor", ["!", "MA", "MCAw", "MCAxIA", "MiAxIGE", "MSAteCBh", "AAAA", "_w"])
def test_cursors_that_nobody_gave(me, cursor):
    reply = me.rest.get("/users", query={"q": "a", "cursor": cursor}, valid=False, expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == "cursor"


def test_every_name_is_found_by_any_of_its_words(stack, me):
    """Random names: each word's beginnings find them, and folding twice changes nothing."""
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    letters = "aäàâbcčdđeéèêëfgğhiîjklłmnñoöőpqrřsšßtuüvwxyýzžøæœþðАБВГдежийкλμνξ山川田'’-.·"
    for n in range(40):
        name = " ".join("".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(rng.randint(1, 4)))
        username = f"rnd{rng.getrandbits(40):x}"
        truth.rows(stack, "INSERT INTO users (username, display_name) VALUES (%s, %s)", username, name)
        words = [w for w in name.split() if w]
        for word in words:
            for typed in (word, word.upper(), word[:max(1, len(word) - 1)]):
                found = turned(me, f"{typed} {username}", 100)
                assert found == [username], (n, name, typed)
    twice = truth.rows(stack, "SELECT count(*) FROM users WHERE name_fold(name_fold(display_name)) <> name_fold(display_name)")
    assert twice == [(0,)]
