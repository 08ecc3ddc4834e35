"""Files: kept byte for byte, called what they may be called, downloaded and never shown."""

import contextlib
import hashlib
import http.client
import json
import os
import select
import socket
import time

import pytest

from peal import files, media, truth
from peal.busy import at_once
from peal.media import ask, form, send, signed, upload
from peal.people import Person


def put(person, data, kind="application/octet-stream", expect=201, **query):
    return upload(person, data, kind, expect, to="file", **query)


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "sender")


CONTENTS = {
    "noise": os.urandom(300_000),
    "one byte": b"x",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "a picture with its place": media.oriented(media.photo(80, 60), 6),
    "zip": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_comes_back_is_what_was_sent(stack, pair, name):
    a, b, conversation = pair
    data = CONTENTS[name]
    attachment = put(a, data, "text/html", filename="report.html").json
    assert {k: attachment[k] for k in ("kind", "mime", "size", "name", "state", "renditions", "width", "thumbhash", "duration_ms")} == {
        "kind": "file", "mime": "application/octet-stream", "size": len(data), "name": "report.html", "state": "ready", "renditions": [],
        "width": None, "thumbhash": None, "duration_ms": None}
    assert truth.rows(stack, "SELECT digest, bytes FROM attachment WHERE id = %s", attachment["id"]) == [(hashlib.sha256(data).hexdigest(), len(data))]
    send(a, conversation, attachment["id"], message_type="file")
    detail = b.rest.get(f"/attachments/{attachment['id']}", expect=200).json
    for path, headers in ((detail["download_url"], {}), (f"/api/v1/media/{attachment['id']}/original", {"Authorization": f"Bearer {b.token}"})):
        reply = ask(stack, path, headers=headers)
        assert reply.status == 200 and reply.body == data
        assert reply.headers["content-type"] == "application/octet-stream"
        assert reply.headers["content-disposition"] == "attachment; filename=\"report.html\"; filename*=UTF-8''report.html"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["content-security-policy"] == "sandbox; default-src 'none'"
    stranger = Person(stack)
    stranger.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))


def test_ranges(stack, someone):
    data = os.urandom(100_000)
    url = someone.rest.get(f"/attachments/{put(someone, data)['id']}")["download_url"]
    etag = ask(stack, url).headers["etag"]
    for asked, answer in (("bytes=0-0", data[:1]), ("bytes=500-999", data[500:1000]), ("bytes=99990-", data[99990:]), ("bytes=-10", data[-10:])):
        reply = ask(stack, url, headers={"Range": asked, "If-Range": etag})
        assert (reply.status, reply.body) == (206, answer), asked
        assert reply.headers["content-range"].endswith("/100000") and reply.headers["content-disposition"].startswith("attachment")
    assert ask(stack, url, headers={"Range": "bytes=0-9", "If-Range": '"another"'}).status == 200
    assert ask(stack, url, headers={"Range": "bytes=100000-"}).status == 416
    assert ask(stack, url, headers={"If-None-Match": etag}).status == 304


NAMES = {
    "Bericht.pdf": "Bericht.pdf",
    "Cafe\u0301.txt": "Caf\u00e9.txt",
    "../../etc/passwd": "passwd",
    "C:\\temp\\x.exe": "x.exe",
    "harmless\u202efdp.exe": "harmlessfdp.exe",
    "\u2066a\u2069b\u200f.txt": "ab.txt",
    "a\tb\r\nSet-Cookie: x.txt": "abSet-Cookie: x.txt",
    ".htaccess": "htaccess",
    "..": None,
    "   ": None,
    "日本語.zip": "日本語.zip",
    "a" * 300 + ".txt": "a" * 255,
}


@pytest.mark.parametrize("sent", NAMES)
def test_names(stack, someone, sent):
    attachment = put(someone, b"x", filename=sent).json
    assert attachment["name"] == NAMES[sent]
    reply = ask(stack, someone.rest.get(f"/attachments/{attachment['id']}")["download_url"])
    assert reply.status == 200 and reply.headers["content-disposition"].startswith("attachment; filename=\"")
    assert "set-cookie" not in reply.headers
    if NAMES[sent] is None:
        assert 'filename="file"' in reply.headers["content-disposition"]


def test_forms(stack, someone):
    data = os.urandom(70_000)
    body, kind = form(data, filename="a b.bin")
    attachment = put(someone, body, kind).json
    assert (attachment["name"], attachment["size"]) == ("a b.bin", len(data))
    assert ask(stack, someone.rest.get(f"/attachments/{attachment['id']}")["download_url"]).body == data


def test_it_goes_with_its_message(stack, pair):
    a, b, conversation = pair
    attachment = put(a, b"to be deleted").json
    folder = stack.dir / "media" / "ren" / attachment["id"][:2] / attachment["id"]
    assert [p.name for p in folder.iterdir()] == ["original"]
    message = send(a, conversation, attachment["id"], message_type="file").json
    url = b.rest.get(f"/attachments/{attachment['id']}")["download_url"]
    a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
    at_once(stack, "its file is gone", lambda: not folder.exists())
    assert ask(stack, url).status == 404
    assert truth.rows(stack, "SELECT bytes FROM media_usage WHERE user_id = %s", int(a.id)) == [(0,)]


def test_no_link_leads_to_an_original(stack, someone):
    """Links are for what was made here; an original is given out by a worker alone."""
    attachment = put(someone, b"secret").json
    for name in ("original", "original.webp", "original.m4a", "x/../original"):
        assert ask(stack, signed(stack, attachment["id"], int(time.time()) + 60, name)).status == 404


def test_too_large_and_empty(stack, someone):
    put(someone, b"", expect=(400, "empty"))
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as s:
        s.sendall(f"POST /api/v1/messages/upload-file HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {someone.token}\r\n"
                  f"Content-Length: {210 << 20}\r\n\r\n".encode())
        reply = s.recv(65536).decode()
    assert reply.startswith("HTTP/1.1 413") and '"code":"too_large"' in reply


def in_chunks(person, to, size):
    """Somebody who does not say how much there will be; stops when there is an answer."""
    with socket.create_connection(("127.0.0.1", person.stack.port), timeout=30) as s:
        s.sendall(f"POST /api/v1/messages/upload-{to} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(size >> 16):
                s.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
                if select.select([s], [], [], 0)[0]:
                    break
            s.sendall(b"0\r\n\r\n")
        response = http.client.HTTPResponse(s, method="POST")
        response.begin()
        return response.status, json.loads(response.read())


def test_length_unknown(stack):
    """Nothing is wrong with that; the limits hold all the same, and nothing is kept of what goes beyond."""
    person = Person(stack, "chunks")
    status, attachment = in_chunks(person, "file", 1 << 20)
    assert (status, attachment["size"]) == (201, 1 << 20)
    status, problem = in_chunks(person, "image", 30 << 20)
    assert (status, problem["code"]) == (413, "too_large")
    last = time.monotonic() + 5
    while any((stack.dir / "media" / "incoming").iterdir()):
        assert time.monotonic() < last, "what was refused is gone"
        time.sleep(0.05)


def kept_bytes(stack):
    sizes = []
    for path in files.under(stack.dir / "media"):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sum(sizes)


def test_quota_counts_files(new_stack):
    with new_stack(settings={"media_user_mib": 1}) as stack:
        person = Person(stack)
        put(person, os.urandom(700_000))
        put(person, os.urandom(700_000), expect=(507, "no_space"))
        last = time.monotonic() + 5     # nginx removes the body when the reply is out
        while kept_bytes(stack) != 700_000:
            assert time.monotonic() < last, "what was refused is gone"
            time.sleep(0.05)
