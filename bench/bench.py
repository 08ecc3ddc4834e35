"""make bench: send, page and list through the whole product, against what their parts could do and against Fastify with pg.

In interleaved rounds, so that whatever else the machine does meets all alike, with as many connections as the fast pool has workers; what
was measured while the hypervisor worked for others is measured again:

    pgbench    each statement alone, the product's own text and types, prepared
    constant   nginx and FastCGI workers that answer the same bytes to everything
    peal       the product, nginx to durable commit
    fastify    the same statements in Node.js behind the same nginx (bench/peers)

The additive limit of an operation is 1 / (1 / pgbench + 1 / constant). QUICK=1 takes less data and shorter rounds, ROUNDS=n so many. Prints a table and
writes build/bench.json; exit code 1 when anything answered wrongly. Needs the machine for itself.
"""

import contextlib
import functools
import http.client
import json
import os
import sys
import time

import data
import measure
import peers
import report
import sockets
from stack import RATES, ROOT, Stack

QUICK = os.environ.get("QUICK", "0") not in ("", "0")
ROUNDS = int(os.environ.get("ROUNDS") or (2 if QUICK else 5))
SECONDS, WARM_UP = (2, 0.5) if QUICK else (5, 1)
SHAPE = (5000, 100, 100_000) if QUICK else (50_000, 1000, 1_000_000)
CONNECTIONS = 16
IDLE_SOCKETS = 1000
REQUESTS = 20_000
PAGE = 50
NODE_PROCESSES = 2
SETTINGS = {"workers_fast": CONNECTIONS, "push_max_connections": 15000, "push_devices_per_user": 100, "argon2_memory_kib": 19456,
            **dict.fromkeys(RATES, 1000000)}
# Durable, with room for the whole data set; the same for everybody who is measured.
POSTGRES = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "wal_compression": "lz4", "min_wal_size": "4GB"}
OPERATIONS = {"send": ("message_send", 201, "Created"), "page": ("message_page", 200, "OK"), "list": ("conversation_list", 200, "OK")}
STARTED = time.monotonic()


def say(text):
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", file=sys.stderr, flush=True)


# ---- requests ----

