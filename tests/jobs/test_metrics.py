"""What peal-jobs tells on its private listener: what it does, and what waits for it."""

import contextlib
import datetime
import re
import time

from stack import ROOT, Service

from peal import metrics, truth
from peal.busy import wait_for
from peal.find import found, indexed
from peal.people import Person, pair

ALLOWED_LOG = [r"away"]
KINDS = {"search", "notifications", "scheduled", "erasures", "exports"}


def read(stack):
    return {k.removeprefix("peal_jobs_"): v for k, v in metrics.scrape(stack, "jobs").items()}


def waits(stack, work, least=1):
    """That something of this kind has waited for so many seconds."""
    return wait_for(lambda: read(stack)["waiting_seconds"][work] >= least)


def done(stack, work):
    return wait_for(lambda: read(stack)["waiting_seconds"][work] == 0)


@contextlib.contextmanager
def transaction(stack, *statements):
    with stack.db() as db:
        with db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            yield
        db.rollback()


def test_every_number(stack):
    names = set(re.findall(r"^\| `peal_jobs_(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.M))
    duties = set(re.findall(r'^\t\{ "(\w+)", \w+_duty,', (ROOT / "jobs" / "main.c").read_text(), re.M))
    wait_for(lambda: set(read(stack)["batch_seconds_count"]) == duties)
    seen = read(stack)
    assert {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name in seen} == names
    assert seen["leader"] == 1 and set(seen["undone_total"]) == duties and set(seen["waiting_seconds"]) == KINDS
    assert len(duties) > 10 and all(n >= 1 for n in seen["batch_seconds_count"].values())
    wait_for(lambda: read(stack)["batch_seconds_count"]["search"] > seen["batch_seconds_count"]["search"])


def test_what_is_not_indexed_yet(stack):
    """An open transaction holds what is committed after it began: its place in the log may lie before."""
    a, b, conversation = pair(stack)
    done(stack, "search")
    with transaction(stack, "SELECT pg_current_xact_id()"):
        a.say(conversation, "findable")
        waits(stack, "search", 2)
        assert not found(b, "findable")
    indexed(stack)
    assert found(b, "findable")
    done(stack, "search")


def test_what_is_no_message_waits_for_nobody(stack):
    a, b, conversation = pair(stack)
    message = a.say(conversation, "to be liked")
    truth.rows(stack, "INSERT INTO push_target (user_id, session_id, issued, channel, address) VALUES (%s, gen_random_uuid(), false, 2, 'liked')", int(b.id))
    wait_for(lambda: stack.psql("SELECT xid > (SELECT max(xid) FROM event) FROM push_state") == "t")
    indexed(stack)
    with transaction(stack, "SELECT pg_current_xact_id()"):
        b.rest.post(f"/messages/{message['id']}/reactions", {"emoji": "👍"}, expect=200)
        time.sleep(2)
        assert set(read(stack)["waiting_seconds"].values()) == {0}
    truth.rows(stack, "DELETE FROM push_target")


def test_who_is_not_told_yet(stack):
    """Without devices nobody is to be told, and the log is not looked at."""
    a, b, conversation = pair(stack)
    with transaction(stack, "SELECT pg_current_xact_id()"):
        a.say(conversation, "to nobody")
        waits(stack, "search", 2)
        assert read(stack)["waiting_seconds"]["notifications"] == 0
        truth.rows(stack, "INSERT INTO push_target (user_id, session_id, issued, channel, address) VALUES (%s, gen_random_uuid(), false, 2, 'device')", int(b.id))
        waits(stack, "notifications")
    done(stack, "notifications")


def test_what_is_not_sent_yet(stack):
    a, b, conversation = pair(stack)
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=90)
    at = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    a.rest.post(f"/conversations/{conversation}/messages", {"client_id": "c", "message_type": "text", "content": "late", "send_at": at}, expect=201)
    assert read(stack)["waiting_seconds"]["scheduled"] == 0, "it is not due"
    with transaction(stack, f"SELECT FROM conversation WHERE id = {conversation} FOR UPDATE"):
        truth.rows(stack, "UPDATE scheduled_message SET send_at = now() WHERE conversation_id = %s", int(conversation))
        waits(stack, "scheduled")
    done(stack, "scheduled")
    wait_for(lambda: b.history(conversation)["messages"][-1]["content"] == "late")


def test_an_export_without_who_makes_archives(stack):
    a = Person(stack)
    undone = read(stack)["undone_total"]["export"]
    stack.stop("peal-media")
    id_ = a.rest.post("/me/export", expect=201)["id"]
    waits(stack, "exports")
    wait_for(lambda: read(stack)["undone_total"]["export"] > undone)
    stack.start("peal-media")
    done(stack, "exports")
    wait_for(lambda: a.rest.get(f"/me/export/{id_}", expect=200)["state"] == "ready")


def test_an_erasure_that_takes_long(stack):
    a, b, conversation = pair(stack)
    a.say(conversation, "to be taken away")
    done(stack, "erasures")
    with transaction(stack, f"SELECT FROM conversation WHERE id = {conversation} FOR UPDATE"):
        a.rest.delete("/me", query={"messages": "delete"}, expect=204)
        waits(stack, "erasures", 2)
    done(stack, "erasures")


def test_without_the_database(stack):
    """What is counted is told all the same."""
    before = read(stack)
    stack.stop("postgres")
    wait_for(lambda: "waiting_seconds" not in read(stack))
    stack.start("postgres")
    wait_for(lambda: set(read(stack).get("waiting_seconds", ())) == KINDS)
    assert read(stack)["batch_seconds_count"]["search"] >= before["batch_seconds_count"]["search"]


def test_the_next_leader_tells_them(stack):
    first = stack.services["peal-jobs"]
    second = stack.services["peal-jobs-2"] = Service(stack, "peal-jobs-2", first.argv, env=first.env)
    second.start()
    assert read(stack)["leader"] == 1
    stack.stop("peal-jobs")

    def taken_over():
        with contextlib.suppress(OSError):
            return read(stack)["leader"] == 1
    wait_for(taken_over)
    stack.start("peal-jobs")
    stack.stop("peal-jobs-2")
    del stack.services["peal-jobs-2"]
    wait_for(taken_over)


def test_who_asks_otherwise_or_says_nothing(stack):
    path = metrics.socket_of(stack, "jobs")
    assert path.stat().st_mode & 0o777 == 0o660
    assert metrics.exchange(path, b"GET / HTTP/1.1\r\n\r\n")[0] == 404 and metrics.exchange(path, b"POST /metrics HTTP/1.1\r\n\r\n")[0] == 405
    assert metrics.refuses_too_much(path)
    began = time.monotonic()
    read(stack)
    assert time.monotonic() - began < 15
