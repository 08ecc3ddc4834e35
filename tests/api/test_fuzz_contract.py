"""Requests made from docs/openapi.yaml by hypothesis, valid, almost valid and garbage, against the running thing.

No 5xx; every answer as the document says; nothing that the document forbids is accepted; and afterwards the database is sound.
SEED= repeats a run; TIER=2 makes 100,000 requests, REQUESTS= as many as it says. COLLECT=1 goes on after a finding and lists all of them at the end."""

import collections
import multiprocessing
import os
import random
import time
import traceback
import urllib.parse

import hypothesis
from hypothesis import strategies as st

from peal import audit, contract, generate, media
from peal.people import Person
from peal.rest import SEEN, Client

REQUESTS = int(os.environ.get("REQUESTS") or (5000 if int(os.environ.get("TIER") or 1) < 2 else 100000))
PER_EXAMPLE, WORKERS = 10, 3
# what ends a caller's session, or is not asked with JSON
LEFT_OUT = {"getContract", "changePassword", "eraseMe"}
OPERATIONS = [op for op in contract.rest().operations
              if op.id not in LEFT_OUT and not op.served_by_nginx and not op.served_by_media]


class World:
    """People who know each other, and the ids that exist so far."""

    def __init__(self, stack):
        self.people = [Person(stack, f"fuzz{n}") for n in range(6)]
        self.tokens = [p.token for p in self.people]
        self.ids = collections.defaultdict(list)
        self.ids["user"] = [p.id for p in self.people]
        self.senders = {}                       # message id -> number of who sent it
        for a, b in ((0, 1), (1, 2), (0, 3)):
            place = self.people[a].start(self.people[b])
            self.ids["conversation"].append(place)
            for n in range(3):
                self.ids["message"].append(self.people[a if n % 2 else b if n else a].say(place, f"text {n}")["id"])
        self._groups()
        for person in self.people[:3]:
            self.ids["attachment"].append(person.rest.post("/messages/upload-image", raw=media.png(),
                                                           headers={"Content-Type": "image/png"}, expect=201)["id"])

    def _groups(self):
        if contract.rest().find("POST", "/conversations") is None:
            return
        for n in range(3):
            group = self.people[n].rest.post("/conversations", {"type": "group", "name": f"Group {n}", "history": ("all", "joined")[n % 2],
                                                                "participant_ids": self.ids["user"][:5]}, expect=201)["id"]
            self.ids["conversation"].append(group)
            self.ids["message"] += [self.people[k].say(group, "in the group")["id"] for k in range(3)]
            poll = {"client_id": f"poll {n}", "message_type": "poll", "poll": {"question": "?", "options": ["a", "b"]}}
            self.ids["message"].append(self.people[n].rest.post(f"/conversations/{group}/messages", poll, expect=201)["id"])

    def pick(self, ref):
        if ref.kind == "time":
            return generate.time_text(ref.n)
        kind = ref.kind if ref.kind != "any" else ("user", "conversation")[ref.n % 2]
        known = self.ids[kind] or ["1"]
        return known[-1 - ref.n % min(len(known), 12)] if ref.n % 3 else known[ref.n % len(known)]

    def learn(self, value):
        """Keeps the ids of a reply."""
        if isinstance(value, dict):
            if value.get("scheduled_id") and value["scheduled_id"] not in self.ids["scheduled"]:
                self.ids["scheduled"].append(value["scheduled_id"])
            if value.get("sender_id") in self.ids["user"][:len(self.people)] and "seq" in value:
                self.senders[value["id"]] = self.ids["user"].index(value["sender_id"])
                if value.get("poll") and value["id"] not in self.ids["poll"]:
                    self.ids["poll"].append(value["id"])
            if isinstance(value.get("id"), str):
                id_ = value["id"]
                kind = "message" if "seq" in value else "conversation" if "last_seq" in value else "user" if "username" in value else \
                    "attachment" if "mime" in value else None
                if kind and id_ not in self.ids[kind]:
                    self.ids[kind].append(id_)
            for v in value.values():
                self.learn(v)
        elif isinstance(value, list):
            for v in value:
                self.learn(v)


