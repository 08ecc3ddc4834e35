"""Everybody at once: seeded schedules of people who send, edit, react, vote, read, join and leave in the same few conversations from many
threads, with connections that end before the reply and requests made twice at the same moment, while a device of each follows.

Afterwards the numbers have no holes, the counts are what they count, nothing was said twice, what the lists, pages, marks and receipts say
follows by the model from what the database holds, and each device and each /sync has led to the same state.

SEED= repeats a schedule: each thread does the same things in the same order; how they interleave is up to the machine."""

import asyncio
import collections
import json
import os
import random
import socket
import threading
import time
import urllib.parse
import uuid

import pytest

from peal import audit, loop, truth
from peal.beside import Beside, has, load
from peal.device import Device
from peal.device import load as load_by_rest
from peal.people import Person, pair
from peal.state import State, plain

PEOPLE, GROUPS = 6, 3
DEEDS_EACH = 60 if int(os.environ.get("TIER") or 1) < 2 else 1200
EMOJI = ["👍", "❤️", "😂"]
NAMES = [("send", 30), ("react", 12), ("unreact", 6), ("edit", 10), ("vote", 8), ("read", 12), ("mark_unread", 2), ("star", 3), ("pin", 4),
         ("delete", 3), ("delete_for_me", 3), ("add", 6), ("leave", 2), ("remove", 3), ("set_role", 5), ("rename", 2), ("settings", 3), ("block", 2)]
NEEDS = {"react": ("POST", "/messages/{id}/reactions"), "unreact": ("DELETE", "/messages/{id}/reactions"), "edit": ("PATCH", "/messages/{id}"),
         "vote": ("POST", "/messages/{id}/vote"), "star": ("POST", "/messages/{id}/star"), "pin": ("PUT", "/messages/{id}/pin"),
         "delete_for_me": ("POST", "/messages/{id}/star")}


def cut(person, method, path, body, after=0.0, headers=""):
    """The request goes out; nobody is there any more when the reply comes."""
    url, data = urllib.parse.urlsplit(person.stack.url), json.dumps(body).encode()
    head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {person.token}\r\n{headers}" \
           f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection((url.hostname, url.port), timeout=10) as s:
        s.sendall(head.encode() + data)
        time.sleep(after)


class Schedule:
    """What all threads share. In the last group anybody may do anything to anybody; the others keep the owner who made them, and their owner
    brings back whoever comes to a closed door. Appending to lists and counting is all they do with it."""

    def __init__(self, stack, seed):
        self.stack, self.seed = stack, seed
        self.people = [Person(stack, f"c{n}") for n in range(PEOPLE)]
        ids = [p.id for p in self.people]
        self.groups = [self.people[n].rest.post("/conversations", {"type": "group", "name": f"Group {n}", "history": ("all", "joined")[n % 2],
                                                                   "participant_ids": ids}, expect=201)["id"] for n in range(GROUPS)]
        self.direct = self.people[0].start(self.people[1])
        self.people[0].say(self.direct, "first")
        self.places = [*self.groups, self.direct]
        self.messages = []                      # (place, seq, sender, kind)
        self.keys = {}                          # client_id -> (place, sender)
        self.acknowledged = {}                  # client_id -> message id, as a reply has said
        self.answers = collections.Counter()    # (deed, status, code)
        self.wrong = []

    def check(self, deed, reply):
        self.answers[deed, reply.status, reply.code] += 1
        if reply.status >= 500:
            self.wrong.append(f"{deed}: {reply}")
        return reply


