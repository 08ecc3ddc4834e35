-- Registering, attaching, releasing, removing; quotas.
BEGIN;
SELECT plan(30);
CREATE FUNCTION pg_temp.person(p text) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO users (username, display_name) VALUES (p, initcap(p)) RETURNING id $$;
CREATE FUNCTION pg_temp.id(n integer) RETURNS text LANGUAGE sql AS $$ SELECT lpad(to_hex(n), 32, '0') $$;
CREATE FUNCTION pg_temp.upload(p_owner bigint, n integer, p_bytes bigint DEFAULT 100, p_name text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
	SELECT o_attachment FROM attachment_register(pg_temp.id(n), p_owner, 2::smallint, p_name, 90, 'image/webp', 16, 9, false, 'aGFzaA==', '#010203',
		'[{"name": "std", "mime": "image/webp", "width": 16, "height": 9, "size": 90}]', p_bytes, 1000, 600) $$;
CREATE FUNCTION pg_temp.bytes(p_owner bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT bytes FROM media_usage WHERE user_id = p_owner $$;
SET LOCAL ROLE peal;
CREATE TEMP TABLE t AS SELECT pg_temp.person('ann') AS ann, pg_temp.person('ben') AS ben;
CREATE TEMP TABLE c AS SELECT s.o_conversation_id AS id FROM t, conversation_start_direct(t.ann, t.ben) s;

SELECT is(pg_temp.upload(ann, 1, 100, U&'Cafe\0301'), jsonb_build_object('id', pg_temp.id(1), 'kind', 'image', 'state', 'ready', 'name', U&'Caf\00E9',
	'size', 90, 'mime', 'image/webp', 'width', 16, 'height', 9, 'animated', false, 'thumbhash', 'aGFzaA==', 'color', '#010203',
	'renditions', '[{"name": "std", "mime": "image/webp", "width": 16, "height": 9, "size": 90}]'::jsonb), 'what is kept, its name in NFC') FROM t;
SELECT is(pg_temp.bytes(ann), 100::bigint, 'and counted') FROM t;
SELECT throws_ok('SELECT pg_temp.upload(ann, 1) FROM t', '23505', NULL, 'an id is used once');
SELECT is(pg_temp.bytes(ann), 100::bigint, 'what was refused is not counted') FROM t;
SELECT throws_ok('SELECT pg_temp.upload(999999, 2)', 'PE404', NULL, 'nobody owns nothing');
SELECT throws_ok($$ SELECT attachment_register('../x', ann, 2::smallint, NULL, 1, 'x', 1, 1, false, NULL, NULL, '[]', 1, 999, 999) FROM t $$, '23514', NULL,
	'an id is 32 digits');

-- quotas
SELECT throws_ok('SELECT pg_temp.upload(ann, 2, 501) FROM t', 'PE429', NULL, 'the day');
SELECT lives_ok('SELECT pg_temp.upload(ann, 2, 500) FROM t', 'up to the day''s share');
UPDATE media_usage SET day = day - 1;
SELECT throws_ok('SELECT pg_temp.upload(ann, 3, 401) FROM t', 'PE507', NULL, 'all in all');
SELECT lives_ok('SELECT pg_temp.upload(ann, 3, 400) FROM t', 'a new day, and up to the whole');
SELECT is((SELECT row(bytes, day_bytes)::text FROM media_usage, t WHERE user_id = ann), '(1000,400)', 'both are counted');
SELECT lives_ok('SELECT pg_temp.upload(ben, 9) FROM t', 'others have their own');

-- attaching
SELECT throws_ok('SELECT message_send(ann, c.id, ''k1'', ''\x01'', 2::smallint, NULL, NULL, NULL, jsonb_build_array(pg_temp.id(1), pg_temp.id(9))) FROM t, c',
	'PE400', NULL, 'one of them is another''s');
SELECT is((SELECT count(*) FROM attachment WHERE used), 0::bigint, 'none is taken');
SELECT is((SELECT last_seq FROM conversation, c WHERE conversation.id = c.id), 0::bigint, 'and nothing was sent');
SELECT throws_ok('SELECT message_send(ann, c.id, ''k1'', ''\x01'', 2::smallint, NULL, NULL, NULL, jsonb_build_array(pg_temp.id(1), pg_temp.id(1))) FROM t, c',
	'PE400', NULL, 'twice the same');
CREATE TEMP TABLE m AS SELECT s.* FROM t, c, message_send(t.ann, c.id, 'k1', '\x01', 2::smallint, NULL, NULL, NULL,
	jsonb_build_array(pg_temp.id(3), pg_temp.id(1))) s;
SELECT is((SELECT jsonb_path_query_array(o_attachments, '$[*].id') FROM m), jsonb_build_array(pg_temp.id(3), pg_temp.id(1)), 'in the order given');
SELECT is((SELECT g.attachments FROM message g, c WHERE g.conversation_id = c.id AND g.seq = 1), (SELECT o_attachments FROM m), 'kept with the message');
SELECT is((SELECT array_agg(u.seq ORDER BY u.attachment_id) FROM attachment_use u), ARRAY[1, 1]::bigint[], 'and each has its use');
SELECT is((SELECT o_replayed FROM t, c, message_send(t.ann, c.id, 'k1', '\x01', 2::smallint, NULL, NULL, NULL, jsonb_build_array(pg_temp.id(3), pg_temp.id(1)))),
	true, 'a retry takes nothing');
SELECT throws_ok('SELECT message_send(ann, c.id, ''k2'', ''\x01'', 2::smallint, NULL, NULL, NULL, jsonb_build_array(pg_temp.id(1))) FROM t, c',
	'PE400', NULL, 'used already');

-- deleting
SELECT is((SELECT jsonb_agg(x ORDER BY x) FROM t, c, message_delete(t.ann, c.id, 1), jsonb_array_elements_text(o_attachments) x),
	jsonb_build_array(pg_temp.id(1), pg_temp.id(3)), 'the files that are to go');
SELECT is((SELECT g.attachments FROM message g, c WHERE g.conversation_id = c.id AND g.seq = 1), NULL, 'the tombstone has none');
SELECT is(pg_temp.bytes(ann), 500::bigint, 'their space is free') FROM t;
SELECT is((SELECT day_bytes FROM media_usage, t WHERE user_id = ann), 400::bigint, 'but not the day''s') FROM t;
SELECT is((SELECT o_changed FROM t, c, message_delete(t.ann, c.id, 1)), false, 'again: nothing');

-- removing
UPDATE attachment SET created_at = now() - interval '25 hours' WHERE id = pg_temp.id(2);
SELECT is((SELECT jsonb_agg(x ORDER BY x) FROM jsonb_array_elements_text(attachment_removals('[]', 24, 10)) x),
	jsonb_build_array(pg_temp.id(1), pg_temp.id(2), pg_temp.id(3)), 'the deleted ones, and what has waited for too long');
SELECT is(pg_temp.bytes(ann), 0::bigint, 'which is not counted any more') FROM t;
SELECT is(attachment_removals(jsonb_build_array(pg_temp.id(1), pg_temp.id(2), pg_temp.id(3), pg_temp.id(9)), 24, 10), '[]', 'done');
SELECT is((SELECT array_agg(id) FROM attachment), ARRAY[pg_temp.id(9)], 'what is still wanted stays, whatever is said to be done');
SELECT * FROM finish();
ROLLBACK;
