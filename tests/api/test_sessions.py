"""Where somebody is signed in, signing out there, and another password."""

import time

import pytest

from peal import tokens, truth
from peal.people import PASSWORD, Person
from peal.rest import Client
from test_revocation import ends_within

OTHER_PASSWORD = "another password of tests, long enough"


def sign_in(person, password=PASSWORD, agent=None):
    """Another session: (a client, the refresh token, the session's id)."""
    client = Client(person.stack.url)
    reply = client.post("/auth/login", {"username": person.username, "password": password, "token_delivery": "body"},
                        headers={"User-Agent": agent} if agent else None, expect=200)
    client.token = reply["access_token"]
    return client, reply["refresh_token"], tokens.claims_of(client.token)["sid"]


def sessions(client, **query):
    return client.get("/auth/sessions", query=query, expect=200)["items"]


def refused(client, refresh_token):
    """Neither token of a session is good any more."""
    ends_within(lambda: client.get("/me"))
    client.post("/auth/refresh", {"refresh_token": refresh_token}, expect=(401, "bad_refresh_token"))


def test_the_list(person):
    here, _, here_id = sign_in(person, agent="A browser / 1.0")
    listed = sessions(here)
    assert [s["id"] for s in listed] == [here_id, tokens.claims_of(person.token)["sid"]]
    assert [s["current"] for s in listed] == [True, False] and listed[0]["user_agent"] == "A browser / 1.0"
    assert [s["current"] for s in sessions(person.rest)] == [False, True]
    assert listed[0]["created_at"] <= listed[0]["last_used_at"] < listed[0]["expires_at"]


def test_pages(person):
    ids = [sign_in(person)[2] for _ in range(4)][::-1] + [tokens.claims_of(person.token)["sid"]]
    seen, cursor = [], {}
    while True:
        page = person.rest.get("/auth/sessions", query={"limit": 2, **cursor}, expect=200)
        seen += [s["id"] for s in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ids
    for bad in ("x", "MS4y", "A" * 500):
        person.rest.get("/auth/sessions", query={"cursor": bad}, expect=(400, "invalid"))


def test_renewing_is_use(anonymous, person):
    before = sessions(person.rest)[0]
    anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=200)
    after = sessions(person.rest)[0]
    assert after["last_used_at"] > before["last_used_at"] and after["expires_at"] == before["expires_at"], "and no prolongation"


def test_signing_out_there(person):
    there, refresh_token, there_id = sign_in(person)
    person.rest.delete(f"/auth/sessions/{there_id}", expect=204)
    refused(there, refresh_token)
    person.rest.delete(f"/auth/sessions/{there_id}", expect=(404, "not_found"))
    assert [s["current"] for s in sessions(person.rest)] == [True]


def test_signing_out_here(person):
    person.rest.delete(f"/auth/sessions/{tokens.claims_of(person.token)['sid']}", expect=204)
    refused(person.rest, person.refresh_token)


def test_nobody_ends_another_s_session(stack, person):
    other = Person(stack)
    their = tokens.claims_of(other.token)["sid"]
    person.rest.delete(f"/auth/sessions/{their}", expect=(404, "not_found"))
    for bad in ("1", their.upper(), their + "0", "%2e"):
        person.rest.delete(f"/auth/sessions/{bad}", valid=False, expect=(404, "not_found"))
    other.rest.get("/me", expect=200)


def test_signing_out_everywhere_else(person):
    others = [sign_in(person) for _ in range(3)]
    person.rest.delete("/auth/sessions", expect=204)
    for client, refresh_token, _ in others:
        refused(client, refresh_token)
    assert [s["current"] for s in sessions(person.rest)] == [True]


# -- another password


def change(client, old=PASSWORD, new=OTHER_PASSWORD, **kw):
    return client.post("/auth/password", {"old_password": old, "new_password": new}, **kw)


def test_another_password(anonymous, person):
    there, refresh_token, _ = sign_in(person)
    change(person.rest, expect=204)
    refused(there, refresh_token)
    person.rest.get("/me", expect=200)
    anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=200)
    body = {"username": person.username, "password": PASSWORD, "token_delivery": "body"}
    anonymous.post("/auth/login", body, expect=(401, "bad_credentials"))
    sign_in(person, OTHER_PASSWORD)


def test_the_old_password_must_be_right(person):
    there, _, _ = sign_in(person)
    change(person.rest, old="not the password", expect=(401, "bad_credentials"))
    change(person.rest, old="x" * 256, expect=(401, "bad_credentials"))
    there.get("/me", expect=200)
    sign_in(person)


@pytest.mark.parametrize("new, code", [("short", "too_short"), ("x" * 257, "too_long")])
def test_the_new_password_keeps_the_rules(person, new, code):
    reply = change(person.rest, new=new, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/new_password", code)


def test_who_has_no_password_has_none_to_change(stack, anonymous, person):
    truth.rows(stack, "UPDATE users SET password_hash = NULL WHERE id = %s", int(person.id))
    change(person.rest, expect=(401, "bad_credentials"))
    body = {"username": person.username, "password": PASSWORD, "token_delivery": "body"}
    anonymous.post("/auth/login", body, expect=(401, "bad_credentials"))


def test_a_sign_in_that_a_change_overtakes_is_none(stack, person):
    """The password was right when it was looked at; when the session would begin it is another one."""
    before, = truth.rows(stack, "SELECT password_hash FROM users WHERE id = %s", int(person.id))
    change(person.rest, expect=204)
    begun, = truth.rows(stack, "SELECT session_begin(gen_random_uuid(), %s, %s, 'x', NULL, now() + interval '1 day')", int(person.id), before[0])
    assert begun[0] is False
    assert len(sessions(person.rest)) == 1
