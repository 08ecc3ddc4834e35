"""How much one may ask: exact counts per class, what gives them back, headers, and what they survive.

Requests come from many addresses, as behind a balancer whose word nginx takes: `at("198.51.100.7")` are its headers."""

import concurrent.futures
import itertools
import json
import math
import re
import signal
import socket
import time
import urllib.parse
import uuid

import pytest

from peal import contract, truth
from peal.hosts import second_master
from peal.people import PASSWORD, Person
from peal.rest import PREFIX, Client
import test_factors

LIMITS = {"write": 5, "mark": 4, "typing": 3, "read": 6, "upload": 2, "session": 4, "register": 8, "login": 3}
STACK = {"settings": {"workers_fast": 4, "export_pause_minutes": 0, **{f"rate_{name}_per_minute": n for name, n in LIMITS.items()}}}

addresses = (f"198.51.{n // 250}.{n % 250 + 1}" for n in itertools.count())


def trust(stack, *proxies):
    """nginx takes these proxies' word on addresses; nobody's when there are none."""
    text = "".join(f"set_real_ip_from {p};\n" for p in proxies)
    snippet = stack.dir / "nginx" / "snippets" / "peal-proxies.conf"
    shipped = (contract.ROOT / "nginx" / "snippets" / "peal-proxies.conf").read_text()
    snippet.write_text(text + shipped)
    stack.reload_nginx()


@pytest.fixture(scope="module", autouse=True)
def proxied(stack):
    trust(stack, "127.0.0.1")


def at(address):
    return {"X-Forwarded-For": address}


def person(stack):
    """Somebody who registered from an address of their own."""
    one = Person.__new__(Person)
    one.stack, one.username, one.password, one.rest = stack, f"l-{uuid.uuid4().hex[:20]}", PASSWORD, Client(stack.url)
    reply = register(one.rest, one.username, next(addresses))
    assert reply.status == 201, reply
    one.id, one.rest.token, one.refresh_token = reply["user"]["id"], reply["access_token"], reply["refresh_token"]
    return one


def register(client, username, address):
    return client.post("/auth/register", {"username": username, "password": PASSWORD, "token_delivery": "body"}, headers=at(address))


def login(client, username, password="not the password at all", **kw):
    return client.post("/auth/login", {"username": username, "password": password, "token_delivery": "body"}, **kw)


def send(one, conversation):
    body = {"client_id": str(uuid.uuid4()), "message_type": "text", "content": "hello"}
    return one.rest.post(f"/conversations/{conversation}/messages", body)


def standing(reply):
    return tuple(int(reply.headers[f"ratelimit-{name}"]) for name in ("limit", "remaining", "reset"))


def refused(reply, limit):
    """The 429 is honest: all of its numbers say the same."""
    assert (reply.status, reply.code) == (429, "rate_limited"), reply
    assert reply["retryable"] is True
    wait, interval = reply["retry_after_ms"], 60000 / limit
    assert 0 < wait <= math.ceil(interval)
    assert int(reply.headers["retry-after"]) == math.ceil(wait / 1000)
    assert standing(reply)[:2] == (limit, 0) and 60 - interval / 1000 - 1 <= standing(reply)[2] <= 60
    return wait


def exhaust(ask, limit):
    """Asks until it is refused: exactly the limit, and what came back meanwhile. Returns the replies that were no refusals."""
    began, replies = time.monotonic(), []
    while (reply := ask()).status != 429:
        replies.append(reply)
        assert standing(reply)[0] == limit and standing(reply)[1] <= limit - 1
        if len(replies) <= limit and time.monotonic() - began < 60 / limit:
            assert standing(reply)[1] == limit - len(replies)
            assert math.floor(60 / limit * len(replies) - (time.monotonic() - began)) <= standing(reply)[2] <= math.ceil(60 / limit * len(replies))
        assert len(replies) <= limit + (time.monotonic() - began) / (60 / limit) + 1
    assert len(replies) >= limit
    refused(reply, limit)
    return replies


