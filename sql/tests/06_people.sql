-- Blocks, presence, profiles, avatars, and places in time.
BEGIN;
SELECT plan(45);
SET LOCAL ROLE peal;
CREATE TEMP TABLE t (ann bigint, ben bigint, cat bigint, c bigint);
INSERT INTO users (username, display_name) VALUES ('ann', 'Ann'), ('ben', 'Ben'), ('cat', 'Cat');
INSERT INTO t SELECT a.id, b.id, x.id, (conversation_start_direct(a.id, b.id)).o_conversation_id
	FROM users a, users b, users x WHERE a.username = 'ann' AND b.username = 'ben' AND x.username = 'cat';
CREATE FUNCTION pg_temp.stream(p_who bigint) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(user_rev || ':' || kind || ':' || coalesce(target_id::text, '') ORDER BY user_rev) FROM user_event WHERE user_id = p_who $$;

-- who sees whom
SELECT ok(NOT presence_visible(ann, ben, true), 'what is hidden from the other is not shared') FROM t;
SELECT ok(presence_visible(ann, ann, false), 'I see myself') FROM t;
SELECT is((SELECT o_seq FROM t, message_send(t.ann, t.c, 'a1', '\x01', 1::smallint, 'hello', NULL, NULL)), 1::bigint);
SELECT ok(presence_visible(ann, ben, true) AND presence_visible(ben, ann, true), 'a conversation that both see') FROM t;
SELECT ok(NOT presence_visible(ann, ben, false), 'who does not show it') FROM t;
SELECT ok(NOT presence_visible(ann, cat, true), 'a stranger') FROM t;

-- blocks
SELECT is(person_block(ben, ann, true), 1::bigint, 'a number of my own stream') FROM t;
SELECT is(person_block(ben, ann, true), NULL, 'again: nothing') FROM t;
SELECT is(pg_temp.stream(ben), ARRAY['1:7:' || ann], 'one event') FROM t;
SELECT is(pg_temp.stream(ann), NULL, 'and none for the other') FROM t;
SELECT ok(blocked(ann, ben) AND blocked(ben, ann) AND NOT blocked(ann, cat)) FROM t;
SELECT ok(NOT presence_visible(ann, ben, true) AND NOT presence_visible(ben, ann, true), 'both ways') FROM t;
SELECT throws_ok('SELECT message_send(ann, c, ''a2'', ''\x01'', 1::smallint, ''x'', NULL, NULL) FROM t', 'PE4B1');
SELECT is(person_block(ann, ben, false), NULL, 'a block of the other is not mine to end') FROM t;
SELECT is(person_block(ben, ann, false), 2::bigint) FROM t;
SELECT is(person_block(ben, ann, false), NULL) FROM t;
SELECT ok(presence_visible(ann, ben, true)) FROM t;
SELECT throws_ok('SELECT person_block(ann, 987654321, true) FROM t', 'PE404');
SELECT throws_ok('SELECT person_block(ann, 987654321, false) FROM t', 'PE404');
SELECT throws_ok('SELECT person_block(ann, ann, true) FROM t', '23514');

-- profiles
CREATE FUNCTION pg_temp.change(p_who bigint, p_name text, p_receipts boolean) RETURNS bigint LANGUAGE sql AS $$
	SELECT o_user_rev FROM person_update(p_who, p_name IS NOT NULL, nullif(p_name, ''), false, NULL, false, NULL, p_receipts, NULL) $$;
SELECT is(pg_temp.change(cat, 'Catherine', NULL), 1::bigint) FROM t;
SELECT is(pg_temp.change(cat, 'Catherine', true), NULL, 'as it was') FROM t;
SELECT is(pg_temp.change(cat, NULL, false), 2::bigint) FROM t;
SELECT is(pg_temp.change(cat, '', NULL), 3::bigint) FROM t;
SELECT is((SELECT row(display_name, read_receipts, show_last_seen)::text FROM users, t WHERE id = cat), '(cat,f,t)', 'the name falls back');
SELECT is(pg_temp.stream(cat), ARRAY['1:8:', '2:8:', '3:8:']) FROM t;
SELECT throws_ok('SELECT pg_temp.change(987654321, ''x'', NULL)', 'PE404');

