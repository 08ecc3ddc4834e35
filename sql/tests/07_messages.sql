-- Kinds, forwarding, expiry, slow mode, blocks; attachments with several uses; what is unread and visible.
BEGIN;
SELECT plan(51);
CREATE FUNCTION pg_temp.person(p text) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO users (username, display_name) VALUES (p, initcap(p)) RETURNING id $$;
CREATE FUNCTION pg_temp.id(n integer) RETURNS text LANGUAGE sql AS $$ SELECT lpad(to_hex(n), 32, '0') $$;
SET LOCAL ROLE peal;
CREATE TEMP TABLE t AS SELECT pg_temp.person('ann') AS ann, pg_temp.person('ben') AS ben, pg_temp.person('cat') AS cat;
CREATE TEMP TABLE c AS
	SELECT (conversation_start_direct(ann, ben)).o_conversation_id AS ab, (conversation_start_direct(ben, cat)).o_conversation_id AS bc,
	       (group_create(ann, 'club', NULL, false, ARRAY[ben])).o_conversation_id AS club FROM t;
CREATE FUNCTION pg_temp.say(p_who bigint, p_where bigint, p_key text, p_more jsonb DEFAULT '{}', p_scheduled boolean DEFAULT false)
RETURNS bigint LANGUAGE sql AS $$
	SELECT o_seq FROM message_send_draft(p_who, p_where, p_key, sha256(convert_to(p_more::text, 'UTF8')),
		CASE WHEN p_more ? 'kind' OR p_more ? 'forward_seq' THEN '{}'::jsonb ELSE '{"kind": 1, "content": "x"}' END || p_more, p_scheduled) $$;
CREATE FUNCTION pg_temp.row_of(p_where bigint, p_seq bigint) RETURNS message LANGUAGE sql AS $$
	SELECT g FROM message g WHERE g.conversation_id = p_where AND g.seq = p_seq $$;

-- kinds
SELECT is(pg_temp.say(ann, ab, 'k1'), 1::bigint, 'a text') FROM t, c;
CREATE TEMP TABLE poll AS SELECT s.* FROM t, c, message_send(t.ann, c.ab, 'k2', '\x02', 7::smallint, NULL, NULL, NULL, NULL,
	'{"question": "?", "options": [{"text": "a", "count": 0}], "closes_in_seconds": 90, "closes_at": null}') s;
SELECT is((SELECT o_extra ->> 'closes_at' FROM poll), contract_time(now() + interval '90 seconds'), 'the end of a poll is counted from the send');
SELECT ok((SELECT NOT o_extra ? 'closes_in_seconds' FROM poll), 'and the seconds are not kept');
SELECT is((SELECT (pg_temp.row_of(ab, 2)).extra FROM c), (SELECT o_extra FROM poll), 'what is heard is what is kept');
SELECT throws_ok($$ SELECT pg_temp.say(ann, ab, 'k3', '{"kind": 7, "extra": {"closes_at": "2020-01-01T00:00:00.000Z"}}') FROM t, c $$,
	'PE400', '/poll/closes_at range That is past.', 'a poll that is over');
SELECT is(contract_time('2026-01-02 03:04:05.6789+00'), '2026-01-02T03:04:05.678Z', 'times are cut, as the contract writes them');

-- mentions
SELECT throws_ok(format($$ SELECT pg_temp.say(ann, ab, 'k3', '{"kind": 1, "content": "x", "mentions": [{"user_id": "%s"}, {"user_id": "%s"}]}') FROM t, c $$, ben, cat),
	'PE400', '/mentions/1/user_id unknown This person is not a member here.', 'who is not here is not mentioned') FROM t;
SELECT lives_ok(format($$ SELECT pg_temp.say(ann, ab, 'k3', '{"kind": 1, "content": "x", "mentions": [{"user_id": "%s"}]}') FROM t, c $$, ben), 'a member is') FROM t;
SELECT is((SELECT row(unread, mentions)::text FROM t, c, unread_of(ben, ab, 1)), '(3,1)', 'and counted');

