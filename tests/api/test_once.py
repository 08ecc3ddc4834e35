"""Idempotency-Key: what creates something creates it once, however often it is sent; by HTTP and over a socket."""

import concurrent.futures
import http.cookies
import re
import uuid

import pytest

from peal import contract, media, truth
from peal.people import PASSWORD, Person
from peal.rest import Client

OPENAPI = contract.document("openapi.yaml")
CREATING = [op for op in contract.rest().operations if op.method == "POST" and 201 in op.statuses]


def key():
    return {"Idempotency-Key": f"k-{uuid.uuid4()}"}


@pytest.mark.parametrize("op", CREATING, ids=lambda op: op.id)
def test_whatever_creates_takes_a_key(op):
    """201 means that something new is there; so a retry must find it."""
    names = {p["name"] for p in op.parameters if p["in"] == "header"}
    assert "Idempotency-Key" in names, f"{op} creates, and takes no Idempotency-Key"
    headers = op.raw["responses"].get("200", {}).get("headers", {})
    assert "Idempotency-Replayed" in headers, f"{op}: a replay is 200 with Idempotency-Replayed"
    if not op.secured:
        return      # there is nobody whose key it could be: it is the request's, and never in conflict
    codes = re.findall(r"'code': \{'(?:enum|const)': (\[[^\]]*\]|'\w+')", str(op.raw["responses"].get("409", {})))
    assert any("idempotency_conflict" in c for c in codes), f"{op}: 409 idempotency_conflict is not documented"


def test_a_key_is_one_person_s_and_one_route_s(stack, pair):
    a, b, _ = pair
    head = key()
    mine = a.rest.post("/conversations", {"type": "group", "name": "mine", "participant_ids": []}, headers=head, expect=201)
    theirs = b.rest.post("/conversations", {"type": "group", "name": "mine", "participant_ids": []}, headers=head, expect=201)
    assert mine["id"] != theirs["id"]
    other = Person(stack)
    started = a.rest.post(f"/conversations/{other.id}", headers=head, expect=201)
    again = a.rest.post(f"/conversations/{other.id}", headers=head, expect=200)
    assert again["id"] == started["id"] and again.headers["idempotency-replayed"] == "true"
    a.rest.post(f"/conversations/{b.id}", headers=head, expect=(409, "idempotency_conflict"))
    found = a.rest.post(f"/conversations/{other.id}", expect=200)
    assert "idempotency-replayed" not in found.headers, "finding is no replay"
    a.rest.post(f"/conversations/{other.id}", headers={"Idempotency-Key": "k" * 65}, valid=False, expect=(400, "invalid"))


@pytest.mark.parametrize("path, body", [("/tokens", {"name": "one", "scopes": ["profile:read"]}), ("/bots", {"username": "once-a-bot"})])
def test_what_programs_are_made_of(person, path, body):
    """A token is shown once, and to those who send the same key again."""
    head = key()
    first, again = person.rest.post(path, body, headers=head, expect=201), person.rest.post(path, body, headers=head, expect=200)
    assert again.json == first.json and again.headers["idempotency-replayed"] == "true"
    assert len(person.rest.get(path, expect=200)["items"]) == 1


def test_what_was_refused_may_be_asked_again(stack, person):
    """A key stands for what was done: a refusal leaves it free."""
    other, head = Person(stack), key()
    body = {"type": "group", "name": "later", "participant_ids": [other.id]}
    other.rest.put(f"/users/{person.id}/block", expect=204)
    for _ in range(2):
        person.rest.post("/conversations", body, headers=head, expect=(403, "blocked"))
    other.rest.delete(f"/users/{person.id}/block", expect=204)
    made = person.rest.post("/conversations", body, headers=head, expect=201)
    assert person.rest.post("/conversations", body, headers=head, expect=200)["id"] == made["id"]
    person.rest.post("/conversations", {**body, "name": ""}, headers=head, valid=False, expect=(409, "idempotency_conflict"))
    person.rest.post("/conversations", raw=b"{", headers=head, expect=(400, "bad_json"))


def test_24_hours(stack, person):
    head, body = key(), {"type": "group", "name": "daily", "participant_ids": []}
    first = person.rest.post("/conversations", body, headers=head, expect=201)
    with stack.db() as db, db.cursor() as c:
        c.execute("UPDATE request_key SET created_at = now() - interval '23 hours 59 minutes' WHERE key = %s", (head["Idempotency-Key"],))
    assert person.rest.post("/conversations", body, headers=head, expect=200)["id"] == first["id"]
    with stack.db() as db, db.cursor() as c:
        c.execute("UPDATE request_key SET created_at = now() - interval '24 hours 1 second' WHERE key = %s", (head["Idempotency-Key"],))
    assert person.rest.post("/conversations", body, headers=head, expect=201)["id"] != first["id"]


@pytest.mark.parametrize("where, made", [("once.before_commit", False), ("once.after_commit", True)])
def test_a_worker_that_dies(stack, person, where, made):
    """Before the commit nothing happened; after it the retry finds what did."""
    head, body = key(), {"type": "group", "name": "mortal", "participant_ids": []}
    stack.fail(where)
    person.rest.post("/conversations", body, headers=head, expect=(502, "bad_gateway"))
    reply = person.rest.post("/conversations", body, headers=head, expect=200 if made else 201)
    assert ("idempotency-replayed" in reply.headers) == made
    items = person.rest.get("/conversations", expect=200)["items"]
    assert [c["id"] for c in items if c["name"] == "mortal"] == [reply["id"]]