REQUESTS = {
    "write": lambda p: p.rest.patch("/me", {"status_text": "busy"}),
    "mark": lambda p: p.rest.patch("/conversations/1/read", {"seq": 1}),
    "typing": lambda p: p.rest.post("/conversations/1/typing", {"is_typing": True}),
    "read": lambda p: p.rest.get("/me"),
}


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_a_class_of_a_person(stack, name):
    """All at once, then no more; other classes and other people have their own."""
    one, other = person(stack), person(stack)
    exhaust(lambda: REQUESTS[name](one), LIMITS[name])
    for free in set(REQUESTS) - {name}:
        assert standing(REQUESTS[free](one))[1] == LIMITS[free] - 1
    assert standing(REQUESTS[name](other))[1] == LIMITS[name] - 1
    assert REQUESTS[name](one).status == 429


def test_what_is_refused_is_not_done(stack):
    a, b = person(stack), person(stack)
    conversation = b.start(a)
    b.say(conversation, "first")
    sent = [r["seq"] for r in exhaust(lambda: send(a, conversation), LIMITS["write"])]
    assert truth.rows(stack, "SELECT seq FROM message WHERE conversation_id = %s AND sender_id = %s ORDER BY seq", conversation, a.id) == [(s,) for s in sent]


def test_time_gives_back_one_by_one(new_stack):
    """After the wait that the refusal names one may be made, and not before."""
    with new_stack(settings={"rate_write_per_minute": 60, "rate_read_per_minute": 60}) as stack:
        for name in ("write", "read"):
            one = Person(stack)
            exhaust(lambda: REQUESTS[name](one), 60)
            for _ in range(2):
                while (reply := REQUESTS[name](one)).status != 429:
                    pass        # one more had come back by now
                wait = refused(reply, 60)
                time.sleep(wait / 1000)
                began = time.monotonic()
                assert REQUESTS[name](one).status == 200
                late = REQUESTS[name](one)
                assert late.status == 429 or time.monotonic() - began > 0.5


def test_malformed_requests_count(stack):
    """Whatever was refused after it was known who asks."""
    one = person(stack)
    for n, (method, path, body) in enumerate([("POST", "/messages", {}), ("POST", "/conversations/0/messages", {}), ("PATCH", "/me", {"privacy": 3})]):
        reply = one.rest.call(method, path, body, valid=False)
        assert reply.status in (400, 404) and standing(reply)[1] == LIMITS["write"] - 1 - n
    for reply in (one.rest.post("/messages", raw=b"{}", headers={"Content-Type": "text/plain"}), one.rest.get("/me", token="none"),
                  one.rest.get("/capabilities"), one.rest.get("/health"), one.rest.get("/ready")):
        assert not [h for h in reply.headers if h.startswith("ratelimit")], reply


def test_a_head_counts_as_a_get(stack):
    one = person(stack)
    one.rest.get("/me")
    status, headers, _ = one.rest._exchange("HEAD", PREFIX + "/me", None, {"Authorization": f"Bearer {one.token}"})
    assert (status, headers["ratelimit-remaining"]) == (200, str(LIMITS["read"] - 2))


# --- signing in ---


def test_known_and_unknown_names_alike(stack, anonymous):
    """Nobody learns from the limit who has an account."""
    known, unknown = person(stack).username, f"nobody-{uuid.uuid4().hex[:12]}"
    seen = [[(r.status, r.code, standing(r)[:2]) for r in (login(anonymous, name) for _ in range(LIMITS["login"] + 2))] for name in (known, unknown)]
    assert seen[0] == seen[1]
    assert [s[0] for s in seen[0]] == [401] * LIMITS["login"] + [429] * 2


def test_the_right_password_waits_as_well(stack, anonymous):
    one, other = person(stack), person(stack)
    exhaust(lambda: login(anonymous, one.username), LIMITS["login"])
    refused(login(anonymous, one.username, PASSWORD), LIMITS["login"])
    assert login(anonymous, other.username, PASSWORD).status == 200
    # who is signed in stays it
    assert one.rest.get("/me").status == 200
    anonymous.post("/auth/refresh", {"refresh_token": one.refresh_token}, expect=200, headers=at(next(addresses)))


