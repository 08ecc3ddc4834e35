"""What the product's statements read in a database of a million messages: pages and rows of the plans that the workers have, not times.

Besides a thousand everyday conversations there are the extremes of bench/data.py: a conversation of 300,000 messages, a person in 2,000
conversations, a group of 5,000 members. A number below is what was read when it was written, with half as much again.
"""

import pathlib
import sys
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import data  # noqa: E402
import explain  # noqa: E402

from peal import truth  # noqa: E402

STACK = {"postgres": {"shared_buffers": "512MB", "max_wal_size": "4GB"}}
SHAPE = data.Extremes(1_000_000, 300_000)
LARGE, CROWD, BUSY = SHAPE.large, SHAPE.crowd, SHAPE.busy
PAGE = 50
LATEST, LONG_AGO, LAST_USER = "9999-12-31", "2000-01-01", 0
LAST_XID = data.Clock.FIRST_XID + data.Clock.XIDS - 1
NOW, DAY_AGO, WEEK_AGO, NEVER = LAST_XID + 500, LAST_XID - 20, LAST_XID - 140, 0    # horizons of clients
MARKS = 32      # marks_max_members


def _small():
    """An everyday conversation of two people with a hundred messages, neither of whom is special: (id, who, messages)."""
    for rank in range(SHAPE.ranks_with(100), 0, -1):
        conversation = SHAPE.conversation(rank)
        people = SHAPE.members(conversation)
        if SHAPE.is_direct(conversation) and min(people) > SHAPE.CROWD and BUSY not in people:
            return conversation, people[0], SHAPE.counts[rank - 1]
    raise AssertionError("no such conversation")


SMALL, ORDINARY, SMALL_LAST = _small()
LARGE_LAST = SHAPE.largest


@pytest.fixture(scope="module")
def loaded(stack):
    stack.stop("peal-jobs")
    data.load(stack, SHAPE)
    data.mark(stack, SHAPE)
    return stack


@pytest.fixture(scope="module")
def session(loaded):
    with explain.Session(loaded) as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(session):
    """Tables in which something is."""
    session.cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > 100")
    return {name for name, in session.cursor.fetchall()}


def page_of(session, me, conversation, how=0, seq=0):
    return session.explain("message_page", me, conversation, how, seq, PAGE)


def since(horizon):
    """What the workers look up for a horizon before they ask."""
    return lambda session: session.execute("event_since", horizon)[0][0]


