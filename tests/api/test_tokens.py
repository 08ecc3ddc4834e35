"""Access tokens and bots: what they open, how they end, what they may take, and what stays the owner's."""

import asyncio
import base64
import hashlib
import re
import time

import pytest

from peal import contract, media, truth
from peal.people import Person
from peal.rest import Client
from peal.ws import Socket

SCOPES = contract.document("openapi.yaml")["components"]["schemas"]["Scope"]["enum"]


def token_of(person, *scopes, **more):
    return person.rest.post("/tokens", {"name": "a program", "scopes": list(scopes), **more}, expect=201).json


def program(stack, person, *scopes, **more):
    return Client(stack.url, token_of(person, *scopes, **more)["token"])


def bot_of(stack, person, *scopes, name="robo"):
    """A bot, and its client."""
    bot = person.rest.post("/bots", {"username": f"{name}-{person.id}", "display_name": "Robo"}, expect=201).json
    return bot, program(stack, person, *scopes, bot_id=bot["id"], expires_in_days=None)


def test_a_token_speaks_for_me(stack, pair):
    a, b, c = pair
    mine = program(stack, a, "messages:write", "messages:read")
    said = mine.post(f"/conversations/{c}/messages", {"client_id": "by-token", "message_type": "text", "content": "hello"}, expect=201).json
    assert said["sender_id"] == a.id
    assert b.history(c)["messages"][-1]["content"] == "hello"
    assert mine.get(f"/conversations/{c}/messages", expect=200)["messages"]
    with media_of(stack, a) as status:
        assert status == 201


class media_of:
    """An upload by a token of this person's."""

    def __init__(self, stack, person):
        self.client = program(stack, person, "media:write")

    def __enter__(self):
        return self.client.post("/messages/upload-image", raw=media.png(), headers={"Content-Type": "image/png"}).status

    def __exit__(self, *_):
        self.client.close()


def test_an_upload_needs_its_scope(stack, person):
    other = program(stack, person, "messages:write")
    other.post("/messages/upload-image", raw=media.png(), headers={"Content-Type": "image/png"}, expect=(403, "insufficient_scope"))


@pytest.fixture(scope="module")
def all_tokens(stack):
    """A person with a role, and for each scope two clients: one that has all the others, and one that has only this."""
    from peal.moderation import make
    who = make(stack, "admin", "every")
    return {s: (program(stack, who, *(o for o in SCOPES if o != s)), program(stack, who, s)) for s in SCOPES}


@pytest.mark.parametrize("op", [o for o in contract.rest().operations if o.secured and not o.served_by_nginx], ids=lambda o: o.id)
def test_every_route_asks_for_its_scope(stack, all_tokens, op):
    """By a token that has every scope but the one; what the one that has only it is answered is something else. What no token opens
    refuses both."""
    path = re.sub(r"{\w+}", "1.1" if "/messages/{id}" in op.path else "1", op.path)
    without, only = all_tokens[op.scope if op.scope != "-" else "messages:read"]
    headers = {"Tus-Resumable": "1.0.0"} if "/uploads" in op.path else {}
    raw = {"raw": b"{}"} if op.body or op.method in ("POST", "PATCH") else {}
    without.call(op.method, path, valid=False, headers=headers, **raw, expect=(403, None if op.method == "HEAD" else "insufficient_scope"))
    reply = only.call(op.method, path, valid=False, headers=headers, **raw)
    assert (reply.code == "insufficient_scope") == (op.scope == "-"), reply


def test_the_refusal_says_which_scope(stack, person):
    reply = program(stack, person, "messages:read").get("/me", expect=(403, "insufficient_scope"))
    assert reply.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="profile:read"'
    reply = program(stack, person, "messages:read").get("/tokens", expect=(403, "insufficient_scope"))
    assert reply.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


def test_its_form(stack, person):
    token = token_of(person, "profile:read")["token"]
    assert re.fullmatch(r"peal_pat_[A-Za-z0-9_-]{49}", token)
    checksum = base64.urlsafe_b64encode(hashlib.sha256(token[:-6].encode()).digest()[:4]).decode().rstrip("=")
    assert token.endswith(checksum)
    (hashed, name), = truth.rows(stack, "SELECT hash, name FROM access_token WHERE user_id = %s", int(person.id))
    assert bytes(hashed) == hashlib.sha256(token.encode()).digest()


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t + "A", lambda t: t[:20] + ("A" if t[20] != "A" else "B") + t[21:],
                                   lambda t: t[:-6] + "AAAAAA", lambda t: "peal_pat_", lambda t: t.upper(), lambda t: t.replace("pat", "pet")])
def test_what_is_none(stack, person, spoil):
    token = token_of(person, "profile:read")["token"]
    person.rest.get("/me", token=token, expect=200)
    person.rest.get("/me", token=spoil(token), expect=(401, "unauthenticated"))


