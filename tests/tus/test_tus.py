"""Uploads in pieces: tus 1.0.0, through nginx as it is installed."""

import hashlib
import os
import random
import time

import pytest

from peal import media, truth
from peal.busy import eventually
from peal.files import under
from peal.media import ask, send
from peal.people import Person
from peal.tus import OCTETS, ROOT, Slow, begin, call, checksum, head, metadata, offset, patch

STACK = {"settings": {"rate_upload_per_minute": 5000, "rate_read_per_minute": 50000, "media_tus_per_user": 1000}}
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"


def own_folder(stack, person):
    return stack.dir / "media" / "tus" / person.id


def files_of(stack, person):
    return sorted(p.name for p in under(own_folder(stack, person)))


def backdate(stack, person, path, suffix, hours):
    then = time.time() - hours * 3600
    os.utime(own_folder(stack, person) / (path.rsplit("/", 1)[1] + suffix), (then, then))


def attachment_of(reply):
    return reply.headers["peal-attachment"]


def downloaded(stack, person, attachment):
    reply = ask(stack, person.rest.get(f"/attachments/{attachment}", expect=200)["download_url"])
    assert reply.status == 200
    return reply.body


def test_what_is_spoken(stack):
    """Before anybody has signed in, and without Tus-Resumable."""
    reply = ask(stack, ROOT, "OPTIONS")
    assert reply.status == 204
    assert {k: reply.headers[k] for k in ("tus-resumable", "tus-version", "tus-extension", "tus-checksum-algorithm", "tus-max-size")} == {
        "tus-resumable": "1.0.0", "tus-version": "1.0.0", "tus-extension": EXTENSIONS, "tus-checksum-algorithm": "sha1,sha256",
        "tus-max-size": str(200 << 20)}


@pytest.mark.parametrize("pieces", [[1000], [1, 998, 1], [0, 500, 0, 500], [250] * 4])
def test_piece_by_piece(stack, someone, pieces):
    data = os.urandom(1000)
    path = begin(someone, len(data), filename="a b ü.bin")
    at = 0
    for n in pieces:
        got = head(someone, path)
        assert (got.headers["upload-offset"], got.headers["upload-length"]) == (str(at), "1000")
        assert got.headers["upload-metadata"] == metadata(filename="a b ü.bin") and got.headers["cache-control"] == "no-store"
        reply = patch(someone, path, at, data[at:at + n])
        at += n
        assert reply.headers["upload-offset"] == str(at) and reply.raw == b"" and reply.headers["tus-resumable"] == "1.0.0"
        assert ("peal-attachment" in reply.headers) == (at == 1000)
    one = someone.rest.get(f"/attachments/{attachment_of(reply)}", expect=200).json
    assert (one["kind"], one["name"], one["size"], one["state"]) == ("file", "a b ü.bin", 1000, "ready")
    assert downloaded(stack, someone, one["id"]) == data
    assert truth.rows(stack, "SELECT digest FROM attachment WHERE id = %s", one["id"]) == [(hashlib.sha256(data).hexdigest(),)]
    again = head(someone, path)
    assert attachment_of(again) == one["id"] and again.headers["upload-offset"] == "1000"
    assert attachment_of(patch(someone, path, 1000, b"")) == one["id"]


def test_all_at_once(stack, someone):
    data = os.urandom(100_000)
    reply = call(someone, "POST", ROOT, data, expect=201, Upload_Length=len(data), Upload_Metadata=metadata(filename="x.bin"))
    assert reply.headers["upload-offset"] == str(len(data)) and "upload-expires" in reply.headers
    assert downloaded(stack, someone, attachment_of(reply)) == data
    assert attachment_of(head(someone, reply.headers["location"])) == attachment_of(reply)


def test_begun_with_the_first_bytes(stack, someone):
    data = os.urandom(5000)
    reply = call(someone, "POST", ROOT, data[:2000], expect=201, Upload_Length=len(data))
    assert reply.headers["upload-offset"] == "2000" and "peal-attachment" not in reply.headers
    last = patch(someone, reply.headers["location"], 2000, data[2000:])
    assert downloaded(stack, someone, attachment_of(last)) == data


