"""What is not a picture, or too much of one, is refused by name, and nobody is worse off for it."""

import asyncio
import os
import pathlib
import re
import signal
import socket
import struct
import time
import zlib

import pytest
from PIL import Image

from peal import media
from peal.loop import operate, run
from peal.busy import eventually
from peal.files import under
from peal.media import ask, form, link, upload
from peal.people import Person
from peal.rest import Client

ALLOWED_LOG = [r"error peal-media\[\d+\] process_lost pid=\d+ signal=(9|SIGKILL)"]


def cut(data, share=0.5):
    return data[:int(len(data) * share)]


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width, height, body=b"", depth=8, color=2):
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)) +
            png_chunk(b"IDAT", zlib.compress(body)) + png_chunk(b"IEND", b""))


def gif_film(frames, size=(8, 8)):
    images = [Image.new("P", size, i % 250) for i in range(frames)]
    return media.encoded(images[0], "GIF", save_all=True, append_images=images[1:], duration=20)


def broken_in_the_middle(data):
    middle = len(data) // 2
    return data[:middle] + bytes(200) + data[middle + 200:]


JPEG = media.encoded(media.photo(320, 240), "JPEG")
PNG = media.encoded(media.photo(320, 240))
GIF = media.encoded(media.photo(320, 240).convert("P"), "GIF")
WEBP = media.encoded(media.photo(320, 240), "WEBP")
BOMB = png_of(50000, 50000, depth=1, color=0)

MALFORMED = {
    "nothing": (b"", 400, "empty"),
    "one byte": (b"\xff", 415, "unsupported_type"),
    "text": (b"Dear Sir or Madam", 415, "unsupported_type"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 415, "unsupported_type"),
    "pdf": (b"%PDF-1.7\n1 0 obj", 415, "unsupported_type"),
    "tiff": (media.encoded(Image.new("RGB", (9, 9)), "TIFF"), 415, "unsupported_type"),
    "bmp": (media.encoded(Image.new("RGB", (9, 9)), "BMP"), 415, "unsupported_type"),
    "imagemagick's own": (b"push graphic-context\nviewbox 0 0 640 480\nfill 'url(https://127.0.0.1/x)'\n", 415, "unsupported_type"),
    "playlist": (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", 415, "unsupported_type"),
    "zip": (b"PK\x03\x04" + bytes(100), 415, "unsupported_type"),
    "jpeg, the beginning only": (JPEG[:20], 422, "corrupt"),
    "jpeg, half": (cut(JPEG), 422, "corrupt"),
    "jpeg, its first bytes and noise": (b"\xff\xd8\xff\xe0" + os.urandom(5000), 422, "corrupt"),
    "jpeg with lengths of nothing": (b"\xff\xd8" + b"\xff\xe1\x00\x00" * 500, 422, "corrupt"),
    "png, the beginning only": (PNG[:40], 422, "corrupt"),
    "png, half": (cut(PNG), 422, "corrupt"),
    "png, broken in the middle": (broken_in_the_middle(PNG), 422, "corrupt"),
    "png of no width": (png_of(0, 10), 422, "corrupt"),
    "png without its pixels": (png_of(500, 500), 422, "corrupt"),
    "png, its first bytes and noise": (PNG[:8] + os.urandom(5000), 422, "corrupt"),
    "gif, the beginning only": (GIF[:10], 422, "corrupt"),
    "gif of no size": (b"GIF89a" + bytes(7) + b";", 422, "corrupt"),
    "webp, half": (cut(WEBP), 422, "corrupt"),
    "webp, broken size": (WEBP[:4] + b"\xff\xff\xff\x7f" + WEBP[8:40], 422, "corrupt"),
    "webp, its first bytes and noise": (b"RIFF\x00\x10\x00\x00WEBPVP8 " + os.urandom(4000), 422, "corrupt"),
    "png of 2500 megapixels in 50 kilobytes": (BOMB, 422, "too_many_pixels"),
    "jpeg that says 65500 x 65500": (re.sub(rb"(\xff\xc0\x00.\x08)....", lambda m: m[1] + b"\xff\xdc\xff\xdc", JPEG, flags=re.S), 422, "too_many_pixels"),
    "gif of 400 frames": (gif_film(400), 422, "too_many_frames"),
    "gif of 100 large frames": (gif_film(100, (1000, 1000)), 422, "too_many_pixels"),
    "too long": (JPEG + bytes(25 << 20), 413, "too_large"),
    "a form without a file": (form(PNG, name="other"), 400, "empty"),
    "a form with an empty file": (form(b""), 400, "empty"),
    "a form that is cut off": ((form(PNG)[0][:-20], form(PNG)[1]), 400, "bad_request"),
    "a form with two files": ((form(PNG)[0][:-len("--tests-boundary--\r\n")] + form(PNG)[0], form(PNG)[1]), 400, "bad_request"),
    "a form without a boundary": ((form(PNG)[0], "multipart/form-data"), 400, "bad_request"),
    "a form of another boundary": ((form(PNG)[0], "multipart/form-data; boundary=x"), 400, "empty"),
    "a form that holds text": (form(b"text"), 415, "unsupported_type"),
}


def processes(stack):
    return {p for p in stack.pids("peal-media") if "image" in command(p) or p == stack.pid("peal-media") or "-c" in command(p)}


def command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def files(stack):
    media.settle(stack)
    return set(under(stack.dir / "media"))


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "sender")


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(stack, someone, name):
    data, status, code = MALFORMED[name]
    data, kind = data if isinstance(data, tuple) else (data, "image/jpeg")
    before, stored = processes(stack), files(stack)
    began = time.monotonic()
    reply = upload(someone, data, kind, expect=(status, code))
    assert time.monotonic() - began < 15
    assert reply["detail"] and reply["request_id"] == reply.headers["x-request-id"]
    end = time.monotonic() + 5
    while processes(stack) != before and time.monotonic() < end:
        time.sleep(0.02)
    assert processes(stack) == before, "somebody died of it"
    assert files(stack) == stored, "something was left behind"
    assert upload(someone, media.png(), "image/png")["state"] == "ready"


