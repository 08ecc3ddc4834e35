"""Tokens of the benchmark's people, and sockets of theirs, held by bench/sockets.c."""

import base64
import contextlib
import itertools
import json
import os
import subprocess
import time

NUMBERS = itertools.count()
ON_THEIR_WAY = 256


def tokens(stack, shape):
    """user -> an access token like the server's own, good for a day."""
    import data
    import jwt
    with open(stack.conf["token_private_key_file"], encoding="ascii") as f:
        key = f.read()
    now = int(time.time())
    return {u: jwt.encode({"iss": "peal", "aud": "peal", "sub": str(u), "sid": sid, "iat": now, "exp": now + 86400}, key, algorithm="ES256",
                          headers={"typ": "at+jwt"}) for u, sid in data.sessions(shape).items()}


def upgrade(token="", path="/ws"):
    """The request that makes a connection a WebSocket."""
    who = f"Authorization: Bearer {token}\r\n" if token else ""
    return (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n{who}\r\n")


class Sockets:
    """A process of many sockets; upgrades[i] opens socket i, modulo how many there are. Ends with the block."""

    def __init__(self, stack, upgrades, port=0, dialect="peal", paths=()):
        file = stack.dir / f"upgrades-{next(NUMBERS)}"
        file.write_text("".join(f"{len(u)}\n{u}" for u in upgrades))
        where = [w for path in paths for w in ("-u", path)] or ["-p", port or stack.port]
        self.process = subprocess.Popen(list(map(str, [stack.build_dir / "bench" / "sockets", "-d", dialect, "-f", file, *where])),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    @property
    def pid(self):
        return self.process.pid

    def ask(self, *command):
        """What it answers to a command; sockets.c has the list."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(" ".join(map(str, command)) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sockets ended with code {self.process.wait(5)}")
        return json.loads(line)

    def open(self, n, most=ON_THEIR_WAY):
        """Until n are ready."""
        said = self.ask("open", n, most)
        if said["ready"] != n:
            raise RuntimeError(f"{said['ready']} of {n} sockets got ready: {said['first_error']}")
        return said

    def report(self, seed, hearers, *between, patience=10):
        """What became of a sender's messages, as soon as all have reached all who are to hear them, or patience is over."""
        until = time.monotonic() + patience
        while (said := self.ask("report", seed, hearers, *between))["wrong"] and time.monotonic() < until:
            time.sleep(0.1)
        return said


@contextlib.contextmanager
def connected(stack, all_tokens, n):
    """n sockets, spread over all people, that have said hello and are live."""
    with Sockets(stack, [upgrade(token) for token in all_tokens.values()]) as opened:
        opened.open(n)
        yield opened
