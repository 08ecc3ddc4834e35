-- 0024_calls -- calls that go on, as their signals tell, so that the server leaves the record: a message of kind call, once, when one ends.

CREATE TABLE call (
	conversation_id bigint      NOT NULL REFERENCES conversation,
	call_id         text        NOT NULL,                 -- as the device that calls has named it
	caller_id       bigint      NOT NULL REFERENCES users,
	video           boolean     NOT NULL,
	parties         bigint[]    NOT NULL,                 -- who is in it; the caller from the beginning
	started_at      timestamptz NOT NULL DEFAULT now(),
	answered_at     timestamptz,
	gone_at         timestamptz,                          -- since when fewer than two of them are connected
	ended_at        timestamptz,                          -- kept for a day, so that a late signal does not begin it again
	PRIMARY KEY (conversation_id, call_id)
);
CREATE INDEX call_going_on ON call (conversation_id, call_id) WHERE ended_at IS NULL;
CREATE INDEX call_over ON call (ended_at) WHERE ended_at IS NOT NULL;

-- Ends a call and says so in the conversation, in one transaction. No o_seq: it had ended, or whoever called is no longer there, or the two
-- have blocked each other: then nothing is said.
CREATE FUNCTION call_end(p_conversation bigint, p_call text, p_outcome text, p_at timestamptz, OUT o_seq bigint, OUT o_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_call call;
	v_ttl  integer;
BEGIN
	UPDATE call c SET ended_at = p_at WHERE c.conversation_id = p_conversation AND c.call_id = p_call AND c.ended_at IS NULL
	RETURNING c.* INTO v_call;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM FROM conversation c WHERE c.id = p_conversation FOR NO KEY UPDATE;
	PERFORM FROM conversation c JOIN member m ON m.conversation_id = c.id AND m.user_id = v_call.caller_id
	WHERE c.id = p_conversation AND NOT (c.kind = 1 AND c.direct_low <> c.direct_high AND blocked(c.direct_low, c.direct_high));
	IF NOT FOUND THEN
		RETURN;
	END IF;
	UPDATE conversation c SET last_seq = c.last_seq + 1, updated_at = now(), last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation RETURNING c.last_seq, c.last_rev, c.ttl_seconds INTO o_seq, o_rev, v_ttl;
	INSERT INTO message (conversation_id, seq, sender_id, kind, extra, expires_at)
	VALUES (p_conversation, o_seq, v_call.caller_id, 8,
		jsonb_build_object('call_id', p_call, 'media', CASE WHEN v_call.video THEN 'video' ELSE 'audio' END, 'outcome', p_outcome,
			'duration_seconds', CASE WHEN p_outcome = 'completed'
				THEN least(604800, greatest(0, floor(extract(epoch FROM p_at - v_call.answered_at)))) ELSE 0 END::bigint),
		now() + v_ttl * interval '1 second');
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq)
	VALUES (p_conversation, o_seq + o_rev, o_seq, o_rev, 1, v_call.caller_id, o_seq);
END $$;

-- What a signal does to its call. o_seq: it has ended by it, and this message says so. p_reason: of a hangup, or null.
CREATE FUNCTION call_signal(p_me bigint, p_conversation bigint, p_call text, p_kind text, p_video boolean, p_reason text, p_to bigint,
	OUT o_seq bigint, OUT o_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_call    call;
	v_direct  boolean;
	v_left    bigint[];
	v_outcome text;
BEGIN
	IF p_kind = 'offer' THEN
		INSERT INTO call (conversation_id, call_id, caller_id, video, parties) VALUES (p_conversation, p_call, p_me, p_video, ARRAY[p_me])
		ON CONFLICT DO NOTHING;
		IF FOUND THEN
			RETURN;
		END IF;
	END IF;
	SELECT c.* INTO v_call FROM call c WHERE c.conversation_id = p_conversation AND c.call_id = p_call AND c.ended_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF p_kind <> 'hangup' THEN    -- whoever answers is in it, and so is who joins it by an offer of their own
		UPDATE call c SET video = c.video OR p_video,
			parties = CASE WHEN p_me = ANY (c.parties) THEN c.parties ELSE c.parties || p_me END,
			answered_at = CASE WHEN p_me = c.caller_id THEN c.answered_at ELSE coalesce(c.answered_at, now()) END
		WHERE c.conversation_id = p_conversation AND c.call_id = p_call AND (NOT p_me = ANY (c.parties) OR (p_video AND NOT c.video));
		RETURN;
	END IF;

	SELECT c.kind = 1 INTO v_direct FROM conversation c WHERE c.id = p_conversation;
	IF NOT v_direct AND p_to IS NOT NULL THEN    -- one line of several
		RETURN;
	END IF;
	v_left := array_remove(v_call.parties, p_me);
	IF v_call.answered_at IS NULL THEN
		v_outcome := CASE WHEN p_reason = 'failed' AND (v_direct OR p_me = v_call.caller_id) THEN 'failed'
		                  WHEN p_me = v_call.caller_id THEN 'missed'
		                  WHEN v_direct THEN coalesce(p_reason, 'declined') END;    -- of a group, one who declines is one
	ELSIF cardinality(v_left) < 2 THEN
		v_outcome := 'completed';
	END IF;
	IF v_outcome IS NOT NULL THEN
		SELECT e.o_seq, e.o_rev INTO o_seq, o_rev FROM call_end(p_conversation, p_call, v_outcome, now()) e;
	ELSIF p_me = ANY (v_call.parties) THEN
		UPDATE call c SET parties = v_left WHERE c.conversation_id = p_conversation AND c.call_id = p_call;
	END IF;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON call TO peal;
REVOKE ALL ON FUNCTION call_end(bigint, text, text, timestamptz), call_signal(bigint, bigint, text, text, boolean, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION call_end(bigint, text, text, timestamptz), call_signal(bigint, bigint, text, text, boolean, text, bigint) TO peal;
