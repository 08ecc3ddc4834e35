"""Devices that follow the client rule of docs/asyncapi.yaml to the letter and write down what they applied.

    async with Device(person) as d:           # over the socket; reconnects by itself, with `since` and its places
        await d.at(conversation, 17)          # has everything up to seq 17
        d.state.view(conversation)            # what it shows (peal.state.State: conversations, members, stars, drafts, ...)
        d.load(conversation)                  # what was before it came, by REST

    poller = Poller(person)                   # the same by GET /sync alone
    poller.catch_up()                         # everything up to now

Either keeps a place (seq, rev) per conversation and a user_rev. An event one further is applied, one not newer is dropped, one further
than that is held for 0.5 s, then `sync`. `applied` and `user_applied` have all events in the order applied, since the last fresh start;
`wrong` what the server may never do."""

import asyncio
import collections
import random
import time
import uuid

import websockets

from . import contract, ws
from .state import State

ACK_EVENTS, ACK_SECONDS, HOLD_SECONDS, SYNC_AGAIN_SECONDS = 32, 1.0, 0.5, 3.0
NO_RECONNECT = {4403, 4408, 4409}


class Device:
    def __init__(self, person, device_id=None, *, rng=None, backoff=(0.05, 1.0), ack=True):
        self.person, self.stack = person, person.stack
        self.device_id = device_id or f"dev-{uuid.uuid4().hex[:12]}"
        self.rng = rng or random.Random(1)
        self.backoff, self.ack = backoff, ack
        self.since = None
        self.state = State()                                 # places, messages, members, stars, ...
        self.base = {}                                       # where a fresh start put me: older things come by REST
        self.applied = collections.defaultdict(list)         # conversation -> events, in the order applied
        self.user_applied = []
        self.marks = {}                                      # (conversation, user, type) -> seq
        self.held = collections.defaultdict(dict)            # conversation -> position -> event
        self.gone = {}                                       # conversation -> where I was removed: what comes from before it is late
        self.holes = {}                                      # conversation -> when the hole was seen, when it was asked for
        self.asked = collections.Counter()                   # conversation -> how often `sync` was asked while it was unknown
        self.heads = {}                                      # conversation -> position promised before `live`
        self.stats = collections.Counter()
        self.closes = collections.Counter()
        self.longest_hole = 0.0
        self.wrong = []                                      # what the server may never do
        self.live = asyncio.Event()
        self.socket, self.task, self.stopping = None, None, False

    @property
    def places(self):
        """conversation -> (seq, rev)"""
        return self.state.places

    @property
    def user_rev(self):
        return self.state.user_rev

    def load(self, *conversations):
        """By REST, as a client does with what it opens: the conversation, and all that was said in it."""
        for conversation in conversations or list(self.places):
            load(self.state, self.person, conversation)

    # -- life

    async def start(self, timeout=15):
        self.task = asyncio.create_task(self._run(), name=self.device_id)
        await asyncio.wait([asyncio.create_task(self.live.wait()), self.task], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            self.task.result()
        assert self.live.is_set(), f"{self.device_id}: not live within {timeout} s"
        return self

    async def stop(self):
        self.stopping = True
        if self.socket:
            await self.socket.close()
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            if not self.task.cancelled() and self.task.exception():
                raise self.task.exception()

    async def __aenter__(self):
        return await self.start()

    async def __aexit__(self, *_):
        await self.stop()

    async def _run(self):
        failures = 0
        while not self.stopping:
            wait = None
            try:
                self.socket = await ws.Socket.open(self.stack, self.person.token)
                wait = await self._talk()
                failures = 0
            except ws.Closed as e:
                self.closes[e.code] += 1
                failures = 0 if self.live.is_set() else failures + 1
                if e.code in NO_RECONNECT or (e.code == 4401 and not self.stopping):
                    self.wrong.append(f"closed with {e.code} {e.reason}")
                    return
            except (OSError, asyncio.TimeoutError, websockets.InvalidHandshake):
                self.stats["refused"] += 1
                failures += 1
            finally:
                self.live.clear()
                if self.socket:
                    await self.socket.close()
            if not self.stopping:
                most = min(self.backoff[1], self.backoff[0] * 2 ** min(failures, 8))
                await asyncio.sleep(wait if wait is not None else self.rng.uniform(0, most))

    async def _talk(self):
        """One connection, to its end. Returns how long `bye` asked to wait."""
        self.stats["connections"] += 1
        self.count, self.acked, self.ack_due = 0, 0, None
        self.held.clear()
        self.holes.clear()
        self.heads.clear()
        self.bye = None
        hello = {"type": "hello", "device_id": self.device_id, "since": self.since}
        if self.since:
            hello["cursors"] = {c: {"seq": s, "rev": r} for c, (s, r) in self.places.items()}
        await self.socket.send(hello)
        while True:
            try:
                frame = await self.socket.recv(self._next_timer())
            except asyncio.TimeoutError:
                frame = None
            except ws.Closed:
                if self.bye is not None:
                    return self.bye
                raise
            self.socket.frames.clear()
            if frame:
                await self._frame(frame)
            await self._timers()

    # -- timers

    def _next_timer(self):
        now = time.monotonic()
        due = [d for d in [self.ack_due, *(ask for _, ask in self.holes.values())] if d]
        return max(0.001, min(due, default=now + 5) - now)

    async def _timers(self):
        now = time.monotonic()
        if self.ack and self.count > self.acked and (self.count - self.acked >= ACK_EVENTS or (self.ack_due and now >= self.ack_due)):
            await self.socket.send({"type": "ack", "count": self.count})
            self.acked, self.ack_due = self.count, None
        for conversation, (seen, ask) in list(self.holes.items()):
            if now >= ask:
                if conversation not in self.places and self.asked[conversation]:  # late, of what is not mine any more
                    self._drop(conversation)
                    continue
                self.asked[conversation] += 1
                seq, rev = self.places.get(conversation, (0, 0))
                self.stats["syncs"] += 1
                self.holes[conversation] = (seen, now + SYNC_AGAIN_SECONDS)
                await self.socket.send({"type": "sync", "conversation_id": conversation, "seq": seq, "rev": rev})

    def _counted(self, n):
        self.count += n
        self.ack_due = self.ack_due or time.monotonic() + ACK_SECONDS * 0.8

    # -- frames

    async def _frame(self, frame):
        type_ = frame["type"]
        self.stats[type_] += 1
        if type_ in self.socket.contract.durable:
            self._counted(1)
            self._event(frame)
        elif type_ == "batch":
            if frame["count"] != len(frame["events"]):
                self.wrong.append(f"batch counts {frame['count']} and holds {len(frame['events'])}")
            self._counted(frame["count"])
            for event in frame["events"]:
                self._event(event)
        elif type_ == "retry":
            for event in frame["events"]:
                self._event(event)
        elif type_ in ("message_read", "message_delivered"):
            self._mark(frame["conversation_id"], frame["data"]["user_id"], type_, frame["data"]["seq"])
        elif type_ == "welcome":
            self._welcome(frame)
        elif type_ == "heads":
            self._heads(frame)
        elif type_ in ("live", "cursor"):
            self._since(frame)
        elif type_ == "bye":
            self.bye = frame.get("reconnect_in_ms", 0) / 1000
        elif type_ == "error":
            self.stats[f"error {frame['code']}"] += 1

    def _welcome(self, frame):
        self.mode = frame["mode"]
        if frame["user_id"] != self.person.id:
            self.wrong.append(f"welcome for {frame['user_id']}")
        if self.mode == "fresh":
            self.stats["fresh"] += 1
            for kept in (self.base, self.applied, self.user_applied, self.gone):
                kept.clear()
            self.state.forget()

    def _heads(self, frame):
        for head in frame["conversations"]:
            place = (head["last_seq"], head["last_rev"])
            self.heads[head["id"]] = sum(place)
            if self.mode == "fresh":
                self.places[head["id"]] = self.base[head["id"]] = place
            for mark in head["marks"]:
                self._mark(head["id"], mark["user_id"], "message_read", mark["receipt_seq"])
                self._mark(head["id"], mark["user_id"], "message_delivered", mark["delivered_seq"])
        for conversation in frame["removed"]:
            self._drop(conversation)
        if self.user_rev is None:
            self.state.user_rev = frame["user"]["last_rev"]

    def _since(self, frame):
        if frame["type"] == "live":
            for conversation, position in self.heads.items():
                if sum(self.places.get(conversation, (0, 0))) < position:
                    self.wrong.append(f"live, but conversation {conversation} is at {self.places.get(conversation)}, heads said {position}")
            self.live.set()
        elif any(self.held.values()):       # a place is kept only with everything that comes before it
            return
        self.since = frame["since"]

    def _mark(self, conversation, user, type_, seq):
        key = (conversation, user, type_)
        self.marks[key] = max(seq, self.marks.get(key, 0))

    # -- the rule

    def _event(self, event):
        if event["type"] == "user_changed":
            return self._user_event(event)
        conversation, position = event["conversation_id"], event["seq"] + event["rev"]
        mine = sum(self.places.get(conversation, (0, 0)))
        if position <= max(mine, self.gone.get(conversation, 0)):
            self.stats["dropped"] += 1
        elif event["type"] == "conversation_created":  # it begins for me here, whatever I had
            self.applied.pop(conversation, None)
            self.base[conversation] = (event["seq"], event["rev"] - 1)
            self._apply(conversation, event)
            self._release(conversation)
        elif position > mine + 1:
            self.stats["held"] += 1
            self.held[conversation][position] = event
            now = time.monotonic()
            self.holes.setdefault(conversation, (now, now + HOLD_SECONDS))
        else:
            self._apply(conversation, event)
            self._release(conversation)

    def _apply(self, conversation, event):
        self.state.apply(event)
        self.applied[conversation].append(event)
        self.stats["applied"] += 1

    def _drop(self, conversation, until=float("inf")):
        """What is held and comes from after the removal says that its owner is a member again: it waits for that to be told."""
        self.state.drop(conversation)
        later = {p: e for p, e in self.held[conversation].items() if p > until}
        for kept in (self.base, self.applied, self.held, self.heads, self.asked):
            kept.pop(conversation, None)
        if later:
            self.held[conversation] = later
        else:
            self.holes.pop(conversation, None)

    def _release(self, conversation):
        """What was held and is now due; ends the hole when nothing further is left."""
        held = self.held[conversation]
        while held:
            mine = sum(self.places[conversation])
            for position in [p for p in held if p <= mine]:
                del held[position]
            event = held.pop(mine + 1, None)
            if event is None:
                break
            self._apply(conversation, event)
        if not held and conversation in self.holes:
            self.longest_hole = max(self.longest_hole, time.monotonic() - self.holes.pop(conversation)[0])

    def _user_event(self, event):
        if event["user_rev"] <= self.user_rev:
            self.stats["dropped"] += 1
        elif event["user_rev"] == self.user_rev + 1:
            self.state.apply(event)
            self.user_applied.append(event)
            if event["kind"] == "removed":
                self.gone[event["data"]["conversation_id"]] = event["data"]["seq"] + event["data"]["rev"]
            if event["kind"] == "removed" and event["data"]["conversation_id"] not in self.places:
                self._drop(event["data"]["conversation_id"], self.gone[event["data"]["conversation_id"]])
        else:  # a hole in my own stream: say hello again
            self.stats["user holes"] += 1
            raise ws.Closed(1000, "hole in my own stream")

    # -- for tests

    async def until(self, condition, timeout=10, what="the condition"):
        end = time.monotonic() + timeout
        while not condition(self):
            if self.task and self.task.done():
                self.task.result()
                raise AssertionError(f"{self.device_id} ended before {what}: {self.wrong} {dict(self.closes)}")
            assert time.monotonic() < end, f"{self.device_id}: not {what} within {timeout} s: {self.places} {dict(self.stats)}"
            await asyncio.sleep(0.02)

    async def at(self, conversation, seq, timeout=10):
        await self.until(lambda d: d.places.get(conversation, (0, 0))[0] >= seq, timeout, f"at {conversation}.{seq}")

    def messages(self, conversation):
        return [e["data"]["message"] for e in self.applied[conversation] if e["type"] == "new_message"]


def load(state, person, conversation):
    """All that a client can load of a conversation, into its state."""
    whole = person.conversation(conversation)
    before = state.places.get(conversation, (0, 0))
    if whole["last_seq"] + whole["last_rev"] < sum(before):
        raise AssertionError(f"{conversation} stands at {whole['last_seq']}, {whole['last_rev']}; events went to {before}")
    state.load_conversation(whole)
    query = {}
    while True:
        page = person.history(conversation, limit=100, **query)
        state.load_page(page)
        if not page["has_before"]:
            break
        query = {"before": page["messages"][0]["seq"]}
    if whole["participant_count"] > len(whole["participants"]):
        _load_members(state, person, conversation)


def _load_members(state, person, conversation):
    query = {"limit": 100}
    while True:
        page = person.rest.get(f"/conversations/{conversation}/participants", query=query, expect=200).json
        state.members[conversation].update({p["user"]["id"]: p["role"] for p in page["items"]})
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]


