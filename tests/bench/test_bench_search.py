"""The parts of bench/search.py: its data obeys the product's rules, and the product and the peers are asked the same."""

import collections
import itertools
import os
import pathlib
import random
import re
import subprocess
import sys

import pytest

from peal import truth
from peal.find import pages

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import measure  # noqa: E402
import search as bench  # noqa: E402

MESSAGES = 12_000
STACK = {"settings": {"search_slice_rows": 2000}}


@pytest.fixture(scope="module")
def world(stack):
    world = bench.World(stack, MESSAGES, people=(5, 50))
    world.load()
    said = bench.rebuilt(world)
    assert said["slices"] - MESSAGES // 2000 in (0, 1) and said["per_second"] > 100
    return world


def test_data(world):
    assert truth.rows(world.stack, "SELECT count(*), sum(last_seq) FROM conversation") == [(1000, MESSAGES)]
    assert truth.rows(world.stack, "SELECT c.id FROM conversation c WHERE c.last_seq <> (SELECT count(*) FROM message g WHERE g.conversation_id = c.id) OR "
                                   "c.participant_count <> (SELECT count(*) FROM member m WHERE m.conversation_id = c.id)") == []
    assert truth.rows(world.stack, "SELECT max(created_at) < now() AND max(created_at) - min(created_at) > interval '363 days' FROM message") == [(True,)]
    counts = sorted((n for n, in truth.rows(world.stack, "SELECT last_seq FROM conversation")), reverse=True)
    assert counts[0] > 5 * counts[9] > 0
    assert (len(world.mine(5)), len(world.mine(50))) == (5, 50)


def test_chunks_go_on_where_the_one_before_ended():
    world = bench.World(None, 2 * bench.CHUNK + 10)
    seqs = collections.Counter()
    ends = []
    for _, places, numbers, begin, end in world.chunks():
        for place, seq in zip(places, numbers):
            seqs[place] += 1
            assert seq == seqs[place]
        ends += [begin, end]
    assert sum(seqs.values()) == world.messages and ends == sorted(ends)


def test_words_follow_the_law():
    words = collections.Counter(w for text in bench.contents(bench.random.Random(1), 4000) for w in re.findall(r"[a-z]+", text))
    assert 1.5 < words[bench.word(0)] / words[bench.word(3)] < 2.7
    assert len({bench.word(n) for n in range(bench.VOCABULARY)}) == bench.VOCABULARY


def test_the_product_finds_what_is_there(world):
    for size, word in itertools.product((5, 50), (bench.word(0), bench.word(7), bench.word(300))):
        want = truth.rows(world.stack, "SELECT g.conversation_id || '.' || g.seq FROM message g WHERE g.conversation_id = ANY (%s) AND g.content ~ %s "
                                       "ORDER BY g.created_at DESC, g.conversation_id DESC, g.seq DESC", world.mine(size), rf"\m{word}")
        assert [i["message"]["id"] for i in pages(world.people[size], word)] == [i for i, in want]


def test_asking(world):
    kinds = world.queries()
    said = bench.ask_peal(world, world.people[50], kinds["common"], asked=5)
    assert said["hits"] > 0 and 0 < said["p50"] <= said["p95"] <= said["p99"]
    assert bench.ask_peal(world, world.people[50], kinds["no hit"], asked=3)["hits"] == 0
    world.stack.psql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for peer, column in (("simple", "USING gin (to_tsvector('simple', content))"), ("trgm", "USING gin (content gin_trgm_ops)")):
        assert bench.make_peer(world.stack, peer, column)["size"].endswith("B")
        with world.stack.db("postgres") as db:
            db.autocommit = True
            hits = {kind: bench.ask_peer(peer, kind, world.mine(50), make, db)["hits"] for kind, make in kinds.items()}
        db.close()
        assert hits["common"] > 0 and hits["no hit"] == 0, (peer, hits)
        world.stack.psql(f"DROP INDEX peer_{peer}")


def test_writing(world):
    subprocess.run(["make", "-s", f"KIND={world.stack.kind}", "bench-build"], cwd=ROOT, check=True, capture_output=True)
    before = truth.rows(world.stack, "SELECT count(*) FROM message")[0][0]
    said = bench.writing(world, seconds=1, pairs=2, rate=60)
    sent = truth.rows(world.stack, "SELECT count(*) FROM message")[0][0] - before
    assert sent >= 500 and said["send"]["per_second"][1] > 40 and said["send_without_indexer"]["per_second"][1] > 40
    indexed = truth.rows(world.stack, "SELECT count(*) FROM message_search")[0][0] - MESSAGES
    assert 300 <= indexed <= sent - 200, "with the indexer all of them, without it none"
    low, high = (said["ratio, median and where it lies"]["p99_ms"][n] for n in (1, 2))
    assert 0 < low <= high and 0 <= said["lag"]["p50"] <= said["lag"]["p99"] < 5000   # a look may find that nothing waits


def test_where_a_median_lies():
    rng = random.Random(1)
    even = bench.median_within([rng.gauss(1, 0.1) for _ in range(400)], rng)
    few = bench.median_within([rng.gauss(1, 0.1) for _ in range(20)], rng)
    assert even[1] < 1 < even[2] and few[1] < few[0] < few[2] and even[2] - even[1] < few[2] - few[1]


def test_a_disturbed_round_is_done_again(monkeypatch):
    shares = iter([0.5, 0.02, 0.3, 0.004, 0.9])
    stolen = itertools.accumulate(itertools.chain.from_iterable((0, next(shares) * os.cpu_count()) for _ in range(5)))
    monkeypatch.setattr(measure, "_stolen", lambda: next(stolen))
    clock = itertools.count(step=1)
    monkeypatch.setattr(measure.time, "monotonic", lambda: next(clock))
    runs = itertools.count(1)
    assert measure.undisturbed(lambda: next(runs)) == (4, pytest.approx(0.004))
    assert measure.undisturbed(lambda: next(runs), tries=1) == (5, pytest.approx(0.9)), "there was no better one"
