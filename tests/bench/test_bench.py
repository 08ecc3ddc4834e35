"""The parts of the benchmark: its data obeys the product's rules, and its load generator counts what it got, not what it hoped for."""

import contextlib
import itertools
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from peal import truth
from peal.rest import Client

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import bench  # noqa: E402
import data  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import sockets  # noqa: E402

SHAPE = data.Shape(200, 20, 3000)


@pytest.fixture(scope="module")
def loaded(stack):
    stack.stop("peal-jobs")
    data.load(stack, SHAPE)
    return stack


@pytest.fixture(scope="module")
def people(loaded):
    return {user: Client(loaded.url, token) for user, token in sockets.tokens(loaded, SHAPE).items()}


def test_every_conversation_is_dense(loaded):
    assert truth.rows(loaded, "SELECT count(*), sum(last_seq) FROM conversation") == [(200, 3000)]
    for rank in (1, 2, 3, 50, 199, 200):
        truth.check_dense(loaded, SHAPE.conversation(rank))
    assert truth.rows(loaded, "SELECT c.id FROM conversation c WHERE c.participant_count <> (SELECT count(*) FROM member m "
                              "WHERE m.conversation_id = c.id) OR c.last_seq <> (SELECT max(seq) FROM message g WHERE g.conversation_id = c.id) "
                              "OR c.last_seq <> (SELECT count(*) FROM message g WHERE g.conversation_id = c.id)") == []
    assert truth.rows(loaded, "SELECT g.conversation_id, g.seq FROM message g WHERE NOT EXISTS (SELECT FROM member m "
                              "WHERE m.conversation_id = g.conversation_id AND m.user_id = g.sender_id) OR NOT EXISTS (SELECT FROM message_key k "
                              "WHERE (k.conversation_id, k.sender_id, k.client_id, k.seq) = (g.conversation_id, g.sender_id, g.client_id, g.seq))"
                      ) == []


def test_activity_follows_the_law():
    assert sum(SHAPE.counts) == SHAPE.messages and min(SHAPE.counts) >= 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(SHAPE.counts)) and SHAPE.counts[0] > 5 * SHAPE.counts[9]
    drawn = SHAPE.draw(20000)
    assert 0.8 < drawn.count(SHAPE.conversation(1)) / (2 * drawn.count(SHAPE.conversation(2))) < 1.25
    assert len({SHAPE.conversation(rank) for rank in range(1, 201)}) == 200


def test_the_product_shows_it(loaded, people):
    conversation = SHAPE.conversation(1)
    me = SHAPE.first_member(conversation)
    page = people[me].get(f"/conversations/{conversation}/messages", query={"limit": 50}, expect=200).json
    want = truth.messages(loaded, conversation)[-50:]
    assert [(m["seq"], m["sender_id"], m["client_id"], m["content"]) for m in page["messages"]] == want
    listed = people[me].get("/conversations", query={"limit": 100}, expect=200).json["items"]
    mine = truth.rows(loaded, "SELECT count(*) FROM member WHERE user_id = %s", me)[0][0]
    assert len(listed) == min(mine, 100)
    unread = {c["id"]: c["unread_count"] for c in listed}
    others = dict(truth.rows(loaded, "SELECT m.conversation_id::text, count(g.seq) FROM member m LEFT JOIN message g ON g.conversation_id = "
                                     "m.conversation_id AND g.seq > m.read_seq AND g.sender_id <> m.user_id WHERE m.user_id = %s GROUP BY 1", me))
    assert unread == {c: others[c] for c in unread} and any(unread.values())


def test_a_loaded_message_is_known_to_its_retry(loaded, people):
    (conversation, seq, sender, key, content), = truth.rows(
        loaded, "SELECT conversation_id, seq, sender_id, client_id, content FROM message WHERE reply_seq IS NULL ORDER BY 1, 2 LIMIT 1")
    reply = people[sender].post(f"/conversations/{conversation}/messages", {"client_id": key, "message_type": "text", "content": content})
    assert reply.status == 200 and reply["seq"] == seq


def test_what_a_send_reads_does_not_grow_with_the_conversation(loaded):
    conversation = SHAPE.conversation(1)
    send = f"SELECT o_seq FROM message_send({SHAPE.first_member(conversation)}, {conversation}, 'reads-little', '\\x00', 1::smallint, 'x', NULL, NULL)"
    with truth.cursor(loaded) as c:
        c.execute(f"SET plan_cache_mode = force_generic_plan; BEGIN; {send}")
        assert c.fetchone()[0] > SHAPE.counts[0] > 400
        c.execute("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'message'; ")
        assert c.fetchone()[0] < 20
        c.execute("ROLLBACK")