def test_spellings_of_a_name_are_one_account(stack, anonymous):
    """K is a Kelvin sign, which a database folds to k: such a name is nobody's, whatever the password."""
    name = f"kk-{uuid.uuid4().hex[:8]}"
    register(anonymous, name, next(addresses))
    for spelling in (name.upper(), name, name.title()):
        assert login(anonymous, spelling).status == 401
    refused(login(anonymous, name.capitalize(), PASSWORD), LIMITS["login"])
    assert login(anonymous, name.replace("k", "\u212a"), PASSWORD).code == "bad_credentials"


def in_browser(client, username, password="not the password at all", device=None):
    headers = {"Sec-Fetch-Site": "same-origin", **({"Cookie": f"peal_device={device}"} if device else {})}
    return client.post("/auth/login", {"username": username, "password": password}, headers=headers)


def test_a_browser_that_knows_them_lets_them_in(stack, anonymous):
    """Whoever guesses at somebody's password elsewhere uses up the account's allowance, and not that of where they have signed in before."""
    one, thief = person(stack), person(stack)
    first = in_browser(anonymous, one.username, PASSWORD)
    assert set(first.cookies) == {"peal_device", "peal_refresh"}
    assert re.fullmatch(r"peal_refresh=[^;]+; Path=/api/v1/auth; Max-Age=[0-9]+; HttpOnly; SameSite=Strict", first.headers["set-cookie"])
    device, theirs = first.cookies["peal_device"], in_browser(anonymous, thief.username, PASSWORD).cookies["peal_device"]
    while login(anonymous, one.username).status != 429:
        pass
    for kept_out in (None, theirs, device[:-2] + ("BB" if device.endswith("AA") else "AA"), device + "A", "x", "A" * 64, "A" * 500):
        refused(in_browser(anonymous, one.username, PASSWORD, kept_out), LIMITS["login"])
    again = in_browser(anonymous, one.username.upper(), PASSWORD, device)
    assert again.status == 200 and again.cookies["peal_device"] == device, "known already"
    guesses = [in_browser(anonymous, one.username, device=device).status for _ in range(LIMITS["login"])]
    assert guesses == [401] * (LIMITS["login"] - 1) + [429], "as many here as anywhere, the one that was right among them"
    assert "peal_device" not in login(anonymous, thief.username, PASSWORD).cookies, "apps keep no cookies"


def test_who_knows_the_browser_changes_the_password_too(stack, anonymous):
    one = person(stack)
    device = in_browser(anonymous, one.username, PASSWORD).cookies["peal_device"]
    while login(anonymous, one.username).status != 429:
        pass
    body = {"old_password": PASSWORD, "new_password": "four other words that nobody guesses"}
    one.rest.post("/auth/password", body, expect=(429, "rate_limited"))
    one.rest.post("/auth/proof", {"password": PASSWORD}, expect=(429, "rate_limited"))
    one.rest.post("/auth/proof", {"password": PASSWORD}, headers={"Cookie": f"peal_device={device}"}, expect=204)
    one.rest.post("/auth/password", body, headers={"Cookie": f"peal_device={device}"}, expect=204)


def test_nobody_is_called_what_is_counted_by_itself(stack, anonymous):
    """Names of no account are counted as well: none of them is another's second factor, or browser."""
    one = person(stack)
    phone = test_factors.Phone(stack, one)
    for name in (f"second factor of {one.id}", f"factor {one.id}", one.id):
        while login(anonymous, name).status != 429:
            pass
    challenge = login(anonymous, one.username, PASSWORD)["challenge"]
    test_factors.second(anonymous, challenge, code=phone.fresh())


def test_names_are_not_in_redis(stack, anonymous):
    name = f"secret-{uuid.uuid4().hex[:8]}"
    login(anonymous, name)
    keys = stack.redis("KEYS", "rate:*")
    assert any(k.startswith("rate:l:") for k in keys) and not any("secret" in k for k in keys)
    left = [int(stack.redis("PTTL", k)[0]) for k in keys]    # -2: gone since it was listed; -1, for ever, is what must not be
    assert all(ms == -2 or 0 <= ms <= 60000 for ms in left) and max(left) > 0


