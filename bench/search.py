"""bench/search.py: searching in ten million messages through the whole product, beside plain to_tsvector and pg_trgm in the same database.

    make KIND=release build bench-build && /usr/bin/python3 bench/search.py          (QUICK=1: one million; MESSAGES=n: so many)

Activity follows Zipf's law, and so do words. Three people are in 5, 50 and 500 conversations. Queries of each kind are asked in turn,
each for a page of 20, newest first. The peers answer the bare SQL over one connection, without HTTP, tokens, the message's views or
highlights: `simple` is to_tsvector('simple', content) with GIN, `trgm` ILIKE with pg_trgm. Then the lag of the index while messages are
sent at a steady rate, and what the indexer does to sending. Prints tables and writes build/bench-search.json. Needs the machine for itself.
"""

import bisect
import concurrent.futures
import http.client
import io
import itertools
import json
import os
import pathlib
import random
import sys
import time
import urllib.parse
import uuid

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("dev", "tests")]

from peal.people import Person  # noqa: E402
from stack import RATES, ROOT, Stack  # noqa: E402

QUICK = os.environ.get("QUICK", "0") not in ("", "0")
MESSAGES = int(os.environ.get("MESSAGES") or (1_000_000 if QUICK else 10_000_000))
CONVERSATIONS = max(1000, MESSAGES // 400)
VOCABULARY, WORDS = 200_000, (3, 14)
ASKED = int(os.environ.get("ASKED") or (40 if QUICK else 200))
PEOPLE = (5, 50, 500)
PEER_TIMEOUT_MS = 5000
SEND_SECONDS, SEND_RATE = (10, 300) if QUICK else (60, 1000)
CHUNK = 50_000
SETTINGS = {"argon2_memory_kib": 19456, **dict.fromkeys(RATES, 1000000)}
POSTGRES = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "wal_compression": "lz4", "maintenance_work_mem": "512MB"}
STARTED = time.monotonic()
HAN = "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学"
SYLLABLES = [a + b for a in "b d f g k l m n p r s t v z br st tr sch pl".split() for b in "a e i o u ai en or".split()]


def say(text):
    print(f"{time.monotonic() - STARTED:7.1f} s  {text}", file=sys.stderr, flush=True)


def word(n):
    """The n-th word of the vocabulary; no two are alike."""
    out = ""
    while True:
        out += SYLLABLES[n % len(SYLLABLES)]
        n //= len(SYLLABLES)
        if not n:
            return out


# ---- the data ----

class World:
    def __init__(self, stack, seed=1):
        self.stack, self.random = stack, random.Random(seed)
        self.words = [word(n) for n in range(VOCABULARY)]
        self.weights = list(itertools.accumulate(1 / (n + 3) for n in range(VOCABULARY)))
        self.activity = list(itertools.accumulate(1 / (n + 1) for n in range(CONVERSATIONS)))
        self.seqs = [0] * (CONVERSATIONS + 1)
        self.people = {}

    def contents(self, n):
        """Texts: words by their frequency; one in twenty Chinese, one in fifty with an address in it."""
        lengths = [self.random.randint(*WORDS) for _ in range(n)]
        words = iter(self.random.choices(self.words, cum_weights=self.weights, k=sum(lengths)))
        for i, length in enumerate(lengths):
            text = " ".join(itertools.islice(words, length))
            if i % 20 == 7:
                text = "".join(self.random.choices(HAN, k=length * 2))
            elif i % 50 == 3:
                text += f" https://host{self.random.randint(1, 99999)}.example.com/v{i % 9}.{i % 7}"
            yield text

    def load(self):
        db = self.stack.db("postgres")
        db.autocommit = True
        c = db.cursor()
        c.execute("INSERT INTO users (username, display_name) SELECT 'u' || n, 'U' FROM generate_series(1, 1000) n")
        c.execute("INSERT INTO conversation (kind, name, history_all, created_by, participant_count) "
                  "SELECT 2, 'g' || n, true, 1, 3 FROM generate_series(1, %s) n", (CONVERSATIONS,))
        begin = time.time() - 365 * 86400
        ids = range(1, CONVERSATIONS + 1)
        for done in range(0, MESSAGES, CHUNK):
            n = min(CHUNK, MESSAGES - done)
            places = self.random.choices(ids, cum_weights=self.activity, k=n)
            out = io.StringIO()
            for i, (place, text) in enumerate(zip(places, self.contents(n))):
                self.seqs[place] += 1
                at = begin + (done + i) / MESSAGES * 364 * 86400
                out.write(f"{place}\t{self.seqs[place]}\t{1 + place % 1000}\t1\t{text}\t{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at))}.{i % 1000:03}Z\n")
            out.seek(0)
            c.copy_expert("COPY message (conversation_id, seq, sender_id, kind, content, created_at) FROM STDIN", out)
        c.execute("UPDATE conversation c SET last_seq = g.n FROM (SELECT conversation_id, max(seq) AS n FROM message GROUP BY 1) g WHERE g.conversation_id = c.id")
        for size in PEOPLE:
            person = self.people[size] = Person(self.stack, f"in{size}")
            step = max(1, CONVERSATIONS // size)
            c.execute("INSERT INTO member (user_id, conversation_id) SELECT %s, id FROM conversation WHERE id %% %s = %s ORDER BY id LIMIT %s",
                      (int(person.id), step, 2 % step, min(size, CONVERSATIONS)))
        c.execute("VACUUM ANALYZE")
        db.close()

    def mine(self, size):
        with self.stack.db() as db, db.cursor() as c:
            c.execute("SELECT array_agg(conversation_id) FROM member WHERE user_id = %s", (int(self.people[size].id),))
            return c.fetchone()[0]

    def draw(self, low, high):
        """A word that one in `low` to one in `high` messages has, about."""
        total, mean = self.weights[-1], sum(WORDS) / 2
        first = bisect.bisect_left([-(1 / (n + 3)) for n in range(2000)], -total / mean / low) if low < 20000 else 2000
        last = min(VOCABULARY - 1, int(mean * high / total))
        return self.words[self.random.randint(min(first, last), last)]

    def queries(self):
        r = self.random
        return {
            "rare": lambda: self.words[r.randint(VOCABULARY // 4, VOCABULARY - 1)],
            "common": lambda: self.words[r.randint(0, 20)],
            "prefix": lambda: self.words[r.randint(500, 20000)][:5],
            "two terms": lambda: f"{self.words[r.randint(0, 200)]} {self.words[r.randint(50, 2000)]}",
            "chinese": lambda: "".join(r.choices(HAN, k=2)),
            "no hit": lambda: f"qx{r.randint(10**6, 10**7)}",
        }


# ---- asking ----

def percentiles(times):
    ordered = sorted(times)
    at = lambda share: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)  # noqa: E731
    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99)}


