-- 0002_functions -- the writes, one call each, and what several statements share.
--
-- Locks are taken late and always in this order: conversation, member, users. Outcomes travel as SQLSTATEs that
-- lib/store/db.c knows: PE404 not found, PE403 forbidden, PE422 key used with another body, 22023 invalid, 40001 run it again.

-- Names a state of the numbering. A restore (peal_meta.epoch, or another cluster) or a promotion (timeline) begins another one.
CREATE FUNCTION log_epoch() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT left(encode(sha256(convert_to(m.epoch || '/' || s.system_identifier || '/'
	            || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 'UTF8')), 'hex'), 16)
	FROM peal_meta m, pg_control_system() s
$$;

-- The first message that a member may see.
CREATE FUNCTION first_visible(history_all boolean, first_seq bigint, joined_seq bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN history_all THEN first_seq ELSE greatest(first_seq, joined_seq + 1) END
$$;

-- What counts as unread from a place on: live, non-system messages of others, at most 100. Inlined into its callers.
CREATE FUNCTION unread_of(p_user bigint, p_conversation bigint, p_from bigint) RETURNS TABLE (unread bigint, mentions bigint)
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT count(*), count(*) FILTER (WHERE u.mentions @> jsonb_build_array(jsonb_build_object('user_id', p_user::text)))
	FROM (SELECT g.mentions FROM message g
	      WHERE g.conversation_id = p_conversation AND g.seq >= p_from
	        AND g.sender_id <> p_user AND g.deleted_at IS NULL AND g.kind <> 9
	      LIMIT 100) u
$$;

-- Starts or finds the direct conversation of two people. The other one does not see it before the first message.
CREATE FUNCTION conversation_start_direct(p_me bigint, p_peer bigint,
	OUT o_conversation_id bigint, OUT o_created boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
	v_low  bigint := least(p_me, p_peer);
	v_high bigint := greatest(p_me, p_peer);
BEGIN
	o_created := false;
	PERFORM FROM users WHERE id = p_peer AND disabled_at IS NULL;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	END IF;
	SELECT c.id, c.last_seq, c.last_rev INTO o_conversation_id, o_seq, o_rev
	FROM conversation c WHERE c.kind = 1 AND c.direct_low = v_low AND c.direct_high = v_high;
	IF FOUND THEN
		UPDATE member SET hidden = false WHERE user_id = p_me AND conversation_id = o_conversation_id AND hidden;
		RETURN;
	END IF;

	INSERT INTO conversation (kind, created_by, direct_low, direct_high, participant_count, last_rev)
	VALUES (1, p_me, v_low, v_high, CASE WHEN v_low = v_high THEN 1 ELSE 2 END, 1)
	ON CONFLICT (direct_low, direct_high) WHERE kind = 1 DO NOTHING
	RETURNING id INTO o_conversation_id;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'started by the other side at the same time';
	END IF;
	INSERT INTO member (user_id, conversation_id, hidden) VALUES (p_me, o_conversation_id, false);
	IF p_peer <> p_me THEN
		INSERT INTO member (user_id, conversation_id, hidden) VALUES (p_peer, o_conversation_id, true);
	END IF;
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id) VALUES (o_conversation_id, 1, 0, 1, 2, p_me);
	o_created := true;
	o_seq := 0;
	o_rev := 1;
	o_at := now();
END $$;

-- Says something. A key that was used before gives o_replayed and the old place: nothing is written then.
CREATE FUNCTION message_send(p_me bigint, p_conversation bigint, p_client_id text, p_request_hash bytea, p_kind smallint,
	p_content text, p_mentions jsonb, p_reply_seq bigint,
	OUT o_replayed boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_at timestamptz, OUT o_first boolean, OUT o_hearers bigint[],
	OUT o_reply_sender bigint, OUT o_reply_excerpt text)
LANGUAGE plpgsql AS $$
DECLARE
	v_floor  bigint;
	v_hash   bytea;
	v_hidden boolean;
BEGIN
	SELECT first_visible(c.history_all, c.first_seq, m.joined_seq) INTO v_floor
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;

	SELECT k.seq, k.request_hash INTO o_seq, v_hash
	FROM message_key k WHERE k.conversation_id = p_conversation AND k.sender_id = p_me AND k.client_id = p_client_id;
	IF FOUND THEN
		IF v_hash <> p_request_hash THEN
			RAISE SQLSTATE 'PE422' USING MESSAGE = 'client_id was used with another body';
		END IF;
		o_replayed := true;
		RETURN;
	END IF;
	o_replayed := false;

	IF p_reply_seq IS NOT NULL THEN
		SELECT g.sender_id, left(g.content, 120) INTO o_reply_sender, o_reply_excerpt
		FROM message g WHERE g.conversation_id = p_conversation AND g.seq = p_reply_seq AND g.seq >= v_floor;
		IF NOT FOUND THEN
			RAISE SQLSTATE '22023' USING MESSAGE = 'reply_to is not a message you can see';
		END IF;
	END IF;

	UPDATE conversation c SET last_seq = c.last_seq + 1, updated_at = now(), last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation RETURNING c.last_seq, c.last_rev INTO o_seq, o_rev;

	-- Whoever sent the same key while we waited for the lock has committed: the next run finds its key.
	INSERT INTO message_key (conversation_id, sender_id, client_id, seq, request_hash)
	VALUES (p_conversation, p_me, p_client_id, o_seq, p_request_hash) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'client_id is being used';
	END IF;

	SELECT array_agg(m.user_id ORDER BY m.user_id), bool_or(m.hidden) INTO o_hearers, v_hidden
	FROM member m WHERE m.conversation_id = p_conversation;
	IF NOT p_me = ANY (o_hearers) THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member any more';
	END IF;

	INSERT INTO message (conversation_id, seq, sender_id, kind, reply_seq, client_id, content, mentions)
	VALUES (p_conversation, o_seq, p_me, p_kind, p_reply_seq, p_client_id, p_content, p_mentions);
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq)
	VALUES (p_conversation, o_seq + o_rev, o_seq, o_rev, 1, p_me, o_seq);
	o_at := now();
	o_first := v_hidden;
	IF v_hidden THEN
		UPDATE member SET hidden = false WHERE conversation_id = p_conversation AND hidden;
	END IF;

	-- My read mark comes along when nothing of others is unread; the receipt only if it told all that I had read.
	UPDATE member m SET read_seq = o_seq, mark_xid = pg_current_xact_id(),
		receipt_seq = CASE WHEN m.receipt_seq = m.read_seq THEN o_seq ELSE m.receipt_seq END,
		delivered_seq = CASE WHEN m.delivered_seq >= m.read_seq THEN o_seq ELSE m.delivered_seq END
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND m.unread_from IS NULL
	  AND NOT EXISTS (SELECT FROM message g
	                  WHERE g.conversation_id = p_conversation AND g.seq > m.read_seq AND g.seq >= v_floor AND g.seq < o_seq
	                    AND g.sender_id <> p_me AND g.deleted_at IS NULL AND g.kind <> 9);
