"""What a client knows, and how the events of docs/asyncapi.yaml change it: the same for a socket and for /sync.

    state = State()
    state.apply(event)                 # a durable event of a conversation, or user_changed, that is next in its order
    state.load_conversation(reply)     # GET /conversations/{id}: a client loads what was before it came
    state.load_page(reply)             # GET /conversations/{id}/messages
    state.view("12")                   # messages that I see, oldest first

Everything is plain data, by conversation: `places` (seq, rev), `conversations`, `messages` (by seq), `members` (by user id); and of my
own stream: `stars`, `hidden` (message ids), `drafts`, `settings`, `reads`, `blocks`, `scheduled`, `profile`, `user_rev`.

Content that events do not decide (counts of marks, my own reactions and votes, signed links) is left out by `plain()`, so that two
states of one person can be compared whatever way their events came."""

import calendar
import collections
import re
import time

# not first_seq: the conversation's own is in events, mine in REST, and mine may lie higher
SHARED = ("id", "type", "history", "ttl_seconds", "retention_days", "slow_mode_seconds", "participant_count")
NOT_IN_EVENTS = ("starred", "status", "read_count", "delivered_count", "link_preview")


def plain(message):
    """What every form of a message has: the shared one, without counts of marks."""
    out = {k: v for k, v in message.items() if k not in NOT_IN_EVENTS}
    out["reply_to"] = message["reply_to"] and {k: message["reply_to"][k] for k in ("id", "sender_id")}
    out["reactions"] = [{"emoji": r["emoji"], "count": r["count"]} for r in message["reactions"]]
    out["attachments"] = [a["id"] for a in message["attachments"]]
    if message["poll"]:
        out["poll"] = {k: v for k, v in message["poll"].items() if k != "my_votes"}
    return out


def seconds_of(time_text):
    whole, part = re.match(r"(.*)\.(\d+)Z", time_text).groups()
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + part)


class State:
    def __init__(self):
        self.forget()

    def forget(self):
        """Nothing is known: a fresh start."""
        self.places = {}
        self.conversations = {}
        self.messages = collections.defaultdict(dict)
        self.members = collections.defaultdict(dict)
        self.user_rev = None
        self.stars, self.hidden, self.blocks = set(), set(), set()
        self.drafts, self.settings, self.reads, self.scheduled = {}, {}, {}, {}
        self.profile = None

    # -- whole things, by REST

    def load_conversation(self, conversation):
        """As GET /conversations/{id} says it: newer than any event up to its last_seq and last_rev."""
        id_ = conversation["id"]
        self.conversations[id_] = self.shared(conversation)
        self.members[id_] = {p["user"]["id"]: p["role"] for p in conversation.get("participants", ())}
        my = conversation["my"]
        self.settings[id_] = {k: my[k] for k in ("notify", "muted_until", "archived", "pinned")}
        self._draft(id_, my["draft"])
        self.reads[id_] = my["read_seq"]

    @staticmethod
    def shared(conversation):
        out = {k: conversation[k] for k in SHARED if k in conversation}
        if conversation["type"] == "group":  # in a direct conversation they are the other person's
            out |= {k: conversation[k] for k in ("name", "avatar_id")}
        return out

    def load_page(self, page):
        for message in page["messages"]:
            self._message(message)
            if message["starred"]:
                self.stars.add(message["id"])

    # -- events

    def apply(self, event):
        if event["type"] == "user_changed":
            self.user_rev = event["user_rev"]
            getattr(self, f"_on_{event['kind']}")(event["data"])
            return
        conversation = event["conversation_id"]
        if event["type"] == "conversation_created":
            self.drop(conversation)
        self.places[conversation] = (event["seq"], event["rev"])
        if event["type"] != "skipped":
            getattr(self, f"_{event['type']}")(conversation, event["data"])

    def drop(self, conversation):
        """It is not mine any more; what I set in it goes too."""
        for kept in (self.places, self.conversations, self.messages, self.members, self.drafts, self.settings, self.reads):
            kept.pop(conversation, None)

    def _message(self, message):
        mine = self.messages[message["conversation_id"]]
        old = mine.get(message["seq"])
        if old is None or message["rev"] >= old["rev"]:
            mine[message["seq"]] = plain(message)

    def _new_message(self, conversation, data):
        self._message(data["message"])

    _message_edited = _message_deleted = _message_pinned = _message_unpinned = _poll_voted = _new_message

    def _reaction_added(self, conversation, data):
        message = self.messages[conversation].get(int(data["message_id"].split(".")[1]))
        if message and data["message_rev"] >= message["rev"]:
            message["rev"], message["reactions"] = data["message_rev"], data["reactions"]

    _reaction_removed = _reaction_added

    def _member_added(self, conversation, data):
        self.members[conversation][data["member"]["user"]["id"]] = data["member"]["role"]
        self._count(conversation, data)

    def _member_removed(self, conversation, data):
        self.members[conversation].pop(data["user_id"], None)
        self._count(conversation, data)

    def _count(self, conversation, data):
        if conversation in self.conversations:
            self.conversations[conversation]["participant_count"] = data["participant_count"]

    def _conversation_updated(self, conversation, data):
        self.conversations.setdefault(conversation, {}).update(self.shared(data["conversation"]))
        if "member" in data:
            self.members[conversation][data["member"]["user_id"]] = data["member"]["role"]

    def _conversation_created(self, conversation, data):
        self.load_conversation(data["conversation"])

    # -- my own stream

    def _on_read(self, data):
        self.reads[data["conversation_id"]] = data["read_seq"]

    def _on_star(self, data):
        (self.stars.add if data["starred"] else self.stars.discard)(data["message_id"])

    def _on_hidden(self, data):
        self.hidden.add(data["message_id"])

    def _on_draft(self, data):
        self._draft(data["conversation_id"], data["draft"])

    def _draft(self, conversation, draft):
        self.drafts.pop(conversation, None)
        if draft:
            self.drafts[conversation] = draft

    def _on_scheduled(self, data):
        self.scheduled.pop(data["scheduled_id"], None)
        if data["scheduled"]:
            self.scheduled[data["scheduled_id"]] = data["scheduled"]

    def _on_settings(self, data):
        self.settings[data["conversation_id"]] = data["my"]

    def _on_block(self, data):
        (self.blocks.add if data["blocked"] else self.blocks.discard)(data["user_id"])

    def _on_profile(self, data):
        self.profile = data["user"]

    def _on_removed(self, data):
        """Unless what I have is from after it: I may be a member again."""
        if sum(self.places.get(data["conversation_id"], (0, 0))) < data["seq"] + data["rev"]:
            self.drop(data["conversation_id"])

    # -- for tests

    def view(self, conversation, now=None):
        """Messages that I see, oldest first: not what is deleted for me, nor what has expired."""
        now = now or time.time()
        return [m for _, m in sorted(self.messages[conversation].items())
                if m["id"] not in self.hidden and not (m["expires_at"] and seconds_of(m["expires_at"]) <= now)]
