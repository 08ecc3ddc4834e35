"""GET /sync: a device that holds no socket ends where one on a socket does, whatever happened between its questions."""

import asyncio
import base64
import os
import random
import time
import uuid

import pytest

from peal import truth
from peal.device import Device, Poller
from peal.loop import run
from peal.people import Person
from peal.state import State
from peal.ws import Socket

STACK = {"push_processes": 2}
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1 << 30)


async def settle(*devices, timeout=10):
    end = time.monotonic() + timeout
    while not all(truth.has_arrived(d) for d in devices) and time.monotonic() < end:
        await asyncio.sleep(0.03)
    for d in devices:
        assert truth.has_arrived(d), (d.places, truth.places(d.person.stack, d.person.id), d.user_rev, dict(d.stats))


def decoded(since):
    return base64.urlsafe_b64decode(since + "=" * (-len(since) % 4)).decode()


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def sync(person, **query):
    return person.rest.get("/sync", query=query, expect=200).json


def pages(person, since, limit):
    """All answers of a round."""
    out = []
    while not out or out[-1]["more"]:
        out.append(sync(person, since=since, limit=limit))
        since = out[-1]["since"]
    return out


def settled(stack, person):
    """A fresh answer whose place has nothing before it that is still open: what works in the background may hold the horizon for a moment,
    and what was before is then said again, which devices know."""
    now, until = truth.rows(stack, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")[0][0], time.monotonic() + 10
    while int(decoded((answer := sync(person))["since"]).split(".")[1]) < now:
        assert time.monotonic() < until, "a transaction stays open"
        time.sleep(0.02)
    return answer


def test_a_fresh_answer_has_everything(stack, pair):
    a, b, conversation = pair
    fresh = settled(stack, b)
    head, = fresh["heads"]["conversations"]
    assert (fresh["mode"], fresh["events"], fresh["more"]) == ("fresh", [], False)
    assert (head["id"], head["last_seq"], head["last_rev"], head["unread_count"]) == (conversation, 1, 1, 1)
    assert head["marks"] == [{"user_id": a.id, "receipt_seq": 1, "delivered_seq": 1}]
    since = fresh["since"]
    for _ in range(3):  # the first one delivers: a mark that the second one shows
        after = sync(b, since=since)
        since = after["since"]
        assert (after["mode"], after["events"], after["more"]) == ("resume", [], False)
    assert after["heads"] == {"conversations": [], "removed": [], "user": fresh["heads"]["user"]}


def test_pages_of_a_round(stack):
    me, others = Person(stack), [Person(stack, "other") for _ in range(7)]
    places = [me.start(o) for o in others]
    poller = Poller(me)
    poller.catch_up()
    since = settled(stack, me)["since"]
    for n, (other, place) in enumerate(zip(others, places)):
        for i in range(n + 1):
            me.say(place, f"{i}")
    for limit in (1, 3, 10, 28, 100):
        answers = pages(me, since, limit)
        events = [e for a in answers for e in a["events"]]
        assert len(events) == 28 and all(len(a["events"]) <= limit for a in answers)
        assert [e["conversation_id"] for e in events] == sorted((e["conversation_id"] for e in events), key=int), "in the order of ids"
        assert answers[0]["heads"] and not any(a["heads"] for a in answers[1:])
        assert all(len(a["since"]) <= 256 for a in answers) and len(decoded(answers[0]["since"])) < 120
        assert len(answers) <= 28 // limit + 2
    poller.catch_up()
    truth.check_device(poller)


def test_what_changes_while_pages_are_asked(stack):
    """New events, a new conversation, being removed from one that was handed out and from one that was not."""
    me, friend, third = Person(stack), Person(stack, "friend"), Person(stack, "third")
    groups = [friend.group(me, third, name=f"g{n}") for n in range(4)]
    for limit in (1, 2, 5):
        poller = Poller(me, limit=limit)
        poller.catch_up()
        for g in groups:
            friend.say(g, "before")
            friend.say(g, "and more")
        assert poller.ask(), "there is more"
        friend.say(groups[0], "behind it")
        friend.say(groups[3], "before it")
        new = friend.group(me, name="new")
        for g in (groups[0], groups[2]):
            friend.rest.delete(f"/conversations/{g}/participants/{me.id}", expect=204)
        poller.catch_up()
        poller.catch_up()
        truth.check_device(poller)
        assert new in poller.places and groups[0] not in poller.places and groups[2] not in poller.places
        assert set(poller.places) == set(poller.state.conversations) or poller.base
        for g in (groups[0], groups[2]):
            friend.rest.post(f"/conversations/{g}/participants", {"user_ids": [me.id]}, expect=200)
        poller.catch_up()
        truth.check_device(poller)
        assert groups[0] in poller.places and poller.base[groups[0]][0] > 0


def test_removed_while_away(stack):
    me, friend = Person(stack), Person(stack, "friend")
    gone, back = (friend.group(me, name=n) for n in ("gone", "back"))
    since = settled(stack, me)["since"]
    for g in (gone, back):
        friend.rest.delete(f"/conversations/{g}/participants/{me.id}", expect=204)
    friend.say(back, "not for me")
    friend.rest.post(f"/conversations/{back}/participants", {"user_ids": [me.id]}, expect=200)
    answer = sync(me, since=since)
    assert answer["heads"]["removed"] == [gone]
    assert [h["id"] for h in answer["heads"]["conversations"]] == [back]
    heard = [e for e in answer["events"] if e["type"] != "user_changed"]
    assert [(e["type"], e["conversation_id"]) for e in heard] == [("conversation_created", back), ("new_message", back)]
    told = [e["data"] for e in answer["events"] if e["type"] == "user_changed"]
    assert [d["conversation_id"] for d in told] == [gone, back]
    assert told[1]["seq"] + told[1]["rev"] < heard[0]["seq"] + heard[0]["rev"], "what was removed is from before I came back"
    poller = Poller(me, since)
    poller.state.user_rev = told and answer["events"][-1]["user_rev"] - 2
    poller.state.places |= {gone: (1, 1), back: (1, 1)}
    poller.catch_up()
    assert set(poller.places) == {back} and not poller.wrong


async def test_a_socket_says_the_same_removed(stack):
    me, friend = Person(stack), Person(stack, "friend")
    gone = await run(lambda: friend.group(me))
    since = (await run(settled, stack, me))["since"]
    await run(lambda: friend.rest.delete(f"/conversations/{gone}/participants/{me.id}", expect=204))
    async with await Socket.open(stack, me.token) as s:
        welcome, heads, events, _ = await s.hello(since=since)
    assert welcome["mode"] == "resume" and heads["removed"] == [gone]
    assert [(e["kind"], e["data"]["conversation_id"]) for e in events] == [("removed", gone)]


async def test_places_of_sync_and_of_the_socket_are_the_same(stack, pair):
    a, b, conversation = pair
    fresh = await run(settled, stack, b)
    await run(a.say, conversation, "between")
    async with await Socket.open(stack, b.token) as s:
        welcome, heads, events, live = await s.hello(since=fresh["since"])
        assert welcome["mode"] == "resume" and [e["data"]["message"]["content"] for e in events] == ["between"]
    await run(a.say, conversation, "after")
    answer = await run(lambda: sync(b, since=live["since"]))
    assert answer["mode"] == "resume" and "after" in [e["data"]["message"]["content"] for e in answer["events"] if e["type"] == "new_message"]


async def test_a_place_within_a_round_is_good_for_sync_alone(stack, pair):
    a, b, conversation = pair
    since = (await run(sync, b))["since"]
    for n in range(3):
        await run(a.say, conversation, f"{n}")
    within = (await run(lambda: sync(b, since=since, limit=1)))
    assert within["more"]
    async with await Socket.open(stack, b.token) as s:
        welcome, *_ = await s.hello(since=within["since"])
        assert welcome["mode"] == "fresh"


@pytest.mark.parametrize("since", ["nowhere", "%%%", encoded("x"), encoded("x.y"), encoded("x.1.2"), encoded("x.1.2.3"), encoded("x.1.2.v.3"),
                                   encoded("x.1.2.3.-1"), encoded("x.1.2.3.4.5"), "A" * 300])
def test_what_is_no_place(stack, person, since):
    person.rest.get("/sync", query={"since": since}, valid=False, expect=(400, "invalid"))


@pytest.mark.parametrize("limit", ["0", "101", "x", ""])
def test_limits(stack, person, limit):
    person.rest.get("/sync", query={"limit": limit}, valid=False, expect=(400, "invalid"))


def test_a_place_of_elsewhere_begins_afresh(stack, pair):
    a, b, conversation = pair
    epoch, xid = decoded(sync(b)["since"]).split(".")
    for other in (f"{'0' * len(epoch)}.{xid}", f"{epoch}.{int(xid) + 10 ** 9}", f"{'0' * len(epoch)}.{xid}.{xid}.{conversation}.0"):
        answer = sync(b, since=encoded(other))
        assert answer["mode"] == "fresh" and [h["id"] for h in answer["heads"]["conversations"]] == [conversation]


def test_asking_with_a_place_delivers(stack, pair):
    a, b, conversation = pair
    first = sync(b)
    assert a.history(conversation)["messages"][-1]["status"] == "sent"
    a.say(conversation, "another")
    second = sync(b, since=first["since"])
    assert a.history(conversation)["messages"][-1]["status"] == "sent", "on its way"
    sync(b, since=second["since"])
    assert [m["status"] for m in a.history(conversation)["messages"]] == ["delivered"] * 2


def test_what_commits_late_is_not_missed(stack, pair):
    """A transaction that began before a place was given and commits after it."""
    a, b, conversation = pair
    poller = Poller(b)
    poller.catch_up()
    other = b.start(a) and b.group(a, name="meanwhile")
    with truth.cursor(stack) as c:
        c.execute("BEGIN")
        c.execute("SELECT event_rev(%s, 12::smallint, %s, NULL, NULL, 'ttl_seconds')", (int(conversation), int(a.id)))
        for n in range(3):
            a.say(other, f"{n}")
            poller.catch_up()
        assert poller.state.messages[other] and conversation in poller.places
        before = poller.places[conversation]
        c.execute("COMMIT")
    poller.catch_up()
    assert sum(poller.places[conversation]) == sum(before) + 1
    truth.check_device(poller)


async def test_a_direct_conversation_appears(stack):
    """To the other person by the first message, or by starting it too; to each of their devices."""
    a, b, c = (Person(stack, n) for n in "abc")
    devices = [await Device(b).start(), await Device(b).start()]
    poller = Poller(b)
    await run(poller.catch_up)
    one, two = await run(a.start, b), await run(c.start, b)
    await run(lambda: a.rest.patch(f"/conversations/{one}", {"ttl_seconds": 3600}, expect=200))
    await run(poller.catch_up)
    assert not poller.places and not devices[0].places, "hidden"
    await run(a.say, one, "the first words")
    await run(b.start, c)
    await run(poller.catch_up)
    await settle(*devices)
    for d in (*devices, poller):
        assert [e["type"] for e in d.applied[one]] == ["conversation_created", "new_message"]
        assert [e["type"] for e in d.applied[two]] == ["conversation_created"]
        assert not d.wrong and d.stats["syncs"] == 0
    for d in devices:
        await d.stop()


# -- anything, in any order


class Life:
    """People who do things at random."""

    def __init__(self, stack, rng, people):
        self.rng, self.people = rng, people
        self.groups = 0
        self.done = {}

    def act(self):
        me = self.rng.choice(self.people)
        name = self.rng.choice([n for n in dir(self) if n.startswith("do_")])
        reply = getattr(self, name)(me)
        if reply is not None:
            self.done[name, reply.status] = self.done.get((name, reply.status), 0) + 1
            assert reply.status < 500, reply

    def other(self, me):
        return self.rng.choice([p for p in self.people if p is not me])

    def place(self, me):
        mine = me.rest.get("/conversations", expect=200)["items"]
        return self.rng.choice(mine)["id"] if mine else None

    def message(self, me):
        place = self.place(me)
        found = place and me.history(place, limit=20)["messages"]
        return self.rng.choice(found) if found else None

    def do_start(self, me):
        return me.rest.post(f"/conversations/{self.other(me).id}")

    def do_group(self, me):
        if self.groups < 6:
            self.groups += 1
            return me.rest.post("/conversations", {"type": "group", "name": f"group {self.groups}",
                                                   "participant_ids": [p.id for p in self.rng.sample(self.people, 2)]})
        return None

    def do_say(self, me):
        place = self.place(me)
        if place:
            body = {"client_id": uuid.uuid4().hex, "message_type": "text", "content": uuid.uuid4().hex}
            return me.rest.post(f"/conversations/{place}/messages", body)

    do_say_more = do_say_much = do_say_a_lot = do_say

    def do_poll(self, me):
        place = self.place(me)
        if place:
            return me.rest.post(f"/conversations/{place}/messages", {
                "client_id": uuid.uuid4().hex, "message_type": "poll",
                "poll": {"question": "?", "options": ["a", "b", "c"], "anonymous": self.rng.random() < 0.5}})

    def of_message(self, me, method, path="", body=None, **query):
        m = self.message(me)
        return m and me.rest.call(method, f"/messages/{m['id']}{path}", body, query=query)

    def do_edit(self, me):
        return self.of_message(me, "PATCH", body={"content": f"edited {uuid.uuid4().hex}"})

    def do_delete(self, me):
        return self.of_message(me, "DELETE", **{"for": "everyone"}) if self.rng.random() < 0.4 else None

    def do_hide(self, me):
        return self.of_message(me, "DELETE", **{"for": "me"}) if self.rng.random() < 0.5 else None

    def do_react(self, me):
        return self.of_message(me, "POST", "/reactions", {"emoji": self.rng.choice("👍🎉❤")})

    def do_react_no_more(self, me):
        return self.of_message(me, "DELETE", "/reactions", emoji="👍")

    def do_star(self, me):
        return self.of_message(me, self.rng.choice(["POST", "POST", "DELETE"]), "/star")

    def do_pin(self, me):
        return self.of_message(me, self.rng.choice(["PUT", "PUT", "DELETE"]), "/pin")

    def do_vote(self, me):
        return self.of_message(me, "POST", "/vote", {"options": [self.rng.randrange(3)]})

    def do_read(self, me):
        return self.of_message(me, "POST", "/read")

    def of_place(self, me, method, path, body=None):
        place = self.place(me)
        return place and me.rest.call(method, f"/conversations/{place}{path}", body)

    def do_unread(self, me):
        m = self.message(me)
        return m and me.rest.post(f"/conversations/{m['conversation_id']}/unread", {"seq": m["seq"]})

    def do_draft(self, me):
        return self.of_place(me, "PUT", "/draft", {"content": uuid.uuid4().hex})

    def do_draft_no_more(self, me):
        return self.of_place(me, "DELETE", "/draft")

    def do_settings(self, me):
        return self.of_place(me, "PUT", "/settings", {"notify": self.rng.choice(["all", "mentions", "none"]), "pinned": self.rng.random() < 0.5})

    def do_change(self, me):
        return self.of_place(me, "PATCH", "", self.rng.choice([
            {"name": uuid.uuid4().hex[:8]}, {"history": "all"}, {"history": "joined"}, {"retention_days": self.rng.randrange(30, 60)}]))

    def do_add(self, me):
        return self.of_place(me, "POST", "/participants", {"user_ids": [self.other(me).id]})

    do_add_again = do_add

    def do_remove(self, me):
        return self.of_place(me, "DELETE", f"/participants/{self.rng.choice(self.people).id}")

    def do_role(self, me):
        return self.of_place(me, "PATCH", f"/participants/{self.other(me).id}", {"role": self.rng.choice(["member", "admin", "owner"])})

    def do_block(self, me):
        method = "PUT" if self.rng.random() < 0.2 else "DELETE"
        return me.rest.call(method, f"/users/{self.other(me).id}/block")


def check_state(d):
    """What events made is what REST says, from where the device began."""
    person = d.person
    for place in d.places:
        seen = person.conversation(place)
        loaded = State()
        loaded.load_conversation(seen)
        before = None
        while True:
            page = person.history(place, limit=100, **({"before": before} if before else {}))
            loaded.load_page(page)
            if not page["has_before"]:
                break
            before = page["messages"][0]["seq"]
        first = d.base.get(place, (0, 0))[0]
        what = f"{d} {place}"
        assert [m for m in d.state.view(place) if m["seq"] > first] == [m for m in loaded.view(place) if m["seq"] > first], what
        for kept in ("conversations", "members", "settings"):
            assert getattr(d.state, kept)[place] == getattr(loaded, kept)[place], (what, kept)
        assert d.state.reads[place] <= loaded.reads[place], "sending moves it silently, past nothing that was unread"
        assert d.state.drafts.get(place) == loaded.drafts.get(place), what
        mine = {m["id"] for m in loaded.view(place) if m["seq"] > first}
        assert d.state.stars & mine == loaded.stars & mine, what
    assert d.state.blocks == {u["user"]["id"] for u in person.rest.get("/blocks", query={"limit": 100}, expect=200)["items"]}


@pytest.mark.parametrize("round_", range(2))
async def test_whoever_asks_now_and_then_ends_like_whoever_listens(stack, round_):
    rng = random.Random(SEED + round_)
    print(f"SEED={SEED}")
    people = [Person(stack, f"p{n}") for n in range(4)]
    life = Life(stack, rng, people)
    listeners = [await Device(p).start() for p in people]
    now_and_then = [Device(p, rng=rng) for p in people]
    pollers = [Poller(p, limit=limit) for p in people for limit in (1, 4, 50)]
    for p in pollers:
        await run(p.catch_up)
    for d in now_and_then:
        await d.start()
        await d.stop()
    for step in range(150):
        await run(life.act)
        if step % 5 == 0:
            await run(rng.choice(pollers).ask)
        if step % 25 == 0:
            d = rng.choice(now_and_then)
            d.stopping = False
            await d.start()
            await d.stop()
    for d in now_and_then:
        d.stopping = False
        await d.start()
    for p in pollers:
        await run(p.catch_up)
        await run(p.catch_up)
    print(sorted(life.done.items()))
    await settle(*listeners, *now_and_then, *pollers)
    for d in (*listeners, *now_and_then, *pollers):
        assert not d.wrong, d.wrong
        await run(check_state, d)
    for d in listeners + now_and_then:
        await d.stop()
