"""Who may see a picture, and for how long: links, downloads, attaching, deleting, quotas, sweeping."""

import contextlib
import math
import os
import re
import time

import pytest

from peal import media, truth
from peal.busy import at_once, eventually
from peal.media import ask, link, send, signed, upload
from peal.people import Person, pair as make_pair

ALLOWED_LOG = [r"connect\(\) to unix:\S+/sock/(upload|media|fast)\.sock failed"]
LINK = re.compile(r"^/m/(\d+)/([A-Za-z0-9_-]{22})/([0-9a-f]{2})/([0-9a-f]{32})/(\w+)\.webp$")


def folder(stack, attachment):
    return stack.dir / "media" / "ren" / attachment[:2] / attachment


@pytest.fixture
def shared(pair):
    """(sender, receiver, conversation, message, attachment): a picture that was sent."""
    a, b, conversation = pair
    attachment = upload(a, media.png(), "image/png").json
    return a, b, conversation, send(a, conversation, attachment["id"]).json, attachment


def test_links_are_for_a_day_or_two_and_the_same_for_all(stack, shared):
    a, b, conversation, message, attachment = shared
    urls = {link(p.history(conversation)["messages"][-1]["attachments"][0]) for p in (a, b)} | {link(attachment)}
    assert len(urls) == 1
    expires = int(LINK.match(urls.pop())[1])
    assert 86400 < expires - time.time() <= 2 * 86400
    reply = ask(stack, link(attachment))
    assert reply.status == 200
    assert {k: reply.headers.get(k) for k in ("content-type", "cache-control", "x-content-type-options", "content-security-policy",
                                              "cross-origin-resource-policy", "referrer-policy")} == {
        "content-type": "image/webp", "cache-control": "private, max-age=86400, immutable", "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'", "cross-origin-resource-policy": "same-site",
        "referrer-policy": "no-referrer"}
    part = ask(stack, link(attachment), headers={"Range": "bytes=4-11"})
    assert part.status == 206 and part.body == reply.body[4:12]
    assert ask(stack, link(attachment), headers={"If-None-Match": reply.headers["etag"]}).status == 304


def test_tampered_links(stack, shared):
    a, *_, attachment = shared
    other = upload(a, media.png(), "image/png").json
    url = link(attachment)
    expires, sig, aa, id_, name = LINK.match(url).groups()
    assert signed(stack, id_, int(expires)) == url
    wrong = [url.replace(sig, sig[:i] + ("A" if sig[i] != "A" else "B") + sig[i + 1:]) for i in range(21)]
    wrong += [f"/m/{int(expires) + d}/{sig}/{aa}/{id_}/{name}.webp" for d in (-1, 1, 86400)]
    wrong += [f"/m/{expires}/{sig}/{other['id'][:2]}/{other['id']}/{name}.webp", f"/m/{expires}/{sig}/{'fe' if aa == 'ff' else 'ff'}/{id_}/{name}.webp",
              f"/m/{expires}/{sig}/{aa}/{id_}/original.webp", f"/m/{expires}/{sig}/{aa}/{id_}/std.jpg", f"/m/{expires}/{sig}/{aa}/{id_}/",
              f"/m/{expires}/{sig}/{aa}/{id_}/../{id_}/std.webp/x", f"/m/{expires}//{aa}/{id_}/{name}.webp",
              f"/m/{expires}/{sig}/{aa}/{id_}/%2e%2e/{id_}/hd.webp", f"/m/-1/{sig}/{aa}/{id_}/{name}.webp"]
    for bad in wrong:
        reply = ask(stack, bad)
        assert (reply.status, reply.json["code"]) == (404, "not_found"), bad
    assert ask(stack, url).status == 200


def test_expired_link(stack, shared):
    *_, attachment = shared
    reply = ask(stack, signed(stack, attachment["id"], int(time.time()) - 1))
    assert (reply.status, reply.json["code"]) == (410, "gone")
    assert ask(stack, signed(stack, attachment["id"], int(time.time()) + 60)).status == 200


