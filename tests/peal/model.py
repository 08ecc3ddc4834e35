"""docs/model.md, executable: who sees what, what is unread, what a mark means. Written from that page, never from the product.

    model = Model()
    model.join("alice"), model.join("bob")
    model.apply("start", "alice", peer="bob", id="c", at=1.0)
    model.apply("send", "alice", place="c", content="A", at=2.0)
    model.unread("bob", "c", now=2.0)   # (1, 0)

apply() returns None when the operation is done and the set of codes that may refuse it otherwise; a refused operation changes nothing.
Where the page leaves a refusal open, `accepted` says what the product did, and the model follows. Times are seconds and come from the
caller: the model has no clock.
"""

import dataclasses
import itertools
import typing

UNREAD_MOST = 100
ROLES = {"member": 1, "admin": 2, "owner": 3}
WITH_TEXT = {"text", "image", "audio", "video", "file"}  # what has text that its sender may edit
NEVER_FORWARDED = {"system", "poll", "call", "encrypted"}


class Refused(Exception):
    def __init__(self, *codes):
        super().__init__(*codes)
        self.codes = set(codes)


@dataclasses.dataclass
class Message:
    seq: int
    sender: str
    kind: str
    content: str | None
    created_at: float
    client_id: str | None = None
    mentions: list = dataclasses.field(default_factory=list)
    reply_seq: int | None = None
    version: int = 1
    rev: int = 0
    edited_at: float | None = None
    deleted_at: float | None = None
    expires_at: float | None = None
    pinned: bool = False
    revisions: list = dataclasses.field(default_factory=list)    # (version, content) of before
    reactions: list = dataclasses.field(default_factory=list)    # (emoji, user), in the order they came
    votes: dict = dataclasses.field(default_factory=dict)        # user -> options
    poll: dict | None = None
    forward_of: tuple | None = None                              # (sender, created_at) of what was forwarded
    extra: typing.Any = None                                     # location, encrypted, attachments: as it was given
    system: dict | None = None

    def counts(self):
        """[(emoji, how many)], first one first."""
        out = {}
        for emoji, _ in self.reactions:
            out[emoji] = out.get(emoji, 0) + 1
        return list(out.items())

    def tally(self):
        return [sum(n in options for options in self.votes.values()) for n in range(len(self.poll["options"]))]


@dataclasses.dataclass
class Event:
    kind: str
    seq: int
    rev: int
    actor: str
    target_seq: int | None = None
    target_user: str | None = None
    changed: tuple = ()

    @property
    def position(self):
        return self.seq + self.rev


@dataclasses.dataclass
class Member:
    role: str = "member"
    joined_seq: int = 0
    joined_position: int = 0
    read_seq: int = 0
    receipt_seq: int = 0
    delivered_seq: int = 0
    unread_from: int | None = None
    hidden: bool = False
    settings: dict = dataclasses.field(default_factory=lambda: {"notify": "all", "muted_until": None, "archived": False, "pinned": False})
    draft: dict | None = None


@dataclasses.dataclass
class Place:
    """A conversation."""
    id: str
    kind: str
    history: str = "joined"
    name: str | None = None
    ttl_seconds: int | None = None
    retention_days: int | None = None
    first_seq: int = 1
    last_seq: int = 0
    last_rev: int = 0
    members: dict = dataclasses.field(default_factory=dict)      # in the order in which they joined
    messages: dict = dataclasses.field(default_factory=dict)     # by seq
    events: list = dataclasses.field(default_factory=list)
    activity: int = 0                                            # the newest has the greatest

    turns: typing.ClassVar = itertools.count(1)

    def __post_init__(self):
        self.activity = next(self.turns)

    def floor(self, member):
        return self.first_seq if self.history == "all" else max(self.first_seq, member.joined_seq + 1)

    def others(self, user):
        return [m for u, m in self.members.items() if u != user]

    def change(self, kind, actor, target_seq=None, target_user=None, changed=()):
        """What takes a rev."""
        self.last_rev += 1
        self.events.append(Event(kind, self.last_seq, self.last_rev, actor, target_seq, target_user, tuple(changed)))
        if target_seq:
            self.messages[target_seq].rev = self.last_rev

    def put(self, message):
        """What takes a seq."""
        self.last_seq = message.seq
        self.messages[message.seq] = message
        self.activity = next(self.turns)
        self.events.append(Event("new_message", self.last_seq, self.last_rev, message.sender, message.seq))

    def say_system(self, actor, at, **system):
        self.put(Message(self.last_seq + 1, actor, "system", None, at, system=system))

    def owners(self):
        return [u for u, m in self.members.items() if m.role == "owner"]


