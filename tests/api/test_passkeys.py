"""Passkeys by a software authenticator: as browsers make and use them, and everything that must not work."""

import concurrent.futures

import pytest

from peal import passkeys, truth
from peal.passkeys import ES256, EDDSA, RS256, Passkey, add, b64, cbor, cose, origin_of, unb64
from peal.people import Person
from peal.rest import Client

NEW, USE = "/auth/passkeys", "/auth/login/passkey"


def options(person):
    return person.rest.post("/auth/passkeys/options", expect=200).json


def challenge_of(client):
    return client.post("/auth/login/passkey/options", expect=200)["challenge"]


def register(person, credential, expect=(403, "bad_passkey"), name="A key"):
    return person.rest.post(NEW, {"name": name, "credential": credential}, expect=expect)


def sign_in(client, credential, expect=(403, "bad_passkey")):
    return client.post(USE, {"credential": credential, "token_delivery": "body"}, expect=expect)


@pytest.fixture
def key(person):
    return add(person)["passkey"]


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
@pytest.mark.parametrize("how", [{}, {"counts": False}, {"eligible": False}])
def test_sign_in_without_a_name(anonymous, person, algorithm, how):
    made = add(person, "My phone", algorithm, **how)
    assert made["name"] == "My phone" and made["last_used_at"] is None and made["backed_up"] == how.get("eligible", True)
    for _ in range(2):
        reply = sign_in(anonymous, made["passkey"].get(challenge_of(anonymous)), expect=200)
        assert reply["user"]["id"] == person.id and reply["refresh_token"]
        assert anonymous.as_(reply["access_token"]).get("/me", expect=200)["id"] == person.id
    (listed,) = person.rest.get(NEW, expect=200)["items"]
    assert listed["last_used_at"] is not None and listed["transports"] == ["internal", "hybrid"]


def test_an_answer_that_was_lost(person):
    wanted, head = options(person), {"Idempotency-Key": "a passkey"}
    made = Passkey(ES256, wanted["rp"]["id"], origin_of(person.stack))
    made.handle = wanted["user"]["id"]
    body = {"name": "A key", "credential": made.create(wanted["challenge"])}
    first, again = person.rest.post(NEW, body, headers=head, expect=201), person.rest.post(NEW, body, headers=head, expect=200)
    assert again.json == first.json and again.headers["idempotency-replayed"] == "true"
    assert len(person.rest.get(NEW, expect=200)["items"]) == 1


def test_browsers_get_a_cookie(anonymous, key):
    credential = key.get(challenge_of(anonymous))
    anonymous.post(USE, {"credential": credential}, expect=(403, "cross_site"))
    reply = anonymous.post(USE, {"credential": credential}, headers={"Sec-Fetch-Site": "same-origin"}, expect=200)
    assert "peal_refresh=" in reply.headers["set-cookie"] and "refresh_token" not in reply.json


def test_options(stack, person):
    first, second = options(person), options(person)
    assert first["rp"] == {"id": "localhost", "name": "127.0.0.1"} and first["challenge"] != second["challenge"]
    assert first["user"]["id"] == second["user"]["id"] and first["user"]["name"] == person.username
    assert len(unb64(first["user"]["id"])) == 32 and not unb64(first["user"]["id"]).isascii(), "a handle says nothing"
    assert [p["alg"] for p in first["pubKeyCredParams"]] == [ES256, EDDSA, RS256]
    key = add(person)["passkey"]
    third = options(person)
    assert [c["id"] for c in third["excludeCredentials"]] == [b64(key.id)] and third["user"]["id"] == first["user"]["id"]
    assert options(Person(stack))["user"]["id"] != first["user"]["id"]


def test_self_attestation_is_verified(person):
    o = options(person)
    key = Passkey(rp_id="localhost", origin=origin_of(person.stack))
    good = key.create(o["challenge"], packed=True)
    spoilt = unb64(good["response"]["attestationObject"])
    at = spoilt.index(b"csigX") + 12
    spoilt = spoilt[:at] + bytes([spoilt[at] ^ 1]) + spoilt[at + 1:]
    register(person, {**good, "response": {**good["response"], "attestationObject": b64(spoilt)}})
    register(person, good, expect=201)


