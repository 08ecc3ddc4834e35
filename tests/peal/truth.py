"""What the database says, to compare devices and replies with."""

import contextlib


@contextlib.contextmanager
def cursor(stack):
    connection = stack.db()
    try:
        connection.autocommit = True
        with connection.cursor() as c:
            yield c
    finally:
        connection.close()


def rows(stack, sql, *args):
    with cursor(stack) as c:
        c.execute(sql, args)
        return c.fetchall() if c.description else None


def messages(stack, conversation):
    """[(seq, sender, client_id, content)] in order."""
    return [(s, str(u), k, t) for s, u, k, t in rows(
        stack, "SELECT seq, sender_id, client_id, content FROM message WHERE conversation_id = %s ORDER BY seq", int(conversation))]


def places(stack, user):
    """conversation -> (last_seq, last_rev) of everything that the user can see."""
    return {str(c): (s, r) for c, s, r in rows(
        stack, "SELECT c.id, c.last_seq, c.last_rev FROM member m JOIN conversation c ON c.id = m.conversation_id "
               "WHERE m.user_id = %s AND NOT m.hidden", int(user))}


def check_dense(stack, conversation):
    """The log of a conversation has every position once, and every seq is a message."""
    (last_seq, last_rev), = rows(stack, "SELECT last_seq, last_rev FROM conversation WHERE id = %s", int(conversation))
    positions = [p for p, in rows(stack, "SELECT position FROM event WHERE conversation_id = %s ORDER BY position", int(conversation))]
    assert positions == list(range(1, last_seq + last_rev + 1)), f"conversation {conversation}: the log is not dense"
    seqs = [s for s, *_ in messages(stack, conversation)]
    assert seqs == list(range(1, last_seq + 1)), f"conversation {conversation}: messages are not dense"


def user_rev(stack, user):
    return rows(stack, "SELECT last_user_rev FROM users WHERE id = %s", int(user))[0][0]


def has_arrived(device):
    """Is the device where the database is, in every conversation and in its own stream?"""
    stack, user = device.stack, device.person.id
    return device.places == places(stack, user) and device.user_rev == user_rev(stack, user)


def check_device(device):
    """Everything since the device's base was applied, once, in order, with the content that the database has."""
    stack = device.stack
    assert not device.wrong, device.wrong
    for conversation, place in places(stack, device.person.id).items():
        assert device.places.get(conversation) == place, \
            f"{device.device_id}: at {device.places.get(conversation)} in {conversation}, the database at {place}; {dict(device.stats)}"
        base = device.base.get(conversation, (0, 0))
        positions = [e["seq"] + e["rev"] for e in device.applied[conversation]]
        assert positions == list(range(sum(base) + 1, sum(place) + 1)), f"{device.device_id}: {conversation}: {positions[:20]}..."
        changed = {m["data"]["message"]["seq"] for m in device.applied[conversation] if m["type"] in ("message_deleted", "message_edited")}
        got = [(m["seq"], m["sender_id"], m["client_id"], m["content"]) for m in device.messages(conversation)]
        want = [m for m in messages(stack, conversation) if m[0] > base[0]]
        assert [m[:3] for m in got] == [m[:3] for m in want], f"{device.device_id}: {conversation} differs from the database"
        for mine, theirs in zip(got, want):
            assert mine == theirs or mine[0] in changed or theirs[3] is None, (mine, theirs)
    rev = user_rev(stack, device.person.id)
    assert device.user_rev == rev, f"{device.device_id}: user_rev {device.user_rev}, the database {rev}"
    revs = [e["user_rev"] for e in device.user_applied]
    assert revs == list(range(rev - len(revs) + 1, rev + 1)), revs
