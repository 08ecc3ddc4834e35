"""Servers for calls: what a TURN server can check without asking anybody, and what it does not learn. Calls that begin on both sides."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import pytest

from peal.rest import Client
from peal.ws import Socket

STUN = ["stun:turn.example.org:3478", "stun:[2001:db8::7]"]
TURN = ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349?transport=tcp"]
STACK = {"settings": {"call_stun_urls": " ".join(STUN), "call_turn_urls": "  ".join(TURN), "call_turn_seconds": 900}}
PATH = "/calls/ice-servers"


@pytest.fixture
def secret(stack):
    text = (stack.dir / "keys" / "turn.secret").read_text().strip()
    assert len(text) >= 43
    yield text
    assert not [p.name for p in (stack.dir / "log").iterdir() if p.is_file() and text in p.read_text(errors="replace")], "the secret is in a log"


def credential(secret, username):
    return base64.b64encode(hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()).decode()


def relay(reply):
    (server,) = [s for s in reply["ice_servers"] if "username" in s]
    return server


def test_as_rtcpeerconnection_takes_them(stack, person, secret):
    reply = person.rest.get(PATH, expect=200)
    assert reply.headers["cache-control"] == "no-store"
    stun, turn = reply["ice_servers"]
    assert stun == {"urls": STUN} and turn["urls"] == TURN and set(turn) == {"urls", "username", "credential"}
    until, _, alias = turn["username"].partition(":")
    assert abs(int(until) - time.time() - 900) < 30 and reply["ttl_seconds"] == 900
    assert reply["expires_at"] == time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(int(until)))
    assert turn["credential"] == credential(secret, turn["username"])
    assert alias and ":" not in alias


def test_one_name_per_person_that_names_nobody(stack, pair):
    a, b, _ = pair
    names = [relay(p.rest.get(PATH, expect=200))["username"].partition(":")[2] for p in (a, a, b)]
    assert names[0] == names[1] != names[2]
    plain = [f"{form}{p}" for p in (a.id, a.username) for form in ("", "peal turn")]
    guesses = {base64.urlsafe_b64encode(h(x.encode()).digest()[:16]).decode().rstrip("=") for x in plain for h in (hashlib.sha256, hashlib.sha1)}
    assert names[0] not in guesses | set(plain)


def test_pealctl_knows_who_it_is(stack, pair):
    a, b, _ = pair
    name = relay(a.rest.get(PATH, expect=200))["username"]
    for asked in (name, name.partition(":")[2]):
        assert stack.pealctl("user", "behind", asked).stdout == f"{a.username} (user {a.id})\n"
    assert json.loads(stack.pealctl("--json", "user", "behind", name).stdout) == {"id": a.id, "username": a.username}
    for nobody in ("1795291727:" + "A" * 22, "x", ""):
        out = stack.pealctl("user", "behind", nobody, check=False)
        assert out.returncode == 1 and "nobody here" in out.stderr


def test_a_secret_that_is_exchanged(stack, person, secret):
    before = relay(person.rest.get(PATH, expect=200))
    file = stack.dir / "keys" / "turn.secret"
    other = "another secret of the TURN servers".replace(" ", "-")
    file.write_text(other + "\n")
    try:
        stack.reload("peal-fcgi")
        after, end = before, time.monotonic() + 10
        while after["credential"] != credential(other, after["username"]):      # a worker of before may take one request more
            assert time.monotonic() < end, "the new secret is not used"
            after = relay(person.rest.get(PATH, expect=200))
        assert after["username"].partition(":")[2] == before["username"].partition(":")[2], "quotas go on"
    finally:
        file.write_text(secret + "\n")
        stack.reload("peal-fcgi")


def test_programs_need_leave_to_speak(stack, person):
    for scopes, expect in ((["messages:write"], 200), (["messages:read", "profile:read"], (403, "insufficient_scope"))):
        token = person.rest.post("/tokens", {"name": "calls", "scopes": scopes}, expect=201)["token"]
        Client(stack.url, token).get(PATH, expect=expect)


def test_nothing_for_strangers(anonymous):
    anonymous.get(PATH, expect=401)


def test_over_the_socket(stack, person, secret):
    async def ask():
        async with await Socket.open(stack, person.token) as s:
            await s.hello()
            return await s.request(1, "GET", f"/api/v1{PATH}")
    reply = asyncio.run(ask())
    assert reply["status"] == 200
    assert relay(reply["body"])["credential"] == credential(secret, relay(reply["body"])["username"])


def test_capabilities_say_so(anonymous):
    assert anonymous.get("/capabilities")["features"]["call_relay"] is True


@pytest.mark.parametrize("text", ["", "too short", "with a blank in the middle of it", None])
def test_a_bad_secret_is_found(stack, secret, text):
    """By pealctl, and by a reload, which keeps what is."""
    file = stack.dir / "keys" / "turn.secret"
    try:
        file.unlink()
        if text is not None:
            file.write_text(text)
        checked = stack.pealctl("config", "check", check=False)
        assert checked.returncode == 1 and str(file) in checked.stderr and (text or "x" * 99) not in checked.stderr
    finally:
        file.write_text(secret + "\n")
    assert stack.pealctl("config", "check").returncode == 0


def test_a_call_each_at_the_same_moment(pair):
    a, b, conversation = pair
    path = f"/conversations/{conversation}/signals"
    a.rest.post(path, {"call_id": "mine", "kind": "offer", "payload": {}}, expect=204)
    refused = b.rest.post(path, {"call_id": "theirs", "kind": "offer", "payload": {}}, expect=(409, "conflict"))
    assert "answer" in refused["detail"]
    b.rest.post(path, {"call_id": "mine", "kind": "answer", "payload": {}}, expect=204)
    b.rest.post(path, {"call_id": "theirs", "kind": "offer", "payload": {}}, expect=204)
