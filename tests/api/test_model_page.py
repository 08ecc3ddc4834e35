"""The model of tests/peal/model.py against the examples and the sentences of docs/model.md. No product takes part."""

import pytest

from peal.model import Model


@pytest.fixture
def model():
    model = Model()
    for name in ("alice", "bob", "carol", "dave"):
        model.join(name)
    return model


def done(model, name, by, /, at=1.0, **arguments):
    refused = model.apply(name, by, at=at, **arguments)
    assert refused is None, f"{by} {name} {arguments}: {refused}"


def say(model, by, place="c", content="x", **more):
    done(model, "send", by, place=place, content=content, **more)


def group(model, *people, history="joined"):
    done(model, "create_group", "alice", name="The group", people=people, id="g", history=history)
    return model.places["g"]


def positions(place):
    return [e.position for e in place.events]


def test_numbers(model):
    """Alice says A, Bob reacts to it, Alice says B: positions are dense, whatever happened."""
    done(model, "start", "alice", peer="bob", id="c")
    assert model.apply("send", "bob", place="c", content="?") == {"not_found"}, "hidden until the first message"
    say(model, "alice", content="A")
    done(model, "react", "bob", place="c", seq=1, emoji="+")
    say(model, "alice", content="B")
    found = model.places["c"]
    assert [(e.kind, e.seq, e.rev) for e in found.events] == [
        ("conversation_created", 0, 1), ("new_message", 1, 1), ("reaction_added", 1, 2), ("new_message", 2, 2)]
    assert positions(found) == [1, 2, 3, 4]


def test_unread(model):
    """The example: five said, three read, and what each thing then does to what is unread."""
    done(model, "start", "bob", peer="alice", id="c")
    for _ in range(5):
        say(model, "bob")
    done(model, "read", "alice", place="c", seq=3)
    assert model.unread("alice", "c", 1) == (2, 0)
    done(model, "delete_for_me", "alice", place="c", seq=4)
    assert model.unread("alice", "c", 1) == (1, 0)
    done(model, "delete", "bob", place="c", seq=5)
    assert model.unread("alice", "c", 1) == (0, 0)
    say(model, "bob")
    assert model.unread("alice", "c", 1) == (1, 0)
    say(model, "alice")
    assert model.places["c"].members["alice"].read_seq == 3
    assert model.unread("alice", "c", 1) == (1, 0)
    done(model, "mark_unread", "alice", place="c", seq=2)
    assert model.unread("alice", "c", 1) == (3, 0)
    done(model, "read", "alice", place="c", seq=7)
    assert model.unread("alice", "c", 1) == (0, 0)
    say(model, "alice")
    assert model.places["c"].members["alice"].read_seq == 8, "nothing of others was unread"


def test_floor(model):
    """A group at seq 40: Carol joins at 40, her floor is 41; she leaves and is back at 60 with a floor of 61."""
    found = group(model, "bob")
    while found.last_seq < 40:
        say(model, "bob", "g")
    done(model, "add", "alice", place="g", people=["carol"])
    carol = found.members["carol"]
    assert (carol.joined_seq, found.floor(carol), found.last_seq) == (40, 41, 41)
    assert found.messages[41].system["kind"] == "member_added"
    assert [m.seq for m in model.visible("carol", "g", 1)] == [41]
    assert model.replay("carol", "g", 1)[0] == (carol.joined_position, "conversation_created")
    assert model.unread("carol", "g", 1) == (0, 0)
    done(model, "remove", "carol", place="g", user="carol")
    assert model.apply("read", "carol", place="g", seq=1) == {"not_found"}
    assert model.people["carol"].stream == ["removed"]
    while found.last_seq < 60:
        say(model, "bob", "g")
    done(model, "add", "alice", place="g", people=["carol"])
    assert found.floor(found.members["carol"]) == 61
    done(model, "update", "alice", place="g", history="all")
    assert found.floor(found.members["carol"]) == 1


def test_succession(model):
    found = group(model, "bob", "carol", "dave")
    done(model, "set_role", "alice", place="g", user="carol", role="admin")
    assert model.apply("set_role", "alice", place="g", user="alice", role="member") == {"last_owner"}
    assert model.apply("remove", "carol", place="g", user="alice") == {"forbidden"}, "only an owner removes an admin"
    done(model, "remove", "alice", place="g", user="alice")
    assert found.owners() == ["carol"], "the longest-standing admin"
    done(model, "remove", "carol", place="g", user="carol")
    assert found.owners() == ["bob"], "the longest-standing member"
    assert model.apply("remove", "dave", place="g", user="bob") == {"forbidden"}
    done(model, "remove", "bob", place="g", user="bob")
    done(model, "remove", "dave", place="g", user="dave")
    assert not found.members and positions(found) == list(range(1, len(found.events) + 1))


