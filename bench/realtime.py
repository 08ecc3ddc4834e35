"""make bench, second part: sockets. What they cost, how fast they are, and what socket.io, nchan and a bare broadcaster make of it.

Two nginx workers with reuseport, two processes of peal-push, PostgreSQL durable, and all clients in one process of bench/sockets.c on the
same machine:

    idle       sockets of as many people, opened as fast as they come: PSS of peal-push and nginx for each; and how long that took
    fan-out    one message to a group all of whose members have two sockets: from the request to the last socket. Beside it the same
               bytes, to as many sockets, by bench/peers/broadcast.c and socket.io behind the same nginx, and by nchan inside one
    latency    from when a message was due to be sent to when each socket had it, at several rates; two people, both online
    group      the same in a group of which two in five are connected
    storm      all devices but a few are cut, miss some messages, and come back at once: until all are live, and how late the messages
               of the few are meanwhile

A round in which the hypervisor worked for others is done again. QUICK=1 takes a tenth of the sockets and shorter rounds. Prints a table and
writes build/bench-sockets.json; exit code 1 when a message was missed or heard twice. Needs the machine for itself.
"""

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

import data
import measure
import peers
from bench import POSTGRES, QUICK, ask, request, say, write_requests
from sockets import Sockets, tokens, upgrade
from stack import RATES, ROOT, Stack

