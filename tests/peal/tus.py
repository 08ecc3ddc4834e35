"""A client of tus 1.0.0 that does what a test says, byte by byte if need be, and checks every answer against the contract."""

import base64
import hashlib
import http.client
import json
import socket

from . import contract
from .rest import Reply

OCTETS = "application/offset+octet-stream"
ROOT = "/api/v1/uploads"


def metadata(**pairs):
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" if v else k for k, v in pairs.items())


def checksum(data, algorithm="sha1"):
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def call(person, method, path=ROOT, body=None, version="1.0.0", expect=None, **headers):
    """One request; header names have _ for -. expect: a status, or (status, code)."""
    send = {k.replace("_", "-"): str(v) for k, v in headers.items()}
    if version:
        send["Tus-Resumable"] = version
    if body is not None and not any(k.lower() == "content-type" for k in send):
        send["Content-Type"] = OCTETS
    below = path.removeprefix("/api/v1")
    return person.rest.call(method, below, raw=body, headers=send, valid=False, expect=expect)


def begin(person, length, body=None, expect=201, **pairs):
    """A new upload: its path."""
    reply = call(person, "POST", ROOT, body, expect=expect, Upload_Length=length, **({"Upload_Metadata": metadata(**pairs)} if pairs else {}))
    return reply.headers["location"] if reply.status == 201 else reply


def head(person, path, expect=200):
    return call(person, "HEAD", path, expect=expect)


def offset(person, path):
    return int(head(person, path).headers["upload-offset"])


def patch(person, path, at, body, expect=204, **headers):
    return call(person, "PATCH", path, body, expect=expect, Upload_Offset=at, **headers)


class Slow:
    """A PATCH whose bytes are sent as the test likes."""

    def __init__(self, stack, person, path, at, length, method="PATCH", **headers):
        self.socket = socket.create_connection(("127.0.0.1", stack.port), timeout=20)
        send = {"Host": "x", "Authorization": f"Bearer {person.token}", "Tus-Resumable": "1.0.0", "Content-Type": OCTETS, "Upload-Offset": at,
                **{k.replace("_", "-"): v for k, v in headers.items()}}
        send |= {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": length}
        self.socket.sendall((f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in send.items()) + "\r\n").encode())

    def send(self, data):
        self.socket.sendall(data)

    def chunk(self, data):
        self.socket.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def reply(self):
        response = http.client.HTTPResponse(self.socket, method="PATCH")
        response.begin()
        raw = response.read()
        reply = Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, raw, "PATCH")
        contract.rest().check_response(contract.rest().find("PATCH", "/uploads/0"), reply.status, reply.headers, json.loads(raw) if raw else None)
        return reply

    def cut(self):
        self.socket.close()
