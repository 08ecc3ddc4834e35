-- Scheduling, taking back, sending when due, failing; expiry; retention; keys that have lived long enough.
BEGIN;
SELECT plan(65);
CREATE FUNCTION pg_temp.person(p text) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO users (username, display_name) VALUES (p, initcap(p)) RETURNING id $$;
CREATE FUNCTION pg_temp.id(n integer) RETURNS text LANGUAGE sql AS $$ SELECT lpad(to_hex(n), 32, '0') $$;
SET LOCAL ROLE peal;
CREATE TEMP TABLE t AS SELECT pg_temp.person('ann') AS ann, pg_temp.person('ben') AS ben, pg_temp.person('cat') AS cat;
CREATE TEMP TABLE c AS SELECT s.o_conversation_id AS id FROM t, conversation_start_direct(t.ann, t.ben) s;
CREATE FUNCTION pg_temp.plan(p_who bigint, p_key text, p_text text, p_more jsonb DEFAULT '{}', p_in interval DEFAULT '1 hour', p_ok boolean DEFAULT true,
	p_most bigint DEFAULT 5, OUT o_replayed boolean, OUT o_seq bigint, OUT o_scheduled_id bigint, OUT o_send_at timestamptz, OUT o_user_rev bigint)
LANGUAGE sql AS $$
	SELECT s.* FROM c, message_schedule(p_who, c.id, p_key, sha256(convert_to(p_text, 'UTF8')),
		jsonb_build_object('kind', 1, 'content', p_text) || p_more, now() + p_in, p_ok, p_most) s $$;
CREATE FUNCTION pg_temp.due(p_id bigint) RETURNS void LANGUAGE sql AS $$ UPDATE scheduled_message SET send_at = now() WHERE id = p_id $$;

-- scheduling
CREATE TEMP TABLE s1 AS SELECT s.* FROM t, pg_temp.plan(t.ann, 'k1', 'later') s;
SELECT is((SELECT row(o_replayed, o_seq, o_send_at = now() + interval '1 hour', o_user_rev)::text FROM s1), '(f,,t,1)', 'taken, and noted in my stream');
SELECT is((SELECT row(kind, target_id)::text FROM user_event), (SELECT row(5, o_scheduled_id)::text FROM s1), 'as what it is');
SELECT is((SELECT last_seq FROM conversation, c WHERE conversation.id = c.id), 0::bigint, 'nothing was said yet');
SELECT is((SELECT row(s.o_replayed, s.o_seq, s.o_scheduled_id, s.o_user_rev)::text FROM t, pg_temp.plan(t.ann, 'k1', 'later', '{}', '-1 hour', false) s),
	(SELECT row(true, NULL::bigint, o_scheduled_id, NULL::bigint)::text FROM s1), 'a retry gets the same, even when it comes late');
SELECT throws_ok('SELECT pg_temp.plan(ann, ''k1'', ''other'') FROM t', 'PE422', NULL, 'the key with another body');
SELECT throws_ok($$ SELECT message_send(ann, c.id, 'k1', '\x01', 1::smallint, 'now', NULL, NULL) FROM t, c $$, 'PE422', NULL, 'nor is it sent now');
SELECT is((SELECT s.o_scheduled_id FROM t, pg_temp.plan(t.ann, 'k2', 'x', '{}', '-1 hour', false) s), NULL, 'out of range: nothing');
SELECT throws_ok('SELECT pg_temp.plan(ben, ''k1'', ''x'') FROM t', 'PE404', NULL, 'not where it is hidden from me');
SELECT throws_ok('SELECT pg_temp.plan(cat, ''k1'', ''x'') FROM t', 'PE404', NULL, 'nor as a stranger');
SELECT throws_ok('SELECT pg_temp.plan(ann, ''k2'', ''x'', ''{"reply_seq": 1}'') FROM t', 'PE400', NULL, 'a reply to nothing');
SELECT throws_ok('SELECT pg_temp.plan(ann, ''k2'', ''x'', ''{}'', ''1 hour'', true, 1) FROM t', 'PE4M1', NULL, 'up to the limit');
SELECT is((SELECT scheduled_json(s) - 'created_at' - 'send_at' FROM scheduled_message s), (SELECT jsonb_build_object('scheduled_id', o_scheduled_id::text,
	'conversation_id', c.id::text, 'client_id', 'k1', 'failed_at', NULL, 'failure', NULL, 'message_type', 'text', 'content', 'later', 'reply_to', NULL,
	'mentions', '[]'::jsonb, 'attachment_ids', '[]'::jsonb, 'forward_of', NULL, 'expires_in_seconds', NULL, 'location', NULL, 'poll', NULL,
	'call', NULL, 'encrypted', NULL) FROM s1, c), 'what is shown of it');
