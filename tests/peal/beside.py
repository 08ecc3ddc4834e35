"""What somebody sees through the REST API, compared with what the model says: lists, pages, marks, members, pins, stars.

    beside = Beside(model, {id: Person})
    beside.look(id)          # everything that this person can see; raises Differs

load(stack) makes a model out of what the database holds, for tests whose order of events nobody knows beforehand."""

import random
import time

from . import contract, truth
from .model import Event, Member, Message, Model, Place

EVENT_KINDS = {1: "new_message", 2: "conversation_created", 3: "message_deleted", 4: "message_edited", 5: "message_pinned",
               6: "message_unpinned", 7: "reaction_added", 8: "reaction_removed", 9: "poll_voted", 10: "member_added",
               11: "member_removed", 12: "conversation_updated"}
USER_EVENT_KINDS = {1: "read", 2: "star", 3: "hidden", 4: "draft", 5: "scheduled", 6: "settings", 7: "block", 8: "profile", 9: "removed"}
MESSAGE_KINDS = ("text", "image", "audio", "video", "file", "location", "poll", "call", "system", "encrypted")


def has(method, path):
    """Is there such an operation?"""
    return any((op.method, op.path) == (method, path) for op in contract.rest().operations)


class Differs(AssertionError):
    pass


def items(rest, path):
    """All pages of a list."""
    out, query = [], {"limit": 100}
    while True:
        page = rest.get(path, query=query, expect=200)
        out += page["items"]
        if page["next_cursor"] is None:
            return out
        query["cursor"] = page["next_cursor"]