def test_fresh_links_and_downloads(stack, shared):
    a, b, conversation, message, attachment = shared
    detail = b.rest.get(f"/attachments/{attachment['id']}", expect=200).json
    assert {k: v for k, v in detail.items() if k != "download_url"} == attachment
    reply = ask(stack, detail["download_url"])
    assert reply.image.size == (64, 48) and reply.headers["content-disposition"].startswith("attachment; ")
    assert reply.body == ask(stack, link(attachment)).body
    assert ask(stack, f"/api/v1/media/{attachment['id']}/original", headers={"Authorization": f"Bearer {b.token}"}).body == reply.body
    part = ask(stack, detail["download_url"], headers={"Range": "bytes=0-3"})
    assert (part.status, part.body) == (206, b"RIFF")
    head = ask(stack, detail["download_url"], "HEAD")
    assert head.status == 200 and head.headers["content-length"] == str(len(reply.body))


def test_downloads_of_others(stack, shared):
    a, b, conversation, message, attachment = shared
    stranger = Person(stack, "stranger")
    path = f"/attachments/{attachment['id']}"
    original = f"/media/{attachment['id']}/original"
    stranger.rest.get(path, expect=(404, "not_found"))
    stranger.rest.get(original, expect=(404, "not_found"))
    assert ask(stack, f"/api/v1{original}").status == 401
    token = b.rest.get(path)["download_url"].partition("token=")[2]
    user, expires, mac = token.split(".")
    for bad in (f"{stranger.id}.{expires}.{mac}", f"{user}.{int(expires) + 1}.{mac}", f"{user}.{expires}.{mac[:-1]}", "..", "x", f"{user}.{expires}."):
        reply = ask(stack, f"/api/v1{original}?token={bad}")
        assert (reply.status, reply.json["code"]) == (404, "not_found"), bad
    other = upload(a, media.png()).json
    assert ask(stack, f"/api/v1/media/{other['id']}/original?token={token}").status == 404
    # a link is its owner's: when the owner may see the message no more, it is worth nothing
    truth.rows(stack, "DELETE FROM member WHERE user_id = %s AND conversation_id = %s", int(b.id), int(conversation))
    assert ask(stack, f"/api/v1{original}?token={token}").status == 404
    b.rest.get(path, expect=(404, "not_found"))


def test_names_in_downloads(stack, pair):
    a = pair[0]
    for name, plain, encoded in (("Urlaub.jpg", "Urlaub.webp", "Urlaub.webp"), ('a"b%\\c;.png', "c;.webp", "c%3B.webp"),
                                 ("日本 語.gif", "______ ___.webp", "%E6%97%A5%E6%9C%AC%20%E8%AA%9E.webp"), (".hidden", "hidden.webp", "hidden.webp"),
                                 ("100%.png", "100_.webp", "100%25.webp")):
        attachment = upload(a, media.png(), filename=name).json
        reply = ask(stack, a.rest.get(f"/attachments/{attachment['id']}")["download_url"])
        assert reply.headers["content-disposition"] == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def test_unused_uploads_are_their_owners(stack, pair):
    a, b, conversation = pair
    attachment = upload(a, media.png()).json
    a.rest.get(f"/attachments/{attachment['id']}", expect=200)
    b.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))


def refused(reply, code="unknown"):
    assert (reply.status, reply.code) == (400, "invalid"), reply
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == ("/attachment_ids", code)