-- expiry
SELECT is(pg_temp.say(ann, ab, 'k4', '{"kind": 1, "content": "x", "expires_in": 60}'), 4::bigint, 'for a minute') FROM t, c;
SELECT is((pg_temp.row_of(ab, 4)).expires_at, now() + interval '60 seconds', 'its time') FROM c;
SELECT is((SELECT unread FROM t, c, unread_of(ben, ab, 1)), 4::bigint, 'it is unread');
UPDATE message g SET expires_at = now() FROM c WHERE g.conversation_id = ab AND g.seq = 4;
SELECT is((SELECT unread FROM t, c, unread_of(ben, ab, 1)), 3::bigint, 'until then');
SELECT throws_ok($$ SELECT pg_temp.say(ben, ab, 'k5', '{"kind": 1, "content": "x", "reply_seq": 4}') FROM t, c $$, 'PE400', NULL, 'nobody replies to it');
SELECT throws_ok($$ SELECT pg_temp.say(ben, bc, 'k5', jsonb_build_object('forward_conversation', ab, 'forward_seq', 4)) FROM t, c $$,
	'PE400', '/forward_of unknown This is not a message that you can see.', 'nor forwards it');
UPDATE conversation SET ttl_seconds = 30 FROM c WHERE id = club;
SELECT is((pg_temp.row_of(club, pg_temp.say(ann, club, 'k1'))).expires_at, now() + interval '30 seconds', 'the group''s time') FROM t, c;
SELECT is((pg_temp.row_of(club, pg_temp.say(ann, club, 'k2', '{"kind": 1, "content": "x", "expires_in": 60}'))).expires_at, now() + interval '30 seconds', 'if it is less')
FROM t, c;
SELECT is((pg_temp.row_of(club, pg_temp.say(ann, club, 'k3', '{"kind": 1, "content": "x", "expires_in": 10}'))).expires_at, now() + interval '10 seconds', 'or mine') FROM t, c;

-- deleted for me
INSERT INTO message_mine (user_id, conversation_id, seq, hidden_at) SELECT ben, ab, 1, now() FROM t, c;
SELECT is((SELECT unread FROM t, c, unread_of(ben, ab, 1)), 3::bigint, 'nobody looks while nothing is said to be hidden');
UPDATE member SET hides = true FROM t, c WHERE user_id = ben AND conversation_id = ab;
SELECT is((SELECT unread FROM t, c, unread_of(ben, ab, 1)), 2::bigint, 'what I deleted for me is not unread');
SELECT throws_ok($$ SELECT pg_temp.say(ben, ab, 'k5', '{"kind": 1, "content": "x", "reply_seq": 1}') FROM t, c $$, 'PE400', NULL, 'nor replied to');
SELECT throws_ok($$ SELECT pg_temp.say(ben, bc, 'k5', jsonb_build_object('forward_conversation', ab, 'forward_seq', 1)) FROM t, c $$, 'PE400', NULL, 'nor forwarded');
INSERT INTO message_mine (user_id, conversation_id, seq, hidden_at) SELECT ben, ab, s, now() FROM t, c, unnest(ARRAY[2, 3]) s;
SELECT is(pg_temp.say(ben, ab, 'k5'), 5::bigint, 'when all that is left is hidden') FROM t, c;
SELECT is((SELECT read_seq FROM member, t, c WHERE user_id = ben AND conversation_id = ab), 5::bigint, 'sending moves the mark');

-- marks and schedules
SELECT is(pg_temp.say(ann, ab, 'k6', '{}', true), 6::bigint, 'a scheduled message') FROM t, c;
SELECT is((SELECT read_seq FROM member, t, c WHERE user_id = ann AND conversation_id = ab), 4::bigint, 'moves no mark');
INSERT INTO message_key (conversation_id, sender_id, client_id, scheduled_id, request_hash) SELECT ab, ann, 'later', 1, sha256('{}') FROM t, c;
SELECT throws_ok($$ SELECT pg_temp.say(ann, ab, 'later') FROM t, c $$, 'PE422', NULL, 'the key of what is to be sent later is used');

-- forwarding
SELECT is(pg_temp.say(ben, bc, 'f1', jsonb_build_object('forward_conversation', ab, 'forward_seq', 6)), 1::bigint, 'a text') FROM t, c;
SELECT is((SELECT row(g.kind, g.content, g.forward_of = jsonb_build_object('sender_id', ann::text, 'created_at', contract_time(now())))::text
           FROM t, c, pg_temp.row_of(bc, 1) g), '(1,x,t)', 'says the same, and who said it');
