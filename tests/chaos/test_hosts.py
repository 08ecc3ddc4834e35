"""Several hosts, each in a network namespace: two with REST workers, two with push daemons, one with nginx, PostgreSQL and Redis on others.
What is said is heard everywhere, limits and revocations hold for all together; links are cut and hosts vanish, and nothing is lost.

TIER=2 or more: also the database's links and 5 minutes of everything at random. HOSTS_SECONDS=n overrides, SEED=n repeats the order of events.
"""

import asyncio
import collections
import concurrent.futures
import contextlib
import http.client
import os
import random
import signal
import socket
import time

import pytest

from peal import cluster, truth
from peal.device import Device
from peal.loop import operate, run
from peal.people import Person, pair
from peal.rest import Client
from peal.upgrade import upgrade
from peal.ws import Closed, Socket
from test_kill import Sender

LIMIT = 12      # attempts to sign in per minute
TIER = int(os.environ.get("PEAL_TIER") or os.environ.get("TIER") or 1)
SECONDS = float(os.environ.get("HOSTS_SECONDS") or 300)
REASON = cluster.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))
deep = pytest.mark.skipif(TIER < 2, reason="TIER=2")
ALLOWED_LOG = [r"upstream|connect\(\)|recv\(\)|redis|worker_died|worker_killed|request_timeout",
               r"FATAL:  (connection to client lost|terminating connection)"]


@pytest.fixture(scope="module")
def hosts(request):
    made = cluster.Cluster(kind=request.config.getoption("kind"),
                           settings={"push_devices_per_user": 60, "rate_login_per_minute": LIMIT, "workers_fast": 4, "push_poll_ms": 100})
    for pattern in ALLOWED_LOG:
        made.allow(pattern)
    with made:
        yield made


def served_by(stack, text):
    """How many requests with this text in their line each host has served."""
    return {host: sum(text in line for line in stack.log(f"peal-fcgi-{host}").splitlines()) for host in cluster.APIS}


def sockets_of(stack):
    """Host -> sockets that nginx has brought there, as the daemons' own metrics say."""
    found = {}
    for host in cluster.PUSHES:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(stack.run_dir / host / "stat-0.sock"))
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        found[host] = sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("peal_push_connections{"))
    return found


async def complete(devices, timeout=60):
    end = time.monotonic() + timeout
    for d in devices:
        while not await run(truth.has_arrived, d):
            assert time.monotonic() < end, f"{d.device_id} is at {d.places}, {d.user_rev}; {dict(d.stats)} {dict(d.closes)}"
            await asyncio.sleep(0.05)
    for d in devices:
        await run(truth.check_device, d)


async def close(devices):
    for d in devices:
        await d.stop()


def scenario(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, SECONDS + 240))


def test_what_is_said_on_one_host_is_heard_on_the_other(hosts):
    async def go():
        a, b, conversation = await run(pair, hosts)
        devices = [await Device(p).start() for p in (a, a, b, b, b, b)]
        assert all(n >= 2 for n in (await run(sockets_of, hosts)).values()), await run(sockets_of, hosts)
        for i in range(20):
            await run(a.say, conversation, f"said {i}")
        await asyncio.gather(*(d.at(conversation, 21) for d in devices))
        await complete(devices)
        # typing and presence are only in Redis: they cross as well
        async with await Socket.open(hosts, a.token) as one, await Socket.open(hosts, b.token) as other:
            await one.hello("one")
            await other.hello("other")
            await one.send({"type": "typing", "conversation_id": conversation, "is_typing": True})
            assert (await other.until("typing", 5))["conversation_id"] == conversation
        await close(devices)
    scenario(go())
    assert all(n > 5 for n in served_by(hosts, "status=201").values()), "both hosts have worked"


def test_a_limit_counts_for_both_hosts_together(hosts):
    person = Person(hosts, "tries")
    n = 40

    def attempt(_):
        reply = Client(hosts.url).post("/auth/login", {"username": person.username, "password": "not the password of mine", "token_delivery": "body"})
        return reply.status
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = collections.Counter(pool.map(attempt, range(n)))
    took = time.monotonic() - start
    more = int(took / (60 / LIMIT)) + 1     # what has come back meanwhile
    assert set(statuses) == {401, 429} and LIMIT <= statuses[401] <= LIMIT + more - (took < 60 / LIMIT), (statuses, took)
    print(f"figures: {statuses[401]} of {n} attempts to sign in were let through in {took:.1f} s, {LIMIT} per minute, two hosts")


