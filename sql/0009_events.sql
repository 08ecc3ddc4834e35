-- 0009_events -- who hears an event from when on.

-- Starts or finds the direct conversation of two people. The other one does not see it before the first message, or before starting it
-- too: that is an event, by which their other devices hear of it. o_at: when an event was written; null: none.
CREATE OR REPLACE FUNCTION conversation_start_direct(p_me bigint, p_peer bigint,
	OUT o_conversation_id bigint, OUT o_created boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
	v_low  bigint := least(p_me, p_peer);
	v_high bigint := greatest(p_me, p_peer);
	v_mine boolean;
BEGIN
	o_created := false;
	PERFORM FROM users WHERE id = p_peer AND disabled_at IS NULL;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	END IF;
	SELECT c.id, NOT m.hidden INTO o_conversation_id, v_mine
	FROM conversation c JOIN member m ON m.conversation_id = c.id AND m.user_id = p_me
	WHERE c.kind = 1 AND c.direct_low = v_low AND c.direct_high = v_high;
	IF FOUND AND v_mine THEN
		RETURN;
	ELSIF FOUND THEN
		PERFORM FROM conversation c WHERE c.id = o_conversation_id FOR NO KEY UPDATE;
		UPDATE member m SET hidden = false WHERE m.user_id = p_me AND m.conversation_id = o_conversation_id AND m.hidden;
		IF FOUND THEN -- otherwise the first message came meanwhile
			SELECT e.o_seq, e.o_rev INTO o_seq, o_rev FROM event_rev(o_conversation_id, 2::smallint, p_me, NULL, NULL, NULL) e;
			UPDATE member m SET joined_position = o_seq + o_rev WHERE m.user_id = p_me AND m.conversation_id = o_conversation_id;
			o_at := now();
		END IF;
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
