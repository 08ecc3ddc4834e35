"""FCM, whole: a token by a signed assertion, messages by that token, and what FCM says of devices that are gone."""

import time

import pytest

from peal.busy import eventually
from peal.people import Person
from peal.pushes import refusal

ALLOWED_LOG = [r"away"]


@pytest.fixture
def app(stack, google):
    a, b = Person(stack, "ann"), Person(stack, "ben")
    token = f"device:{b.id}_{time.monotonic_ns()}"
    b.rest.post("/users/fcm/register", {"deviceToken": token, "platform": "android"}, expect=204)
    return a, b, a.start(b), token


def targets(stack, person):
    return int(stack.psql(f"SELECT count(*) FROM push_target WHERE user_id = {person.id}"))


def gone(stack, person):
    eventually("the device is forgotten", lambda: not targets(stack, person))


def test_a_message_and_its_clear(stack, google, app):
    a, b, conversation, token = app
    message = a.say(conversation, "to the phone")
    (got,) = google.wait(token)
    name = f"c{conversation}"
    assert got["notification"] == {"title": a.username, "body": "to the phone"}
    assert got["data"] | {} == {"type": "message", "conversation_id": conversation, "message_id": message["id"], "message_type": "text",
                                "conversation_type": "direct", "mention": "false", "sender_id": a.id, "sender_name": a.username,
                                "text": "to the phone", "created_at": message["created_at"]}
    assert got["android"]["collapse_key"] == name and got["android"]["notification"]["tag"] == name and got["android"]["priority"] == "high"
    assert 43000 < int(got["android"]["ttl"].rstrip("s")) <= 43200
    assert got["apns"]["headers"]["apns-collapse-id"] == name and got["apns"]["headers"]["apns-priority"] == "10"
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": int(message["id"].partition(".")[2])}, expect=200)
    clear = google.wait(token, 2)[1]
    assert clear["data"] == {"type": "clear", "conversation_id": conversation, "message_id": message["id"]} and "notification" not in clear
    assert not google.complaints and len(google.given) == 1, "the token is kept"
    assert not [s for s in google.given if s in stack.log("peal-jobs") + stack.log("peal-egress")]


def test_words_of_a_group_and_of_pictures(stack, google, app):
    from peal import media
    a, b, _, token = app
    group = a.group(b, name="Engineers")
    a.say(group, "hello")
    assert google.wait(token)[0]["notification"] == {"title": "Engineers", "body": f"{a.username}: hello"}
    picture = a.rest.post("/messages/upload-image", raw=media.png(), headers={"Content-Type": "image/png"}, expect=201)["id"]
    a.say(group, None, message_type="image", attachment_ids=[picture])
    assert google.wait(token, 2)[1]["notification"]["body"] == f"{a.username}: Picture"


@pytest.mark.parametrize("code, status", [("UNREGISTERED", 404), ("SENDER_ID_MISMATCH", 403)])
def test_dead_tokens_go(stack, google, app, code, status):
    a, b, conversation, token = app
    google.refuse[token] = [refusal(status, code)]
    a.say(conversation, "to nobody")
    gone(stack, b)


def test_refused_is_dropped_and_the_device_stays(stack, google, app):
    a, b, conversation, token = app
    google.refuse[token] = [refusal(400, "INVALID_ARGUMENT")]
    a.say(conversation, "refused")
    eventually("Google has refused it", lambda: not google.refuse[token])
    assert not google.messages(token) and targets(stack, b) == 1
    a.say(conversation, "next")
    assert google.wait(token)[0]["data"]["text"] == "next"


def test_trouble_is_tried_again(stack, google, app):
    a, b, conversation, token = app
    google.refuse[token] = [(503, {"error": {"code": 503, "status": "UNAVAILABLE"}})]
    a.say(conversation, "patience")
    assert google.wait(token, timeout=15)[0]["data"]["text"] == "patience"


def test_a_token_that_is_no_good_any_more(stack, google, app):
    a, b, conversation, token = app
    a.say(conversation, "one")
    google.wait(token)
    google.given.clear()
    a.say(conversation, "two")
    assert google.wait(token, 2, timeout=15)[1]["data"]["text"] == "two" and len(google.given) == 1


def test_unregister_and_moving(stack, google, app):
    a, b, conversation, token = app
    a.rest.post("/users/fcm/unregister", {"deviceToken": token}, expect=204)
    assert targets(stack, b) == 1, "not mine"
    a.rest.post("/users/fcm/register", {"deviceToken": token}, expect=204)
    assert targets(stack, b) == 0 and targets(stack, a) == 1
    assert b.start(a) == conversation
    b.say(conversation, "to ann's phone now")
    assert google.wait(token)[0]["data"]["sender_id"] == b.id
    a.rest.post("/users/fcm/unregister", {"deviceToken": token}, expect=204)
    assert targets(stack, a) == 0


def test_no_token_and_browsers_all_the_same(stack, google, app, service):
    """While Google gives no token, what waits for it is out of the way of browsers, and goes when there is one."""
    from peal.pushes import Browser
    a, b, conversation, token = app
    google.given.clear()
    google.service.say["/token"] = [503]
    browser = Browser(service).register(b)
    stack.restart("peal-jobs")
    a.say(conversation, "to both")
    assert browser.wait()[0]["text"] == "to both"
    until = time.monotonic() + 10
    while stack.psql("SELECT max(attempts) FROM push_due") in ("", "0"):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not google.messages(token)
    stack.restart("peal-jobs")      # its patience with Google begins anew
    assert google.wait(token, timeout=20)[0]["data"]["text"] == "to both"
