"""The examples of docs/openapi.yaml are sent, and are accepted. Ids in them stand for things that are there: these are put in their place,
by the name of the member or parameter, and nothing else is changed."""

import copy
import datetime
import uuid

import pytest

from peal import contract, media
from peal.people import PASSWORD, Person

# Operations whose examples cannot be sent as they stand, since they hold what only its owner can make at that moment; who tries them.
ELSEWHERE = {
    "loginFactor": "test_factors", "confirmTotp": "test_factors", "endTotp": "test_factors", "renewRecoveryCodes": "test_factors",
    "loginPasskey": "test_passkeys", "addPasskey": "test_passkeys", "newPasskeyOptions": "test_passkeys", "renamePasskey": "test_passkeys",
    "removePasskey": "test_passkeys", "beginTotp": "test_factors", "beginProviderLogin": "test_oidc", "endProviderLogin": "test_oidc", "beginLink": "test_oidc",
    "removeIdentity": "test_identities", "eraseMe": "test_erasure", "exportMe": "test_export", "getExport": "test_export", "registerApp": "test_notifications", "removePushSubscription": "test_notifications",
    "refresh": "test_auth", "uploadAudio": "test_sounds", "uploadFile": "test_files", "uploadImage": "test_pictures", "uploadVideo": "test_films",
    "beginUpload": "test_tus", "getUpload": "test_tus", "continueUpload": "test_tus", "endUpload": "test_tus", "downloadAttachment": "test_life", "getPresences": "test_presence"}
OPERATIONS = [op for op in contract.rest().operations if op.id not in ELSEWHERE]


def examples(op):
    content = op.raw.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [(name, example["value"]) for name, example in content.get("examples", {}).items()] or [("none", None)]


CASES = [(op, name, body) for op in OPERATIONS for name, body in examples(op)]


@pytest.fixture(scope="module")
def people(stack):
    made = [Person(stack, name) for name in ("me", "peer", "third", "spare", "other")]
    made[0].say(made[0].start(made[4]), "we know each other")
    with stack.db() as db, db.cursor() as c:
        c.execute("UPDATE users SET site_role = 2 WHERE id = %s", (int(made[0].id),))
    return made


class World:
    """What the examples speak of, fresh for each of them."""

    def __init__(self, people, op):
        self.me, self.peer, self.third, self.spare, self.other = people
        self.op = op
        me, peer = self.me, self.peer
        self.group = me.group(peer, self.third)
        self.direct = me.start(peer)
        self.mine = me.say(self.group, "mine 👋 and long enough to be mentioned in")["id"]
        self.theirs = peer.say(self.group, "theirs")["id"]
        poll = {"client_id": f"poll-{uuid.uuid4()}", "message_type": "poll", "poll": {"question": "?", "options": ["a", "b", "c"], "multiple": True}}
        self.poll = me.rest.post(f"/conversations/{self.group}/messages", poll, expect=201)["id"]

    def picture(self):
        return self.me.rest.post("/messages/upload-image", raw=media.png(), headers={"Content-Type": "image/png"}, expect=201)["id"]

    def scheduled(self):
        return self.me.rest.post(f"/conversations/{self.group}/messages", {"client_id": f"later-{uuid.uuid4()}", "message_type": "text",
                                                                          "content": "later", "send_at": tomorrow()}, expect=201)["scheduled_id"]

    def session(self):
        """Of another sign-in of mine."""
        self.me.rest.post("/auth/login", {"username": self.me.username, "password": PASSWORD, "token_delivery": "body"}, expect=200)
        return self.me.rest.get("/auth/sessions", expect=200)["items"][0]["id"]

    def report(self):
        said = self.peer.say(self.group, "to be reported")["id"]
        return self.third.rest.post("/reports", {"message_id": said, "reason": "spam"}, expect=201)["id"]

    def token(self):
        return self.me.rest.post("/tokens", {"name": "one", "scopes": ["messages:read"]}, expect=201)["id"]

    def bot(self):
        return self.me.rest.post("/bots", {"username": f"bot-{uuid.uuid4().hex[:8]}", "display_name": "Bot"}, expect=201)["id"]

    def path(self):
        """The operation's path with ids of what is there."""
        path = self.op.path.replace("{userId}", self.third.id if self.op.method == "DELETE" else self.peer.id)
        if self.op.id == "startConversation":
            return path.replace("{id}", self.third.id)
        if self.op.id == "vote":
            return path.replace("{id}", self.poll)
        for beginning, make in PATHS:
            if "{id}" in path and path.startswith(beginning):
                return path.replace("{id}", make(self))
        return path

    def body(self, value, key=None):
        if isinstance(value, dict):
            return {k: self.body(v, k) for k, v in value.items()}
        if key in MEMBERS and value is not None:
            return MEMBERS[key](self, value)
        return [self.body(v) for v in value] if isinstance(value, list) else value

    def query(self):
        """What the operation's parameters give as examples, where it cannot do without."""
        needed = {p["name"]: p.get("example") for p in self.op.parameters if p["in"] == "query" and p.get("required")}
        return {k: QUERIES[k](self) if k in QUERIES else v for k, v in needed.items()}