def ask_peal(world, person, make):
    connection = http.client.HTTPConnection("127.0.0.1", world.stack.port, timeout=30)
    times, partial, hits = [], 0, 0
    for _ in range(ASKED):
        query = urllib.parse.urlencode({"q": f"{make()}", "limit": 20})
        begin = time.monotonic()
        connection.request("GET", f"/api/v1/messages/search?{query}", headers={"Authorization": f"Bearer {person.token}"})
        reply = connection.getresponse()
        body = reply.read()
        times.append(time.monotonic() - begin)
        if reply.status != 200:
            raise SystemExit(f"search answered {reply.status}: {body[:300]!r}")
        page = json.loads(body)
        partial, hits = partial + page["partial"], hits + len(page["items"])
    connection.close()
    return {**percentiles(times), "partial": partial, "hits": round(hits / ASKED, 1)}


PEERS = {
    "simple": "SELECT conversation_id, seq, content FROM message WHERE to_tsvector('simple', content) @@ {} AND conversation_id = ANY (%s) ORDER BY created_at DESC LIMIT 20",
    "trgm": "SELECT conversation_id, seq, content FROM message WHERE content ILIKE {} AND conversation_id = ANY (%s) ORDER BY created_at DESC LIMIT 20",
}


def peer_query(peer, kind, text):
    """(SQL, its first value)"""
    if peer == "trgm":
        return PEERS[peer].format("%s"), f"%{text.replace(' ', '%')}%"
    if kind == "prefix":
        return PEERS[peer].format("to_tsquery('simple', %s)"), f"{text}:*"
    return PEERS[peer].format("plainto_tsquery('simple', %s)"), text