# --- addresses ---


def test_registrations_of_an_address(stack, anonymous):
    """A name that is taken counts too. The whole network of an IPv6 address is one; what a client says of itself is nothing."""
    taken = person(stack).username
    replies = exhaust(lambda: register(anonymous, taken, "203.0.113.1"), LIMITS["register"])
    assert {r.status for r in replies} == {409}
    assert register(anonymous, taken, "6.6.6.6, 203.0.113.1").status == 429
    assert register(anonymous, taken, "::ffff:203.0.113.1").status == 429
    assert register(anonymous, taken, "203.0.113.2").status == 409
    assert standing(register(anonymous, taken, "2001:db8:1:2::1"))[1] == LIMITS["register"] - 1
    assert standing(register(anonymous, taken, "2001:db8:1:2:ffff::9"))[1] <= LIMITS["register"] - 2
    assert standing(register(anonymous, taken, "2001:db8:1:3::1"))[1] == LIMITS["register"] - 1


def test_sessions_of_an_address(stack, anonymous):
    here = at("203.0.113.70")
    exhaust(lambda: anonymous.post("/auth/refresh", {"refresh_token": "none"}, headers=here), LIMITS["session"])
    assert anonymous.post("/auth/logout", {"refresh_token": "none"}, headers=here).status == 429
    assert anonymous.post("/auth/logout", {"refresh_token": "none"}, headers=at("203.0.113.71")).status == 204


def test_a_proxy_that_is_not_listed_is_not_believed(stack, anonymous):
    """As shipped: X-Forwarded-For of whoever comes along changes nothing."""
    assert not re.search(r"^\s*set_real_ip_from", (contract.ROOT / "nginx/snippets/peal-proxies.conf").read_text(), re.M)
    ask = lambda address: anonymous.post("/auth/logout", {"refresh_token": "none"}, headers=at(address))
    try:
        trust(stack)
        first = standing(ask("203.0.113.80"))[1]
        assert standing(ask("203.0.113.81"))[1] == first - 1
        trust(stack, "192.0.2.0/24", "2001:db8::/32")
        assert standing(ask("203.0.113.82"))[1] == first - 2
    finally:
        trust(stack, "127.0.0.1")
    assert standing(ask("203.0.113.80"))[1] == LIMITS["session"] - 1


# --- uploads ---


