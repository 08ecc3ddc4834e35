"""Two hundred devices on the real processes, while everything that can go wrong does: connections are cut, peers vanish without a word,
readers stop reading, push processes, workers, Redis and nginx are killed, stopped or reloaded, and a write transaction stays open for
seconds. At the end every device holds exactly what the database says it may, nothing acknowledged is missing, nothing was applied twice.

60 s; TIER=2 or more: 10 minutes. LOSS_SECONDS=n overrides, SEED=n repeats the order of events.
"""

import asyncio
import collections
import contextlib
import functools
import os
import random
import signal
import time

from peal import contract, truth
from peal.device import Device
from peal.loop import operate, run
from peal.people import Person
from peal.ws import Raw
from test_kill import Sender

STACK = {"push_processes": 2, "settings": {"workers_fast": 6, "push_devices_per_user": 30,      # those who vanish count, too
                                               "access_token_seconds": 3600}}                       # devices of the deep tier outlive ten minutes
ALLOWED_LOG = [r"connect\(\) to unix:\S+/sock/\S+ failed", r"worker_died", r"FATAL:  connection to client lost", r"redis"]

TIER = int(os.environ.get("PEAL_TIER") or os.environ.get("TIER") or 1)
SECONDS = float(os.environ.get("LOSS_SECONDS") or (60 if TIER == 1 else 600))
PEOPLE, DEVICES, GROUPS, PAIRS, CHECKED = 20, 200, 6, 8, 10
FAILPOINTS = ["send.before_statement", "send.sent", "send.before_publish", "send.after_publish", "send.before_reply",
              "push.before_write", "push.after_write", "push.before_acks"]


class Unchecked:
    """Frames that are held against the contract on every tenth device only: the machine has other things to do."""

    durable = contract.socket().durable

    @staticmethod
    def check(*_):
        pass


class LossDevice(Device):
    checked = True

    async def _talk(self):
        if not self.checked:
            self.socket.contract = Unchecked
        return await super()._talk()

    def transport(self):
        ws = self.socket and self.socket.ws
        return ws.transport if ws and ws.open else None


