"""Would a cache be faster? The statements at their extremes, and beside each what older systems fetched from Redis in its place.

    /usr/bin/python3 bench/cache.py         after make build; some minutes, three tables on standard output

The cache is given every advantage: it always has what is asked for, as the very bytes that the product answers, nobody keeps it up to
date, and both sides are libraries in C with one connection each (libpq with prepared statements and binary results, hiredis). Calls
alternate, in random order; times are those of pairs, and processor time is that of the backend and of Redis. What keeping the cache
right would cost is measured by itself: the keys that one message makes wrong are dropped, and filled again.
"""

import ctypes
import pathlib
import random
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "dev"))

import bench  # noqa: E402
import data  # noqa: E402
import explain  # noqa: E402
import peers  # noqa: E402
import sockets  # noqa: E402
from stack import Stack  # noqa: E402

SHAPE = (1_600_000, 1_000_000)
ROUNDS = 400
LAST = 20       # messages that older systems kept of each conversation
MARKS = 32
OIDS = {"bigint": 20, "boolean": 16, "timestamptz": 1184, "bigint[]": 1016}


def _library(name, **returns):
    library = ctypes.CDLL(name)
    for function, kind in returns.items():
        getattr(library, function).restype = kind
    return library


class Postgres:
    """Prepared statements over libpq; results are left in C, as a worker leaves them until it writes them out."""

    def __init__(self, stack):
        self.stack = stack
        self.pq = _library("libpq.so.5", PQconnectdb=ctypes.c_void_p, PQprepare=ctypes.c_void_p, PQexecPrepared=ctypes.c_void_p,
                           PQerrorMessage=ctypes.c_char_p)
        self.connection = ctypes.c_void_p(self.pq.PQconnectdb(f"{stack.dsn('peal')} options='{peers.SESSION}'".encode()))
        self.pid = self.pq.PQbackendPID(self.connection)

    def _checked(self, result, status):
        result = ctypes.c_void_p(result)
        if self.pq.PQresultStatus(result) != status:
            raise RuntimeError(self.pq.PQerrorMessage(self.connection).decode())
        return result

    def statement(self, name, *args):
        """A call that says how many rows came."""
        statement = peers.Statement(self.stack, name)
        types = (ctypes.c_uint * len(args))(*[OIDS[statement.TYPES[p]] for p in statement.parameters])
        values = (ctypes.c_char_p * len(args))(*[str(a).encode() for a in args])
        key = f"{name}{time.monotonic_ns()}".encode()
        self.pq.PQclear(self._checked(self.pq.PQprepare(self.connection, key, statement.text.encode(), len(args), types), 1))

        def call():
            result = self._checked(self.pq.PQexecPrepared(self.connection, key, len(args), values, None, None, 1), 2)
            rows = self.pq.PQntuples(result)
            self.pq.PQclear(result)
            return rows
        return call


class Redis:
    """Commands over hiredis; replies are left in C."""

    def __init__(self, stack):
        self.lib = _library("libhiredis.so.0.14", redisConnectUnix=ctypes.c_void_p, redisCommandArgv=ctypes.c_void_p)
        self.context = ctypes.c_void_p(self.lib.redisConnectUnix(stack.redis_socket.encode()))
        self.pid = stack.pid("redis")

    def command(self, *words):
        """A call that says the type of its reply, which is not an error's."""
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        argv, lengths = (ctypes.c_char_p * len(words))(*words), (ctypes.c_size_t * len(words))(*map(len, words))

        def call():
            reply = ctypes.c_void_p(self.lib.redisCommandArgv(self.context, len(words), argv, lengths))
            kind = ctypes.cast(reply, ctypes.POINTER(ctypes.c_int))[0] if reply.value else 6
            self.lib.freeReplyObject(reply)
            if kind in (4, 6):      # nil, or an error
                raise RuntimeError(f"redis: {words[0].decode()} failed")
            return kind
        return call