SELECT matches((SELECT scheduled_json(s) ->> 'send_at' FROM scheduled_message s), '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$', 'times are those of the contract');
INSERT INTO block (user_id, blocked_id) SELECT ben, ann FROM t;
SELECT throws_ok('SELECT pg_temp.plan(ann, ''k2'', ''x'') FROM t', 'PE4B1', NULL, 'blocked');
SELECT is((SELECT s.o_replayed FROM t, pg_temp.plan(t.ann, 'k1', 'later') s), true, 'but a retry is a retry');
DELETE FROM block;

-- sending
SELECT is((SELECT s.o_user_id FROM s1, scheduled_send(s1.o_scheduled_id) s), NULL, 'not due');
SELECT pg_temp.due(o_scheduled_id) FROM s1;
SELECT is((SELECT row(s.o_conversation_id, s.o_seq, s.o_rev, s.o_user_id, s.o_user_rev)::text FROM s1, scheduled_send(s1.o_scheduled_id) s),
	(SELECT row(c.id, 1, 1, t.ann, 2)::text FROM c, t), 'due: sent');
SELECT is((SELECT row(sender_id, content, client_id, kind)::text FROM message), (SELECT row(ann, 'later', 'k1', 1)::text FROM t), 'as it was written');
SELECT is((SELECT count(*) FROM scheduled_message), 0::bigint, 'and gone');
SELECT is((SELECT row(seq, scheduled_id)::text FROM message_key), '(1,)', 'its key leads to the message');
SELECT is((SELECT s.o_user_id FROM s1, scheduled_send(s1.o_scheduled_id) s), NULL, 'not twice');
SELECT is((SELECT row(s.o_replayed, s.o_seq)::text FROM t, pg_temp.plan(t.ann, 'k1', 'later') s), '(t,1)', 'a retry gets the message');
SELECT is((SELECT m.read_seq FROM member m, t WHERE m.user_id = t.ann), 0::bigint, 'my marks stay');
SELECT throws_ok('SELECT scheduled_remove(ann, o_scheduled_id) FROM t, s1', 'PE404', NULL, 'too late to take it back');

-- failing
CREATE TEMP TABLE s3 AS SELECT s.* FROM t, pg_temp.plan(t.ann, 'k3', 'blocked meanwhile') s;
SELECT pg_temp.due(o_scheduled_id) FROM s3;
INSERT INTO block (user_id, blocked_id) SELECT ben, ann FROM t;
SELECT throws_ok('SELECT scheduled_send(o_scheduled_id) FROM s3', 'PE4B1', NULL, 'blocked when due');
SELECT is((SELECT row(s.o_user_id, s.o_user_rev)::text FROM s3, scheduled_fail(s3.o_scheduled_id, 'blocked') s), (SELECT row(ann, 4)::text FROM t), 'failed');
SELECT is((SELECT s.o_user_id FROM s3, scheduled_fail(s3.o_scheduled_id, 'other') s), NULL, 'once');
SELECT is((SELECT failure FROM scheduled_message WHERE failed_at = now()), 'blocked', 'kept, with the reason');
SELECT is((SELECT s.o_user_id FROM s3, scheduled_send(s3.o_scheduled_id) s), NULL, 'and not tried again');
SELECT is((SELECT s.o_scheduled_id FROM t, pg_temp.plan(t.ann, 'k3', 'blocked meanwhile') s), (SELECT o_scheduled_id FROM s3), 'a retry gets it as it is');
DELETE FROM block;
SELECT throws_ok('SELECT scheduled_remove(ben, o_scheduled_id) FROM t, s3', 'PE404', NULL, 'it is nobody else''s');
SELECT is((SELECT s.o_user_rev FROM t, s3, scheduled_remove(t.ann, s3.o_scheduled_id) s), 5::bigint, 'taken away');
SELECT throws_ok('SELECT pg_temp.plan(ann, ''k3'', ''blocked meanwhile'') FROM t', 'PE4D1', NULL, 'a late retry does not bring it back');
CREATE TEMP TABLE s4 AS SELECT s.* FROM t, pg_temp.plan(t.ann, 'k4', 'disabled') s;
SELECT pg_temp.due(o_scheduled_id) FROM s4;
UPDATE users SET disabled_at = now() FROM t WHERE id = t.ann;
SELECT throws_ok('SELECT scheduled_send(o_scheduled_id) FROM s4', 'PE403', NULL, 'a disabled account sends nothing');
UPDATE users SET disabled_at = NULL;
SELECT lives_ok('SELECT scheduled_remove(ann, o_scheduled_id) FROM t, s4', 'taken back');

