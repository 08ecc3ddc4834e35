-- Groups: made, changed, joined, left; roles; and what a member keeps for themselves.
BEGIN;
SELECT plan(98);
CREATE FUNCTION pg_temp.person(p text) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO users (username, display_name) VALUES (p, initcap(p)) RETURNING id $$;
SET LOCAL ROLE peal;
CREATE TEMP TABLE t AS SELECT pg_temp.person('ann') AS ann, pg_temp.person('ben') AS ben, pg_temp.person('cat') AS cat, pg_temp.person('dan') AS dan,
	pg_temp.person('eve') AS eve;
CREATE FUNCTION pg_temp.make(p_who bigint, p_name text, VARIADIC p_users bigint[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT o_conversation_id FROM group_create(p_who, p_name, NULL, false, p_users) $$;
CREATE FUNCTION pg_temp.say(p_who bigint, p_where bigint, p_text text) RETURNS bigint LANGUAGE sql AS $$
	SELECT o_seq FROM message_send(p_who, p_where, p_text, '\x01', 1::smallint, p_text, NULL, NULL) $$;
-- the log of a conversation, and its system messages, as text
CREATE FUNCTION pg_temp.log(p_where bigint, p_after bigint DEFAULT 0) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', e.kind, e.detail, (SELECT username FROM users u WHERE u.id = e.target_user), g.extra ->> 'kind'), ', ' ORDER BY e.position)
	FROM event e LEFT JOIN message g ON g.conversation_id = e.conversation_id AND g.seq = e.target_seq
	WHERE e.conversation_id = p_where AND e.position > p_after $$;
CREATE FUNCTION pg_temp.dense(p_where bigint) RETURNS boolean LANGUAGE sql AS $$
	SELECT array_agg(e.position ORDER BY e.position) = ARRAY(SELECT generate_series(1, (SELECT last_seq + last_rev FROM conversation WHERE id = p_where)))
	FROM event e WHERE e.conversation_id = p_where $$;
CREATE FUNCTION pg_temp.roles(p_where bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(u.username || m.role, ' ' ORDER BY m.joined_position, m.user_id) FROM member m JOIN users u ON u.id = m.user_id
	WHERE m.conversation_id = p_where $$;

-- making
CREATE TEMP TABLE g AS SELECT c.* FROM t, group_create(ann, 'Club', NULL, false, ARRAY[cat, ben, cat, ann]) c;
CREATE FUNCTION pg_temp.g() RETURNS bigint LANGUAGE sql AS $$ SELECT o_conversation_id FROM g $$;
SELECT is((SELECT row(o_seq, o_rev, o_n)::text FROM g), '(1,1,2)', 'a new one: two events');
SELECT is(pg_temp.log(pg_temp.g()), '2, 1 created', 'created, and said so');
SELECT is(pg_temp.roles(pg_temp.g()), 'ann3 ben1 cat1', 'I own it; naming somebody twice, or myself, does no harm');
SELECT is((SELECT row(kind, name, history_all, participant_count, last_xid = pg_current_xact_id())::text FROM conversation WHERE id = pg_temp.g()), '(2,Club,f,3,t)',
	'the row');
SELECT is((SELECT array_agg(DISTINCT row(joined_seq, joined_position, read_seq, hidden)::text) FROM member WHERE conversation_id = pg_temp.g()), ARRAY['(0,1,0,f)'],
	'all hear it from its first event on');
SELECT throws_ok('SELECT pg_temp.make(ann, ''x'', 999999) FROM t', '22023', NULL, 'nobody');
UPDATE users SET disabled_at = now() FROM t WHERE id = eve;
SELECT throws_ok('SELECT pg_temp.make(ann, ''x'', eve) FROM t', '22023', NULL, 'somebody disabled');
UPDATE users SET disabled_at = NULL FROM t WHERE id = eve;
INSERT INTO block (user_id, blocked_id) SELECT ann, dan FROM t;
SELECT throws_ok('SELECT pg_temp.make(ann, ''x'', ben, dan) FROM t', 'PE4B1', NULL, 'whom I block');
SELECT throws_ok('SELECT pg_temp.make(dan, ''x'', ann) FROM t', 'PE4B1', NULL, 'who blocks me');
SELECT is(pg_temp.roles(pg_temp.make(cat, 'both', ann, dan)), 'ann1 cat3 dan1', 'two who block each other, brought by a third') FROM t;
SELECT is(pg_temp.roles(pg_temp.make(ann, 'alone', VARIADIC '{}')), 'ann3', 'a group of one') FROM t;

-- adding
SELECT is(pg_temp.say(ann, pg_temp.g(), 'early'), 2::bigint, 'seq 2') FROM t;
SELECT throws_ok('SELECT member_add(ben, pg_temp.g(), ARRAY[eve], 5000) FROM t', 'PE403', NULL, 'a member brings nobody');
SELECT throws_ok('SELECT member_add(eve, pg_temp.g(), ARRAY[eve], 5000) FROM t', 'PE404', NULL, 'a stranger');
SELECT throws_ok('SELECT member_add(ann, pg_temp.g(), ARRAY[eve, dan], 5000) FROM t', 'PE4B1', NULL, 'whom I block');
SELECT throws_ok('SELECT member_add(ann, pg_temp.g(), ARRAY[eve, 999999], 5000) FROM t', '22023', NULL, 'nobody');
SELECT throws_ok('SELECT member_add(ann, pg_temp.g(), ARRAY[ben, eve], 3) FROM t', 'PE4G1', NULL, 'one too many');
SELECT is((SELECT row(last_seq, last_rev, participant_count)::text FROM conversation WHERE id = pg_temp.g()), '(2,1,3)', 'all or nobody: nothing was written');
CREATE TEMP TABLE a AS SELECT s.*, c.last_seq + c.last_rev AS before FROM t, conversation c, member_add(ann, c.id, ARRAY[eve, ben, eve], 4) s WHERE c.id = pg_temp.g();
SELECT is((SELECT row(o_added = ARRAY[eve], o_count, o_seq, o_rev, o_n)::text FROM t, a), '(t,4,3,2,2)', 'one of them is new');
SELECT is((SELECT pg_temp.log(pg_temp.g(), before) FROM a), '10 eve, 1 member_added', 'member_added, then the message');
SELECT is((SELECT row(joined_seq, joined_position, read_seq, receipt_seq, delivered_seq, role, hides)::text FROM member, t WHERE user_id = eve AND conversation_id = pg_temp.g()),
	'(2,4,2,2,2,1,f)', 'from that event on, marks at the join');
SELECT is((SELECT participant_count FROM conversation WHERE id = pg_temp.g()), 4, 'counted');
SELECT is((SELECT extra FROM message WHERE conversation_id = pg_temp.g() AND seq = 3), (SELECT jsonb_build_object('kind', 'member_added', 'user_ids', jsonb_build_array(eve::text)) FROM t),
	'who came');
SELECT is((SELECT row(o_added, o_n, o_count)::text FROM t, member_add(ann, pg_temp.g(), ARRAY[eve, ben], 4)), '({},0,4)', 'again: nothing, and a full group takes it');
SELECT is((SELECT unread FROM t, unread_of(eve, pg_temp.g(), 3)), 0::bigint, 'system messages are not unread');

-- several at once: each has their own event
DELETE FROM block;
CREATE TEMP TABLE big AS SELECT pg_temp.make(ann, 'big', ben) AS id FROM t;
SELECT is((SELECT o_n FROM t, big, member_add(ann, big.id, ARRAY[dan, cat, eve], 5000)), 4::bigint, 'three and a message');
SELECT is((SELECT string_agg(username || joined_position, ' ' ORDER BY joined_position) FROM member, users, big WHERE conversation_id = big.id AND users.id = user_id AND joined_position > 1),
	'dan3 cat4 eve5', 'in the order given');
SELECT is((SELECT pg_temp.log(id, 2) FROM big), '10 dan, 10 cat, 10 eve, 1 member_added', 'the log');
SELECT ok((SELECT pg_temp.dense(id) FROM big), 'dense');

-- coming back: what I deleted for myself stays away
INSERT INTO message_mine (user_id, conversation_id, seq, hidden_at) SELECT dan, big.id, 1, now() FROM t, big;
SELECT lives_ok('SELECT member_remove(dan, big.id, dan) FROM t, big', 'leaves');
SELECT lives_ok('SELECT member_add(ann, big.id, ARRAY[dan], 5000) FROM t, big', 'comes back');
SELECT is((SELECT row(hides, joined_seq)::text FROM t, big, member WHERE user_id = dan AND conversation_id = big.id), '(t,3)', 'and sees neither that nor what was said meanwhile');

-- roles
SELECT throws_ok('SELECT member_role(ben, pg_temp.g(), cat, 2::smallint) FROM t', 'PE403', NULL, 'a member gives no role');
SELECT is((SELECT row(o_seq, o_rev, o_n, o_receipt_seq)::text FROM t, member_role(ann, pg_temp.g(), ben, 2::smallint)), '(4,3,2,0)', 'an owner does');
SELECT is(pg_temp.log(pg_temp.g(), 5), '12 role ben, 1 role_changed', 'two events');
SELECT is((SELECT extra - 'user_ids' FROM message WHERE conversation_id = pg_temp.g() AND seq = 4), '{"kind": "role_changed", "role": "admin"}', 'which role');
SELECT throws_ok('SELECT member_role(ben, pg_temp.g(), cat, 2::smallint) FROM t', 'PE403', NULL, 'an admin gives none');
SELECT throws_ok('SELECT member_role(ben, pg_temp.g(), ben, 1::smallint) FROM t', 'PE403', NULL, 'and does not lay it down');
SELECT throws_ok('SELECT member_role(ann, pg_temp.g(), dan, 2::smallint) FROM t', 'PE404', NULL, 'not a member');
SELECT throws_ok('SELECT member_role(ann, pg_temp.g(), ann, 2::smallint) FROM t', 'PE4L1', NULL, 'the last owner stays one');
SELECT is((SELECT o_n FROM t, member_role(ann, pg_temp.g(), ben, 2::smallint)), 0::bigint, 'again: nothing');
SELECT is((SELECT o_n FROM t, member_role(ann, pg_temp.g(), ann, 3::smallint)), 0::bigint, 'nor for the last owner');
SELECT is((SELECT o_n FROM t, member_role(ann, pg_temp.g(), cat, 3::smallint)), 2::bigint, 'a second owner');
SELECT is((SELECT o_n FROM t, member_role(cat, pg_temp.g(), ann, 1::smallint)), 2::bigint, 'takes over');
SELECT is(pg_temp.roles(pg_temp.g()), 'ann1 ben2 cat3 eve1', 'handed over');

-- removing
SELECT throws_ok('SELECT member_remove(ann, pg_temp.g(), eve) FROM t', 'PE403', NULL, 'a member removes nobody');
SELECT throws_ok('SELECT member_remove(ann, pg_temp.g(), dan) FROM t', 'PE403', NULL, 'and learns nothing about who is there');
SELECT throws_ok('SELECT member_remove(ben, pg_temp.g(), cat) FROM t', 'PE403', NULL, 'an admin no owner');
SELECT throws_ok('SELECT member_remove(ben, pg_temp.g(), dan) FROM t', 'PE404', NULL, 'nor somebody who is not there');
CREATE TEMP TABLE before AS SELECT last_seq + last_rev AS p FROM conversation WHERE id = pg_temp.g();
CREATE TEMP TABLE r AS SELECT s.* FROM t, member_remove(ben, pg_temp.g(), eve) s;
SELECT is((SELECT o_n FROM r), 2::bigint, 'an admin removes a member');
SELECT is((SELECT pg_temp.log(pg_temp.g(), p) FROM before), '11 eve, 1 member_removed', 'the log');
SELECT is((SELECT row(kind, conversation_id = pg_temp.g(), user_rev)::text FROM user_event, t WHERE user_id = eve ORDER BY user_rev DESC LIMIT 1), (SELECT format('(9,t,%s)', o_user_rev) FROM r),
	'her own stream says removed');
SELECT is((SELECT participant_count FROM conversation WHERE id = pg_temp.g()), 3, 'counted');
SELECT throws_ok('SELECT member_remove(ben, pg_temp.g(), eve) FROM t', 'PE404', NULL, 'again');
SELECT throws_ok('SELECT pg_temp.say(eve, pg_temp.g(), ''still here?'') FROM t', 'PE404', NULL, 'a stranger now');
UPDATE before SET p = (SELECT last_seq + last_rev FROM conversation WHERE id = pg_temp.g());
SELECT is((SELECT o_n FROM t, member_remove(cat, pg_temp.g(), cat)), 4::bigint, 'the last owner leaves');
SELECT is((SELECT pg_temp.log(pg_temp.g(), p) FROM before), '12 role ben, 1 role_changed, 11 cat, 1 member_left', 'an admin follows first');
SELECT is(pg_temp.roles(pg_temp.g()), 'ann1 ben3', 'so there always is one');
SELECT lives_ok('SELECT member_remove(ben, pg_temp.g(), ben) FROM t', 'and without an admin');
SELECT is(pg_temp.roles(pg_temp.g()), 'ann3', 'the longest-standing member');
SELECT is((SELECT o_n FROM t, member_remove(ann, pg_temp.g(), ann)), 2::bigint, 'the last one of all');
SELECT is((SELECT participant_count FROM conversation WHERE id = pg_temp.g()), 0, 'nobody is left');
SELECT ok(pg_temp.dense(pg_temp.g()), 'and its log is dense');

-- changing
CREATE TEMP TABLE h AS SELECT pg_temp.make(ann, 'House', ben) AS id FROM t;
SELECT throws_ok($$ SELECT conversation_update(ben, h.id, '{"name": "x"}') FROM t, h $$, 'PE403', NULL, 'a member changes nothing');
SELECT throws_ok($$ SELECT conversation_update(cat, h.id, '{"name": "x"}') FROM t, h $$, 'PE404', NULL, 'a stranger');
SELECT is((SELECT o_n FROM t, h, conversation_update(ann, h.id, '{"name": "House", "ttl_seconds": null, "slow_mode_seconds": 0, "history": "joined", "avatar_id": null}')),
	0::bigint, 'what is so already is no change');
SELECT is((SELECT o_n FROM t, h, conversation_update(ann, h.id, '{}')), 0::bigint, 'nor is nothing');
SELECT is((SELECT row(o_seq, o_rev, o_n)::text FROM t, h, conversation_update(ann, h.id,
	'{"slow_mode_seconds": 30, "name": "Home", "retention_days": 7, "ttl_seconds": 60, "history": "all"}')), '(5,2,5)', 'one event, a message for each kind of change');
SELECT is((SELECT pg_temp.log(id, 2) FROM h), '12 name,history,ttl_seconds,retention_days,slow_mode_seconds, 1 renamed, 1 history_changed, 1 ttl_changed, 1 settings_changed',
	'the log');
SELECT is((SELECT row(name, history_all, ttl_seconds, retention_days, slow_mode_seconds)::text FROM conversation, h WHERE conversation.id = h.id), '(Home,t,60,7,30)', 'the row');
SELECT is((SELECT jsonb_agg(extra ORDER BY seq) FROM message, h WHERE conversation_id = h.id AND seq > 1),
	'[{"kind": "renamed", "name": "Home"}, {"kind": "history_changed", "history": "all"}, {"kind": "ttl_changed", "ttl_seconds": 60},
	  {"kind": "settings_changed", "retention_days": 7, "slow_mode_seconds": 30}]', 'what is told');
SELECT is((SELECT o_n FROM t, h, conversation_update(ann, h.id, '{"ttl_seconds": null, "slow_mode_seconds": null}')), 3::bigint, 'null takes away');
SELECT is((SELECT row(ttl_seconds, retention_days, slow_mode_seconds)::text FROM conversation, h WHERE conversation.id = h.id), '(,7,)', 'and only that');
SELECT throws_ok($$ SELECT conversation_update(ann, h.id, '{"avatar_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}') FROM t, h $$, 'PE409', NULL, 'no picture of mine');

-- direct conversations
CREATE TEMP TABLE d AS SELECT s.o_conversation_id AS id FROM t, conversation_start_direct(t.ann, t.ben) s;
SELECT throws_ok($$ SELECT conversation_update(ann, d.id, '{"name": "x"}') FROM t, d $$, 'PE4K1', NULL, 'has no name of its own');
SELECT throws_ok($$ SELECT member_add(ann, d.id, ARRAY[cat], 5000) FROM t, d $$, 'PE4K1', NULL, 'takes nobody in');
SELECT throws_ok($$ SELECT member_remove(ann, d.id, ann) FROM t, d $$, 'PE4K1', NULL, 'cannot be left');
SELECT throws_ok($$ SELECT member_role(ann, d.id, ben, 2::smallint) FROM t, d $$, 'PE4K1', NULL, 'has no roles');
SELECT throws_ok($$ SELECT conversation_update(ben, d.id, '{"ttl_seconds": 60}') FROM t, d $$, 'PE404', NULL, 'is hidden from the other at first');
SELECT is((SELECT row(o_seq, o_rev, o_n)::text FROM t, d, conversation_update(ann, d.id, '{"ttl_seconds": 60}')), '(0,2,1)',
	'whom nothing is said to before the first message');
SELECT is(pg_temp.say(ann, id, 'hello'), 1::bigint, 'which is the first') FROM t, d;
SELECT is((SELECT o_n FROM t, d, conversation_update(ben, d.id, '{"retention_days": 30}')), 2::bigint, 'then both may');
INSERT INTO block (user_id, blocked_id) SELECT ben, ann FROM t;
SELECT throws_ok($$ SELECT conversation_update(ann, d.id, '{"ttl_seconds": 90}') FROM t, d $$, 'PE4B1', NULL, 'but not over a block');

-- settings
SELECT is((SELECT member_settings(ann, h.id, '{"pinned": true, "notify": 3, "muted_until": "2031-01-01T00:00:00.000Z"}', 1) IS NOT NULL FROM t, h), true, 'my own settings');
SELECT is((SELECT row(notify, muted_until = '2031-01-01Z', archived, pinned)::text FROM member, t, h WHERE user_id = ann AND conversation_id = h.id), '(3,t,f,t)', 'kept');
SELECT is((SELECT member_settings(ann, h.id, '{"pinned": true}', 1) FROM t, h), NULL, 'again: nothing');
SELECT throws_ok($$ SELECT member_settings(ann, d.id, '{"pinned": true}', 1) FROM t, d $$, 'PE4M1', NULL, 'one pin too many');
SELECT is((SELECT member_settings(ann, h.id, '{"muted_until": null}', 1) IS NOT NULL FROM t, h), true, 'null unmutes');

-- unread, drafts
SELECT throws_ok('SELECT member_unread(ben, d.id, 99) FROM t, d', '22023', NULL, 'no such message');
SELECT is((SELECT member_unread(ben, d.id, 1) IS NOT NULL FROM t, d), true, 'unread from here');
SELECT is((SELECT member_unread(ben, d.id, 1) FROM t, d), NULL, 'again: nothing');
SELECT throws_ok('SELECT member_draft(ben, d.id, ''x'', 99) FROM t, d', '22023', NULL, 'a reply to nothing');
SELECT is((SELECT member_draft(ben, d.id, 'So', 1) IS NOT NULL FROM t, d), true, 'a draft');
SELECT is((SELECT member_draft(ben, d.id, 'So', 1) FROM t, d), NULL, 'again: nothing');
SELECT is((SELECT draft_json(d.id, draft) - 'updated_at' FROM member, t, d WHERE user_id = ben AND conversation_id = d.id), (SELECT jsonb_build_object('content', 'So', 'reply_to', id || '.1') FROM d),
	'as it is shown');
SELECT is((SELECT member_draft(ben, d.id, NULL, NULL) IS NOT NULL FROM t, d), true, 'forgotten');
SELECT is((SELECT draft FROM member, t, d WHERE user_id = ben AND conversation_id = d.id), NULL, 'gone');
SELECT is((SELECT array_agg(kind ORDER BY user_rev) FROM user_event, t WHERE user_id = ben AND user_rev > (SELECT max(user_rev) FROM user_event, t WHERE user_id = ben AND kind = 9)),
	ARRAY[1, 4, 4]::smallint[], 'ben''s own stream');
SELECT * FROM finish();
ROLLBACK;
