-- 0010_timers -- what happens by the clock: scheduled messages, expiry, retention, and keys that have lived long enough.
--
-- peal-jobs calls these in small batches, each a transaction that may be cut off anywhere: what was not done is found again.
-- Whatever changes a conversation takes its row first, as everybody does.

-- The conversations that retention or trimming may concern; neither column changes when a message is sent.
CREATE INDEX conversation_ageing ON conversation (id) WHERE retention_days IS NOT NULL OR first_seq > 1;
-- A deleted message has nothing left that could expire.
DROP INDEX message_expiring;
CREATE INDEX message_expiring ON message (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL;
-- What anybody has done with a message goes with it: stars and hidden ones too, which the index of 0004 leaves out.
DROP INDEX message_mine_said;
CREATE INDEX message_mine_said ON message_mine (conversation_id, seq, user_id);
CREATE INDEX message_key_scheduled ON message_key (scheduled_id) WHERE seq IS NULL;

-- An upload that a scheduled message waits with is used, by no message: nobody else can use it, and it is not swept.

-- Keeps uploads of mine for a scheduled message, all or none.
CREATE FUNCTION attachment_hold(p_me bigint, p_ids jsonb, p_kind smallint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v_held bigint;
	v_fits boolean;
BEGIN
	WITH held AS (
		UPDATE attachment a SET used = true
		FROM jsonb_array_elements_text(p_ids) AS w (id)
		WHERE a.id = w.id AND a.owner_id = p_me AND NOT a.used AND a.avatars = 0 AND a.deleted_at IS NULL AND a.state = 1
		RETURNING a.kind
	)
	SELECT count(*), bool_and(p_kind IN (5, h.kind)) INTO v_held, v_fits FROM held h;
	IF v_held <> jsonb_array_length(p_ids) THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/attachment_ids unknown One of these is not an upload of yours that nothing uses.';
	ELSIF NOT v_fits THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/attachment_ids type One of these is not of the kind of this message.';
	END IF;
END $$;

-- They are mine to use again.
CREATE FUNCTION attachment_unhold(p_me bigint, p_ids jsonb) RETURNS void LANGUAGE sql AS $$
	UPDATE attachment a SET used = false
	FROM jsonb_array_elements_text(p_ids) AS w (id)
	WHERE a.id = w.id AND a.owner_id = p_me AND a.used AND a.deleted_at IS NULL
	  AND NOT EXISTS (SELECT FROM attachment_use u WHERE u.attachment_id = a.id)
$$;

-- What its owner sees of a scheduled message, in REST and in their own stream.
CREATE FUNCTION scheduled_json(s scheduled_message) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('scheduled_id', s.id::text, 'conversation_id', s.conversation_id::text, 'client_id', s.client_id,
		'send_at', contract_time(s.send_at), 'created_at', contract_time(s.created_at), 'failed_at', contract_time(s.failed_at),
		'failure', s.failure, 'message_type', k.word, 'content', s.message -> 'content',
		'reply_to', s.conversation_id || '.' || (s.message ->> 'reply_seq'),
		'forward_of', (s.message ->> 'forward_conversation') || '.' || (s.message ->> 'forward_seq'),
		'mentions', coalesce(s.message -> 'mentions', '[]'), 'attachment_ids', coalesce(s.message -> 'attachments', '[]'),
		'expires_in_seconds', s.message -> 'expires_in')
		|| jsonb_build_object('location', NULL, 'poll', NULL, 'call', NULL, 'encrypted', NULL)
		|| CASE WHEN k.word = 'poll' THEN jsonb_build_object('poll', (s.message -> 'extra') - 'voters'
		             || jsonb_build_object('options', jsonb_path_query_array(s.message, '$.extra.options[*].text')))
		        WHEN s.message ? 'extra' THEN jsonb_build_object(k.word, s.message -> 'extra')
		        ELSE '{}' END
	FROM (SELECT (ARRAY['text', 'image', 'audio', 'video', 'file', 'location', 'poll', 'call', 'system', 'encrypted'])
		[(s.message ->> 'kind')::integer] AS word) k
$$;

-- What message_send() will refuse unless something changes meanwhile is refused when it is scheduled already.
CREATE FUNCTION scheduled_check(p_me bigint, p_conversation bigint, p_floor bigint, p_draft jsonb, p_send_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v_place bigint;
BEGIN
	PERFORM FROM message g WHERE g.conversation_id = p_conversation AND g.seq = (p_draft ->> 'reply_seq')::bigint AND g.seq >= p_floor
	AND (g.expires_at IS NULL OR g.expires_at > now());
	IF NOT FOUND AND p_draft ? 'reply_seq' THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/reply_to unknown This is not a message that you can see.';
	END IF;
	IF (p_draft #>> '{extra,closes_at}')::timestamptz <= p_send_at THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/poll/closes_at range The poll would be closed when it is sent.';
	END IF;
	IF p_draft ? 'forward_seq' THEN
		PERFORM message_copy(p_me, (p_draft ->> 'forward_conversation')::bigint, (p_draft ->> 'forward_seq')::bigint);
	END IF;
	SELECT x.place - 1 INTO v_place FROM jsonb_array_elements(p_draft -> 'mentions') WITH ORDINALITY AS x (mention, place)
	WHERE NOT EXISTS (SELECT FROM member m WHERE m.user_id = (x.mention ->> 'user_id')::bigint AND m.conversation_id = p_conversation)
	ORDER BY x.place LIMIT 1;
	IF FOUND THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = format('/mentions/%s/user_id unknown This person is not a member here.', v_place);
	END IF;
END $$;

-- Takes a message that is to be sent later. A key that was used before gives o_replayed with the scheduled message, or with the place of
-- the sent one; nothing is written then, nor when the time is out of range and the key new (no o_scheduled_id).
CREATE FUNCTION message_schedule(p_me bigint, p_conversation bigint, p_client_id text, p_request_hash bytea, p_draft jsonb,
	p_send_at timestamptz, p_in_range boolean, p_most bigint,
	OUT o_replayed boolean, OUT o_seq bigint, OUT o_scheduled_id bigint, OUT o_send_at timestamptz, OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_floor bigint;
	v_hash  bytea;
	v_kind  smallint;
	v_low   bigint;
	v_high  bigint;
BEGIN
	SELECT first_visible(c.history_all, c.first_seq, m.joined_seq), c.kind, c.direct_low, c.direct_high INTO v_floor, v_kind, v_low, v_high
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;

	SELECT k.seq, k.scheduled_id, k.request_hash, s.send_at INTO o_seq, o_scheduled_id, v_hash, o_send_at
	FROM message_key k LEFT JOIN scheduled_message s ON s.id = k.scheduled_id
	WHERE k.conversation_id = p_conversation AND k.sender_id = p_me AND k.client_id = p_client_id;
	o_replayed := FOUND;
	IF o_replayed AND v_hash <> p_request_hash THEN
		RAISE SQLSTATE 'PE422' USING MESSAGE = 'client_id was used with another body';
	ELSIF o_replayed AND o_seq IS NULL AND o_send_at IS NULL THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'scheduled, and taken back';
	ELSIF o_replayed OR NOT p_in_range THEN
		RETURN;
	END IF;

	IF v_kind = 1 AND v_low <> v_high AND blocked(v_low, v_high) THEN
		RAISE SQLSTATE 'PE4B1' USING MESSAGE = 'one of us blocks the other';
	END IF;
	PERFORM scheduled_check(p_me, p_conversation, v_floor, p_draft, p_send_at);

	PERFORM FROM users WHERE id = p_me FOR NO KEY UPDATE;
	IF (SELECT count(*) FROM scheduled_message s WHERE s.user_id = p_me) >= p_most THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'too many scheduled messages';
	END IF;
	INSERT INTO scheduled_message AS s (user_id, conversation_id, client_id, message, send_at)
	VALUES (p_me, p_conversation, p_client_id, p_draft, p_send_at) RETURNING s.id, s.send_at INTO o_scheduled_id, o_send_at;
	INSERT INTO message_key (conversation_id, sender_id, client_id, scheduled_id, request_hash)
	VALUES (p_conversation, p_me, p_client_id, o_scheduled_id, p_request_hash) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'client_id is being used';
	END IF;
	IF p_draft ? 'attachments' THEN
		PERFORM attachment_hold(p_me, p_draft -> 'attachments', (p_draft ->> 'kind')::smallint);
	END IF;
	o_user_rev := event_user(p_me, 5::smallint, p_conversation, NULL, o_scheduled_id);
END $$;

-- Takes a scheduled message back, or a failed one away. Its key stays, so that a late retry does not schedule it again.
CREATE FUNCTION scheduled_remove(p_me bigint, p_id bigint, OUT o_user_rev bigint) LANGUAGE plpgsql AS $$
DECLARE
	v_conversation bigint;
	v_draft        jsonb;
BEGIN
	DELETE FROM scheduled_message s WHERE s.id = p_id AND s.user_id = p_me RETURNING s.conversation_id, s.message INTO v_conversation, v_draft;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such scheduled message';
	END IF;
	IF v_draft ? 'attachments' THEN
		PERFORM attachment_unhold(p_me, v_draft -> 'attachments');
	END IF;
	o_user_rev := event_user(p_me, 5::smallint, v_conversation, NULL, p_id);
END $$;

-- Sends one that is due. It is gone, and the message there, in one transaction: whoever dies in the middle has done nothing. No o_user_id:
-- it is not due, or not there any more, or another process has it. A refusal is an exception; see scheduled_fail().
CREATE FUNCTION scheduled_send(p_id bigint, OUT o_conversation_id bigint, OUT o_seq bigint, OUT o_rev bigint, OUT o_user_id bigint,
	OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	s      scheduled_message;
	v_hash bytea;
BEGIN
	SELECT x.* INTO s FROM scheduled_message x WHERE x.id = p_id AND x.failed_at IS NULL AND x.send_at <= now() FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM FROM users WHERE id = s.user_id AND disabled_at IS NULL;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'the account is disabled';
	END IF;
	DELETE FROM scheduled_message WHERE id = p_id;
	IF s.message ? 'attachments' THEN
		PERFORM attachment_unhold(s.user_id, s.message -> 'attachments');
	END IF;
	DELETE FROM message_key k WHERE k.conversation_id = s.conversation_id AND k.sender_id = s.user_id AND k.client_id = s.client_id
	RETURNING k.request_hash INTO v_hash; -- message_send() makes it anew
	SELECT m.o_seq, m.o_rev INTO o_seq, o_rev
	FROM message_send_draft(s.user_id, s.conversation_id, s.client_id, v_hash, s.message, true) m;
	o_conversation_id := s.conversation_id;
	o_user_id := s.user_id;
	o_user_rev := event_user(s.user_id, 5::smallint, s.conversation_id, NULL, p_id);
END $$;

-- Keeps one that was refused, with the code of the refusal. No o_user_id: it is not there any more, or has failed before.
CREATE FUNCTION scheduled_fail(p_id bigint, p_failure text, OUT o_user_id bigint, OUT o_user_rev bigint) LANGUAGE plpgsql AS $$
DECLARE
	v_conversation bigint;
BEGIN
	UPDATE scheduled_message s SET failed_at = now(), failure = p_failure WHERE s.id = p_id AND s.failed_at IS NULL
	RETURNING s.user_id, s.conversation_id INTO o_user_id, v_conversation;
	IF FOUND THEN
		o_user_rev := event_user(o_user_id, 5::smallint, v_conversation, NULL, p_id);
	END IF;
END $$;

-- Takes from messages all that they said and all that was done with them. What stays is a tombstone, and nobody sees that either: the
-- messages have expired, or lie below first_seq.
CREATE FUNCTION message_strip(p_conversations bigint[], p_seqs bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	v_stripped bigint;
	v_ids      text[] := ARRAY(SELECT DISTINCT a.value ->> 'id'
		FROM unnest(p_conversations, p_seqs) AS x (conversation_id, seq)
		JOIN message g ON g.conversation_id = x.conversation_id AND g.seq = x.seq, jsonb_array_elements(g.attachments) AS a (value));
BEGIN
	IF cardinality(v_ids) > 0 THEN
		DELETE FROM attachment_use u USING unnest(p_conversations, p_seqs) AS x (conversation_id, seq)
		WHERE u.attachment_id = ANY (v_ids) AND u.conversation_id = x.conversation_id AND u.seq = x.seq;
		PERFORM attachment_drop(v_ids);
	END IF;
	DELETE FROM message_mine z USING unnest(p_conversations, p_seqs) AS x (conversation_id, seq)
	WHERE z.conversation_id = x.conversation_id AND z.seq = x.seq;
	DELETE FROM message_revision v USING unnest(p_conversations, p_seqs) AS x (conversation_id, seq)
	WHERE v.conversation_id = x.conversation_id AND v.seq = x.seq;
	UPDATE message g SET deleted_at = coalesce(g.deleted_at, now()), content = NULL, mentions = NULL, attachments = NULL, reactions = NULL,
		forward_of = NULL, extra = NULL, pinned_at = NULL
	FROM unnest(p_conversations, p_seqs) AS x (conversation_id, seq)
	WHERE g.conversation_id = x.conversation_id AND g.seq = x.seq;
	GET DIAGNOSTICS v_stripped = ROW_COUNT;
	RETURN v_stripped;
END $$;

-- Where a conversation begins once what has expired, or is from before p_before (null: whenever), no longer counts; it looks at so many
-- messages at most.
CREATE FUNCTION first_kept(p_conversation bigint, p_first bigint, p_before timestamptz, p_limit bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
	WITH looked AS NOT MATERIALIZED (
		SELECT g.seq, g.created_at < p_before OR (g.deleted_at IS NOT NULL AND g.expires_at <= now()) AS past
		FROM message g WHERE g.conversation_id = p_conversation AND g.seq >= p_first ORDER BY g.seq LIMIT p_limit
	)
	SELECT coalesce((SELECT l.seq FROM looked l WHERE l.past IS NOT TRUE ORDER BY l.seq LIMIT 1), (SELECT max(l.seq) + 1 FROM looked l), p_first)
$$;

-- Empties messages that expired p_grace_ms ago: long enough that no statement which still saw them goes on. A conversation that somebody
-- holds is left for the next time. o_more: there was more than p_limit.
CREATE FUNCTION message_expire(p_grace_ms bigint, p_limit bigint, OUT o_messages bigint, OUT o_moved bigint, OUT o_more boolean)
LANGUAGE plpgsql AS $$
DECLARE
	v_conversations bigint[];
	v_seqs          bigint[];
	v_held          bigint[];
BEGIN
	SELECT array_agg(e.conversation_id), array_agg(e.seq), count(*) = p_limit INTO v_conversations, v_seqs, o_more
	FROM (SELECT g.conversation_id, g.seq FROM message g
	      WHERE g.expires_at <= now() - p_grace_ms * interval '1 millisecond' AND g.deleted_at IS NULL
	      ORDER BY g.expires_at LIMIT p_limit) e;
	o_messages := 0;
	o_moved := 0;
	IF v_seqs IS NULL THEN
		RETURN;
	END IF;
	SELECT array_agg(h.id) INTO v_held
	FROM (SELECT c.id FROM conversation c WHERE c.id = ANY (v_conversations) ORDER BY c.id FOR NO KEY UPDATE SKIP LOCKED) h;
	SELECT message_strip(array_agg(x.conversation_id), array_agg(x.seq)) INTO o_messages
	FROM unnest(v_conversations, v_seqs) AS x (conversation_id, seq) WHERE x.conversation_id = ANY (v_held);
	o_messages := coalesce(o_messages, 0);
	o_more := o_more OR o_messages < cardinality(v_seqs);
	WITH moved AS (
		SELECT c.id, first_kept(c.id, c.first_seq, NULL, 1000) AS first FROM conversation c WHERE c.id = ANY (v_held)
	)
	UPDATE conversation c SET first_seq = m.first FROM moved m WHERE c.id = m.id AND c.first_seq < m.first;
	GET DIAGNOSTICS o_moved = ROW_COUNT;
END $$;

-- Looks at p_limit conversations after p_after that keep messages for a time only, or have cut some off. o_last: the last one looked at,
-- null at the end; o_due: those in which something is to be done.
CREATE FUNCTION conversation_ageing(p_after bigint, p_limit bigint, OUT o_last bigint, OUT o_due bigint[]) LANGUAGE sql STABLE AS $$
	SELECT max(c.id), array_agg(c.id ORDER BY c.id) FILTER (WHERE
		(SELECT g.created_at FROM message g WHERE g.conversation_id = c.id AND g.seq >= c.first_seq ORDER BY g.seq LIMIT 1)
			< now() - c.retention_days * interval '1 day'
		OR (SELECT g.created_at FROM message g WHERE g.conversation_id = c.id AND g.seq < c.first_seq ORDER BY g.seq LIMIT 1)
			< now() - interval '30 days')
	FROM (SELECT v.id, v.first_seq, v.retention_days FROM conversation v
	      WHERE v.id > p_after AND (v.retention_days IS NOT NULL OR v.first_seq > 1) ORDER BY v.id LIMIT p_limit) c
$$;

-- Moves first_seq past messages older than retention_days and empties them; removes the rows that lie below it for good, with their keys,
-- once these have lived their 30 days. At most p_limit of each; o_more: call it again.
CREATE FUNCTION conversation_age(p_conversation bigint, p_limit bigint, OUT o_stripped bigint, OUT o_removed bigint, OUT o_more boolean)
LANGUAGE plpgsql AS $$
DECLARE
	v_first bigint;
	v_to    bigint;
BEGIN
	o_stripped := 0;
	SELECT c.first_seq, first_kept(c.id, c.first_seq, now() - c.retention_days * interval '1 day', p_limit) INTO v_first, v_to
	FROM conversation c WHERE c.id = p_conversation FOR NO KEY UPDATE;
	IF v_to > v_first THEN
		UPDATE conversation SET first_seq = v_to WHERE id = p_conversation;
		SELECT message_strip(array_agg(g.conversation_id), array_agg(g.seq)) INTO o_stripped
		FROM message g WHERE g.conversation_id = p_conversation AND g.seq >= v_first AND g.seq < v_to;
		o_stripped := coalesce(o_stripped, 0);
	END IF;

	WITH old AS (
		SELECT l.* FROM (SELECT g.seq, g.sender_id, g.client_id, g.created_at FROM message g
		                 WHERE g.conversation_id = p_conversation AND g.seq < v_to ORDER BY g.seq LIMIT p_limit) l
		WHERE l.created_at < now() - interval '30 days'
	), keys AS (
		DELETE FROM message_key k USING old o
		WHERE k.conversation_id = p_conversation AND k.sender_id = o.sender_id AND k.client_id = o.client_id AND k.seq = o.seq
	)
	DELETE FROM message g USING old o WHERE g.conversation_id = p_conversation AND g.seq = o.seq;
	GET DIAGNOSTICS o_removed = ROW_COUNT;
	o_more := v_to - v_first = p_limit OR o_removed = p_limit;
END $$;

-- Removes what is kept for a time: advances of marks and keys of messages that were taken back 30 days, keys of other requests 24 hours.
CREATE FUNCTION keys_expire(p_limit bigint, OUT o_advances bigint, OUT o_requests bigint, OUT o_keys bigint) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM mark_advance WHERE ctid = ANY (ARRAY(
		SELECT a.ctid FROM mark_advance a WHERE a.at < now() - interval '30 days' ORDER BY a.at LIMIT p_limit FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS o_advances = ROW_COUNT;
	DELETE FROM request_key WHERE ctid = ANY (ARRAY(
		SELECT k.ctid FROM request_key k WHERE k.created_at < now() - interval '24 hours' ORDER BY k.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS o_requests = ROW_COUNT;
	DELETE FROM message_key WHERE ctid = ANY (ARRAY(
		SELECT k.ctid FROM message_key k WHERE k.seq IS NULL AND k.created_at < now() - interval '30 days'
		AND NOT EXISTS (SELECT FROM scheduled_message s WHERE s.id = k.scheduled_id) ORDER BY k.scheduled_id LIMIT p_limit));
	GET DIAGNOSTICS o_keys = ROW_COUNT;
END $$;

REVOKE ALL ON FUNCTION attachment_hold(bigint, jsonb, smallint), attachment_unhold(bigint, jsonb),
	scheduled_check(bigint, bigint, bigint, jsonb, timestamptz), message_schedule(bigint, bigint, text, bytea, jsonb, timestamptz, boolean, bigint), scheduled_remove(bigint, bigint), scheduled_send(bigint),
	scheduled_fail(bigint, text), message_strip(bigint[], bigint[]), message_expire(bigint, bigint), conversation_age(bigint, bigint),
	keys_expire(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION attachment_hold(bigint, jsonb, smallint), attachment_unhold(bigint, jsonb),
	scheduled_check(bigint, bigint, bigint, jsonb, timestamptz), message_schedule(bigint, bigint, text, bytea, jsonb, timestamptz, boolean, bigint), scheduled_remove(bigint, bigint), scheduled_send(bigint),
	scheduled_fail(bigint, text), message_strip(bigint[], bigint[]), message_expire(bigint, bigint), conversation_age(bigint, bigint),
	keys_expire(bigint) TO peal;
