"""The workers as a service: what is missing, restarted, killed or overloaded, and what callers see of it."""

import concurrent.futures
import re
import os
import signal
import threading
import time
import uuid

import pytest

from peal import busy, contract, truth
from peal.busy import wait_for as until
from peal.people import PASSWORD, pair as make_pair
from peal.rest import Client
from test_matrix import MATRIX, World, wanted

ALLOWED_LOG = [r"FATAL:  terminating connection due to (unexpected postmaster exit|administrator command)", r"worker_died", r"reload_refused|no_such_key",
               r"connect\(\) to unix:\S+/sock/\w+\.sock failed"]


def draft(content="hello"):
    return {"client_id": str(uuid.uuid4()), "message_type": "text", "content": content}


class Load:
    """Several clients that do one thing over and over; every reply and its time is kept."""

    def __init__(self, url, token, call, clients=4):
        self.replies, self.stopping, self.broken = [], False, []
        self.threads = [threading.Thread(target=self._run, args=(Client(url, token), call)) for _ in range(clients)]

    def _run(self, client, call):
        while not self.stopping:
            start = time.monotonic()
            try:
                reply = call(client)
                self.replies.append((reply.status, reply.code, time.monotonic() - start))
            except Exception as e:  # pylint: disable=broad-except
                self.broken.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for t in self.threads:
            t.join()

    def statuses(self):
        return {s for s, _, _ in self.replies}


def test_capabilities(stack, anonymous):
    reply = anonymous.get("/capabilities", expect=200)
    assert reply["limits"]["max_content_code_points"] == 16384 and reply["limits"]["max_page"] == 100
    assert reply["features"]["registration"] == "open"
    draft = contract.rest().by_id["sendMessage"].raw["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert reply["features"]["message_types"].split() == [t for t in draft["message_type"]["enum"] if t]
    assert reply["limits"]["max_attachments"] == draft["attachment_ids"]["maxItems"]
    assert reply["limits"]["max_expires_in_seconds"] == draft["expires_in_seconds"]["maximum"]


def test_health_and_ready(anonymous):
    assert anonymous.get("/health", expect=200).json == {"status": "ok"}
    assert anonymous.get("/ready", expect=200).json == {"status": "ready", "database": True, "redis": True}


def test_configuration_is_read_again(stack, anonymous):
    """SIGHUP: the new generation has the new configuration."""
    body = {"username": f"late-{time.time_ns() % 10**10}", "password": PASSWORD, "token_delivery": "body"}
    try:
        stack.overrides["registration"] = "closed"
        stack._write_conf()
        stack.reload("peal-fcgi")
        until(lambda: anonymous.post("/auth/register", body).code == "registration_closed", 5, "closed")
        until(lambda: anonymous.get("/capabilities")["features"]["registration"] == "closed", 5, "said to be closed")
        anonymous.post("/auth/register", body, expect=(403, "registration_closed"))
    finally:
        stack.overrides["registration"] = "open"
        stack._write_conf()
        stack.reload("peal-fcgi")
    until(lambda: anonymous.post("/auth/register", {**body, "username": f"again-{time.time_ns() % 10**10}"}).status == 201, 5, "open again")


def test_a_new_generation_fails_nobody(stack, pair):
    a, _, conversation = pair
    old = set(stack.pids("peal-fcgi"))
    with Load(stack.url, a.token, lambda c: c.post(f"/conversations/{conversation}/messages", draft())) as load:
        for _ in range(3):
            time.sleep(0.3)
            stack.reload("peal-fcgi")
        time.sleep(0.3)
    assert load.statuses() == {201} and not load.broken, (load.statuses(), load.broken[:3])
    assert len(load.replies) > 20
    until(lambda: set(stack.pids("peal-fcgi")) & old == {stack.pid("peal-fcgi")}, 10, "rid of the old workers")
    truth.check_dense(stack, conversation)


def test_a_bad_configuration_leaves_the_old_one(stack, anonymous):
    text = stack.conf_path.read_text()
    old = set(stack.pids("peal-fcgi"))
    try:
        stack.conf_path.write_text(text + "no_such_key = 1\n")
        os.kill(stack.pid("peal-fcgi"), signal.SIGHUP)
        assert stack.log_line("no_such_key", 5)
        assert set(stack.pids("peal-fcgi")) <= old, "nobody new; those of an earlier test may still be leaving"
        anonymous.get("/health", expect=200)
    finally:
        stack.conf_path.write_text(text)


def test_sigterm_finishes_what_was_begun(stack, pair):
    a, _, conversation = pair
    body = draft("in flight")
    stack.fail("send.before_reply", "sleep 700")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(a.rest.post, f"/conversations/{conversation}/messages", body)
        until(lambda: not stack.armed("send.before_reply"), 5, "in flight")
        stack.stop("peal-fcgi")
        assert future.result().status == 201
    try:
        reply = a.rest.get("/me")
        assert (reply.status, reply.code) in ((502, "bad_gateway"), (503, "unavailable")), reply
        assert reply.headers["retry-after"] == "1"
    finally:
        stack.start("peal-fcgi")
    assert a.rest.post(f"/conversations/{conversation}/messages", body, expect=200)["content"] == "in flight"


def test_a_killed_worker_is_replaced(stack, person):
    workers = set(stack.pids("peal-fcgi")) - {stack.pid("peal-fcgi")}
    for pid in list(workers)[:5]:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(stack.pids("peal-fcgi")) - {stack.pid("peal-fcgi")}) == len(workers), 5, "as many workers as before")
    assert not workers <= set(stack.pids("peal-fcgi"))
    for _ in range(30):
        person.rest.get("/me", expect=200)


