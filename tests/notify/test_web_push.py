"""Web Push, whole: what is said of a message reaches the browser, whom nobody else can read, and whoever may not see it hears nothing."""

import asyncio
import json
import time
import uuid

import pytest

from peal.busy import wait_for
from peal.metrics import exchange
from peal.people import Person
from peal.pushes import Browser, check_vapid
from peal.ws import Socket

STACK = {"settings": {"egress_timeout_ms": 1000}}
ALLOWED_LOG = [r"away"]


def public_key(person):
    return person.rest.get("/push/vapid-key", expect=200)["public_key"]


def due(stack):
    return int(stack.psql("SELECT count(*) FROM push_due WHERE due_at IS NOT NULL"))


def test_a_message_comes(stack, service, two):
    a, b, conversation, browser = two
    message = a.say(conversation, "Grüße, \"Ben\" \u2028 & co. 😀")
    (said,) = browser.wait()
    assert said == {"type": "message", "conversation_id": conversation, "message_id": message["id"], "message_type": "text",
                    "conversation_type": "direct", "mention": "false", "sender_id": a.id, "sender_name": a.username,
                    "text": message["content"], "created_at": message["created_at"]}
    (arrival,) = browser.arrivals()
    check_vapid(arrival, service, public_key(b))
    assert arrival.headers["content-encoding"] == "aes128gcm" and arrival.headers["urgency"] == "high"
    assert 43000 < int(arrival.headers["ttl"]) <= 43200
    assert len(arrival.headers["topic"]) <= 32
    assert (len(arrival.body) - 86 - 16) % 512 == 0, "padded"
    wait_for(lambda: "notified" in stack.log("peal-jobs"))
    assert a.username not in stack.log("peal-jobs")


def test_one_row_per_conversation(stack, two):
    """Several messages are one notification with the newest, by one topic; the token is signed once."""
    a, b, conversation, browser = two
    a.say(conversation, "one")
    browser.wait()
    for i in range(3):
        last = a.say(conversation, f"more {i}")
        browser.wait(2 + i)
    assert browser.said()[-1]["message_id"] == last["id"]
    assert len({x.headers["topic"] for x in browser.arrivals()}) == 1
    assert len({x.headers["authorization"] for x in browser.arrivals()}) == 1
    other = b.group(a, name="Elsewhere")
    a.say(other, "there")
    browser.wait(5)
    assert len({x.headers["topic"] for x in browser.arrivals()}) == 2
    assert browser.arrivals()[-1].headers["urgency"] == "normal"
    assert browser.said()[-1]["conversation_name"] == "Elsewhere" and browser.said()[-1]["conversation_type"] == "group"
    assert int(stack.psql(f"SELECT count(*) FROM push_due d JOIN push_target t ON t.id = d.target_id WHERE t.user_id = {b.id}")) == 2


def test_read_elsewhere_clears(stack, two, nothing_comes):
    a, b, conversation, browser = two
    message = a.say(conversation, "read me")
    browser.wait()
    seq = int(message["id"].partition(".")[2])
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": seq}, expect=200)
    said = browser.wait(2)[1]
    assert said == {"type": "clear", "conversation_id": conversation, "message_id": message["id"]}
    assert browser.arrivals()[0].headers["topic"] == browser.arrivals()[1].headers["topic"]
    nothing_comes(browser, 2)
    assert stack.psql(f"SELECT count(*) FROM push_due WHERE conversation_id = {conversation}") == "0"


@pytest.mark.parametrize("how", ["for everyone", "for me", "removed", "expired"])
def test_what_cannot_be_seen_any_more_is_cleared(stack, service, how):
    a, b = Person(stack, "ann"), Person(stack, "ben")
    conversation = a.group(b)
    browser = Browser(service).register(b)
    message = a.say(conversation, "for a moment", **({"expires_in_seconds": 5} if how == "expired" else {}))
    browser.wait()
    if how == "for everyone":
        a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
    elif how == "for me":
        b.rest.delete(f"/messages/{message['id']}", query={"for": "me"})
    elif how == "removed":
        a.rest.delete(f"/conversations/{conversation}/participants/{b.id}")
    assert browser.wait(2, timeout=12)[1] == {"type": "clear", "conversation_id": conversation, "message_id": message["id"]}


