"""A table that was analysed while it held nothing is planned as nothing, and a plan is kept: no statement may then read a table whole as it grows."""

import uuid

from peal.find import indexed
from peal.people import Person

STACK = {"postgres": {"autovacuum": "off"}}
MESSAGES, PEOPLE = 1500, 5
READ = "SELECT relname, seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables WHERE n_live_tup > 500 ORDER BY seq_tup_read DESC"


def _work(stack):
    """Somebody in a group of five does what people do."""
    one, *others = (Person(stack) for _ in range(PEOPLE))
    group, direct = one.group(*others), one.start(others[0])
    for n in range(MESSAGES):
        place = (group, direct)[n % 2]
        message = one.say(place, f"word{n} and some more")
        if n % 5 == 0:
            others[0].rest.post(f"/messages/{message['id']}/reactions", {"emoji": "👍"}, expect=200)
            others[0].rest.post(f"/messages/{message['id']}/read", expect=200)
            one.rest.patch(f"/messages/{message['id']}", {"content": f"word{n} is edited"}, expect=200)
    return one, group


def test_nothing_is_read_whole_though_it_was_planned_while_empty(stack):
    stack.psql("VACUUM ANALYZE")
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
