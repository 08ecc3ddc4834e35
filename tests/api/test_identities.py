"""Links to providers: who sees and removes them, and what never goes (the way there and back: tests/oidc)."""

import concurrent.futures

from peal import passkeys, truth
from peal.people import Person


def linked(person, issuer="https://sso.example", subject=None):
    """As if a provider had said so."""
    (id_,), = truth.rows(person.stack, "INSERT INTO identity (issuer, subject, user_id) VALUES (%s, %s, %s) RETURNING id", issuer,
                         subject or f"of-{person.id}", int(person.id))
    return str(id_)


def without_password(person):
    truth.rows(person.stack, "UPDATE users SET password_hash = NULL WHERE id = %s", int(person.id))


def left(person):
    return [i["id"] for i in person.rest.get("/auth/identities", expect=200)["items"]]


def test_list_and_remove(stack):
    person, other = Person(stack), Person(stack)
    first, second = linked(person), linked(person, "https://id.example")
    theirs = linked(other)
    items = person.rest.get("/auth/identities", expect=200)["items"]
    assert [(i["id"], i["provider"], i["title"]) for i in items] == [(first, None, "https://sso.example"), (second, None, "https://id.example")]
    person.rest.delete(f"/auth/identities/{theirs}", expect=(404, "not_found"))
    person.rest.delete(f"/auth/identities/{first}", expect=204)
    person.rest.delete(f"/auth/identities/{first}", expect=(404, "not_found"))
    assert left(person) == [second] and left(other) == [theirs]


def test_a_proof_is_needed(stack):
    person = Person(stack)
    link = linked(person)
    truth.rows(stack, "UPDATE session SET proved_at = now() - interval '11 minutes' WHERE user_id = %s", int(person.id))
    person.rest.delete(f"/auth/identities/{link}", expect=(403, "proof_required"))
    assert left(person) == [link]


def test_the_last_way_in_stays(stack):
    """Neither a link nor a passkey goes when nothing else signs them in; a provider that is not of this server is no other way."""
    person = Person(stack)
    here, gone = linked(person), linked(person, "https://gone.example")
    without_password(person)
    for link in (here, gone):
        person.rest.delete(f"/auth/identities/{link}", expect=(409, "last_way_in"))
    one, two = passkeys.add(person)["id"], passkeys.add(person)["id"]
    person.rest.delete(f"/auth/identities/{here}", expect=204)
    person.rest.delete(f"/auth/passkeys/{one}", expect=204)
    person.rest.delete(f"/auth/passkeys/{two}", expect=(409, "last_way_in"))
    assert left(person) == [gone] and [k["id"] for k in person.rest.get("/auth/passkeys")["items"]] == [two]


def test_two_at_one_moment(stack):
    """Each of two passkeys is not the last way in, until the other has gone: one of them stays."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            person = Person(stack)
            ways = [f"/auth/passkeys/{passkeys.add(person)['id']}" for _ in range(2)]
            without_password(person)
            replies = list(pool.map(lambda way, person=person: person.rest.delete(way), ways))
            assert sorted(reply.status for reply in replies) == [204, 409]


def test_tokens_of_that_issuer_end(stack):
    person = Person(stack)
    link = linked(person)
    truth.rows(stack, "INSERT INTO session (id, user_id, current_hash, expires_at, issuer) VALUES (gen_random_uuid(), %s, %s, now() + interval '5 minutes', 'https://sso.example')",
               int(person.id), b"x" * 32)
    person.rest.delete(f"/auth/identities/{link}", expect=204)
    rows = truth.rows(stack, "SELECT issuer, ended_at IS NULL FROM session WHERE user_id = %s ORDER BY issuer NULLS FIRST", int(person.id))
    assert rows == [(None, True), ("https://sso.example", False)]