class Actor:
    """One thread of one person."""

    def __init__(self, schedule, n):
        self.all, self.me = schedule, schedule.people[n % PEOPLE]
        self.rng = random.Random(f"{schedule.seed} {n}")
        self.rest = self.me.rest

    def run(self):
        there = [(name, weight) for name, weight in NAMES if name not in NEEDS or has(*NEEDS[name])]
        names, weights = zip(*there)
        try:
            for _ in range(DEEDS_EACH):
                getattr(self, self.rng.choices(names, weights)[0])()
        except Exception as e:  # pylint: disable=broad-except
            self.all.wrong.append(f"{self.me.username}: {type(e).__name__}: {e}")
        finally:
            self.rest.close()

    def call(self, deed, method, path, body=None, **query):
        reply = self.all.check(deed, self.rest.call(method, path, body, query=query, valid=False))
        place = path.split("/")[2].split(".")[0]
        if reply.status == 404 and place in self.all.groups[:-1] and self.rng.random() < 0.5:
            owner = self.all.people[self.all.groups.index(place)]
            self.all.check("invite", owner.rest.post(f"/conversations/{place}/participants", {"user_ids": [self.me.id]}, valid=False))
        return reply

    def somebody(self, group):
        """To be removed or given a role: not the owner whom a group keeps."""
        kept = self.all.people[self.all.groups.index(group)] if group != self.all.groups[-1] else None
        return self.rng.choice([p for p in self.all.people if p is not kept]).id

    def message(self, mine=False, kind=None):
        known = self.all.messages[-40:] if self.rng.random() < 0.8 else self.all.messages
        known = [m for m in known if (not mine or m[2] == self.me.id) and kind in (None, m[3])]
        return self.rng.choice(known) if known else None

    # -- deeds

    def send(self):
        place, key = self.rng.choice(self.all.places), str(uuid.UUID(int=self.rng.getrandbits(128)))
        body = {"client_id": key, "message_type": "text", "content": f"{self.me.username} {key}"}
        if self.rng.random() < 0.15:
            body = {"client_id": key, "message_type": "poll", "poll": {"question": "?", "options": ["a", "b", "c"], "multiple": self.rng.random() < 0.5}}
        if self.rng.random() < 0.2:
            target = self.message()
            if target and target[0] == place:
                body["reply_to"] = f"{place}.{target[1]}"
        self.all.keys[key] = (place, self.me.id)
        path, how = f"/conversations/{place}/messages", self.rng.random()
        if how < 0.2:
            self.cut("POST", path, body)
        elif how < 0.3:
            other = threading.Thread(target=self.again, args=(path, body))
            other.start()
            self.said(place, body, self.call("send", "POST", path, body))
            other.join()
        self.said(place, body, self.call("send", "POST", path, body))

    def cut(self, method, path, body):
        cut(self.me, method, path, body, after=self.rng.choice([0, 0.001, 0.004]))
        self.all.answers["cut", 0, None] += 1

    def again(self, path, body):
        client = self.rest.as_(self.me.token)
        self.said(path.split("/")[2], body, self.all.check("send again", client.call("POST", path, body, valid=False)))
        client.close()

    def said(self, place, body, reply):
        if reply.status >= 400:
            return
        key = body["client_id"]
        first = self.all.acknowledged.setdefault(key, reply["id"])
        if first != reply["id"]:
            self.all.wrong.append(f"{key} is {first} and {reply['id']}")
        if reply.status == 201:
            self.all.messages.append((place, reply["seq"], self.me.id, body["message_type"]))

    def react(self):
        m = self.message()
        if m:
            self.call("react", "POST", f"/messages/{m[0]}.{m[1]}/reactions", {"emoji": self.rng.choice(EMOJI)})

    def unreact(self):
        m = self.message()
        if m:
            self.call("unreact", "DELETE", f"/messages/{m[0]}.{m[1]}/reactions", emoji=self.rng.choice(EMOJI))

    def edit(self):
        m = self.message(mine=True)
        if m:
            self.call("edit", "PATCH", f"/messages/{m[0]}.{m[1]}", {"content": f"edited {self.rng.random()}"})

    def vote(self):
        m = self.message(kind="poll")
        if m:
            self.call("vote", "POST", f"/messages/{m[0]}.{m[1]}/vote", {"options": self.rng.sample(range(3), self.rng.choice([0, 1, 1, 2]))})

    def read(self):
        m = self.message()
        if m:
            self.call("read", "PATCH", f"/conversations/{m[0]}/read", {"seq": m[1], "private": self.rng.random() < 0.2})

    def mark_unread(self):
        m = self.message()
        if m:
            self.call("mark_unread", "POST", f"/conversations/{m[0]}/unread", {"seq": m[1]})

    def star(self):
        m = self.message()
        if m:
            self.call("star", self.rng.choice(["POST", "POST", "DELETE"]), f"/messages/{m[0]}.{m[1]}/star")

    def pin(self):
        m = self.message()
        if m:
            self.call("pin", self.rng.choice(["PUT", "DELETE"]), f"/messages/{m[0]}.{m[1]}/pin")

    def delete(self):
        m = self.message(mine=self.rng.random() < 0.8)
        if m:
            self.call("delete", "DELETE", f"/messages/{m[0]}.{m[1]}", **{"for": "everyone"})

    def delete_for_me(self):
        m = self.message()
        if m:
            self.call("delete_for_me", "DELETE", f"/messages/{m[0]}.{m[1]}", **{"for": "me"})

    def add(self):
        users = [p.id for p in self.rng.sample(self.all.people, self.rng.choice([1, 2, 3]))]
        self.call("add", "POST", f"/conversations/{self.rng.choice(self.all.groups)}/participants", {"user_ids": users})

    def leave(self):
        group = self.rng.choice(self.all.groups)
        if group == self.all.groups[-1] or self.me is not self.all.people[self.all.groups.index(group)]:
            self.call("leave", "DELETE", f"/conversations/{group}/participants/{self.me.id}")

    def remove(self):
        group = self.rng.choice(self.all.groups)
        self.call("remove", "DELETE", f"/conversations/{group}/participants/{self.somebody(group)}")

    def set_role(self):
        group = self.rng.choice(self.all.groups)
        self.call("set_role", "PATCH", f"/conversations/{group}/participants/{self.somebody(group)}",
                  {"role": self.rng.choice(["member", "admin", "owner", "owner"])})

    def rename(self):
        self.call("rename", "PATCH", f"/conversations/{self.rng.choice(self.all.groups)}", {"name": f"Name {self.rng.randint(1, 4)}"})

    def settings(self):
        self.call("settings", "PUT", f"/conversations/{self.rng.choice(self.all.places)}/settings", {"pinned": self.rng.random() < 0.5})

    def block(self):
        other = self.all.people[1 if self.me is self.all.people[0] else 0]
        if self.me in self.all.people[:2]:
            self.call("block", "PUT", f"/users/{other.id}/block")
            self.call("block", "DELETE", f"/users/{other.id}/block")


