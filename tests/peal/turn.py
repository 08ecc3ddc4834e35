"""coturn as docs/calls.md sets it up, and the few messages of TURN (RFC 8656) by which a test can ask it anything."""

import contextlib
import hashlib
import hmac
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

from stack import free_port as free_tcp_port

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TURNSERVER = "/usr/bin/turnserver"
MAGIC = 0x2112A442
BINDING, ALLOCATE, REFRESH, PERMISSION, SEND = 0x0001, 0x0003, 0x0004, 0x0008, 0x0016
USERNAME, INTEGRITY, ERROR, LIFETIME, PEER, DATA, REALM, NONCE, RELAYED, TRANSPORT = 6, 8, 9, 0x0D, 0x12, 0x13, 0x14, 0x15, 0x16, 0x19


def documented():
    """The configuration of docs/calls.md, line by line."""
    return re.search(r"```conf turnserver.conf\n(.*?)```", (ROOT / "docs" / "calls.md").read_text(), re.S)[1].splitlines()


def free_port():
    """Of UDP and TCP."""
    while True:
        port = free_tcp_port()
        with socket.socket(type=socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
            udp.bind(("127.0.0.1", port))
            return port


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=turn.test",
                    "-keyout", folder / "turn.key", "-out", folder / "turn.pem"], capture_output=True, check=True)


class Coturn:
    """Serves on 127.0.0.1 while the block lasts: the documented lines, but for ports, files and the secret; and peers on this host."""

    def __init__(self, folder, secret, *, as_user=list, port=None, tls_port=None, peers_here=True, more=()):
        if not os.path.exists(TURNSERVER):
            pytest.skip("coturn is not installed (apt-get install coturn): nobody relays here")
        self.folder, self.as_user = pathlib.Path(folder) / "turn", as_user
        self.port, self.tls_port = port or free_port(), tls_port or free_port()
        self.secret, self.peers_here, self.more = secret, peers_here, list(more)

    def _lines(self):
        ours = {"static-auth-secret": self.secret, "listening-port": self.port, "tls-listening-port": self.tls_port,
                "cert": self.folder / "turn.pem", "pkey": self.folder / "turn.key"}
        for line in documented():
            key = line.partition("=")[0]
            if self.peers_here and line.startswith("denied-peer-ip=127."):
                yield "allow-loopback-peers"
            else:
                yield f"{key}={ours.pop(key)}" if key in ours else line
        assert not ours, f"docs/calls.md says nothing of {ours}"
        yield from ("listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "log-file=stdout", "simple-log", f"pidfile={self.folder}/pid",
                    f"userdb={self.folder}/users.db", *self.more)

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        certificate(self.folder)
        (self.folder / "turnserver.conf").write_text("\n".join(self._lines()) + "\n")
        subprocess.run(["chmod", "-R", "a+rwX", self.folder], check=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.as_user([TURNSERVER, "-c", self.folder / "turnserver.conf"]), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.folder)
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_ready(self, seconds=20):
        end = time.monotonic() + seconds
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < end, f"coturn does not serve:\n{self.log()[-3000:]}"
        assert "Bad configuration" not in self.log() and "Unknown" not in self.log(), self.log()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self):
        with contextlib.suppress(OSError), Turn(self.port, "", "", timeout=0.2) as turn:
            return turn.ask(BINDING, signed=False)[0] == 0
        time.sleep(0.05)
        return False

    def log(self):
        return (self.folder / "log").read_text(errors="replace")


class Turn:
    """One client: an allocation at most. `allocate()` and friends return (error code or 0, attributes)."""

    def __init__(self, port, username, password, timeout=3, tls=False):
        self.username, self.password, self.realm, self.nonce = username, password, b"", b""
        self.tls, self.heard = tls, []
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout))
        else:
            self.socket = socket.socket(type=socket.SOCK_DGRAM)
            self.socket.settimeout(timeout)
            self.socket.connect(("127.0.0.1", port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, method, *attributes, signed=True):
        if signed and not self.nonce:
            self._exchange(method, attributes, False)       # 401: it tells realm and nonce
        code, told = self._exchange(method, attributes, signed)
        return self._exchange(method, attributes, signed) if code == 438 else (code, told)      # 438: the nonce was stale

    def _exchange(self, method, attributes, signed):
        sign = [(USERNAME, self.username.encode()), (REALM, self.realm), (NONCE, self.nonce)] if signed and self.nonce else []
        body = b"".join(self._attribute(*a) for a in (*attributes, *sign))
        number = secrets.token_bytes(12)
        head = lambda n: struct.pack("!HHI", method, n, MAGIC) + number  # noqa: E731
        if sign:
            key = hashlib.md5(b":".join((self.username.encode(), self.realm, self.password.encode()))).digest()
            body += self._attribute(INTEGRITY, hmac.new(key, head(len(body) + 24) + body, hashlib.sha1).digest())
        self.socket.sendall(head(len(body)) + body)
        while (answer := self._message())[8:20] != number:
            self.heard.append(answer)
        told = dict(self._read(answer[20:]))
        self.realm, self.nonce = told.get(REALM, self.realm), told.get(NONCE, self.nonce)
        error = told.get(ERROR)
        return (error[2] * 100 + error[3] if error else 0), told

    def _message(self):
        if not self.tls:
            return self.socket.recv(2048)
        head = self._exactly(20)
        return head + self._exactly(struct.unpack("!H", head[2:4])[0])

    def _exactly(self, n):
        text = b""
        while len(text) < n:
            more = self.socket.recv(n - len(text))
            assert more, "the server hung up"
            text += more
        return text

    @staticmethod
    def _attribute(kind, value):
        return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)

    @staticmethod
    def _read(text):
        while len(text) >= 4:
            kind, n = struct.unpack("!HH", text[:4])
            yield kind, text[4:4 + n]
            text = text[4 + n + -n % 4:]

    def allocate(self):
        return self.ask(ALLOCATE, (TRANSPORT, b"\x11\0\0\0"))

    def refresh(self, seconds=600):
        return self.ask(REFRESH, (LIFETIME, struct.pack("!I", seconds)))

    def permit(self, address):
        return self.ask(PERMISSION, (PEER, self._xored((address, 7000))))

    @staticmethod
    def _xored(place):
        packed = bytes(b ^ m for b, m in zip(socket.inet_aton(place[0]), struct.pack("!I", MAGIC)))
        return struct.pack("!BBH", 0, 1, place[1] ^ MAGIC >> 16) + packed

    @staticmethod
    def relayed(told):
        """Where the world finds whoever was told this about an allocation."""
        port = struct.unpack("!H", told[RELAYED][2:4])[0] ^ MAGIC >> 16
        return socket.inet_ntoa(bytes(b ^ m for b, m in zip(told[RELAYED][4:8], struct.pack("!I", MAGIC)))), port

    def say(self, place, data):
        body = self._attribute(PEER, self._xored(place)) + self._attribute(DATA, data)
        self.socket.sendall(struct.pack("!HHI", SEND, len(body), MAGIC) + secrets.token_bytes(12) + body)

    def hear(self):
        """What a peer said."""
        return dict(self._read((self.heard.pop(0) if self.heard else self._message())[20:]))[DATA]
