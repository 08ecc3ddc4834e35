"""Tokens of the benchmark's people, and sockets that are open and idle."""

import base64
import contextlib
import json
import os
import socket
import struct
import time

import data


def tokens(stack, shape):
    """user -> an access token like the server's own, good for a day."""
    import jwt
    with open(stack.conf["token_private_key_file"], encoding="ascii") as f:
        key = f.read()
    now = int(time.time())
    return {u: jwt.encode({"iss": "peal", "aud": "peal", "sub": str(u), "sid": sid, "iat": now, "exp": now + 86400}, key, algorithm="ES256",
                          headers={"typ": "at+jwt"}) for u, sid in data.sessions(shape).items()}


def _frame(text):
    """One masked text frame (RFC 6455)."""
    raw, mask = text.encode(), os.urandom(4)
    head = struct.pack("!BB", 0x81, 0x80 | len(raw)) if len(raw) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(raw))
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(raw))


def _open(stack, token, device):
    s = socket.create_connection(("127.0.0.1", stack.port), timeout=10)
    s.sendall(f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    s.sendall(_frame(json.dumps({"type": "hello", "device_id": device, "since": None})))
    return s


def _wait_live(s, device):
    said = b""
    while b'"type":"live"' not in said:
        more = s.recv(1 << 16)
        if not more:
            raise RuntimeError(f"{device}: closed, having said {said[-300:]!r}")
        said = said[-100:] + more


@contextlib.contextmanager
def connected(stack, all_tokens, n):
    """n sockets, spread over all people, that have said hello and are live."""
    people = list(all_tokens)
    opened = []
    try:
        for i in range(n):
            device = f"bench-{i}"
            opened.append(_open(stack, all_tokens[people[i % len(people)]], device))
            _wait_live(opened[-1], device)
        yield opened
    finally:
        for s in opened:
            s.close()