def test_a_session_that_ends_ends_on_all_hosts(hosts):
    """Within a second on both hosts of workers and both of sockets; with a push host that Redis cannot tell, too."""
    async def go(cut):
        a = await run(Person, hosts, "leaves")
        other = await run(lambda: Client(hosts.url).post("/auth/login", {"username": a.username, "password": a.password, "token_delivery": "body"}, expect=200))
        token = other["access_token"]
        sockets = []
        for i in range(6):
            sockets.append(await Socket.open(hosts, token))
            await sockets[-1].hello(f"s{i}")
        sessions = (await run(lambda: a.rest.get("/auth/sessions", expect=200)))["items"]
        mine, = [s for s in sessions if not s["current"]]
        with cut:
            ended = time.monotonic()
            await run(lambda: a.rest.delete(f"/auth/sessions/{mine['id']}", expect=204))
            refused = 0
            while refused < 6:      # several in a row: both hosts
                reply = await run(lambda: Client(hosts.url, token).get("/me"))
                refused = refused + 1 if reply.status == 401 else 0
            rest = time.monotonic() - ended
            codes = await asyncio.gather(*(s.wait_closed(10) for s in sockets))
            sockets_took = time.monotonic() - ended
        assert set(codes) == {4409}
        return rest, sockets_took
    for name, cut in (("whole", contextlib.nullcontext()), ("one push host without Redis", hosts.cut("push1", "redis"))):
        rest, sockets = asyncio.run(go(cut))
        print(f"figures: a session ended on all hosts, {name}: REST after {rest:.2f} s, sockets after {sockets:.2f} s")
        assert rest < 2 and sockets < 2


def test_a_push_host_without_redis_reads_the_log(hosts):
    async def go():
        a, b, conversation = await run(pair, hosts)
        devices = [await Device(p).start() for p in (a, b, b, b)]
        with hosts.cut("push2", "redis"):
            start = time.monotonic()
            for i in range(5):
                await run(a.say, conversation, f"cut off {i}")
            await complete(devices, 30)
            print(f"figures: a push host cut off from Redis: all devices complete after {time.monotonic() - start:.1f} s")
        await run(a.say, conversation, "whole again")
        await complete(devices)
        assert all(d.stats["fresh"] == 1 for d in devices)
        await close(devices)
    scenario(go())


@deep
def test_an_api_host_without_the_database(hosts):
    """Half of the requests come to it and are refused, to be tried again; nothing of that is lost, or there twice."""
    async def go():
        a, b, conversation = await run(pair, hosts)
        device = await Device(b).start()
        sender = HostsSender(a, conversation, random.Random(1))
        with hosts.cut("api1", "data"):
            for _ in range(10):
                await sender.say(sender.draft())
        print(f"figures: an API host cut off from PostgreSQL: 10 messages, {sender.retries} retries, the longest took {sender.longest:.1f} s")
        await complete([device])
        assert len(await run(truth.messages, hosts, conversation)) == 11
        await device.stop()
    scenario(go())


@deep
def test_somebody_leads_when_the_host_of_the_leader_is_cut_off(hosts):
    def leader():
        rows = truth.rows(hosts, "SELECT DISTINCT host(client_addr) FROM pg_stat_activity JOIN pg_locks USING (pid) "
                                 "WHERE locktype = 'advisory' AND granted AND application_name = 'peal-jobs'")
        return next((host for host in cluster.APIS if rows == [(hosts.net.address(host),)]), None)

    start = time.monotonic()
    while not (first := leader()):
        assert time.monotonic() - start < 40, "nobody leads"
        time.sleep(0.1)
    start = time.monotonic()
    with hosts.cut(first, "data"):
        while leader() in (first, None):
            assert time.monotonic() - start < 40, "nobody took the lead"
            time.sleep(0.1)
    print(f"figures: the leader's host was cut off from PostgreSQL: another peal-jobs leads after {time.monotonic() - start:.1f} s")


class HostsSender(Sender):
    async def attempt(self, body):
        try:
            return await super().attempt(body)
        except OSError as e:    # no answer within the client's patience
            self.answers[type(e).__name__] += 1
            return None


