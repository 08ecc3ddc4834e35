-- Starting, sending, replying, repeating, deleting.
BEGIN;
SELECT plan(47);
CREATE FUNCTION pg_temp.person(p text) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO users (username, display_name) VALUES (p, initcap(p)) RETURNING id $$;
SET LOCAL ROLE peal;
CREATE TEMP TABLE t AS SELECT pg_temp.person('ann') AS ann, pg_temp.person('ben') AS ben, pg_temp.person('cat') AS cat;
SELECT throws_ok($$ SELECT pg_temp.person('ANN') $$, '23505', NULL, 'names are compared without case');

-- starting
CREATE TEMP TABLE c AS SELECT s.* FROM t, conversation_start_direct(t.ann, t.ben) s;
SELECT is((SELECT row(o_created, o_seq, o_rev)::text FROM c), '(t,0,1)', 'a new one, its first change');
SELECT is((SELECT row(s.o_conversation_id, s.o_created)::text FROM t, conversation_start_direct(t.ann, t.ben) s),
          (SELECT row(o_conversation_id, false)::text FROM c), 'again: the same');
SELECT is((SELECT array_agg(hidden ORDER BY user_id) FROM member), ARRAY[false, true], 'hidden from the other');
SELECT is((SELECT row(position, seq, rev, kind)::text FROM event), '(1,0,1,2)', 'logged as conversation_created');
SELECT throws_ok('SELECT conversation_start_direct(ann, 999999) FROM t', 'PE404', NULL, 'no such person');
CREATE TEMP TABLE self AS SELECT s.* FROM t, conversation_start_direct(t.cat, t.cat) s;
SELECT is((SELECT row(participant_count, (SELECT count(*) FROM member m WHERE m.conversation_id = id))::text FROM conversation, self
           WHERE id = o_conversation_id), '(1,1)', 'with oneself');
SELECT throws_ok('SELECT message_send(ben, o_conversation_id, ''x'', ''\x00'', 1::smallint, ''x'', NULL, NULL) FROM t, c', 'PE404', NULL,
          'nobody speaks in what is hidden from them');
SELECT throws_ok('SELECT conversation_read(ben, o_conversation_id, 0, false, 32) FROM t, c', 'PE404', NULL, 'nor reads there');

-- sending
CREATE FUNCTION pg_temp.say(p_who bigint, p_key text, p_text text, p_reply bigint DEFAULT NULL) RETURNS record LANGUAGE sql AS $$
	SELECT message_send(p_who, (SELECT o_conversation_id FROM c), p_key, sha256(convert_to(p_text, 'UTF8')), 1::smallint, p_text, NULL, p_reply) $$;
CREATE TEMP TABLE m1 AS SELECT s.* FROM t, c, message_send(t.ann, c.o_conversation_id, 'k1', '\x01', 1::smallint, 'hello',
	jsonb_build_array(jsonb_build_object('user_id', t.ben::text, 'offset', 0, 'length', 5)), NULL) s;
SELECT is((SELECT row(o_replayed, o_seq, o_rev, o_first)::text FROM m1), '(f,1,1,t)', 'the first message');
SELECT is((SELECT o_hearers FROM m1), (SELECT ARRAY[ann, ben] FROM t), 'both hear it');
SELECT is((SELECT o_at FROM m1), now(), 'at the time of the transaction');
SELECT is((SELECT array_agg(hidden) FROM member m, c WHERE conversation_id = o_conversation_id), ARRAY[false, false], 'and both see the conversation');
SELECT is((SELECT row(last_seq, last_rev, last_xid = pg_current_xact_id(), updated_at = now())::text FROM conversation, c WHERE id = o_conversation_id),
          '(1,1,t,t)', 'the counters');
SELECT is((SELECT row(position, seq, rev, kind, target_seq)::text FROM event, c WHERE conversation_id = o_conversation_id AND position = 2),
          '(2,1,1,1,1)', 'its event');
SELECT is((SELECT row(sender_id = ann, content, version, rev, client_id)::text FROM message, t), '(t,hello,1,0,k1)', 'its row');
SELECT is((SELECT row(read_seq, receipt_seq, delivered_seq)::text FROM member, t, c WHERE user_id = ann AND conversation_id = o_conversation_id),
          '(1,1,1)', 'my marks come along');
SELECT is((SELECT row(read_seq, receipt_seq, delivered_seq)::text FROM member, t, c WHERE user_id = ben AND conversation_id = o_conversation_id),
          '(0,0,0)', 'those of others stay');
SELECT is((SELECT row(unread, mentions)::text FROM t, c, unread_of(t.ben, c.o_conversation_id, 1)), '(1,1)', 'unread, and a mention');
SELECT is((SELECT row(unread, mentions)::text FROM t, c, unread_of(t.ann, c.o_conversation_id, 1)), '(0,0)', 'not for the sender');

-- repeating
SELECT is((SELECT row(s.o_replayed, s.o_seq)::text FROM t, c, message_send(t.ann, c.o_conversation_id, 'k1', '\x01', 1::smallint, 'hello', NULL, NULL) s),
          '(t,1)', 'same key, same body');
SELECT throws_ok('SELECT message_send(ann, o_conversation_id, ''k1'', ''\x02'', 1::smallint, ''other'', NULL, NULL) FROM t, c', 'PE422', NULL,
          'same key, other body');
SELECT is((SELECT count(*) FROM message), 1::bigint, 'nothing was written');
SELECT is((SELECT s.o_seq FROM t, c, message_send(t.ben, c.o_conversation_id, 'k1', '\x01', 1::smallint, 'mine', NULL, NULL) s), 2::bigint,
          'a key belongs to its sender');