def test_attaching(stack, pair):
    a, b, conversation = pair
    first, second = (upload(a, media.png(color=c)).json for c in ((1, 2, 3), (4, 5, 6)))
    mine = upload(b, media.png()).json
    before = truth.places(stack, a.id)
    refused(send(a, conversation, mine["id"], expect=None))                       # another's
    refused(send(a, conversation, first["id"], mine["id"], expect=None))         # one of them another's: none is taken
    refused(send(a, conversation, "0" * 32, expect=None))
    refused(send(a, conversation, first["id"], first["id"], expect=None))
    for ids, code in ((["../../etc/passwd"], "format"), ([], "required"), (None, "required"), ([f"{i:032x}" for i in range(11)], "too_long"),
                      ([7], "format"), ("x", "required")):
        body = {"client_id": "malformed", "message_type": "image", "attachment_ids": ids}
        refused(a.rest.call("POST", f"/conversations/{conversation}/messages", body, valid=False), code)
    refused(a.rest.post(f"/conversations/{conversation}/messages",
                        {"client_id": "t", "message_type": "text", "content": "x", "attachment_ids": [first["id"]]}), "type")
    assert truth.places(stack, a.id) == before, "a refused message left a trace"
    message = send(a, conversation, second["id"], first["id"]).json
    assert [x["id"] for x in message["attachments"]] == [second["id"], first["id"]]
    again = send(a, conversation, second["id"], first["id"], expect=200)
    assert again.headers["idempotency-replayed"] == "true" and again.json["attachments"] == message["attachments"]
    refused(send(a, conversation, first["id"], client_id="another", expect=None))  # used already
    a.rest.post(f"/conversations/{conversation}/messages", {"client_id": f"{second['id']}-{first['id']}"[:64], "message_type": "image",
                                                            "attachment_ids": [first["id"], second["id"]]}, expect=(409, "idempotency_conflict"))
    truth.check_dense(stack, conversation)


def test_list_and_reply_show_it(stack, shared):
    a, b, conversation, message, attachment = shared
    assert b.listed(conversation)["last_message"]["attachments"] == message["attachments"]
    assert b.rest.get(f"/messages/{message['id']}").json["attachments"] == message["attachments"]


def test_deleting_kills_every_link(stack, shared):
    a, b, conversation, message, attachment = shared
    download = b.rest.get(f"/attachments/{attachment['id']}")["download_url"]
    assert ask(stack, link(attachment)).status == 200 and folder(stack, attachment["id"]).exists()
    tombstone = a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200).json
    assert tombstone["attachments"] == [] and tombstone["deleted_at"]
    at_once(stack, "the files are gone", lambda: not folder(stack, attachment["id"]).exists())
    for rendition in attachment["renditions"]:
        assert ask(stack, rendition["url"]).status == 404
    assert ask(stack, download).status == 404
    a.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))
    assert b.history(conversation)["messages"][-1]["attachments"] == []
    refused(send(a, conversation, attachment["id"], client_id="again", expect=None))
    eventually("the row goes too", lambda: truth.rows(stack, "SELECT count(*) FROM attachment WHERE id = %s", attachment["id"]) == [(0,)])


def test_deleting_while_nobody_can_remove_files(stack, shared):
    a, b, conversation, message, attachment = shared
    stack.stop("peal-media")
    try:
        a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
        b.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))
        reply = upload(a, media.png(), expect=None)
        assert reply.status in (502, 503) and reply["retryable"]
    finally:
        stack.start("peal-media")
    eventually("the link dies", lambda: ask(stack, link(attachment)).status == 404)


def test_uploads_without_workers(stack, pair):
    """Nobody can be asked: nothing is accepted, and the refusal says so."""
    a = pair[0]
    stack.stop("peal-fcgi")
    try:
        reply = ask(stack, "/api/v1/messages/upload-image", "POST", media.png(), {"Authorization": f"Bearer {a.token}"})
        assert (reply.status, reply.json["code"], reply.json["retryable"]) == (503, "unavailable", True), reply.body
    finally:
        stack.start("peal-fcgi")
    assert upload(a, media.png())["state"] == "ready"


def test_what_nobody_used_is_swept(stack, pair):
    a, b, conversation = pair
    old, young = upload(a, media.png()).json, upload(a, media.png()).json
    used = upload(a, media.png()).json
    send(a, conversation, used["id"])
    truth.rows(stack, "UPDATE attachment SET created_at = now() - interval '25 hours' WHERE id IN (%s, %s)", old["id"], used["id"])
    eventually("it is swept", lambda: not folder(stack, old["id"]).exists())
    assert ask(stack, link(old)).status == 404
    assert ask(stack, link(young)).status == 200 and ask(stack, link(used)).status == 200