class Trouble:
    def __init__(self, stack, rng):
        self.stack, self.rng, self.count = stack, rng, collections.Counter()

    async def away(self, context):
        with context:
            await asyncio.sleep(self.rng.uniform(1, 4))

    async def redis_link(self):
        await self.away(self.stack.cut(self.rng.choice(cluster.APIS + cluster.PUSHES), "redis"))

    async def database_link(self):
        await self.away(self.stack.cut(self.rng.choice(cluster.APIS), "data"))

    async def inner_link(self):
        await self.away(self.stack.cut(self.rng.choice(cluster.PUSHES), self.rng.choice(cluster.APIS)))

    async def push_host(self):
        await self.away(self.stack.unplugged(self.rng.choice(cluster.PUSHES)))

    async def api_host(self):
        await self.away(self.stack.unplugged(self.rng.choice(cluster.APIS)))

    async def redis_host(self):
        await self.away(self.stack.unplugged("redis"))

    async def kill(self):
        host = self.rng.choice(cluster.APIS + cluster.PUSHES)
        name = f"{'peal-fcgi' if host in cluster.APIS else 'peal-push'}-{host}"
        await operate(self.stack.kill, name)
        await asyncio.sleep(self.rng.uniform(0, 0.5))
        await operate(self.stack.start, name)

    async def new_program(self):
        old = await operate(upgrade, self.stack, f"peal-push-{self.rng.choice(cluster.PUSHES)}")
        await run(old.wait, 60)

    async def nginx_reload(self):
        self.stack.services["nginx"].process.send_signal(signal.SIGHUP)

    def kinds(self):
        return [self.redis_link, self.database_link, self.inner_link, self.push_host, self.api_host, self.redis_host, self.kill,
                self.new_program, self.nginx_reload]

    async def run(self, seconds):
        end, order = time.monotonic() + seconds, []
        while time.monotonic() < end or order:
            if not order:
                order = self.rng.sample(self.kinds(), len(self.kinds()))
            kind = order.pop()
            await kind()
            self.count[kind.__name__] += 1
            await asyncio.sleep(self.rng.uniform(0, 0.5))


async def losing(stack, seed):
    rng = random.Random(seed)
    people = [await run(Person, stack, f"far{i}") for i in range(6)]
    senders = []
    for i, j in ((0, 1), (2, 3), (4, 5), (0, 3)):
        conversation = await run(people[i].start, people[j])
        await run(people[i].say, conversation, "first")
        senders += [HostsSender(people[k], conversation, random.Random(rng.random())) for k in (i, j)]
    devices = [await Device(p, rng=random.Random(rng.random())).start() for p in people for _ in range(4)]
    trouble, start = Trouble(stack, rng), time.monotonic()
    making = asyncio.create_task(trouble.run(SECONDS))
    writing = [asyncio.create_task(paced(s)) for s in senders]
    done, _ = await asyncio.wait([making, *writing], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    assert making in done, "somebody stopped writing"
    for s in senders:
        s.stopping = True
    await asyncio.gather(*writing)
    took, settled = time.monotonic() - start, time.monotonic()
    await complete(devices, 120)
    report(seed, took, senders, devices, trouble, time.monotonic() - settled)
    await run(check_acknowledged, stack, senders)
    for d in devices:
        assert d.stats["fresh"] == 1, f"{d.device_id}: coming back is a resume"
    await close(devices)


async def paced(sender):
    while not sender.stopping:
        await sender.say(sender.draft())
        await asyncio.sleep(sender.rng.uniform(0.05, 0.4))


def check_acknowledged(stack, senders):
    for conversation in {s.conversation for s in senders}:
        truth.check_dense(stack, conversation)
        stored = truth.messages(stack, conversation)[1:]
        assert len({key for _, _, key, _ in stored}) == len(stored), "a message is there twice"
        place = {key: (seq, user, content) for seq, user, key, content in stored}
        for s in senders:
            for key, seq in s.acked.items() if s.conversation == conversation else ():
                assert place.get(key) == (seq, s.person.id, f"content of {key}"), f"{key}: acknowledged as {seq}, stored as {place.get(key)}"


def report(seed, took, senders, devices, trouble, healed):
    stats = sum((d.stats for d in devices), start=collections.Counter())
    closes = sum((d.closes for d in devices), start=collections.Counter())
    answers = sum((s.answers for s in senders), start=collections.Counter())
    print(f"\nfigures: hosts: SEED={seed}, {took:.0f} s, {len(senders)} writers, {len(devices)} devices; {dict(trouble.count)}")
    print(f"figures:   {sum(len(s.acked) for s in senders)} messages acknowledged after {sum(s.retries for s in senders)} retries, the longest "
          f"took {max(s.longest for s in senders):.1f} s; answers {dict(answers)}")
    print(f"figures:   {stats['applied']} events applied, {stats['connections']} connections, {stats['refused']} refused, closes {dict(closes)}; "
          f"all complete {healed:.1f} s after the last message")


@deep
def test_nothing_is_lost_between_hosts(hosts, capsys):
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")
    with capsys.disabled():
        scenario(losing(hosts, seed))