# statement and arguments; rows that come, pages and rows that may be read
BOUNDED = {
    "list: 2,000 conversations, 51 shown": (("conversation_list", BUSY, False, False, False, LATEST, 0, PAGE + 1), 51, 11500, 6500),
    "list: the next page": (("conversation_list", BUSY, False, True, False, "now", 6000, PAGE + 1), 51, 11500, 6500),
    "list: an ordinary person": (("conversation_list", ORDINARY, False, False, False, LATEST, 0, PAGE + 1), None, 350, 150),
    "unread: 2,000 conversations": (("conversation_unread", BUSY), None, 17000, 8500),
    "unread: in a large conversation": (("conversation_unread", 2), None, 300, 250),
    "page: of two people": (("message_page", ORDINARY, SMALL, 0, 0, PAGE), 51, 160, 90),
    "page: of 300,000 messages": (("message_page", 1, LARGE, 0, 0, PAGE), 51, 90, 90),
    "page: some are deleted for me": (("message_page", 2, LARGE, 0, 0, PAGE), 51, 350, 95),
    "page: 5,000 members, whose marks are sorted once": (("message_page", 17, CROWD, 0, 0, PAGE), 51, 800, 5200),
    "message: of 300,000": (("message_get", 1, LARGE, LARGE_LAST // 2), 1, 25, 8),
    "message: of two people": (("message_get", ORDINARY, SMALL, 10), 1, 26, 8),
    "message: 5,000 members": (("message_get", 17, CROWD, 1001), 1, 470, 5020),
    "receipts: 5,000 members": (("detail_receipts", 17, CROWD, 1001, LAST_USER, PAGE + 1), 51, 870, 460),
    "receipts: of 300,000 messages": (("detail_receipts", 1, LARGE, 1000, LAST_USER, PAGE + 1), 1, 30, 8),
    "reactions: of 5,000 people": (("detail_reactions", 17, CROWD, 1001, LAST_USER, PAGE + 1, None), 51, 260, 160),
    "starred: 2,000": (("detail_starred", BUSY, LATEST, 0, 0, PAGE + 1), 51, 2000, 800),
    "pins: of 300,000 messages": (("detail_pins", 1, LARGE, PAGE + 1), 50, 550, 160),
    "pins: 5,000 members": (("detail_pins", 17, CROWD, PAGE + 1), 50, 1000, 5300),
    "pins: none": (("detail_pins", ORDINARY, SMALL, PAGE + 1), 1, 14, 4),
    "participants: the first of 5,000": (("conversation_participants", CROWD, MARKS), 32, 600, 5100),
    "participants: a page of 5,000": (("member_list", 17, CROWD, False, 0, 0, PAGE + 1), 51, 700, 5150),
    "conversation: 300,000 messages": (("conversation_get", 1, LARGE), 1, 30, 10),
    "conversation: 5,000 members": (("conversation_get", 17, CROWD), 1, 650, 5250),
    "typing: 5,000 members": (("conversation_typing_hearers", 17, CROWD, 256), 1, 10, 4),
    "replay: in 300,000 messages": (("event_replay", LARGE, LARGE_LAST // 2, PAGE, 1, LONG_AGO), 50, 1200, 480),
    "replay: of two people": (("event_replay", SMALL, 10, PAGE, ORDINARY, LONG_AGO), 50, 1300, 480),
    "replay: my own stream": (("event_user_again", BUSY, 1900, NEVER, PAGE, LONG_AGO), 50, 1400, 500),
    "replay: 5,000 members, whose marks are sorted once": (("event_replay", CROWD, 1000, PAGE, 17, LONG_AGO), 50, 1700, 5700),
    "again: everybody in 5,000 hears": (("event_again", CROWD, 1990, NEVER, PAGE, LONG_AGO), 11, 5700, 62000),
    "poll: while Redis is away": (("event_poll", LAST_XID, PAGE), 2000, 51000, 52000),
    "poll: everybody's own streams": (("event_user_poll", LAST_XID, PAGE), None, 40000, 17000),
    "state: who comes": (("event_state", str(uuid.UUID(int=BUSY)), BUSY, LAST_XID, LONG_AGO), 1, 430, 6600),
    "removed: 2,000 conversations": (("event_removed", BUSY, list(range(10, 510)), 0, LONG_AGO), 0, 1600, 9600),
    "heads: 2,000 conversations, a day away": (("event_heads", BUSY, DAY_AGO, False, [], [], [], MARKS, since(DAY_AGO), LATEST), None, 95000, 28000),
    "heads: an ordinary person, a week away": (("event_heads", ORDINARY, WEEK_AGO, False, [], [], [], MARKS, since(WEEK_AGO), LATEST), None, 1500, 1000),
    "heads: 2,000 conversations, nothing new": (("event_heads", BUSY, NOW, False, [], [], [], MARKS, since(NOW), LATEST), 0, 20000, 18500),
    "heads: 2,000 conversations, afresh": (("event_heads", BUSY, NEVER, True, [], [], [], MARKS, LATEST, LATEST), None, 27000, 19000),
    "sync: a day away": (("event_sync_next", BUSY, DAY_AGO, 0, 0, 100, since(DAY_AGO)), 100, 8200, 1500),
    "what waits for peal-jobs": (("upkeep_waiting", 43200), 1, 120, 5),
    "sync: nothing new": (("event_sync_next", BUSY, NOW, 0, 0, 100, since(NOW)), 0, 12500, 6100),
}


@pytest.mark.parametrize("case", BOUNDED)
def test_it_reads_little(session, filled, case):
    (name, *args), rows, pages, read = BOUNDED[case]
    plan = session.explain(name, *(arg(session) if callable(arg) else arg for arg in args))
    assert rows is None or plan.rows == rows, f"{plan.rows} rows came\n{plan}"
    assert plan.rows or rows == 0, "nothing came"
    assert not plan.swept() & filled, f"{plan}"
    assert plan.buffers <= pages, f"{plan.buffers} pages\n{plan}"
    assert plan.read() <= read, f"{plan.read()} rows were read\n{plan}"


@pytest.mark.parametrize("how, in_small, in_large", [
    (0, 0, 0), (1, SMALL_LAST, LARGE_LAST), (1, SMALL_LAST, LARGE_LAST // 2), (2, 1, LARGE_LAST // 2), (2, 1, 1)],
    ids=["latest", "before_latest", "before_middle", "after_middle", "after_first"])
def test_a_page_of_a_large_conversation_reads_what_one_of_a_small_one_does(session, how, in_small, in_large):
    small = page_of(session, ORDINARY, SMALL, how, in_small)
    large = page_of(session, 1, LARGE, how, in_large)
    assert large.rows >= small.rows > 40
    assert large.buffers <= 1.3 * small.buffers, f"{large.buffers} and {small.buffers} pages\n{large}"
    assert large.read("message") <= small.read("message") + 10, f"{large}"


def test_the_list_looks_only_at_the_conversations_it_shows(session):
    plan = session.explain("conversation_list", BUSY, False, False, False, LATEST, 0, PAGE + 1)
    assert plan.read("conversation") == plan.probes("conversation") >= SHAPE.BUSY
    assert plan.probes("message") <= 4 * (PAGE + 1), f"{plan}"
    assert plan.probes("users") <= PAGE + 1, f"{plan}"


def test_the_indexer_reads_what_is_new(loaded, session):
    """It asks five times a second, however long the log is."""
    loaded.psql("UPDATE search_state SET xid = pg_snapshot_xmin(pg_current_snapshot())")
    plan = session.explain("search_pending", 100)
    assert plan.rows == 1 and not plan.read("message"), f"{plan}"
    assert plan.read("event") == 0 and plan.buffers <= 150, f"{plan.buffers} pages\n{plan}"


def test_whoever_comes_back_has_only_new_partitions_opened(session):
    moment = since(NOW)(session)
    asked = ("event_heads", ORDINARY, NOW, False, [], [], [], MARKS)
    plan, whole = session.explain(*asked, moment, LATEST), session.explain(*asked, LONG_AGO, LONG_AGO)
    assert plan.rows == whole.rows
    assert len(plan.nodes) * 3 < len(whole.nodes), f"{len(plan.nodes)} of {len(whole.nodes)}\n{plan}"


def test_unread_stops_at_a_hundred(session):
    plan = session.explain("conversation_unread", BUSY)
    assert plan.probes("message") <= plan.probes("conversation")
    session.cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT unread FROM unread_of(2, %s, 1)", [LARGE])
    plan = explain.Plan(session.cursor.fetchone()[0][0])
    assert plan.read() < 400, f"{plan}"


def test_receipts_of_somebody_who_never_says_that_they_read_walk_through_no_advances(loaded, session):
    (seq,), = truth.rows(loaded, "SELECT min(seq) FROM message WHERE conversation_id = %s AND sender_id = 1 AND seq > 1000", LARGE)
    asked = ("detail_receipts", 1, LARGE, seq, LAST_USER, PAGE + 1)
    (who, read, delivered_at, read_at), = session.execute(*asked)
    assert (who, read, read_at) == (2, False, None) and delivered_at
    plan = session.explain(*asked)
    assert plan.read("mark_advance") <= 20, f"{plan}"


def test_a_plan_without_its_indexes_would_be_noticed(loaded, filled):
    with explain.Session(loaded, "-c enable_seqscan=on -c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off") as session:
        plan = session.explain("message_get", 1, LARGE, 1000)
        assert "message" in plan.swept() & filled and plan.read("message") >= SHAPE.messages and plan.buffers > 10000