@pytest.mark.parametrize("name, stored", [("send.before_statement", False), ("send.sent", None), ("send.before_publish", True),
                                          ("send.after_publish", True), ("send.before_reply", True)])
def test_a_worker_dies_while_sending(stack, pair, name, stored):
    """502; the same request again settles it, whatever the worker had done."""
    a, _, conversation = pair
    body = draft(name)
    stack.fail(name)
    reply = a.rest.post(f"/conversations/{conversation}/messages", body, expect=(502, "bad_gateway"))
    assert reply["retryable"] and not stack.armed(name)
    again = a.rest.post(f"/conversations/{conversation}/messages", body)
    assert again.status in (200, 201) and (stored is None or (again.status == 200) == stored), again
    assert [m[3] for m in truth.messages(stack, conversation)] == ["first", name]
    truth.check_dense(stack, conversation)


def test_a_worker_that_hangs_is_killed(new_stack):
    with new_stack(settings={"request_timeout_seconds": 1}) as stack:
        a, _, conversation = make_pair(stack)
        stack.fail("send.before_reply", "sleep 8000")
        body = draft()
        start = time.monotonic()
        a.rest.post(f"/conversations/{conversation}/messages", body, expect=(502, "bad_gateway"))
        assert time.monotonic() - start < 4
        a.rest.post(f"/conversations/{conversation}/messages", body, expect=200)
        stack.allow("worker_hangs|worker_died|worker_killed|busy")


def test_a_lost_commit_is_uncertain(stack, pair):
    """The backend dies under a statement that writes: nobody knows, until the same request is sent again."""
    a, _, conversation = pair
    body = draft("uncertain")
    blocker = stack.db()
    with blocker.cursor() as c, concurrent.futures.ThreadPoolExecutor(1) as pool:
        c.execute("SELECT 1 FROM conversation WHERE id = %s FOR UPDATE", (int(conversation),))
        future = pool.submit(a.rest.post, f"/conversations/{conversation}/messages", body)
        waiting = "SELECT pid FROM pg_stat_activity WHERE usename = 'peal' AND wait_event_type = 'Lock'"
        until(lambda: truth.rows(stack, waiting), 5, "waiting for the lock")
        truth.rows(stack, f"SELECT pg_terminate_backend(pid) FROM ({waiting}) w")
        reply = future.result()
    blocker.rollback()
    blocker.close()
    assert (reply.status, reply.code) == (503, "uncertain"), reply
    a.rest.post(f"/conversations/{conversation}/messages", body, expect=201)
    assert len(truth.messages(stack, conversation)) == 2