def test_who_hears_nothing(stack, service, nothing_comes):
    """Own messages, muted, level none, mentions without one, blocked, left, system messages, and the level's other side."""
    a, b, c = (Person(stack, n) for n in ("ann", "ben", "cat"))
    group = a.group(b, c)
    browser = Browser(service).register(b)
    b.say(group, "mine")
    b.rest.put(f"/conversations/{group}/settings", {"notify": "none"}, expect=200)
    a.say(group, "level none")
    b.rest.put(f"/conversations/{group}/settings", {"notify": "mentions"}, expect=200)
    a.say(group, "level mentions")
    b.rest.put(f"/conversations/{group}/settings", {"notify": "all", "muted_until": "2031-01-01T00:00:00.000Z"}, expect=200)
    a.say(group, "muted")
    nothing_comes(browser)
    b.rest.put(f"/conversations/{group}/settings", {"notify": "mentions", "muted_until": None}, expect=200)
    hit = a.say(group, "@ben look", mentions=[{"user_id": b.id, "offset": 0, "length": 4}])
    (said,) = browser.wait()
    assert said["message_id"] == hit["id"] and said["mention"] == "true" and browser.arrivals()[0].headers["urgency"] == "high"
    b.rest.put(f"/conversations/{group}/settings", {"notify": "all"}, expect=200)
    b.rest.put(f"/users/{c.id}/block")
    c.say(group, "blocked")
    a.rest.patch(f"/conversations/{group}", {"name": "Another name"}, expect=200)
    nothing_comes(browser, 1)
    b.rest.delete(f"/conversations/{group}/participants/{b.id}")
    browser.wait(2)
    a.say(group, "without ben")
    nothing_comes(browser, 2)


def test_encrypted_content_is_in_no_notification(stack, two):
    a, b, conversation, browser = two
    sealed = {"ciphertext": "c2VjcmV0IHdvcmRz", "nonce": "bm9uY2U=", "key_id": "aw==", "ephemeral_key": "ZQ=="}
    a.rest.post(f"/conversations/{conversation}/messages", {"client_id": str(uuid.uuid4()), "message_type": "encrypted", "encrypted": sealed}, expect=201)
    (said,) = browser.wait()
    assert said["message_type"] == "encrypted" and "text" not in said
    assert sealed["ciphertext"] not in json.dumps(said)


def test_taken_back_before_it_is_told(stack, two, nothing_comes):
    """What is told is decided when it goes: the message before it, when the newest is gone by then."""
    a, b, conversation, browser = two
    stack.kill("peal-jobs")
    first = a.say(conversation, "stays")
    gone = a.say(conversation, "goes")
    a.rest.delete(f"/messages/{gone['id']}", query={"for": "everyone"}, expect=200)
    stack.start("peal-jobs")
    (said,) = browser.wait(timeout=12)
    assert said["message_id"] == first["id"]
    nothing_comes(browser, 1)


def test_read_before_it_is_told(stack, two, nothing_comes):
    a, b, conversation, browser = two
    stack.kill("peal-jobs")
    message = a.say(conversation, "read at once")
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": int(message["id"].partition(".")[2])}, expect=200)
    stack.start("peal-jobs")
    nothing_comes(browser)
    wait_for(lambda: due(stack) == 0)


