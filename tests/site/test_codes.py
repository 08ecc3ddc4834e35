"""Codes that only a trouble of the machine makes, or a request that no client of ours sends. The others are seen by the tests of what they
are about; dev/test.py asks whether all of lib/base/err.h were (tests/peal/seen.py)."""

import http.client
import json
import os
import signal

import pytest

from peal import seen
from peal.people import Person

ALLOWED_LOG = [r"statement-failed", r"request_fault", r"upstream timed out"]


def get(stack, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, json.loads(body)


def test_precondition_failed(stack):
    status, problem = get(stack, "/favicon.svg", If_Unmodified_Since="Mon, 01 Jan 1990 00:00:00 GMT")
    assert (status, problem["code"], problem["retryable"]) == (412, "precondition_failed", False)


def test_gateway_timeout(stack):
    """Workers that hang: nginx gives up, and says that the same request may be sent again."""
    file = next(p for p in (stack.dir / "nginx").rglob("peal-fastcgi.conf"))
    text = file.read_text()
    file.write_text(text.replace("fastcgi_read_timeout 15s;", "fastcgi_read_timeout 1s;"))
    assert file.read_text() != text
    stack.reload_nginx()
    pids = stack.pids("peal-fcgi")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        status, problem = get(stack, "/api/v1/me")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        file.write_text(text)
        stack.reload_nginx()
    assert (status, problem["code"], problem["retryable"]) == (504, "gateway_timeout", True)
    Person(stack)


def test_internal(stack):
    """A database that is not as the program was made for it: one line in the log, and nothing of it in the answer."""
    person = Person(stack)
    stack.psql("ALTER TABLE block RENAME COLUMN blocked_id TO somebody")
    try:
        reply = person.rest.get("/blocks", expect=(500, "internal"))
    finally:
        stack.psql("ALTER TABLE block RENAME COLUMN somebody TO blocked_id")
    assert "block" not in reply["detail"] and "column" not in str(reply.json)
    assert "outcome=internal" in stack.log_line(f"request id={reply.headers['x-request-id']}")
    person.rest.get("/blocks", expect=200)


def test_retry(stack):
    """A row that somebody else holds for longer than one waits."""
    person, other = Person(stack), Person(stack)
    conversation = person.start(other)
    with stack.db() as db, db.cursor() as c:
        c.execute("SELECT FROM conversation WHERE id = %s FOR UPDATE", (int(conversation),))
        reply = person.rest.post(f"/conversations/{conversation}/messages", {"client_id": "held", "message_type": "text", "content": "x"})
        assert (reply.status, reply.code) == (503, "retry") and "retry-after" in reply.headers
        db.rollback()
    person.rest.post(f"/conversations/{conversation}/messages", {"client_id": "held", "message_type": "text", "content": "x"}, expect=201)


@pytest.mark.parametrize("code", seen.listed())
def test_each_code_is_asked_for_by_name(code):
    """Before anything has run: some test expects it."""
    files = [p for p in (seen.ROOT / "tests").glob("*/test_*.py")]
    assert code in seen.UNSEEN or any(f'"{code}"' in p.read_text(encoding="utf-8") for p in files)
