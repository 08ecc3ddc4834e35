"""The sockets of the benchmark: they see what is missing, doubled or late, whatever the other side is; and all that is measured is done."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import data  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import realtime  # noqa: E402
import sockets  # noqa: E402

SHAPE = data.Rooms(40, 12)


@pytest.fixture(scope="module")
def loaded(stack):
    subprocess.run(["make", "-s", f"KIND={stack.kind}", "bench-build"], cwd=ROOT, check=True, capture_output=True)
    stack.stop("peal-jobs")
    data.load(stack, SHAPE)
    stack.start("peal-jobs")
    return stack


@pytest.fixture(scope="module")
def tokens(loaded):
    return sockets.tokens(loaded, SHAPE)


@pytest.fixture(scope="module")
def messages(loaded):
    return realtime.Messages(loaded)


def opened(stack, tokens, people):
    return sockets.Sockets(stack, [sockets.upgrade(tokens[u]) for u in people])


def send(stack, messages, tokens, conversations, n=5):
    made = [realtime.message(SHAPE, tokens, c, "said by the benchmark") for c in conversations]
    run = messages.send(messages.file(f"to-{'-'.join(map(str, conversations))}", made), 20, n / 20, {}, connections=1)
    assert 1 <= run.done <= n
    return run.done


def test_people_and_the_hall():
    assert SHAPE.members(1) == [1, 2] and SHAPE.members(39) == [39, 40]
    assert SHAPE.members(SHAPE.hall) == list(range(1, 13)) and not SHAPE.is_direct(SHAPE.hall)
    assert sum(SHAPE.counts) == SHAPE.messages == 400


def test_each_message_is_heard_by_all_of_those_it_is_for(loaded, tokens, messages):
    with opened(loaded, tokens, range(1, 41)) as some:
        assert some.open(40)["opened"] == 40
        n = send(loaded, messages, tokens, [1, 2, 3])
        heard = some.report(messages.seed, 2)
        assert heard["messages"] >= n and heard["wrong"] == 0 and heard["heard"] == 2 * heard["messages"]
        assert 0 < heard["p50_ms"] <= heard["p99_ms"] <= heard["max_ms"] < 10000 and len(heard["last_ms"]) == heard["messages"]
        n = send(loaded, messages, tokens, [SHAPE.hall])
        assert some.report(messages.seed, 12)["wrong"] == 0
        assert some.report(messages.seed, 13, patience=0)["wrong"] >= n, "who hears too little, or too much, is seen"
        assert some.report(messages.seed, 12, 0, 1)["messages"] == 0, "nothing was due in the first microsecond of this machine"
        assert some.ask("state")["lost"] == 0 and some.ask("state")["errors"] == 0
        assert "error" in some.ask("nonsense")


def test_events_are_acknowledged_and_who_was_cut_comes_back_where_it_was(loaded, tokens, messages):
    delivered = f"SELECT min(delivered_seq) = max(last_seq) FROM member JOIN conversation ON id = conversation_id WHERE id = {SHAPE.hall} AND user_id <= 12"
    with opened(loaded, tokens, range(1, 13)) as some:
        some.open(12)
        assert some.ask("cut", 4) == {"ready": 4}
        n = send(loaded, messages, tokens, [SHAPE.hall])
        assert some.report(messages.seed, 4)["wrong"] == 0
        said = some.open(12, most=12)
        assert said["opened"] == 8 and said["failed"] == 0
        assert some.report(messages.seed, 12)["wrong"] == 0, "what was missed came with the replay, once"
        assert n >= 1
        until = time.monotonic() + 10
        while loaded.psql(delivered) != "t" and time.monotonic() < until:
            time.sleep(0.1)
        assert loaded.psql(delivered) == "t"


def test_a_socket_that_cannot_open_is_told(loaded):
    with sockets.Sockets(loaded, [sockets.upgrade("no.token.atall")]) as some:
        process = some.process
        process.stdin.write("open 2 2\n")
        process.stdin.flush()
        until = time.monotonic() + 10
        while time.monotonic() < until:     # it tries on, and says so meanwhile
            if some.ask("state")["failed"] >= 2:
                break
            time.sleep(0.1)
        state = some.ask("state")
        assert state["ready"] == 0 and state["failed"] >= 2 and "bad token" in state["first_error"], state


class Server(threading.Thread):
    """Upgrades whoever comes, and then says these bytes."""

    def __init__(self, says):
        super().__init__(daemon=True)
        self.listener, self.says = socket.create_server(("127.0.0.1", 0)), says
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the pieces come together
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            for piece in self.says:
                connection.sendall(piece)
                time.sleep(0.001)
            connection.recv(1)


def text_frame(text):
    raw = text.encode()
    head = bytes([0x81, len(raw)]) if len(raw) < 126 else b"\x81\x7e" + len(raw).to_bytes(2, "big")
    return head + raw


def marked(seed, ago_us):
    at = time.monotonic_ns() // 1000 - ago_us
    return text_frame(f'{{"client_id":"mark:{seed:08x}{at:016x}","more":"{"x" * 200}"}}')


def test_marks_are_found_however_the_bytes_are_cut(loaded):
    first, second = marked(1, 5000), marked(1, 1000000)
    both = first + second + first
    for step in (1, 7, len(first) + 3, len(both)):
        server = Server([both[i:i + step] for i in range(0, len(both), step)])
        server.start()
        with sockets.Sockets(loaded, [sockets.upgrade()], server.port, "plain") as some:
            some.open(1)
            until = time.monotonic() + 30
            while some.ask("report", 1, 1)["heard"] < 3 and time.monotonic() < until:
                time.sleep(0.05)
            heard = some.ask("report", 1, 1)
        assert (heard["messages"], heard["heard"], heard["wrong"]) == (2, 3, 1), "the first came twice"
        assert heard["p99_ms"] >= 1000 and min(heard["first_ms"]) >= 5


def test_a_socket_that_is_closed_by_the_other_side_is_lost(loaded):
    server = Server([b"\x88\x02\x03\xe8"])
    server.start()
    with sockets.Sockets(loaded, [sockets.upgrade()], server.port, "plain") as some:
        some.open(1)
        until = time.monotonic() + 10
        while not some.ask("state")["lost"] and time.monotonic() < until:
            time.sleep(0.05)
        assert some.ask("state")["lost"] >= 1


def test_the_bare_broadcaster_tells_everybody(loaded, messages):
    front = peers.Front(loaded)
    peer = peers.broadcast(loaded, front, 2)
    try:
        front.apply(workers=2)
        frame = f'{{"type":"new_message","client_id":"mark:{"0" * 24}"}}'
        file = messages.file("posted", [realtime.publishing(peer.publish_port, frame)])
        with sockets.Sockets(loaded, [sockets.upgrade()], peer.port, "plain") as some:
            some.open(50)
            run = measure.load(loaded, peer.publish_port, file, 200, 1, 0.5, 0, messages.next(), {"peer": peer.process.pid}, "-m", "-r", 10)
            heard = some.report(messages.seed, 50)
            assert run.errors == 0 and heard["messages"] >= run.done >= 1 and heard["wrong"] == 0
    finally:
        peer.stop()


def test_the_verdict_counts_by_turns():
    rows = [{"who": who, "last_ms": ms, "cpu_us": {"nginx": cpu}} for who, ms, cpu in
            (("peal", 100, 30), ("broadcast", 80, 20), ("broadcast", 90, 20), ("peal", 120, 30), ("socket.io", 400, 90))]
    found = realtime.ratios(rows)
    assert found["broadcast"] == {"by time": 85 / 110, "by CPU": 20 / 30} and found["socket.io"]["by time"] == 400 / 110


@pytest.mark.skipif(os.environ.get("TIER", "1") == "1", reason="TIER=2: a minute, and npm")
def test_a_quick_run_measures_everything():
    subprocess.run(["make", "-s", "KIND=release", "build", "bench-build"], cwd=ROOT, check=True, capture_output=True)
    out = subprocess.run([sys.executable, ROOT / "bench" / "realtime.py"], env={**os.environ, "QUICK": "1"}, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stdout[-3000:] + out.stderr[-3000:]
    result = json.loads((ROOT / "build" / "bench-sockets.json").read_text())
    assert {row["who"] for row in result["fan-out"]} >= {"peal", "broadcast", "socket.io"} and result["storm"]["devices"] == 1000
    assert [row["rate"] for row in result["latency"]] == [200, 1000, 2000] and result["errors"] == []