PATHS = [
    ("/auth/sessions/", World.session), ("/users/", lambda w: w.other.id), ("/admin/users/", lambda w: w.spare.id),
    ("/admin/reports/", World.report), ("/tokens/", World.token), ("/bots/", World.bot), ("/scheduled/", World.scheduled),
    ("/attachments/", World.picture), ("/messages/conversation/", lambda w: w.peer.id), ("/messages/", lambda w: w.mine),
    ("/conversations/", lambda w: w.group),
]
MEMBERS = {
    "participant_ids": lambda w, v: [w.peer.id, w.third.id][:len(v)], "user_ids": lambda w, v: [w.spare.id, w.other.id][:len(v)],
    "user_id": lambda w, v: w.peer.id, "conversation_id": lambda w, v: w.group, "message_id": lambda w, v: w.theirs,
    "reply_to": lambda w, v: w.theirs, "forward_of": lambda w, v: w.theirs, "avatar_id": lambda w, v: w.picture(),
    "attachment_ids": lambda w, v: [w.picture() for _ in v], "seq": lambda w, v: 1, "if_version": lambda w, v: 1,
    "bot_id": lambda w, v: w.bot(), "send_at": lambda w, v: tomorrow(),
    "username": lambda w, v: w.me.username if w.op.id == "login" else f"{v}-{uuid.uuid4().hex[:8]}",
    "password": lambda w, v: v if w.op.id == "register" else w.me.password, "old_password": lambda w, v: w.me.password,
    "muted_until": lambda w, v: tomorrow(),
}
QUERIES = {"recipient_id": lambda w: w.peer.id, "for": lambda w: "everyone", "q": lambda w: "mine", "lastMessageTimestamp": lambda w: "2026-01-02T03:04:05.678Z"}


def tomorrow():
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.parametrize("op, name, body", CASES, ids=[f"{op.id}-{name}" for op, name, _ in CASES])
def test_an_example_is_accepted(stack, people, op, name, body):
    if op.id in ("changePassword", "logout", "endOtherSessions"):        # these end what the others need
        people = [Person(stack, "brief"), *people[1:]]
    world = World(people, op)
    me = world.third if op.id == "report" else world.me
    reply = me.rest.call(op.method, world.path(), world.body(copy.deepcopy(body)), query=world.query(), headers=HEADERS.get(op.id, {}))
    assert reply.status in ACCEPTED.get((op.id, name), range(200, 300)), reply


HEADERS = {"login": {"Sec-Fetch-Site": "same-origin"}, "register": {"Sec-Fetch-Site": "same-origin"}, "logout": {"Sec-Fetch-Site": "same-origin"}}
# A code of an authenticator that nobody set up, an answer of a passkey that nobody has: the documents cannot hold one that is right.
ACCEPTED = {("prove", "both"): (204, 200, 400, 403), ("prove", "passkey"): (403,)}


def test_those_left_out_are_tried_elsewhere():
    known = {op.id for op in contract.rest().operations}
    for op, module in ELSEWHERE.items():
        assert op in known and list((contract.ROOT / "tests").glob(f"*/{module}.py")), (op, module)


def test_every_body_has_an_example():
    for op in contract.rest().operations:
        assert op.body is None or examples(op)[0][1] is not None, op