def check_keys(schedule):
    """What was acknowledged is there once; what was not, at most once."""
    found = collections.Counter(truth.rows(schedule.stack, "SELECT conversation_id::text, sender_id::text, client_id FROM message "
                                                           "WHERE client_id IS NOT NULL AND conversation_id = ANY (%s)", [int(p) for p in schedule.places]))
    assert not [k for k, n in found.items() if n > 1]
    for key, (place, sender) in schedule.keys.items():
        assert found[place, sender, key] == 1 or key not in schedule.acknowledged, f"{key} was acknowledged and is gone"
    assert sum(found.values()) <= len(schedule.keys) + 1


def check_device(device, model):
    """All events since the device came, once, in order, of the kinds that the log has; and the state they lead to is what REST says."""
    me = device.person.id
    assert not device.wrong, device.wrong
    for place, (seq, rev) in device.places.items():
        base = sum(device.base.get(place, (0, 0)))
        got = [(e["seq"] + e["rev"], e["type"]) for e in device.applied[place]]
        want = model.replay(me, place, time.time(), after=base)
        assert [p for p, _ in got] == list(range(base + 1, seq + rev + 1)), f"{device.device_id} in {place}: not dense after {base}: {got}"
        # told while it was so; what has become of it since is what the model knows
        wrong = [(g, w) for g, w in zip(got, want) if g != w and w[1] != "skipped" and (g[1], w[1]) != ("skipped", "member_added")]
        assert len(got) == len(want) and not wrong, f"{device.device_id} in {place} from {base}: {len(got)} events of {len(want)}: {wrong[:5]}"
        check_state(device.state, device.person, place, device.base.get(place, (0, 0))[0])