class Beside:
    def __init__(self, model, people, rng=None):
        self.model, self.people, self.rng = model, people, rng or random.Random(1)

    def fail(self, what, _place=None):
        raise Differs(what)

    def mine(self, me):
        return [p.id for p in self.model.listed(me)] + [p.id for p in self.model.listed(me, archived=True)]

    def same(self, what, got, want, place=None):
        if got != want:
            if isinstance(got, dict) and isinstance(want, dict):
                what += ": " + "; ".join(f"{k}: {got.get(k)!r}, the model says {want[k]!r}" for k in want if got.get(k) != want[k])
            self.fail(f"{what}\n    product: {got!r}\n    model:   {want!r}", place)

    def wait_for_expiry(self):
        """Whatever ends within the next moments has ended: the clock must not decide which of two answers is right."""
        now = time.time()
        soon = [m.expires_at for p in self.model.places.values() for m in p.messages.values() if m.expires_at and now - 0.1 < m.expires_at < now + 3]
        if soon:
            time.sleep(max(soon) - now + 0.1)

    def compare_message(self, me, place, message, got):
        model, found = self.model, self.model.places[place]
        delivered, read, status = model.receipts(place, message)
        want = {"id": f"{place}.{message.seq}", "seq": message.seq, "rev": message.rev, "version": message.version, "sender_id": message.sender,
                "message_type": message.kind, "content": message.content, "pinned": message.pinned, "mentions": message.mentions,
                "starred": (place, message.seq) in model.people[me].stars, "read_count": read, "delivered_count": delivered,
                "reactions": [{"emoji": e, "count": n, "me": (e, me) in message.reactions} for e, n in message.counts()]}
        if message.sender == me and status is not None:
            want["status"] = status
        if message.deleted_at is None:
            parent = found.messages.get(message.reply_seq)
            want["reply_to"] = f"{place}.{parent.seq}" if parent and model.sees(me, place, parent, time.time()) else None
            got = {**got, "reply_to": got["reply_to"] and got["reply_to"]["id"]}
        got = {**got, "deleted": got["deleted_at"] is not None, "edited": got["edited_at"] is not None,
               "forward_of": got["forward_of"] and got["forward_of"]["sender_id"], "expires": got["expires_at"] is not None}
        want |= {"deleted": message.deleted_at is not None, "forward_of": message.forward_of[0] if message.forward_of else None,
                 "expires": message.expires_at is not None}
        if message.poll:
            poll = got["poll"] or {}
            got["poll"] = {"question": poll.get("question"), "counts": [o["count"] for o in poll.get("options", ())], "voters": poll.get("voters")}
            want["poll"] = {"question": message.poll["question"], "counts": message.tally(), "voters": len(message.votes)}
        if message.extra and message.kind in ("location", "encrypted"):
            want[message.kind] = {**got[message.kind], **message.extra} if got[message.kind] else message.extra
        if message.kind == "system" and message.deleted_at is None:
            want["system"] = {**(got["system"] or {}), **{k: v for k, v in message.system.items() if k in ("kind", "role")}}
        self.same(f"message {want['id']} as {me} sees it", {k: got.get(k) for k in want}, want, place)

    def compare_place(self, me, place):
        """A conversation as a member sees it: the entry, the history in pages, one message, pins, participants."""
        model, found, rest = self.model, self.model.places[place], self.people[me].rest
        member = found.members[me]
        self.compare_entry(me, place, rest.get(f"/conversations/{place}", expect=200).json)
        before, limit = None, self.rng.choice([7, 20, 50])
        while True:
            now = time.time()
            seen, has_before, has_after = model.page(me, place, now, limit=limit, before=before)
            query = {"limit": limit} | ({"before": before} if before else {})
            page = rest.get(f"/conversations/{place}/messages", query=query, expect=200).json
            what = f"the page of {place} before {before} as {me} sees it"
            self.same(what, [m["seq"] for m in page["messages"]], [m.seq for m in seen], place)
            self.same(f"{what}: around it", (page["has_before"], page["has_after"], page["as_of_rev"]), (has_before, has_after, found.last_rev), place)
            for message, got in zip(seen, page["messages"]):
                self.compare_message(me, place, message, got)
            if not has_before:
                break
            before = seen[0].seq
        self.compare_one(me, place, self.rng.randint(1, found.last_seq + 1))
        if has("GET", "/conversations/{id}/pins"):
            got = rest.get(f"/conversations/{place}/pins", expect=200)["items"]
            self.same(f"pins of {place}", sorted(m["seq"] for m in got), model.pins(me, place, time.time()), place)
        if has("GET", "/conversations/{id}/participants"):
            got = items(rest, f"/conversations/{place}/participants")
            self.compare_members(place, got)
        self.same(f"my role in {place}", rest.get(f"/conversations/{place}", expect=200)["my"]["role"], member.role, place)

    def compare_members(self, place, got):
        members = self.model.places[place].members
        self.same(f"members of {place}", {p["user"]["id"]: (p["role"], p["receipt_seq"], p["delivered_seq"]) for p in got},
                  {u: (m.role, m.receipt_seq, m.delivered_seq) for u, m in members.items()}, place)

    def compare_entry(self, me, place, got):
        model, found = self.model, self.model.places[place]
        member, now = found.members[me], time.time()
        unread, mentions = model.unread(me, place, now)
        seen = model.visible(me, place, now)
        first, floor = got["first_seq"], found.floor(member)
        if first > floor and not any(m.seq < first for m in seen):  # what has expired before all else is not kept
            floor = first
        want = {"id": place, "type": found.kind, "last_seq": found.last_seq, "last_rev": found.last_rev, "first_seq": floor,
                "participant_count": len(found.members), "unread_count": unread, "mention_count": mentions}
        if found.kind == "group":
            want["name"] = found.name
        self.same(f"conversation {place} as {me} sees it", {k: got.get(k) for k in want}, want, place)
        draft = member.draft and {"content": member.draft["content"], "reply_to": member.draft["reply_seq"] and f"{place}.{member.draft['reply_seq']}"}
        my = {"read_seq": member.read_seq, "unread_from": member.unread_from, "role": member.role, **member.settings}
        self.same(f"{me}'s side of {place}", {k: got["my"].get(k) for k in my}, my, place)
        shown = got["my"]["draft"] and {k: got["my"]["draft"][k] for k in ("content", "reply_to")}
        self.same(f"{me}'s draft in {place}", shown, draft, place)
        self.same(f"last message of {place} for {me}", got["last_message"] and got["last_message"]["seq"], seen[-1].seq if seen else None, place)
        if seen:
            self.compare_message(me, place, seen[-1], got["last_message"])
        if "participants" in got:
            self.compare_members(place, got["participants"])

    def compare_one(self, me, place, seq):
        """A message by itself: seen, or 404; who got it, who reacted, what it said before."""
        model, rest = self.model, self.people[me].rest
        message = model.places[place].messages.get(seq)
        if message is None or not model.sees(me, place, message, time.time()):
            return rest.get(f"/messages/{place}.{seq}", expect=(404, "not_found"))
        got = rest.get(f"/messages/{place}.{seq}", expect=200).json
        self.compare_message(me, place, message, got)
        others = {u: m for u, m in model.places[place].members.items() if u != message.sender}
        if has("GET", "/messages/{id}/receipts"):
            got = items(rest, f"/messages/{place}.{seq}/receipts")
            told = {r["user_id"]: r["status"] for r in got}
            want = {u: "read" if m.receipt_seq >= seq else "delivered" for u, m in others.items() if max(m.receipt_seq, m.delivered_seq) >= seq}
            self.same(f"who got {place}.{seq}", told, want, place)
        if has("GET", "/messages/{id}/reactions"):
            got = items(rest, f"/messages/{place}.{seq}/reactions")
            self.same(f"who reacted to {place}.{seq}", sorted((e, r["user"]["id"]) for r in got for e in r["emojis"]), sorted(message.reactions), place)
        if has("GET", "/messages/{id}/revisions"):
            got = items(rest, f"/messages/{place}.{seq}/revisions")
            want = [] if message.deleted_at else message.revisions
            self.same(f"what {place}.{seq} said", sorted((r["version"], r["content"]) for r in got), want, place)
        return None

    def compare_lists(self, me):
        model, rest = self.model, self.people[me].rest
        for archived in (False, True):
            got = rest.get("/conversations", query={"archived": str(archived).lower(), "limit": 100}, expect=200)["items"]
            self.same(f"the list of {me}, archived={archived}", [c["id"] for c in got], [p.id for p in model.listed(me, archived)])
            for entry in got:
                self.compare_entry(me, entry["id"], entry)
        now = time.time()
        unread = {p: model.unread(me, p, now) for p in self.mine(me)}
        got = rest.get("/conversations/unread-count", expect=200)
        listed = {c["id"]: (c["unread"], c["mentions"]) for c in got["conversations"]}
        self.same(f"what is unread for {me}", listed, {p: n for p, n in unread.items() if n[0]})
        self.same(f"how much is unread for {me}", (got["total"], got["mentions"]), (sum(n for n, _ in listed.values()), sum(n for _, n in listed.values())))
        if has("GET", "/messages/starred"):
            starred = items(rest, "/messages/starred")
            self.same(f"stars of {me}", [m["id"] for m in starred], [f"{p}.{s}" for p, s in model.starred(me, now)])
        if has("GET", "/blocks"):
            got = items(rest, "/blocks")
            self.same(f"whom {me} blocks", {b.get("user", b)["id"] for b in got}, model.people[me].blocks)

    def look(self, me):
        """Everything that somebody can see."""
        self.wait_for_expiry()
        self.compare_lists(me)
        for place in self.model.places:
            if place in self.mine(me):
                self.compare_place(me, place)
            else:
                self.people[me].rest.get(f"/conversations/{place}", expect=(404, "not_found"))
                self.people[me].rest.get(f"/conversations/{place}/messages", expect=(404, "not_found"))

    def glance(self, place):
        """The conversation that was touched, by one of those in it."""
        members = [u for u, m in self.model.places[place].members.items() if not m.hidden]
        if members:
            self.wait_for_expiry()
            me = self.rng.choice(members)
            self.compare_entry(me, place, self.people[me].rest.get(f"/conversations/{place}", expect=200).json)
            if self.model.places[place].last_seq:
                self.compare_one(me, place, self.any_message(me, place))