def test_a_statement_that_takes_too_long(stack, pair):
    a, _, conversation = pair
    body = draft("slow")
    blocker = stack.db()
    with blocker.cursor() as c:
        c.execute("SELECT 1 FROM conversation WHERE id = %s FOR UPDATE", (int(conversation),))
        start = time.monotonic()
        reply = a.rest.post(f"/conversations/{conversation}/messages", body)
        took = time.monotonic() - start
    blocker.rollback()
    blocker.close()
    assert reply.status == 503 and reply.code in ("unavailable", "retry"), reply
    assert took < 6, took
    a.rest.post(f"/conversations/{conversation}/messages", body, expect=201)


def test_overload_is_shed(new_stack):
    """Two workers, both stuck: what waited for longer than shed_after_ms is refused at once when its turn comes."""
    with new_stack(settings={"workers_fast": 2, "shed_after_ms": 300, "statement_timeout_ms": 3000}) as stack:
        a, _, conversation = make_pair(stack)
        for _ in range(2):
            a.rest.get("/me", expect=200)
        blocker = stack.db()
        with blocker.cursor() as c, concurrent.futures.ThreadPoolExecutor(8) as pool:
            c.execute("SELECT 1 FROM conversation WHERE id = %s FOR UPDATE", (int(conversation),))
            stuck = [pool.submit(Client(stack.url, a.token).post, f"/conversations/{conversation}/messages", draft()) for _ in range(2)]
            locked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND state = 'active'"
            until(lambda: truth.rows(stack, locked) == [(2,)], 2, "both wait")
            waiting = [pool.submit(Client(stack.url, a.token).get, "/me") for _ in range(6)]
            replies = [f.result() for f in waiting]
            assert all(f.result().status in (503, 201) for f in stuck)
        blocker.rollback()
        blocker.close()
        codes = [r.code for r in replies]
        assert set(codes) == {"overloaded"} and all(r.headers["retry-after"] == "1" for r in replies), codes
        a.rest.get("/me", expect=200)


# The bytes of an upload in pieces are taken on the word of a token, and kept, until something is to be made of them all.
PIECES = ("getUploadOptions", "getUpload", "continueUpload", "endUpload")
# What these are asked with is judged by our own keys, the list of issuers or the configuration, before any database is asked: what is forged is refused
# all the same.
WITHOUT = ("loginFactor", "loginPasskeyOptions", "loginPasskey", "beginProviderLogin", "endProviderLogin", "beginLink", "registerApp")


def test_without_the_database(stack):
    """Every operation that needs it answers 503 within moments, the others go on; and all come back by themselves."""
    world = World(stack)
    me = world.people["me"]
    stack.stop("postgres")
    slow, wrong = [], []
    try:
        for op, rows in MATRIX.items():
            rest = contract.rest().by_id[op]
            if op in ("getHealth", "getCapabilities", "getContract", "getReady", "getIceServers", "getPushKey") or op in WITHOUT + PIECES:
                continue
            row = rows[0]
            method, path = row["call"].split()
            body = row.get("body")
            if op == "eraseMe":
                path = "/me"            # the row's would be refused before
            if op == "register":
                body = {"username": "no-database", "password": PASSWORD, "token_delivery": "body"}
            if op in ("refresh", "logout"):
                body = {"refresh_token": me.refresh_token}
            start = time.monotonic()
            reply = me.rest.call(method, world.fill(path, "me"), world.fill(body, "me"), headers=row.get("headers"), valid=False)
            took = time.monotonic() - start
            if (reply.status, reply.code) != (503, "unavailable") or "retry-after" not in reply.headers:
                wrong.append(f"{rest}: {reply}")
            if not busy.within(stack, took, 0.5):
                slow.append(f"{rest}: {took:.2f} s")
        assert not wrong, "\n".join(wrong)
        assert not slow, "\n".join(slow)
        me.rest.get("/health", expect=200)
        me.rest.get("/capabilities", expect=200)
        me.rest.get("/calls/ice-servers", expect=200)
        assert me.rest.get("/ready", expect=503).json == {"status": "unavailable", "database": False, "redis": True}
        times = []
        for _ in range(30):
            start = time.monotonic()
            me.rest.get("/conversations", expect=(503, "unavailable"))
            times.append(time.monotonic() - start)
        assert sorted(times)[15] < 0.05, f"median {sorted(times)[15]:.3f} s"
    finally:
        stack.start("postgres")
    until(lambda: me.rest.get("/conversations").status == 200, 5, "back")
    time.sleep(3.1)     # the longest pause of a worker that tried just before
    for _ in range(20):
        me.rest.get("/conversations", expect=200)