def test_marks(model):
    done(model, "start", "alice", peer="bob", id="c")
    say(model, "alice")
    message = model.places["c"].messages[1]
    assert model.receipts("c", message) == (0, 0, "sent")
    done(model, "acknowledge", "bob", place="c", seq=1)
    assert model.receipts("c", message) == (1, 0, "delivered")
    done(model, "read", "bob", place="c", seq=1, private=True)
    assert model.receipts("c", message) == (1, 0, "delivered") and model.unread("bob", "c", 1) == (0, 0)
    done(model, "read", "bob", place="c", seq=1)
    assert model.receipts("c", message) == (1, 1, "read")
    done(model, "read", "bob", place="c", seq=1)
    assert model.people["bob"].stream == ["read", "read"], "what moves nothing says nothing"
    done(model, "privacy", "bob", read_receipts=False)
    say(model, "alice")
    done(model, "read", "bob", place="c", seq=2)
    bob = model.places["c"].members["bob"]
    assert (bob.read_seq, bob.receipt_seq) == (2, 1)


def test_mentions(model):
    group(model, "bob")
    mention = [{"user_id": "bob", "offset": 0, "length": 1}]
    say(model, "alice", "g", mentions=mention)
    assert model.apply("send", "alice", place="g", mentions=[{"user_id": "dave", "offset": 0, "length": 1}]) == {"invalid"}
    assert model.unread("bob", "g", 1) == (1, 1)
    message = model.places["g"].messages[2]
    assert model.notifies("bob", message, "g")
    done(model, "block", "bob", user="alice", on=True)
    assert not model.notifies("bob", message, "g")


def test_editing_and_deleting(model):
    group(model, "bob", "carol")
    say(model, "bob", "g", "one")
    assert model.apply("edit", "carol", place="g", seq=2, content="two") == {"forbidden"}
    done(model, "edit", "bob", place="g", seq=2, content="two", if_version=1)
    assert model.apply("edit", "bob", place="g", seq=2, content="three", if_version=1) == {"stale_version"}
    message = model.places["g"].messages[2]
    assert (message.version, message.revisions, message.rev) == (2, [(1, "one")], 2)
    done(model, "react", "carol", place="g", seq=2, emoji="+")
    done(model, "pin", "alice", place="g", seq=2, on=True)
    assert model.apply("pin", "bob", place="g", seq=2, on=False) == {"forbidden"}
    done(model, "star", "carol", place="g", seq=2, on=True)
    assert model.apply("delete", "carol", place="g", seq=2) == {"forbidden"}
    done(model, "delete", "alice", place="g", seq=2)
    assert (message.content, message.pinned, message.revisions, message.counts()) == (None, False, [], [])
    assert message in model.visible("carol", "g", 1), "a tombstone stays"
    assert model.apply("edit", "bob", place="g", seq=2, content="four") == {"deleted"}
    assert model.apply("react", "bob", place="g", seq=2, emoji="+") == {"deleted"}
    done(model, "delete_for_me", "carol", place="g", seq=2)
    assert model.starred("carol", 1) == [] and (7, "skipped") in model.replay("carol", "g", 1)
    assert positions(model.places["g"]) == list(range(1, len(model.places["g"].events) + 1))


def test_expiry(model):
    group(model, "bob")
    done(model, "update", "alice", place="g", ttl_seconds=10)
    say(model, "bob", "g", at=100)
    say(model, "bob", "g", at=100, expires_in=5)
    say(model, "bob", "g", at=100, expires_in=50)
    assert [m.expires_at for m in list(model.places["g"].messages.values())[-3:]] == [110, 105, 110]
    assert model.unread("alice", "g", 104)[0] == 3
    assert model.unread("alice", "g", 105)[0] == 2
    assert [m.kind for m in model.visible("alice", "g", 110)] == ["system", "system"]
    assert model.apply("react", "alice", place="g", seq=3, emoji="+", at=110) == {"not_found"}
    done(model, "retain", "alice", place="g", first_seq=2)


