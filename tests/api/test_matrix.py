"""The authorization matrix: tests/api/matrix.yaml, run over HTTP and over the socket."""

import asyncio
import pathlib

import pytest
import yaml

from peal import contract, media, tokens, truth
from peal.people import Person
from peal.ws import Socket

MATRIX = yaml.safe_load((pathlib.Path(__file__).parent / "matrix.yaml").read_text())
UNKNOWN = ("anonymous", "malformed", "forged", "expired")
KNOWN = ("stranger", "peer", "me")
ROWS = [(op, i, row) for op, rows in MATRIX.items() for i, row in enumerate(rows)]
IDS = [f"{op}-{i}" for op, i, _ in ROWS]


class World:
    def __init__(self, stack):
        self.me, self.peer, self.stranger, self.x, self.y = (Person(stack, n) for n in ("me", "peer", "stranger", "ex", "why"))
        ours = self.me.start(self.peer)
        for who in (self.me, self.me, self.peer):
            who.say(ours, f"by {who.username}")
        theirs = self.x.start(self.y)
        self.x.say(theirs, "theirs", client_id="their-key")
        hidden = self.x.start(self.peer)
        picture = media.png()
        mine, used, other = (p.rest.post("/messages/upload-image", raw=picture, headers={"Content-Type": "image/png"}, expect=201)["id"]
                             for p in (self.me, self.me, self.x))
        self.me.rest.post(f"/conversations/{ours}/messages", {"client_id": "picture", "message_type": "image", "attachment_ids": [used]},
                          expect=201)
        self.names = {"mine": mine, "used": used, "other": other, "no_attachment": "0" * 32, "ours": ours, "theirs": theirs, "hidden": hidden, "nobody": "987654321", "peer": self.peer.id,
                      "forged_refresh": "A" * 75}
        token = self.me.token
        self.tokens = {"anonymous": None, "malformed": "a.b.c", "forged": tokens.altered(stack, token, key=tokens.other_key()),
                       "expired": tokens.expired(stack, token), "stranger": self.stranger.token, "peer": self.peer.token, "me": token}

    def fill(self, value):
        if isinstance(value, dict):
            return {k: self.fill(v) for k, v in value.items()}
        return value.format(**self.names) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def world(stack):
    return World(stack)


def wanted(row):
    """caller -> the answers that are right, as (status, code or None)."""
    want = {}
    if "everybody" in row:
        want = dict.fromkeys(UNKNOWN + KNOWN, row["everybody"])
    if row.get("refused"):
        want |= dict.fromkeys(UNKNOWN, "401 unauthenticated") | {"expired": "401 token_expired"}
    want |= {k: v for k, v in row.items() if k in KNOWN + UNKNOWN}
    out = {}
    for caller, text in want.items():
        words = str(text).split()
        out[caller] = {(int(w), None) for w in words} if all(w.isdigit() for w in words) else {(int(words[0]), words[1])}
    return out


def test_every_operation_has_rows():
    operations = contract.rest().by_id
    assert set(MATRIX) == set(operations), "an operation without rows, or rows without an operation"
    for op, rows in MATRIX.items():
        rest = operations[op]
        for row in rows:
            method, path = row["call"].split()
            assert contract.rest().find(method, path.split("?")[0]) is rest, f"{op}: {row['call']} is another operation"
            callers = set(wanted(row))
            assert callers >= (set(UNKNOWN) if rest.secured else set(UNKNOWN + KNOWN)), f"{op}: {row['call']}: {callers}"
        callers = set().union(*(wanted(row) for row in rows))
        assert callers == set(UNKNOWN + KNOWN), f"{op}: nobody asks as {set(UNKNOWN + KNOWN) - callers}"
        if any(p["in"] == "path" for p in rest.parameters):
            foreign = [r for r in rows if "404" in str(r.get("me")) and ("{theirs}" in r["call"] or "{nobody}" in r["call"] or "{other}" in r["call"])]
            assert foreign, f"{op}: no row asks for what is another's"


@pytest.mark.parametrize("op, i, row", ROWS, ids=IDS)
def test_over_http(world, anonymous, op, i, row):
    method, path = row["call"].split()
    log = []
    for caller, answers in wanted(row).items():
        reply = anonymous.call(method, world.fill(path), world.fill(row.get("body")), token=world.tokens[caller], valid=False)
        if (reply.status, reply.code) not in answers:
            log.append(f"{caller}: wanted {answers}, got {reply}")
    assert not log, "\n".join(log)


@pytest.mark.parametrize("op, i, row", [(o, i, r) for o, i, r in ROWS if r.get("socket") is not False],
                         ids=[f"{o}-{i}" for o, i, r in ROWS if r.get("socket") is not False])
def test_over_the_socket(stack, world, op, i, row):
    """The same rules by the other door; /auth does not exist there."""
    method, path = row["call"].split()

    async def run():
        log = []
        for caller, answers in wanted(row).items():
            if caller not in KNOWN:
                continue
            async with await Socket.open(stack, world.tokens[caller]) as socket:
                await socket.hello()
                reply = await socket.request(1, method, "/api/v1" + world.fill(path), world.fill(row.get("body")))
                status = reply.get("status")
                code = reply["body"].get("code") if status and status >= 400 else None
                if path.startswith("/auth/"):
                    answers, status, code = {("error", "forbidden")}, reply["type"], reply.get("code")
                if (status, code) not in answers:
                    log.append(f"{caller}: wanted {answers}, got {reply}")
        assert not log, "\n".join(log)
    asyncio.run(run())


def test_nothing_of_it_reached_the_others(stack, world):
    """After all of the above: what strangers tried is nowhere."""
    assert [m[3] for m in truth.messages(stack, world.names["theirs"])] == ["theirs"]
    assert truth.messages(stack, world.names["hidden"]) == []
    for _, _, _, content in truth.messages(stack, world.names["ours"]):
        assert content is None or "secret" not in content
    marks = truth.rows(stack, "SELECT read_seq FROM member WHERE conversation_id = %s AND user_id = %s", int(world.names["theirs"]), int(world.y.id))
    assert marks == [(0,)]