def test_a_crashed_database(stack):
    """kill -9 of the whole server under load: 2xx means kept, and everything is there afterwards."""
    a, _, conversation = make_pair(stack)
    sent = []

    def send(client):
        body = draft()
        reply = client.post(f"/conversations/{conversation}/messages", body)
        if reply.status in (200, 201):
            sent.append((body["client_id"], reply["seq"]))
        return reply
    stack.allow(r"postgres.*(PANIC|FATAL)|FATAL:  ")
    with Load(stack.url, a.token, send) as load:
        time.sleep(0.5)
        stack.kill("postgres", signal.SIGQUIT)
        time.sleep(0.5)
        stack.start("postgres")
        time.sleep(1.5)
    assert load.statuses() <= {201, 503} and 503 in load.statuses() and not load.broken, (load.statuses(), load.broken[:3])
    kept = {m[2]: m[0] for m in truth.messages(stack, conversation)}
    assert len(sent) > 50 and all(kept.get(client_id) == seq for client_id, seq in sent)
    truth.check_dense(stack, conversation)


def test_without_redis(stack):
    """Everything durable goes on, and quickly: the doorbell is not waited for."""
    world = World(stack)
    me, peer = world.people["me"], world.people["peer"]
    ours = world.names["ours"]
    stack.stop("redis")
    try:
        times = []
        for i in range(40):
            start = time.monotonic()
            me.say(ours, f"without {i}")
            times.append(time.monotonic() - start)
        assert sorted(times)[20] < 0.1, f"median {sorted(times)[20]:.3f} s"
        for op, rows in MATRIX.items():
            for row in [r for r in rows if all(status < 400 for status, _ in wanted(r).get("peer", [(400, None)]))][:1]:
                if op in ("register", "login", "refresh", "logout", "deleteMessage", "uploadImage"):
                    continue
                method, path = row["call"].split()
                world.prepare(row, "peer")
                reply = peer.rest.call(method, world.fill(path, "peer"), world.fill(row.get("body"), "peer"), headers=row.get("headers"), valid=False)
                assert reply.status < 400 or op in ("getPresence", "getPresences") and reply.status == 503, (op, reply)
        assert me.rest.get("/ready", expect=200).json == {"status": "ready", "database": True, "redis": False}
        assert peer.listed(ours)["last_message"]["content"] is not None
    finally:
        stack.start("redis")
    until(lambda: me.rest.get("/ready")["redis"], 5, "Redis seen again")


def test_every_reply_is_logged_once(stack, person):
    """One line per request, with its id; nothing else at info."""
    ids = [person.rest.get("/me").headers["x-request-id"] for _ in range(20)]
    assert len(set(ids)) == 20
    stack.log_line(ids[-1])
    time.sleep(0.2)
    text = stack.log("peal-fcgi")
    assert all(len(re.findall(rf"\bid={i}\b", text)) == 1 for i in ids)


def test_clients_cannot_choose_request_ids(person):
    reply = person.rest.get("/me", headers={"X-Request-Id": "0" * 32, "Peal-Request-Id": "0" * 32, "Peal-User": "1"})
    assert reply.headers["x-request-id"] != "0" * 32 and reply["id"] == person.id