@dataclasses.dataclass
class Person:
    id: str
    read_receipts: bool = True
    stream: list = dataclasses.field(default_factory=list)       # kinds, in order: the first is user_rev 1
    hidden: set = dataclasses.field(default_factory=set)         # (conversation, seq) deleted for me
    stars: dict = dataclasses.field(default_factory=dict)        # (conversation, seq), oldest star first
    blocks: set = dataclasses.field(default_factory=set)
    scheduled: dict = dataclasses.field(default_factory=dict)    # id -> what is to be sent, with its failure


class Model:
    def __init__(self):
        self.people, self.places, self.direct = {}, {}, {}

    # -- what everything asks

    def join(self, user):
        self.people[user] = Person(user)

    def blocked(self, one, other):
        return other in self.people[one].blocks or one in self.people[other].blocks

    def seat(self, user, place):
        """(conversation, my membership), or a stranger's answer."""
        found = self.places.get(place)
        member = found.members.get(user) if found else None
        if member is None or member.hidden:
            raise Refused("not_found")
        return found, member

    def sees(self, user, place, message, now):
        found, member = self.seat(user, place)
        return (message.seq >= found.floor(member) and (place, message.seq) not in self.people[user].hidden
                and (message.expires_at is None or message.expires_at > now))

    def need(self, user, place, seq, now):
        """A message that I see."""
        found, member = self.seat(user, place)
        message = found.messages.get(seq)
        if message is None or not self.sees(user, place, message, now):
            raise Refused("not_found")
        return found, member, message

    def need_unblocked(self, user, found):
        """In a direct conversation of people of whom one blocks the other, nothing is said or changed."""
        if found.kind == "direct" and any(self.blocked(user, other) for other in found.members if other != user):
            raise Refused("blocked")

    def need_role(self, member, role):
        if ROLES[member.role] < ROLES[role]:
            raise Refused("forbidden")

    def need_group(self, found):
        if found.kind != "group":
            raise Refused("wrong_kind", "forbidden")

    def need_mentionable(self, found, mentions):
        if any(m["user_id"] not in found.members for m in mentions):
            raise Refused("invalid")

    def unless(self, open_question, *codes):
        """The page does not say whether this is refused: follow what was done."""
        if open_question and self.accepted is False:
            raise Refused(*codes)

    @staticmethod
    def appear(found, user):
        """A direct conversation that was hidden from somebody begins for them with the last event."""
        found.members[user].hidden = False
        found.members[user].joined_position = found.last_seq + found.last_rev

    # -- operations

    def apply(self, name, by, /, *, accepted=None, at=1.0, **arguments):
        self.accepted, self.at = accepted, at
        try:
            getattr(self, f"_{name}")(by, **arguments)
        except Refused as e:
            return e.codes
        return None

    def _start(self, me, peer, id):
        """A direct conversation, perhaps with oneself; hidden from the other one until its first message."""
        if peer not in self.people:
            raise Refused("not_found")
        known = self.direct.get(frozenset((me, peer)))
        if known:
            if self.places[known].members[me].hidden:
                self.places[known].change("conversation_created", me)
                self.appear(self.places[known], me)
            return
        found = self.places[id] = Place(id, "direct")
        self.direct[frozenset((me, peer))] = id
        for user in dict.fromkeys((me, peer)):
            found.members[user] = Member(hidden=user != me)
        found.change("conversation_created", me)

    def _create_group(self, me, name, people, id, history="joined"):
        if any(user not in self.people for user in people):
            raise Refused("not_found", "invalid")
        if any(self.blocked(me, user) for user in people if user != me):
            raise Refused("blocked")
        found = self.places[id] = Place(id, "group", history=history, name=name)
        found.change("conversation_created", me)
        for user in sorted({me, *people}, key=lambda u: (len(u), u)):   # they join at the same moment: by id
            found.members[user] = Member("owner" if user == me else "member", joined_position=1)
        found.say_system(me, self.at, kind="created")

    def _update(self, me, place, **changes):
        """A group is changed by its admins; of a direct conversation only how long things are kept, by both."""
        found, member = self.seat(me, place)
        if found.kind == "group":
            self.need_role(member, "admin")
        else:
            if not set(changes) <= {"ttl_seconds", "retention_days"}:
                raise Refused("wrong_kind")
            self.need_unblocked(me, found)
        changed = [k for k, v in changes.items() if getattr(found, k) != v]
        if not changed:
            return
        for k in changed:
            setattr(found, k, changes[k])
        found.change("conversation_updated", me, changed=changed)
        if any(m.hidden for m in found.members.values()):
            return
        spoken = {"name": "renamed", "ttl_seconds": "ttl_changed", "history": "history_changed"}
        for kind in dict.fromkeys(spoken.get(k, "settings_changed") for k in changed):
            found.say_system(me, self.at, kind=kind)

    def _add(self, me, place, people):
        found, member = self.seat(me, place)
        self.need_group(found)
        self.need_role(member, "admin")
        if any(user not in self.people for user in people):
            raise Refused("not_found", "invalid")
        fresh = [user for user in dict.fromkeys(people) if user not in found.members]
        if any(self.blocked(me, user) for user in fresh):
            raise Refused("blocked")
        if not fresh:
            return
        joined = found.last_seq
        for user in fresh:
            found.change("member_added", me, target_user=user)
            found.members[user] = Member(joined_seq=joined, joined_position=found.last_seq + found.last_rev, read_seq=joined,
                                         receipt_seq=joined, delivered_seq=joined)
        found.say_system(me, self.at, kind="member_added", user_ids=fresh)

    def _remove(self, me, place, user):
        """Removing somebody, or leaving when it is me."""
        found, member = self.seat(me, place)
        self.need_group(found)
        leaving = user == me
        if not leaving:
            self.need_role(member, "admin")
        if user not in found.members:
            raise Refused("not_found")
        if not leaving and ROLES[found.members[user].role] >= ROLES["admin"]:
            self.need_role(member, "owner")
        self._succeed(found, me, user)
        del found.members[user]
        found.change("member_removed", me, target_user=user)
        found.say_system(me, self.at, kind="member_left" if leaving else "member_removed", user_ids=[user])
        self.people[user].stream.append("removed")

    def _succeed(self, found, actor, going):
        """The longest-standing admin follows the last owner, or else the longest-standing member."""
        left = {u: m for u, m in found.members.items() if u != going}
        if left and found.owners() == [going]:
            heirs = [u for u, m in left.items() if m.role == "admin"] or list(left)
            self._give_role(found, actor, heirs[0], "owner")

    def _give_role(self, found, actor, user, role):
        found.members[user].role = role
        found.change("conversation_updated", actor, target_user=user, changed=["role"])
        found.say_system(actor, self.at, kind="role_changed", user_ids=[user], role=role)

    def _set_role(self, me, place, user, role):
        found, member = self.seat(me, place)
        self.need_group(found)
        self.need_role(member, "owner")
        if user not in found.members:
            raise Refused("not_found")
        if found.members[user].role == role:
            return
        if found.owners() == [user]:
            raise Refused("last_owner")
        self._give_role(found, me, user, role)

    def _send(self, me, place, content=None, kind="text", client_id=None, mentions=(), reply_seq=None, expires_in=None, poll=None,
              forward=None, extra=None, scheduled=False):
        """`forward` is (conversation, seq) of a message that I see, of which a frozen copy is made."""
        found, member = self.seat(me, place)
        if client_id is not None and any(m.sender == me and m.client_id == client_id for m in found.messages.values()):
            return  # said already: a retry makes nothing, and returns it as it is now
        wrong = self._codes(self.need_unblocked, me, found) | self._codes(self.need_mentionable, found, mentions)
        if reply_seq is not None and not (reply_seq in found.messages and self.sees(me, place, found.messages[reply_seq], self.at)):
            wrong.add("invalid")
        copy = original = None
        if forward:
            try:
                _, _, original = self.need(me, *forward, self.at)
            except Refused:
                wrong |= {"invalid", "not_found"}
            if original and (original.deleted_at is not None or original.kind in NEVER_FORWARDED):
                wrong |= {"invalid", "deleted", "wrong_kind", "not_found"}
        if wrong:
            raise Refused(*wrong)
        if original:
            content, kind, extra = original.content, original.kind, original.extra
            copy = original.forward_of or (original.sender, original.created_at)
        caught_up = member.unread_from is None and not self._unread(me, place, member.read_seq + 1, self.at)
        lives = [s for s in (expires_in, found.ttl_seconds) if s is not None]
        found.put(Message(found.last_seq + 1, me, kind, content, self.at, client_id, list(mentions), reply_seq, poll=poll, forward_of=copy,
                          extra=extra, expires_at=self.at + min(lives) if lives else None))
        for user in [u for u, m in found.members.items() if m.hidden]:
            self.appear(found, user)
        if caught_up and not scheduled:
            told_all, had_all = member.receipt_seq == member.read_seq, member.delivered_seq >= member.read_seq
            member.read_seq = found.last_seq
            if told_all and self.people[me].read_receipts:
                member.receipt_seq = found.last_seq
            if had_all:
                member.delivered_seq = found.last_seq

    def _edit(self, me, place, seq, content, mentions=(), if_version=None):
        found, _, message = self.need(me, place, seq, self.at)
        wrong = set()
        if message.sender != me:
            wrong.add("forbidden")
        if message.deleted_at is not None:
            wrong.add("deleted")
        if message.kind not in WITH_TEXT or message.forward_of:
            wrong.add("wrong_kind")
        wrong |= self._codes(self.need_unblocked, me, found)
        if wrong:
            raise Refused(*wrong)
        self.need_mentionable(found, mentions)
        if (message.content, message.mentions) == (content, list(mentions)):
            return  # a retry
        if if_version is not None and if_version != message.version:
            raise Refused("stale_version")
        message.revisions.append((message.version, message.content))
        message.content, message.mentions, message.edited_at = content, list(mentions), self.at
        message.version += 1
        found.change("message_edited", me, seq)

    @staticmethod
    def _codes(check, *arguments):
        try:
            check(*arguments)
        except Refused as e:
            return e.codes
        return set()

    def _delete(self, me, place, seq):
        """For everyone."""
        found, member, message = self.need(me, place, seq, self.at)
        if message.sender != me and not (found.kind == "group" and ROLES[member.role] >= ROLES["admin"]):
            raise Refused("forbidden")
        self.unless(message.kind == "system", "wrong_kind", "forbidden")
        if message.deleted_at is not None:
            return
        message.content, message.poll, message.extra, message.forward_of = None, None, None, None
        message.pinned, message.deleted_at = False, self.at
        for gone in (message.mentions, message.revisions, message.reactions, message.votes):
            gone.clear()
        found.change("message_deleted", me, seq)

    def _delete_for_me(self, me, place, seq):
        found, _ = self.seat(me, place)
        if (place, seq) in self.people[me].hidden:
            self.unless(True, "not_found")
            return
        self.need(me, place, seq, self.at)
        self.people[me].hidden.add((place, seq))
        self.people[me].stream.append("hidden")

    def _live(self, me, place, seq):
        """A message that I see and on which something may be done."""
        found, member, message = self.need(me, place, seq, self.at)
        wrong = self._codes(self.need_unblocked, me, found) | ({"deleted"} if message.deleted_at is not None else set())
        if wrong:
            raise Refused(*wrong)
        return found, member, message

    def _react(self, me, place, seq, emoji):
        found, _, message = self._live(me, place, seq)
        self.unless(message.kind == "system", "wrong_kind")
        if (emoji, me) not in message.reactions:
            message.reactions.append((emoji, me))
            found.change("reaction_added", me, seq)

    def _unreact(self, me, place, seq, emoji):
        found, _, message = self.need(me, place, seq, self.at)
        wrong = self._codes(self.need_unblocked, me, found) | ({"deleted"} if message.deleted_at is not None else set())
        self.unless(bool(wrong), *wrong)
        if (emoji, me) in message.reactions:
            message.reactions.remove((emoji, me))
            found.change("reaction_removed", me, seq)

    def _star(self, me, place, seq, on):
        _, _, message = self.need(me, place, seq, self.at)
        self.unless(on and message.deleted_at is not None, "deleted")
        self.unless(on and message.kind == "system", "wrong_kind")
        person = self.people[me]
        if on != ((place, seq) in person.stars):
            if on:
                person.stars[place, seq] = self.at
            else:
                del person.stars[place, seq]
            person.stream.append("star")

    def _pin(self, me, place, seq, on):
        found, member, message = self.need(me, place, seq, self.at)
        if found.kind == "group":
            self.need_role(member, "admin")
        if on:
            self._live(me, place, seq)
            self.unless(message.kind == "system", "wrong_kind")
        else:
            wrong = self._codes(self.need_unblocked, me, found) | ({"deleted"} if message.deleted_at is not None else set())
            self.unless(bool(wrong), *wrong)
        if message.pinned != on:
            message.pinned = on
            found.change("message_pinned" if on else "message_unpinned", me, seq)

    def _vote(self, me, place, seq, options):
        found, _, message = self._live(me, place, seq)
        if message.kind != "poll":
            raise Refused("wrong_kind")
        if message.poll.get("closes_at") is not None and message.poll["closes_at"] <= self.at:
            raise Refused("poll_closed")
        wrong = any(not 0 <= o < len(message.poll["options"]) for o in options) or len(set(options)) != len(options)
        if wrong or (len(options) > 1 and not message.poll.get("multiple")):
            raise Refused("invalid")
        if set(options) == message.votes.get(me, set()):
            return
        if options:
            message.votes[me] = set(options)
        else:
            del message.votes[me]
        found.change("poll_voted", me, seq)

    def _read(self, me, place, seq, private=False):
        found, member = self.seat(me, place)
        if not 0 <= seq <= found.last_seq:
            raise Refused("invalid")
        told = not private and self.people[me].read_receipts
        before = (member.read_seq, member.receipt_seq, member.unread_from)
        member.read_seq = max(member.read_seq, seq)
        if told:
            member.receipt_seq = max(member.receipt_seq, seq)
        member.delivered_seq = max(member.delivered_seq, member.receipt_seq)
        member.unread_from = None
        if before != (member.read_seq, member.receipt_seq, None):
            self.people[me].stream.append("read")

    def _mark_unread(self, me, place, seq):
        found, member = self.seat(me, place)
        if not found.floor(member) <= seq <= found.last_seq:
            raise Refused("invalid")
        if member.unread_from != seq:
            member.unread_from = seq
            self.people[me].stream.append("read")

    def _acknowledge(self, me, place, seq):
        """A device of mine has it."""
        found, member = self.seat(me, place)
        member.delivered_seq = max(member.delivered_seq, min(seq, found.last_seq))

    def _set_draft(self, me, place, content, reply_seq=None):
        found, member = self.seat(me, place)
        if reply_seq is not None and not (reply_seq in found.messages and self.sees(me, place, found.messages[reply_seq], self.at)):
            raise Refused("invalid")
        draft = None if content is None else {"content": content, "reply_seq": reply_seq}
        if draft != member.draft:
            member.draft = draft
            self.people[me].stream.append("draft")

    def _settings(self, me, place, **changes):
        _, member = self.seat(me, place)
        before = dict(member.settings)
        member.settings.update(changes)
        if member.settings != before:
            self.people[me].stream.append("settings")

    def _block(self, me, user, on):
        if user not in self.people:
            raise Refused("not_found")
        if user == me:
            raise Refused("invalid", "forbidden")
        mine = self.people[me].blocks
        if on != (user in mine):
            (mine.add if on else mine.discard)(user)
            self.people[me].stream.append("block")

    def _privacy(self, me, read_receipts):
        self.people[me].read_receipts = read_receipts
        self.people[me].stream.append("profile")

    def _schedule(self, me, place, id, send_at, **message):
        """Kept until it is due; has no seq before."""
        found, _ = self.seat(me, place)
        self.need_unblocked(me, found)
        self.people[me].scheduled[id] = {"place": place, "send_at": send_at, "message": message, "failure": None}
        self.people[me].stream.append("scheduled")

    def _unschedule(self, me, id):
        if id not in self.people[me].scheduled:
            raise Refused("not_found")
        del self.people[me].scheduled[id]
        self.people[me].stream.append("scheduled")

    def _fire(self, me, id):
        """It is due: said now, by the rules of now, or kept with the reason."""
        due = self.people[me].scheduled[id]
        try:
            self._send(me, due["place"], scheduled=True, **due["message"])
            del self.people[me].scheduled[id]
        except Refused as e:
            due["failure"] = e.codes
        self.people[me].stream.append("scheduled")

    def _retain(self, _, place, first_seq):
        """Retention has removed what is below."""
        found = self.places[place]
        found.first_seq = max(found.first_seq, first_seq)

    # -- questions

    def visible(self, me, place, now):
        """What I see, oldest first."""
        found, _ = self.seat(me, place)
        return [m for m in found.messages.values() if self.sees(me, place, m, now)]

    def page(self, me, place, now, limit=50, before=None, after=None, around=None):
        """(messages, has_before, has_after)."""
        seen = self.visible(me, place, now)
        if after is not None:
            first = next((n for n, m in enumerate(seen) if m.seq > after), len(seen))
            last = first + limit
        elif around is not None:
            raise NotImplementedError("how a page is laid around a message is not on the page")
        else:
            last = len(seen) if before is None else next((n for n, m in enumerate(seen) if m.seq >= before), len(seen))
            first = max(0, last - limit)
        return seen[first:last], first > 0, last < len(seen)

    def _unread(self, me, place, first, now):
        return [m for m in self.visible(me, place, now)
                if m.seq >= first and m.sender != me and m.deleted_at is None and m.kind != "system"][:UNREAD_MOST]

    def unread(self, me, place, now):
        """(how many, how many of them mention me)."""
        found, member = self.seat(me, place)
        if member.unread_from is None and member.read_seq >= found.last_seq:
            return 0, 0
        unread = self._unread(me, place, member.read_seq + 1 if member.unread_from is None else member.unread_from, now)
        return len(unread), sum(any(x["user_id"] == me for x in m.mentions) for m in unread)

    def receipts(self, place, message):
        """(delivered_count, read_count, status as its sender sees it; None when there is nobody else)."""
        others = self.places[place].others(message.sender)
        delivered = sum(m.delivered_seq >= message.seq for m in others)
        read = sum(m.receipt_seq >= message.seq for m in others)
        status = "read" if read == len(others) else "delivered" if delivered == len(others) else "sent"
        return delivered, read, status if others else None

    def listed(self, me, archived=False):
        """My conversations: pinned ones first, then newest activity first."""
        mine = [(p, p.members[me]) for p in self.places.values() if me in p.members and not p.members[me].hidden]
        mine = [(p, m) for p, m in mine if m.settings["archived"] == archived]
        return [p for p, _ in sorted(mine, key=lambda pm: (not pm[1].settings["pinned"], -pm[0].activity))]

    def starred(self, me, now):
        """Places of the messages that I starred and still see, newest star first."""
        out = []
        for place, seq in reversed(self.people[me].stars):
            found = self.places[place]
            if me in found.members and not found.members[me].hidden and self.sees(me, place, found.messages[seq], now):
                out.append((place, seq))
        return out

    def pins(self, me, place, now):
        return [m.seq for m in self.visible(me, place, now) if m.pinned]

    def replay(self, me, place, now, after=0):
        """[(position, type)] of what a device of mine must be told after a position; `skipped` for what I may not see."""
        found, member = self.seat(me, place)
        out = []
        for event in found.events:
            if event.position <= after or event.position < member.joined_position:
                continue
            type_ = event.kind
            begins = event.position == max(1, member.joined_position)
            if begins and event.kind == "new_message":  # it begins in the place before the first words
                out.append((event.position - 1, "conversation_created"))
            if begins and event.kind != "new_message":
                type_ = "conversation_created"
            elif event.target_seq is not None and not self.sees(me, place, found.messages[event.target_seq], now):
                type_ = "skipped"
            elif event.kind == "conversation_created":  # it began for somebody else
                type_ = "skipped"
            elif event.kind == "member_added" and event.target_user not in found.members:
                type_ = "skipped"                       # of who is not there any more nothing can be told
            out.append((event.position, type_))
        return out

    def notifies(self, user, message, place):
        """Whether a mention in this message is told to the user."""
        return any(m["user_id"] == user for m in message.mentions) and not self.blocked(user, message.sender)