def request(method, path, token, body=""):
    head = (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n"
            + (f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n" if body else ""))
    return f"{head}\r\n{body}"


def sends(shape, tokens, n):
    """Requests with the offset of their key, which the load generator makes unique."""
    key, contents = "k" * 24, data.texts(shape)
    for c in shape.draw(n):
        body = json.dumps({"client_id": key, "message_type": "text", "content": shape.random.choice(contents)}, ensure_ascii=False)
        text = request("POST", f"/api/v1/conversations/{c}/messages", tokens[shape.first_member(c)], body)
        yield text, text.encode().index(key.encode())


def pages(shape, tokens, n):
    for c in shape.draw(n, shape.ranks_with(PAGE)):
        yield request("GET", f"/api/v1/conversations/{c}/messages?limit={PAGE}", tokens[shape.first_member(c)]), -1


def lists(shape, tokens, n):
    for c in shape.draw(n):
        yield request("GET", f"/api/v1/conversations?limit={PAGE}", tokens[shape.first_member(c)]), -1


def reads(shape, tokens, n):
    """Marking unread and reading again by turns, so that each of them changes something."""
    for i, c in enumerate(c for c in shape.draw(n // 2) for _ in "ur"):
        path, body = ("unread", '{"seq":1}') if i % 2 == 0 else ("read", '{"seq":1}')
        yield request("PATCH" if path == "read" else "POST", f"/api/v1/conversations/{c}/{path}", tokens[shape.first_member(c)], body), -1


def reactions(shape, tokens, n):
    """A reaction and its withdrawal by turns."""
    for i, c in enumerate(c for c in shape.draw(n // 2) for _ in "ar"):
        token, emoji = tokens[shape.first_member(c)], "%F0%9F%91%8D"
        path = f"/api/v1/messages/{c}.1/reactions"
        yield (request("POST", path, token, '{"emoji":"\U0001f44d"}') if i % 2 == 0 else request("DELETE", f"{path}?emoji={emoji}", token)), -1


def by_conversation(path):
    def make(shape, tokens, n):
        for c in shape.draw(n):
            yield request("GET", path.format(conversation=c), tokens[shape.first_member(c)]), -1
    return make


MAKERS = {"send": sends, "page": pages, "list": lists}
# Measured through the product alone; all answer 200.
OTHERS = {"read and unread": reads, "reaction": reactions, "message": by_conversation("/api/v1/messages/{conversation}.1"),
          "conversation": by_conversation("/api/v1/conversations/{conversation}"),
          "unread count": by_conversation("/api/v1/conversations/unread-count"), "sync, all heads": by_conversation("/api/v1/sync")}


def write_requests(path, made):
    with open(path, "wb") as f:
        for text, key in made:
            raw = text.encode()
            f.write(f"{len(raw)} {key}\n".encode() + raw)


def ask(port, text, key=-1):
    """(status, headers without the connection's own, body) of one ready request."""
    if key >= 0:
        text = text.replace("k" * 24, os.urandom(12).hex())
    head, _, body = text.partition("\r\n\r\n")
    lines = head.split("\r\n")
    method, path, _ = lines[0].split(" ")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body.encode() or None, dict(line.split(": ", 1) for line in lines[1:] if not line.startswith("Content-Length")))
    reply = connection.getresponse()
    raw = reply.read()
    connection.close()
    ours = ("server", "date", "connection", "x-content-type-options")
    return reply.status, [(k, v) for k, v in reply.getheaders() if k.lower() not in ours], raw


def typical(port, made, status, n=60):
    """Of some answers of the product the one whose size is nearest to the mean; all must have this status."""
    answers = [ask(port, *r) for r in made[:n]]
    wrong = [a for a in answers if a[0] != status]
    if wrong:
        raise SystemExit(f"the product answered {wrong[0][0]}: {wrong[0][2][:300]!r}")
    mean = sum(len(a[2]) for a in answers) / len(answers)
    return min(answers, key=lambda a: abs(len(a[2]) - mean))


# ---- scripts of pgbench ----

DRAW = """\\set rank random_zipfian(1, :ranks, {exponent})
\\set conversation (:rank - 1) * {step} % :conversations + 1
\\set me (:conversation - 1) % :users + 1
"""


def pgbench_scripts(stack, shape, statements):
    draw = DRAW.format(exponent=data.EXPONENT, step=data.STEP)
    common = {"conversations": shape.conversations, "users": shape.users}
    content = sorted(data.texts(shape), key=len)[2048]
    scripts = {
        "send": ("\\set key random(1, 9000000000000000000)\n", [":me", ":conversation", ":key", ":hash", ":kind", ":content"],
                 {"ranks": shape.conversations, "kind": 1, "content": content, "hash": "\\x" + "5a" * 32}),
        "page": ("", [":me", ":conversation", ":from", ":seq", ":most"],
                 {"ranks": shape.ranks_with(PAGE), "from": 0, "seq": 0, "most": PAGE}),
        "list": ("\\set no false\n", [":me", ":no", ":no", ":no", ":at", ":id", ":most"],
                 {"ranks": shape.conversations, "at": "1970-01-01 00:00:00+00", "id": 0, "most": PAGE + 1}),
    }
    made = {}
    for name, (lines, values, variables) in scripts.items():
        path = stack.dir / f"{name}.pgbench"
        path.write_text(draw + lines + statements[OPERATIONS[name][0]].for_pgbench(values))
        made[name] = (path, {**common, **variables})
    return made


# ---- the rounds ----

class Bench:
    def __init__(self, stack, shape):
        self.stack, self.shape = stack, shape
        self.tokens = sockets.tokens(stack, shape)
        self.statements = {s: peers.Statement(stack, s) for s, _, _ in OPERATIONS.values()}
        self.made = {name: list(make(shape, self.tokens, REQUESTS)) for name, make in {**MAKERS, **OTHERS}.items()}
        self.scripts = pgbench_scripts(stack, shape, self.statements)
        self.runs, self.seed, self.peers = [], 0, {}

    def files(self, name):
        path = self.stack.dir / f"{name.split(',')[0].replace(' ', '-')}.requests"
        if not path.exists():
            write_requests(path, self.made[name])
        return path

    @contextlib.contextmanager
    def with_peers(self):
        try:
            self._start_peers()
            yield
        finally:
            for peer in self.peers.values():
                peer.stop()

    def _start_peers(self):
        front = peers.Front(self.stack)
        for name, (_, status, reason) in OPERATIONS.items():
            _, headers, body = typical(self.stack.port, self.made[name], status)
            headers = "".join(f"{k}: {v}\r\n" for k, v in headers).encode()
            self.peers[name] = peers.constant(self.stack, front, name, CONNECTIONS, (status, reason, headers, body))
            self.peers[name].note = f"{len(body)} bytes"
        self.peers["fastify"] = peers.fastify(self.stack, front, self.statements, NODE_PROCESSES, CONNECTIONS)
        front.apply()

    def compare_answers(self):
        """Fastify says what the product says."""
        for name in ("page", "list"):
            for made in self.made[name][:20]:
                ours, theirs = (ask(port, *made) for port in (self.stack.port, self.peers["fastify"].port))
                if ours[0] != theirs[0] or json.loads(ours[2]) != json.loads(theirs[2]):
                    raise SystemExit(f"fastify's {name} differs from the product's; bench/peers/fastify/server.js must follow it:\n"
                                     f"{ours[2][:1500].decode()}\n{theirs[2][:1500].decode()}")
        ours, theirs = (json.loads(ask(port, *self.made["send"][0])[2]) for port in (self.stack.port, self.peers["fastify"].port))
        if ours.keys() != theirs.keys():
            raise SystemExit(f"fastify's send differs from the product's: {set(ours) ^ set(theirs)}")

    def roots(self, *more):
        found = {name: self.stack.pid(name) for name in ("nginx", "postgres", "redis", "peal-fcgi", "peal-jobs") if self.stack.running(name)}
        return {**found, **{p.name: p.process.pid for p in more}}

    def load(self, name, port, *more):
        self.seed += 1
        status = OPERATIONS[name][1] if name in OPERATIONS else 200
        return measure.load(self.stack, port, self.files(name), status, CONNECTIONS, SECONDS, WARM_UP, self.seed,
                            self.roots(*more))

    def pgbench(self, name):
        self.seed += 1
        return measure.pgbench(self.stack, *self.scripts[name], CONNECTIONS, SECONDS, self.seed, peers.SESSION, self.roots())

    def peal(self, name):
        """With all of the product's daemons; in the other measurements peal-jobs would publish what pgbench and the peer do not."""
        if name != "send":
            return self.load(name, self.stack.port)
        data.mark_published(self.stack)
        self.stack.start("peal-jobs")
        run = self.load(name, self.stack.port)
        self.stack.stop("peal-jobs")
        return run

    def measure(self, name, who):
        if who == "pgbench":
            return self.pgbench(name)
        if who == "constant":
            return self.load(name, self.peers[name].port, self.peers[name])
        if who == "fastify":
            return self.load(name, self.peers["fastify"].port, self.peers["fastify"])
        return self.peal(name)

    def note(self, number, name, who, measured):
        run, stolen = measure.undisturbed(measured, tries=3)
        self.runs.append((number, name, who, run))
        say(f"round {number + 1}  {name:16}{who:9}{run.per_second:9.0f}/s" + (f"  {run.errors} ERRORS: {run.error}" if run.errors else "")
            + (f"  disturbed: {100 * stolen:.0f} %" if stolen > measure.STOLEN_MOST else ""))

    def round(self, number):
        order = ["pgbench", "constant", "peal", "fastify"]
        for name in OPERATIONS:
            for who in order if number % 2 == 0 else reversed(order):
                self.note(number, name, who, functools.partial(self.measure, name, who))
        for name in OTHERS:
            self.note(number, name, "peal", functools.partial(self.load, name, self.stack.port))
        data.settle(self.stack)

    def memory(self):
        """PSS of everything that is ours, and nginx."""
        names = ["nginx"] + [n for n in self.stack.services if n.startswith("peal-")]
        return measure.pss_kib({n: self.stack.pid(n) for n in names})


def run():
    shape = data.Shape(*SHAPE)
    memory = {}
    with Stack(kind="release", durable=True, settings=SETTINGS, postgres=POSTGRES) as stack:
        stack.stop("peal-jobs")
        say(f"loading {shape.messages} messages in {shape.conversations} conversations of {shape.users} people")
        data.load(stack, shape)
        measure.keep_wal(stack)
        stack.start("peal-jobs")
        bench = Bench(stack, shape)
        memory["idle"] = bench.memory()
        say(f"{IDLE_SOCKETS} idle sockets")
        with sockets.connected(stack, bench.tokens, IDLE_SOCKETS):
            memory[f"{IDLE_SOCKETS} idle sockets"] = bench.memory()
        stack.stop("peal-jobs")
        with bench.with_peers():
            bench.compare_answers()
            for number in range(ROUNDS):
                bench.round(number)
        data.mark_published(stack)
        stack.start("peal-jobs")
        with sockets.connected(stack, bench.tokens, IDLE_SOCKETS):
            memory[f"after, {IDLE_SOCKETS} idle sockets"] = bench.memory()
    return bench, memory


def main():
    peers.install_node()
    busy = os.getloadavg()[0]
    bench, memory = run()
    result = report.make(bench, memory, {"quick": QUICK, "rounds": ROUNDS, "seconds": SECONDS, "connections": CONNECTIONS, "load_before": busy, "fastify": bench.peers["fastify"].note})
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench.json").write_text(json.dumps(result, indent=1))
    print(report.text(result))
    return 1 if result["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
