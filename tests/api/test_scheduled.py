"""Messages that are sent later: what may be scheduled, who sees it, taking it back, and retries."""

import datetime
import uuid

import pytest

from peal.busy import wait_for
from peal.media import png, upload
from peal.people import Person, pair

STACK = {"settings": {"max_scheduled": 12, "schedule_ahead_seconds": 1}}


def at(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def body(seconds=3600, **more):
    return {"client_id": str(uuid.uuid4()), "message_type": "text", "content": "later", "send_at": at(seconds), **more}


def post(person, conversation, seconds=3600, **more):
    expect = more.pop("expect", 201)
    return person.rest.post(f"/conversations/{conversation}/messages", body(seconds, **more), expect=expect)


def listed(person):
    return person.rest.get("/scheduled", expect=200)["items"]


@pytest.fixture(scope="module")
def two(stack):
    return pair(stack)


@pytest.fixture(autouse=True)
def nothing_left(two):
    yield
    for person in two[:2]:
        for item in listed(person):
            person.rest.delete(f"/scheduled/{item['scheduled_id']}")


def test_what_waits_is_mine_alone(two):
    a, b, conversation = two
    before = a.conversation(conversation)
    asked = body(7200, content="Good morning!")
    reply = a.rest.post(f"/conversations/{conversation}/messages", asked, expect=201)
    assert reply.json == {"scheduled_id": reply["scheduled_id"], "send_at": asked["send_at"]}
    item, = listed(a)
    assert item.items() >= {"scheduled_id": reply["scheduled_id"], "conversation_id": conversation, "client_id": asked["client_id"],
                            "send_at": asked["send_at"], "failed_at": None, "failure": None, "message_type": "text",
                            "content": "Good morning!"}.items()
    assert listed(b) == []
    after = a.conversation(conversation)
    assert (after["last_seq"], after["updated_at"]) == (before["last_seq"], before["updated_at"])
    b.rest.delete(f"/scheduled/{reply['scheduled_id']}", expect=(404, "not_found"))
    a.rest.delete(f"/scheduled/{reply['scheduled_id']}", expect=204)
    a.rest.delete(f"/scheduled/{reply['scheduled_id']}", expect=(404, "not_found"))
    assert listed(a) == []


def test_pages_soonest_first(two):
    a, _, conversation = two
    ids = {hours: post(a, conversation, 3600 * hours)["scheduled_id"] for hours in (5, 1, 4, 2, 3)}
    got, query = [], {"limit": 2}
    while True:
        page = a.rest.get("/scheduled", query=query, expect=200)
        assert len(page["items"]) <= 2
        got += [item["scheduled_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert got == [ids[hours] for hours in (1, 2, 3, 4, 5)]
    a.rest.get("/scheduled", query={"limit": 0}, valid=False, expect=(400, "invalid"))
    a.rest.get("/scheduled", query={"cursor": "x"}, expect=(400, "invalid"))


@pytest.mark.parametrize("when,code", [(-60, "range"), (0, "range"), (0.5, "range"), (367 * 86400, "range"),
                                       ("tomorrow", "format"), ("", "format"), ("2030-02-30T00:00:00Z", "format")])
def test_when(two, when, code):
    a, _, conversation = two
    more = {"send_at": when} if isinstance(when, str) else {}
    reply = a.rest.call("POST", f"/conversations/{conversation}/messages", body(when if not more else 60, **more), valid=False,
                        expect=(400, "invalid"))
    assert [(e["path"], e["code"]) for e in reply["errors"]] == [("/send_at", code)]


def test_null_is_now(two):
    a, _, conversation = two
    reply = a.rest.post(f"/conversations/{conversation}/messages", body(send_at=None), expect=201)
    assert reply["seq"]


def test_other_zones(two):
    a, _, conversation = two
    moment = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5, minutes=30))) + datetime.timedelta(hours=1)
    post(a, conversation, send_at=moment.isoformat(timespec="seconds"))
    assert listed(a)[0]["send_at"] == moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_retries(two):
    a, _, conversation = two
    asked = body()
    path = f"/conversations/{conversation}/messages"
    first = a.rest.post(path, asked, expect=201)
    again = a.rest.post(path, asked, expect=200)
    assert again.json == first.json and again.headers["idempotency-replayed"] == "true"
    flat = a.rest.post("/messages", {**asked, "conversation_id": conversation}, expect=200)
    assert flat.json == first.json
    for other in ({"content": "other"}, {"send_at": at(7200)}, {"send_at": None}):
        a.rest.post(path, {**asked, **other}, expect=(409, "idempotency_conflict"))
    assert len(listed(a)) == 1
    a.rest.delete(f"/scheduled/{first['scheduled_id']}", expect=204)
    a.rest.post(path, asked, expect=(409, "deleted"))
    assert listed(a) == []


def test_a_retry_after_it_was_sent(two):
    a, b, conversation = two
    asked = body(2.5)
    path = f"/conversations/{conversation}/messages"
    first = a.rest.post(path, asked, expect=201)
    wait_for(lambda: not listed(a))
    again = a.rest.post(path, asked, expect=200)
    assert again["client_id"] == asked["client_id"] and again["content"] == "later" and again["created_at"] >= first["send_at"]
    assert sum(m["client_id"] == asked["client_id"] for m in b.history(conversation)["messages"]) == 1


