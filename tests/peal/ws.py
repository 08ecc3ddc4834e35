"""The socket: a client that checks every frame of both directions against docs/asyncapi.yaml, and raw bytes for abuse."""

import asyncio
import base64
import json
import os
import socket as sockets
import struct
import urllib.parse

import websockets

from . import contract, seen

MAX_FRAME = 4 * 1024 * 1024


def url_of(stack, query=""):
    parts = urllib.parse.urlsplit(stack.url)
    return f"ws://{parts.netloc}/ws{query}"


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code, reason):
        super().__init__(f"closed with {code} {reason}")
        self.code, self.reason = code, reason


class Socket:
    """One connection. `frames` keeps everything that was received."""

    def __init__(self, ws):
        self.ws = ws
        self.contract = contract.socket()
        self.frames = []

    @classmethod
    async def open(cls, stack, token=None, *, how="header", origin=None, query="", subprotocols=None, timeout=10, **options):
        """how: where the token goes: `header`, `subprotocol`, or `none` (in hello, or nowhere)."""
        headers = {}
        protocols = list(subprotocols or [])
        if token and how == "header":
            headers["Authorization"] = f"Bearer {token}"
        elif token and how == "subprotocol":
            protocols = ["peal.v1", f"bearer.{token}"]
        ws = await asyncio.wait_for(websockets.connect(
            url_of(stack, query), extra_headers=headers, origin=origin, subprotocols=protocols or None, compression=None,
            ping_interval=None, max_size=MAX_FRAME, max_queue=None, close_timeout=2, **options), timeout)
        return cls(ws)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        await self.ws.close()

    async def send(self, frame, valid=True):
        if valid:
            self.contract.check("client", frame)
            seen.frame("client", frame)
        await self.send_raw(json.dumps(frame, separators=(",", ":")))

    async def send_raw(self, data):
        try:
            await self.ws.send(data)
        except websockets.ConnectionClosed as e:
            raise self.closed(e) from None

    @staticmethod
    def closed(e):
        if e.rcvd and e.rcvd_then_sent:
            seen.close(e.rcvd.code)
        return Closed(e.rcvd.code if e.rcvd else 1006, e.rcvd.reason if e.rcvd else "")

    async def recv(self, timeout=20):
        """The next frame, checked. Closed when there is none any more."""
        try:
            data = await asyncio.wait_for(self.ws.recv(), timeout)
        except websockets.ConnectionClosed as e:
            raise self.closed(e) from None
        if isinstance(data, bytes):
            raise contract.ContractError(f"a binary frame: {data[:100]!r}")
        frame = json.loads(data)
        self.contract.check("server", frame)
        seen.frame("server", frame)
        seen.note(frame)
        seen.note(frame.get("body"))
        self.frames.append(frame)
        return frame

    async def until(self, type_, timeout=20, **where):
        """The next frame of this type whose members are as given; those before it are only kept in `frames`."""
        end = asyncio.get_running_loop().time() + timeout
        while True:
            left = end - asyncio.get_running_loop().time()
            try:
                frame = await self.recv(max(left, 0.001))
            except asyncio.TimeoutError:
                kinds = [f["type"] for f in self.frames[-20:]]
                raise AssertionError(f"no {type_} {where} within {timeout} s; last frames: {kinds}") from None
            if frame["type"] == type_ and all(frame.get(k) == v for k, v in where.items()):
                return frame

    async def none_of(self, types, seconds):
        """Nothing of these types comes for so long."""
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                frame = await self.recv(left)
            except asyncio.TimeoutError:
                return
            assert frame["type"] not in types, f"unexpected {frame}"

    async def wait_closed(self, timeout=15):
        """The code with which the server closes."""
        end = asyncio.get_running_loop().time() + timeout
        while True:
            try:
                await self.recv(max(end - asyncio.get_running_loop().time(), 0.001))
            except Closed as e:
                return e.code

    async def hello(self, device="d", since=None, cursors=None, token=None, timeout=10):
        """Says hello and reads up to `live`. Returns (welcome, heads, events replayed, live); all of these are acknowledged."""
        frame = {"type": "hello", "device_id": device, "since": since}
        if cursors is not None:
            frame["cursors"] = cursors
        if token is not None:
            frame["token"] = token
        await self.send(frame)
        return await self.replayed(timeout)

    async def replayed(self, timeout=10):
        welcome = await self.until("welcome", timeout)
        heads = await self.until("heads", timeout)
        events, count = [], 0
        while True:
            frame = await self.recv(timeout)
            if frame["type"] == "live":
                return welcome, heads, events, frame
            if frame["type"] == "batch":
                assert frame["count"] == len(frame["events"]), frame
                new = frame["events"]
            else:  # what happened meanwhile comes after the batches, before `live`
                new = [frame] if frame["type"] in self.contract.durable else []
            events += new
            count += len(new)
            if new:
                await self.send({"type": "ack", "count": count})

    async def request(self, id_, method, path, body=None, timeout=10, valid=True, key=None):
        """A REST call over the socket; its reply is checked like one over HTTP."""
        frame = {"type": "request", "id": id_, "method": method, "path": path}
        if body is not None:
            frame["body"] = body
        if key is not None:
            frame["idempotency_key"] = key
        await self.send(frame, valid)
        while True:
            reply = await self.recv(timeout)
            if reply["type"] == "error" and reply.get("id") == id_:
                return reply
            if reply["type"] == "response" and reply["id"] == id_:
                break
        parts = urllib.parse.urlsplit(path)
        rest = contract.rest()
        op = rest.find(method, parts.path.removeprefix("/api/v1"))
        body = reply.get("body")
        kind = None if body is None else "application/problem+json" if reply["status"] >= 400 and "code" in body else "application/json"
        rest.check_body(op, reply["status"], kind, body, f"{method} {path} over the socket: {reply['status']}")
        return reply