class Poller:
    """A device that holds no socket."""

    def __init__(self, person, since=None, limit=50):
        self.person, self.stack, self.since, self.limit = person, person.stack, since, limit
        self.device_id = f"poll-{uuid.uuid4().hex[:12]}"
        self.state, self.base = State(), {}
        self.applied, self.user_applied = collections.defaultdict(list), []
        self.stats, self.wrong, self.heads = collections.Counter(), [], {}

    messages = Device.messages
    places = property(lambda self: self.state.places)
    user_rev = property(lambda self: self.state.user_rev)

    def load(self, *conversations):
        for conversation in conversations or list(self.places):
            load(self.state, self.person, conversation)

    def catch_up(self):
        while self.ask():
            pass
        for conversation, position in self.heads.items():
            if sum(self.places.get(conversation, (0, 0))) < position:
                self.wrong.append(f"no more, but {conversation} is at {self.places.get(conversation)}, heads said {position}")

    def ask(self):
        """One call; whether there is more."""
        query = {"limit": self.limit} | ({"since": self.since} if self.since else {})
        reply = self.person.rest.get("/sync", query=query, expect=200).json
        self.stats["asked"] += 1
        for event in reply["events"]:
            contract.socket().check("server", event)
        if reply["heads"]:
            self._heads(reply["mode"], reply["heads"])
        for event in reply["events"]:
            self._event(event)
        self.since = reply["since"]
        return reply["more"]

    def _heads(self, mode, heads):
        self.heads = {h["id"]: h["last_seq"] + h["last_rev"] for h in heads["conversations"]}
        if mode == "fresh":
            self.stats["fresh"] += 1
            self.state.forget()
            for kept in (self.base, self.applied, self.user_applied):
                kept.clear()
            self.state.user_rev = heads["user"]["last_rev"]
            for head in heads["conversations"]:
                self.places[head["id"]] = self.base[head["id"]] = (head["last_seq"], head["last_rev"])
        for conversation in heads["removed"]:
            self._drop(conversation)

    def _drop(self, conversation):
        self.state.drop(conversation)
        for kept in (self.base, self.applied, self.heads):
            kept.pop(conversation, None)

    def _event(self, event):
        if event["type"] == "user_changed":
            place, mine = event["user_rev"], self.user_rev
        else:
            place, mine = event["seq"] + event["rev"], sum(self.places.get(event["conversation_id"], (0, 0)))
        begins = event["type"] == "conversation_created"
        if place <= mine:
            self.stats["dropped"] += 1
        elif place == mine + 1 or begins:
            self._apply(event, begins)
        else:
            self.wrong.append(f"a hole: at {mine}, then {event}")

    def _apply(self, event, begins):
        self.state.apply(event)
        if event["type"] == "user_changed":
            self.user_applied.append(event)
            if event["kind"] == "removed" and event["data"]["conversation_id"] not in self.places:
                self._drop(event["data"]["conversation_id"])
            return
        if begins:
            self.base[event["conversation_id"]] = (event["seq"], event["rev"] - 1)
            self.applied.pop(event["conversation_id"], None)
        self.applied[event["conversation_id"]].append(event)