def busy_us(pid):
    """Processor time of a process's main thread."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


def alternate(calls, rounds=ROUNDS):
    """name -> medians in microseconds: (time, processor time of the server); calls: name -> (call, pid)."""
    dice, walls, cpus = random.Random(4), {n: [] for n in calls}, {n: [] for n in calls}
    for i in range(rounds + rounds // 10):
        for name in dice.sample(list(calls), len(calls)):
            call, pid = calls[name]
            cpu, began = busy_us(pid), time.perf_counter_ns()
            call()
            wall = (time.perf_counter_ns() - began) / 1000
            if i >= rounds // 10:
                walls[name].append(wall)
                cpus[name].append(busy_us(pid) - cpu)
    return {n: (statistics.median(walls[n]), statistics.median(cpus[n])) for n in calls}


class Trial:
    """One thing that used to be cached: the statement, and what would be fetched in its place."""

    def __init__(self, what, statement, fetch, store, wrong):
        self.what, self.statement, self.fetch, self.store, self.wrong = what, statement, fetch, store, wrong


def answer(stack, token, path):
    status, _, body = bench.ask(stack.port, bench.request("GET", path, token))
    if status != 200:
        raise SystemExit(f"{path}: {status} {body[:200]!r}")
    return body


def trials(stack, shape, pg, redis):
    tokens = sockets.tokens(stack, shape)
    small, ordinary = everyday(shape)
    made = []

    def text(what, statement, path, who, wrong):
        body = answer(stack, tokens[who], path)
        key = f"cache:{len(made)}"
        redis.command("SET", key, body)()
        made.append(Trial(f"{what}, {len(body) / 1000:.0f} KB", statement, redis.command("GET", key), redis.command("SET", key, body), wrong))

    def ids(what, conversation, who):
        people = shape.members(conversation)
        key = f"cache:{len(made)}"
        store = redis.command("SADD", key, *people)
        store()
        made.append(Trial(what, pg.statement("conversation_typing_hearers", who, conversation, len(people)), redis.command("SMEMBERS", key), store, 1))

    def listed(who):
        return pg.statement("conversation_list", who, "f", "f", "f", "2000-01-01", 0, 51)

    text("list of 50 out of 2,000", listed(shape.busy), "/api/v1/conversations?limit=50", shape.busy, 2)
    text("list of all of somebody's 6", listed(ordinary), "/api/v1/conversations?limit=50", ordinary, 2)
    text("last 20 messages, two people", pg.statement("message_page", ordinary, small, 0, 0, LAST),
         f"/api/v1/conversations/{small}/messages?limit={LAST}", ordinary, 2)
    text("last 20 messages, 5,000 people", pg.statement("message_page", 17, shape.crowd, 0, 0, LAST),
         f"/api/v1/conversations/{shape.crowd}/messages?limit={LAST}", 17, shape.CROWD)
    ids("participants, two", small, ordinary)
    group = next(c for c in range(shape.conversations - 100, shape.conversations) if len(shape.members(c)) == 20)
    ids("participants, 20", group, shape.members(group)[0])
    ids("participants, 5,000", shape.crowd, 17)
    return made


def everyday(shape):
    """A conversation of two people with a hundred messages, and one of them."""
    for rank in range(shape.ranks_with(100), 0, -1):
        conversation = shape.conversation(rank)
        if shape.is_direct(conversation) and min(shape.members(conversation)) > shape.CROWD and shape.busy not in shape.members(conversation):
            return conversation, shape.members(conversation)[0]
    raise SystemExit("no such conversation")


def compare(stack, shape):
    pg, redis = Postgres(stack), Redis(stack)
    print("| what | statement, us | its processor time | Redis, us | its processor time | filling it again, us |\n|---|---|---|---|---|---|")
    for trial in trials(stack, shape, pg, redis):
        trial.statement()
        got = alternate({"pg": (trial.statement, pg.pid), "redis": (trial.fetch, redis.pid), "store": (trial.store, redis.pid)})
        print(f"| {trial.what} | {got['pg'][0]:,.0f} | {got['pg'][1]:,.0f} | {got['redis'][0]:,.0f} | {got['redis'][1]:,.0f} | {got['store'][0]:,.0f} |",
              flush=True)
    print("\n| a message to | keys dropped | us | Redis' processor time |\n|---|---|---|---|")
    value = b"x" * 1000
    for members in (2, 20, 5000):
        keys = [f"cache:list:{i}" for i in range(members)]
        drop, fill = redis.command("UNLINK", *keys), redis.command("MSET", *[w for k in keys for w in (k, value)])
        walls, cpus = [], []
        for _ in range(ROUNDS // (4 if members > 100 else 1)):
            fill()
            cpu, began = busy_us(redis.pid), time.perf_counter_ns()
            drop()
            walls.append((time.perf_counter_ns() - began) / 1000)
            cpus.append(busy_us(redis.pid) - cpu)
        print(f"| {members:,} people | {members:,} lists | {statistics.median(walls):,.0f} | {statistics.median(cpus):,.0f} |", flush=True)


def extremes(stack, shape):
    small, ordinary = everyday(shape)
    day = data.Clock.FIRST_XID + data.Clock.XIDS * (data.DAYS - 1) // data.DAYS
    print("| statement | time, ms | its processor time, ms | pages |\n|---|---|---|---|")
    measured(stack, {
        "list of 50, a person in 2,000 conversations": ("conversation_list", shape.busy, "f", "f", "f", "2000-01-01", 0, 51),
        "page of 50, two people, a hundred messages": ("message_page", ordinary, small, 0, 0, 50),
        "page of 50, two people, a million messages, the latest": ("message_page", 1, shape.large, 0, 0, 50),
        "page of 50, two people, a million messages, in the middle": ("message_page", 1, shape.large, 1, shape.largest // 2, 50),
        "page of 50, 5,000 people": ("message_page", 17, shape.crowd, 0, 0, 50),
        "unread in 2,000 conversations": ("conversation_unread", shape.busy),
        "heads of 2,000 conversations, a day away": ("event_heads", shape.busy, day, "f", "{}", "{}", "{}", MARKS, "2000-01-01", "2000-01-01"),
    })
    stack.psql(f"DELETE FROM member WHERE user_id = {shape.busy} AND conversation_id % 4 <> 0")
    stack.psql("VACUUM (ANALYZE) member")
    measured(stack, {
        "heads of 500 conversations, afresh": ("event_heads", shape.busy, 0, "t", "{}", "{}", "{}", MARKS, "2000-01-01", "2000-01-01"),
        "heads of 500 conversations, nothing new": ("event_heads", shape.busy, 10**6, "f", "{}", "{}", "{}", MARKS, "2000-01-01", "2000-01-01"),
        "heads of 500 conversations, a day away": ("event_heads", shape.busy, day, "f", "{}", "{}", "{}", MARKS, "2000-01-01", "2000-01-01"),
    })


def measured(stack, asked):
    pg = Postgres(stack)
    got = alternate({name: (pg.statement(*call), pg.pid) for name, call in asked.items()}, ROUNDS // 4)
    with explain.Session(stack) as session:
        for name, (wall, cpu) in got.items():
            print(f"| {name} | {wall / 1000:.2f} | {cpu / 1000:.2f} | {session.explain(*asked[name]).buffers:,} |", flush=True)


def main():
    shape = data.Extremes(*SHAPE)
    with Stack(kind="release", settings=bench.SETTINGS, postgres=bench.POSTGRES) as stack:
        stack.stop("peal-jobs")
        data.load(stack, shape)
        data.mark(stack, shape)
        compare(stack, shape)
        print()
        extremes(stack, shape)
    return 0


if __name__ == "__main__":
    sys.exit(main())
