"""Sessions while everybody is busy: ended, their owners disabled, the key that signs exchanged; on two hosts of REST workers whose clocks
differ by 25 seconds, and two push processes. Who is not concerned notices nothing.

TIER=2 or more takes more victims.
"""

import asyncio
import contextlib
import os
import subprocess
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from peal import busy, tokens
from peal.hosts import second_master
from peal.loop import run
from peal.people import PASSWORD, Person
from peal.rest import Client
from peal.ws import Socket

STACK = {"push_processes": 2, "settings": {"access_token_seconds": 30}}

TIER = int(os.environ.get("PEAL_TIER") or os.environ.get("TIER") or 1)
VICTIMS = 4 if TIER == 1 else 40
BUSY, PAUSE, RENEW, SKEW, SOON = 5, 0.01, 2.0, 25, 1.0


@pytest.fixture(scope="module", autouse=True)
def two_hosts(stack, request, tmp_path_factory):
    """The second one is ahead."""
    library = tmp_path_factory.mktemp("skew") / "skew.so"
    os.chmod(library.parent, 0o755)
    for folder in library.parents[1:4]:
        with contextlib.suppress(OSError):
            os.chmod(folder, os.stat(folder).st_mode | 0o055)
    source = os.path.join(os.path.dirname(__file__), "..", "tools", "skew.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    env = {"LD_PRELOAD": str(library), "PEAL_SKEW_SECONDS": str(SKEW)}
    if request.config.getoption("kind") == "san":
        env["ASAN_OPTIONS"] = stack.services["peal-fcgi"].env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    # nginx, by whose clock requests grow old, is on another host here than its workers, as it never is
    with second_master(stack, env=env, settings={"shed_after_ms": 60000}) as name:
        yield name


class Busy(threading.Thread):
    """Somebody who reads and writes all the time, and renews their tokens long before they must."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.person = Person(stack, "busy")
        self.talk = self.person.start(self.person)
        self.refresh_token, self.renewed = self.person.refresh_token, time.monotonic()
        self.done, self.requests, self.wrong = threading.Event(), 0, []

    def _renew(self):
        reply = Client(self.person.stack.url).post("/auth/refresh", {"refresh_token": self.refresh_token})
        self._note(reply)
        if reply.status == 200:
            self.person.rest.token, self.refresh_token = reply["access_token"], reply["refresh_token"]
        self.renewed = time.monotonic()

    def _note(self, reply):
        self.requests += 1
        if reply.status >= 300:
            self.wrong.append(reply)

    def run(self):
        n = 0
        while not self.done.wait(PAUSE):
            n += 1
            if time.monotonic() - self.renewed > RENEW:
                self._renew()
            self._note(self.person.rest.get("/me"))
            body = {"client_id": f"n{n}", "message_type": "text", "content": "busy"}
            self._note(self.person.rest.post(f"/conversations/{self.talk}/messages", body))


@contextlib.contextmanager
def busy_people(stack):
    people = [Busy(stack) for _ in range(BUSY)]
    for p in people:
        p.start()
    try:
        yield people
    finally:
        for p in people:
            p.done.set()
        for p in people:
            p.join()
    assert all(not p.wrong for p in people), [p.wrong[:3] for p in people]
    assert all(p.requests > 20 for p in people)


class Victim:
    """A session with a socket, whose token is used all the time from several connections, so that both hosts are asked."""

    def __init__(self, stack, person):
        self.stack, self.person = stack, person
        self.client = Client(stack.url)
        self.reply = self.client.post("/auth/login", {"username": person.username, "password": PASSWORD, "token_delivery": "body"}, expect=200)
        self.client.token = self.reply["access_token"]
        self.sid = tokens.claims_of(self.client.token)["sid"]
        self.good, self.done = [], threading.Event()   # when requests began that were answered
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(2)]

    def _ask(self):
        while not self.done.wait(PAUSE):
            began = time.monotonic()
            reply = self.client.get("/me")
            if reply.status == 200:
                self.good.append(began)
            else:
                assert (reply.status, reply.code) == (401, "unauthenticated"), reply

    async def ends(self, deed):
        """Does the deed; nothing is answered, and the socket is closed, a second after it."""
        async with await Socket.open(self.stack, self.client.token) as socket:
            await socket.hello()
            for t in self.threads:
                t.start()
            await asyncio.sleep(0.1)
            await run(deed)
            ended = time.monotonic()
            assert await socket.wait_closed(5) == 4409
            closed = time.monotonic() - ended
            await asyncio.sleep(SOON + 0.5 - closed)
        self.done.set()
        for t in self.threads:
            await run(t.join)
        late = max(self.good) - ended
        for took in (late, closed):
            assert await run(busy.within, self.stack, took, SOON), (late, closed)
        again = self.client.post("/auth/refresh", {"refresh_token": self.reply["refresh_token"]})
        assert (again.status, again.code) == (401, "bad_refresh_token")
        return max(late, 0), closed


def show(what, times):
    for name, values in zip(("last answer", "socket closed"), zip(*times)):
        values = sorted(values)
        print(f"{what}: {name} after {values[len(values) // 2] * 1000:.0f} ms (median), {values[-1] * 1000:.0f} ms at most")


def test_sessions_are_ended_while_everybody_is_busy(stack):
    owner = Person(stack)

    async def all_of_them():
        victims = [Victim(stack, owner) for _ in range(VICTIMS)]
        return [await v.ends(lambda v=v: owner.rest.delete(f"/auth/sessions/{v.sid}", expect=204)) for v in victims]

    with busy_people(stack):
        show("a session that was ended", asyncio.run(all_of_them()))
    owner.rest.get("/me", expect=200)


def test_people_are_disabled_while_everybody_is_busy(stack):
    people = [Person(stack) for _ in range(VICTIMS // 2)]

    async def all_of_them():
        return [await Victim(stack, p).ends(lambda p=p: stack.pealctl("user", "disable", p.username)) for p in people]

    with busy_people(stack):
        show("a person who was disabled", asyncio.run(all_of_them()))
    for p in people:
        p.rest.get("/me", expect=(401, "unauthenticated"))
        stack.pealctl("user", "enable", p.username)
        p.rest.get("/me", expect=(401, "unauthenticated"))
        Victim(stack, p)


def renew_until_signed_anew(stack, person, seconds=10):
    """Workers of the old generation finish what they have begun, and sign it with the old key."""
    with open(stack.conf["token_private_key_file"], "rb") as f:
        key = load_pem_private_key(f.read(), None).public_key()
    until = time.monotonic() + seconds
    while True:
        renewed = Client(stack.url).post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=200)
        person.refresh_token = renewed["refresh_token"]
        with contextlib.suppress(jwt.InvalidSignatureError):
            jwt.decode(renewed["access_token"], key, algorithms=["ES256"], options={"verify_aud": False, "verify_iat": False})
            return renewed
        assert time.monotonic() < until, "still signed with the old key"


def test_the_key_is_exchanged_while_everybody_is_busy(stack, two_hosts):
    rest = ["peal-fcgi", two_hosts]
    push = ["peal-push-0", "peal-push-1"]

    def step(name, services):
        stack.pealctl("keys", "rotate", name)
        for s in services:
            stack.reload(s)

    async def socket(person):
        async with await Socket.open(stack, person.token) as s:
            await s.hello()

    bystander = Person(stack)
    with busy_people(stack) as people:
        first = bystander.token
        step("begin", rest + push)
        bystander.rest.get("/me", expect=200)
        step("switch", rest)
        renewed = renew_until_signed_anew(stack, bystander)
        for token in (first, renewed["access_token"]):
            bystander.rest.token = token
            for _ in range(4):
                bystander.rest.get("/me", expect=200)
            asyncio.run(socket(bystander))
        time.sleep(2 * RENEW)
        assert stack.pealctl("keys", "rotate", "switch", check=False).returncode == 1, "there is no key to switch to"
        step("finish", rest + push)
        refused, last = 0, time.monotonic() + 10    # a worker of before may still be at its last request
        while refused < 8:
            assert time.monotonic() < last, "the key that is gone is good no more"
            reply = bystander.rest.get("/me", token=first)
            refused = refused + 1 if (reply.status, reply.code) == (401, "unauthenticated") else 0
            bystander.rest.get("/me", token=renewed["access_token"], expect=200)
        asyncio.run(socket(people[0].person))


def test_a_retry_of_a_renewal_on_a_host_whose_clock_is_ahead(stack):
    """The grace is counted by the database's clock: a host whose clock is ahead would take the retry of a lost answer for theft."""
    for _ in range(4):
        person, anonymous = Person(stack), Client(stack.url)
        replies = [anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=200) for _ in range(4)]
        assert len({r["refresh_token"] for r in replies}) == 1
        for r in replies:
            person.rest.get("/me", token=r["access_token"], expect=200)
