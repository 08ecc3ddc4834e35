"""A table that was analysed while it held nothing is planned as nothing, and a plan is kept: no statement may then read a table whole as it grows."""

import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import explain  # noqa: E402

from peal.find import indexed
from peal.people import Person

STACK = {"postgres": {"autovacuum": "off"}}
MESSAGES, PEOPLE = 1500, 5
READ = "SELECT relname, seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables WHERE n_live_tup > 500 ORDER BY seq_tup_read DESC"


def _work(stack):
    """Somebody in a group of five does what people do."""
    one, *others = (Person(stack) for _ in range(PEOPLE))
    group, direct = one.group(*others), one.start(others[0])
    said = {}
    for n in range(MESSAGES):
        place = (group, direct)[n % 2]
        message = one.say(place, f"word{n} and some more", reply_to=said.get(place))
        said[place] = message["id"]
        if n % 5 == 0:
            others[0].rest.post(f"/messages/{message['id']}/reactions", {"emoji": "👍"}, expect=200)
            others[0].rest.post(f"/messages/{message['id']}/read", expect=200)
            one.rest.patch(f"/messages/{message['id']}", {"content": f"word{n} is edited"}, expect=200)
            one.rest.post(f"/messages/{message['id']}/star", expect=200)
    return one, group


def test_nothing_is_read_whole_though_it_was_planned_while_empty(stack):
    stack.psql("VACUUM ANALYZE")
    with explain.Session(stack) as early:
        for name in LISTED:
            _explained(early, name, 1, 1)
        one, group = _work(stack)
        indexed(stack)
        for _ in range(20):
            one.history(group)
            one.rest.get("/conversations", expect=200)
            one.rest.get("/messages/search", query={"q": f"word{uuid.uuid4().int % MESSAGES}"}, expect=200)
            one.rest.get("/sync", expect=200)
        stack.psql("SELECT pg_stat_force_next_flush()")
        with stack.db("postgres") as db, db.cursor() as c:
            c.execute(READ)
            found = c.fetchall()
        read, fetched = {table: n for table, n, _ in found}, {table: n for table, _, n in found}
        assert {"message", "message_key", "message_search_1"} <= set(read), "the work did not fill the tables"
        assert {table: n for table, n in read.items() if n > 3 * MESSAGES} == {}
        assert fetched["message_search_1"] <= 3 * MESSAGES and fetched["message_key"] <= 3 * MESSAGES
        _lists_are_probed(early, int(one.id), int(group))


# Lists of fifty messages, each of them a reply: of some tables the rows that may be read.
LISTED = {
    "message_page": (("me", "group", 0, 0, 50), {"message": 120, "member": 20}),
    "event_replay": (("group", 50, 50, "me", "2000-01-01"), {"message": 110, "conversation": 50}),
    "detail_starred": (("me", "9999-12-31", 0, 0, 50), {"message": 200}),
    "search_messages": (("me", "fifty groups", "fifty seqs"), {"message": 150}),
    "search_texts": (("me", "fifty groups", "fifty seqs"), {"message": 50}),
    "message_since": (("me", "2000-01-01", 0, 0, 50), {"message": 2 * MESSAGES}),
}


def _explained(session, name, me, group):
    known = {"me": me, "group": group, "fifty groups": [group] * 50, "fifty seqs": list(range(50, 100))}
    return session.explain(name, *(known.get(a, a) for a in LISTED[name][0]))


def _lists_are_probed(session, me, group):
    """By the plans that the session has kept."""
    for name, (_, most) in LISTED.items():
        plan = _explained(session, name, me, group)
        assert plan.rows >= 50, f"{name}\n{plan}"
        read = {table: plan.read(table) for table in most}
        assert not [table for table, n in most.items() if read[table] > n], f"{name}: {read}\n{plan}"