class Trouble:
    def __init__(self, stack, rng, devices, people, conversations):
        self.stack, self.rng, self.devices, self.people, self.conversations = stack, rng, devices, people, conversations
        self.count, self.vanished, self.background = collections.Counter(), [], set()

    async def cut(self):
        for d in self.rng.sample(self.devices, self.rng.randint(1, 20)):
            if transport := d.transport():
                transport.abort()

    async def stop_reading(self):
        """A reader that is stopped: its window fills, then the server's queue; some never come back."""
        for d in self.rng.sample(self.devices, 4):
            if transport := d.transport():
                transport.pause_reading()
                self.later(self.read_again(transport))

    async def read_again(self, transport):
        await asyncio.sleep(self.rng.uniform(0.5, 8))
        with contextlib.suppress(Exception):
            transport.abort() if self.rng.random() < 0.3 else transport.resume_reading()

    async def vanish(self):
        """A peer that says hello and is never heard of again, while its connection stays."""
        def open_one():
            raw = Raw(self.stack, self.rng.choice(self.people).token)
            raw.text({"type": "hello", "device_id": "gone", "since": None})
            return raw
        with contextlib.suppress(OSError, EOFError, IndexError, ValueError):
            self.vanished.append(await run(open_one))
        while len(self.vanished) > 5:
            self.vanished.pop(0).sock.close()

    async def kill_push(self):
        name = f"peal-push-{self.rng.randrange(2)}"
        await operate(self.stack.kill, name)
        await asyncio.sleep(self.rng.uniform(0, 0.3))
        await operate(self.stack.start, name)

    async def freeze_push(self):
        pid = self.stack.pid(f"peal-push-{self.rng.randrange(2)}")
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(self.rng.uniform(0.2, 2))
        os.kill(pid, signal.SIGCONT)

    async def kill_worker(self):
        workers = (await run(self.stack.pids, "peal-fcgi"))[1:]
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(self.rng.choice(workers), signal.SIGKILL)

    async def failpoint(self):
        name = self.rng.choice(FAILPOINTS)
        await operate(self.stack.fail, name)
        end = time.monotonic() + 3
        while self.stack.armed(name) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        with contextlib.suppress(FileNotFoundError):
            (self.stack.run_dir / "fail" / name).unlink()
        await asyncio.sleep(0.05)
        await operate(self.stack.revive)

    async def redis(self):
        await operate(self.stack.kill if self.rng.random() < 0.5 else self.stack.stop, "redis")
        await asyncio.sleep(self.rng.uniform(0.1, 2))
        await operate(self.stack.start, "redis")

    async def open_transaction(self):
        """Somebody's message is written and not committed for seconds; meanwhile everybody else's horizon stands still."""
        person, conversation = self.rng.choice(self.conversations)

        def begin():
            db = self.stack.db()
            with db.cursor() as c:
                c.execute("SET lock_timeout = '2s'; SELECT o_seq FROM message_send(%s, %s, %s, '\\x00', 1::smallint, 'slow', NULL, NULL)",
                          (int(person.id), int(conversation), f"slow-{self.rng.random()}"))
            return db
        try:
            db = await run(begin)
        except Exception as e:  # noqa: BLE001 -- a lock that was not to be had in time
            if "lock timeout" not in str(e):
                raise
            return
        self.later(self.roll_back(db))

    async def roll_back(self, db):
        await asyncio.sleep(self.rng.uniform(0.5, 3))
        await run(db.rollback)
        await run(db.close)

    async def reload_nginx(self):
        self.stack.services["nginx"].process.send_signal(signal.SIGHUP)

    async def reload_workers(self):
        await operate(self.stack.reload, "peal-fcgi")

    def later(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def run(self, seconds):
        kinds = [self.cut] * 6 + [self.stop_reading] * 4 + [self.vanish] * 3 + [self.kill_push] * 2 + [self.freeze_push] * 2 \
            + [self.kill_worker] * 2 + [self.failpoint] * 3 + [self.redis, self.open_transaction, self.open_transaction, self.reload_nginx,
                                                              self.reload_workers]
        order = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not order:
                order = self.rng.sample(kinds, len(kinds))
            kind = order.pop()
            await kind()
            self.count[kind.__name__] += 1
            await asyncio.sleep(self.rng.uniform(0, 0.5))
        await asyncio.gather(*self.background)
        for raw in self.vanished:
            raw.sock.close()


@contextlib.contextmanager
def looked_up_once():
    """The database does not change any more: 200 devices of 20 people need not ask it 200 times."""
    asked, truth.rows = truth.rows, functools.lru_cache(None)(truth.rows)
    try:
        yield
    finally:
        truth.rows = asked


def all_there(devices):
    with looked_up_once():
        return all(truth.has_arrived(d) for d in devices)


async def settle(devices, timeout):
    start = time.monotonic()
    while time.monotonic() - start < timeout and not await run(all_there, devices):
        await asyncio.sleep(0.3)
    healed = time.monotonic() - start
    await asyncio.sleep(1)  # in which nothing may come twice
    return healed


def report(seed, took, senders, devices, trouble, healed):
    stats = sum((d.stats for d in devices), start=collections.Counter())
    closes = sum((d.closes for d in devices), start=collections.Counter())
    print(f"\nfigures: loss test: SEED={seed}, {took:.0f} s, {len(devices)} devices of {PEOPLE} people, {len(senders)} writers")
    print(f"figures:   {sum(len(s.acked) for s in senders)} messages acknowledged after {sum(s.retries for s in senders)} retries; "
          f"{stats['applied']} events applied, {stats['dropped']} known already, {stats['held']} held")
    print(f"figures:   {dict(trouble.count)}")
    print(f"figures:   {stats['connections']} connections, {stats['refused']} refused, closes {dict(closes)}, {stats['batch']} batches, "
          f"{stats['retry']} retries, {stats['syncs']} syncs, {stats['cursor']} cursors")
    print(f"figures:   longest hole {max(d.longest_hole for d in devices):.2f} s; all complete {healed:.1f} s after the last message")


def converse(people, rng):
    """[(who writes, conversation)]: groups and pairs."""
    found = []
    for _ in range(GROUPS):
        members = rng.sample(people, 6)
        found.append((members[0], members[0].group(*members[1:])))
        found.append((members[1], found[-1][1]))
    for i in range(PAIRS):
        a, b = people[2 * i], people[2 * i + 1]
        found.append((a, a.start(b)))
        a.say(found[-1][1], "first")
    return found


async def start_all(devices):
    for i in range(0, len(devices), 20):
        await asyncio.gather(*(d.start(60) for d in devices[i:i + 20]))


async def scenario(stack, seed):
    rng = random.Random(seed)
    people = [await run(Person, stack, f"loss{i}") for i in range(PEOPLE)]
    conversations = await run(converse, people, rng)
    devices = []
    for i in range(DEVICES):
        d = LossDevice(people[i % PEOPLE], rng=random.Random(rng.random()))
        d.checked = i % CHECKED == 0
        devices.append(d)
    await start_all(devices)
    senders = [Sender(p, c, random.Random(rng.random())) for p, c in conversations]
    go = asyncio.Event()
    go.set()
    for s in senders:
        s.go = go
    trouble, start = Trouble(stack, rng, devices, people, conversations), time.monotonic()
    making = asyncio.create_task(trouble.run(SECONDS))
    writing = [asyncio.create_task(paced(s)) for s in senders]
    done, _ = await asyncio.wait([making, *writing], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    assert making in done, "somebody stopped writing"
    for s in senders:
        s.stopping = True
    await asyncio.gather(*writing)
    took, healed = time.monotonic() - start, await settle(devices, 90)
    report(seed, took, senders, devices, trouble, healed)
    await run(check, stack, senders, devices)
    for d in devices:
        await d.stop()


async def paced(sender):
    while not sender.stopping:
        await sender.say(sender.draft())
        await asyncio.sleep(sender.rng.uniform(0.3, 1.5))


def check(stack, senders, devices):
    with looked_up_once():
        for conversation in {s.conversation for s in senders}:
            truth.check_dense(stack, conversation)
            place = {client_id: (seq, user, content) for seq, user, client_id, content in truth.messages(stack, conversation)}
            for s in senders:
                for client_id, seq in s.acked.items() if s.conversation == conversation else ():
                    assert place.get(client_id) == (seq, s.person.id, f"content of {client_id}"), f"{client_id}: acknowledged as {seq}, stored as {place.get(client_id)}"
        for d in devices:
            truth.check_device(d)
            assert d.stats["fresh"] == 1, f"{d.device_id}: a restart is a resume"


def test_nothing_is_lost_whatever_happens(stack, capsys):
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")
    with capsys.disabled():
        asyncio.run(scenario(stack, seed))
