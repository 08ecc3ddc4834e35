"""The kill test of peal-jobs: it dies at random and at every failpoint of its own while messages are due, refused, expire and grow old.
What was scheduled is said exactly once, or kept as refused and not said; what expired is emptied and its space given back once; the
devices have everything once.

SEED=n repeats the order of deaths; TIER=2 or more takes three times as long.
"""

import asyncio
import collections
import contextlib
import datetime
import os
import random
import subprocess
import time

from stack import StackError

from peal import media, truth
from peal.device import Device
from peal.loop import operate, run
from peal.people import pair

STACK = {"settings": {"schedule_ahead_seconds": 1, "expiry_seconds": 1, "max_scheduled": 10000}}
ALLOWED_LOG = [r"worker"]

TIER = int(os.environ.get("PEAL_TIER") or os.environ.get("TIER") or 1)
SECONDS = 25 if TIER == 1 else 75
SCHEDULED, EXPIRING, PICTURES, OLD = 12 * SECONDS, 10 * SECONDS, SECONDS, 3000
FAILPOINTS = ["jobs.before_send", "jobs.after_send", "jobs.before_refuse", "jobs.before_expire", "jobs.after_expire", "jobs.before_age",
              "jobs.before_publish", "jobs.after_publish"]


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


class Scene:
    """Three pairs: one that hears each other, one in which sending is refused, one whose messages expire; and an old conversation."""

    def __init__(self, stack, rng):
        self.stack, self.rng = stack, rng
        self.a, self.b, self.talk = pair(stack)
        self.c, self.d, self.parted = pair(stack)
        self.e, self.f, self.fleeting = pair(stack)
        _, _, self.old = pair(stack)
        self.scheduled, self.expiring = {}, []
        self.begin = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)

    def _moment(self):
        return self.begin + datetime.timedelta(seconds=self.rng.uniform(0, SECONDS))

    def _schedule(self, person, conversation, n):
        body = {"client_id": f"s-{conversation}-{n}", "message_type": "text", "content": f"content of {n}", "send_at": stamp(self._moment())}
        self.scheduled[body["client_id"]] = conversation
        person.rest.post(f"/conversations/{conversation}/messages", body, expect=201)

    def grow_old(self, n):
        """So many messages more that are older than their conversation keeps them, and than their keys are kept."""
        self.stack.psql(f"WITH c AS (UPDATE conversation SET last_seq = last_seq + {n} WHERE id = {self.old} RETURNING last_seq - {n} AS before) "
                        f"INSERT INTO message (conversation_id, seq, sender_id, kind, content, created_at) "
                        f"SELECT {self.old}, c.before + n, {self.a.id}, 1, 'old', now() - interval '40 days' FROM c, generate_series(1, {n}) n")

    def set(self):
        """Everything that will happen, planned before it begins."""
        self.stack.psql(f"UPDATE message SET created_at = now() - interval '41 days' WHERE conversation_id = {self.old};"
                        f"UPDATE conversation SET retention_days = 1 WHERE id = {self.old}")
        self.grow_old(OLD)
        for n in range(SCHEDULED):
            refused = n % 6 == 0
            self._schedule(self.c if refused else self.a, self.parted if refused else self.talk, n)
        self.d.rest.call("PUT", f"/users/{self.c.id}/block", expect=204)
        pictures = [media.upload(self.e, media.png(), "image/png")["id"] for _ in range(PICTURES)]
        for n in range(EXPIRING):
            ends = max(1, round((self._moment() - datetime.datetime.now(datetime.timezone.utc)).total_seconds()))
            if n < PICTURES:
                media.send(self.e, self.fleeting, pictures[n], expires_in_seconds=ends)
            else:
                self.e.say(self.fleeting, f"fleeting {n}", expires_in_seconds=ends)

    def waiting(self):
        (due, expired, old), = truth.rows(
            self.stack, "SELECT (SELECT count(*) FROM scheduled_message WHERE failed_at IS NULL), "
                        "(SELECT count(*) FROM message WHERE expires_at IS NOT NULL AND deleted_at IS NULL), "
                        "(SELECT count(*) FROM message WHERE conversation_id = %s)", int(self.old))
        return due, expired, old

    def check(self):
        stack = self.stack
        said = collections.Counter((c, k) for c, k in truth.rows(stack, "SELECT conversation_id, client_id FROM message WHERE client_id LIKE 's-%%'"))
        assert said == {(int(c), k): 1 for k, c in self.scheduled.items() if c == self.talk}
        failed = dict(truth.rows(stack, "SELECT client_id, failure FROM scheduled_message"))
        assert failed == {k: "blocked" for k, c in self.scheduled.items() if c == self.parted}
        keys = dict(truth.rows(stack, "SELECT client_id, seq IS NOT NULL FROM message_key WHERE client_id LIKE 's-%%'"))
        assert keys == {k: c == self.talk for k, c in self.scheduled.items()}
        left = truth.rows(stack, "SELECT seq FROM message WHERE conversation_id = %s AND expires_at IS NOT NULL "
                                 "AND num_nonnulls(content, attachments, mentions, extra) > 0", int(self.fleeting))
        assert left == []
        (stored, counted), = truth.rows(stack, "SELECT coalesce(sum(a.bytes) FILTER (WHERE a.deleted_at IS NULL), 0)::bigint, u.bytes FROM media_usage u "
                                               "LEFT JOIN attachment a ON a.owner_id = u.user_id WHERE u.user_id = %s GROUP BY u.bytes", int(self.e.id))
        assert stored == counted == 0
        (first, last), = truth.rows(stack, "SELECT first_seq, last_seq FROM conversation WHERE id = %s", int(self.old))
        assert first == last + 1 > OLD
        truth.check_dense(stack, self.talk)
        truth.check_dense(stack, self.parted)
        for person in (self.a, self.c):
            revs = [r for r, in truth.rows(stack, "SELECT user_rev FROM user_event WHERE user_id = %s ORDER BY user_rev", int(person.id))]
            assert revs == list(range(1, truth.user_rev(stack, person.id) + 1))


