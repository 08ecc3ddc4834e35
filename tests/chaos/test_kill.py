"""The kill test: every kind of process dies, at random and at every named failpoint, under a send loop with devices attached; Redis
is stopped and started meanwhile. Nothing acknowledged may be lost or doubled, no device may miss anything or apply it twice.

SEED=n repeats the order of deaths; TIER=2 or more takes three times as long.
"""

import asyncio
import collections
import contextlib
import os
import random
import signal
import time

import websockets

from peal import truth
from peal.device import Device
from peal.loop import operate, run
from peal.people import Person
from peal.ws import Closed, Socket

STACK = {"push_processes": 2, "settings": {"workers_fast": 6}}
# deaths are what this is about; they are no faults of the log
ALLOWED_LOG = [r"connect\(\) to unix:\S+/sock/\S+ failed", r"worker_died", r"FATAL:  connection to client lost"]

TIER = int(os.environ.get("PEAL_TIER") or os.environ.get("TIER") or 1)
ROUNDS = 20 if TIER == 1 else 60
FAILPOINTS = ["send.before_statement", "send.sent", "send.before_publish", "send.after_publish", "send.before_reply",
              "push.before_write", "push.after_write", "push.before_acks", "jobs.before_publish", "jobs.after_publish"]
AT_FAILPOINTS = ROUNDS // 5
KINDS = ("worker", "master", "push", "jobs")


class Sender:
    """One person who writes into one conversation, one message after the other, each until it is acknowledged."""

    def __init__(self, person, conversation, rng):
        self.person, self.conversation, self.rng = person, conversation, rng
        self.go, self.busy = None, False
        self.begun, self.acked, self.answers, self.stopping = [], {}, collections.Counter(), False
        self.retries, self.longest = 0, 0.0

    async def talk(self):
        while not self.stopping:
            await self.go.wait()
            self.busy = True
            await self.say(self.draft())
            self.busy = False
            await asyncio.sleep(self.rng.uniform(0, 0.03))

    def draft(self):
        client_id = f"{self.person.id}-{self.conversation}-{len(self.begun)}"
        self.begun.append(client_id)
        return {"client_id": client_id, "message_type": "text", "content": f"content of {client_id}"}

    async def say(self, body):
        start = time.monotonic()
        while (seq := await self.attempt(body)) is None:
            self.retries += 1
            await asyncio.sleep(self.rng.uniform(0.01, 0.1))
        self.longest = max(self.longest, time.monotonic() - start)
        self.acked[body["client_id"]] = seq

    async def attempt(self, body):
        reply = await run(self.post, body)
        self.answers[reply.status if reply.status < 300 else reply.code] += 1
        if reply.status in (200, 201):
            assert reply["client_id"] == body["client_id"] and reply["content"] == body["content"], reply
            return reply["seq"]
        assert reply.status in (502, 503, 504) and reply["retryable"], reply
        return None

    def post(self, body):
        return self.person.rest.post(f"/conversations/{self.conversation}/messages", body)


class SocketSender(Sender):
    """The same by `request` frames; a socket that ends is opened again."""

    socket, n, counted = None, 0, 0

    async def attempt(self, body):
        try:
            if self.socket is None:
                self.socket = await Socket.open(self.person.stack, self.person.token)
                self.counted = len((await self.socket.hello(f"sender-{self.conversation}"))[2])
            self.n += 1
            reply = await self.request(self.n, body)
        except (Closed, OSError, asyncio.TimeoutError, websockets.InvalidHandshake):
            self.answers["socket lost"] += 1
            await self.close()
            return None
        if reply["type"] == "error":
            assert reply["code"] in ("unavailable", "overloaded"), reply
            self.answers[reply["code"]] += 1
            return None
        self.answers[reply["status"] if reply["status"] < 300 else reply["body"]["code"]] += 1
        if reply["status"] in (200, 201):
            return reply["body"]["seq"]
        assert reply["status"] in (502, 503, 504), reply
        return None

    async def request(self, n, body):
        await self.socket.send({"type": "request", "id": n, "method": "POST", "path": f"/api/v1/conversations/{self.conversation}/messages",
                                "body": body})
        while True:
            frame = await self.socket.recv(12)
            events = 1 if frame["type"] in self.socket.contract.durable else frame["count"] if frame["type"] == "batch" else 0
            self.counted += events
            if events:
                await self.socket.send({"type": "ack", "count": self.counted})
            if frame["type"] in ("response", "error") and frame.get("id") == n:
                return frame

    async def close(self):
        if self.socket:
            with contextlib.suppress(Exception):
                await self.socket.close()
        self.socket = None