def test_statements_are_the_product_s(loaded):
    statement = peers.Statement(loaded, "message_page")
    assert statement.parameters == ["i"] * 5
    script = statement.for_pgbench([":a", ":b", ":c", ":d"])
    assert ":a::bigint" in script and "NULL::bigint" in script and "$" not in script


def test_the_peer_answers_as_the_product(loaded):
    """Or a new member of an answer ends the benchmark before it began."""
    subprocess.run(["make", "-s", f"KIND={loaded.kind}", "bench-build"], cwd=ROOT, check=True, capture_output=True)
    peers.install_node()
    both = bench.Bench(loaded, SHAPE)
    with both.with_peers():
        both.compare_answers()


ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s"


class Liar(threading.Thread):
    """A server that gives these answers in turn, one per request, and then keeps giving the last."""

    def __init__(self, answers, delay=0):
        super().__init__(daemon=True)
        self.listener, self.delay = socket.create_server(("127.0.0.1", 0)), delay
        self.port, self.answers, self.given = self.listener.getsockname()[1], answers, 0

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            with connection, contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    answer = self.answers[min(self.given, len(self.answers) - 1)]
                    self.given += 1
                    time.sleep(self.delay)
                    connection.sendall(answer)
                    if b"Content-Length" not in answer:
                        break


@pytest.fixture(scope="module")
def program():
    subprocess.run(["make", "-s", "KIND=release", "bench-build"], cwd=ROOT, check=True, capture_output=True)
    return ROOT / "build" / "release" / "bench" / "load"


def generate(program, tmp_path, answers, status=200):
    server = Liar(answers)
    server.start()
    requests = tmp_path / "requests"
    requests.write_bytes(b"27 -1\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
    out = subprocess.run([program, "-p", str(server.port), "-c", "1", "-t", "1", "-w", "0", "-s", str(status), "-f", requests],
                         capture_output=True, text=True, check=False)
    return server, (json.loads(out.stdout) if out.returncode == 0 else out.stderr)


def test_load_counts_what_is_right(program, tmp_path):
    server, r = generate(program, tmp_path, [ANSWER % (200, 5, b"hello")])
    assert r["errors"] == 0 and r["requests"] > 10 and 0 <= server.given - r["requests"] <= 2


@pytest.mark.parametrize("bad", [ANSWER % (500, 5, b"hello"), b"HTTP/1.1 200 OK\r\n\r\nno length", b"nonsense\r\n\r\n", ANSWER % (200, 3, b"hello")])
def test_load_counts_every_wrong_answer(program, tmp_path, bad):
    good = ANSWER % (200, 5, b"hello")
    server, r = generate(program, tmp_path, [good, bad, good, bad, good])
    assert r["errors"] == 2 and r["first_error"] and r["requests"] > 5, r
    assert r["requests"] <= server.given - 2


def test_a_rate_is_kept_and_waiting_is_counted(program, tmp_path):
    (tmp_path / "requests").write_bytes(b"27 -1\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")

    def timed(delay, rate):
        server = Liar([ANSWER % (200, 5, b"hello")], delay)
        server.start()
        out = subprocess.run([program, "-p", str(server.port), "-c", "1", "-t", "1", "-w", "0", "-r", str(rate), "-f", tmp_path / "requests"],
                             capture_output=True, text=True, check=True)
        return json.loads(out.stdout)

    easy = timed(0, 50)
    assert 20 <= easy["requests"] <= 50 and easy["errors"] == 0
    behind = timed(0.02, 200)
    assert behind["requests"] <= 50 and behind["p99_ms"] > 500, "what was due and had to wait is timed from when it was due"


def test_load_gives_up_when_nothing_is_right(program, tmp_path):
    _, said = generate(program, tmp_path, [ANSWER % (503, 0, b"")])
    assert "503" in said


def test_processor_time_and_memory_are_those_of_the_tree(loaded):
    roots = {"postgres": loaded.pid("postgres")}
    before = measure.cpu_seconds(roots)["postgres"]
    loaded.psql("SELECT sum(i) FROM generate_series(1, 2000000) AS i")
    time.sleep(measure.REAP)
    assert 0.05 < measure.cpu_seconds(roots)["postgres"] - before < 30
    assert measure.pss_kib(roots)["postgres"] > 1000