def test_a_checksum_that_is_right_is_not_enough(stack, person):
    text = "peal_pat_" + "A" * 43
    token = text + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:4]).decode().rstrip("=")
    person.rest.get("/me", token=token, expect=(401, "unauthenticated"))


def test_the_list_has_no_secrets(stack, person):
    made = [token_of(person, "messages:read", expires_in_days=d) for d in (1, 2, 3)]
    assert all("token" in m for m in made)
    first = person.rest.get("/tokens", query={"limit": 2}, expect=200).json
    rest = person.rest.get("/tokens", query={"limit": 2, "cursor": first["next_cursor"]}, expect=200).json
    listed = first["items"] + rest["items"]
    assert [t["id"] for t in listed] == [m["id"] for m in reversed(made)]
    assert rest["next_cursor"] is None and all("token" not in t for t in listed)
    person.rest.get("/tokens", query={"cursor": "!"}, expect=(400, "invalid"))
    assert Person(stack).rest.get("/tokens", expect=200)["items"] == []


def test_scopes_are_kept_once_and_in_order(person):
    made = token_of(person, "messages:write", "messages:read", "messages:write")
    assert made["scopes"] == ["messages:read", "messages:write"]


@pytest.mark.parametrize("body, path, code", [
    ({"name": "x", "scopes": []}, "/scopes", "type"), ({"name": "x", "scopes": ["messages"]}, "/scopes/0", "word"),
    ({"name": "x", "scopes": ["messages:read", 5]}, "/scopes/1", "word"), ({"name": "x", "scopes": "messages:read"}, "/scopes", "type"),
    ({"name": " ", "scopes": ["messages:read"]}, "/name", "format"), ({"name": "a\nb", "scopes": ["messages:read"]}, "/name", "format"),
    ({"name": "x" * 65, "scopes": ["messages:read"]}, "/name", "too_long"), ({"scopes": ["messages:read"]}, "/name", "required"),
    ({"name": "x", "scopes": ["messages:read"], "expires_in_days": 367}, "/expires_in_days", "range"),
    ({"name": "x", "scopes": ["messages:read"], "expires_in_days": None}, "/expires_in_days", "range"),
    ({"name": "x", "scopes": ["messages:read"], "bot_id": "x"}, "/bot_id", "format")])
def test_what_is_refused(person, body, path, code):
    error = person.rest.post("/tokens", body, valid=False, expect=(400, "invalid"))["errors"][0]
    assert (error["path"], error["code"]) == (path, code)


def test_as_many_as_there_may_be(stack, person):
    for _ in range(20):
        token_of(person, "profile:read")
    person.rest.post("/tokens", {"name": "x", "scopes": ["profile:read"]}, expect=(409, "too_many"))
    truth.rows(stack, "UPDATE access_token SET expires_at = now() WHERE user_id = %s", int(person.id))
    token_of(person, "profile:read")


def test_revoked_at_once(stack, person):
    made = token_of(person, "profile:read")
    client = Client(stack.url, made["token"])
    client.get("/me", expect=200)
    person.rest.delete(f"/tokens/{made['id']}", expect=204)
    client.get("/me", expect=(401, "unauthenticated"))
    person.rest.delete(f"/tokens/{made['id']}", expect=(404, "not_found"))
    assert person.rest.get("/tokens", expect=200)["items"] == []


def test_expired(stack, person):
    made = token_of(person, "profile:read")
    truth.rows(stack, "UPDATE access_token SET expires_at = now() - interval '1 second' WHERE id = %s", int(made["id"]))
    Client(stack.url, made["token"]).get("/me", expect=(401, "token_expired"))
    assert [t["id"] for t in person.rest.get("/tokens", expect=200)["items"]] == [made["id"]]


def test_not_of_somebody_who_is_disabled(stack, person):
    client = program(stack, person, "profile:read")
    client.get("/me", expect=200)
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(person.id))
    client.get("/me", expect=(401, "unauthenticated"))


def test_the_last_use_is_noted_once_a_minute(stack, person):
    made = token_of(person, "profile:read")
    client = Client(stack.url, made["token"])
    used = lambda: truth.rows(stack, "SELECT last_used_at FROM access_token WHERE id = %s", int(made["id"]))[0][0]
    assert used() is None
    client.get("/me", expect=200)
    first = used()
    assert first is not None
    client.get("/me", expect=200)
    assert used() == first
    truth.rows(stack, "UPDATE access_token SET last_used_at = now() - interval '61 seconds' WHERE id = %s", int(made["id"]))
    client.get("/me", expect=200)
    assert used() > first
    assert person.rest.get("/tokens", expect=200)["items"][0]["last_used_at"] is not None


# --- bots ---