def check_state(state, person, place, after):
    """What events have made of the messages after a seq is what REST says of them."""
    said, before = {}, {}
    while True:
        page = person.history(place, limit=100, **before)
        said |= {m["seq"]: plain(m) for m in page["messages"]}
        if not page["has_before"]:
            break
        before = {"before": page["messages"][0]["seq"]}
    got = {m["seq"]: m for m in state.view(place) if m["seq"] > after}
    want = {s: m for s, m in said.items() if s > after}
    assert sorted(got) == sorted(want), f"{person.username} in {place}: {sorted(set(got) ^ set(want))}"
    for seq, message in want.items():
        if message["reply_to"] is None:  # events say the same to everybody: also to whom the parent is hidden
            got[seq] = {**got[seq], "reply_to": None}
        assert got[seq] == message, f"{place}.{seq}: " + "; ".join(f"{k}: {got[seq].get(k)!r}, REST: {v!r}" for k, v in message.items() if got[seq].get(k) != v)
    members = {p["user"]["id"]: p["role"] for p in person.conversation(place)["participants"]}
    if place in state.members and person.conversation(place)["type"] == "group" and state.members[place]:
        assert state.members[place] == members, f"members of {place}: {state.members[place]}, REST: {members}"


class Poller:
    """A client without a socket: it loads everything once, and asks /sync what has happened since."""

    def __init__(self, person, limit):
        self.person, self.limit, self.state, self.base = person, limit, State(), {}
        first = person.rest.get("/sync", expect=200)
        assert first["mode"] == "fresh" and not first["events"]
        for head in first["heads"]["conversations"]:
            self.state.places[head["id"]] = (head["last_seq"], head["last_rev"])
        self.state.user_rev, self.since = first["heads"]["user"]["last_rev"], first["since"]
        for place in list(self.state.places):
            load_by_rest(self.state, person, place)

    def catch_up(self):
        while True:
            page = self.person.rest.get("/sync", query={"since": self.since, "limit": self.limit}, expect=200)
            assert page["mode"] == "resume" and len(page["events"]) <= self.limit
            for place in page["heads"]["removed"] if page["heads"] else ():
                self.state.drop(place)
            for event in page["events"]:
                self.apply(event)
            self.since = page["since"]
            if not page["more"]:
                return

    def apply(self, event):
        if event["type"] == "user_changed":
            assert event["user_rev"] <= self.state.user_rev + 1, f"{self.person.username}: a hole before {event['user_rev']}"
            if event["user_rev"] == self.state.user_rev + 1:
                self.state.apply(event)
            return
        place, position = event["conversation_id"], event["seq"] + event["rev"]
        mine = sum(self.state.places.get(place, (0, 0)))
        if event["type"] == "conversation_created":
            self.base[place] = event["seq"]
        else:
            assert position <= mine + 1, f"{self.person.username} in {place}: a hole between {mine} and {position}"
        if position > mine:
            self.state.apply(event)

    def check(self):
        assert self.state.places == truth.places(self.person.stack, self.person.id)
        assert self.state.user_rev == truth.user_rev(self.person.stack, self.person.id)
        for place in self.state.places:
            check_state(self.state, self.person, place, self.base.get(place, 0))


async def perform(stack, schedule):
    devices = [Device(p, rng=random.Random(n)) for n, p in enumerate(schedule.people)]
    for device in devices:
        await device.start()
        await loop.run(device.load)
    pollers = [await loop.run(Poller, p, 1 + 33 * (n % 3)) for n, p in enumerate(schedule.people)]
    actors = [Actor(schedule, n) for n in range(2 * PEOPLE)]
    await asyncio.gather(*(loop.run(a.run) for a in actors))
    assert not schedule.wrong, "\n".join(schedule.wrong[:10])
    for device in devices:
        await device.until(truth.has_arrived, 30, "where the database is")
    await wait_for_acknowledgements(stack, schedule)
    model = await loop.run(load, stack)
    for device in devices:
        await loop.run(check_device, device, model)
        await device.stop()
    for poller in pollers:
        await loop.run(poller.catch_up)
        await loop.run(poller.check)
    return model


async def wait_for_acknowledgements(stack, schedule, seconds=15):
    """Devices acknowledge what they have, so everything of everybody is delivered soon."""
    end = time.monotonic() + seconds
    while behind := await loop.run(truth.rows, stack, "SELECT m.user_id, m.conversation_id, m.delivered_seq, c.last_seq FROM member m "
                                   "JOIN conversation c ON c.id = m.conversation_id WHERE m.delivered_seq < c.last_seq AND c.id = ANY (%s)",
                                   [int(p) for p in schedule.places]):
        assert time.monotonic() < end, f"not delivered, though devices have it: (user, conversation, delivered_seq, last_seq) {behind}"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("turn", [0, 1])
