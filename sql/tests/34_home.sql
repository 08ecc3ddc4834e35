-- A database out of a dump: whose numbers are too high, and on which side of each place they lie afterwards.
BEGIN;
SELECT plan(11);
SET LOCAL client_min_messages = warning;
CREATE FUNCTION pg_temp.far(n integer) RETURNS xid8 LANGUAGE sql IMMUTABLE AS $$ SELECT (1000000000000 + n)::text::xid8 $$;
CREATE FUNCTION pg_temp.places() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg((SELECT count(*) FROM event e WHERE e.xid >= p.xid)::text, ' ' ORDER BY p.n)
	FROM (SELECT 1, t.event_floor FROM peal_meta t UNION ALL SELECT 2, s.rebuilt_xid FROM search_state s UNION ALL SELECT 3, s.xid FROM search_state s
	      UNION ALL SELECT 4, p.xid FROM push_state p UNION ALL
	      SELECT 5, min(e.xid) FROM (SELECT e.xid FROM event e ORDER BY e.xid DESC LIMIT 1000) e) p (n, xid) $$;

SELECT is(numbers_ahead(), false, 'at home nothing lies ahead');
SELECT lives_ok($$ SELECT home_confirm() $$, 'and whoever connects is let in');
INSERT INTO users (username, display_name) SELECT 'home' || n, 'h' FROM generate_series(1, 2) n;
SELECT is(numbers_ahead(), false, 'what this transaction writes does not either');

-- a log of 1,500 events, and places within it
INSERT INTO conversation (kind, name, created_by, participant_count) SELECT 2, 'g', min(id), 0 FROM users WHERE username LIKE 'home%';
INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, xid)
SELECT (SELECT max(id) FROM conversation), n, n, 0, 1, (SELECT min(id) FROM users WHERE username LIKE 'home%'), pg_temp.far(n) FROM generate_series(1, 1500) n;
UPDATE conversation SET last_xid = pg_temp.far(1500) WHERE name = 'g';
UPDATE peal_meta SET event_floor = pg_temp.far(1), home = 'another/1';
UPDATE search_state SET rebuilt_xid = pg_temp.far(200), xid = pg_temp.far(1400);
UPDATE push_state SET xid = pg_temp.far(1498);
CREATE TEMP TABLE before AS SELECT pg_temp.places() AS places;

SELECT is(numbers_ahead(), true, 'in another cluster they lie ahead');
SELECT throws_ok($$ SELECT home_confirm() $$, '55000', 'this database was restored from a dump: run pealctl migrate', 'and nobody is let in');
SELECT cmp_ok(home_move(), '>=', 1500::bigint, 'all of them are written');
SELECT is(pg_temp.places(), (SELECT places FROM before), 'and lie on the same side of every place as before');
SELECT is((SELECT places FROM before), '1500 1301 101 3 1000', 'which were these');
SELECT ok((SELECT max(xid) < '100' AND max(xid) >= (SELECT max(s.xid) FROM search_state s) FROM event), 'all are lower than a cluster gives out');
SELECT is(numbers_ahead(), false, 'nothing lies ahead');
SELECT lives_ok($$ SELECT home_confirm() $$, 'everybody is let in');
SELECT * FROM finish();
ROLLBACK;