SELECT is(pg_temp.say(cat, bc, 'f2', jsonb_build_object('forward_conversation', bc, 'forward_seq', 1)), 2::bigint, 'again') FROM t, c;
SELECT is((SELECT (pg_temp.row_of(bc, 2)).forward_of ->> 'sender_id' FROM c), (SELECT ann::text FROM t), 'who said it first');
SELECT throws_ok($$ SELECT pg_temp.say(cat, bc, 'f3', jsonb_build_object('forward_conversation', ab, 'forward_seq', 6)) FROM t, c $$, 'PE400', NULL, 'not a stranger');
SELECT throws_ok($$ SELECT pg_temp.say(ann, club, 'f3', jsonb_build_object('forward_conversation', ab, 'forward_seq', 2)) FROM t, c $$, 'PE4K1', NULL, 'not a poll');
SELECT throws_ok($$ SELECT pg_temp.say(ann, ab, 'f3', jsonb_build_object('forward_conversation', club, 'forward_seq', 1)) FROM t, c $$, 'PE4K1', NULL,
	'not a system message');
SELECT throws_ok($$ SELECT pg_temp.say(ann, club, 'f3', jsonb_build_object('forward_conversation', ab, 'forward_seq', 6, 'kind', 6)) FROM t, c $$, 'PE400', NULL,
	'of the kind that it is');
SELECT lives_ok($$ SELECT message_delete(ann, ab, 6) FROM t, c $$, 'it is deleted');
SELECT throws_ok($$ SELECT pg_temp.say(ann, club, 'f3', jsonb_build_object('forward_conversation', ab, 'forward_seq', 6)) FROM t, c $$, 'PE4D1', NULL, 'not a tombstone');
SELECT is((SELECT (pg_temp.row_of(bc, 1)).content FROM c), 'x', 'a copy does not change');

-- attachments
SELECT lives_ok($$ SELECT attachment_register(pg_temp.id(n), ann, 2::smallint, NULL, 9, 'image/webp', 1, 1, false, NULL, NULL, '[]', 100, 1000, 1000) FROM t, generate_series(1, 2) n $$,
	'uploads');
SELECT throws_ok(format($$ SELECT pg_temp.say(ann, ab, 'a1', '{"kind": 3, "attachments": ["%s"]}') FROM t, c $$, pg_temp.id(1)), 'PE400',
	'/attachment_ids type One of these is not of the kind of this message.', 'a picture is no voice');
SELECT is(pg_temp.say(ann, ab, 'a1', jsonb_build_object('kind', 5, 'attachments', ARRAY[pg_temp.id(1), pg_temp.id(2)])), 7::bigint, 'but a file') FROM t, c;
SELECT is(pg_temp.say(ben, bc, 'a2', jsonb_build_object('forward_conversation', ab, 'forward_seq', 7)), 3::bigint, 'forwarded') FROM t, c;
SELECT is((SELECT count(*) FROM attachment_use), 4::bigint, 'each has two uses');
SELECT is((SELECT o_attachments FROM t, c, message_delete(ann, ab, 7)), NULL, 'deleting the first lets no file go');
SELECT is((SELECT row(bytes, (SELECT count(*) FROM media_usage))::text FROM media_usage, t WHERE user_id = ann), '(200,1)', 'they are their owner''s');
SELECT is((SELECT jsonb_array_length(o_attachments) FROM t, c, message_delete(ben, bc, 3)), 2, 'deleting the last one does');
SELECT is((SELECT row(bytes, (SELECT count(*) FROM attachment_use))::text FROM media_usage, t WHERE user_id = ann), '(0,0)', 'and frees the space');

-- blocks, slow mode
SELECT lives_ok('SELECT person_block(cat, ben, true) FROM t', 'a block');
SELECT throws_ok('SELECT pg_temp.say(ben, bc, ''b1'') FROM t, c', 'PE4B1', NULL, 'ends what is said directly');
UPDATE conversation SET slow_mode_seconds = 60 FROM c WHERE id = club;
SELECT is((SELECT pg_temp.say(ben, club, 's1') > 0 FROM t, c), true, 'the first');
SELECT throws_ok('SELECT pg_temp.say(ben, club, ''s2'') FROM t, c', 'PE4S1', '60000', 'the second must wait, so many milliseconds');
SELECT * FROM finish();
ROLLBACK;
