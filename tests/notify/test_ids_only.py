"""notify_content = ids: nothing of who or what leaves the server."""

import json
import re
import time

from peal.people import Person
from peal.pushes import Browser

STACK = {"settings": {"notify_content": "ids"}}


def test_ids_and_nothing_else(stack, service, google, two):
    a, b, conversation, browser = two
    b.rest.post("/users/fcm/register", {"deviceToken": "ids-only"}, expect=204)
    message = a.say(conversation, "whatever it says")
    assert browser.wait() == [{"type": "message", "conversation_id": conversation, "message_id": message["id"]}]
    (got,) = google.wait("ids-only")
    assert got["data"] == {"type": "message", "conversation_id": conversation, "message_id": message["id"]} and "notification" not in got
    assert "whatever" not in json.dumps(got) and a.username not in json.dumps(got)


def test_another_key_ends_what_was_made_for_the_old_one(stack, service, two):
    a, b, conversation, browser = two
    before = b.rest.get("/push/vapid-key", expect=200)["public_key"]
    (stack.dir / "keys" / "vapid.key").unlink()
    assert stack.pealctl("keys", "vapid").returncode == 0
    assert stack.pealctl("keys", "vapid", check=False).returncode == 1, "never overwritten"
    assert (stack.dir / "keys" / "vapid.key").stat().st_mode & 0o777 == 0o640
    stack.reload("peal-fcgi")
    stack.restart("peal-jobs")
    assert b.rest.get("/push/vapid-key", expect=200)["public_key"] != before
    until = time.monotonic() + 8
    while stack.psql(f"SELECT count(*) FROM push_target WHERE id = {browser.id}") != "0":
        assert time.monotonic() < until
        time.sleep(0.05)
    again = Browser(service).register(b)
    a.say(conversation, "by the new key")
    again.wait()


def test_nobody_has_subscribed(stack):
    """One short statement a second, and the log is not read: its place begins with the first device."""
    stack.psql("DELETE FROM push_target")
    a, b = Person(stack, "ann"), Person(stack, "ben")
    conversation = a.start(b)
    time.sleep(1.5)
    place = stack.psql("SELECT xid FROM push_state")
    stack.psql("ALTER ROLE peal SET log_statement = 'all'")
    try:
        stack.restart("peal-jobs")
        before = len(stack.log("postgres"))
        for i in range(20):
            a.say(conversation, f"{i}")
        time.sleep(4)
        ran = re.findall(r"execute (notify_\w+):", stack.log("postgres")[before:])
    finally:
        stack.psql("ALTER ROLE peal RESET log_statement")
    assert set(ran) <= {"notify_follow", "notify_clean"} and 2 <= ran.count("notify_follow") <= 8, ran
    assert stack.psql("SELECT xid FROM push_state") == place