class Fuzzer:
    """One process: sends what hypothesis makes, and judges what comes back."""

    def __init__(self, stack, world):
        self.world, self.client = world, Client(stack.url, timeout=30)
        self.sent = 0
        self.outcomes = collections.Counter()   # (operation, accepted)
        self.findings = {}                      # what is wrong -> the first request that showed it

    def token(self, caller):
        return {"none": None, "garbage": "a.b.c", "empty": ""}.get(caller) if isinstance(caller, str) else self.world.tokens[caller]

    def send(self, drawn):
        method, op = drawn["method"], contract.rest().by_id[drawn["op"]]
        parts = generate.resolve(drawn["path"], self.world)
        if drawn["as_sender"] and isinstance(drawn["caller"], int):
            drawn["caller"] = next((self.world.senders[p] for p in parts if p in self.world.senders), drawn["caller"])
        path = "/".join(urllib.parse.quote(p, safe="%;,.~") for p in parts)
        query = [(k, _text(v)) for k, v in generate.resolve(drawn["query"], self.world)]
        raw = None if drawn["body"] is None else generate.raw_json(generate.resolve(drawn["body"], self.world))
        found = contract.rest().find(method, path)
        if found is not None and found.body is None:
            raw = None  # what a body means where none is documented, the document does not say
        if raw is not None and "damage" in drawn:
            raw = _damaged(raw, drawn["damage"])
        shown = f"{method} {path}?{urllib.parse.urlencode(query, errors='replace')} as {drawn['caller']} {drawn['headers']} {(raw or b'')[:2000]!r}"
        try:
            reply = self.client.call(method, path, raw=raw, exact_query=urllib.parse.urlencode(query, errors="replace"),
                                     headers=dict(drawn["headers"]), token=self.token(drawn["caller"]), valid=False)
        except contract.ContractError as e:
            self.sent += 1
            return self.wrong(f"{op}: {str(e)[:1500]}", shown, str(e).split("\n")[0])
        self.sent += 1
        self.judge(op, method, path, query, raw, drawn, reply, shown)
        if reply.status < 300 and isinstance(drawn["caller"], int):
            self.world.learn(reply.json)
            if isinstance(reply.json, dict) and "scheduled_id" in reply.json:
                self.world.senders[reply["scheduled_id"]] = drawn["caller"]

    def judge(self, op, method, path, query, raw, drawn, reply, shown):
        if reply.status >= 500:
            return self.wrong(f"{op}: {reply.status}", shown, f"{op} {reply.status} {reply.code}")
        found = contract.rest().find(method, path)
        if found is not op:
            return None
        self.outcomes[op.id, reply.status < 400] += 1
        if reply.status >= 400:
            return None
        if op.secured and not isinstance(drawn["caller"], int):
            return self.wrong(f"{op}: answers {reply.status} without a token", shown, f"{op} no token")
        why = generate.why_refuse(op, path, query, raw, drawn["headers"])
        if why:
            return self.wrong(f"{op}: {reply.status} to what the document forbids: {why}", shown, f"{op} accepted: {why[:80]}")
        return None

    def wrong(self, text, shown, key):
        self.findings.setdefault(key, f"{text}\n    {shown}")
        if not os.environ.get("COLLECT"):
            raise AssertionError(f"{text}\n{shown}")


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def _damaged(raw, n):
    """generate.damage() with a number for its choices, so that a drawn request stays small."""
    rng = random.Random(n)
    at = rng.randrange(len(raw) + 1)
    return rng.choice([
        lambda: raw[:at], lambda: raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1:], lambda: b"", lambda: raw + b"x", lambda: raw + b"{}",
        lambda: b"\xef\xbb\xbf" + raw, lambda: raw.replace(b'"', b"'"), lambda: raw[:-1] + b',"a":1,"a":2}',
        lambda: raw[:at] + rng.choice([b"\xff", b"\xc0\x80", b"\\u0000", b"\\ud800", b"NaN", b"1e999", b"{", b'"', b"//"]) + raw[at:]])()


def run(stack, world, seed, many, pipe):
    """The whole life of one worker process; sends home what it saw."""
    fuzzer, failure = Fuzzer(stack, world), None
    SEEN.clear()

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=many // PER_EXAMPLE, database=None, deadline=None, report_multiple_bugs=False, print_blob=False,
                         phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink), suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(st.lists(generate.requests(OPERATIONS), min_size=PER_EXAMPLE, max_size=PER_EXAMPLE))
    def example(drawn):
        for each in drawn:
            fuzzer.send(each)
    try:
        example()
    except BaseException:  # pylint: disable=broad-except
        failure = traceback.format_exc()
    pipe.send((fuzzer.sent, fuzzer.outcomes, fuzzer.findings, failure, SEEN))
    pipe.close()


def test_requests_of_every_kind(stack):
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")
    world, began = World(stack), time.monotonic()
    context = multiprocessing.get_context("fork")
    workers = []
    for n in range(WORKERS):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=run, args=(stack, world, seed + n, REQUESTS // WORKERS + 2 * PER_EXAMPLE, theirs))
        process.start()
        theirs.close()
        workers.append((process, mine))
    sent, outcomes, findings, failures = 0, collections.Counter(), {}, []
    for process, pipe in workers:
        one = pipe.recv()
        process.join()
        sent, outcomes = sent + one[0], outcomes + one[1]
        findings |= one[2]
        failures += [one[3]] if one[3] else []
        SEEN.update(one[4])
    accepted = sum(n for (_, ok), n in outcomes.items() if ok)
    print(f"{sent} requests in {time.monotonic() - began:.0f} s, {accepted} accepted")
    print("never accepted: " + ", ".join(op.id for op in OPERATIONS if not outcomes[op.id, True]))
    for key, text in findings.items():
        print(f"finding: {key}\n  {text}")
    assert not failures, "\n".join(failures)
    assert not findings
    assert sent >= REQUESTS
    assert accepted > sent / 10, "hardly anything was accepted: that tests the first check only"
    audit.check(stack)
