"""permessage-deflate and ?gzip=1: what arrives is the same, it was compressed once for everybody, and other people's clients read it."""

import asyncio
import gzip
import json
import subprocess
import zlib

import pytest
import websockets

from peal import metrics
from peal.conformance import TAIL
from peal.contract import ROOT
from peal.loop import run
from peal.people import Person
from peal.ws import Raw, Socket, url_of

OFFER = ("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",)
LONG = "Es war einmal ein König, der hatte eine Tochter. " * 30


def inflated(payload):
    d = zlib.decompressobj(-15)
    return d.decompress(payload + TAIL)


def read(raw, how):
    """The next text frame as this socket gets it: (JSON, payload as it came)."""
    while True:
        opcode, payload = raw.recv()
        if opcode == 9:
            raw.send(Raw.frame(10, payload))
            continue
        assert opcode != 8, payload
        if how == "gzip" and opcode == 2:
            plain = gzip.decompress(payload)
            assert raw.reserved == 0 and len(plain) > 512
        elif how == "deflate" and raw.reserved:
            plain = inflated(payload)
            assert raw.reserved == 4 and opcode == 1 and len(plain) > 512
        else:
            plain = payload
            assert opcode == 1 and raw.reserved == 0 and (how == "plain" or len(plain) <= 512)
        return json.loads(plain), payload


def until(raw, how, type_):
    while True:
        frame, payload = read(raw, how)
        if frame["type"] == type_:
            return frame, payload


def open_as(stack, person, how):
    raw = Raw(stack, person.token, query="?gzip=1" if how == "gzip" else "", headers=OFFER if how == "deflate" else (), timeout=10)
    raw.text({"type": "hello", "device_id": how, "since": None})
    until(raw, how, "live")
    return raw


def encoded(stack):
    m = metrics.scrape(stack)
    return {k: (m["peal_push_encoded_total"][k], m["peal_push_encoded_shared_total"][k]) for k in ("deflate", "gzip")}


def test_once_for_all(stack, pair):
    """One event to eight sockets: deflated once, gzipped once, byte for byte the same on every socket that wants it so."""
    a, b, conversation = pair
    hows = ["plain", "deflate", "gzip", "deflate", "gzip", "deflate", "gzip", "plain"]
    raws = [open_as(stack, p, how) for p, how in zip((a, b) * 4, hows)]
    before = encoded(stack)
    m = a.say(conversation, LONG)
    got = [until(raw, how, "new_message") for raw, how in zip(raws, hows)]
    assert all(frame == got[0][0] for frame, _ in got) and got[0][0]["data"]["message"]["id"] == m["id"]
    for how in ("plain", "deflate", "gzip"):
        payloads = {payload for (_, payload), h in zip(got, hows) if h == how}
        assert len(payloads) == 1
        if how != "plain":
            assert len(payloads.pop()) < len(LONG.encode()) / 2
    after = encoded(stack)
    assert {k: (after[k][0] - before[k][0], after[k][1] - before[k][1]) for k in after} == {"deflate": (1, 2), "gzip": (1, 2)}
    for raw in raws:
        raw.__exit__()


@pytest.mark.parametrize("how", ["deflate", "gzip"])
def test_what_does_not_shrink(stack, pair, how):
    """Random letters: deflated only when that is shorter; gzip always, because that was agreed. Either way they arrive."""
    import base64
    import os
    a, b, conversation = pair
    with open_as(stack, b, how) as raw:
        for n in (300, 380, 420, 5000):
            content = base64.b85encode(os.urandom(n)).decode()
            a.say(conversation, content)
            frame, payload = until(raw, how, "new_message")
            assert frame["data"]["message"]["content"] == content


@pytest.mark.parametrize("how", ["deflate", "gzip"])
def test_replays_and_retries(stack, pair, how):
    """Batches are compressed too; a retry takes its events from the plain form, in whatever way they went first."""
    a, b, conversation = pair
    for i in range(60):
        a.say(conversation, f"{i} {LONG}")
    with open_as(stack, b, how) as raw:
        raw.text({"type": "sync", "conversation_id": conversation, "seq": 1, "rev": 1})
        events = until(raw, how, "batch")[0]["events"]
        assert [e["seq"] for e in events] == list(range(2, 2 + len(events))) and len(events) >= 20
        a.say(conversation, LONG)
        again = until(raw, how, "retry")[0]
        assert again["events"][:len(events)] == events and again["attempt"] == 1


async def test_the_websockets_package(stack, pair):
    a, b, conversation = pair
    for options in ({}, {"max_size": 1 << 20}):
        async with websockets.connect(url_of(stack), extra_headers={"Authorization": f"Bearer {b.token}"}, compression="deflate", **options) as ws:
            assert ws.response_headers["Sec-WebSocket-Extensions"] == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            assert [e.name for e in ws.extensions] == ["permessage-deflate"]

            async def until_type(type_):
                while (frame := json.loads(await asyncio.wait_for(ws.recv(), 10)))["type"] != type_:
                    pass
                return frame
            await ws.send(json.dumps({"type": "hello", "device_id": "python", "since": None}))
            await until_type("live")
            await (await ws.ping(b"are you there"))
            for i in range(5):
                await ws.send(json.dumps({"type": "request", "id": i, "method": "POST", "path": f"/api/v1/conversations/{conversation}/messages",
                                          "body": {"client_id": f"{options}{i}"[:60], "message_type": "text", "content": LONG * (i + 1)}}))
                said = await until_type("new_message")
                assert said["data"]["message"]["content"] == LONG * (i + 1)
            await ws.send(json.dumps({"type": "ack", "count": 5}))
        assert ws.close_code == 1000


@pytest.mark.parametrize("deflate", ["deflate", "plain"])
def test_the_ws_package(stack, pair, deflate):
    a, b, conversation = pair
    out = subprocess.run(["node", ROOT / "tests/push/peer.mjs", url_of(stack), b.token, conversation, LONG, deflate], timeout=30, check=True,
                         capture_output=True, text=True)
    told = json.loads(out.stdout)
    said = {f["type"]: f for f in told["frames"]}
    assert said["new_message"]["data"]["message"]["content"] == LONG and said["response"]["status"] == 201
    assert said["protocol pong"]["payload"] == "are you there"
    assert (told["code"], told["reason"]) == (4321, "") and told["extensions"] == ("permessage-deflate" if deflate == "deflate" else "")


async def test_the_same_without(stack, person):
    """Nobody who did not ask is sent anything compressed."""
    other = Person(stack)
    conversation = await run(other.start, person)
    async with await Socket.open(stack, person.token) as s:
        await s.hello()
        await run(other.say, conversation, LONG)
        await s.until("new_message")