-- its uploads
CREATE FUNCTION pg_temp.upload(n integer) RETURNS jsonb LANGUAGE sql AS $$
	SELECT o_attachment FROM t, attachment_register(pg_temp.id(n), t.ann, 2::smallint, NULL, 90, 'image/webp', 16, 9, false, NULL, NULL, '[]', 100, 1000, 1000) $$;
SELECT pg_temp.upload(n) FROM generate_series(1, 3) n;
CREATE FUNCTION pg_temp.with(p_key text, VARIADIC p_n integer[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT s.o_scheduled_id FROM t, pg_temp.plan(t.ann, p_key, 'picture', jsonb_build_object('kind', 2, 'attachments',
		(SELECT jsonb_agg(pg_temp.id(n)) FROM unnest(p_n) n))) s $$;
CREATE TEMP TABLE s5 AS SELECT pg_temp.with('k5', 1, 2) AS id;
SELECT throws_ok('SELECT pg_temp.with(''k6'', 2, 3)', 'PE400', NULL, 'not for two scheduled messages');
SELECT throws_ok($$ SELECT message_send(ann, c.id, 'k7', '\x01', 2::smallint, NULL, NULL, NULL, jsonb_build_array(pg_temp.id(1))) FROM t, c $$, 'PE400', NULL,
	'nor for one that is sent');
UPDATE attachment SET created_at = now() - interval '30 hours';
SELECT is(attachment_removals('[]', 24, 100), jsonb_build_array(pg_temp.id(3)), 'nor are they swept');
SELECT lives_ok('SELECT scheduled_remove(ann, id) FROM t, s5', 'taken back');
SELECT is((SELECT count(*) FROM attachment WHERE NOT used AND deleted_at IS NULL), 2::bigint, 'they are free again');
CREATE TEMP TABLE s8 AS SELECT pg_temp.with('k8', 2, 1) AS id;
SELECT pg_temp.due(id) FROM s8;
SELECT is((SELECT s.o_seq FROM s8, scheduled_send(s8.id) s), 2::bigint, 'sent');
SELECT is((SELECT jsonb_path_query_array(attachments, '$[*].id') FROM message WHERE seq = 2), jsonb_build_array(pg_temp.id(2), pg_temp.id(1)), 'with them');

-- expiry
CREATE FUNCTION pg_temp.say(p_key text) RETURNS bigint LANGUAGE sql AS $$
	SELECT s.o_seq FROM t, c, message_send(t.ben, c.id, p_key, '\x01', 1::smallint, 'said ' || p_key, NULL, NULL) s $$;
SELECT pg_temp.say('m' || n) FROM generate_series(3, 6) n;
INSERT INTO message_mine (user_id, conversation_id, seq, starred_at, reactions) SELECT ann, c.id, 2, now(), ARRAY['x'] FROM t, c;
INSERT INTO message_revision (conversation_id, seq, version, content, created_at) SELECT c.id, 2, 1, 'before', now() FROM c;
UPDATE message SET expires_at = now() - interval '10 s', pinned_at = now(), reactions = '[]' WHERE seq = 2;
UPDATE message SET expires_at = now() - interval '1 s' WHERE seq = 4;
SELECT is((SELECT row(e.*)::text FROM message_expire(3000, 10) e), '(1,0,f)', 'what expired long enough ago');
SELECT is((SELECT row(content, attachments, pinned_at, reactions, deleted_at IS NOT NULL)::text FROM message WHERE seq = 2), '(,,,,t)', 'has nothing left');
SELECT is((SELECT count(*) FROM message_mine) + (SELECT count(*) FROM message_revision), 0::bigint, 'nor has anybody of it');
SELECT is((SELECT count(*) FROM attachment WHERE deleted_at IS NOT NULL AND id IN (pg_temp.id(1), pg_temp.id(2))), 2::bigint, 'its files are to go');
SELECT is((SELECT first_seq FROM conversation, c WHERE conversation.id = c.id), 1::bigint, 'the first message is still there');
SELECT is((SELECT row(e.*)::text FROM message_expire(3000, 10) e), '(0,0,f)', 'once');
UPDATE message SET expires_at = now() - interval '5 s' WHERE seq IN (1, 3);
SELECT is((SELECT row(e.*)::text FROM message_expire(3000, 1) e), '(1,1,t)', 'no more than asked for');
SELECT is((SELECT row(e.*)::text FROM message_expire(3000, 10) e), '(1,1,f)', 'the rest');
SELECT is((SELECT first_seq FROM conversation, c WHERE conversation.id = c.id), 4::bigint, 'what is past and empty is cut off at the front');
UPDATE message SET expires_at = now() - interval '5 s' WHERE seq > 3;
SELECT is((SELECT row(e.*)::text FROM message_expire(3000, 10) e), '(3,1,f)', 'all of it');
SELECT is((SELECT row(first_seq, last_seq)::text FROM conversation, c WHERE conversation.id = c.id), '(7,6)', 'nothing is left to see');
SELECT is((SELECT row(a.*)::text FROM conversation_ageing(0, 10) a), (SELECT format('(%s,)', c.id) FROM c), 'the rows wait for their keys');
SELECT is(pg_temp.say('m7'), 7::bigint, 'numbers go on');

-- retention
SELECT pg_temp.say('m' || n) FROM generate_series(8, 12) n;
UPDATE message SET created_at = now() - interval '31 days' WHERE seq < 3;
RESET ROLE;
UPDATE message_key SET created_at = now() - interval '31 days' WHERE seq < 3 OR client_id = 'k3';
SET LOCAL ROLE peal;
UPDATE message SET created_at = now() - interval '3 days' WHERE seq BETWEEN 3 AND 10;
UPDATE conversation SET retention_days = 2;
SELECT is((SELECT o_due FROM conversation_ageing(0, 10)), (SELECT ARRAY[c.id] FROM c), 'to be done');
SELECT is((SELECT row(o_last, o_due)::text FROM c, conversation_ageing(c.id, 10)), '(,)', 'the end');
SELECT is((SELECT row(a.*)::text FROM c, conversation_age(c.id, 3) a), '(3,2,t)', 'a part of it; rows and keys older than 30 days go');
SELECT is((SELECT row(count(*), min(seq))::text FROM message), '(10,3)', 'these rows');
SELECT is((SELECT count(*) FROM message_key WHERE seq < 3), 0::bigint, 'and these keys');
SELECT is((SELECT row(a.*)::text FROM c, conversation_age(c.id, 3) a), '(1,0,f)', 'the rest');
SELECT is((SELECT row(first_seq, (SELECT array_agg(g.seq ORDER BY g.seq) FROM message g WHERE g.content IS NOT NULL))::text FROM conversation, c WHERE conversation.id = c.id),
	'(11,"{11,12}")', 'what is kept');
SELECT is((SELECT o_due FROM conversation_ageing(0, 10)), NULL, 'nothing more');

-- keys
INSERT INTO mark_advance (conversation_id, user_id, slot, at, receipt_seq, delivered_seq) SELECT c.id, 1, floor(extract(epoch FROM now() - n * interval '10 days') / 10), now() - n * interval '10 days', 1, 1 FROM c, generate_series(1, 6) n;
INSERT INTO request_key (user_id, route, key, request_hash, created_at) SELECT n, 'x', 'x', '\x', now() - n * interval '10 hours' FROM generate_series(1, 6) n;
SELECT is((SELECT row(k.*)::text FROM keys_expire(2) k), '(2,2,1)', 'what has lived long enough');
SELECT is((SELECT row(k.*)::text FROM keys_expire(10) k), '(1,2,0)', 'the rest');

SELECT * FROM finish();
ROLLBACK;
