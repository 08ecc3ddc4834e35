"""The authorization matrix: tests/api/matrix.yaml, run over HTTP and over the socket."""

import asyncio
import datetime
import pathlib
import re

import pytest
import yaml

from peal import passkeys, contract, loop, media, tokens, truth, tus
from peal.people import Person
from peal.ws import Socket

MATRIX = yaml.safe_load((pathlib.Path(__file__).parent / "matrix.yaml").read_text())
UNKNOWN = ("anonymous", "malformed", "forged", "expired")
KNOWN = ("stranger", "ex_member", "blocked", "peer", "me", "member", "admin", "owner")
CALLERS = set(UNKNOWN + KNOWN)
PLACES = {"{ours}": {"me", "peer"}, "{group}": {"owner", "admin", "member"}, "{apart}": {"me", "blocked"}, "{theirs}": set()}   # who is in it
FOREIGN = ("{theirs}", "{hidden}", "{stranger}", "{spare}", "{nobody}", "{other}", "{their_session}", "{their_passkey}", "{planned}", "{no_attachment}", "{their_push}",
           "{their_token}", "{their_bot}", "{other_pieces}")   # names of what is another's, or nothing
PUSH_KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"     # of RFC 8291
ROWS = [(op, i, row) for op, rows in MATRIX.items() for i, row in enumerate(rows)]
IDS = [f"{op}-{i}" for op, i, _ in ROWS]


class World:
    """The people and the places that matrix.yaml names."""

    def __init__(self, stack):
        self.people = {n: Person(stack, n.replace("_", "-")) for n in KNOWN + ("spare", "ex", "why")}
        self.names = {"nobody": "987654321", "no_attachment": "0" * 32, "forged_refresh": "A" * 75,
                      "no_session": "0d9f0a4e-5b1c-4c7e-9a53-2f6b8d1e7c40"}
        self.names |= {n: p.id for n, p in self.people.items()}
        self._talk()
        self._group(stack)
        self._apart()
        token = self.people["me"].token
        self.tokens = {"anonymous": None, "malformed": "a.b.c", "forged": tokens.altered(stack, token, key=tokens.other_key()),
                       "expired": tokens.expired(stack, token)} | {n: self.people[n].token for n in KNOWN}

    def _upload(self, who):
        return self.people[who].rest.post("/messages/upload-image", raw=media.png(), headers={"Content-Type": "image/png"}, expect=201)["id"]

    def _direct(self, one, other, said):
        place = self.people[one].start(self.people[other])
        for n, who in enumerate(said):
            self.people[who].say(place, f"by {who}", client_id=f"made-{n}")
        return place

    def _talk(self):
        me, x = self.people["me"], self.people["ex"]
        self.names["their_session"] = tokens.claims_of(x.token)["sid"]
        self.names["their_passkey"] = passkeys.add(x)["id"]
        subscription = {"endpoint": f"https://push.example/{x.id}", "keys": {"p256dh": PUSH_KEY, "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}
        self.names["their_push"] = x.rest.post("/push/subscriptions", subscription, expect=201)["id"]
        (linked,), = truth.rows(x.stack, "INSERT INTO identity (issuer, subject, user_id) VALUES ('https://sso.example', %s, %s) RETURNING id",
                                f"x-{x.id}", int(x.id))
        self.names["their_identity"] = str(linked)
        self.names["ours"] = self._direct("me", "peer", ["me", "me", "peer"])
        self.names["theirs"] = x.start(self.people["why"])
        x.say(self.names["theirs"], "theirs", client_id="their-key")
        self.names["hidden"] = x.start(self.people["peer"])
        tomorrow = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)).isoformat()
        self.names["planned"] = x.rest.post(f"/conversations/{self.names['theirs']}/messages", {
            "client_id": "planned", "message_type": "text", "content": "tomorrow", "send_at": tomorrow}, expect=201)["scheduled_id"]
        self.names |= {"mine": self._upload("me"), "used": self._upload("me"), "other": self._upload("ex"), "in_group": self._upload("owner")}
        self.names |= {name: tus.begin(self.people[who], 10).rsplit("/", 1)[1] for name, who in (("pieces", "me"), ("other_pieces", "ex"))}
        self.names["their_bot"] = x.rest.post("/bots", {"username": f"bot-{x.id}"}, expect=201)["id"]
        self.names["their_token"] = x.rest.post("/tokens", {"name": "theirs", "scopes": ["messages:read"]}, expect=201)["id"]
        me.rest.post(f"/conversations/{self.names['ours']}/messages",
                     {"client_id": "picture", "message_type": "image", "attachment_ids": [self.names["used"]]}, expect=201)

    def _group(self, stack):
        """Made in SQL, so that its first message is the owner's and not the system's."""
        roles = {"owner": 3, "admin": 2, "member": 1, "ex_member": 1}
        (group,), = truth.rows(stack, "INSERT INTO conversation (kind, name, history_all, created_by, participant_count, last_rev) "
                                      "VALUES (2, 'The group', true, %s, 4, 1) RETURNING id", int(self.names["owner"]))
        truth.rows(stack, "INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id) VALUES (%s, 1, 0, 1, 2, %s)",
                   group, int(self.names["owner"]))
        for who, role in roles.items():
            truth.rows(stack, "INSERT INTO member (conversation_id, user_id, role, joined_position) VALUES (%s, %s, %s, 1)",
                       group, int(self.names[who]), role)
        self.names["group"] = str(group)
        for who in roles:
            self.people[who].say(group, f"by {who}")
        self.people["owner"].rest.post(f"/conversations/{group}/messages",
                                       {"client_id": "picture", "message_type": "image", "attachment_ids": [self.names["in_group"]]}, expect=201)
        self.people["owner"].rest.post(f"/conversations/{group}/messages",
                                       {"client_id": "poll", "message_type": "poll", "poll": {"question": "When?", "options": ["now", "later"]}}, expect=201)
        self.people["owner"].rest.delete(f"/conversations/{group}/participants/{self.names['ex_member']}", expect=204)

    def _apart(self):
        self.names["apart"] = self._direct("me", "blocked", ["me", "blocked"])
        self.names["parted"] = self._direct("blocked", "peer", ["blocked", "peer"])
        for who, whom in (("me", "blocked"), ("blocked", "peer")):
            self.people[who].rest.call("PUT", f"/users/{self.names[whom]}/block", expect=204)

    def fill(self, value, caller):
        """The names in braces, replaced by what they are here."""
        if isinstance(value, dict):
            return {k: self.fill(v, caller) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v, caller) for v in value]
        return value.format(**self.names, self=self.names.get(caller, self.names["nobody"])) if isinstance(value, str) else value

    def prepare(self, row, caller):
        for who, call, *body in row.get("before", ()):
            method, path = call.split()
            reply = self.people[who].rest.call(method, self.fill(path, caller), self.fill(body[0], caller) if body else None)
            assert reply.status < 400, f"before {row['call']}: {who}: {call}: {reply}"