class Raw:
    """A TCP connection that speaks exactly the bytes it is told; blocking."""

    def __init__(self, stack, token=None, *, query="", headers=(), timeout=20, receive_buffer=None):
        parts = urllib.parse.urlsplit(stack.url)
        self.sock = sockets.socket()
        self.sock.settimeout(timeout)
        if receive_buffer:  # before connecting: the window is agreed upon then
            self.sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receive_buffer)
        self.sock.connect((parts.hostname, parts.port))
        self.buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET /ws{query} HTTP/1.1", f"Host: {parts.netloc}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        lines += headers
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                break
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.status = int(head.split(b" ")[1])
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (l.partition(":") for l in head.decode().split("\r\n")[1:])}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    @staticmethod
    def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=True, length=None):
        """One frame; `length` lies about the payload's."""
        n = len(payload) if length is None else length
        head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
        bit = 0x80 if mask else 0
        if n < 126:
            head += bytes([bit | n])
        elif n < 65536:
            head += bytes([bit | 126]) + struct.pack("!H", n)
        else:
            head += bytes([bit | 127]) + struct.pack("!Q", n)
        if not mask:
            return head + payload
        key = os.urandom(4)
        return head + key + bytes(b ^ key[i & 3] for i, b in enumerate(payload))

    def send(self, data):
        self.sock.sendall(data)

    def text(self, value):
        self.send(self.frame(1, json.dumps(value).encode()))

    def _need(self, n):
        while len(self.buffer) < n:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def recv(self):
        """(opcode, payload) of the next frame; EOFError at the end."""
        head = self._need(2)
        assert not head[1] & 0x80, "the server masked a frame"
        n = head[1] & 0x7f
        if n == 126:
            n = struct.unpack("!H", self._need(2))[0]
        elif n == 127:
            n = struct.unpack("!Q", self._need(8))[0]
        self.reserved = head[0] >> 4 & 7
        return head[0] & 0x0f, self._need(n)

    def close_code(self):
        """Reads on until the close frame; its code, or 1006 when the connection just ends."""
        while True:
            try:
                opcode, payload = self.recv()
            except (EOFError, ConnectionError):
                return 1006
            if opcode == 8:
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                seen.close(code)
                return code