def test_who_looks_is_not_told(stack, two, nothing_comes):
    a, b, conversation, browser = two

    def decided():
        return stack.psql(f"SELECT (SELECT xid FROM push_state) > (SELECT max(xid) FROM event WHERE conversation_id = {conversation}) "
                          f"AND NOT EXISTS (SELECT FROM push_due WHERE conversation_id = {conversation})") == "t"

    async def look():
        async with await Socket.open(stack, b.token) as socket:
            await socket.hello()
            await socket.send({"type": "active"})
            a.say(conversation, "in front of you")
            await asyncio.to_thread(wait_for, decided)
    asyncio.run(look())
    nothing_comes(browser)


def test_redis_away(stack, two):
    """Nobody knows who looks: then it is sent."""
    a, b, conversation, browser = two
    stack.stop("redis")
    try:
        a.say(conversation, "without Redis")
        browser.wait()
    finally:
        stack.start("redis")


@pytest.mark.parametrize("status", [404, 410])
def test_dead_subscriptions_go(stack, service, two, status, nothing_comes):
    a, b, conversation, browser = two
    service.say[browser.path] = [status]
    a.say(conversation, "to nobody")
    wait_for(lambda: stack.psql(f"SELECT count(*) FROM push_target WHERE id = {browser.id}") == "0")
    a.say(conversation, "again")
    nothing_comes(browser, 1)


@pytest.mark.parametrize("status", [400, 403, 413, 301])
def test_refused_is_dropped(stack, service, two, status, nothing_comes):
    a, b, conversation, browser = two
    service.say[browser.path] = [lambda arrival, handler: handler.reply(status, {"Location": f"{service.url}/elsewhere"}, b"no")]
    a.say(conversation, "too much")
    browser.wait()
    nothing_comes(browser, 1)
    assert not service.at("/elsewhere"), "redirects are not followed"
    a.say(conversation, "the next one")
    assert browser.wait(2)[1]["text"] == "the next one"


def slow(arrival, handler):
    time.sleep(3)
    handler.reply(201)


def garbage(arrival, handler):
    handler.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")
    handler.close_connection = True


@pytest.mark.parametrize("trouble", [500, 503, slow, garbage], ids=["500", "503", "slow", "garbage"])
def test_trouble_is_tried_again(stack, service, two, trouble):
    a, b, conversation, browser = two
    service.say[browser.path] = [trouble]
    a.say(conversation, "patience")
    assert [s["text"] for s in browser.wait(2, timeout=15)] == ["patience", "patience"]
    first, second = browser.arrivals()[:2]
    assert 4.5 < second.at - first.at < 11
    wait_for(lambda: stack.psql(f"SELECT shown_seq FROM push_due d WHERE d.target_id = {browser.id}") not in ("", "0"))


def test_retry_after(stack, service, two):
    a, b, conversation, browser = two
    service.say[browser.path] = [lambda arrival, handler: handler.reply(429, {"Retry-After": "8"})]
    a.say(conversation, "not so fast")
    browser.wait()
    newer = a.say(conversation, "newer")
    said = browser.wait(2, timeout=15)
    first, second = browser.arrivals()
    assert 7.5 < second.at - first.at < 11
    assert said[1]["message_id"] == newer["id"], "what waits says the newest"


def test_endless_answer(stack, service, two):
    """More than is read of an answer: its status counts."""
    def endless(arrival, handler):
        handler.send_response(201)
        handler.send_header("Content-Length", str(1 << 30))
        handler.end_headers()
        try:
            for _ in range(1 << 12):
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass
    a, b, conversation, browser = two
    service.say[browser.path] = [endless]
    a.say(conversation, "long")
    wait_for(lambda: stack.psql(f"SELECT shown_seq FROM push_due d WHERE d.target_id = {browser.id}") not in ("", "0"))
    assert len(browser.arrivals()) == 1