@pytest.mark.parametrize("query, path", [("quality=best", "?quality"), ("quality=", "?quality"), ("filename=%ff", "?filename")])
def test_bad_parameters(stack, someone, query, path):
    reply = ask(stack, f"/api/v1/messages/upload-image?{query}", "POST", media.png(), {"Authorization": f"Bearer {someone.token}"})
    assert (reply.status, reply.json["code"], reply.json["errors"][0]["path"]) == (400, "invalid", path)


def test_other_methods(stack, someone):
    for method in ("GET", "PUT", "DELETE"):
        reply = ask(stack, "/api/v1/messages/upload-image", method, headers={"Authorization": f"Bearer {someone.token}"})
        assert (reply.status, reply.json["code"]) == (405, "method_not_allowed"), method
        for path in ("/messages/upload-image", "/uploads", "/uploads/1"):
            assert Client(stack.url).call(method, path, token=None, valid=False).status == 401, "who it is comes first"


def half_sent(stack, token, length):
    """What is answered to the head of an upload whose body is not sent."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as s:
        auth = f"Authorization: Bearer {token}\r\n" if token else ""
        s.sendall(f"POST /api/v1/messages/upload-image HTTP/1.1\r\nHost: x\r\n{auth}Content-Type: image/jpeg\r\n"
                  f"Content-Length: {length}\r\n\r\n".encode())
        s.settimeout(10)
        return s.recv(65536).decode()


def test_refused_before_the_body_is_read(stack, someone):
    for token in (None, "a.b.c"):
        reply = half_sent(stack, token, 20 << 20)
        assert reply.startswith("HTTP/1.1 401") and '"code":"unauthenticated"' in reply and "WWW-Authenticate: Bearer" in reply
        assert "application/problem+json" in reply and "X-Request-Id" in reply
    reply = half_sent(stack, someone.token, 100 << 20)
    assert reply.startswith("HTTP/1.1 413") and '"code":"too_large"' in reply


def test_the_door_is_not_open(stack, someone):
    """What nginx and peal-media ask the workers is not to be asked from outside, under any name."""
    token = {"Authorization": f"Bearer {someone.token}"}
    for path in ("/upload/permit", "/upload/attachment", "/api/v1/upload/permit", "/_peal/upload-permit", "/_peal/ren/",
                 "/api/v1/messages/upload-image/../../../upload/permit", "/m/", "/_peal/ren/aa/x/std.webp"):
        for method in ("GET", "POST"):
            reply = ask(stack, path, method, headers=token)
            assert reply.status == 404 and reply.json and reply.json["code"] == "not_found", (method, path, reply.status, reply.body)
    # what only nginx may say, said by a client
    for name in ("PEAL_UPLOAD_USER", "Peal-Upload-User", "Peal-User", "X-Accel-Redirect"):
        reply = ask(stack, "/api/v1/messages/upload-image", "POST", media.png(), {name: someone.id, "PEAL_BODY_FILE": "/etc/passwd"})
        assert reply.status == 401


def children(stack):
    """Processes that decode at this moment."""
    zygotes = {p for p in stack.pids("peal-media") if "peal-media-image" in command(p)}
    parents = {p: int(pathlib.Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()[1]) for p in zygotes}
    return [p for p in zygotes if parents[p] in zygotes]


def zygote(stack):
    (pid,) = {p for p in stack.pids("peal-media") if "peal-media-image" in command(p)} - set(children(stack))
    return pid


async def caught(stack, someone, data, what):
    """The reply to an upload whose decoder is met by what(pid) while it works."""
    reply = asyncio.ensure_future(run(lambda: upload(someone, data, expect=None)))
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for pid in children(stack):
            what(pid)
            return await reply
        await asyncio.sleep(0.001)
    raise AssertionError("nobody decoded")


@pytest.fixture(scope="module")
def slow():
    """Something to decode for a while."""
    return media.encoded(media.photo(5000, 4000), "JPEG", quality=90, progressive=True)


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL])
async def test_a_decoder_that_crashes_costs_one_upload(stack, someone, slow, how):
    old = zygote(stack)
    reply = await caught(stack, someone, slow, lambda pid: os.kill(pid, how))
    assert (reply.status, reply.code) == (422, "corrupt")
    assert zygote(stack) == old
    assert "decoder_child_lost" in stack.log("peal-media")
    assert upload(someone, media.png())["state"] == "ready"


async def test_what_a_decoder_can_do(stack, someone, slow):
    """It has no descriptors, no privileges to gain, nobody can look into it, and it is bounded."""
    seen = {}

    def look(pid):
        os.kill(pid, signal.SIGSTOP)
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            if "NoNewPrivs:\t1" not in status:
                return  # it has only just begun
            if os.geteuid() == 0:
                seen["limits"] = pathlib.Path(f"/proc/{pid}/limits").read_text()
                seen["fds"] = os.listdir(f"/proc/{pid}/fd")
                seen["owner"] = os.stat(f"/proc/{pid}/mem").st_uid
            seen["status"] = status
        except OSError:
            pass
        finally:
            os.kill(pid, signal.SIGCONT)
    for _ in range(40):
        await caught(stack, someone, slow, look)
        if "limits" in seen or os.geteuid() != 0 and "status" in seen:
            break
    assert "NoNewPrivs:\t1" in seen["status"]
    if os.geteuid() == 0:
        assert set(seen["fds"]) <= {"2"}, "a test build keeps stderr for its sanitizers"
        assert seen["owner"] == 0, "it can be dumped"
        limits = {line[:26].strip(): line[26:].split()[0] for line in seen["limits"].splitlines()}
        assert limits["Max open files"] == "0" and limits["Max file size"] == "0" and limits["Max core file size"] == "0"
        assert 0 < int(limits["Max cpu time"]) <= 10
        assert "AddressSanitizer" in stack.kind or stack.kind == "san" or int(limits["Max address space"]) == 1 << 30


async def test_the_decoder_itself_is_replaced(stack, someone):
    old = zygote(stack)
    os.kill(old, signal.SIGKILL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        reply = await run(lambda: upload(someone, media.png(), expect=None))
        if reply.status == 201:
            break
        assert reply.status == 503 and reply["retryable"] and reply.headers["retry-after"]
        await asyncio.sleep(0.1)
    assert reply.status == 201 and zygote(stack) != old


async def test_workers_are_replaced(stack, someone):
    zygotes = {zygote(stack)}
    workers = [p for p in stack.pids("peal-media") if p != stack.pid("peal-media") and p not in zygotes and " -c " in command(p)]
    assert len(workers) >= 3
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        reply = await run(lambda: upload(someone, media.png(), expect=None))
        if reply.status == 201:
            return
        assert reply.status in (502, 503)
        await asyncio.sleep(0.1)
    raise AssertionError("nobody came back")


async def test_reload_and_drain(stack, someone, slow):
    """Nobody's upload is lost when the configuration is read again."""
    pending = [asyncio.ensure_future(run(lambda: upload(someone, slow, expect=None))) for _ in range(2)]
    await asyncio.sleep(0.3)
    before = processes(stack)
    os.kill(stack.pid("peal-media"), signal.SIGHUP)
    assert [(await p).status for p in pending] == [201, 201]
    assert (await run(lambda: upload(someone, media.png())))["state"] == "ready"
    assert processes(stack) != before and stack.running("peal-media")