-- avatars
CREATE FUNCTION pg_temp.upload(p_who bigint, p_name text, p_kind smallint DEFAULT 2) RETURNS text LANGUAGE sql AS $$
	SELECT o_attachment ->> 'id' FROM attachment_register(md5(p_name), p_who, p_kind, p_name, 10, 'image/webp', 1, 1, false, NULL, NULL, '[]', 10,
		1000, 1000) $$;
CREATE FUNCTION pg_temp.show(p_who bigint, p_id text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT o_removed FROM person_update(p_who, false, NULL, false, NULL, true, p_id, NULL, NULL) $$;
CREATE TEMP TABLE a AS SELECT pg_temp.upload(ann, 'one') AS one, pg_temp.upload(ann, 'two') AS two, pg_temp.upload(ben, 'three') AS three,
	pg_temp.upload(ann, 'film', 4::smallint) AS film FROM t;
SELECT is(pg_temp.show(ann, one), NULL, 'nothing to remove') FROM t, a;
SELECT is(pg_temp.show(ann, one), NULL, 'nothing changes') FROM t, a;
SELECT is((SELECT avatars FROM attachment, a WHERE id = one), 1);
SELECT throws_ok('SELECT pg_temp.show(ann, three) FROM t, a', 'PE409', NULL, 'somebody else''s');
SELECT throws_ok('SELECT pg_temp.show(ann, film) FROM t, a', 'PE409', NULL, 'not a picture');
SELECT throws_ok('SELECT message_send(ann, c, ''p'', ''\x01'', 2::smallint, NULL, NULL, NULL, jsonb_build_array(one)) FROM t, a', 'PE400');
SELECT is(attachment_avatar(ann, one, NULL), NULL, 'a group shows it as well') FROM t, a;
SELECT is(pg_temp.show(ann, two), NULL, 'so it stays') FROM t, a;
SELECT is(attachment_avatar(ann, NULL, one), jsonb_build_array(one), 'until nobody does') FROM t, a;
SELECT throws_ok('SELECT pg_temp.show(ann, one) FROM t, a', 'PE409', NULL, 'it is gone');
UPDATE attachment SET created_at = now() - interval '2 days';
SELECT is((SELECT array_agg(x ORDER BY x) FROM jsonb_array_elements_text(attachment_removals('[]', 24, 10)) x),
          (SELECT array_agg(x ORDER BY x) FROM a, unnest(ARRAY[one, three, film]) x), 'what is shown is not swept');

-- places in time
INSERT INTO message (conversation_id, seq, sender_id, kind, created_at)
	SELECT 4711, n, 1, 1, '2026-01-01 00:00+00'::timestamptz + n * interval '1 minute' FROM generate_series(1, 100) n WHERE n NOT BETWEEN 40 AND 49;
CREATE FUNCTION pg_temp.place(p_minute numeric, p_from bigint DEFAULT 1, p_to bigint DEFAULT 100) RETURNS bigint LANGUAGE sql AS $$
	SELECT message_place(4711, p_from, p_to, '2026-01-01 00:00+00'::timestamptz + p_minute * interval '1 minute') $$;
SELECT is((SELECT array_agg(pg_temp.place(n) ORDER BY n) FROM generate_series(1, 39) n), (SELECT array_agg(n::bigint) FROM generate_series(1, 39) n));
SELECT is((SELECT array_agg(pg_temp.place(n + 0.5) ORDER BY n) FROM generate_series(50, 100) n), (SELECT array_agg(n + 1::bigint) FROM generate_series(50, 100) n));
SELECT ok(bool_and(pg_temp.place(n) BETWEEN 40 AND 50), 'what is no longer there is passed over') FROM generate_series(40, 50) n;
SELECT is(pg_temp.place(0), 1::bigint, 'everything');
SELECT is(pg_temp.place(101), 101::bigint, 'nothing');
SELECT is(pg_temp.place(5, 20, 30), 20::bigint, 'from a floor on');
SELECT is(pg_temp.place(35, 20, 30), 31::bigint, 'up to an end');
SELECT * FROM finish();
ROLLBACK;
