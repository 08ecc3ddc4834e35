"""Finding people among 100,000: what the statement reads does not depend on how many a letter is the beginning of."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import explain  # noqa: E402

from peal import truth  # noqa: E402

STACK = {"postgres": {"shared_buffers": "256MB", "max_wal_size": "2GB"}}
PEOPLE, FRIENDS, MINE = 100_000, 40, 300
ME, FIRST = 1, (0, "", 0)
PAGE = 21
# Every name begins with one of 20 syllables, and so does every family name; some 5,000 people begin with each.
LOAD = """
INSERT INTO users (username, display_name) SELECT s[1 + n % 20] || n, initcap(s[1 + n % 20]) || n % 977 || ' ' || initcap(s[1 + n / 20 % 20]) || n % 499
FROM generate_series(1, {people}) n, (SELECT ARRAY(SELECT c || v FROM unnest('{{b,d,k,m,s}}'::text[]) c, unnest('{{a,e,i,o}}'::text[]) v) AS s) x;
INSERT INTO conversation (kind, name, created_by, participant_count) SELECT 2, 'g', 1, {friends} FROM generate_series(1, {mine});
INSERT INTO member (conversation_id, user_id) SELECT c, 1 FROM generate_series(1, {mine}) c;
INSERT INTO member (conversation_id, user_id) SELECT c, 1 + c * 37 + f FROM generate_series(1, {mine}) c, generate_series(1, {friends} - 1) f ON CONFLICT DO NOTHING;
INSERT INTO conversation (kind, name, created_by, participant_count) VALUES (2, 'all', 1, 5000);
INSERT INTO member (conversation_id, user_id) SELECT {mine} + 1, n FROM generate_series(1, 5000) n;
VACUUM ANALYZE;
"""


@pytest.fixture(scope="module")
def session(stack):
    stack.stop("peal-jobs")
    stack.psql("SET session_replication_role = replica; " + LOAD.split(";")[0].format(people=PEOPLE))
    stack.psql("INSERT INTO directory_word SELECT u.id, w FROM users u, unnest(directory_words(u.username, u.display_name)) AS w")
    for statement in LOAD.split(";")[1:]:
        if statement.strip():
            stack.psql(statement.format(people=PEOPLE, friends=FRIENDS, mine=MINE))
    with explain.Session(stack) as opened:
        yield opened


# what was typed, by whom, after which place; rows that come, pages and rows that may be read
CASES = {
    "a letter that 20,000 people begin with": (("b", ME, FIRST), PAGE, 17000, 7000),
    "the same by somebody who knows nobody": (("b", PEOPLE, FIRST), PAGE, 500, 150),
    "its second page": (("b", PEOPLE, (1, "ba10", 0)), PAGE, 500, 150),
    "one person": (("ba40020", ME, FIRST), 1, 17000, 5000),
    "one person, by somebody who knows nobody": (("ba40020", PEOPLE, FIRST), 1, 60, 20),
    "two words": (("ba4 de3", PEOPLE, FIRST), None, 29000, 10000),
    "nobody": (("xyz", PEOPLE, FIRST), 0, 40, 10),
    "nothing but a sign": (("%", PEOPLE, FIRST), 0, 40, 10),
}


@pytest.mark.parametrize("case", CASES)
def test_it_reads_little(session, case):
    (typed, me, after), rows, pages, read = CASES[case]
    plan = session.explain("directory_search", me, typed, *after, PAGE)
    assert rows is None or plan.rows == rows, f"{plan.rows} rows came\n{plan}"
    assert not plan.swept() & {"directory_word", "users", "member", "conversation"}, f"{plan}"
    assert plan.buffers <= pages, f"{plan.buffers} pages\n{plan}"
    assert plan.read() <= read, f"{plan.read()} rows were read\n{plan}"


def test_those_i_know_come_first(session):
    found = session.execute("directory_search", ME, "b", *FIRST, PAGE)
    assert [row[0] for row in found] == [0] * PAGE, "of 300 groups of 40 there are enough"
    assert found == sorted(found, key=lambda row: row[:3])
    everybody = [row[2] for row in session.execute("directory_search", PEOPLE, "b", *FIRST, PEOPLE)]
    want, = truth.rows(session.stack, "SELECT array_agg(DISTINCT user_id) FROM directory_word WHERE word ^@ 'b'")[0]
    assert sorted(everybody) == sorted(want) and len(want) > PEOPLE / 5, "everybody once"