SELECT is((SELECT row(read_seq, receipt_seq)::text FROM member, t, c WHERE user_id = ben AND conversation_id = o_conversation_id), '(0,0)',
          'sending over unread messages moves nothing');

-- replying
SELECT is((SELECT row(s.o_seq, s.o_reply_sender = t.ann, s.o_reply_excerpt)::text FROM t, c,
	message_send(t.ann, c.o_conversation_id, 'k2', '\x01', 1::smallint, 'yes', NULL, 1) s), '(3,t,hello)', 'the parent');
SELECT throws_ok('SELECT message_send(ann, o_conversation_id, ''k3'', ''\x01'', 1::smallint, ''?'', NULL, 99) FROM t, c', 'PE400', '/reply_to unknown This is not a message that you can see.', 'no parent');
SELECT is((SELECT last_seq FROM conversation, c WHERE id = o_conversation_id), 3::bigint, 'a refused message takes no number');
SELECT throws_ok('SELECT message_send(cat, o_conversation_id, ''k'', ''\x01'', 1::smallint, ''?'', NULL, NULL) FROM t, c', 'PE404', NULL, 'a stranger');

-- deleting
SELECT throws_ok('SELECT message_delete(ben, o_conversation_id, 1) FROM t, c', 'PE403', NULL, 'not mine to delete');
SELECT throws_ok('SELECT message_delete(cat, o_conversation_id, 1) FROM t, c', 'PE404', NULL, 'not a member');
SELECT throws_ok('SELECT message_delete(ann, o_conversation_id, 50) FROM t, c', 'PE404', NULL, 'no such message');
CREATE TEMP TABLE d AS SELECT s.* FROM t, c, message_delete(t.ann, c.o_conversation_id, 1) s;
SELECT is((SELECT row(o_changed, o_seq, o_rev)::text FROM d), '(t,3,2)', 'takes a rev');
SELECT is((SELECT row(content, mentions, deleted_at = now(), rev)::text FROM message WHERE seq = 1), '(,,t,2)', 'a tombstone');
SELECT is((SELECT row(position, seq, rev, kind, target_seq)::text FROM event, c WHERE conversation_id = o_conversation_id ORDER BY position DESC LIMIT 1),
          '(5,3,2,3,1)', 'its event');
SELECT is((SELECT o_changed FROM t, c, message_delete(t.ann, c.o_conversation_id, 1)), false, 'again: nothing');
SELECT is((SELECT last_rev FROM conversation, c WHERE id = o_conversation_id), 2::bigint, 'and no number');
SELECT is((SELECT row(s.o_replayed, s.o_seq)::text FROM t, c, message_send(t.ann, c.o_conversation_id, 'k1', '\x01', 1::smallint, 'hello', NULL, NULL) s),
          '(t,1)', 'the key outlives the text');
SELECT is((SELECT unread FROM t, c, unread_of(t.ben, c.o_conversation_id, 1)), 1::bigint, 'a tombstone is not unread');
SELECT results_eq('SELECT position FROM event, c WHERE conversation_id = o_conversation_id ORDER BY position',
                  'SELECT n::bigint FROM generate_series(1, 5) n', 'the order is dense');

-- groups: who joined later, and admins
RESET ROLE;
CREATE TEMP TABLE g (id bigint);
GRANT ALL ON g TO peal;
SET LOCAL ROLE peal;
WITH n AS (INSERT INTO conversation (kind, name, created_by, participant_count, last_rev) SELECT 2, 'club', ann, 3, 1 FROM t RETURNING id),
     w AS (INSERT INTO member (user_id, conversation_id, role) SELECT u, n.id, r FROM n, t, LATERAL (VALUES (ann, 3), (ben, 1)) v (u, r) RETURNING 1)
INSERT INTO g SELECT id FROM n, (SELECT count(*) FROM w) x;
SELECT is((SELECT s.o_seq FROM t, g, message_send(t.ben, g.id, 'g1', '\x01', 1::smallint, 'early', NULL, NULL) s), 1::bigint, 'in a group');
INSERT INTO member (user_id, conversation_id, joined_seq, read_seq, receipt_seq) SELECT cat, id, 1, 1, 1 FROM t, g;
SELECT throws_ok('SELECT message_send(cat, id, ''g2'', ''\x01'', 1::smallint, ''late'', NULL, 1) FROM t, g', 'PE400', NULL, 'a reply to what I cannot see');
SELECT throws_ok('SELECT message_delete(cat, id, 1) FROM t, g', 'PE404', NULL, 'what I cannot see does not exist');
UPDATE conversation SET history_all = true FROM g WHERE conversation.id = g.id;
SELECT throws_ok('SELECT message_delete(cat, id, 1) FROM t, g', 'PE403', NULL, 'with the whole history it does');
SELECT is((SELECT o_changed FROM t, g, message_delete(t.ann, g.id, 1)), true, 'an owner deletes for all');
SELECT is((SELECT s.o_hearers FROM t, g, message_send(t.cat, g.id, 'g3', '\x01', 1::smallint, 'hi', NULL, NULL) s), (SELECT ARRAY[ann, ben, cat] FROM t),
          'all members hear');
SELECT is((SELECT o_first FROM t, g, message_send(t.cat, g.id, 'g4', '\x01', 1::smallint, 'hi', NULL, NULL)), false, 'a group is never hidden');
SELECT * FROM finish();
ROLLBACK;
