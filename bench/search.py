"""bench/search.py: searching in ten million messages through the whole product, beside plain to_tsvector and pg_trgm in the same database.

    make KIND=release build bench-build && /usr/bin/python3 bench/search.py          (QUICK=1: one million; MESSAGES=n: so
    many; WRITING=1: without the questions and the peers; RATE=1000: messages a second, PAIRS=60 of rounds)

Activity follows Zipf's law, and so do words. Three people are in 5, 50 and 500 conversations. Queries of each kind are asked in turn,
each for a page of 20, newest first. The peers answer the bare SQL over one connection, without HTTP, tokens, the message's views or
highlights: `simple` is to_tsvector('simple', content) with GIN, `trgm` ILIKE with pg_trgm. Then, without the peers' indexes, messages are
sent at a steady rate, by turns with and without the indexer: what it does to sending, and how far the index is behind.
Prints tables and writes build/bench-search.json. Needs the machine for itself; ten million take about 20 minutes and 12 GB of disk.
"""

import array
import collections
import concurrent.futures
import contextlib
import functools
import http.client
import io
import itertools
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

import psycopg2

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("dev", "tests")]

import bench  # noqa: E402
from measure import STOLEN_MOST, keep_wal, undisturbed  # noqa: E402
from peal.find import indexed  # noqa: E402
from peal.people import Person  # noqa: E402
from stack import RATES, ROOT, Stack  # noqa: E402

QUICK = os.environ.get("QUICK", "0") not in ("", "0")
WRITING = os.environ.get("WRITING", "0") not in ("", "0")
MESSAGES = int(os.environ.get("MESSAGES") or (1_000_000 if QUICK else 10_000_000))
VOCABULARY, WORDS = 200_000, (3, 14)
ASKED = int(os.environ.get("ASKED") or (40 if QUICK else 200))
PEOPLE = (5, 50, 500)
SENDERS = 1000
PEER_TIMEOUT_MS, PEER_SECONDS, PEER_LEAST = 3000, 4, 3  # a cell of a peer: so long, and so many queries at least
SEND_SECONDS, SEND_PAIRS, CONNECTIONS = 3, int(os.environ.get("PAIRS") or (5 if QUICK else 60)), 16
NEVER = 2**62                                      # a transaction that never comes
SEND_RATE = int(os.environ.get("RATE") or 1000)    # messages a second
CHUNK, YEAR = 50_000, 364 * 86400
SETTINGS = {"argon2_memory_kib": 19456, "access_token_seconds": 86400, **dict.fromkeys(RATES, 1000000)}
POSTGRES = {**bench.POSTGRES, "maintenance_work_mem": "1GB"}
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

VOCABULARY_WORDS = [word(n) for n in range(VOCABULARY)]
WEIGHTS = list(itertools.accumulate(1 / (n + 3) for n in range(VOCABULARY)))


def contents(rng, n):
    """Texts: words by their frequency; one in twenty Chinese, one in fifty with an address in it."""
    lengths = [rng.randint(*WORDS) for _ in range(n)]
    words = iter(rng.choices(VOCABULARY_WORDS, cum_weights=WEIGHTS, k=sum(lengths)))
    for i, length in enumerate(lengths):
        text = " ".join(itertools.islice(words, length))
        if i % 20 == 7:
            text = "".join(rng.choices(HAN, k=length * 2))
        elif i % 50 == 3:
            text += f" https://host{rng.randint(1, 99999)}.example.com/v{i % 9}.{i % 7}"
        yield text


def chunk(seed, places, seqs, begin, end):
    """Messages at these places, spread evenly over the time, as COPY takes them."""
    out, step = io.StringIO(), (end - begin) / len(places)
    for i, (place, seq, text) in enumerate(zip(places, seqs, contents(random.Random(seed), len(places)))):
        at = begin + i * step
        out.write(f"{place}\t{seq}\t{1 + place % SENDERS}\t1\t{text}\t{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e6):06}Z\n")
    return out.getvalue()


