-- 0027_slow_schedule -- slow mode holds a scheduled message back instead of refusing it for good.

-- To be sent when slow mode lets its owner speak again, who is told the new time. o_user_id null: it was taken back, or sent.
CREATE FUNCTION scheduled_defer(p_id bigint, OUT o_user_id bigint, OUT o_user_rev bigint) LANGUAGE plpgsql AS $$
DECLARE
	v_conversation bigint;
BEGIN
	UPDATE scheduled_message s
	SET send_at = greatest(now(), m.last_sent_at + c.slow_mode_seconds * interval '1 second')
	FROM conversation c, member m
	WHERE s.id = p_id AND s.failed_at IS NULL AND c.id = s.conversation_id AND m.user_id = s.user_id AND m.conversation_id = s.conversation_id
	RETURNING s.user_id, s.conversation_id INTO o_user_id, v_conversation;
	IF FOUND THEN
		o_user_rev := event_user(o_user_id, 5::smallint, v_conversation, NULL, p_id);
	END IF;
END $$;

REVOKE ALL ON FUNCTION scheduled_defer(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scheduled_defer(bigint) TO peal;