END $$;

-- Deletes for all: the sender, or an admin of the group. The row stays as a tombstone without content.
CREATE FUNCTION message_delete(p_me bigint, p_conversation bigint, p_seq bigint,
	OUT o_changed boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_at timestamptz, OUT o_hearers bigint[])
LANGUAGE plpgsql AS $$
DECLARE
	v_sender bigint;
	v_gone   timestamptz;
	v_role   smallint;
BEGIN
	SELECT g.sender_id, g.deleted_at, m.role INTO v_sender, v_gone, v_role
	FROM member m JOIN conversation c ON c.id = m.conversation_id JOIN message g ON g.conversation_id = c.id AND g.seq = p_seq
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden
	  AND g.seq >= first_visible(c.history_all, c.first_seq, m.joined_seq);
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such message';
	END IF;
	IF v_sender <> p_me AND v_role < 2 THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'only the sender or an admin';
	END IF;
	o_changed := v_gone IS NULL;
	IF NOT o_changed THEN
		RETURN;
	END IF;

	UPDATE conversation c SET last_rev = c.last_rev + 1, last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation RETURNING c.last_seq, c.last_rev INTO o_seq, o_rev;
	UPDATE message g SET deleted_at = now(), content = NULL, mentions = NULL, rev = o_rev
	WHERE g.conversation_id = p_conversation AND g.seq = p_seq AND g.deleted_at IS NULL;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'deleted by somebody else at the same time';
	END IF;
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq)
	VALUES (p_conversation, o_seq + o_rev, o_seq, o_rev, 3, p_me, p_seq);
	SELECT array_agg(m.user_id ORDER BY m.user_id) INTO o_hearers
	FROM member m WHERE m.conversation_id = p_conversation AND NOT m.hidden;
	IF NOT p_me = ANY (o_hearers) THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member any more';
	END IF;
	o_at := now();
END $$;

-- Moves my read mark forward and clears "mark unread". Private reading moves read_seq, not receipt_seq.
CREATE FUNCTION conversation_read(p_me bigint, p_conversation bigint, p_seq bigint, p_private boolean, p_marks_max bigint,
	OUT o_moved boolean, OUT o_read_seq bigint, OUT o_receipt_seq bigint, OUT o_delivered_seq bigint, OUT o_unread bigint,
	OUT o_mentions bigint, OUT o_user_rev bigint, OUT o_at timestamptz, OUT o_hearers bigint[])
LANGUAGE plpgsql AS $$
DECLARE
	v_last    bigint;
	v_count   integer;
	v_floor   bigint;
	v_read    bigint;
	v_receipt bigint;
	v_from    bigint;