class Killer:
    def __init__(self, stack, rng, scene):
        self.stack, self.rng, self.scene, self.kills = stack, rng, scene, collections.Counter()

    async def at(self, name):
        """Dies there. What is old is looked for when one begins, and then hourly."""
        if name == "jobs.before_age":
            await operate(self.stack.kill, "peal-jobs")
            await run(self.scene.grow_old, 300)
        await operate(self.stack.fail, name)
        if name == "jobs.before_age":
            await operate(self._start_to_die)
        if await operate(self._wait_death):
            self.kills[name] += 1
        else:
            (self.stack.run_dir / "fail" / name).unlink(missing_ok=True)
        await operate(self.stack.revive)

    def _start_to_die(self):
        with contextlib.suppress(StackError):              # it may die before it was ready
            self.stack.start("peal-jobs")

    def _wait_death(self):
        service = self.stack.services["peal-jobs"]
        service.may_die = service.wanted = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.process.wait(8)
        return not service.running

    async def somewhere(self):
        await asyncio.sleep(self.rng.uniform(0.05, 0.8))
        await operate(self.stack.kill, "peal-jobs")
        self.kills["at random"] += 1
        await operate(self.stack.start, "peal-jobs")


async def scenario(stack, seed):
    rng = random.Random(seed)
    scene = await run(Scene, stack, rng)
    killer = Killer(stack, rng, scene)
    devices = [await Device(p, rng=random.Random(rng.random())).start() for p in (scene.a, scene.b, scene.b, scene.c)]
    await run(scene.set)
    await asyncio.sleep(max(0, (scene.begin - datetime.datetime.now(datetime.timezone.utc)).total_seconds()))
    until = time.monotonic() + SECONDS
    order = rng.sample(FAILPOINTS, len(FAILPOINTS))
    while time.monotonic() < until or order:
        short = until - time.monotonic() < 2 * len(order) + 5      # of time with something left to die of
        await (killer.at(order.pop()) if order and (short or rng.random() < 0.6) else killer.somewhere())
    begin = time.monotonic()
    while (waiting := await run(scene.waiting)) != (0, 0, 0):
        assert time.monotonic() < begin + 40, f"still waiting: {waiting} (scheduled, expired, old)"
        await asyncio.sleep(0.2)
    while not all(truth.has_arrived(d) for d in devices):
        assert time.monotonic() < begin + 60, "a device is behind"
        await asyncio.sleep(0.2)
    await run(scene.check)
    for device in devices:
        truth.check_device(device)
        await device.stop()
    print(f"  kills      {dict(killer.kills)}")
    print(f"  scheduled  {SCHEDULED}, of which {sum(c == scene.parted for c in scene.scheduled.values())} refused; expired {EXPIRING}; old {OLD}")
    assert set(FAILPOINTS) <= set(killer.kills), "a failpoint that nobody reached"


def test_everything_happens_once_when_jobs_die(stack, capsys):
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")
    with capsys.disabled():
        print(f"\n  SEED={seed}")
        asyncio.run(scenario(stack, seed))
