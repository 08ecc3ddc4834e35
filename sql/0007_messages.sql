-- 0007_messages -- messages of all kinds: sending, forwarding, expiring; attachments that several messages use.

-- What counts as unread from a place on: visible, live, non-system messages of others, at most 100. Inlined into its callers.
-- The place is never below the floor. Whoever has deleted nothing for themselves costs no look at message_mine.
CREATE OR REPLACE FUNCTION unread_of(p_user bigint, p_conversation bigint, p_from bigint) RETURNS TABLE (unread bigint, mentions bigint)
LANGUAGE sql STABLE ROWS 1 AS $$
	SELECT count(*), count(*) FILTER (WHERE u.mentions @> jsonb_build_array(jsonb_build_object('user_id', p_user::text)))
	FROM (SELECT g.mentions FROM message g
	      WHERE g.conversation_id = p_conversation AND g.seq >= p_from
	        AND g.sender_id <> p_user AND g.deleted_at IS NULL AND g.kind <> 9 AND (g.expires_at IS NULL OR g.expires_at > now())
	        AND (NOT (SELECT m.hides FROM member m WHERE m.user_id = p_user AND m.conversation_id = p_conversation)
	             OR NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_user AND z.conversation_id = p_conversation
	                                                         AND z.seq = g.seq AND z.hidden_at IS NOT NULL))
	      LIMIT 100) u
$$;