def test_a_bot(stack, person):
    bot, client = bot_of(stack, person, "profile:read", "messages:write", "conversations:read")
    assert bot["bot"] is True and person.rest.get(f"/users/{bot['id']}", expect=200)["bot"] is True
    assert person.rest.get("/me", expect=200)["bot"] is False
    me = client.get("/me", expect=200).json
    assert (me["id"], me["bot"], me["site_role"]) == (bot["id"], True, None)
    group = person.group(name="With a bot")
    person.rest.post(f"/conversations/{group}/participants", {"user_ids": [bot["id"]]}, expect=200)
    said = client.post(f"/conversations/{group}/messages", {"client_id": "x", "message_type": "text", "content": "built"}, expect=201).json
    assert said["sender_id"] == bot["id"]
    assert [i["id"] for i in client.get("/conversations", expect=200)["items"]] == [group]
    people = person.rest.get(f"/conversations/{group}/participants", expect=200)["items"]
    assert {p["user"]["id"]: p["user"]["bot"] for p in people} == {person.id: False, bot["id"]: True}


def test_what_a_bot_sends_reads_nothing(stack, person):
    """Of a person the read mark comes along when nothing of others is unread; of a bot it does not."""
    bot, client = bot_of(stack, person, "messages:write", "conversations:write")
    c = client.post(f"/conversations/{person.id}", expect=201)["id"]
    seq = client.post(f"/conversations/{c}/messages", {"client_id": "1", "message_type": "text", "content": "x"}, expect=201)["seq"]
    mark = lambda who: truth.rows(stack, "SELECT read_seq, receipt_seq, delivered_seq FROM member WHERE conversation_id = %s AND user_id = %s", int(c), int(who))
    assert mark(bot["id"]) == [(0, 0, 0)]
    person.rest.patch(f"/conversations/{c}/read", {"seq": seq}, expect=200)
    seq = person.say(c, "thanks")["seq"]
    assert mark(person.id)[0][0] == seq
    program(stack, person, "messages:write").post(f"/conversations/{c}/messages", {"client_id": "2", "message_type": "text", "content": "y"}, expect=201)
    assert mark(person.id)[0][0] == seq + 1, "a token of a person is the person"


def test_a_bot_does_not_sign_in(stack, person, anonymous):
    bot, _ = bot_of(stack, person, "profile:read")
    for password in ("", "x" * 12, "None"):
        anonymous.post("/auth/login", {"username": bot["username"], "password": password or "-", "token_delivery": "body"}, expect=(401, "bad_credentials"))


def test_a_bot_makes_nothing(stack, person):
    _, client = bot_of(stack, person, *(s for s in SCOPES if not s.startswith("admin:")))
    client.post("/bots", {"username": "a-bot-of-a-bot"}, expect=(403, "insufficient_scope"))
    client.post("/tokens", {"name": "x", "scopes": ["profile:read"]}, expect=(403, "insufficient_scope"))
    client.get("/tokens", expect=(403, "insufficient_scope"))


def test_names_of_bots_are_names(stack, person):
    bot, _ = bot_of(stack, person, "profile:read")
    person.rest.post("/bots", {"username": bot["username"].upper()}, expect=(409, "username_taken"))
    person.rest.post("/bots", {"username": "-no"}, valid=False, expect=(400, "invalid"))
    person.rest.post("/bots", {"username": "fine-name", "display_name": "\u200b"}, expect=(400, "invalid"))


def test_as_many_bots_as_there_may_be(stack, person):
    made = [person.rest.post("/bots", {"username": f"many-{person.id}-{n}"}, expect=201).json for n in range(5)]
    person.rest.post("/bots", {"username": f"many-{person.id}-6"}, expect=(409, "too_many"))
    page = person.rest.get("/bots", query={"limit": 3}, expect=200).json
    rest = person.rest.get("/bots", query={"limit": 3, "cursor": page["next_cursor"]}, expect=200).json
    assert [b["id"] for b in page["items"] + rest["items"]] == [b["id"] for b in made] and rest["next_cursor"] is None
    person.rest.delete(f"/bots/{made[0]['id']}", expect=204)
    person.rest.post("/bots", {"username": f"many-{person.id}-7"}, expect=201)


def test_a_retired_bot_is_silent(stack, person):
    bot, client = bot_of(stack, person, "profile:read")
    client.get("/me", expect=200)
    person.rest.delete(f"/bots/{bot['id']}", expect=204)
    client.get("/me", expect=(401, "unauthenticated"))
    person.rest.delete(f"/bots/{bot['id']}", expect=(404, "not_found"))
    person.rest.post("/tokens", {"name": "x", "scopes": ["profile:read"], "bot_id": bot["id"]}, expect=(404, "not_found"))


def test_a_bot_falls_silent_with_its_owner(stack, person):
    _, client = bot_of(stack, person, "profile:read")
    client.get("/me", expect=200)
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(person.id))
    client.get("/me", expect=(401, "unauthenticated"))
    truth.rows(stack, "UPDATE users SET disabled_at = NULL WHERE id = %s", int(person.id))
    client.get("/me", expect=200)
