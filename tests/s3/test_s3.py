"""Files in an object store: kept, served, removed and found damaged there as on disk; and what happens when it is away, slow, or refuses us."""

import hashlib
import io
import json
import os
import re
import signal
import time
import zipfile

import pytest

from peal import media, truth
from peal.busy import at_once, eventually
from peal.media import ask, link, send, signed, upload
from peal.people import Person, pair as make_pair


def put(person, data, expect=201, **query):
    return upload(person, data, "application/octet-stream", expect, to="file", **query)


def local(stack, attachment):
    return stack.dir / "media" / "ren" / attachment[:2] / attachment


def download(stack, person, attachment, **headers):
    return ask(stack, f"/api/v1/media/{attachment}/original", headers={"Authorization": f"Bearer {person.token}", **headers})


def test_a_picture(stack, store, pair):
    a, b, conversation = pair
    attachment = upload(a, media.png()).json
    prefix = f"ren/{attachment['id'][:2]}/{attachment['id']}"
    assert store.names(attachment["id"]) == [f"{prefix}/std.webp", f"{prefix}/thumb.webp"]
    assert not local(stack, attachment["id"]).exists(), "and not on this disk"
    send(a, conversation, attachment["id"])
    reply = ask(stack, link(attachment))
    assert reply.image.size == (64, 48) and reply.body == store.path(f"{prefix}/std.webp").read_bytes()
    assert {k: reply.headers.get(k) for k in ("content-type", "cache-control", "x-content-type-options", "content-security-policy",
                                              "cross-origin-resource-policy", "referrer-policy", "content-length")} == {
        "content-type": "image/webp", "cache-control": "private, max-age=86400, immutable", "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'", "cross-origin-resource-policy": "same-site",
        "referrer-policy": "no-referrer", "content-length": str(len(reply.body))}
    assert not [h for h in reply.headers if h.startswith("x-amz")]
    part = ask(stack, link(attachment), headers={"Range": "bytes=4-11"})
    assert part.status == 206 and part.body == reply.body[4:12] and part.headers["content-range"] == f"bytes 4-11/{len(reply.body)}"
    assert ask(stack, link(attachment), headers={"If-None-Match": reply.headers["etag"]}).status == 304
    head = ask(stack, link(attachment), "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(reply.body)))
    saved = ask(stack, b.rest.get(f"/attachments/{attachment['id']}")["download_url"])
    assert saved.body == reply.body and saved.headers["content-type"] == "image/webp"
    assert saved.headers["content-disposition"].startswith('attachment; filename="picture.webp"') and saved.headers["cache-control"] == "no-store"


def test_sound(stack, store, pair, tmp_path):
    attachment = upload(pair[0], media.sound(tmp_path, 0.5), to="audio").json
    assert [n.rpartition("/")[2] for n in store.names(attachment["id"])] == ["aac.m4a", "opus.webm"]
    for rendition, kind in zip(attachment["renditions"], ("audio/mp4", "audio/webm")):
        reply = ask(stack, rendition["url"])
        assert (reply.status, reply.headers["content-type"], len(reply.body)) == (200, kind, rendition["size"])
        part = ask(stack, rendition["url"], headers={"Range": f"bytes={rendition['size'] // 2}-"})
        assert part.status == 206 and part.body == reply.body[rendition["size"] // 2:]


@pytest.mark.parametrize("size", [1, 300_000, 5 << 20, (12 << 20) + 7])
def test_files(stack, store, pair, size):
    """The last one is put in three parts."""
    a, b, conversation = pair
    data = os.urandom(size)
    before = len(store.requests())
    attachment = put(a, data, filename="a b.bin").json
    assert truth.rows(stack, "SELECT digest, bytes FROM attachment WHERE id = %s", attachment["id"]) == [(hashlib.sha256(data).hexdigest(), size)]
    asked = store.requests()[before:]
    assert len([line for line in asked if "partNumber=" in line]) == (3 if size > 5 << 20 else 0), asked
    send(a, conversation, attachment["id"], message_type="file")
    reply = download(stack, b, attachment["id"])
    assert reply.status == 200 and reply.body == data
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"] == "attachment; filename=\"a b.bin\"; filename*=UTF-8''a%20b.bin"
    assert download(stack, Person(stack), attachment["id"]).status == 404
    assert ask(stack, signed(stack, attachment["id"], int(time.time()) + 60, "original")).status == 404, "no link leads to an original"


def test_ranges(stack, pair):
    data = os.urandom(100_000)
    url = pair[0].rest.get(f"/attachments/{put(pair[0], data)['id']}")["download_url"]
    etag = ask(stack, url).headers["etag"]
    for asked, answer in (("bytes=0-9", data[:10]), ("bytes=500-999", data[500:1000]), ("bytes=99990-", data[99990:])):
        reply = ask(stack, url, headers={"Range": asked, "If-Range": etag})
        assert (reply.status, reply.body) == (206, answer), asked
        assert reply.headers["content-range"].endswith("/100000") and reply.headers["content-disposition"].startswith("attachment")
    assert ask(stack, url, headers={"Range": "bytes=100000-"}).status == 416
    assert ask(stack, url, headers={"If-None-Match": etag}).status == 304


def test_a_link_is_checked_before_the_store_is_asked(stack, store, pair):
    attachment = upload(pair[0], media.png()).json
    good = link(attachment)
    before = len(store.requests())
    for bad, status in ((good.replace("/std.", "/hd."), 404), (re.sub(r"/m/\d+/", f"/m/{int(time.time()) + 99}/", good), 404),
                        (signed(stack, attachment["id"], int(time.time()) - 1), 410), (good + "x", 404), ("/_peal/s3/http/127.0.0.1/peal/x", 404)):
        assert ask(stack, bad).status == status, bad
    asked = [line for line in store.requests()[before:] if line.startswith("GET /peal/ren/")]
    assert len(asked) == 1 and "hd.webp" in asked[0] and asked[0].endswith(" 404"), "only what is well signed is looked for"
    assert ask(stack, good).status == 200


def test_deleting_is_revocation(stack, store, pair):
    a, b, conversation = pair
    picture, file = upload(a, media.png()).json, put(a, b"to be deleted").json
    url = b.rest.get
    first, second = send(a, conversation, picture["id"]).json, send(a, conversation, file["id"], message_type="file").json
    urls = [r["url"] for r in picture["renditions"]] + [url(f"/attachments/{x['id']}")["download_url"] for x in (picture, file)]
    assert [ask(stack, u).status for u in urls] == [200] * 4
    for message in (first, second):
        a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
    at_once(stack, "the files are gone", lambda: not store.names(picture["id"]) and not store.names(file["id"]))
    for u in urls:
        reply = ask(stack, u)
        assert (reply.status, reply.json["code"]) == (404, "not_found"), u
    eventually("the rows go too", lambda: truth.rows(stack, "SELECT count(*) FROM attachment WHERE id IN (%s, %s)", picture["id"], file["id"]) == [(0,)])


def test_what_was_on_disk_before_stays(stack, store, pair):
    """An installation that changes over: its files are served, and go with their messages."""
    a, b, conversation = pair
    attachment = upload(a, media.png()).json
    folder = local(stack, attachment["id"])
    folder.mkdir(parents=True)
    owner = (stack.dir / "media").stat()
    for key in store.names(attachment["id"]):
        data = store.path(key).read_bytes()
        (folder / key.rpartition("/")[2]).write_bytes(data)
        for path in store.path(key).parent.glob(f"{key.rpartition('/')[2]}*"):
            path.unlink()
    for path in (folder.parent, folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
    assert not store.names(attachment["id"])
    message = send(a, conversation, attachment["id"]).json
    assert ask(stack, link(attachment)).image.size == (64, 48)
    assert download(stack, b, attachment["id"]).status == 200
    a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
    at_once(stack, "its file is gone", lambda: not folder.exists())
    assert ask(stack, link(attachment)).status == 404


def test_sweeping(stack, store, pair):
    """What waited too long for a message; and what was put and never registered, once it is a day old."""
    old, young = upload(pair[0], media.png()).json, upload(pair[0], media.png()).json
    truth.rows(stack, "UPDATE attachment SET created_at = now() - interval '25 hours' WHERE id = %s", old["id"])
    eventually("it is swept", lambda: not store.names(old["id"]))
    assert ask(stack, link(old)).status == 404 and ask(stack, link(young)).status == 200

    leftover, fresh = "10" + os.urandom(15).hex(), "10" + os.urandom(15).hex()
    yesterday = time.time() - 25 * 3600
    source = store.path(store.names(young["id"])[0])
    for name in (leftover, fresh):
        for part in source.parent.glob("std.webp*"):
            target = store.path(f"ren/10/{name}/x").parent / part.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(part.read_bytes())
    for path in store.path(f"ren/10/{leftover}/x").parent.iterdir():
        os.utime(path, (yesterday, yesterday))
    for key in store.names(young["id"]):
        for path in store.path(key).parent.iterdir():
            os.utime(path, (yesterday, yesterday))
    stack.restart("peal-media")
    eventually("it is swept", lambda: not store.names(leftover), 60)
    assert store.names(fresh) and store.names(young["id"])
    for path in store.path(f"ren/10/{fresh}/x").parent.iterdir():
        path.unlink()


def verify(stack, *options):
    return stack.pealctl(*options, "media", "verify", check=False)


def test_verify(stack, store, pair, tmp_path):
    person = Person(stack)
    before = json.loads(verify(stack, "--json").stdout)
    assert before["bad"] == 0
    picture, file = upload(person, media.png()).json, put(person, os.urandom(70_000)).json
    note = upload(person, media.sound(tmp_path, 0.5), to="audio").json
    good = json.loads(verify(stack, "--json").stdout)
    assert good == {"attachments": before["attachments"] + 3, "files": before["files"] + 5, "shared": 0, "bad": 0}
    thumb, opus = store.names(picture["id"])[1], store.names(note["id"])[1]
    for part in store.path(thumb).parent.glob("thumb.webp*"):
        part.unlink()
    store.path(opus).write_bytes(b"short")
    original = store.path(store.names(file["id"])[0])
    data = original.read_bytes()
    original.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    bad = verify(stack)
    assert bad.returncode == 1 and sorted(bad.stdout.splitlines()[:-1]) == sorted([
        f"{picture['id']}/thumb.webp: is not there", f"{note['id']}/opus.webm: has another length than when it was stored",
        f"{file['id']}/original: is not what was stored"])


class Away:
    """The store is killed, or hangs, until the end of the block."""

    def __init__(self, store, how):
        self.store, self.how = store, how

    def __enter__(self):
        if self.how == "dead":
            self.store.stop()
        else:
            self.store.process.send_signal(signal.SIGSTOP)

    def __exit__(self, *error):
        if self.how == "dead":
            self.store.start()
        else:
            self.store.process.send_signal(signal.SIGCONT)


def refuses(stack, store, a, b, conversation, way, back):
    """Uploads are refused, and leave nothing; everything else goes on; what is deleted meanwhile is removed when the store is back."""
    sent, kept = upload(a, media.png()).json, upload(a, media.png()).json
    message = send(a, conversation, sent["id"]).json
    counted = "SELECT count(*), (SELECT bytes FROM media_usage WHERE user_id = %s) FROM attachment"
    before = truth.rows(stack, counted, int(a.id))
    way()
    try:
        reply = upload(a, media.png(), expect=None)
        assert (reply.status, reply.code, reply["retryable"]) == (503, "unavailable", True) and reply.headers["retry-after"]
        reply = put(a, b"some bytes", expect=None)
        assert (reply.status, reply.code) == (503, "unavailable")
        assert truth.rows(stack, counted, int(a.id)) == before
        yield kept
        a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
        b.rest.get(f"/attachments/{sent['id']}", expect=(404, "not_found"))
        failed = verify(stack)
        assert failed.returncode == 1 and "object store" in failed.stderr
    finally:
        back()
    eventually("it is gone when the store is back", lambda: not store.names(sent["id"]), 60)
    assert ask(stack, link(kept)).status == 200 and upload(a, media.png())["state"] == "ready"


def test_when_the_store_is_dead(stack, store, pair):
    for kept in refuses(stack, store, *pair, store.stop, store.start):
        reply = ask(stack, link(kept))
        assert (reply.status, reply.json["code"], reply.json["retryable"]) == (503, "unavailable", True)
    known = {r[0] for r in truth.rows(stack, "SELECT id FROM attachment")}
    assert {n.split("/")[2] for n in store.names()} <= known, "nothing is left of what was refused"


def test_when_the_store_hangs(new_stack, store):
    """It takes connections and says nothing. What it was asked it may do when it wakes up: that is swept a day later."""
    with new_stack(settings={**store.settings, "s3_timeout_seconds": 2}) as stack:
        began = time.monotonic()
        for _ in refuses(stack, store, *make_pair(stack), lambda: store.process.send_signal(signal.SIGSTOP),
                         lambda: store.process.send_signal(signal.SIGCONT)):
            assert time.monotonic() - began < 60


def test_what_fails_for_a_moment_is_tried_again(stack, store, pair):
    slow, before = "<Error><Code>SlowDown</Code></Error>", stack.log("peal-media").count(" s3 ")
    data = os.urandom((5 << 20) + 1)
    for faults in ([("^PUT ", 503, 2, slow)], [("^GET .*list-type", 500, 1, "")], [("uploads=", 503, 1, slow), ("partNumber=2", 500, 2, ""), ("^POST .*uploadId", 503, 1, slow)]):
        store.fail(*faults)
        attachment = put(pair[0], data).json
        assert download(stack, pair[0], attachment["id"]).body == data
    assert stack.log("peal-media").count(" s3 ") == before, "nobody needs to know"


def test_what_fails_for_good_is_taken_back(stack, store, pair):
    """A part that is refused; the whole refused in an answer that begins well; a store that is full; a picture's second file."""
    big = os.urandom((5 << 20) + 1)
    known = set(store.names())
    for faults, code in (([("partNumber=2", 403, 9, "<Error><Code>AccessDenied</Code></Error>")], (503, "unavailable")),
                         ([("^POST .*uploadId", 200, 9, "<Error><Code>InternalError</Code></Error>")], (503, "unavailable")),
                         ([("^PUT .*/original", 507, 9, "")], (507, "no_space")), ([("partNumber=1", 403, 9, "<Error><Code>QuotaExceeded</Code></Error>")], (507, "no_space"))):
        store.fail(*faults)
        before = len(store.requests())
        reply = put(pair[0], big if "original" not in faults[0][0] else b"small", expect=None)
        assert (reply.status, reply.code) == code, faults
        asked = store.requests()[before:]
        if "original" not in faults[0][0]:
            assert [line for line in asked if line.startswith("DELETE") and "uploadId=" in line], "its parts are given up"
    store.fail(("^PUT .*thumb.webp", 503, 9, ""))
    reply = upload(pair[0], media.png(), expect=None)
    assert (reply.status, reply.code) == (503, "unavailable")
    store.fail()
    assert set(store.names()) == known


def test_a_list_of_several_answers(stack, store, pair):
    """The store ends an answer when it likes to; who asks goes on behind the last key."""
    attachment = upload(pair[0], media.png()).json
    first = store.names(attachment["id"])[0]
    size = store.path(first).stat().st_size
    cut = (f"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>{first}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
           f"<Size>{size}</Size></Contents></ListBucketResult>")
    store.fail((f"list-type=2&max-keys=1000&prefix=ren%2F{attachment['id'][:2]}%2F{attachment['id']}%2F$", 200, 1, cut))
    send_ = send(pair[0], pair[2], attachment["id"]).json
    pair[0].rest.delete(f"/messages/{send_['id']}", query={"for": "everyone"}, expect=200)
    at_once(stack, "its files are gone", lambda: not store.names(attachment["id"]))
    assert [line for line in store.requests() if "start-after=ren%2F" in line]


def test_a_wrong_key_and_no_bucket(new_stack, store, tmp_path):
    wrong = store.folder / "wrong"
    wrong.write_text("S3RVER\nanother\n")
    wrong.chmod(0o644)
    for settings, code in (({"s3_key_file": wrong}, "SignatureDoesNotMatch"), ({"s3_bucket": "absent"}, "NoSuchBucket")):
        with new_stack(settings={**store.settings, **settings}) as stack:
            reply = upload(Person(stack), media.png(), expect=None)
            assert (reply.status, reply.code) == (503, "unavailable")
            assert stack.log_line(f"code={code}"), "the log says why"


def test_an_archive_of_everything(stack, store, pair):
    """Its files come from the store, it goes there, and is removed from there."""
    a, b, conversation = pair
    data = os.urandom((6 << 20) + 5)
    file = put(a, data, filename="mine.bin").json
    send(a, conversation, file["id"], message_type="file")
    id_ = a.rest.post("/me/export", expect=201)["id"]
    eventually("ready", lambda: a.rest.get(f"/me/export/{id_}", expect=200)["state"] == "ready", 40)
    assert store.names(id_) == [f"ren/{id_[:2]}/{id_}/original"] and not local(stack, id_).exists()
    shown = a.rest.get(f"/me/export/{id_}", expect=200)
    reply = ask(stack, shown["download_url"])
    assert (reply.status, len(reply.body), hashlib.sha256(reply.body).hexdigest()) == (200, shown["size"], shown["sha256"])
    with zipfile.ZipFile(io.BytesIO(reply.body)) as z:
        assert z.testzip() is None
        (name,) = [n for n in z.namelist() if n.startswith("files/")]
        assert z.read(name) == data and name.endswith("-1-mine.bin")
    truth.rows(stack, "UPDATE export SET expires_at = now() WHERE id = %s", id_)
    stack.restart("peal-jobs")
    eventually("removed", lambda: not store.names(id_), 40)