def test_many_at_once(stack, person):
    head, body = key(), {"type": "group", "name": "crowd", "participant_ids": []}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: person.rest.post("/conversations", body, headers=head), range(16)))
    assert sorted(r.status for r in replies) == [200] * 15 + [201] and len({r["id"] for r in replies}) == 1


def account(name, **more):
    return {"username": f"{name}-{uuid.uuid4().hex[:12]}", "password": PASSWORD, **more}


def test_registering_again(stack):
    """The answer was lost: the same request gives the same account and the same session, and neither twice."""
    anybody, head, body = Client(stack.url), key(), account("lost", token_delivery="body")
    first = anybody.post("/auth/register", body, headers=head, expect=201)
    again = anybody.post("/auth/register", body, headers=head, expect=200)
    assert again.headers["idempotency-replayed"] == "true" and again["user"] == first["user"]
    assert again["refresh_token"] == first["refresh_token"]
    me = anybody.as_(again["access_token"])
    assert me.get("/me", expect=200)["id"] == first["user"]["id"]
    assert len(me.get("/auth/sessions", expect=200)["items"]) == 1
    anybody.post("/auth/refresh", {"refresh_token": first["refresh_token"]}, expect=200)
    anybody.post("/auth/register", body, headers=head, expect=(409, "conflict"))
    anybody.post("/auth/register", body, expect=(409, "username_taken"))


def test_registering_again_takes_the_whole_request(stack):
    """A key that somebody guesses opens nothing, and one that others use as well is in nobody's way."""
    anybody, head, body = Client(stack.url), key(), account("whole", token_delivery="body")
    anybody.post("/auth/register", body, headers=head, expect=201)
    anybody.post("/auth/register", {**body, "password": PASSWORD + "!"}, headers=head, expect=(409, "username_taken"))
    anybody.post("/auth/register", body, headers=key(), expect=(409, "username_taken"))
    anybody.post("/auth/register", account("other", token_delivery="body"), headers=head, expect=201)


def test_registering_again_in_a_browser(stack):
    """The cookie comes again, and only where it may come at all."""
    anybody, head, body = Client(stack.url), key(), account("tab")
    page = {"Sec-Fetch-Site": "same-origin", **head}
    cookies = [http.cookies.SimpleCookie(anybody.post("/auth/register", body, headers=page, expect=status).headers["set-cookie"])
               for status in (201, 200)]
    assert cookies[0]["peal_refresh"].value == cookies[1]["peal_refresh"].value
    anybody.post("/auth/register", body, headers={"Sec-Fetch-Site": "cross-site", **head}, expect=(403, "cross_site"))


@pytest.mark.parametrize("where, made", [("once.before_commit", False), ("once.after_commit", True)])
def test_a_worker_that_dies_registering(stack, where, made):
    anybody, head, body = Client(stack.url), key(), account("mortal", token_delivery="body")
    stack.fail(where)
    anybody.post("/auth/register", body, headers=head, expect=(502, "bad_gateway"))
    anybody.post("/auth/register", body, headers=head, expect=200 if made else 201)


def upload(person, kind, data, head, expect, name="a"):
    return person.rest.call("POST", f"/messages/upload-{kind}?filename={name}", raw=data, headers={"Content-Type": "application/octet-stream", **head}, expect=expect)


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads")
    return {"image": media.png(), "file": b"any bytes", "audio": media.sound(folder, 1), "video": media.film(folder, "h264 and aac", 1)}


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file"])
def test_uploading_again(stack, person, uploads, kind):
    """The answer was lost: the same bytes are there once, and count once."""
    head, data = key(), uploads[kind]
    first = upload(person, kind, data, head, 201)
    again = upload(person, kind, data, head, 200)
    assert again["id"] == first["id"] and again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    assert truth.rows(stack, "SELECT count(*) FROM attachment WHERE owner_id = %s", int(person.id)) == [(1,)]
    upload(person, kind, data + b"\0", head, (409, "idempotency_conflict"))
    upload(person, kind, data, head, (409, "idempotency_conflict"), name="b")
    assert upload(person, kind, data, key(), 201)["id"] != first["id"]
    truth.rows(stack, "UPDATE attachment SET deleted_at = now() WHERE id = %s", first["id"])
    upload(person, kind, data, head, (409, "conflict"))


def test_an_upload_s_key_is_one_person_s_and_a_form_is_its_file(stack, pair):
    a, b, _ = pair
    head = key()
    ids = {upload(p, "file", b"the same", head, 201)["id"] for p in (a, b)}
    assert len(ids) == 2
    for boundary in ("one-boundary", "another-boundary"):       # browsers choose a new one each time
        body, kind = media.form(b"the same", filename="a", boundary=boundary)
        assert a.rest.call("POST", "/messages/upload-file", raw=body, headers={"Content-Type": kind, **head}, expect=200)["id"] in ids
    for bad in ("k" * 65, "k" * 1100):
        upload(a, "file", b"x", {"Idempotency-Key": bad}, (400, "invalid"))