# -- the attack table: each differs from what works in exactly one thing


def wrong_registrations(key, challenge, origin):
    data = key.authenticator_data(attested=key.attested())
    other = Passkey(rp_id="localhost", origin=origin)
    whole = cbor({"fmt": "none", "attStmt": {}, "authData": data})
    off_curve = {**cose(key.key), -3: bytes(32)}
    weak = cbor({1: 3, 3: RS256, -1: b"\xc3" + b"\x01" * 63, -2: b"\x01\x00\x01"})
    return {
        "origin": key.create(challenge, origin="https://evil.example"),
        "origin of a port": key.create(challenge, origin="http://localhost:1"),
        "origin with a slash": key.create(challenge, origin=origin + "/"),
        "no origin": key.create(challenge, client=b'{"type":"webauthn.create","challenge":"%s"}' % challenge.encode()),
        "frame": key.create(challenge, client=key.client_data("webauthn.create", challenge, crossOrigin=True)),
        "type": key.create(challenge, client=key.client_data("webauthn.get", challenge)),
        "client twice": key.create(challenge, client=key.client_data("webauthn.create", challenge)[:-1] + b',"type":"webauthn.create"}'),
        "rp": key.create(challenge, data=key.authenticator_data(rp_id="evil.example", attested=key.attested())),
        "nobody present": key.create(challenge, data=key.authenticator_data(flags=key.flags & ~passkeys.PRESENT, attested=key.attested())),
        "not verified": key.create(challenge, data=key.authenticator_data(flags=key.flags & ~passkeys.VERIFIED, attested=key.attested())),
        "backed up, not eligible": key.create(challenge, data=key.authenticator_data(flags=key.flags & ~passkeys.ELIGIBLE, attested=key.attested())),
        "no credential": key.create(challenge, data=key.authenticator_data()),
        "id of another": {**key.create(challenge), "id": b64(other.id), "rawId": b64(other.id)},
        "long id": key.create(challenge, data=key.authenticator_data(attested=key.attested(credential_id=bytes(1024)))),
        "no id": key.create(challenge, data=key.authenticator_data(attested=key.attested(credential_id=b""))),
        "off the curve": key.create(challenge, data=key.authenticator_data(attested=key.attested(cbor(off_curve)))),
        "algorithm not offered": key.create(challenge, data=key.authenticator_data(attested=key.attested(cbor({**cose(key.key), 3: -35})))),
        "type and algorithm": key.create(challenge, data=key.authenticator_data(attested=key.attested(cbor({**cose(key.key), 1: 1})))),
        "weak RSA": key.create(challenge, data=key.authenticator_data(attested=key.attested(weak))),
        "attestation with a chain": key.create(challenge, attestation=cbor(
            {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"x", "x5c": [b"x"]}, "authData": data})),
        "unknown attestation": key.create(challenge, attestation=cbor({"fmt": "tpm", "attStmt": {}, "authData": data})),
        "a statement of nothing": key.create(challenge, attestation=cbor({"fmt": "none", "attStmt": {"x": 1}, "authData": data})),
        "cut": key.create(challenge, attestation=whole[:-1]),
        "cut in the middle": key.create(challenge, attestation=whole[:60]),
        "more behind it": key.create(challenge, attestation=whole + b"\x00"),
        "more inside": key.create(challenge, attestation=cbor({"fmt": "none", "attStmt": {}, "authData": data + b"\x00"})),
        "key twice": key.create(challenge, attestation=b"\xa4" + whole[1:] + cbor("fmt") + cbor("none")),
        "endless": key.create(challenge, attestation=b"\xbf" + whole[1:] + b"\xff"),
        "deep": key.create(challenge, attestation=b"\x81" * 5000 + b"\x00"),
        "nothing": key.create(challenge, attestation=b""),
    }


WRONG_REGISTRATIONS = list(wrong_registrations(Passkey(), "YQ", "http://localhost"))


@pytest.mark.parametrize("what", WRONG_REGISTRATIONS)
def test_registrations_that_are_refused(person, what):
    challenge = options(person)["challenge"]
    key = Passkey(rp_id="localhost", origin=origin_of(person.stack))
    register(person, wrong_registrations(key, challenge, origin_of(person.stack))[what])
    assert person.rest.get(NEW)["items"] == []
    register(person, key.create(challenge), expect=201)   # and nothing else was wrong