def load(stack):
    """The model of what the database holds."""
    model = Model()
    with truth.cursor(stack) as c:
        _load_people(c, model)
        _load_places(c, model)
        _load_messages(c, model)
        _load_mine(c, model)
    return model


def _rows(c, query):
    c.execute(query)
    return c.fetchall()


def _load_people(c, model):
    for user, receipts in _rows(c, "SELECT id, read_receipts FROM users ORDER BY id"):
        model.join(str(user))
        model.people[str(user)].read_receipts = receipts
    for user, other in _rows(c, "SELECT user_id, blocked_id FROM block"):
        model.people[str(user)].blocks.add(str(other))
    for user, kind in _rows(c, "SELECT user_id, kind FROM user_event ORDER BY user_id, user_rev"):
        model.people[str(user)].stream.append(USER_EVENT_KINDS[kind])


def _load_places(c, model):
    for id_, kind, name, history_all, first, last, rev, ttl in _rows(
            c, "SELECT id, kind, name, history_all, first_seq, last_seq, last_rev, ttl_seconds FROM conversation ORDER BY updated_at, id"):
        model.places[str(id_)] = Place(str(id_), ("direct", "group")[kind - 1], "all" if history_all else "joined", name, ttl,
                                       first_seq=first, last_seq=last, last_rev=rev)
    for (place, user, role, joined, position, read, receipt, delivered, from_, hidden, notify, muted, archived, pinned, draft) in _rows(
            c, "SELECT conversation_id, user_id, role, joined_seq, joined_position, read_seq, receipt_seq, delivered_seq, unread_from, hidden, "
               "notify, muted_until, archived, pinned, draft FROM member ORDER BY conversation_id, joined_position, user_id"):
        settings = {"notify": ("all", "mentions", "none")[notify - 1], "archived": archived, "pinned": pinned,
                    "muted_until": muted and muted.strftime("%Y-%m-%dT%H:%M:%S.") + f"{muted.microsecond // 1000:03d}Z"}
        model.places[str(place)].members[str(user)] = Member(("member", "admin", "owner")[role - 1], joined, position, read, receipt, delivered,
                                                             from_, hidden, settings, draft and {k: draft[k] for k in ("content", "reply_seq")})
    for place, seq, rev, kind, actor, target, user, detail in _rows(
            c, "SELECT conversation_id, seq, rev, kind, actor_id, target_seq, target_user, detail FROM event ORDER BY conversation_id, position"):
        model.places[str(place)].events.append(Event(EVENT_KINDS[kind], seq, rev, str(actor), target, user and str(user),
                                                     tuple(detail.split(",")) if kind == 12 and detail else ()))