@pytest.mark.parametrize("moment", ["jobs.before_notified", "egress"])
def test_killed_in_the_middle(stack, service, two, moment):
    """At least once, and the browser has one notification: the same topic."""
    a, b, conversation, browser = two
    if moment == "egress":
        service.say[browser.path] = [slow]
    else:
        stack.fail(moment)
    message = a.say(conversation, "once more")
    if moment == "egress":
        browser.wait()
        stack.kill("peal-egress")
        stack.start("peal-egress")
    else:
        stack.wait_death("peal-jobs")
        stack.revive()
    said = browser.wait(2, timeout=15)
    assert {s["message_id"] for s in said} == {message["id"]} and len({x.headers["topic"] for x in browser.arrivals()}) == 1


def test_bound_to_the_session(stack, service, two, nothing_comes):
    a, b, conversation, browser = two
    stays = Person.__new__(Person)
    stays.__dict__.update(b.__dict__)
    from peal.rest import Client
    stays.rest = Client(stack.url)
    reply = stays.rest.post("/auth/login", {"username": b.username, "password": b.password, "token_delivery": "body"}, expect=200)
    stays.rest.token = reply["access_token"]
    other = Browser(service).register(stays)
    stays.rest.delete("/auth/sessions", expect=204)     # all but this one
    a.say(conversation, "to the one that is left")
    other.wait()
    nothing_comes(browser)
    stack.pealctl("user", "disable", b.username)
    assert stack.psql(f"SELECT count(*) FROM push_target WHERE user_id = {b.id}") == "0"


def test_the_last_who_registers_has_it(stack, service, two, nothing_comes):
    a, b, conversation, browser = two
    assert browser.register(b, expect=200).id == browser.id
    browser.register(a)
    a.say(conversation, "to ben, whose browser is ann's now")
    nothing_comes(browser)
    b.say(conversation, "to ann")
    assert browser.wait()[0]["sender_id"] == b.id


def test_as_many_as_one_may_have(stack, service):
    a = Person(stack)
    browsers = [Browser(service).register(a) for _ in range(21)]
    left = stack.psql(f"SELECT id FROM push_target WHERE user_id = {a.id} ORDER BY id").split()
    assert left == [x.id for x in browsers[1:]]


def test_nothing_into_private_networks(stack, two):
    """Refused when it is registered, and when it leads there all the same."""
    a, b, conversation, browser = two
    mine = browser.subscription
    for endpoint in ("http://push.example/x", "https://push.example:8443/x", "https://u:p@push.example/", "https://", "https:///x",
                     "ftp://push.example/", "https://push.example/ x", "https://127.0.0.1:1/x", "https://push.example:443@10.0.0.1:80/",
                     "https://push.example\\@10.0.0.1/", "https://[::1]:80/", "https://push.example#x", "file:///etc/passwd"):
        reply = b.rest.post("/push/subscriptions", {**mine, "endpoint": endpoint}, expect=400, valid=False)
        assert reply.json["errors"][0]["path"] == "/endpoint", endpoint
    for endpoint in ("https://127.0.0.1/x", "https://localhost/x", "https://[::1]/x", "https://169.254.169.254/latest", "https://0x7f000001/x",
                     "https://10.1.2.3:443/x", "https://[::ffff:127.0.0.1]/x"):
        b.rest.post("/push/subscriptions", {**mine, "endpoint": endpoint}, expect=201)
    a.say(conversation, "to all of them")
    browser.wait()
    wait_for(lambda: stack.psql(f"SELECT count(*) FROM push_target WHERE user_id = {b.id}") == "1")
    assert "leads into a private network" in stack.log("peal-egress")


def test_numbers(stack):
    status, _, text = exchange(stack.run_dir / "stat-egress.sock")
    assert status == 200
    found = {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines() if line.startswith("peal_egress_")}
    assert found['peal_egress_requests_total{outcome="ok"}'] >= 3
    assert found['peal_egress_requests_total{outcome="forbidden"}'] >= 7
    assert found["peal_egress_open"] == 0
    assert found["peal_egress_request_seconds_count"] >= found['peal_egress_requests_total{outcome="ok"}']