def test_polls(model):
    group(model, "bob")
    say(model, "alice", "g", kind="poll", poll={"question": "?", "options": ["a", "b", "c"], "closes_at": 50})
    assert model.apply("vote", "bob", place="g", seq=2, options=[0, 1], at=1) == {"invalid"}
    done(model, "vote", "bob", place="g", seq=2, options=[1])
    done(model, "vote", "alice", place="g", seq=2, options=[1])
    poll = model.places["g"].messages[2]
    assert poll.tally() == [0, 2, 0]
    done(model, "vote", "bob", place="g", seq=2, options=[2])
    done(model, "vote", "alice", place="g", seq=2, options=[])
    assert poll.tally() == [0, 0, 1]
    assert model.apply("vote", "bob", place="g", seq=2, options=[0], at=50) == {"poll_closed"}
    assert model.apply("edit", "alice", place="g", seq=2, content="x") == {"wrong_kind"}


def test_blocks(model):
    done(model, "start", "alice", peer="bob", id="c")
    say(model, "alice")
    done(model, "block", "bob", user="alice", on=True)
    group(model, "carol")
    for who in ("alice", "bob"):
        for name, arguments in (("send", {"content": "x"}), ("react", {"seq": 1, "emoji": "+"}), ("pin", {"seq": 1, "on": True})):
            assert model.apply(name, who, place="c", **arguments) == {"blocked"}
    assert model.apply("edit", "alice", place="c", seq=1, content="y") == {"blocked"}
    assert model.apply("add", "alice", place="g", people=["bob"]) == {"blocked"}
    done(model, "read", "bob", place="c", seq=1)
    done(model, "delete", "alice", place="c", seq=1)
    done(model, "start", "alice", peer="bob", id="another")
    done(model, "block", "bob", user="alice", on=False)
    say(model, "alice")


def test_forwarding_and_replies(model):
    group(model, "bob", "carol")
    done(model, "start", "alice", peer="dave", id="c")
    say(model, "bob", "g", "secret", at=7.0)
    assert model.apply("send", "dave", place="c", content="x", reply_seq=1) == {"not_found"}
    say(model, "alice", "c", forward=("g", 2))
    copy = model.places["c"].messages[1]
    assert (copy.content, copy.forward_of) == ("secret", ("bob", 7.0))
    done(model, "edit", "bob", place="g", seq=2, content="changed")
    assert copy.content == "secret"
    assert "not_found" in model.apply("send", "dave", place="c", forward=("g", 2))
    assert model.apply("send", "dave", place="c", content="x", reply_seq=9) == {"invalid"}


def test_scheduled(model):
    group(model, "bob")
    done(model, "schedule", "bob", place="g", id="s1", send_at=50, content="later")
    done(model, "schedule", "bob", place="g", id="s2", send_at=60, content="too late")
    say(model, "alice", "g")
    done(model, "fire", "bob", id="s1", at=50)
    bob = model.places["g"].members["bob"]
    assert model.places["g"].messages[3].content == "later" and bob.read_seq == 0
    done(model, "remove", "alice", place="g", user="bob")
    done(model, "fire", "bob", id="s2", at=60)
    assert model.people["bob"].scheduled["s2"]["failure"] == {"not_found"}
    done(model, "unschedule", "bob", id="s2")
    assert model.people["bob"].stream == ["scheduled", "scheduled", "scheduled", "removed", "scheduled", "scheduled"]


def test_lists(model):
    group(model, "bob")
    done(model, "start", "alice", peer="bob", id="c")
    assert [p.id for p in model.listed("alice")] == ["c", "g"] and [p.id for p in model.listed("bob")] == ["g"]
    say(model, "alice")
    say(model, "bob", "g")
    assert [p.id for p in model.listed("bob")] == ["g", "c"]
    done(model, "settings", "bob", place="c", pinned=True)
    assert [p.id for p in model.listed("bob")] == ["c", "g"]
    done(model, "settings", "bob", place="c", archived=True)
    assert [p.id for p in model.listed("bob")] == ["g"] and [p.id for p in model.listed("bob", archived=True)] == ["c"]
    seen, before, after = model.page("bob", "g", 1, limit=1)
    assert [m.seq for m in seen] == [2] and (before, after) == (True, False)
    seen, before, after = model.page("bob", "g", 1, limit=1, after=0)
    assert [m.seq for m in seen] == [1] and (before, after) == (False, True)
