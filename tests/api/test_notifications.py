"""Registering browsers and apps for notifications: what is taken, refused and forgotten. What is sent has tests of its own (tests/notify)."""

import json
import os
import pathlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from peal.people import Person
from peal.pushes import unb64

FILE = pathlib.Path(f"/tmp/peal-fcm-{os.getpid()}.json")
STACK = {"settings": {"fcm_service_account_file": FILE, "max_push_targets": 3}}
KEYS = {"p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "auth": "BTBZMqHH6r4Tts7J_aSIgg"}
ENDPOINT = "https://push.example/wpush/v2/gAAAAABk"


def at(n):
    return {"endpoint": f"{ENDPOINT}{n}", "expirationTime": None, "keys": KEYS}


@pytest.fixture(scope="module", autouse=True)
def account(request):
    """Before the stack, which reads it."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    FILE.write_text(json.dumps({"type": "service_account", "project_id": "p", "private_key": key.decode(), "client_email": "a@b", "token_uri": "https://127.0.0.1/token"}))
    from stack import service_user
    user = service_user()
    if os.geteuid() == 0:
        os.chown(FILE, user.pw_uid, user.pw_gid)
    FILE.chmod(0o600)
    yield
    FILE.unlink()


@pytest.fixture
def stack(account, request):
    return request.getfixturevalue("stack")


def test_the_key_is_a_point(person):
    point = unb64(person.rest.get("/push/vapid-key", expect=200)["public_key"])
    assert len(point) == 65 and point[0] == 4


def test_the_same_endpoint_is_the_same_subscription(person):
    first = person.rest.post("/push/subscriptions", at(1), expect=201)["id"]
    assert person.rest.post("/push/subscriptions", at(1), expect=200)["id"] == first
    key = {"Idempotency-Key": "browser-2"}
    second = person.rest.post("/push/subscriptions", at(2), headers=key, expect=201)["id"]
    replay = person.rest.post("/push/subscriptions", at(2), headers=key, expect=200)
    assert replay["id"] == second != first and replay.headers["idempotency-replayed"] == "true"
    person.rest.post("/push/subscriptions", at(3), headers=key, expect=(409, "idempotency_conflict"))
    person.rest.delete(f"/push/subscriptions/{first}", expect=204)
    person.rest.delete(f"/push/subscriptions/{first}", expect=404)


@pytest.mark.parametrize("path, change", [
    ("/endpoint", {"endpoint": "http://push.example/x"}), ("/endpoint", {"endpoint": "https://push.example:444/x"}), ("/endpoint", {"endpoint": ""}),
    ("/endpoint", {"endpoint": None}), ("/endpoint", {"endpoint": "https://push.example/" + "x" * 2048}), ("/endpoint", {"endpoint": "https://a@push.example/"}),
    ("/keys", {"keys": None}), ("/keys", {"keys": []}), ("/keys/auth", {"keys": {"p256dh": KEYS["p256dh"]}}),
    ("/keys/auth", {"keys": {**KEYS, "auth": "AAAA"}}), ("/keys/auth", {"keys": {**KEYS, "auth": KEYS["auth"] + "=="}}),
    ("/keys/p256dh", {"keys": {**KEYS, "p256dh": "BC" + "A" * 85}}), ("/keys/p256dh", {"keys": {**KEYS, "p256dh": 7}}),
    ("/keys/p256dh", {"keys": {**KEYS, "p256dh": KEYS["p256dh"][:-1] + "5"}}), ("/keys/p256dh", {"keys": {**KEYS, "p256dh": "C" + KEYS["p256dh"][1:]}})])
def test_what_is_no_subscription(person, path, change):
    reply = person.rest.post("/push/subscriptions", {**at(1), **change}, valid=False, expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == path


def test_not_json(person):
    person.rest.post("/push/subscriptions", raw=b"{", headers={"Content-Type": "application/json"}, expect=(400, "bad_json"))
    person.rest.post("/push/subscriptions", raw=b"{}", headers={"Content-Type": "text/plain"}, expect=415)
    for path in ("/push/subscriptions", "/users/fcm/register", "/users/fcm/unregister"):
        person.rest.post(path, raw=b'"' + b"x" * (1 << 17), headers={"Content-Type": "application/json"}, expect=413)
        person.rest.post(path, raw=b"{}", headers={"Content-Type": "text/plain"}, expect=415)


def test_apps(stack, person):
    token = "bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1"
    for _ in range(2):
        person.rest.post("/users/fcm/register", {"deviceToken": token, "platform": "android"}, expect=204)
    assert stack.psql(f"SELECT channel, address, platform FROM push_target WHERE user_id = {person.id}") == f"2|{token}|android"
    other = Person(stack)
    other.rest.post("/users/fcm/unregister", {"deviceToken": token}, expect=204)
    other.rest.post("/users/fcm/register", {"deviceToken": token, "platform": None}, expect=204)
    assert stack.psql(f"SELECT user_id FROM push_target WHERE address = '{token}'") == other.id
    other.rest.post("/users/fcm/unregister", {"deviceToken": token}, expect=204)
    assert stack.psql(f"SELECT count(*) FROM push_target WHERE address = '{token}'") == "0"


@pytest.mark.parametrize("body", [{}, {"deviceToken": ""}, {"deviceToken": "a b"}, {"deviceToken": "ä"}, {"deviceToken": "x" * 2049}, {"deviceToken": 7},
                                  {"deviceToken": "x", "platform": "two\nlines"}])
def test_what_is_no_app(person, body):
    person.rest.post("/users/fcm/register", body, valid=False, expect=(400, "invalid"))
    if "platform" not in body:
        person.rest.post("/users/fcm/unregister", body, valid=False, expect=(400, "invalid"))


def test_capabilities_say_so(anonymous):
    features = anonymous.get("/capabilities", expect=200)["features"]
    assert features["web_push"] is True and features["fcm"] is True


def test_the_oldest_makes_room(stack, person):
    ids = [person.rest.post("/push/subscriptions", at(f"{person.id}-{n}"), expect=201)["id"] for n in range(4)]
    assert stack.psql(f"SELECT id FROM push_target WHERE user_id = {person.id} ORDER BY id").split() == ids[1:]


def test_programs_register_nothing(person):
    token = person.rest.post("/tokens", {"name": "t", "scopes": ["messages:read", "messages:write"]}, expect=201)["token"]
    person.rest.post("/push/subscriptions", at(1), token=token, expect=(403, "insufficient_scope"))


def test_signing_out_ends_it(stack, person):
    person.rest.post("/push/subscriptions", at(9), expect=201)
    person.rest.post("/auth/logout", {"refresh_token": person.refresh_token}, expect=204)
    assert stack.psql(f"SELECT count(*) FROM push_target WHERE user_id = {person.id}") == "0"


def test_not_configured(new_stack):
    with new_stack(settings={"vapid_key_file": ""}) as bare:
        a = Person(bare)
        a.rest.get("/push/vapid-key", expect=(404, "not_configured"))
        a.rest.post("/push/subscriptions", at(1), expect=(404, "not_configured"))
        a.rest.post("/users/fcm/register", {"deviceToken": "x"}, expect=(404, "not_configured"))
        features = a.rest.get("/capabilities", expect=200)["features"]
        assert features["web_push"] is False and features["fcm"] is False
