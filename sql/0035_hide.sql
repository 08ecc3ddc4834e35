-- 0035_hide -- deleting for me while I am taken out of the conversation.

-- As before (0008), but whoever is no member any more when the mark is set gets 404: a mark without a member would not be seen by
-- member_enroll() when somebody brings me back at that moment, and show me again what I have deleted.
CREATE OR REPLACE FUNCTION message_hide(p_me bigint, p_conversation bigint, p_seq bigint, OUT o_changed boolean, OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden
	  AND p_seq >= first_visible(c.history_all, c.first_seq, m.joined_seq);
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member, or before my time';
	END IF;
	o_changed := NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation AND z.seq = p_seq
	                                                      AND z.hidden_at IS NOT NULL);
	IF NOT o_changed THEN
		RETURN;
	END IF;
	PERFORM FROM message g
	WHERE g.conversation_id = p_conversation AND g.seq = p_seq AND (g.expires_at IS NULL OR g.expires_at > now());
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such message';
	END IF;
	UPDATE member SET hides = true, mark_xid = pg_current_xact_id() WHERE user_id = p_me AND conversation_id = p_conversation;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member any more';
	END IF;
	INSERT INTO message_mine AS z (user_id, conversation_id, seq, hidden_at) VALUES (p_me, p_conversation, p_seq, now())
	ON CONFLICT (user_id, conversation_id, seq) DO UPDATE SET hidden_at = now(), starred_at = NULL WHERE z.hidden_at IS NULL;
	o_changed := FOUND;
	IF o_changed THEN
		o_user_rev := event_user(p_me, 3::smallint, p_conversation, p_seq, NULL);
	END IF;
END $$;
