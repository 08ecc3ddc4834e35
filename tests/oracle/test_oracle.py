"""The policies of tests/oracle/policies.sql judge; `make test` runs the whole API suite under them as its part `oracle`."""

import psycopg2
import pytest

from peal.people import Person, pair

STACK = {"oracle": True}


def seen(stack, caller, table="message"):
    """How many rows of a table the daemons' role gets while it serves a caller."""
    with psycopg2.connect(stack.dsn("peal")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT set_config('peal.caller', %s, false)", (str(caller),))
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        return cursor.fetchone()[0]


@pytest.fixture(scope="module")
def world(stack):
    me, peer, conversation = pair(stack)
    me.say(conversation, "second")
    return me, peer, Person(stack), conversation


def test_each_caller_gets_their_own_rows(stack, world):
    me, peer, stranger, _ = world
    assert [seen(stack, who) for who in (me.id, peer.id, stranger.id, 0, -1)] == [2, 2, 0, 0, 2]


def test_workers_name_the_caller(stack, world):
    """When the policies show nobody anything, the API shows nothing: no statement gets around them."""
    me, _, _, conversation = world
    page = f"/conversations/{conversation}/messages"
    assert len(me.rest.get(page, expect=200)["messages"]) == 2
    stack.psql("ALTER POLICY reading ON message USING (oracle_caller() = -1)")
    try:
        assert me.rest.get(page, expect=200)["messages"] == []
        assert me.rest.get(f"/messages/{conversation}.1").status == 404
    finally:
        stack.psql("ALTER POLICY reading ON message USING (oracle_sees(conversation_id, seq, expires_at))")
    assert len(me.rest.get(page, expect=200)["messages"]) == 2