def test_a_limit_per_person(two):
    a, b, conversation = two
    for _ in range(12):
        post(a, conversation)
    post(a, conversation, expect=(409, "too_many"))
    post(b, conversation)
    a.rest.delete(f"/scheduled/{listed(a)[0]['scheduled_id']}", expect=204)
    post(a, conversation)


def test_nothing_is_scheduled_that_could_not_be_sent(stack, two):
    a, _, conversation = two
    stranger = Person(stack, "cat")
    post(stranger, conversation, expect=(404, "not_found"))
    post(a, conversation, content=" ", expect=(400, "invalid"))
    for more, path in (({"reply_to": f"{conversation}.999999"}, "/reply_to"),
                       ({"mentions": [{"user_id": stranger.id, "offset": 0, "length": 1}]}, "/mentions/0/user_id"),
                       ({"message_type": "image", "content": None, "attachment_ids": ["0" * 32]}, "/attachment_ids")):
        reply = post(a, conversation, expect=(400, "invalid"), **more)
        assert reply["errors"][0]["path"] == path
    other = Person(stack, "dan")
    apart = a.start(other)
    other.rest.call("PUT", f"/users/{a.id}/block", expect=204)
    post(a, apart, expect=(403, "blocked"))


def test_uploads_wait_with_it(two):
    a, _, conversation = two
    picture = upload(a, png(), "image/png")["id"]
    image = {"message_type": "image", "content": None, "attachment_ids": [picture]}
    waiting = post(a, conversation, **image)
    assert listed(a)[0]["attachment_ids"] == [picture]
    a.rest.get(f"/attachments/{picture}", expect=200)
    post(a, conversation, expect=(400, "invalid"), **image)
    now = {"client_id": str(uuid.uuid4()), **image}
    a.rest.post(f"/conversations/{conversation}/messages", now, expect=(400, "invalid"))
    a.rest.delete(f"/scheduled/{waiting['scheduled_id']}", expect=204)
    sent = a.rest.post(f"/conversations/{conversation}/messages", now, expect=201)
    assert [x["id"] for x in sent["attachments"]] == [picture]


def test_every_kind(two):
    a, b, conversation = two
    first = a.say(conversation, "to be quoted and passed on")
    kinds = {
        "text": {"content": "@b hello", "reply_to": first["id"], "mentions": [{"user_id": b.id, "offset": 0, "length": 2}],
                 "expires_in_seconds": 600},
        "image": {"content": "a caption", "attachment_ids": [upload(a, png(), "image/png")["id"]]},
        "location": {"content": None, "location": {"latitude": 52.5, "longitude": 13.4, "name": "here"}},
        "poll": {"content": None, "poll": {"question": "Lunch?", "options": ["Soup", "Salad"], "multiple": True, "closes_in_seconds": 60}},
        "call": {"content": None, "call": {"call_id": "1", "media": "audio", "outcome": "missed"}},
        "encrypted": {"content": None, "encrypted": {"ciphertext": "3q2+7w==", "nonce": "AAECAwQFBgcICQoL", "key_id": "a2V5LTE="}},
    }
    asked = {kind: body(8, message_type=kind, **more) for kind, more in kinds.items()}
    asked["forward"] = {"client_id": str(uuid.uuid4()), "forward_of": first["id"], "send_at": at(8)}
    for one in asked.values():
        a.rest.post(f"/conversations/{conversation}/messages", one, expect=201)
    items = {item["client_id"]: item for item in listed(a)}
    for kind, one in asked.items():
        item = items[one["client_id"]]
        assert item["message_type"] == (None if kind == "forward" else kind)
        for name in ("content", "reply_to", "forward_of", "expires_in_seconds"):
            assert item[name] == one.get(name), (kind, name)
        assert item["mentions"] == one.get("mentions", []) and item["attachment_ids"] == one.get("attachment_ids", [])
    assert items[asked["poll"]["client_id"]]["poll"]["options"] == ["Soup", "Salad"]
    wait_for(lambda: not listed(a), 20)
    sent = {m["client_id"]: m for m in b.history(conversation)["messages"]}
    for kind, one in asked.items():
        assert sent[one["client_id"]]["message_type"] == ("text" if kind == "forward" else kind)
        assert sent[one["client_id"]]["created_at"] >= one["send_at"]
    text = sent[asked["text"]["client_id"]]
    assert text["reply_to"]["id"] == first["id"] and text["mentions"] and text["expires_at"] > text["created_at"]
    poll = sent[asked["poll"]["client_id"]]["poll"]
    assert [o["count"] for o in poll["options"]] == [0, 0] and poll["closes_at"] > asked["poll"]["send_at"]
    assert sent[asked["forward"]["client_id"]]["content"] == first["content"]


def test_a_poll_that_would_be_closed(two):
    a, _, conversation = two
    reply = post(a, conversation, message_type="poll", content=None, poll={"question": "?", "options": ["a", "b"], "closes_at": at(1800)},
                 expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == "/poll/closes_at"
