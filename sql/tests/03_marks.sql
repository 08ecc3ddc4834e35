-- Read and delivered marks, by the model of what counts as unread.
BEGIN;
SELECT plan(37);
SET LOCAL ROLE peal;
CREATE TEMP TABLE t (ann bigint, ben bigint, cat bigint, c bigint);
INSERT INTO users (username, display_name) VALUES ('ann', 'Ann'), ('ben', 'Ben'), ('cat', 'Cat');
INSERT INTO t SELECT a.id, b.id, x.id, (conversation_start_direct(a.id, b.id)).o_conversation_id
	FROM users a, users b, users x WHERE a.username = 'ann' AND b.username = 'ben' AND x.username = 'cat';
CREATE FUNCTION pg_temp.say(p_who bigint, p_key text, p_kind integer DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
	SELECT o_seq FROM t, message_send(p_who, t.c, p_key, '\x01', p_kind::smallint, p_key, NULL, NULL) $$;
CREATE FUNCTION pg_temp.marks(p_who bigint) RETURNS text LANGUAGE sql AS $$
	SELECT row(read_seq, receipt_seq, delivered_seq, unread_from)::text FROM member, t WHERE user_id = p_who AND conversation_id = t.c $$;

SELECT is(pg_temp.say(ann, 'a1'), 1::bigint) FROM t;
SELECT is(pg_temp.say(ann, 'a2'), 2::bigint) FROM t;
SELECT is(pg_temp.say(ann, 'a3'), 3::bigint) FROM t;
SELECT is(pg_temp.marks(ann), '(3,3,3,)', 'my own messages are read') FROM t;

CREATE TEMP TABLE r AS SELECT x.* FROM t, conversation_read(t.ben, t.c, 2, false, 32) x;
SELECT is((SELECT row(o_moved, o_read_seq, o_receipt_seq, o_delivered_seq, o_unread, o_user_rev)::text FROM r), '(t,2,2,2,1,1)', 'reading');
SELECT is((SELECT o_hearers FROM r), ARRAY[ann], 'the other one may know') FROM t;
SELECT is(pg_temp.marks(ben), '(2,2,2,)', 'the row') FROM t;
SELECT is((SELECT row(user_rev, kind, conversation_id = c, target_seq)::text FROM user_event, t WHERE user_id = ben), '(1,1,t,2)', 'my own stream') FROM t;
SELECT is((SELECT row(o_moved, o_read_seq, o_unread, o_user_rev, o_hearers)::text FROM t, conversation_read(t.ben, t.c, 1, false, 32)),
          '(f,2,1,,)', 'marks do not go back');
SELECT is((SELECT last_user_rev FROM users, t WHERE id = ben), 1::bigint, 'and nothing is numbered');
SELECT throws_ok('SELECT conversation_read(ben, c, 4, false, 32) FROM t', '22023', NULL, 'past the end');
SELECT throws_ok('SELECT conversation_read(ben, c, -1, false, 32) FROM t', '22023', NULL, 'before the beginning');
SELECT throws_ok('SELECT conversation_read(cat, c, 1, false, 32) FROM t', 'PE404', NULL, 'a stranger');

-- private reading
SELECT is((SELECT row(o_moved, o_read_seq, o_receipt_seq, o_unread, o_user_rev, o_hearers)::text FROM t, conversation_read(t.ben, t.c, 3, true, 32)),
          '(t,3,2,0,2,)', 'read, and nobody is told');
SELECT is(pg_temp.say(ben, 'b1'), 4::bigint) FROM t;
SELECT is(pg_temp.marks(ben), '(4,2,2,)', 'answering does not tell it either') FROM t;
SELECT is((SELECT row(o_moved, o_receipt_seq)::text FROM t, conversation_read(t.ben, t.c, 4, false, 32)), '(t,4)', 'telling later');
SELECT is((SELECT o_hearers FROM t, conversation_read(t.ann, t.c, 4, false, 1)), NULL, 'not in conversations above the limit');

-- mark unread
UPDATE member SET unread_from = 2 FROM t WHERE user_id = ben AND conversation_id = c;
SELECT is((SELECT unread FROM t, unread_of(t.ben, t.c, 2)), 2::bigint, 'from there on, of others');
SELECT is(pg_temp.say(ben, 'b2'), 5::bigint) FROM t;
SELECT is(pg_temp.marks(ben), '(4,4,4,2)', 'sending does not clear it') FROM t;
SELECT is((SELECT row(o_moved, o_read_seq)::text FROM t, conversation_read(t.ben, t.c, 4, false, 32)), '(t,4)', 'an explicit read does');
SELECT is(pg_temp.marks(ben), '(4,4,4,)', 'cleared') FROM t;

-- system messages and tombstones are not unread
SELECT is(pg_temp.say(ann, 's1', 9), 6::bigint, 'a system message') FROM t;
SELECT is((SELECT unread FROM t, unread_of(t.ben, t.c, 5)), 0::bigint, 'does not count');
SELECT is(pg_temp.say(ben, 'b3'), 7::bigint) FROM t;
SELECT is(pg_temp.marks(ben), '(7,7,7,)', 'so sending moves over it') FROM t;
DO $$ BEGIN FOR n IN 1..105 LOOP PERFORM pg_temp.say((SELECT ann FROM t), 'many' || n); END LOOP; END $$;
SELECT is((SELECT unread FROM t, unread_of(t.ben, t.c, 8)), 100::bigint, 'capped at 100');

-- acks
CREATE TEMP TABLE a AS SELECT x.* FROM t, event_acks(ARRAY[t.ben, t.ben, t.cat, t.ann], ARRAY[t.c, t.c, t.c, t.c], ARRAY[20, 30, 5, 1]::bigint[], 32) x;
SELECT is((SELECT count(*) FROM a), 1::bigint, 'one mark moved: no stranger, and ann was there');
SELECT is((SELECT row(o_user_id = ben, o_conversation_id = c, o_seq, o_hearers = ARRAY[ann])::text FROM a, t), '(t,t,30,t)', 'to the highest');
SELECT is(pg_temp.marks(ben), '(7,7,30,)', 'the row') FROM t;
SELECT is((SELECT count(*) FROM t, event_acks(ARRAY[t.ben], ARRAY[t.c], ARRAY[29]::bigint[], 32)), 0::bigint, 'never back');
SELECT is((SELECT o_seq FROM t, event_acks(ARRAY[t.ben], ARRAY[t.c], ARRAY[9999]::bigint[], 32)), 112::bigint, 'never past the end');
SELECT is(current_setting('synchronous_commit'), 'off', 'marks do not wait for the disk');

-- last seen
SELECT event_seen(ARRAY[ann, ann, cat], ARRAY[1000000, 3000000, 2000000]::bigint[]) FROM t;
SELECT is((SELECT last_seen_at FROM users, t WHERE id = ann), '1970-01-01 00:00:03+00'::timestamptz, 'the latest');
SELECT event_seen(ARRAY[ann], ARRAY[2000000]::bigint[]) FROM t;
SELECT is((SELECT last_seen_at FROM users, t WHERE id = ann), '1970-01-01 00:00:03+00'::timestamptz, 'never back');
SELECT is((SELECT last_seen_at FROM users, t WHERE id = ben), NULL, 'only those named');
SELECT * FROM finish();
ROLLBACK;
