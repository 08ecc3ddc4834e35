"""One attachment in several messages: who sees it, when its files go, and whose quota it is."""

import concurrent.futures
import threading
import time

from peal import media, truth
from peal.media import ask, link, send, upload
from peal.people import Person, pair as make_pair


def usage(stack, person):
    return truth.rows(stack, "SELECT bytes FROM media_usage WHERE user_id = %s", int(person.id))[0][0]


def folder(stack, attachment):
    return stack.dir / "media" / "ren" / attachment[:2] / attachment


def forward(person, conversation, message, expect=201, **more):
    return person.rest.post(f"/conversations/{conversation}/messages", {"client_id": f"f{time.monotonic_ns()}", "forward_of": message["id"], **more},
                            expect=expect)


def gone(stack, attachment, seconds=10):
    end = time.monotonic() + seconds
    while folder(stack, attachment).exists():
        assert time.monotonic() < end, "the files are still there"
        time.sleep(0.05)
    return True


def delete(person, message):
    person.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)


def test_what_is_forwarded_keeps_its_files(stack):
    a, b, first = make_pair(stack)
    c, d = Person(stack), Person(stack)
    second, third = b.start(c), c.start(d)
    attachment = upload(a, media.png(), "image/png").json
    m1 = send(a, first, attachment["id"], content="a caption").json
    c.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))
    m2 = forward(b, second, m1).json
    assert m2["attachments"] == m1["attachments"] and m2["content"] == "a caption" and m2["message_type"] == "image"
    m3 = forward(c, third, m2).json
    assert m3["forward_of"] == m2["forward_of"] == {"sender_id": a.id, "created_at": m1["created_at"]}
    for who in (a, b, c, d):
        detail = who.rest.get(f"/attachments/{attachment['id']}", expect=200).json
        assert ask(stack, detail["download_url"]).image.size == (64, 48)
    assert usage(stack, a) > 0 and not truth.rows(stack, "SELECT FROM media_usage WHERE user_id = ANY (%s)", [int(b.id), int(c.id)])
    stored = usage(stack, a)

    delete(a, m1)
    a.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))
    assert c.rest.get(f"/attachments/{attachment['id']}", expect=200)["id"] == attachment["id"]
    assert ask(stack, link(attachment)).status == 200 and usage(stack, a) == stored, "it is still used, and still its owner's"
    delete(c, m3)
    assert folder(stack, attachment["id"]).exists()
    d.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))
    delete(b, m2)
    assert gone(stack, attachment["id"]) and ask(stack, link(attachment)).status == 404 and usage(stack, a) == 0
    b.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))


def test_twice_in_one_conversation(stack, pair):
    a, b, conversation = pair
    one, two = upload(a, media.png(), "image/png").json, upload(a, media.png(32, 32), "image/png").json
    m1 = send(a, conversation, one["id"], two["id"]).json
    m2 = forward(b, conversation, m1, reply_to=m1["id"]).json
    assert [x["id"] for x in m2["attachments"]] == [one["id"], two["id"]]
    delete(b, m2)
    assert folder(stack, one["id"]).exists() and a.rest.get(f"/attachments/{two['id']}", expect=200)
    forward(b, conversation, m2, expect=(409, "deleted"))
    delete(a, m1)
    assert gone(stack, one["id"]) and gone(stack, two["id"])


def test_forwarding_while_it_is_deleted(stack, pair):
    """Whichever comes first: the copy has its files, or there is no copy and no file."""
    a, b, conversation = pair
    c = Person(stack)
    other = b.start(c)
    b.say(other, "hello")
    outcomes = set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(12):
            attachment = upload(a, media.png(8, 8), "image/png").json
            m = send(a, conversation, attachment["id"]).json
            both = threading.Barrier(2)
            going = pool.submit(lambda: (both.wait(), delete(a, m)))
            copying = pool.submit(lambda: (both.wait(), forward(b, other, m, expect=None))[1])
            going.result()
            reply = copying.result()
            outcomes.add((reply.status, reply.code))
            if reply.status == 201:
                assert ask(stack, link(attachment)).status == 200
                c.rest.get(f"/attachments/{attachment['id']}", expect=200)
                delete(b, reply.json)
            gone(stack, attachment["id"])
    assert outcomes <= {(201, None), (409, "deleted")}, outcomes
    assert usage(stack, a) == 0 and truth.rows(stack, "SELECT count(*) FROM attachment_use") == [(0,)]


def test_an_expired_message_shows_its_files_no_more(stack, pair):
    a, b, conversation = pair
    attachment = upload(a, media.png(), "image/png").json
    m = send(a, conversation, attachment["id"], expires_in_seconds=60).json
    copy = forward(b, conversation, m, expires_in_seconds=3600).json
    b.rest.get(f"/attachments/{attachment['id']}", expect=200)
    c = Person(stack)
    other = b.start(c)
    forward(b, other, copy)
    truth.rows(stack, "UPDATE message SET expires_at = now() WHERE conversation_id = %s AND seq = %s", int(conversation), m["seq"])
    b.rest.get(f"/attachments/{attachment['id']}", expect=200)
    truth.rows(stack, "UPDATE message SET expires_at = now() WHERE conversation_id = %s AND seq = %s", int(conversation), copy["seq"])
    a.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))
    c.rest.get(f"/attachments/{attachment['id']}", expect=200)


def test_the_kind_of_what_is_attached(stack, pair):
    a, _, conversation = pair
    attachment = upload(a, media.png(), "image/png").json
    for kind in ("audio", "video"):
        reply = send(a, conversation, attachment["id"], message_type=kind, client_id=kind, expect=(400, "invalid"))
        assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/attachment_ids", "type")
    m = send(a, conversation, attachment["id"], message_type="file", client_id="file").json
    assert m["message_type"] == "file" and m["attachments"][0]["kind"] == "image", "a file may be anything"
    reply = send(a, conversation, attachment["id"], client_id="again", expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/attachment_ids", "unknown")