async def read_now_and_then(person, conversation, rng, stopping):
    """Marks: they make events of one's own stream."""
    while not stopping.is_set():
        await asyncio.sleep(rng.uniform(0.2, 0.6))
        page = await run(lambda: person.rest.get(f"/conversations/{conversation}/messages", query={"limit": 1}))
        assert page.status in (200, 502, 503, 504), page
        if page.status == 200:
            reply = await run(lambda seq=page["messages"][-1]["seq"]: person.rest.patch(f"/conversations/{conversation}/read", {"seq": seq}))
            assert reply.status in (200, 502, 503, 504), reply


def alive(session):
    """The processes of a session: each service of the stack leads one."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            stat = f.read().rpartition(")")[2].split()
            if stat[3] == str(session) and stat[0] not in "ZX":
                found.append(int(pid))
    return found


class Killer:
    def __init__(self, stack, rng, senders, devices, quiet):
        self.stack, self.rng, self.senders, self.devices, self.quiet = stack, rng, senders, devices, quiet
        self.go = asyncio.Event()
        self.go.set()
        for s in senders:
            s.go = self.go
        self.kills, self.at = collections.Counter(), collections.Counter()
        self.outages = []

    async def worker(self):
        workers = await run(self.stack.pids, "peal-fcgi")
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.rng.choice(workers[1:] or workers), signal.SIGKILL)
            self.kills["worker"] += 1

    async def master(self):
        await self.again("peal-fcgi")
        self.kills["master"] += 1

    async def push(self):
        await self.again(f"peal-push-{self.rng.randrange(2)}")
        self.kills["push"] += 1

    async def jobs(self):
        await self.again("peal-jobs")
        self.kills["jobs"] += 1

    async def again(self, name):
        """Dead for a moment, then, when what it left behind has gone by itself, started again, as systemd would."""
        session = self.stack.pid(name)
        await operate(self.stack.kill, name)
        await asyncio.sleep(self.rng.uniform(0, 0.15))
        end = time.monotonic() + 5
        while left := await run(alive, session):
            assert time.monotonic() < end, f"{left} outlive their master"
            await asyncio.sleep(0.01)
        await operate(self.stack.start, name)

    async def unpublished(self):
        """A message that nobody rang for, in a conversation where no later one will: that is what peal-jobs is there for."""
        self.go.clear()
        while any(s.busy for s in self.senders):
            await asyncio.sleep(0.01)
        body = self.quiet.draft()
        await operate(self.stack.fail, "send.before_publish")
        while self.stack.armed("send.before_publish"):
            await self.quiet.attempt(body)
        self.kills["worker"] += 1
        self.go.set()
        return body

    async def failpoint(self, name):
        await operate(self.stack.fail, name)
        if name.startswith("jobs."):
            body = await self.unpublished()
        end = time.monotonic() + 8
        while self.stack.armed(name):
            assert time.monotonic() < end, f"nobody reached {name}"
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)
        await operate(self.stack.revive)
        if name.startswith("jobs."):
            await self.quiet.say(body)
        self.at[name] += 1
        self.kills["worker" if name.startswith("send.") else name.split(".")[0]] += 1

    async def redis(self):
        """Away for a second, or until something has arrived: sending and delivery go on."""
        await operate(self.stack.stop if self.rng.random() < 0.5 else self.stack.kill, "redis")
        await asyncio.sleep(0.3)
        acked, applied = self.progress()
        await asyncio.sleep(0.9)
        more_acked, more_applied = self.progress()
        until = time.monotonic() + 5    # devices may have lost their sockets just before
        while (more_acked == acked or more_applied == applied) and time.monotonic() < until:
            await asyncio.sleep(0.05)
            more_acked, more_applied = self.progress()
        self.outages.append((more_acked - acked, more_applied - applied))
        await operate(self.stack.start, "redis")

    def progress(self):
        return sum(len(s.acked) for s in self.senders), sum(d.stats["applied"] for d in self.devices)

    def plan(self):
        plan = [getattr(self, kind) for kind in KINDS for _ in range(ROUNDS)] + [self.redis] * 3
        plan += [lambda n=n: self.failpoint(n) for n in FAILPOINTS for _ in range(AT_FAILPOINTS)]
        self.rng.shuffle(plan)
        return plan

    async def run(self):
        for death in self.plan():
            await death()
            await asyncio.sleep(self.rng.uniform(0, 0.1))


async def settle(devices, timeout=30):
    """Until every device is where the database is; how long that took."""
    start = time.monotonic()
    for d in devices:
        while time.monotonic() - start < timeout and not await run(truth.has_arrived, d):
            await asyncio.sleep(0.05)
    healed = time.monotonic() - start
    await asyncio.sleep(1)  # in which nothing may come twice
    return healed


def check_senders(stack, senders):
    """Everything acknowledged is there, at the place that was told; nothing is there twice, and nothing that nobody sent."""
    for conversation in {s.conversation for s in senders}:
        truth.check_dense(stack, conversation)
        stored = truth.messages(stack, conversation)[1:]  # the first one made the conversation visible
        keys = [client_id for _, _, client_id, _ in stored]
        assert len(keys) == len(set(keys)), "a message is there twice"
        mine = [s for s in senders if s.conversation == conversation]
        assert set(keys) <= {c for s in mine for c in s.begun}
        place = {client_id: (seq, user, content) for seq, user, client_id, content in stored}
        for s in mine:
            for client_id, seq in s.acked.items():
                assert place.get(client_id) == (seq, s.person.id, f"content of {client_id}"), \
                    f"{client_id}: acknowledged as {seq}, stored as {place.get(client_id)}"


def report(seed, took, senders, devices, killer, healed):
    stats = sum((d.stats for d in devices), start=collections.Counter())
    closes = sum((d.closes for d in devices), start=collections.Counter())
    answers = sum((s.answers for s in senders), start=collections.Counter())
    print(f"\nkill test: SEED={seed}, {took:.0f} s, {len(senders)} senders, {len(devices)} devices")
    print(f"  messages   {sum(len(s.acked) for s in senders)} acknowledged, {sum(s.retries for s in senders)} retries, "
          f"longest until acknowledged {max(s.longest for s in senders if not isinstance(s, SocketSender)):.2f} s by HTTP and "
          f"{max(s.longest for s in senders if isinstance(s, SocketSender)):.2f} s by socket; answers {dict(answers)}")
    print(f"  kills      {dict(killer.kills)}; of these at failpoints {dict(killer.at)}")
    print(f"  Redis      away {len(killer.outages)} times; (acknowledged, applied) meanwhile {killer.outages}")
    print(f"  devices    {stats['applied']} applied, {stats['dropped']} known already, {stats['held']} held, {stats['connections']} connections, "
          f"{stats['refused']} refused, {stats['batch']} batches, {stats['retry']} retry frames, {stats['syncs']} sync frames; closes {dict(closes)}")
    print(f"  healing    longest hole {max(d.longest_hole for d in devices):.2f} s; all complete {healed:.2f} s after the last message")


async def scenario(stack, seed):
    rng = random.Random(seed)
    people = [await run(Person, stack, f"kill{i}") for i in range(4)]
    places = []
    for i, j in ((0, 1), (2, 3), (0, 2), (1, 3)):
        conversation = await run(people[i].start, people[j])
        await run(people[i].say, conversation, "first")
        places += [(people[i], conversation), (people[j], conversation)]
    senders = [(SocketSender if n % 4 == 3 else Sender)(p, c, random.Random(rng.random())) for n, (p, c) in enumerate(places)]
    devices = [await Device(p, rng=random.Random(rng.random())).start() for p in people for _ in range(2)]
    quiet = await run(people[0].start, people[3])
    await run(people[0].say, quiet, "first")
    quiet = Sender(people[0], quiet, random.Random(rng.random()))
    killer, stopping, start = Killer(stack, rng, senders, devices, quiet), asyncio.Event(), time.monotonic()
    killing = asyncio.create_task(killer.run())
    others = [asyncio.create_task(s.talk()) for s in senders]
    others += [asyncio.create_task(read_now_and_then(p, c, random.Random(rng.random()), stopping)) for p, c in places[:6]]
    done, _ = await asyncio.wait([killing, *others], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    assert killing in done, "somebody stopped before the killer did"
    stopping.set()
    for s in senders:
        s.stopping = True
    await asyncio.gather(*others)
    took = time.monotonic() - start
    for s in senders:
        if isinstance(s, SocketSender):
            await s.close()
    healed = await settle(devices)
    report(seed, took, senders, devices, killer, healed)
    check_senders(stack, [*senders, quiet])
    for d in devices:
        truth.check_device(d)
        assert d.stats["fresh"] == 1, "a restart is a resume"
    assert all(killer.kills[kind] >= 20 for kind in KINDS) and set(killer.at) == set(FAILPOINTS)
    assert all(acked > 0 and applied > 0 for acked, applied in killer.outages), killer.outages
    for d in devices:
        await d.stop()


def test_nothing_is_lost_or_doubled_when_processes_die(stack, capsys):
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")
    with capsys.disabled():
        asyncio.run(scenario(stack, seed))
