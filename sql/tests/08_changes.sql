-- Edits, deletion, reactions, stars, pins, votes, marks with times: what each writes, what it refuses, and that a no-op takes no number.
BEGIN;
SELECT plan(112);
SET LOCAL ROLE peal;
CREATE TEMP TABLE t (ann bigint, ben bigint, cat bigint, dan bigint, c bigint, g bigint);
INSERT INTO users (username, display_name) VALUES ('ann', 'Ann'), ('ben', 'Ben'), ('cat', 'Cat'), ('dan', 'Dan');
INSERT INTO t SELECT a.id, b.id, x.id, d.id, (conversation_start_direct(a.id, b.id)).o_conversation_id
	FROM users a, users b, users x, users d WHERE a.username = 'ann' AND b.username = 'ben' AND x.username = 'cat' AND d.username = 'dan';
WITH n AS (INSERT INTO conversation (kind, name, created_by, participant_count, last_rev) SELECT 2, 'club', ann, 3, 1 FROM t RETURNING id),
     w AS (INSERT INTO member (user_id, conversation_id, role) SELECT u, n.id, r FROM n, t, LATERAL (VALUES (ann, 3), (ben, 2), (cat, 1)) v (u, r))
UPDATE t SET g = n.id FROM n;
CREATE FUNCTION pg_temp.say(p_who bigint, p_where bigint, p_text text, p_kind integer DEFAULT 1, p_extra jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE sql AS $$
	SELECT o_seq FROM message_send(p_who, p_where, gen_random_uuid()::text, '\x01', p_kind::smallint, p_text, NULL, NULL, NULL, p_extra) $$;
CREATE FUNCTION pg_temp.row(p_where bigint, p_seq bigint) RETURNS text LANGUAGE sql AS $$
	SELECT row(content, version, rev, edited_at = now(), pinned_at IS NOT NULL, reactions)::text FROM message
	WHERE conversation_id = p_where AND seq = p_seq $$;
CREATE FUNCTION pg_temp.rev(p_where bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT last_rev FROM conversation WHERE id = p_where $$;
CREATE FUNCTION pg_temp.last(p_where bigint) RETURNS text LANGUAGE sql AS $$
	SELECT row(position, rev, kind, actor_id, target_seq, detail)::text FROM event WHERE conversation_id = p_where ORDER BY position DESC LIMIT 1 $$;
CREATE FUNCTION pg_temp.own(p_who bigint) RETURNS text LANGUAGE sql AS $$
	SELECT row(user_rev, kind, conversation_id, target_seq)::text FROM user_event WHERE user_id = p_who ORDER BY user_rev DESC LIMIT 1 $$;

-- editing
SELECT is(pg_temp.say(ann, c, 'frist'), 1::bigint) FROM t;
SELECT is((SELECT row(e.*)::text FROM message_edit(ann, c, 1, 'first', NULL, 1) e), '(t,1,2)', 'an edit takes a rev') FROM t;
SELECT is(pg_temp.row(c, 1), '(first,2,2,t,f,)', 'raises the version') FROM t;
SELECT is(pg_temp.last(c), format('(3,2,4,%s,1,)', ann), 'and is in the log') FROM t;
SELECT is((SELECT row(version, content, mentions, created_at = now())::text FROM message_revision, t WHERE conversation_id = c AND seq = 1),
          '(1,frist,,t)', 'what it said before is kept');
SELECT is((SELECT o_changed FROM message_edit(ann, c, 1, 'first', NULL, 1)), false, 'the same again: a retry, whatever it was made on') FROM t;
SELECT is(pg_temp.rev(c), 2::bigint, 'takes nothing') FROM t;
SELECT throws_ok('SELECT message_edit(ann, c, 1, ''third'', NULL, 1) FROM t', 'PE4V1', NULL, 'made on another version');
SELECT throws_ok('SELECT message_edit(ben, c, 1, ''x'', NULL, NULL) FROM t', 'PE403', NULL, 'not mine');
SELECT throws_ok('SELECT message_edit(cat, c, 1, ''x'', NULL, NULL) FROM t', 'PE404', NULL, 'a stranger');
SELECT throws_ok('SELECT message_edit(ann, c, 9, ''x'', NULL, NULL) FROM t', 'PE404', NULL, 'not there');
SELECT throws_ok('SELECT message_edit(ann, c, 1, NULL, NULL, NULL) FROM t', 'PE400', NULL, 'a text says something');
SELECT throws_ok(format($$ SELECT message_edit(ann, c, 1, 'hi', '[{"user_id": "%s", "offset": 0, "length": 2}, {"user_id": "%s", "offset": 0, "length": 1}]', NULL)
	FROM t $$, ben, cat), 'PE400', '/mentions/1/user_id unknown This person is not a member here.', 'members are mentioned') FROM t;
SELECT is((SELECT o_changed FROM message_edit(ann, c, 1, 'first', jsonb_build_array(jsonb_build_object('user_id', ben::text, 'offset', 0, 'length', 5)), 2)), true,
          'mentions alone are an edit') FROM t;
SELECT is((SELECT array_agg(row(version, content, mentions)::text ORDER BY version) FROM message_revision, t WHERE conversation_id = c),
          ARRAY['(1,frist,)', '(2,first,)'], 'two revisions');
UPDATE message SET kind = 9 FROM t WHERE conversation_id = c AND seq = 1;
SELECT throws_ok('SELECT message_edit(ann, c, 1, ''x'', NULL, NULL) FROM t', 'PE4K1', NULL, 'a system message');
UPDATE message SET kind = 1, forward_of = '{"sender_id": "1"}' FROM t WHERE conversation_id = c AND seq = 1;
SELECT throws_ok('SELECT message_edit(ann, c, 1, ''x'', NULL, NULL) FROM t', 'PE4K1', NULL, 'what somebody else said');
UPDATE message SET forward_of = NULL, expires_at = now() FROM t WHERE conversation_id = c AND seq = 1;
SELECT throws_ok('SELECT message_edit(ann, c, 1, ''x'', NULL, NULL) FROM t', 'PE404', NULL, 'expired');
UPDATE message SET expires_at = NULL FROM t WHERE conversation_id = c AND seq = 1;

-- reactions
SELECT is((SELECT row(r.*)::text FROM message_react(ben, c, 1, '👍', true, 3, 4) r), '(t,1,4)', 'a reaction takes a rev') FROM t;
SELECT is(pg_temp.row(c, 1), '(first,3,4,t,f,"[{""count"": 1, ""emoji"": ""👍""}]")', 'its count') FROM t;
SELECT is(pg_temp.last(c), format('(5,4,7,%s,1,👍)', ben), 'its event') FROM t;
SELECT is((SELECT o_changed FROM message_react(ben, c, 1, '👍', true, 3, 4)), false, 'the same again') FROM t;
SELECT is(pg_temp.rev(c), 4::bigint, 'takes nothing') FROM t;
SELECT is((SELECT o_changed FROM message_react(ann, c, 1, '🎉', true, 3, 4)), true, 'another one') FROM t;
SELECT is((SELECT o_changed FROM message_react(ann, c, 1, '👍', true, 3, 4)), true, 'and the first') FROM t;
SELECT is((SELECT reactions FROM message, t WHERE conversation_id = c AND seq = 1), '[{"emoji": "👍", "count": 2}, {"emoji": "🎉", "count": 1}]'::jsonb,
          'first one first');
SELECT is((SELECT reactions FROM message_mine, t WHERE user_id = ann AND conversation_id = c AND seq = 1), ARRAY['🎉', '👍'], 'mine');
SELECT is((SELECT o_changed FROM message_react(ann, c, 1, '😀', true, 3, 4)), true, 'a third of mine') FROM t;
SELECT throws_ok('SELECT message_react(ann, c, 1, ''😎'', true, 3, 4) FROM t', 'PE4M1', NULL, 'no fourth of mine');
SELECT is((SELECT o_changed FROM message_react(ben, c, 1, '😎', true, 3, 4)), true, 'a fourth of all') FROM t;
SELECT throws_ok('SELECT message_react(ben, c, 1, ''🥳'', true, 3, 4) FROM t', 'PE4M1', NULL, 'no fifth of all');
SELECT is((SELECT row(o_changed, o_rev)::text FROM message_react(ben, c, 1, '👍', false, 3, 4)), '(t,9)', 'taking it away') FROM t;
SELECT is(pg_temp.last(c), format('(10,9,8,%s,1,👍)', ben), 'is an event') FROM t;
SELECT is((SELECT o_changed FROM message_react(ben, c, 1, '👍', false, 3, 4)), false, 'again: nothing') FROM t;
SELECT is((SELECT reactions -> 0 FROM message, t WHERE conversation_id = c AND seq = 1), '{"emoji": "👍", "count": 1}'::jsonb, 'one is left');
SELECT is((SELECT o_changed FROM message_react(ben, c, 1, '😎', false, 3, 4)), true) FROM t;
SELECT is((SELECT row(reactions, reacted_at)::text FROM message_mine, t WHERE user_id = ben AND conversation_id = c AND seq = 1), '(,)', 'none is null');
SELECT throws_ok('SELECT message_react(cat, c, 1, ''👍'', true, 3, 4) FROM t', 'PE404', NULL, 'a stranger');

-- pins
SELECT is((SELECT row(p.*)::text FROM message_pin(ben, c, 1, true, 2) p), '(t,1,11)', 'both pin in a direct conversation') FROM t;
SELECT is(pg_temp.last(c), format('(12,11,5,%s,1,)', ben), 'its event') FROM t;
SELECT is((SELECT o_changed FROM message_pin(ann, c, 1, true, 2)), false, 'pinned already') FROM t;
SELECT is((SELECT row(o_changed, o_rev)::text FROM message_pin(ann, c, 1, false, 2)), '(t,12)', 'taken away by the other') FROM t;
SELECT is(pg_temp.last(c), format('(13,12,6,%s,1,)', ann), 'its event') FROM t;
SELECT is((SELECT array_agg(pg_temp.say(cat, g, w)) FROM t, unnest(ARRAY['a', 'b', 'c']) w), ARRAY[1, 2, 3]::bigint[], 'three in a group');
SELECT throws_ok('SELECT message_pin(cat, g, 1, true, 2) FROM t', 'PE403', NULL, 'a plain member of a group');
SELECT throws_ok('SELECT message_pin(cat, g, 1, false, 2) FROM t', 'PE403', NULL, 'takes none away either');
SELECT is((SELECT array_agg(p.o_changed) FROM t, generate_series(1, 2) n, message_pin(ben, g, n, true, 2) p), ARRAY[true, true], 'an admin pins');
SELECT throws_ok('SELECT message_pin(ben, g, 3, true, 2) FROM t', 'PE4M1', NULL, 'as many as there may be');
UPDATE message SET expires_at = now() FROM t WHERE conversation_id = g AND seq = 2;
SELECT is((SELECT o_changed FROM message_pin(ann, g, 3, true, 2)), true, 'an expired one does not count') FROM t;

-- polls
SELECT is(pg_temp.say(ann, g, 'when?', 7, '{"question": "when?", "multiple": false, "anonymous": false, "closes_at": null, "voters": 0,
	"options": [{"text": "now", "count": 0}, {"text": "later", "count": 0}]}'), 4::bigint) FROM t;
SELECT is((SELECT row(v.*)::text FROM message_vote(ben, g, 4, '{1}') v), '(t,4,5)', 'a vote takes a rev') FROM t;
SELECT is(pg_temp.last(g), format('(9,5,9,%s,4,)', ben), 'its event') FROM t;
SELECT is((SELECT o_changed FROM message_vote(ben, g, 4, '{1}')), false, 'the same again') FROM t;
SELECT is((SELECT o_changed FROM message_vote(cat, g, 4, '{1}')), true, 'another voter') FROM t;
SELECT is((SELECT o_changed FROM message_vote(ben, g, 4, '{0}')), true, 'another choice') FROM t;
SELECT is((SELECT extra FROM message, t WHERE conversation_id = g AND seq = 4), '{"question": "when?", "multiple": false, "anonymous": false, "closes_at": null,
	"voters": 2, "options": [{"text": "now", "count": 1}, {"text": "later", "count": 1}]}'::jsonb, 'counted');
SELECT is((SELECT row(votes, voted_at = now())::text FROM message_mine, t WHERE user_id = ben AND conversation_id = g AND seq = 4), '({0},t)', 'mine');
SELECT throws_ok('SELECT message_vote(ben, g, 4, ''{0,1}'') FROM t', 'PE400', '/options too_long One vote is one option here.', 'one option');
SELECT throws_ok('SELECT message_vote(ben, g, 4, ''{2}'') FROM t', 'PE400', '/options/0 unknown The poll has no such option.', 'no such option');
SELECT throws_ok('SELECT message_vote(ben, g, 4, ''{-1}'') FROM t', 'PE400', NULL, 'nor below the first');
SELECT is((SELECT o_changed FROM message_vote(ben, g, 4, '{}')), true, 'withdrawn') FROM t;
SELECT is((SELECT row(extra -> 'voters', extra -> 'options' -> 0 -> 'count')::text FROM message, t WHERE conversation_id = g AND seq = 4), '(1,0)', 'counted');
SELECT throws_ok('SELECT message_vote(ben, g, 1, ''{0}'') FROM t', 'PE4K1', NULL, 'not a poll');
UPDATE message SET extra = extra || '{"multiple": true}' FROM t WHERE conversation_id = g AND seq = 4;
SELECT is((SELECT o_changed FROM message_vote(ann, g, 4, '{1,0}')), true, 'several') FROM t;
SELECT is((SELECT votes FROM message_mine, t WHERE user_id = ann AND conversation_id = g AND seq = 4), '{0,1}', 'in order');
UPDATE message SET extra = extra || jsonb_build_object('closes_at', contract_time(now() - interval '1 second')) FROM t WHERE conversation_id = g AND seq = 4;
SELECT throws_ok('SELECT message_vote(ann, g, 4, ''{0}'') FROM t', 'PE4P1', NULL, 'closed');

-- stars
SELECT is((SELECT row(s.*)::text FROM message_star(cat, g, 1, true) s), '(t,1)', 'a star is in my own stream') FROM t;
SELECT is(pg_temp.own(cat), format('(1,2,%s,1)', g), 'its event') FROM t;
SELECT is((SELECT o_changed FROM message_star(cat, g, 1, true)), false, 'again: nothing') FROM t;
SELECT is((SELECT o_changed FROM message_star(cat, g, 1, false)), true, 'taken away') FROM t;
SELECT is((SELECT o_changed FROM message_star(cat, g, 1, false)), false, 'again: nothing') FROM t;
SELECT is((SELECT o_changed FROM message_star(cat, g, 1, true)), true, 'and put again') FROM t;
SELECT throws_ok('SELECT message_star(dan, g, 1, true) FROM t', 'PE404', NULL, 'a stranger');

-- deleting for me
SELECT is((SELECT unread FROM t, unread_of(t.cat, g, 4)), 1::bigint, 'one is unread');
SELECT is((SELECT row(h.*)::text FROM message_hide(cat, g, 4) h), '(t,4)', 'in my own stream') FROM t;
SELECT is(pg_temp.own(cat), format('(4,3,%s,4)', g), 'its event') FROM t;
SELECT is((SELECT unread FROM t, unread_of(t.cat, g, 4)), 0::bigint, 'none is unread');
SELECT is((SELECT unread FROM t, unread_of(t.ben, g, 4)), 1::bigint, 'for the others it is');
SELECT is((SELECT o_changed FROM message_hide(cat, g, 4)), false, 'again: nothing') FROM t;
SELECT throws_ok('SELECT message_vote(cat, g, 4, ''{0}'') FROM t', 'PE404', NULL, 'gone for me');
SELECT throws_ok('SELECT message_star(cat, g, 4, true) FROM t', 'PE404', NULL, 'in all respects');

-- deleting for everyone
UPDATE message SET pinned_at = now() FROM t WHERE conversation_id = c AND seq = 1;
SELECT is((SELECT row(d.*)::text FROM message_delete(ann, c, 1) d), '(t,1,13,)', 'takes a rev') FROM t;
SELECT is((SELECT row(content, mentions, reactions, pinned_at, extra, forward_of, deleted_at = now(), rev)::text FROM message, t
           WHERE conversation_id = c AND seq = 1), '(,,,,,,t,13)', 'a tombstone');
SELECT is((SELECT count(*) FROM message_revision, t WHERE conversation_id = c), 0::bigint, 'without a past');
SELECT is((SELECT count(*) FROM message_mine, t WHERE conversation_id = c AND (reactions IS NOT NULL OR votes IS NOT NULL)), 0::bigint, 'or reactions');
SELECT throws_ok('SELECT message_edit(ann, c, 1, ''x'', NULL, NULL) FROM t', 'PE4D1', NULL, 'not edited');
SELECT throws_ok('SELECT message_react(ann, c, 1, ''👍'', true, 3, 4) FROM t', 'PE4D1', NULL, 'nor reacted to');
SELECT throws_ok('SELECT message_pin(ann, c, 1, true, 2) FROM t', 'PE4D1', NULL, 'nor pinned');
SELECT is((SELECT o_changed FROM t, message_react(ann, c, 1, '👍', false, 3, 4)), false, 'nothing to take away');

-- blocks, in the direct conversation
SELECT is(pg_temp.say(ann, c, 'still here'), 2::bigint) FROM t;
INSERT INTO block (user_id, blocked_id) SELECT ben, ann FROM t;
SELECT throws_ok('SELECT message_edit(ann, c, 2, ''x'', NULL, NULL) FROM t', 'PE4B1', NULL, 'no edits');
SELECT throws_ok('SELECT message_react(ben, c, 2, ''👍'', true, 3, 4) FROM t', 'PE4B1', NULL, 'no reactions');
SELECT throws_ok('SELECT message_pin(ann, c, 2, true, 3) FROM t', 'PE4B1', NULL, 'no pins');
SELECT is((SELECT o_changed FROM t, message_react(ann, g, 1, '👍', true, 3, 4)), true, 'groups stay as they are');
SELECT is((SELECT o_changed FROM message_delete(ann, c, 2)), true, 'deleting goes on') FROM t;

-- marks keep when they moved, and who keeps receipts to themselves moves none
CREATE FUNCTION pg_temp.marks(p_who bigint) RETURNS text LANGUAGE sql AS $$
	SELECT row(read_seq, receipt_seq, delivered_seq, unread_from)::text FROM member, t WHERE user_id = p_who AND conversation_id = g $$;
CREATE FUNCTION pg_temp.notes(p_who bigint) RETURNS text LANGUAGE sql AS $$
	SELECT array_agg(row(receipt_seq, delivered_seq, at = now())::text ORDER BY slot)::text FROM mark_advance, t WHERE user_id = p_who AND conversation_id = g $$;
DELETE FROM mark_advance;
SELECT is((SELECT array_agg(pg_temp.say(ann, g, n::text)) FROM t, generate_series(1, 4) n), ARRAY[5, 6, 7, 8]::bigint[], 'four more');
SELECT is((SELECT o_seq FROM event_acks(ARRAY[cat], ARRAY[g], ARRAY[5]::bigint[], 32)), 5::bigint, 'acknowledged') FROM t;
SELECT is(pg_temp.notes(cat), '{"(3,5,t)"}', 'noted') FROM t;
SELECT is((SELECT row(o_moved, o_receipt_seq, o_delivered_seq)::text FROM conversation_read(cat, g, 6, false, 32)), '(t,6,6)', 'read') FROM t;
SELECT is(pg_temp.notes(cat), '{"(6,6,t)"}', 'in the same ten seconds: one row') FROM t;
SELECT is((SELECT o_moved FROM conversation_read(cat, g, 6, false, 32)), false, 'not moved') FROM t;
UPDATE mark_advance SET slot = slot - 1, at = at - interval '10 seconds';
SELECT is((SELECT row(o_moved, o_receipt_seq, o_hearers)::text FROM conversation_read(cat, g, 7, true, 32)), '(t,6,)', 'privately') FROM t;
SELECT is(pg_temp.notes(cat), '{"(6,6,f)"}', 'nobody is told, so nothing is noted') FROM t;
SELECT is((SELECT row(o_moved, o_receipt_seq)::text FROM conversation_read(cat, g, 7, false, 32)), '(t,7)', 'then told') FROM t;
SELECT is(pg_temp.notes(cat), '{"(6,6,f)","(7,7,t)"}', 'another ten seconds: another row') FROM t;
UPDATE users SET read_receipts = false FROM t WHERE id = cat;
SELECT is((SELECT row(o_moved, o_read_seq, o_receipt_seq, o_unread, o_hearers)::text FROM conversation_read(cat, g, 8, false, 32)), '(t,8,7,0,)',
          'who keeps receipts to themselves reads without one') FROM t;
SELECT is(pg_temp.marks(cat), '(8,7,7,)', 'the row') FROM t;
SELECT is((SELECT o_moved FROM conversation_read(cat, g, 8, false, 32)), false, 'again: nothing') FROM t;
UPDATE users SET read_receipts = true FROM t WHERE id = cat;
SELECT is((SELECT row(o_moved, o_read_seq, o_receipt_seq, o_hearers)::text FROM conversation_read(cat, g, 8, false, 32)),
          format('(t,8,8,"{%s,%s}")', ann, ben), 'who tells again tells what was read') FROM t;
SELECT is((SELECT count(*) FROM t, event_acks(ARRAY[t.ben], ARRAY[t.g], ARRAY[99]::bigint[], 32) x WHERE x.o_seq = 8), 1::bigint, 'never past the end');
SELECT is(pg_temp.notes(ben), '{"(0,8,t)"}', 'noted as it is') FROM t;

SELECT results_eq('SELECT position FROM event, t WHERE conversation_id = c ORDER BY position',
                  'SELECT n::bigint FROM generate_series(1, (SELECT last_seq + last_rev FROM conversation, t WHERE id = c)) n', 'the order is dense');
SELECT * FROM finish();
ROLLBACK;