async def test_limits_of_time_and_place(new_stack):
    """One decoder, one second: a hanging child is too complex, and whoever waits behind it for too long is told to come again."""
    settings = {"media_decoders": 1, "media_wall_seconds": 3, "media_wait_seconds": 1, "media_workers": 3}
    stack = await operate(lambda: new_stack(settings=settings).up())
    try:
        someone = await run(Person, stack)
        slow = media.encoded(media.photo(5000, 4000), "JPEG", quality=90, progressive=True)
        hanging = asyncio.ensure_future(caught(stack, someone, slow, lambda pid: os.kill(pid, signal.SIGSTOP)))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        while not children(stack) and time.monotonic() - began < 10:
            await asyncio.sleep(0.01)
        reply = await hanging
        assert (reply.status, reply.code) == (422, "too_complex")
        hanging = asyncio.ensure_future(caught(stack, someone, slow, lambda pid: os.kill(pid, signal.SIGSTOP)))
        while not children(stack):
            await asyncio.sleep(0.01)
        others = [asyncio.ensure_future(run(lambda: upload(someone, media.png(), expect=None))) for _ in range(6)]
        replies = [await o for o in others]
        assert (await hanging).code == "too_complex"
        busy = [r for r in replies if r.status != 201]
        assert busy and all((r.status, r.code) == (503, "busy") and r.headers["retry-after"] == "1" for r in busy), replies
        assert (await run(lambda: upload(someone, media.png())))["state"] == "ready"
    finally:
        await operate(stack.down)
        stack.remove()