def ask_peer(world, peer, kind, ids, make, db):
    times, hits, late = [], 0, 0
    with db.cursor() as c:
        for _ in range(max(10, ASKED // 4)):
            sql, value = peer_query(peer, kind, make())
            begin = time.monotonic()
            try:
                c.execute(sql, (value, ids))
                hits += len(c.fetchall())
            except Exception as e:  # pylint: disable=broad-except
                if "statement timeout" not in str(e):
                    raise
                late += 1
            times.append(time.monotonic() - begin)
    return {**percentiles(times), "late": late, "hits": round(hits / len(times), 1)}


# ---- writing ----

def send_for(world, seconds, rate):
    """Sends at a rate from 8 connections; (latencies, how long after its answer each 100th message was found)."""
    person, place = world.people[5], world.mine(5)[0]
    gap, stop, lags = 8 / rate, time.monotonic() + seconds, []

    def one(n):
        connection = http.client.HTTPConnection("127.0.0.1", world.stack.port, timeout=30)
        head = {"Authorization": f"Bearer {person.token}", "Content-Type": "application/json"}
        times, due = [], time.monotonic() + n * gap / 8
        while due < stop:
            time.sleep(max(0, due - time.monotonic()))
            body = json.dumps({"client_id": uuid.uuid4().hex, "message_type": "text", "content": f"{world.draw(5, 5000)} lag{uuid.uuid4().hex}"})
            begin = time.monotonic()
            connection.request("POST", f"/api/v1/conversations/{place}/messages", body, head)
            reply = connection.getresponse()
            reply.read()
            if reply.status != 201:
                raise SystemExit(f"send answered {reply.status}")
            times.append(time.monotonic() - begin)
            due += gap
        return times

    def watch():
        with world.stack.db() as db, db.cursor() as c:
            while time.monotonic() < stop:
                c.execute("SELECT extract(epoch FROM now() - min(e.at))::float8 FROM event e, search_state s WHERE e.xid >= s.xid AND e.kind = 1")
                lags.append(c.fetchone()[0] or 0.0)
                db.rollback()
                time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        watcher = pool.submit(watch)
        times = list(itertools.chain(*pool.map(one, range(8))))
        watcher.result()
    return times, lags


def writing(world):
    """Sending with the indexer, and with peal-jobs stopped."""
    times, lags = send_for(world, SEND_SECONDS, SEND_RATE)
    world.stack.stop("peal-jobs")
    without, _ = send_for(world, SEND_SECONDS, SEND_RATE)
    world.stack.start("peal-jobs")
    return {"per_second": round(len(times) / SEND_SECONDS), "send": percentiles(times), "send_without_indexer": percentiles(without), "lag": percentiles(lags)}


# ---- everything ----

def measure(world):
    result = {"messages": MESSAGES, "conversations": CONVERSATIONS, "asked": ASKED, "peal": {}, "simple": {}, "trgm": {}}
    begin = time.monotonic()
    world.stack.pealctl("search", "rebuild")
    result["index_seconds"] = round(time.monotonic() - begin, 1)
    sizes = "SELECT pg_size_pretty(sum(pg_{}_size(c.oid))) FROM pg_class c WHERE c.relname ~ '^message_search_[0-9]+$'"
    result["index"] = {"gin and places": world.stack.psql(sizes.format("indexes")), "rows": world.stack.psql(sizes.format("table")),
                       "messages": world.stack.psql("SELECT pg_size_pretty(pg_table_size('message'))")}
    result["slices"] = int(world.stack.psql("SELECT count(*) FROM search_slice"))
    world.stack.psql("VACUUM ANALYZE message_search")
    say(f"indexed in {result['index_seconds']} s: {result['index']}, {result['slices']} slices")
    for size, (kind, make) in itertools.product(PEOPLE, world.queries().items()):
        result["peal"][f"{kind}, {size}"] = ask_peal(world, world.people[size], make)
        say(f"peal    {kind:10}{size:5}  {result['peal'][f'{kind}, {size}']}")
    result["writing"] = writing(world)
    say(f"writing {result['writing']}")
    for peer, column in (("simple", "USING gin (to_tsvector('simple', content))"), ("trgm", "USING gin (content gin_trgm_ops)")):
        begin = time.monotonic()
        world.stack.psql(f"CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX peer_{peer} ON message {column}")
        result[f"{peer}_index"] = {"seconds": round(time.monotonic() - begin, 1), "size": world.stack.psql(f"SELECT pg_size_pretty(pg_relation_size('peer_{peer}'))")}
        db = world.stack.db("postgres")
        db.autocommit = True
        with db.cursor() as c:
            c.execute(f"SET statement_timeout = {PEER_TIMEOUT_MS}")
        for size, (kind, make) in itertools.product(PEOPLE, world.queries().items()):
            result[peer][f"{kind}, {size}"] = ask_peer(world, peer, kind, world.mine(size), make, db)
            say(f"{peer:8}{kind:10}{size:5}  {result[peer][f'{kind}, {size}']}")
        db.close()
        world.stack.psql(f"DROP INDEX peer_{peer}")
    return result


def table(result):
    lines = [f"{result['messages']} messages, {result['conversations']} conversations, {result['slices']} slices; index: {result['index']}, "
             f"made in {result['index_seconds']} s; simple: {result['simple_index']}; trgm: {result['trgm_index']}", "",
             f"{'p50 / p95 / p99 in ms':24}" + "".join(f"{who:>26}" for who in ("peal", "simple", "trgm"))]
    for row in result["peal"]:
        cells = [result[who][row] for who in ("peal", "simple", "trgm")]
        lines.append(f"{row:24}" + "".join(f"{c['p50']:>9} {c['p95']:>7} {c['p99']:>7}{'*' if c.get('partial') or c.get('late') else ' '}" for c in cells))
    lines += ["* some were partial (peal), or gave up after 5 s (peers)", "", f"while sending: {result['writing']}"]
    return "\n".join(lines)


def main():
    busy = os.getloadavg()[0]
    with Stack(kind="release", durable=True, settings=SETTINGS, postgres=POSTGRES) as stack:
        world = World(stack)
        say(f"loading {MESSAGES} messages")
        world.load()
        result = {**measure(world), "load_before": busy, "quick": QUICK}
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-search.json").write_text(json.dumps(result, indent=1))
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
