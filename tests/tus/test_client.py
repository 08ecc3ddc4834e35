"""The client that most people use, npm's tus-js-client, on lines that break."""

import hashlib
import json
import pathlib
import random
import socket
import subprocess
import threading
import time

import prepare
import pytest

from peal.people import Person

HERE = pathlib.Path(__file__).resolve().parent
STACK = {"settings": {"media_user_daily_mib": 100_000, "media_user_mib": 100_000}}
MIB = 1 << 20
GROWTH_MOST = 16 * MIB      # of all processes of peal-media together, while 190 MB go through


class Line:
    """Between a client and nginx; breaks when so many bytes of the client's have passed in all, by a reset or by an end."""

    def __init__(self, port, breaks):
        self.port, self.breaks, self.passed, self.broken = port, sorted(breaks), 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.open, self.threads = [], []
        self._start(self._accept)

    def _start(self, what, *args):
        thread = threading.Thread(target=what, args=args, daemon=True)
        thread.start()
        self.threads.append(thread)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                return
            self.open += [client, server]
            self._start(self._up, client, server)
            self._start(self._down, server, client)

    def _break(self, *sockets):
        self.broken += 1
        for s in sockets:
            if self.broken % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            for step in (lambda s=s: s.shutdown(socket.SHUT_RDWR), s.close):
                try:
                    step()
                except OSError:
                    pass

    def _up(self, client, server):
        try:
            while data := client.recv(MIB):
                left = self.breaks[0] - self.passed if self.breaks else len(data)
                server.sendall(data[:left])
                self.passed += min(left, len(data))
                if left < len(data):
                    self.breaks.pop(0)
                    return self._break(client, server)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _down(self, server, client):
        try:
            while data := server.recv(MIB):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        for s in (self.listener, *self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        for thread in self.threads:
            thread.join(10)


class Memory:
    """The most that the processes of peal-media had in memory, each at its worst."""

    def __init__(self, stack):
        self.stack, self.most, self.ended = stack, {}, threading.Event()
        self.look()
        self.before = sum(self.most.values())
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def look(self):
        for pid in self.stack.pids("peal-media"):
            try:
                text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            except OSError:
                continue
            size = next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0)
            self.most[pid] = max(size, self.most.get(pid, 0))

    def _watch(self):
        while not self.ended.wait(0.02):
            self.look()

    def growth(self):
        self.ended.set()
        self.thread.join()
        return sum(self.most.values()) - self.before


@pytest.fixture(scope="module", autouse=True)
def modules():
    prepare.modules(HERE)


@pytest.fixture
def large(tmp_path):
    """190 MB of noise, and their digest."""
    path, noise, digest = tmp_path / "large.bin", random.Random(190), hashlib.sha256()
    with open(path, "wb") as f:
        for _ in range(190):
            piece = noise.randbytes(1_000_000)
            digest.update(piece)
            f.write(piece)
    return path, digest.hexdigest()


def carry(line, path, person, tries=10):
    """What client.mjs says became of it."""
    out = subprocess.run(["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", "node", HERE / "client.mjs", f"{line.url}/api/v1/uploads", path, person.token, str(tries)],
                         capture_output=True, text=True, timeout=300, check=False)
    assert out.stdout, out.stderr
    return json.loads(out.stdout)


def digest_of_download(stack, person, attachment):
    """Of the bytes that the download route gives."""
    url = person.rest.get(f"/attachments/{attachment}", expect=200)["download_url"]
    digest, n = hashlib.sha256(), 0
    with socket.create_connection(("127.0.0.1", stack.port), timeout=60) as s:
        s.sendall(f"GET {url} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        with s.makefile("rb") as f:
            assert b" 200 " in f.readline()
            while f.readline() not in (b"\r\n", b""):
                pass
            while piece := f.read(MIB):
                digest.update(piece)
                n += len(piece)
    return n, digest.hexdigest()


def test_190_megabytes_over_a_line_that_breaks_five_times(stack, large):
    path, digest = large
    person = Person(stack)
    warm = person.rest.post("/messages/upload-file", raw=b"so that each part of it has run", headers={"Content-Type": "text/plain"}, expect=201)
    assert warm["size"] == 31
    memory = Memory(stack)
    line = Line(stack.port, [20 * MIB + 1, 55 * MIB, 90 * MIB + 77_777, 130 * MIB, 170 * MIB + 3])
    began = time.monotonic()
    try:
        ended = carry(line, path, person)
    finally:
        line.close()
    seconds = time.monotonic() - began
    growth = memory.growth()
    assert "error" not in ended, ended
    assert (line.broken, line.breaks) == (5, [])
    begins = [int(request.split()[1]) for request in ended["started"] if request.startswith("PATCH")]
    assert len(begins) == 6 and begins == sorted(set(begins)) and begins[0] == 0, "each went on behind what had come"
    assert sum(request.startswith("HEAD") for request in ended["started"]) == 5
    again = line.passed - 190_000_000
    assert again < 5 * 4 * MIB, "next to nothing was sent twice"
    assert digest_of_download(stack, person, ended["attachment"]) == (190_000_000, digest)
    assert growth < GROWTH_MOST, f"peal-media grew by {growth / MIB:.1f} MiB"
    print(f"figures: 190 MB over a line that broke five times: {seconds:.1f} s, {again / MIB:.1f} MiB sent twice, peal-media grew by {growth / MIB:.1f} MiB")