class World:
    def __init__(self, stack, messages, people=PEOPLE, seed=1):
        self.stack, self.messages, self.sizes, self.random = stack, messages, people, random.Random(seed)
        self.conversations = max(1000, messages // 400)
        self.people = {}

    def chunks(self):
        """Arguments of chunk(): places are drawn here, since their numbers go on from one chunk to the next."""
        activity = list(itertools.accumulate(1 / (n + 1) for n in range(self.conversations)))
        ids, seqs, begin = range(1, self.conversations + 1), [0] * (self.conversations + 1), time.time() - YEAR - 86400
        for done in range(0, self.messages, CHUNK):
            n = min(CHUNK, self.messages - done)
            places, numbers = array.array("l", self.random.choices(ids, cum_weights=activity, k=n)), array.array("l")
            for place in places:
                seqs[place] += 1
                numbers.append(seqs[place])
            yield self.random.getrandbits(32), places, numbers, begin + done / self.messages * YEAR, begin + (done + n) / self.messages * YEAR

    def texts(self):
        """What chunk() makes of them, made by two other processes while we go on."""
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            waiting = collections.deque()
            for arguments in self.chunks():
                waiting.append(pool.submit(chunk, *arguments))
                if len(waiting) > 3:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def load(self):
        db = self.stack.db("postgres")
        db.autocommit = True
        c = db.cursor()
        c.execute("SET synchronous_commit = off")
        c.execute("INSERT INTO users (username, display_name) SELECT 'u' || n, 'U' FROM generate_series(1, %s) n", (SENDERS,))
        c.execute("INSERT INTO conversation (kind, name, history_all, created_by, participant_count) "
                  "SELECT 2, 'g' || n, true, 1, 1 FROM generate_series(1, %s) n", (self.conversations,))
        for text in self.texts():
            c.copy_expert("COPY message (conversation_id, seq, sender_id, kind, content, created_at) FROM STDIN", io.StringIO(text))
        c.execute("UPDATE conversation c SET last_seq = g.n FROM (SELECT conversation_id, max(seq) AS n FROM message GROUP BY 1) g WHERE g.conversation_id = c.id")
        c.execute("INSERT INTO member (user_id, conversation_id) SELECT 1 + id %% %s, id FROM conversation", (SENDERS,))
        for size in self.sizes:
            person = self.people[size] = Person(self.stack, f"in{size}")
            step = max(1, self.conversations // size)
            c.execute("INSERT INTO member (user_id, conversation_id, read_seq) SELECT %s, id, last_seq FROM conversation WHERE id %% %s = %s ORDER BY id LIMIT %s",
                      (int(person.id), step, 2 % step, min(size, self.conversations)))
        c.execute("UPDATE conversation c SET participant_count = (SELECT count(*) FROM member m WHERE m.conversation_id = c.id)")
        c.execute("VACUUM ANALYZE")
        db.close()

    def mine(self, size):
        with self.stack.db() as db, db.cursor() as c:
            c.execute("SELECT array_agg(conversation_id) FROM member WHERE user_id = %s", (int(self.people[size].id),))
            return c.fetchone()[0]

    def queries(self):
        r, words = self.random, VOCABULARY_WORDS
        return {
            "rare": lambda: words[r.randint(VOCABULARY // 4, VOCABULARY - 1)],
            "common": lambda: words[r.randint(0, 20)],
            "prefix": lambda: words[r.randint(500, 20000)][:5],
            "two terms": lambda: f"{words[r.randint(0, 200)]} {words[r.randint(50, 2000)]}",
            "chinese": lambda: "".join(r.choices(HAN, k=2)),
            "no hit": lambda: f"qx{r.randint(10**6, 10**7)}",
        }


# ---- asking ----

def percentiles(times):
    """In ms."""
    ordered = sorted(times)
    at = lambda share: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)  # noqa: E731
    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99)}


def ask_peal(world, person, make, asked=ASKED):
    connection = http.client.HTTPConnection("127.0.0.1", world.stack.port, timeout=30)
    times, partial, hits = [], 0, 0
    for _ in range(asked):
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
    return {**percentiles(times), "partial": partial, "hits": round(hits / asked, 1)}


PEERS = {
    "simple": "SELECT conversation_id, seq, content FROM message WHERE to_tsvector('simple', content) @@ {} AND conversation_id = ANY (%s) ORDER BY created_at DESC LIMIT 20",
    "trgm": "SELECT conversation_id, seq, content FROM message WHERE content ILIKE {} AND conversation_id = ANY (%s) ORDER BY created_at DESC LIMIT 20",
}


def peer_query(peer, kind, text):
    """(SQL, its first value)."""
    if peer == "trgm":
        return PEERS[peer].format("%s"), f"%{text.replace(' ', '%')}%"
    if kind == "prefix":
        return PEERS[peer].format("to_tsquery('simple', %s)"), f"{text}:*"
    return PEERS[peer].format("plainto_tsquery('simple', %s)"), text


def ask_peer(peer, kind, ids, make, db):
    times, hits, late, until = [], 0, 0, time.monotonic() + PEER_SECONDS
    with db.cursor() as c:
        while len(times) < PEER_LEAST or (len(times) < ASKED and time.monotonic() < until):
            sql, value = peer_query(peer, kind, make())
            begin = time.monotonic()
            try:
                c.execute(sql, (value, ids))
                hits += len(c.fetchall())
            except psycopg2.errors.QueryCanceled:
                late += 1
            times.append(time.monotonic() - begin)
    return {**percentiles(times), "asked": len(times), "late": late, "hits": round(hits / len(times), 1)}


def make_peer(stack, peer, column):
    begin = time.monotonic()
    stack.psql(f"CREATE INDEX peer_{peer} ON message {column}")
    return {"seconds": round(time.monotonic() - begin, 1), "size": stack.psql(f"SELECT pg_size_pretty(pg_relation_size('peer_{peer}'))")}


# ---- writing ----

def write_requests(world, path):
    """Messages of one person, to their conversations by turns; the load generator makes their keys unique."""
    size = sorted(world.people)[len(world.people) // 2]
    person, places, rng = world.people[size], world.mine(size), random.Random(2)
    with open(path, "wb") as f:
        for place, text in zip(itertools.cycle(places), contents(rng, 5000)):
            body = json.dumps({"client_id": "k" * 24, "message_type": "text", "content": text}).encode()
            raw = (f"POST /api/v1/conversations/{place}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {person.token}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
            f.write(b"%d %d\n" % (len(raw), raw.index(b"k" * 24)) + raw)


@contextlib.contextmanager
def watched(stack, lags):
    """Notes four times a second how old the oldest message is that is not in the index; more often, and it would be what is measured."""
    done = threading.Event()

    def watch():
        with stack.db() as db, db.cursor() as c:
            while not done.wait(0.25):
                c.execute("SELECT coalesce(extract(epoch FROM now() - min(e.at)), 0)::float8 "
                          "FROM event e WHERE e.xid >= (SELECT xid FROM search_state) AND e.kind = 1")
                lags.append(c.fetchone()[0])
                db.rollback()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def send(world, path, seconds, rate, seed):
    """Sends at the rate, whatever comes back; what the load generator says."""
    out = subprocess.run([world.stack.build_dir / "bench" / "load", "-p", str(world.stack.port), "-c", str(CONNECTIONS), "-t", str(seconds), "-w", "1",
                          "-s", "201", "-r", str(rate), "-k", str(seed), "-f", path], capture_output=True, text=True, check=False)
    if out.returncode:
        raise SystemExit(out.stderr)
    said = json.loads(out.stdout)
    if said["errors"]:
        raise SystemExit(f"sending: {said['first_error']}")
    return {name: said[f"{name}"] for name in ("per_second", "p50_ms", "p95_ms", "p99_ms")}


def follow(stack, follows):
    """Lets the indexer begin with what is said from now on, or look for something that never comes; peal-jobs does all else as always."""
    stack.psql("UPDATE search_state SET xid = " + ("pg_snapshot_xmin(pg_current_snapshot())" if follows else f"'{NEVER}'"))


def median_within(values, rng, share=0.95, draws=2000):
    """[median, from, to]: within which the median lies with this probability, by drawing from the values again and again."""
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(draws))
    cut = round(draws * (1 - share) / 2)
    return [round(v, 3) for v in (statistics.median(values), medians[cut], medians[-1 - cut])]


def writing(world, seconds=SEND_SECONDS, pairs=SEND_PAIRS, rate=SEND_RATE):
    """Sending with and without the indexer: many short rounds, each kind once in a pair, in random order, since the machine is not the same for
    minutes. A round in which the hypervisor worked for others is done again. The quartiles of the rounds, and the median of the pairs' ratios."""
    path, lags, runs, seeds, rng = world.stack.dir / "sends", [], {True: [], False: []}, itertools.count(1), random.Random(3)
    write_requests(world, path)
    keep_wal(world.stack)
    send(world, path, seconds, rate, 0)
    indexed(world.stack, 120)
    for _ in range(pairs):
        for indexer in rng.sample((True, False), 2):
            follow(world.stack, indexer)
            with watched(world.stack, lags if indexer else []):
                said, stolen = undisturbed(lambda: send(world, path, seconds, rate, next(seeds)))
            if indexer:
                indexed(world.stack, 120)
            runs[indexer].append({**said, "stolen": stolen})
    follow(world.stack, True)
    names = [name for name in runs[True][0] if name.endswith("_ms")]
    quartiles = {indexer: {name: [round(v, 2) for v in statistics.quantiles([r[name] for r in found], n=4)] for name in names + ["per_second"]}
                 for indexer, found in runs.items()}
    calm = [(a, b) for a, b in zip(runs[True], runs[False]) if max(a["stolen"], b["stolen"]) <= STOLEN_MOST]
    ratios = {name: median_within([a[name] / b[name] for a, b in calm or zip(runs[True], runs[False])], rng) for name in names}
    return {"send": quartiles[True], "send_without_indexer": quartiles[False], "pairs": len(calm), "ratio, median and where it lies": ratios,
            "lag": percentiles(lags), "rounds": {"indexer": runs[True], "none": runs[False]}}


# ---- everything ----

def rebuilt(world):
    begin = time.monotonic()
    world.stack.pealctl("search", "rebuild")
    seconds = time.monotonic() - begin
    sizes = "SELECT pg_size_pretty(sum(pg_{}_size(c.oid))) FROM pg_class c WHERE c.relname ~ '^message_search_[0-9]+$'"
    world.stack.psql("VACUUM ANALYZE message_search")
    return {"seconds": round(seconds, 1), "per_second": round(world.messages / seconds), "slices": int(world.stack.psql("SELECT count(*) FROM search_slice")),
            "gin and places": world.stack.psql(sizes.format("indexes")), "rows": world.stack.psql(sizes.format("table")),
            "messages": world.stack.psql("SELECT pg_size_pretty(pg_table_size('message'))")}


def ask_all(world, ask):
    """{"kind, size": what `ask` says} for all kinds and people."""
    said = {}
    for size, (kind, make) in itertools.product(world.sizes, world.queries().items()):
        said[f"{kind}, {size}"], _ = undisturbed(functools.partial(ask, size, kind, make))
        say(f"{kind:10}{size:5}  {said[f'{kind}, {size}']}")
    return said


def ask_peers(world, result):
    world.stack.psql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    columns = {"simple": "USING gin (to_tsvector('simple', content))", "trgm": "USING gin (content gin_trgm_ops)"}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # each takes one processor
        making = {peer: pool.submit(make_peer, world.stack, peer, column) for peer, column in columns.items()}
        result["peers"] = {peer: index.result() for peer, index in making.items()}
    say(f"indexes of the peers: {result['peers']}")
    with contextlib.closing(world.stack.db("postgres")) as db:
        db.autocommit = True
        with db.cursor() as c:
            c.execute(f"SET statement_timeout = {PEER_TIMEOUT_MS}")
        for peer in columns:
            result[peer] = ask_all(world, lambda size, kind, make, peer=peer: ask_peer(peer, kind, world.mine(size), make, db))
    for peer in columns:
        world.stack.psql(f"DROP INDEX peer_{peer}")


def measure(world):
    result = {"messages": world.messages, "conversations": world.conversations, "asked": ASKED, "index": rebuilt(world)}
    say(f"indexed: {result['index']}")
    if not WRITING:
        result["peal"] = ask_all(world, lambda size, _, make: ask_peal(world, world.people[size], make))
        ask_peers(world, result)
    result["writing"] = writing(world)
    say(f"writing {result['writing']}")
    return result


def table(result):
    lines = [f"{result['messages']} messages, {result['conversations']} conversations; index: {result['index']}; peers: {result.get('peers')}", "",
             f"{'p50 / p95 / p99 in ms':24}" + "".join(f"{who:>26}" for who in ("peal", "simple", "trgm"))]
    for row in result.get("peal", {}):
        cells = [result[who][row] for who in ("peal", "simple", "trgm")]
        lines.append(f"{row:24}" + "".join(f"{c['p50']:>9} {c['p95']:>7} {c['p99']:>7}{'*' if c.get('partial') or c.get('late') else ' '}" for c in cells))
    writes = {name: value for name, value in result["writing"].items() if name != "rounds"}
    lines += [f"* some were partial (peal), or gave up after {PEER_TIMEOUT_MS / 1000:.0f} s (peers)", "", f"while sending {SEND_RATE} messages/s: {writes}"]
    return "\n".join(lines)


def main():
    busy = os.getloadavg()[0]
    with Stack(kind="release", durable=True, settings=SETTINGS, postgres=POSTGRES) as stack:
        world = World(stack, MESSAGES)
        say(f"loading {MESSAGES} messages")
        world.load()
        say("loaded")
        result = {**measure(world), "load_before": busy, "quick": QUICK}
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-search.json").write_text(json.dumps(result, indent=1))
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