def other_end(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def wrong_assertions(key, challenge, other):
    good = key.get(challenge)
    data = unb64(good["response"]["authenticatorData"])
    return {
        "origin": key.get(challenge, origin="https://evil.example"),
        "frame": key.get(challenge, client=key.client_data("webauthn.get", challenge, topOrigin="https://evil.example")),
        "type": key.get(challenge, client=key.client_data("webauthn.create", challenge)),
        "rp": key.get(challenge, rp_id="evil.example"),
        "nobody present": key.get(challenge, flags=key.flags & ~passkeys.PRESENT),
        "not verified": key.get(challenge, flags=key.flags & ~passkeys.VERIFIED),
        "eligible no more": key.get(challenge, flags=passkeys.PRESENT | passkeys.VERIFIED),
        "signature": {**good, "response": {**good["response"], "signature": b64(other_end(unb64(good["response"]["signature"])))}},
        "no signature": {**good, "response": {**good["response"], "signature": ""}},
        "of another key": {**good, "response": {**good["response"], "signature": other.get(challenge)["response"]["signature"]}},
        "other client data": {**good, "response": {**good["response"], "clientDataJSON": b64(key.client_data("webauthn.get", challenge, x=1))}},
        "other data": {**good, "response": {**good["response"], "authenticatorData": b64(data[:-1] + bytes([data[-1] + 1]))}},
        "cut": {**good, "response": {**good["response"], "authenticatorData": b64(data[:-1])}},
        "more behind it": key.get(challenge, data=data + b"\x00"),
        "handle of another": key.get(challenge, handle=other.handle),
        "no handle": key.get(challenge, handle=None),
        "credential of another": {**good, "id": b64(other.id), "rawId": b64(other.id)},
        "nobody's credential": {**good, "id": b64(b"nobody"), "rawId": b64(b"nobody")},
        "counter that stands": key.get(challenge, count=1),
        "counter that is gone": key.get(challenge, count=0),
    }


_key, _other = Passkey(), Passkey()
_other.handle = "YQ"
WRONG_ASSERTIONS = list(wrong_assertions(_key, "YQ", _other))


@pytest.fixture(scope="module")
def two(stack):
    """Somebody else, with a key of theirs."""
    return add(Person(stack, "other"))["passkey"]


@pytest.mark.parametrize("what", WRONG_ASSERTIONS)
def test_assertions_that_are_refused(anonymous, key, two, what):
    sign_in(anonymous, wrong_assertions(key, challenge_of(anonymous), two)[what])
    sign_in(anonymous, key.get(challenge_of(anonymous)), expect=200)


def test_a_challenge_counts_once(stack, anonymous, person, key):
    credential = key.get(challenge_of(anonymous))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: sign_in(Client(stack.url), credential, expect=None), range(6)))
    assert sorted((r.status, r.code) for r in replies) == [(200, None)] + [(403, "bad_passkey")] * 5
    sign_in(anonymous, credential)
    challenge = challenge_of(anonymous)
    sign_in(anonymous, key.get(challenge), expect=200)
    sign_in(anonymous, key.get(challenge))                # signed anew, with a greater counter: the challenge is used all the same
    challenge = options(person)["challenge"]
    register(person, Passkey(rp_id="localhost", origin=origin_of(stack)).create(challenge), expect=201)
    register(person, Passkey(rp_id="localhost", origin=origin_of(stack)).create(challenge), expect=(409, "conflict"))


def test_challenges_of_other_purposes_and_people(stack, anonymous, person, key):
    origin, other = origin_of(stack), Person(stack)
    fresh = Passkey(rp_id="localhost", origin=origin)
    register(person, fresh.create(challenge_of(anonymous)), expect=(403, "bad_challenge"))
    register(person, fresh.create(options(other)["challenge"]), expect=(403, "bad_challenge"))
    sign_in(anonymous, key.get(options(person)["challenge"]), expect=(403, "bad_challenge"))
    good = challenge_of(anonymous)
    for bad in ("", "YQ", good[:-1], good + "A", good[:30] + ("A" if good[30] != "A" else "B") + good[31:]):
        sign_in(anonymous, key.get(bad), expect=(403, "bad_challenge"))