def _load_messages(c, model):
    for (place, seq, sender, kind, content, created, key, mentions, reply, version, rev, edited, deleted, expires, pinned, forward, extra, reactions) in _rows(
            c, "SELECT conversation_id, seq, sender_id, kind, content, extract(epoch FROM created_at)::float8, client_id, mentions, reply_seq, "
               "version, rev, extract(epoch FROM edited_at)::float8, extract(epoch FROM deleted_at)::float8, "
               "extract(epoch FROM expires_at)::float8, pinned_at IS NOT NULL, forward_of, extra, reactions FROM message ORDER BY conversation_id, seq"):
        message = Message(seq, str(sender), MESSAGE_KINDS[kind - 1], content, created, key, mentions or [], reply, version, rev, edited, deleted,
                          expires, pinned, forward_of=forward and (forward["sender_id"], forward["created_at"]))
        message.emoji = [r["emoji"] for r in reactions or ()]
        if extra is not None:
            setattr(message, {"poll": "poll", "system": "system"}.get(message.kind, "extra"), extra)
        model.places[str(place)].messages[seq] = message
    for place, seq, version, content in _rows(
            c, "SELECT conversation_id, seq, version, content FROM message_revision ORDER BY conversation_id, seq, version"):
        model.places[str(place)].messages[seq].revisions.append((version, content))


def _load_mine(c, model):
    for user, place, seq, starred, hidden, reactions, votes in _rows(
            c, "SELECT user_id, conversation_id, seq, starred_at, hidden_at, reactions, votes FROM message_mine "
               "ORDER BY starred_at, reacted_at, user_id"):
        person, message = model.people[str(user)], model.places[str(place)].messages[seq]
        if starred:
            person.stars[str(place), seq] = starred
        if hidden:
            person.hidden.add((str(place), seq))
        message.reactions += [(emoji, str(user)) for emoji in reactions or ()]
        message.reactions.sort(key=lambda r, order=message.emoji: order.index(r[0]) if r[0] in order else len(order))
        if votes:
            message.votes[str(user)] = set(votes)
