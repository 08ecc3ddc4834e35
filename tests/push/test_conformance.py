"""RFC 6455 and RFC 7692 to the letter, against the daemon that runs: the table of peal/conformance.py, and other people's clients."""

import contextlib
import json
import socket
import struct
import time

import pytest

from peal import conformance
from peal.people import Person
from peal.ws import Raw

CASES = list(conformance.cases())
ENDS = 3            # seconds until the daemon must have closed the connection


@pytest.fixture(scope="module")
def token(stack):
    return Person(stack).token


def test_how_many_there_are():
    ids = [c.id for c in CASES]
    assert len(ids) == len(set(ids)) >= 247, len(ids)


def describe(opcode, payload):
    """What came, in the words of the table."""
    if opcode == conformance.PONG:
        return conformance.ponged(payload)
    if opcode == conformance.CLOSE:
        return conformance.closed(struct.unpack("!H", payload[:2])[0] if payload else None)
    if opcode != conformance.TEXT:
        return ("opcode", opcode)
    said = json.loads(payload)
    return conformance.refused(said["code"]) if said["type"] == "error" else ("text", said["type"])


class Peer:
    def __init__(self, raw, case):
        self.raw, self.case, self.got = raw, case, []

    def read(self, n):
        while len(self.got) < n and not (self.got and self.got[-1][0] == "close"):
            self.got.append(describe(*self.raw.recv()))

    def write(self, data):
        size = self.case.chop or len(data)
        for i in range(0, len(data), size):
            self.raw.send(data[i:i + size])

    def play(self):
        for step in self.case.send:
            if isinstance(step, bytes):
                self.write(step)
            elif step[0] == "sleep":
                time.sleep(step[1])
            else:
                self.read(len(self.got) + 1)
        self.read(len(self.case.expect) + 1)


def end_of(raw):
    """After the close frames: nothing more comes, and the connection ends."""
    raw.sock.settimeout(ENDS)
    rest = raw.buffer
    with contextlib.suppress(OSError):
        raw.send(conformance.close(1000))       # the answer, if it was the daemon that closed
        raw.sock.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):
        while data := raw.sock.recv(65536):
            rest += data
    return rest


@pytest.mark.parametrize("case", CASES, ids=[c.id for c in CASES])
def test_case(stack, token, case):
    with Raw(stack, token, query=case.query, headers=case.headers) as raw:
        assert raw.status == 101
        if case.accept is not None:
            assert raw.headers.get("sec-websocket-extensions") == (case.accept or None)
        peer = Peer(raw, case)
        try:
            peer.play()
        except (EOFError, ConnectionError) as e:
            peer.got.append(("end", type(e).__name__))
        except TimeoutError:
            peer.got.append(("nothing",))
        assert peer.got == case.expect, case.what
        assert end_of(raw) == b""


@pytest.mark.parametrize("bad", ["permessage-deflate;", "; x", "permessage-deflate; a=", "permessage-deflate a", "permessage-deflate; a=\"", ",", "a b"])
def test_malformed_offers(stack, token, bad):
    with Raw(stack, token, headers=(f"Sec-WebSocket-Extensions: {bad}",)) as raw:
        assert raw.status == 400