def test_what_was_never_registered_is_swept(stack, pair):
    """peal-media died between writing and registering."""
    leftover, fresh = "ab" + os.urandom(15).hex(), "ab" + os.urandom(15).hex()
    known = upload(pair[0], media.png()).json["id"]
    uid = (stack.dir / "media").stat()
    for name in (leftover, fresh):
        folder(stack, name).mkdir(parents=True)
        (folder(stack, name) / "std.webp").write_bytes(b"x")
        for path in (folder(stack, name).parent, folder(stack, name), folder(stack, name) / "std.webp"):
            os.chown(path, uid.st_uid, uid.st_gid)
    yesterday = time.time() - 25 * 3600
    os.utime(folder(stack, leftover), (yesterday, yesterday))
    os.utime(folder(stack, known), (yesterday, yesterday))
    stack.restart("peal-media")
    eventually("it is swept", lambda: not folder(stack, leftover).exists(), 30)
    assert folder(stack, fresh).exists() and folder(stack, known).exists()
    for file in sorted(folder(stack, fresh).rglob("*")):
        file.unlink()
    folder(stack, fresh).rmdir()


def test_nothing_stays_in_the_bodies_folder(stack, pair):
    upload(pair[0], media.png())
    upload(pair[0], b"text", expect=415)
    eventually("nginx has removed its files", lambda: not list((stack.dir / "media" / "incoming").iterdir()))


def test_quotas(new_stack):
    """1 MiB altogether, and then of a day; deleting gives space back, but not the day's."""
    noise = media.encoded(media.photo(1600, 1200), "JPEG", quality=95)
    with new_stack(settings={"media_user_mib": 1}) as stack:
        a, b, conversation = make_pair(stack)
        sent = []
        while (reply := upload(a, noise, expect=None)).status == 201:
            sent.append(reply.json)
            assert len(sent) < 30
        assert (reply.status, reply.code) == (507, "no_space") and len(sent) >= 3
        upload(b, noise)
        message = send(a, conversation, sent[0]["id"]).json
        a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
        upload(a, noise)
    with new_stack(settings={"media_user_daily_mib": 1}) as stack:
        a = Person(stack)
        while (reply := upload(a, noise, expect=None)).status == 201:
            pass
        assert (reply.status, reply.code) == (429, "rate_limited")
        left = 86400 - time.time() % 86400
        assert left - 30 < int(reply.headers["retry-after"]) <= left + 30 or left < 60, "until the day is over"
        assert int(reply.headers["retry-after"]) == math.ceil(reply.json["retry_after_ms"] / 1000)
        truth.rows(stack, "UPDATE media_usage SET day = day - 1")
        upload(a, noise)


def test_no_space_on_disk(new_stack):
    with new_stack(settings={"media_min_free_mib": 1 << 30}) as stack:
        a = Person(stack)
        upload(a, media.png(), expect=(507, "no_space"))


@pytest.mark.skipif(os.geteuid() != 0, reason="looks at the descriptors of another account's process")
def test_a_keeper_that_nobody_comes_to_keeps_no_descriptors(stack):
    """It asks every five seconds what is to go; the answers' connections once stayed open until somebody came."""
    inodes = {line.split()[6] for line in open("/proc/net/unix", encoding="utf-8") if line.endswith(f"{stack.run_dir}/keeper.sock\n")}

    def descriptors(pid):
        found = []
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        return found

    def fewest(seconds=1.0):
        """While it asks it has one more."""
        end, least = time.monotonic() + seconds, math.inf
        while time.monotonic() < end:
            least = min(least, len(descriptors(keeper)))
            time.sleep(0.02)
        return least

    keeper = next(p for p in stack.pids("peal-media") if p != stack.pid("peal-media") and any(d in {f"socket:[{i}]" for i in inodes} for d in descriptors(p)))
    before = fewest()
    time.sleep(5)
    assert fewest() <= before