def upload_head(stack, one, length):
    """What answers the head of an upload whose body never comes."""
    url = urllib.parse.urlsplit(stack.url)
    with socket.create_connection((url.hostname, url.port), timeout=10) as s:
        s.sendall(f"POST {PREFIX}/messages/upload-image HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {one.token}\r\n"
                  f"Content-Type: image/png\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode())
        with s.makefile("rb") as answer:
            head = b"".join(iter(lambda: answer.readline(), b"\r\n")).decode()
            return head + answer.read(int(re.search(r"Content-Length: (\d+)", head)[1])).decode()


def test_an_upload_is_refused_before_its_body(stack):
    one = person(stack)
    for n in range(LIMITS["upload"]):
        reply = one.rest.post("/messages/upload-image", raw=b"not a picture", headers={"Content-Type": "image/png"})
        assert reply.status == 415 and standing(reply)[:2] == (LIMITS["upload"], LIMITS["upload"] - 1 - n)
    answer = upload_head(stack, one, 20 << 20)
    assert answer.startswith("HTTP/1.1 429 ") and '"code":"rate_limited"' in answer
    wait = int(re.search(r'"retry_after_ms":(\d+)', answer)[1])
    assert 0 < wait <= 30000 and f"Retry-After: {math.ceil(wait / 1000)}\r\n" in answer
    assert "RateLimit-Limit: 2\r\n" in answer and "RateLimit-Remaining: 0\r\n" in answer
    refused(one.rest.post("/messages/upload-image", raw=b"x", headers={"Content-Type": "image/png"}), LIMITS["upload"])


# --- several hosts, and services that go away ---


def test_exact_over_two_hosts(new_stack):
    """Two masters that share a database and a Redis, and nothing else: what is written and who signs in is counted together, to the
    one; what is read, by each of them."""
    limits = {"write": 10, "login": 10, "read": 10}
    with new_stack(settings={f"rate_{k}_per_minute": n for k, n in limits.items()} | {"workers_fast": 6}) as stack:
        people = [Person(stack) for _ in range(3)]
        anonymous = Client(stack.url)
        with second_master(stack) as name:
            for one in people:
                began = time.monotonic()
                with concurrent.futures.ThreadPoolExecutor(10) as pool:
                    ids = [r.headers["x-request-id"] for r in pool.map(lambda _: REQUESTS["write"](one), range(30)) if r.status == 200]
                assert 10 <= len(ids) <= 10 + (time.monotonic() - began) // 6
            with concurrent.futures.ThreadPoolExecutor(10) as pool:
                began = time.monotonic()
                replies = list(pool.map(lambda _: login(anonymous, people[0].username), range(30)))
            assert 10 <= sum(r.status == 401 for r in replies) <= 10 + (time.monotonic() - began) // 6
            began = time.monotonic()
            reads = sum(REQUESTS["read"](people[1]).status == 200 for _ in range(40))
            assert 10 < reads <= 20 + 2 * ((time.monotonic() - began) // 6 + 1)
            for service in ("peal-fcgi", name):
                log = stack.log(service)
                assert log.count("route=/me ") > 20 and log.count("route=/auth/login ") > 5, service


def test_redis_away(new_stack):
    """Its death and its coming back empty give nobody a new allowance, and block nobody."""
    with new_stack(settings={"rate_write_per_minute": 5, "rate_read_per_minute": 5}) as stack:
        began = time.monotonic()
        fresh, half, done = (Person(stack) for _ in range(3))
        for _ in range(3):
            assert REQUESTS["write"](half).status == 200
        exhaust(lambda: REQUESTS["write"](done), 5)
        stack.kill("redis")
        assert REQUESTS["write"](done).status == 429 or time.monotonic() - began > 12
        counted = sum(REQUESTS["write"](half).status == 200 for _ in range(5))
        assert 2 <= counted <= 2 + (time.monotonic() - began) / 12
        exhaust(lambda: REQUESTS["write"](fresh), 5)
        stack.start("redis")
        time.sleep(1.5)     # the breaker
        for one in (fresh, half, done):
            reply = REQUESTS["write"](one)
            assert reply.status == 429 or (standing(reply)[1] <= (time.monotonic() - began) / 12), reply
        assert stack.redis("KEYS", "rate:w:*")


def test_redis_hangs(new_stack):
    """Then a request waits for it as long as redis_timeout_ms says, a few times, and is counted all the same."""
    with new_stack(settings={"rate_write_per_minute": 5, "workers_fast": 1}) as stack:
        one = Person(stack)
        REQUESTS["write"](one)
        redis = stack.services["redis"].process
        redis.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            statuses = [REQUESTS["write"](one).status for _ in range(6)]
            took = time.monotonic() - began
        finally:
            redis.send_signal(signal.SIGCONT)
        assert statuses == [200] * 4 + [429] * 2 or took > 12
        assert took < 3, took


def test_redis_makes_no_sense(new_stack):
    """Somebody else's key in the way is a fault, which is logged; the request is counted here and goes on."""
    with new_stack(settings={"rate_write_per_minute": 5}) as stack:
        stack.allow("rate_fault")
        one = Person(stack)
        stack.redis("LPUSH", f"rate:w:{one.id}", "x")
        exhaust(lambda: REQUESTS["write"](one), 5)
        assert "rate_fault" in stack.log("peal-fcgi")


def test_what_a_restart_forgets(new_stack):
    """A reload nothing; a restart what lies in the workers' memory; never what is in Redis."""
    with new_stack(settings={"rate_write_per_minute": 3, "rate_read_per_minute": 3}) as stack:
        one = Person(stack)
        exhaust(lambda: REQUESTS["write"](one), 3)
        exhaust(lambda: REQUESTS["read"](one), 3)
        began = time.monotonic()
        stack.reload("peal-fcgi")
        if time.monotonic() - began < 15:
            assert [REQUESTS[n](one).status for n in ("write", "read")] == [429, 429]
        stack.restart("peal-fcgi")
        if time.monotonic() - began < 15:
            assert [REQUESTS[n](one).status for n in ("write", "read")] == [429, 200]


def test_a_limit_that_changes(new_stack):
    """A reload with another limit: what is owed stays owed, in time."""
    with new_stack(settings={"rate_read_per_minute": 3}) as stack:
        one = Person(stack)
        exhaust(lambda: REQUESTS["read"](one), 3)
        conf = stack.conf_path.read_text()
        stack.conf_path.write_text(re.sub(r"(rate_read_per_minute) = .*", r"\1 = 600", conf))
        stack.reload("peal-fcgi")
        replies = [REQUESTS["read"](one) for _ in range(5)]     # a worker of before may take one more
        assert standing(replies[-1])[0] == 600 and standing(replies[-1])[1] < 100 and 50 <= standing(replies[-1])[2] <= 60


# --- everything ---


def test_every_operation_is_refused_in_time(stack):
    """Each counted operation, asked over and over, ends with its documented 429; the others never do."""
    one, place, wary = person(stack), at("203.0.113.200"), person(stack)
    test_factors.Phone(stack, wary)
    stack.pealctl("user", "role", one.username, "admin")
    challenge = test_factors.login(wary.rest, wary)["challenge"]
    wrong = {"login": {"username": "over-and-over", "password": "x", "token_delivery": "body"},
             "loginFactor": {"challenge": challenge, "code": "000000", "token_delivery": "body"},
             "changePassword": {"old_password": "x", "new_password": "nobody-guesses-this-one"}, "prove": {"password": "x"}}
    for op in contract.rest().operations:
        id_ = "1.1" if "/messages/{id}" in op.path else "0" * 32 if op.path.startswith(("/media/", "/attachments/")) else "1"
        path = re.sub(r"{\w+}", id_, op.path) + ("?messages=x" if op.id == "eraseMe" else "")   # and then nobody would be left to ask
        raw = None if op.method == "GET" or not op.body else b"{}"
        raw = json.dumps(wrong[op.id]).encode() if op.rate == "login" else raw
        if op.served_by_media:
            raw, headers = b"x", {"Content-Type": "image/png", **place}
        else:
            headers = place
        most = LIMITS.get(op.rate, 8) + 3
        replies = [one.rest.call(op.method, path, raw=raw, valid=False, headers=headers) for _ in range(2)]
        while replies[-1].status != 429 and len(replies) < most:
            replies.append(one.rest.call(op.method, path, raw=raw, valid=False, headers=headers))
        if op.rate == "none":
            assert 429 not in {r.status for r in replies}, op
        elif op.method == "HEAD":
            assert (replies[-1].status, replies[-1].raw) == (429, b"") and int(replies[-1].headers["retry-after"]) > 0, op
        else:
            refused(replies[-1], LIMITS[op.rate])


def test_one_token_takes_half(stack):
    """And leaves the other half to the person; a bot's takes all that the bot may, which is not its owner's."""
    one = person(stack)
    made = one.rest.post("/tokens", {"name": "wild", "scopes": ["profile:read"]}, expect=201)["token"]
    bot = one.rest.post("/bots", {"username": f"bot-{one.id}"}, expect=201)["id"]
    other = one.rest.post("/tokens", {"name": "robo", "scopes": ["profile:read"], "bot_id": bot}, expect=201)["token"]
    half = LIMITS["read"] // 2
    replies = [one.rest.get("/me", token=made) for _ in range(half + 1)]
    assert [r.status for r in replies] == [200] * half + [429]
    assert replies[0].headers["ratelimit-limit"] == str(half) and replies[-1].headers["ratelimit-remaining"] == "0"
    assert [one.rest.get("/me").status for _ in range(half + 1)] == [200] * half + [429], "what was refused cost the person nothing"
    assert [one.rest.get("/me", token=other).status for _ in range(LIMITS["read"] + 1)] == [200] * LIMITS["read"] + [429]