@pytest.fixture(scope="module")
def world(stack):
    return World(stack)


@pytest.fixture(scope="module")
def socket_world(stack):
    return World(stack)


def answers(text):
    """`201 200` and `204 | 404 not_found` as {(status, code or None)}."""
    out = set()
    for part in str(text).split("|"):
        words = part.split()
        out |= {(int(w), None) for w in words} if all(w.isdigit() for w in words) else {(int(words[0]), words[1])}
    return out


def wanted(row):
    """caller -> the answers that are right, as (status, code or None)."""
    want = {}
    if "everybody" in row:
        want = dict.fromkeys(UNKNOWN + KNOWN, row["everybody"])
    if row.get("refused"):
        want |= dict.fromkeys(UNKNOWN, "401 unauthenticated") | {"expired": "401 token_expired"}
    want |= {k: v for k, v in row.items() if k in CALLERS}
    if "rest" in row:
        want |= {k: row["rest"] for k in KNOWN if k not in row}
    return {caller: answers(text) for caller, text in want.items()}


def takes_ids(schema, path=()):
    """Where a request body holds an id: paths of member names."""
    pattern = schema.get("pattern", "") if isinstance(schema, dict) else ""
    if pattern in ID_PATTERNS:
        yield path
    if isinstance(schema, dict):
        for name, part in schema.get("properties", {}).items():
            yield from takes_ids(part, path + (name,))
        for part in [schema.get("items"), *schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]:
            yield from takes_ids(part, path)


SCHEMAS = contract.document("openapi.yaml")["components"]["schemas"]
ID_PATTERNS = {SCHEMAS[name]["pattern"] for name in ("Id", "MessageId", "AttachmentId")}


def values_at(body, path):
    """What a body has at a path, in however many places of lists."""
    if isinstance(body, list):
        return [v for b in body for v in values_at(b, path)]
    if not path:
        return [body]
    return values_at(body[path[0]], path[1:]) if isinstance(body, dict) and path[0] in body else []


def is_refusal(row):
    """Somebody with a token is refused here: 4xx."""
    return any(status >= 400 for caller, right in wanted(row).items() if caller in KNOWN for status, _ in right)