SCALE = 10 if QUICK else 1
SIZES = (10_000 // SCALE, 15_000 // SCALE)
FEW = 100                       # who stay when all others are cut
PEOPLE = SIZES[0] + FEW
HALL = 5000 // SCALE            # members of the group
IN_GROUP = 2000 // SCALE        # of them connected in `group`
FANS, FAN_EVERY = (4, 1) if QUICK else (8, 2)   # messages of a round, and seconds between them
ROUNDS = int(os.environ.get("ROUNDS") or (1 if QUICK else 2))
PAIRS = 1000 // SCALE           # people who write to each other in `latency`
RATES_OF_MESSAGES = (200, 1000, 2000)
SECONDS = 3 if QUICK else 10
MISSED = 3                      # messages that those who are away miss
PUSH_PROCESSES, NGINX_WORKERS, SENDERS = 2, 2, 16
STORM = 100                     # messages a second meanwhile
SETTINGS = {"push_max_connections": 19000, "push_devices_per_user": 10, "workers_fast": SENDERS, **dict.fromkeys(RATES, 1000000)}
DAEMONS = ("nginx", "postgres", "redis", "peal-fcgi", "peal-jobs")
PUSHES = tuple(f"peal-push-{i}" for i in range(PUSH_PROCESSES))
KEY = "mark:" + "k" * 24
BUDGETS = {"push bytes": 512, "with nginx": 14 * 1024, "of a bare broadcaster": 0.8, "times socket.io": 3, "p50": 5, "p99": 50}


def message(shape, all_tokens, conversation, content):
    """A request that says something, and where in it the key is that load makes unique."""
    body = json.dumps({"client_id": KEY, "message_type": "text", "content": content})
    text = request("POST", f"/api/v1/conversations/{conversation}/messages", all_tokens[shape.members(conversation)[0]], body)
    return text, text.encode().index(b"k" * 24)


class Messages:
    """Senders: each run has a seed of its own, by which its messages are found on the sockets."""

    def __init__(self, stack):
        self.stack, self.seed = stack, 0

    def file(self, name, made):
        path = self.stack.dir / f"{name}.requests"
        if not path.exists():
            write_requests(path, made)
        return path

    def next(self):
        self.seed += 1
        return self.seed

    def argv(self, file, rate, seconds, port=0, status=201, connections=SENDERS):
        return measure.load_argv(self.stack, port or self.stack.port, file, status, connections, seconds, 0, self.next(), "-m", "-r", rate)

    def send(self, file, rate, seconds, roots, port=0, status=201, connections=SENDERS):
        run = measure.load(self.stack, port or self.stack.port, file, status, connections, seconds, 0, self.next(), roots, "-m", "-r", rate)
        if run.errors:
            raise SystemExit(f"sending: {run.errors} errors: {run.error}")
        return run


# ---- the peers ----

def publishing(port, frame):
    """A request that gives a peer the bytes of one of our frames to send."""
    body = frame.replace(re.search(r"mark:([0-9a-f]{24})", frame).group(1), "k" * 24)
    text = f"POST /publish HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: text/plain\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"
    return text, text.encode().index(b"k" * 24)


def a_frame(bench):
    """The frame of a message in a direct conversation, as a push process hears of it."""
    import redis
    with redis.Redis(unix_socket_path=bench.stack.redis_socket) as client, client.pubsub() as heard:
        heard.subscribe("u:1")
        heard.get_message(timeout=5)
        status, _, raw = ask(bench.stack.port, *message(bench.shape, bench.tokens, 1, bench.content))
        if status != 201:
            raise SystemExit(f"a message was answered {status}: {raw[:300]!r}")
        while (record := heard.get_message(timeout=5))["type"] != "message":
            pass
    return re.sub(r"mark:[0-9a-z]{24}", "mark:" + "0" * 24, record["data"].decode().partition("\n")[2])


# ---- the measurements ----

class Bench:
    def __init__(self, stack, shape):
        self.stack, self.shape = stack, shape
        self.tokens = tokens(stack, shape)
        self.content = sorted(data.texts(shape), key=len)[2048]
        self.messages = Messages(stack)
        self.result = {"idle": [], "fan-out": [], "latency": []}
        self.wrong = []
        pair = [message(shape, self.tokens, c, self.content) for c in range(1, PAIRS)]
        self.files = {"pairs": self.messages.file("pairs", pair), "few": self.messages.file("few", pair[:FEW - 1]),
                      "hall": self.messages.file("hall", [message(shape, self.tokens, shape.hall, self.content)])}
        self.peers = {}

    def roots(self, *more):
        found = {name: self.stack.pid(name) for name in (*DAEMONS, *PUSHES)}
        return {**found, **{f"peer-{i}" if i else "clients": pid for i, pid in enumerate(more)}}

    def sockets(self, people):
        """One for each of these people, in this order."""
        return Sockets(self.stack, [upgrade(self.tokens[u]) for u in people])

    def check(self, what, heard, at_least):
        """Everything that was answered was heard by all, once."""
        if heard["wrong"] or heard["messages"] < at_least:
            self.wrong.append(f"{what}: {heard['wrong']} of {heard['messages']} messages were not heard by all of those they were for, or twice; "
                              f"{at_least} were sent")
        return heard

    # -- idle --

    def idle(self, opened):
        """Grows the sockets; the differences to what the processes had with a few of them, so that what a process loads once is not counted."""
        opened.open(FEW)
        time.sleep(1)
        before = measure.pss_kib(self.roots())
        made = self.result["opened"] = []
        for n in SIZES:
            made.append(opened.open(n))
            say(f"{n} sockets: the last {made[-1]['opened']} in {made[-1]['seconds']:.1f} s")
            time.sleep(2 if QUICK else 5)
            self.result["idle"].append(self._bytes(n, before, measure.pss_kib(self.roots())))

    @staticmethod
    def _bytes(n, before, after):
        def each(names, base):
            return round(sum(after[name] - base.get(name, 0) for name in names) * 1024 / (n - FEW if base else n))
        return {"sockets": n, "push": each(PUSHES, before), "nginx": each(("nginx",), before),
                "push, all of it": each(PUSHES, {}), "nginx, all of it": each(("nginx",), {})}

    # -- fan-out --

    def fan_out(self, who, *how):
        row, stolen = measure.undisturbed(lambda: self._fan_out(who, *how))
        self.result["fan-out"].append({**row, "stolen": stolen})

    def _fan_out(self, who, opened, file, port, status, roots):
        run = self.messages.send(file, 1 / FAN_EVERY, FANS * FAN_EVERY, roots, port=port, status=status, connections=1)
        heard = self.check(f"fan-out, {who}", opened.report(self.messages.seed, SIZES[0]), FANS - 1)
        row = {"who": who, "last_ms": statistics.median(heard["last_ms"]), "p50_ms": heard["p50_ms"], "slowest_ms": max(heard["last_ms"]),
               "answered_ms": run.latency["p50"], "cpu_us": {k: round(v / SIZES[0], 2) for k, v in run.cpu_us.items()}}
        say(f"fan-out, {who}: the last of {SIZES[0]} sockets after {row['last_ms']:.0f} ms, {sum(row['cpu_us'].values()):.1f} us of CPU each")
        return row

    def fan_out_peal(self, number):
        with self.sockets([1 + i % HALL for i in range(SIZES[0])]) as opened:
            opened.open(SIZES[0])
            self.fan_out("peal", opened, self.files["hall"], self.stack.port, 201, self.roots(opened.pid))

    def fan_out_peer(self, number, name):
        peer = self.peers[name]
        idle = measure.pss_kib({"peer": peer.process.pid})["peer"]
        with Sockets(self.stack, [upgrade()] if name != "socket.io" else [upgrade(path="/ws?EIO=4&transport=websocket")], peer.port,
                     "socketio" if name == "socket.io" else "plain") as opened:
            opened.open(SIZES[0])
            peer.idle = round((measure.pss_kib({"peer": peer.process.pid})["peer"] - idle) * 1024 / SIZES[0])
            file = self.messages.file(name, [publishing(peer.publish_port, self.frame)])
            roots = {"peer": peer.process.pid, "clients": opened.pid}
            if peer.behind_nginx:
                roots["nginx"] = self.stack.pid("nginx")
            self.fan_out(name, opened, file, peer.publish_port, peer.status, roots)

    # -- latency --

    def flow(self, *how):
        row, stolen = measure.undisturbed(lambda: self._flow(*how))
        return {**row, "stolen": stolen}

    def _flow(self, what, opened, file, rate, seconds, hearers, connections=SENDERS):
        run = self.messages.send(file, rate, seconds, self.roots(opened.pid), connections=connections)
        heard = self.check(what, opened.report(self.messages.seed, hearers), run.done)
        row = {"what": what, "rate": rate, "sent_per_second": round(heard["messages"] / seconds, 1), "answer_p50_ms": run.latency["p50"],
               "answer_p99_ms": run.latency["p99"], **{k: heard[k] for k in ("p50_ms", "p90_ms", "p99_ms", "max_ms")}, "cpu_us": run.cpu_us}
        say(f"{what}, {rate}/s: p50 {row['p50_ms']:.1f} ms, p99 {row['p99_ms']:.1f} ms")
        return row

    def latency(self):
        with self.sockets(range(1, PAIRS + 1)) as opened:
            opened.open(PAIRS)
            self.flow("warming up", opened, self.files["pairs"], 200, 1, 2)
            self.result["latency"] = [self.flow("latency", opened, self.files["pairs"], rate, SECONDS, 2) for rate in RATES_OF_MESSAGES]

    def group(self):
        with self.sockets(range(1, IN_GROUP + 1)) as opened:
            opened.open(IN_GROUP)
            self.result["group"] = self.flow("group", opened, self.files["hall"], 2, SECONDS, IN_GROUP, 1)

    # -- storm --

    @contextlib.contextmanager
    def sending(self, file, rate):
        """Somebody writes all the while, and is not waited for."""
        sender = subprocess.Popen(self.messages.argv(file, rate, 600), stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            sender.send_signal(signal.SIGTERM)
            sender.wait()

    def storm(self, opened):
        """The first FEW of the sockets stay and write to each other; the others go, miss something and come back."""
        opened.ask("cut", PEOPLE)
        with self.sending(self.files["few"], STORM):
            few, begun = self.messages.seed, _us()
            time.sleep(2 if QUICK else 5)
            opened.ask("cut", FEW)
            self.messages.send(self.files["hall"], 5, MISSED / 5, {}, connections=1)
            missed, back = self.messages.seed, _us()
            said = opened.ask("open", PEOPLE, PEOPLE)
            live = _us()
        if said["ready"] < PEOPLE:
            self.wrong.append(f"storm: {said['ready']} of {PEOPLE} sockets were live after {said['seconds']} s: {said['first_error']}")
        before = self.check("before the storm", opened.report(few, 2, begun, back - 1_000_000), 1)
        during = self.check("in the storm", opened.report(few, 2, back, live), 1)
        self.check("what was missed", opened.report(missed, HALL, patience=60), MISSED)
        self.result["storm"] = {"devices": PEOPLE - FEW, "seconds": said["seconds"], "p50_ms": said["p50_ms"], "p99_ms": said["p99_ms"],
                                "failed": said["failed"], "error": said["first_error"], "before": _brief(before), "during": _brief(during)}
        say(f"storm: {PEOPLE - FEW} devices live after {said['seconds']:.1f} s; messages meanwhile p99 {during['p99_ms']:.0f} ms")

    # -- all of it --

    @contextlib.contextmanager
    def with_peers(self):
        front = peers.Front(self.stack)
        try:
            self.frame = a_frame(self)
            self.peers["broadcast"] = peers.broadcast(self.stack, front, PUSH_PROCESSES)
            self.peers["socket.io"] = peers.socketio(self.stack, front, PUSH_PROCESSES)
            nchan = peers.nchan(self.stack, NGINX_WORKERS)
            if nchan:
                self.peers["nchan"] = nchan
            front.apply(NGINX_WORKERS)
            yield
        finally:
            for peer in self.peers.values():
                peer.stop()

    def run(self):
        with self.with_peers():
            with self.sockets([1 + i % PEOPLE for i in range(SIZES[1])]) as opened:
                self.idle(opened)
                self.storm(opened)
            for number in range(ROUNDS):
                order = ["broadcast", "peal", "socket.io", "nchan"]
                for who in order if number % 2 == 0 else reversed(order):
                    if who == "peal":
                        self.fan_out_peal(number)
                    elif who in self.peers:
                        self.fan_out_peer(number, who)
            self.latency()
            self.group()


def _us():
    return time.monotonic_ns() // 1000


def _brief(heard):
    return {k: heard[k] for k in ("messages", "p50_ms", "p99_ms", "max_ms")}


# ---- the report ----

def _median(rows, who, value):
    return statistics.median(value(r) for r in rows if r["who"] == who)


def ratios(rows):
    """By time until the last socket had it, and by processor time for a socket, of rounds by turns."""
    found = {}
    for who in dict.fromkeys(r["who"] for r in rows):
        if who != "peal":
            found[who] = {"by time": _median(rows, who, lambda r: r["last_ms"]) / _median(rows, "peal", lambda r: r["last_ms"]),
                          "by CPU": _median(rows, who, _cpu) / _median(rows, "peal", _cpu)}
    return found


def _cpu(row):
    return sum(row["cpu_us"].values())


def budgets(result):
    rows = []
    for idle in result["idle"]:
        rows.append((f"bytes in peal-push per idle socket, of {idle['sockets']}", idle["push"], BUDGETS["push bytes"], "<="))
        rows.append((f"with nginx, of {idle['sockets']}", idle["push"] + idle["nginx"], BUDGETS["with nginx"], "<="))
    for who, name in (("broadcast", "of a bare broadcaster"), ("socket.io", "times socket.io")):
        if who in result["ratios"]:
            rows.append((f"fan-out {name}", result["ratios"][who]["by time"], BUDGETS[name], ">="))
    at_1000 = next(r for r in result["latency"] if r["rate"] == 1000)
    for which in ("p50", "p99"):
        rows.append((f"sent to received at 1,000/s, {which}, ms", at_1000[f"{which}_ms"], BUDGETS[which], "<="))
    return [{"what": what, "measured": round(v, 2), "target": target, "met": v >= target if sign == ">=" else v <= target}
            for what, v, target, sign in rows]


def _by_part(parts):
    return ", ".join(f"{name} {us:g}" for name, us in sorted(parts.items(), key=lambda p: -p[1]) if us >= 0.05)


def _disturbed(row):
    return f"; DISTURBED, {100 * row['stolen']:.0f} % of the processors went to others" if row["stolen"] > measure.STOLEN_MOST else ""


def text(result):
    lines = [f"{result['date']}: {PEOPLE} people with 10 conversations each, {NGINX_WORKERS} nginx workers, {PUSH_PROCESSES} peal-push, clients "
             f"on the same {os.cpu_count()} processors; {result['peers']}"]
    if result["load_before"] > 0.5:
        lines.append(f"the machine was busy before (load average {result['load_before']:.1f})")
    lines.append("\nidle sockets: bytes of PSS each (with what the processes had before them)")
    for idle, made in zip(result["idle"], result["opened"]):
        lines.append(f"  {idle['sockets']:6}  peal-push {idle['push']} ({idle['push, all of it']}), nginx {idle['nginx']} ({idle['nginx, all of it']}); "
                     f"the last {made['opened']} were live in {made['seconds']:.1f} s, {made['opened'] / made['seconds']:.0f}/s")
    lines.append(f"  one of {SIZES[0]} in the peer's own processes: " + ", ".join(f"{who} {idle}" for who, idle in result["peers_idle"].items()))
    lines.append(f"\nfan-out of one message to {SIZES[0]} sockets: ms until half of them, the last one had it (slowest message); CPU us per socket")
    for row in result["fan-out"]:
        lines.append(f"  {row['who']:10} {row['p50_ms']:7.1f} {row['last_ms']:7.1f} ({row['slowest_ms']:.1f})  {_cpu(row):.1f}: {_by_part(row['cpu_us'])}{_disturbed(row)}")
    for who, ratio in result["ratios"].items():
        lines.append(f"  {ratio['by time']:.2f} times {who} by time, {ratio['by CPU']:.2f} by CPU")
    lines.append("\nsent to received, ms: p50, p90, p99, slowest; answered p50, p99")
    for row in [*result["latency"], result["group"]]:
        lines.append(f"  {row['what']}, {row['rate']}/s ({row['sent_per_second']}/s kept): {row['p50_ms']:.1f}, {row['p90_ms']:.1f}, {row['p99_ms']:.1f}, "
                     f"{row['max_ms']:.1f}; {row['answer_p50_ms']:.1f}, {row['answer_p99_ms']:.1f}; CPU us: {_by_part(row['cpu_us'])}{_disturbed(row)}")
    storm = result["storm"]
    lines.append(f"\nstorm: {storm['devices']} devices live after {storm['seconds']:.1f} s ({storm['devices'] / storm['seconds']:.0f}/s), half of them after "
                 f"{storm['p50_ms'] / 1000:.1f} s; {storm['failed']} attempts failed{': ' + storm['error'] if storm['error'] else ''}")
    for when in ("before", "during"):
        lines.append(f"  messages {when}: p50 {storm[when]['p50_ms']:.1f} ms, p99 {storm[when]['p99_ms']:.1f} ms, slowest {storm[when]['max_ms']:.1f} ms "
                     f"({storm[when]['messages']} messages)")
    lines += ["\nbudgets"] + [f"  {'met   ' if b['met'] else 'MISSED'} {b['what']}: {b['measured']} (target {b['target']})" for b in result["budgets"]]
    return "\n".join(lines + [f"ERROR {e}" for e in result["errors"]])


def main():
    peers.install_node(peers.SOCKETIO)
    busy = os.getloadavg()[0]
    shape = data.Rooms(PEOPLE, HALL)
    with Stack(kind="release", durable=True, settings=SETTINGS, postgres=POSTGRES, push_processes=PUSH_PROCESSES) as stack:
        stack.stop("peal-jobs")
        say(f"loading {shape.messages} messages in {shape.conversations} conversations of {shape.users} people")
        data.load(stack, shape)
        measure.keep_wal(stack)
        stack.start("peal-jobs")
        bench = Bench(stack, shape)
        bench.run()
    result = {"date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), "quick": QUICK, "load_before": busy, **bench.result,
              "ratios": ratios(bench.result["fan-out"]), "peers": "; ".join(p.note for p in bench.peers.values() if p.note),
              "peers_idle": {name: p.idle for name, p in bench.peers.items()}, "errors": bench.wrong}
    result["budgets"] = budgets(result)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench-sockets.json").write_text(json.dumps(result, indent=1))
    print(text(result))
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
