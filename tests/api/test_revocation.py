"""What ends a session ends its access tokens, on REST and on sockets, within a second."""

import time

from peal import truth
from peal.people import Person

SOON = 1.0


def ends_within(call, code="unauthenticated", seconds=SOON):
    """The call is refused after at most so long; returns after how long."""
    began = time.monotonic()
    while True:
        reply = call()
        if reply.status == 401:
            assert reply.code == code
            return time.monotonic() - began
        assert reply.status < 400 and time.monotonic() - began < seconds, reply
        time.sleep(0.02)


def test_an_access_token_ends_with_its_session(stack, anonymous, person):
    person.rest.get("/me", expect=200)
    anonymous.post("/auth/logout", {"refresh_token": person.refresh_token}, expect=204)
    ends_within(lambda: person.rest.get("/me"))
    time.sleep(SOON)
    person.rest.get("/me", expect=(401, "unauthenticated"))


def test_whatever_ends_a_session_is_noticed(stack, person):
    """Nobody need remember to tell the workers: the database does, even when somebody writes into it by hand."""
    person.rest.get("/me", expect=200)
    truth.rows(stack, "UPDATE session SET ended_at = now() WHERE user_id = %s", int(person.id))
    ends_within(lambda: person.rest.get("/me"))


def test_disabling_somebody_ends_everything(stack, anonymous, person):
    other = Person(stack)
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(person.id))
    ends_within(lambda: person.rest.get("/me"))
    anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=(401, "bad_refresh_token"))
    body = {"username": person.username, "password": person.password, "token_delivery": "body"}
    anonymous.post("/auth/login", body, expect=(401, "bad_credentials"))
    other.rest.get("/me", expect=200)
    truth.rows(stack, "UPDATE users SET disabled_at = NULL WHERE id = %s", int(person.id))
    person.rest.get("/me", expect=(401, "unauthenticated"))  # what has ended stays so
    anonymous.as_(anonymous.post("/auth/login", body, expect=200)["access_token"]).get("/me", expect=200)