def missing_rows(op, rows):
    """What an operation's rows leave out."""
    callers = set().union(*(wanted(row) for row in rows))
    if callers != CALLERS:
        yield f"nobody asks as {sorted(CALLERS - callers)}"
    own = op.path.startswith(("/conversations/{id}", "/messages/{id}")) and op.id != "startConversation"
    for place, inside in PLACES.items() if own else ():
        there = [row for row in rows if place in row["call"].split("?")[0]]
        if not there:
            yield f"no row for {place}"
        elif not inside <= set().union(*there):
            yield f"in {place} nobody asks as {sorted(inside - set().union(*there))}: `rest` is not enough for those who are in it"
    refused = [row for row in rows if is_refusal(row)]
    parts = op.path.split("/")
    for n in [n for n, part in enumerate(parts) if part.startswith("{")]:
        if not any(row["call"].split()[1].split("?")[0].split("/")[n].startswith(FOREIGN) for row in refused):
            yield f"no row with an id of another's as {parts[n]} of the path"
    for p in [p for p in op.parameters if p["in"] == "query" and ID_PATTERNS & {p["schema"].get("pattern")}]:
        if not any(value.startswith(FOREIGN) for row in rows for value in re.findall(rf"[?&]{p['name']}=([^&]*)", row["call"])):
            yield f"no row with an id of another's as {p['name']} of the query"
    for path in dict.fromkeys(takes_ids(op.body.schema)) if op.body else ():
        if not any(str(v).startswith(FOREIGN) for row in refused for v in values_at(row.get("body"), path)):
            yield f"no row with an id of another's as {'.'.join(path)} of the body"


def test_every_operation_has_rows():
    operations = contract.rest().by_id
    assert set(MATRIX) == set(operations), "an operation without rows, or rows without an operation"
    wrong = []
    for op, rows in MATRIX.items():
        rest = operations[op]
        for row in rows:
            method, path = row["call"].split()
            names = {"refused", "everybody", "rest", "call", "body", "headers", "socket", "before"}
            assert set(row) <= names | CALLERS, f"{op}: {row['call']}: what is {set(row) - names - CALLERS}?"
            assert contract.rest().find(method, path.split("?")[0]) is rest, f"{op}: {row['call']} is another operation"
            callers = set(wanted(row))
            assert callers >= (set(UNKNOWN) if rest.secured else CALLERS), f"{op}: {row['call']}: {callers}"
            if "{group}" in path and {"stranger", "ex_member"} <= callers:
                assert wanted(row)["ex_member"] == wanted(row)["stranger"], f"{op}: {row['call']}: an ex-member is a stranger"
        wrong += [f"{op}: {text}" for text in missing_rows(rest, rows)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("op, i, row", ROWS, ids=IDS)
def test_over_http(world, anonymous, op, i, row):
    method, path = row["call"].split()
    log = []
    for caller, right in wanted(row).items():
        world.prepare(row, caller)
        reply = anonymous.call(method, world.fill(path, caller), world.fill(row.get("body"), caller), token=world.tokens[caller],
                               headers=row.get("headers"), valid=False)
        if (reply.status, reply.code) not in right:
            log.append(f"{caller}: wanted {right}, got {reply}")
    assert not log, "\n".join(log)


@pytest.mark.parametrize("op, i, row", [(o, i, r) for o, i, r in ROWS if r.get("socket") is not False],
                         ids=[f"{o}-{i}" for o, i, r in ROWS if r.get("socket") is not False])
def test_over_the_socket(stack, socket_world, op, i, row):
    """The same rules by the other door; /auth does not exist there."""
    method, path = row["call"].split()

    async def run():
        log = []
        for caller, right in wanted(row).items():
            if caller not in KNOWN:
                continue
            await loop.run(socket_world.prepare, row, caller)
            async with await Socket.open(stack, socket_world.tokens[caller]) as socket:
                await socket.hello()
                body = socket_world.fill(row.get("body"), caller)
                reply = await socket.request(1, method, "/api/v1" + socket_world.fill(path, caller), body)
                status = reply.get("status")
                code = reply["body"].get("code") if status and status >= 400 else None
                if path.startswith("/auth/"):
                    right, status, code = {("error", "forbidden")}, reply["type"], reply.get("code")
                if (status, code) not in right:
                    log.append(f"{caller}: wanted {right}, got {reply}")
        assert not log, "\n".join(log)
    asyncio.run(run())


@pytest.mark.parametrize("door", ["world", "socket_world"])
def test_nothing_of_it_reached_the_others(stack, request, door):
    """After all of the above: what strangers tried is nowhere."""
    world = request.getfixturevalue(door)
    assert [m[3] for m in truth.messages(stack, world.names["theirs"])] == ["theirs"]
    assert truth.messages(stack, world.names["hidden"]) == []
    inside = {"ours": ("me", "peer"), "group": ("owner", "admin", "member", "ex_member"), "apart": ("me", "blocked"), "parted": ("blocked", "peer")}
    for place, people in inside.items():
        for _, sender, _, content in truth.messages(stack, world.names[place]):
            assert sender in {world.names[p] for p in people}, f"{place}: somebody who is not in it spoke"
            assert content is None or "secret" not in content
    marks = truth.rows(stack, "SELECT read_seq FROM member WHERE conversation_id = %s AND user_id = %s", int(world.names["theirs"]), int(world.names["why"]))
    assert marks == [(0,)]