def test_no_database_and_no_decoder_where_they_do_not_belong(stack):
    """What talks to nginx links neither libpq nor libvips; what decodes links no libpq and no libfcgi."""
    def libraries(name):
        return pathlib.Path(f"/proc/{name}/maps").read_text()
    decoder = zygote(stack)
    workers = [p for p in stack.pids("peal-media") if " -c " in command(p)]
    assert len(workers) > 3
    for pid in workers:
        assert not re.search(r"libpq|libvips|libav|libwebp|libjpeg", libraries(pid))
    (av,) = (p for p in stack.pids("peal-media") if "peal-media-av" in command(p))
    assert not re.search(r"libpq|libfcgi|libhiredis|libvips", libraries(av)) and "libavformat" in libraries(av)
    assert not re.search(r"libpq|libfcgi|libhiredis|libav|vips-(?!modules|heif)", libraries(decoder)) and "libvips" in libraries(decoder)


def test_links_are_not_logged(stack, someone):
    url = link(upload(someone, media.png()).json)
    assert ask(stack, url).status == 200
    log = stack.dir / "log" / "access.log"
    eventually("it is logged, after the answer", lambda: "/m/..." in log.read_text())
    assert url.split("/")[3] not in log.read_text()
    assert url.split("/")[3] not in stack.log("peal-media") + stack.log("peal-fcgi")


def test_counted(stack, someone):
    """Every refusal is a line in the log, with its outcome and no name of anything."""
    reply = upload(someone, cut(JPEG), filename="my-private-name.jpg", expect=(422, "corrupt"))
    eventually("it is logged, after the answer", lambda: reply["request_id"] in stack.log("peal-media"))
    (line,) = [x for x in stack.log("peal-media").splitlines() if reply["request_id"] in x]
    assert "outcome=corrupt" in line and "status=422" in line
    assert "my-private-name" not in stack.log("peal-media") + stack.log("peal-fcgi")