BEGIN
	SELECT c.last_seq, c.participant_count, first_visible(c.history_all, c.first_seq, m.joined_seq),
	       m.read_seq, m.receipt_seq, m.delivered_seq, m.unread_from
	INTO v_last, v_count, v_floor, v_read, v_receipt, o_delivered_seq, v_from
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden FOR NO KEY UPDATE OF m;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;
	IF p_seq < 0 OR p_seq > v_last THEN
		RAISE SQLSTATE '22023' USING MESSAGE = 'seq is not in this conversation';
	END IF;

	o_read_seq := greatest(v_read, p_seq);
	o_receipt_seq := CASE WHEN p_private THEN v_receipt ELSE greatest(v_receipt, p_seq) END;
	o_delivered_seq := greatest(o_delivered_seq, o_receipt_seq);
	o_moved := o_read_seq > v_read OR o_receipt_seq > v_receipt OR v_from IS NOT NULL;
	IF o_moved THEN
		UPDATE member SET read_seq = o_read_seq, receipt_seq = o_receipt_seq, delivered_seq = o_delivered_seq,
		       unread_from = NULL, mark_xid = pg_current_xact_id()
		WHERE user_id = p_me AND conversation_id = p_conversation;
		UPDATE users SET last_user_rev = last_user_rev + 1 WHERE id = p_me RETURNING last_user_rev INTO o_user_rev;
		INSERT INTO user_event (user_id, user_rev, kind, conversation_id, target_seq)
		VALUES (p_me, o_user_rev, 1, p_conversation, o_read_seq);
		IF o_receipt_seq > v_receipt AND v_count <= p_marks_max THEN
			SELECT array_agg(m.user_id ORDER BY m.user_id) INTO o_hearers
			FROM member m WHERE m.conversation_id = p_conversation AND m.user_id <> p_me AND NOT m.hidden;
		END IF;
	END IF;
	o_unread := 0;
	o_mentions := 0;
	IF o_read_seq < v_last THEN
		SELECT u.unread, u.mentions INTO o_unread, o_mentions
		FROM unread_of(p_me, p_conversation, greatest(v_floor, o_read_seq + 1)) u;
	END IF;
	o_at := now();
END $$;

-- Moves delivered marks forward, never past the conversation's end. Marks may be lost in a crash: the next ack repeats them.
CREATE FUNCTION event_acks(p_users bigint[], p_conversations bigint[], p_seqs bigint[], p_marks_max bigint)
RETURNS TABLE (o_user_id bigint, o_conversation_id bigint, o_seq bigint, o_at timestamptz, o_hearers bigint[])
LANGUAGE plpgsql AS $$
BEGIN
	-- A SET clause of the function would be undone before the commit that it is meant for.
	PERFORM set_config('synchronous_commit', 'off', true);
	RETURN QUERY
	WITH proven AS (
		SELECT a.user_id, a.conversation_id, max(a.seq) AS seq
		FROM unnest(p_users, p_conversations, p_seqs) AS a (user_id, conversation_id, seq) GROUP BY 1, 2
	), held AS (
		SELECT m.user_id, m.conversation_id, least(p.seq, c.last_seq) AS seq, c.participant_count
		FROM proven p JOIN member m USING (user_id, conversation_id) JOIN conversation c ON c.id = m.conversation_id
		WHERE m.delivered_seq < least(p.seq, c.last_seq)
		ORDER BY m.user_id, m.conversation_id FOR NO KEY UPDATE OF m
	), moved AS (
		UPDATE member m SET delivered_seq = h.seq, mark_xid = pg_current_xact_id()
		FROM held h WHERE m.user_id = h.user_id AND m.conversation_id = h.conversation_id AND m.delivered_seq < h.seq
		RETURNING m.user_id, m.conversation_id, m.delivered_seq, h.participant_count
	)
	SELECT d.user_id, d.conversation_id, d.delivered_seq, now(),
	       CASE WHEN d.participant_count <= p_marks_max THEN
	            (SELECT array_agg(o.user_id ORDER BY o.user_id) FROM member o
	             WHERE o.conversation_id = d.conversation_id AND o.user_id <> d.user_id AND NOT o.hidden) END
	FROM moved d;
END $$;

-- Notes when people were last here, in batches; microseconds since 1970. May be lost in a crash.
CREATE FUNCTION event_seen(p_users bigint[], p_at bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	WITH seen AS (
		SELECT s.user_id, max('epoch'::timestamptz + s.us * interval '1 microsecond') AS at
		FROM unnest(p_users, p_at) AS s (user_id, us) GROUP BY 1
	), held AS (
		SELECT u.id, s.at FROM users u JOIN seen s ON s.user_id = u.id
		WHERE u.last_seen_at IS NULL OR u.last_seen_at < s.at ORDER BY u.id FOR NO KEY UPDATE OF u
	)
	UPDATE users u SET last_seen_at = h.at FROM held h WHERE u.id = h.id;
END $$;

REVOKE ALL ON FUNCTION conversation_start_direct(bigint, bigint),
	message_send(bigint, bigint, text, bytea, smallint, text, jsonb, bigint), message_delete(bigint, bigint, bigint),
	conversation_read(bigint, bigint, bigint, boolean, bigint), event_acks(bigint[], bigint[], bigint[], bigint),
	event_seen(bigint[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION conversation_start_direct(bigint, bigint),
	message_send(bigint, bigint, text, bytea, smallint, text, jsonb, bigint), message_delete(bigint, bigint, bigint),
	conversation_read(bigint, bigint, bigint, boolean, bigint), event_acks(bigint[], bigint[], bigint[], bigint),
	event_seen(bigint[], bigint[]) TO peal;