def test_everybody_at_once(stack, turn):
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")
    schedule = Schedule(stack, seed + turn)
    model = asyncio.run(perform(stack, schedule))
    done = sum(n for (_, status, _), n in schedule.answers.items() if 200 <= status < 300)
    print(f"{done} of {sum(schedule.answers.values())} done")
    check_keys(schedule)
    audit.check(stack)
    beside = Beside(model, {p.id: p for p in schedule.people})
    for person in schedule.people:
        beside.look(person.id)
    assert done > DEEDS_EACH * PEOPLE / 2


def test_one_message_changed_by_everybody(stack):
    """All threads at two messages: counts, revs and versions are not lost to each other."""
    people = [Person(stack, f"h{n}") for n in range(PEOPLE)]
    group = people[0].rest.post("/conversations", {"type": "group", "name": "Hot", "participant_ids": [p.id for p in people]}, expect=201)["id"]
    for person in people[1:]:
        people[0].rest.patch(f"/conversations/{group}/participants/{person.id}", {"role": "admin"}, expect=200)
    text = people[0].say(group, "hot")["id"]
    poll = people[0].rest.post(f"/conversations/{group}/messages", {"client_id": "poll", "message_type": "poll", "poll": {
        "question": "?", "options": ["a", "b", "c"], "multiple": True}}, expect=201)["id"]
    seed, wrong = int(os.environ.get("SEED") or random.randrange(2**32)), []
    print(f"SEED={seed}")

    def act(n):
        me, rng = people[n % PEOPLE], random.Random(f"{seed} {n}")
        client = me.rest.as_(me.token)
        for k in range(DEEDS_EACH):
            where = rng.choice([text, poll])
            reply = rng.choice([
                lambda: client.post(f"/messages/{where}/reactions", {"emoji": rng.choice(EMOJI)}),
                lambda: client.delete(f"/messages/{where}/reactions", query={"emoji": rng.choice(EMOJI)}),
                lambda: client.post(f"/messages/{poll}/vote", {"options": rng.sample(range(3), rng.randint(0, 3))}),
                lambda: client.call(rng.choice(["PUT", "DELETE"]), f"/messages/{where}/pin"),
                lambda: people[0].rest.patch(f"/messages/{text}", {"content": f"{n} {k}"})])()
            if reply.status != 200:
                wrong.append(str(reply))
        client.close()
    threads = [threading.Thread(target=act, args=(n,)) for n in range(2 * PEOPLE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    audit.check(stack)
    beside = Beside(load(stack), {p.id: p for p in people})
    for person in people:
        beside.look(person.id)


def test_what_a_cut_connection_has_made_is_made_once(stack):
    """Each is asked for three times, twice by somebody who does not wait for the reply, and once by somebody else at the same moment."""
    ann, ben, conversation = pair(stack)
    for n in range(10):
        body, key = {"type": "group", "name": f"Once {n}", "participant_ids": [ben.id]}, {"Idempotency-Key": f"once-{n}"}
        cut(ann, "POST", "/conversations", body, 0.001 * (n % 4), f"Idempotency-Key: once-{n}\r\n")
        cut(ann, "POST", "/conversations", body, 0, f"Idempotency-Key: once-{n}\r\n")
        group = ann.rest.post("/conversations", body, headers=key)["id"]
        assert ann.rest.post("/conversations", body, headers=key, expect=200)["id"] == group
        for path, change in ((f"/conversations/{group}/participants", {"user_ids": [ben.id]}), (f"/messages/{conversation}.1/reactions", {"emoji": EMOJI[n % 3]})):
            cut(ann, "POST", path, change, 0.001 * (n % 3))
            ann.rest.post(path, change, expect=200)
    names = [n for n, in truth.rows(stack, "SELECT name FROM conversation WHERE name LIKE 'Once %%' ORDER BY id")]
    assert names == [f"Once {n}" for n in range(10)]
    assert sorted(r["count"] for r in ann.history(conversation)["messages"][0]["reactions"]) == [1, 1, 1]
    audit.check(stack)