def test_a_credential_is_somebodys_once(stack, person, key):
    other = Person(stack)
    for somebody in (person, other):
        register(somebody, key.create(options(somebody)["challenge"]), expect=(409, "conflict"))
    assert other.rest.get(NEW)["items"] == []


def test_a_copy_is_noticed(stack, anonymous, key):
    key.count = 100
    sign_in(anonymous, key.get(challenge_of(anonymous)), expect=200)
    reply = sign_in(anonymous, key.get(challenge_of(anonymous), count=100))
    assert "passkey_refused" in stack.log_line(reply.headers["x-request-id"])
    sign_in(anonymous, key.get(challenge_of(anonymous), count=102), expect=200)


def test_only_mine_are_mine(stack, anonymous, person):
    made, other = add(person), Person(stack)
    other.rest.patch(f"{NEW}/{made['id']}", {"name": "Stolen"}, expect=(404, "not_found"))
    other.rest.delete(f"{NEW}/{made['id']}", expect=(404, "not_found"))
    other.rest.post("/auth/proof", {"credential": made["passkey"].get(challenge_of(anonymous))}, expect=(403, "bad_passkey"))
    assert [k["name"] for k in person.rest.get(NEW)["items"]] == ["A key"]
    assert person.rest.patch(f"{NEW}/{made['id']}", {"name": "  Blue one "}, expect=200)["name"] == "Blue one"
    for bad in (" ", "a\nb"):
        person.rest.patch(f"{NEW}/{made['id']}", {"name": bad}, expect=(400, "invalid"))
    person.rest.delete(f"{NEW}/{made['id']}", expect=204)
    person.rest.delete(f"{NEW}/{made['id']}", expect=(404, "not_found"))
    sign_in(anonymous, made["passkey"].get(challenge_of(anonymous)))


def test_twenty_are_enough(person):
    for i in range(20):
        key = Passkey(rp_id="localhost", origin=origin_of(person.stack))
        challenge = options(person)["challenge"]
        register(person, key.create(challenge), expect=201, name=f"Key {i}")
    person.rest.post("/auth/passkeys/options", expect=(409, "too_many"))
    assert [k["name"] for k in person.rest.get(NEW)["items"]] == [f"Key {i}" for i in range(20)]


def test_the_disabled_do_not_come_in(stack, anonymous, person, key):
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(person.id))
    sign_in(anonymous, key.get(challenge_of(anonymous)))


@pytest.mark.parametrize("change, path", [
    ({"type": "password"}, "/credential/type"), ({"rawId": "AAAA"}, "/credential/type"), ({"id": 1}, "/credential/id"), ({"response": []}, "/credential/response"),
    ({"response": {}}, "/credential/response/clientDataJSON"), ({"response": {"clientDataJSON": "e30", "authenticatorData": "A=", "signature": "AA"}},
                                                               "/credential/response/authenticatorData"),
])
def test_credentials_that_are_none(anonymous, key, change, path):
    body = {"credential": {**key.get(challenge_of(anonymous)), **change}, "token_delivery": "body"}
    assert anonymous.post(USE, body, valid=False, expect=(400, "invalid"))["errors"][0]["path"] == path


def test_no_passkeys_for_addresses(new_stack):
    """Browsers have none for 127.0.0.1: where that is all there is, neither has the server."""
    with new_stack(settings={"passkey_rp_id": ""}) as stack:
        person, anonymous = Person(stack), Client(stack.url)
        anonymous.post("/auth/login/passkey/options", expect=(404, "not_found"))
        person.rest.post("/auth/passkeys/options", expect=(404, "not_found"))
        key = Passkey(ES256, "localhost", origin_of(stack))
        register(person, key.create("AAAA"), expect=(404, "not_found"))
        sign_in(anonymous, key.get("AAAA"), expect=(403, "bad_challenge"))
        person.rest.post("/auth/proof", {"credential": key.get("AAAA")}, expect=(403, "bad_challenge"))
        assert anonymous.get("/capabilities", expect=200)["features"]["passkeys"] is False
