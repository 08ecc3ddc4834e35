"""Me and the directory."""

import uuid

import pytest

from peal.people import PASSWORD, Person


def test_me(person):
    me = person.rest.get("/me", expect=200)
    assert me["id"] == person.id and me["username"] == person.username
    shown = person.rest.get(f"/users/{person.id}", expect=200).json
    assert me.json == {**shown, "privacy": {"read_receipts": True, "last_seen": True}, "site_role": None}, "these are nobody else's to see"


def test_change_my_profile(stack, person):
    reply = person.rest.patch("/me", {"display_name": " Ann Archer ", "status_text": "Back at two"}, expect=200)
    assert (reply["display_name"], reply["status_text"]) == ("Ann Archer", "Back at two")
    assert person.rest.patch("/me", {}, expect=200).json == reply.json
    assert person.rest.patch("/me", {"status_text": None}, expect=200)["status_text"] is None
    assert person.rest.get("/me")["display_name"] == "Ann Archer"
    other = Person(stack)
    assert other.rest.get(f"/users/{person.id}")["display_name"] == "Ann Archer"


@pytest.mark.parametrize("body, path, code", [
    ({"display_name": None}, "/display_name", "type"), ({"display_name": ""}, "/display_name", "too_short"),
    ({"display_name": "   "}, "/display_name", "format"), ({"display_name": "x" * 65}, "/display_name", "too_long"),
    ({"status_text": "x" * 257}, "/status_text", "too_long"), ({"status_text": "two\nlines"}, "/status_text", "format"),
    ({"status_text": 5}, "/status_text", "type"), ({"avatar_id": "x"}, "/avatar_id", "format"),
    ({"avatar_id": "0123456789ABCDEF0123456789ABCDEF"}, "/avatar_id", "format"), ({"avatar_id": 7}, "/avatar_id", "type"),
    ({"privacy": None}, "/privacy", "type"), ({"privacy": []}, "/privacy", "type"),
    ({"privacy": {"last_seen": None}}, "/privacy/last_seen", "type"), ({"privacy": {"read_receipts": "no"}}, "/privacy/read_receipts", "type"),
])
def test_profile_refuses(person, body, path, code):
    reply = person.rest.patch("/me", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_unknown_members_are_named(person):
    reply = person.rest.patch("/me", {"status_text": "x", "colour": 1, "a b,c": 2, "ü": 3}, expect=200)
    assert set(reply.headers["peal-ignored"].split(", ")) == {"colour", "a%20b%2Cc", "%C3%BC"}
    many = person.rest.patch("/me", {f"member_{i}": i for i in range(20)}, expect=200).headers["peal-ignored"]
    assert len(many.split(", ")) == 8 and len(many) <= 256


def test_nobody(person):
    for id_ in ("999999999", "0", "-1", "01", "x", "9223372036854775808", "1.0", "%31", "7%2F8"):
        person.rest.get(f"/users/{id_}", valid=False, expect=(404, "not_found"))
    person.rest.get("/users/1%00", valid=False, expect=(400, "bad_request"))


def test_directory(stack, person):
    tag = uuid.uuid4().hex[:8]
    people = []
    for i in range(5):
        reply = person.rest.post("/auth/register", {"username": f"{tag}-{i}", "password": PASSWORD, "token_delivery": "body"}, expect=201)
        people.append(reply["user"])
    assert person.rest.get("/users", query={"q": tag.upper()}, expect=200)["items"] == people
    assert person.rest.get("/users", query={"q": f"{tag}-3"})["items"] == [people[3]]
    got, cursor = [], {}
    while True:
        page = person.rest.get("/users", query={"q": tag, "limit": 2, **cursor}, expect=200)
        assert len(page["items"]) <= 2
        got += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert got == people
    person.rest.post("/auth/register", {"username": f"other-{tag}", "display_name": f"Smith{tag}", "password": PASSWORD,
                                        "token_delivery": "body"}, expect=201)
    found = person.rest.get("/users", query={"q": f"smith{tag}"})["items"]
    assert [p["username"] for p in found] == [f"other-{tag}"], "display names are searched, too"
    for q in ("%", f"{tag[:3]}_", "\\", f"{tag}%"):
        assert person.rest.get("/users", query={"q": q}, expect=200)["items"] == [], "no character is a wildcard"


@pytest.mark.parametrize("query, path, code", [
    ("", "q", "required"), ("q=", "q", "too_short"), ("q=" + "x" * 65, "q", "too_long"), ("q=a&limit=0", "limit", "range"),
    ("q=a&limit=101", "limit", "range"), ("q=a&limit=ten", "limit", "type"), ("q=a&limit=1&limit=2", "limit", "duplicate"),
    ("q=a&cursor=%21", "cursor", "format"), ("q=%ff", "q", "type"), ("q=%zz", "q", "format"),
])
def test_directory_refuses(person, query, path, code):
    reply = person.rest.get("/users", exact_query=query, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_conditional_reads(pair):
    a, b, conversation = pair
    for path in ("/me", f"/users/{b.id}", f"/conversations/{conversation}", f"/conversations/{conversation}/messages"):
        first = a.rest.get(path, expect=200)
        tag = first.headers["etag"]
        for value in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            same = a.rest.get(path, headers={"If-None-Match": value}, expect=304)
            assert same.headers["etag"] == tag and same.raw == b""
        assert a.rest.get(path, headers={"If-None-Match": '"x"'}, expect=200).json == first.json
    a.say(conversation, "news")
    a.rest.get(f"/conversations/{conversation}/messages", headers={"If-None-Match": tag}, expect=200)