KINDS = {
    "image": (lambda folder: media.png(), dict(kind="image", filename="p.png"), ["std", "thumb"]),
    "hd": (lambda folder: media.png(), dict(kind="image", quality="hd"), ["hd", "thumb"]),
    "audio": (lambda folder: media.sound(folder, 1), dict(kind="audio"), ["aac", "opus"]),
    "film": (lambda folder: media.film(folder, "h264 and aac", 1), dict(kind="video"), ["video", "poster", "thumb"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(someone, tmp_path, name):
    """The finished upload is the same attachment."""
    make, pairs, renditions = KINDS[name]
    data = make(tmp_path)
    path = begin(someone, len(data), **pairs)
    half = len(data) // 2
    patch(someone, path, 0, data[:half])
    one = someone.rest.get(f"/attachments/{attachment_of(patch(someone, path, half, data[half:]))}", expect=200).json
    assert (one["kind"], [r["name"] for r in one["renditions"]]) == (pairs["kind"], renditions)


def begin_by(person, key, length, body=None, expect=201, **pairs):
    return call(person, "POST", ROOT, body, expect=expect, Upload_Length=length, Upload_Metadata=metadata(**pairs or {"filename": "a"}),
                Idempotency_Key=key)


def test_begun_again(stack, pair):
    """The answer was lost: the same key finds the upload, however far it is, and no second one is there."""
    a, b, _ = pair
    first = begin_by(a, "one", 10)
    path = first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    for at, more in (0, b"0123"), (4, b"456789"):
        again = begin_by(a, "one", 10, expect=200)
        assert {k: again.headers[k] for k in ("location", "upload-offset", "idempotency-replayed")} == {
            "location": path, "upload-offset": str(at), "idempotency-replayed": "true"}
        last = patch(a, path, at, more)
    again = begin_by(a, "one", 10, expect=200)
    assert (attachment_of(again), again.headers["upload-offset"]) == (attachment_of(last), "10")
    assert truth.rows(stack, "SELECT count(*) FROM attachment WHERE owner_id = %s", int(a.id)) == [(1,)]
    begin_by(a, "one", 11, expect=(409, "idempotency_conflict"))
    begin_by(a, "one", 10, expect=(409, "idempotency_conflict"), filename="b")
    assert begin_by(a, "two", 10).headers["location"] != path
    assert begin_by(b, "one", 10).headers["location"] != path
    assert files_of(stack, b) and head(b, path, 404)
    for bad in ("k" * 65, "k" * 2000):
        begin_by(a, bad, 10, expect=(400, "invalid"))


def test_begun_again_with_bytes(stack):
    """They are not taken twice, nor between others; a retry ends the request whose line is dead."""
    person, data = Person(stack), os.urandom(3000)
    line = Slow(stack, person, ROOT, 0, 3000, method="POST", Upload_Length=3000, Idempotency_Key="bytes", Upload_Metadata=metadata(filename="a"))
    line.send(data[:1000])
    eventually("it has begun", lambda: any(p.stat().st_size == 1000 for p in own_folder(stack, person).glob("?" * 32)))
    again = begin_by(person, "bytes", 3000, data, expect=200)
    assert again.headers["upload-offset"] == "1000" and "peal-attachment" not in again.headers
    line.cut()
    last = patch(person, again.headers["location"], 1000, data[1000:])
    assert downloaded(stack, person, attachment_of(last)) == data
    assert attachment_of(begin_by(person, "bytes", 3000, data, expect=200)) == attachment_of(last)


def test_begun_again_when_it_was_refused_or_is_gone(stack):
    person = Person(stack)
    begin_by(person, "bad", 9, b"no film!!", expect=(415, "unsupported_type"), kind="video")
    begin_by(person, "bad", 9, b"no film!!", expect=(415, "unsupported_type"), kind="video")
    path = begin_by(person, "gone", 5).headers["location"]
    call(person, "DELETE", path, expect=204)
    assert begin_by(person, "gone", 5).headers["location"] == path
    backdate(stack, person, path, "", 25)
    assert begin_by(person, "gone", 6).headers["upload-offset"] == "0"      # what had begun has expired, and is nothing any more
    backdate(stack, person, path, "", 0)
    (own_folder(stack, person) / (path.rsplit("/", 1)[1] + ".open")).unlink()
    assert begin_by(person, "gone", 7).headers["upload-offset"] == "0"      # as a death between two files leaves it


def test_a_message_uses_it(stack, pair):
    a, b, conversation = pair
    path = begin(a, 10)
    one = attachment_of(patch(a, path, 0, b"0123456789"))
    send(a, conversation, one, message_type="file")
    assert downloaded(stack, b, one) == b"0123456789"
    assert files_of(stack, a) == [f"{path.rsplit('/', 1)[1]}.over"]


def test_cut_and_resumed(stack, someone):
    """What came before the line broke is kept; nobody sees any of it before it is whole."""
    data = random.Random(7).randbytes(3_000_000)
    path = begin(someone, len(data))
    at = 0
    while at < len(data):
        line = Slow(stack, someone, path, at, len(data) - at)
        line.send(data[at:at + 700_001])
        if at + 700_001 >= len(data):
            reply = line.reply()
            assert reply.status == 204
            break
        want = at + 700_001
        eventually("what was sent has come", lambda: sum(p.stat().st_size for p in own_folder(stack, someone).glob(path.rsplit("/", 1)[1])) == want)
        line.cut()
        at = offset(someone, path)
        assert at == want
        assert truth.rows(stack, "SELECT count(*) FROM attachment WHERE owner_id = %s AND size = %s", int(someone.id), len(data)) == [(0,)]
    assert downloaded(stack, someone, attachment_of(reply)) == data


def test_the_newest_request_wins(stack, someone):
    """The older one hangs on a line that is dead and does not know it."""
    data = os.urandom(200_000)
    path = begin(someone, len(data))
    stale = Slow(stack, someone, path, 0, len(data))
    stale.send(data[:100_000])
    eventually("it has come", lambda: (own_folder(stack, someone) / path.rsplit("/", 1)[1]).stat().st_size == 100_000)
    assert offset(someone, path) == 100_000
    old = stale.reply()
    assert (old.status, old.code) == (409, "conflict")
    stale.cut()
    assert downloaded(stack, someone, attachment_of(patch(someone, path, 100_000, data[100_000:]))) == data


def test_length_unknown_to_http(stack, someone):
    """Transfer-Encoding: chunked, and one byte too many."""
    data = os.urandom(50_000)
    path = begin(someone, len(data))
    line = Slow(stack, someone, path, 0, None)
    for i in range(0, len(data), 9999):
        line.chunk(data[i:i + 9999])
    line.chunk(b"")
    assert downloaded(stack, someone, attachment_of(line.reply())) == data
    path = begin(someone, 10)
    line = Slow(stack, someone, path, 0, None)
    line.chunk(b"x" * 11)
    assert (line.reply().status, offset(someone, path)) == (413, 0)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_checksums(stack, someone, algorithm):
    data = os.urandom(70_000)
    path = begin(someone, len(data))
    patch(someone, path, 0, data[:30_000], Upload_Checksum=checksum(data[:30_000], algorithm))
    wrong = bytes([data[30_000] ^ 1]) + data[30_001:]
    patch(someone, path, 30_000, wrong, (460, "checksum_mismatch"), Upload_Checksum=checksum(data[30_000:], algorithm))
    assert offset(someone, path) == 30_000
    last = patch(someone, path, 30_000, data[30_000:], Upload_Checksum=checksum(data[30_000:], algorithm))
    assert downloaded(stack, someone, attachment_of(last)) == data


def test_a_cut_piece_with_a_checksum_counts_not_at_all(stack, someone):
    data = os.urandom(70_000)
    path = begin(someone, len(data))
    line = Slow(stack, someone, path, 0, len(data), Upload_Checksum=checksum(data))
    line.send(data[:50_000])
    line.cut()
    assert offset(someone, path) == 0
    assert downloaded(stack, someone, attachment_of(patch(someone, path, 0, data, Upload_Checksum=checksum(data)))) == data


@pytest.mark.parametrize("text", ["md5 XrY7u+Ae7tCTyyK7j1rNww==", "sha1", "sha1 ", "sha1 !!", "sha1 AAAA", "SHA1 " + checksum(b"")[5:], "crc32 AAAAAA=="])
def test_checksums_that_are_none(stack, someone, text):
    path = begin(someone, 10)
    patch(someone, path, 0, b"x" * 10, (400, "invalid"), Upload_Checksum=text)
    assert offset(someone, path) == 0


def test_offsets(stack, someone):
    path = begin(someone, 10)
    patch(someone, path, 0, b"01234")
    for at in (0, 4, 6, 10, 1 << 62):
        reply = patch(someone, path, at, b"5", (409, "offset_conflict"))
        assert reply.headers["upload-offset"] == "5"
    for at in ("", "-1", "05", "x", "5 5", str(1 << 64)):
        assert call(someone, "PATCH", path, b"5", Upload_Offset=at).code == "invalid"
    patch(someone, path, 5, b"567890", (413, "too_large"))
    assert offset(someone, path) == 5


def test_another_type_of_body(stack, someone):
    path = begin(someone, 10)
    for kind in ("application/octet-stream", "text/plain", "", OCTETS + "x"):
        assert call(someone, "PATCH", path, b"0", Upload_Offset=0, Content_Type=kind).code == "unsupported_media_type"
    assert call(someone, "POST", ROOT, b"0", Upload_Length=10, Content_Type="text/plain").code == "unsupported_media_type"
    assert patch(someone, path, 0, b"01", Content_Type=OCTETS.upper() + "; a=b").status == 204


@pytest.mark.parametrize("method, below", [("POST", False), ("HEAD", True), ("PATCH", True), ("DELETE", True)])
def test_versions(stack, someone, method, below):
    path = begin(someone, 10) if below else ROOT
    for version in (None, "0.2.2", "1.0", "1.0.0 "):
        reply = call(someone, method, path, version=version, Upload_Length=5, Upload_Offset=0, Content_Type=OCTETS)
        if version and version.strip() == "1.0.0":
            continue        # blanks around a value are HTTP's
        assert (reply.status, reply.headers["tus-version"]) == (412, "1.0.0")
        assert method == "HEAD" or reply.code == "tus_version"


def test_another_method_instead(stack, someone):
    """For clients that cannot say PATCH or DELETE."""
    path = begin(someone, 4)
    headers = {"Authorization": f"Bearer {someone.token}", "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": OCTETS}
    reply = ask(stack, path, "POST", b"1234", {**headers, "X-HTTP-Method-Override": "PATCH"})
    assert reply.status == 204 and attachment_of(reply)
    assert ask(stack, path, "POST", headers={**headers, "X-HTTP-Method-Override": "DELETE"}).status == 204
    head(someone, path, 404)


def test_methods_that_are_none(stack, someone):
    path = begin(someone, 4)
    for method, where, allow in (("GET", path, "HEAD, PATCH, DELETE"), ("PUT", path, "HEAD, PATCH, DELETE"), ("POST", path, "HEAD, PATCH, DELETE"),
                                 ("GET", ROOT, "OPTIONS, POST"), ("DELETE", ROOT, "OPTIONS, POST")):
        reply = ask(stack, where, method, headers={"Authorization": f"Bearer {someone.token}", "Tus-Resumable": "1.0.0"})
        assert (reply.status, reply.json["code"], reply.headers["allow"]) == (405, "method_not_allowed", allow)


LENGTHS = {"": "invalid", "x": "invalid", "-1": "invalid", "01": "invalid", "1.5": "invalid", "0": "empty", str((200 << 20) + 1): "too_large", str(1 << 63): "invalid"}


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths(stack, someone, length):
    assert call(someone, "POST", Upload_Length=length).code == LENGTHS[length]


def test_lengths_by_kind(stack, someone):
    begin(someone, (25 << 20) + 1, expect=(413, "too_large"), kind="image")
    begin(someone, (16 << 20) + 1, expect=(413, "too_large"), kind="audio")
    for kind in ("image", "audio", "video", "file"):
        call(someone, "DELETE", begin(someone, 16 << 20, kind=kind), expect=204)


def test_what_is_not_spoken(stack, someone):
    assert call(someone, "POST", Upload_Defer_Length=1).code == "invalid"
    assert call(someone, "POST", Upload_Length=5, Upload_Concat="partial").code == "invalid"


BAD_METADATA = ["filename", "filename !", "kind Zm9v", "filename eA==,filename eQ==", ",", "a b c", "ä eA==", "filename /w==", "quality eA==", "filename eA=", "kind", "x" * 4097]


@pytest.mark.parametrize("text", BAD_METADATA)
def test_metadata_that_is_none(stack, someone, text):
    reply = call(someone, "POST", Upload_Length=5, Upload_Metadata=text.encode("utf-8").decode("latin-1"))
    if text == "filename":      # an empty name is none
        assert reply.status == 201
    else:
        assert reply.code == "invalid" and reply.json["errors"][0]["path"] == "Upload-Metadata", reply


def test_metadata_of_others(stack, someone):
    """What clients add for themselves comes back, and means nothing."""
    text = "relativePath bnVsbA==,is_confidential," + metadata(filename="x", filetype="image/png")
    path = call(someone, "POST", expect=201, Upload_Length=5, Upload_Metadata=text).headers["location"]
    assert head(someone, path).headers["upload-metadata"] == text


def test_a_stranger_finds_nothing(stack, someone):
    stranger = Person(stack)
    path = begin(someone, 10)
    head(stranger, path, 404)
    patch(stranger, path, 0, b"x", (404, "not_found"))
    call(stranger, "DELETE", path, expect=(404, "not_found"))
    assert offset(someone, path) == 0
    for bad in (f"{ROOT}/{'0' * 32}", f"{ROOT}/x", f"{ROOT}/", f"{path}/", f"{path[:-1]}G", f"{path}?x=y"):
        call(someone, "DELETE", bad, expect=204 if "?" in bad else (404, "not_found"))


def test_nobody(stack, someone):
    """Refused before the body is read."""
    path = begin(someone, 1 << 20)
    for where, method in ((path, "PATCH"), (ROOT, "POST")):
        for token, code in ((None, "unauthenticated"), ("x.y.z", "unauthenticated")):
            reply = someone.rest.call(method, where.removeprefix("/api/v1"), token=token, valid=False, headers={"Tus-Resumable": "1.0.0", "Upload-Length": "5"})
            assert (reply.status, reply.code) == (401, code)
    line = Slow(stack, type("nobody", (), {"token": "a.b.c"}), path, 0, 1 << 20)
    assert line.reply().status == 401
    line.cut()


def test_termination(stack, someone):
    path = begin(someone, 100)
    patch(someone, path, 0, b"x" * 50)
    name = path.rsplit("/", 1)[1]
    assert name in files_of(stack, someone)
    call(someone, "DELETE", path, expect=204)
    assert not [f for f in files_of(stack, someone) if f.startswith(name)]
    head(someone, path, 404)
    call(someone, "DELETE", path, expect=(404, "not_found"))


def test_terminated_while_it_comes(stack, someone):
    path = begin(someone, 100_000)
    line = Slow(stack, someone, path, 0, 100_000)
    line.send(b"x" * 50_000)
    eventually("it has come", lambda: (own_folder(stack, someone) / path.rsplit("/", 1)[1]).stat().st_size == 50_000)
    call(someone, "DELETE", path, expect=204)
    assert line.reply().status == 409
    line.cut()
    head(someone, path, 404)


def test_what_can_not_be_decoded(stack, someone):
    """The last piece is answered with the refusal, and so is whoever asks later; the bytes are gone."""
    data = media.png()[:60]
    path = begin(someone, len(data), kind="image")
    patch(someone, path, 0, data, (422, "corrupt"))
    assert files_of(stack, someone).count(path.rsplit("/", 1)[1] + ".over") == 1
    head(someone, path, 422)
    patch(someone, path, len(data), b"", (422, "corrupt"))
    call(someone, "DELETE", path, expect=204)
    path = begin(someone, 5, kind="image")
    patch(someone, path, 0, b"hello", (415, "unsupported_type"))
    head(someone, path, 415)


def test_expiry(stack):
    person = Person(stack)
    old, young, over = begin(person, 100), begin(person, 100), begin(person, 4)
    patch(person, old, 0, b"x")
    patch(person, over, 0, b"done")
    expires = time.mktime(time.strptime(head(person, young).headers["upload-expires"], "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
    assert abs(expires - time.time() - 24 * 3600) < 120
    backdate(stack, person, old, "", 25)
    backdate(stack, person, over, ".over", 25)
    head(person, old, 410)
    patch(person, old, 1, b"y", (410, "gone"))
    head(person, over, 410)
    stray = own_folder(stack, person) / ("ab" * 16)
    stray.write_bytes(b"bytes that nothing knows of")
    os.chown(stray, own_folder(stack, person).stat().st_uid, own_folder(stack, person).stat().st_gid)
    then = time.time() - 7200
    os.utime(stray, (then, then))
    stack.restart("peal-media")
    names = {p: p.rsplit("/", 1)[1] for p in (old, young, over)}
    eventually("what is due has gone", lambda: {f[:32] for f in files_of(stack, person)} == {names[young]})
    head(person, old, 404)
    assert offset(person, young) == 0


def test_other_pages(stack, someone):
    """CORS: what a browser asks before, and may read after."""
    origin = stack.url
    reply = ask(stack, f"{ROOT}/{'0' * 32}", "OPTIONS", headers={"Origin": origin, "Access-Control-Request-Method": "PATCH"})
    assert reply.status == 204
    allowed = {h.strip().lower() for h in reply.headers["access-control-allow-headers"].split(",")}
    assert {"tus-resumable", "upload-length", "upload-offset", "upload-metadata", "upload-checksum", "authorization", "content-type"} <= allowed
    reply = call(someone, "POST", expect=201, Upload_Length=5, Origin=origin)
    exposed = {h.strip().lower() for h in reply.headers["access-control-expose-headers"].split(",")}
    assert reply.headers["access-control-allow-origin"] == origin
    assert {"location", "upload-offset", "upload-length", "upload-expires", "tus-resumable", "peal-attachment"} <= exposed
