"""Bytes that no good client sends, through nginx: each ends with the close code that RFC 6455 and docs/asyncapi.yaml name, and
nobody else notices."""

import json
import os
import random
import struct
import time

import pytest

from peal.people import Person
from peal.rest import Client
from peal.ws import Raw, Socket

F = Raw.frame
HELLO = json.dumps({"type": "hello", "device_id": "raw", "since": None}).encode()


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack)


@pytest.mark.parametrize("name, data, code", [
    ("unmasked", F(1, b'{"type":"ping"}', mask=False), 1002),
    ("rsv1", F(1, b"x", rsv=4), 1002), ("rsv2", F(1, b"x", rsv=2), 1002), ("rsv3", F(1, b"x", rsv=1), 1002),
    ("reserved data opcode", F(3, b"x"), 1002), ("reserved data opcode 7", F(7, b"x"), 1002), ("reserved control opcode", F(11, b"x"), 1002),
    ("long ping", F(9, b"x" * 126), 1002), ("fragmented ping", F(9, b"x", fin=False), 1002), ("fragmented close", F(8, b"", fin=False), 1002),
    ("continuation of nothing", F(0, b"x"), 1002), ("text inside a fragmented text", F(1, b"a", fin=False) + F(1, b"b"), 1002),
    ("close with one byte", F(8, b"\x03"), 1002), ("close 999", F(8, struct.pack("!H", 999)), 1002), ("close 1005", F(8, struct.pack("!H", 1005)), 1002),
    ("close 1006", F(8, struct.pack("!H", 1006)), 1002), ("close 5000", F(8, struct.pack("!H", 5000)), 1002),
    ("close with bad text", F(8, struct.pack("!H", 1000) + b"\xff"), 1007),
    ("binary", F(2, b'{"type":"ping"}'), 1003),
    ("bad utf-8", F(1, b"\xff"), 1007), ("cut utf-8", F(1, b"\xe2\x82"), 1007), ("surrogate", F(1, b"\xed\xa0\x80"), 1007),
    ("overlong", F(1, b"\xc0\xaf"), 1007), ("bad utf-8 over fragments", F(1, b"\xe2\x82", fin=False) + F(0, b"a"), 1007),
    ("too large", F(1, b" " * 327681), 1009), ("says it is huge", F(1, b"", length=2**40), 1009), ("length with the high bit", F(1, b"", length=2**63), None),
    ("too large in pieces", F(1, b" " * 200000, fin=False) + F(0, b" " * 200000), 1009),
    ("normal close", F(8, struct.pack("!H", 1000) + b"bye"), 1000), ("close without a code", F(8), 1005), ("close 4000", F(8, struct.pack("!H", 4000)), 4000),
], ids=lambda v: v if isinstance(v, str) else "")
def test_breaking_the_protocol(stack, someone, name, data, code):
    with Raw(stack, someone.token) as raw:
        assert raw.status == 101
        raw.send(F(1, HELLO))
        try:
            raw.send(data)
        except ConnectionError:
            pass
        got = raw.close_code()
        assert got == code or (code is None and got in (1002, 1009)) or (code == 1009 and got == 1006 and len(data) > 300000), got


def test_what_is_allowed(stack, someone):
    """Fragments with control frames between them, empty fragments, byte by byte, the largest frame."""
    with Raw(stack, someone.token) as raw:
        raw.send(F(1, HELLO[:10], fin=False) + F(9, b"in between") + F(0, b"", fin=False) + F(0, HELLO[10:]))
        assert raw.recv() == (10, b"in between")
        for byte in F(1, b'{"type":"ping"}'):
            raw.send(bytes([byte]))
        ping = b'{"type":"ping","x":"' + b" " * (327680 - 22) + b'"}'
        raw.send(F(1, ping))
        raw.send(F(10, b"unasked"))
        pongs = 0
        while pongs < 2:
            opcode, payload = raw.recv()
            pongs += opcode == 1 and json.loads(payload)["type"] == "pong"


def handshake(stack, lines):
    """The status that a handshake with these header lines gets."""
    import socket
    import urllib.parse
    parts = urllib.parse.urlsplit(stack.url)
    with socket.create_connection((parts.hostname, parts.port), 5) as s:
        s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(s.recv(65536).split(b" ")[1])


@pytest.mark.parametrize("change, status", [
    ({}, 101), ({"Sec-WebSocket-Version": "8"}, 426), ({"Sec-WebSocket-Version": None}, 426), ({"Sec-WebSocket-Key": None}, 400),
    ({"Sec-WebSocket-Key": "short"}, 400), ({"Sec-WebSocket-Key": "A" * 24}, 400), ({"Upgrade": "h2c"}, 426), ({"Upgrade": None}, 426),
    ({"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}, 101), ({"Sec-WebSocket-Protocol": "other, more"}, 101),
])
def test_handshakes(stack, someone, change, status):
    headers = {"Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
               "Sec-WebSocket-Version": "13", "Authorization": f"Bearer {someone.token}", **change}
    lines = ["GET /ws HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items() if v is not None]
    assert handshake(stack, lines) == status


def test_random_bytes(stack, someone):
    """Noise after the handshake: the connection ends with a code of ours, and the daemon lives."""
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    pid = stack.pid("peal-push-0")
    for _ in range(60):
        with Raw(stack, someone.token, timeout=3) as raw:
            if rng.random() < 0.7:
                raw.send(F(1, HELLO))
            noise = rng.randbytes(rng.choice([1, 2, 10, 200, 5000]))
            if rng.random() < 0.5:
                noise = b"".join(F(rng.choice([0, 1, 1, 2, 8, 9, 10]), rng.randbytes(rng.randrange(130)), fin=rng.random() < 0.7) for _ in range(6))
            try:
                raw.send(noise)
            except ConnectionError:
                pass
    assert stack.running("peal-push-0") and stack.pid("peal-push-0") == pid
    with Raw(stack, someone.token) as raw:
        raw.send(F(1, HELLO))
        assert raw.recv()[0] == 1


async def test_a_flood_of_requests(stack, someone):
    """More than 8 + 32 commands at once are refused one by one; the socket stays."""
    async with await Socket.open(stack, someone.token) as s:
        await s.hello()
        for i in range(300):
            await s.send({"type": "request", "id": i, "method": "GET", "path": f"/api/v1/users/{someone.id}"})
        answers = {}
        while len(answers) < 300:
            frame = await s.recv(10)
            if frame["type"] in ("response", "error"):
                answers[frame["id"]] = frame.get("status", frame.get("code"))
        assert set(answers.values()) <= {200, "overloaded"} and 200 in answers.values(), answers


def test_an_answer_that_is_not_read(stack, someone):
    """Whoever asks and never reads is closed in the end, and costs a bounded amount of memory."""
    def rss():
        with open(f"/proc/{stack.pid('peal-push-0')}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    before = rss()
    with Raw(stack, someone.token, timeout=1) as raw:
        raw.send(F(1, HELLO))
        ping = F(1, b'{"type":"request","id":1,"method":"GET","path":"/api/v1/capabilities"}')
        sent, end = 0, time.monotonic() + 8
        try:
            while time.monotonic() < end:
                raw.send(ping * 50)
                sent += 50
        except OSError:
            pass
        assert sent > 100
        most = 20000 if stack.kind == "test" else 300000  # AddressSanitizer keeps what was freed for a while
        assert rss() - before < most, "KiB more than before"
        Client(stack.url).get("/health", expect=200)
