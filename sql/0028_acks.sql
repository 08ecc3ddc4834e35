-- 0028_acks -- what acknowledgements cost (docs/decisions.md 75): a message to thousands comes back as thousands of them.

-- By their slot, which an advance in the same ten seconds does not change: such a one is updated in place.
CREATE INDEX mark_advance_slot ON mark_advance (slot);
DROP INDEX mark_advance_at;
ALTER TABLE mark_advance SET (fillfactor = 80);

/*
 * Moves delivered marks forward, never past the conversation's end. Marks may be lost in a crash: the next ack repeats them.
 *
 * The plan is always the one for any arrays: for the arrays at hand it was, with many members in one conversation, to walk through all
 * of these for each of them. It is a nested loop, so that members are locked in the order in which everybody locks them.
 */
CREATE OR REPLACE FUNCTION event_acks(p_users bigint[], p_conversations bigint[], p_seqs bigint[], p_marks_max bigint)
RETURNS TABLE (o_user_id bigint, o_conversation_id bigint, o_seq bigint, o_at timestamptz, o_hearers bigint[])
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	-- A SET clause of the function would be undone before the commit that it is meant for.
	PERFORM set_config('synchronous_commit', 'off', true);
	RETURN QUERY
	WITH ends AS MATERIALIZED (
		SELECT c.id, c.last_seq, c.participant_count
		FROM (SELECT DISTINCT unnest(p_conversations) AS id) a JOIN conversation c USING (id)
	), proven AS MATERIALIZED (
		SELECT a.user_id, a.conversation_id, least(max(a.seq), min(e.last_seq)) AS seq, min(e.participant_count) AS participant_count
		FROM unnest(p_users, p_conversations, p_seqs) AS a (user_id, conversation_id, seq) JOIN ends e ON e.id = a.conversation_id
		GROUP BY 1, 2 ORDER BY 1, 2
	), moved AS (
		UPDATE member m SET delivered_seq = p.seq, mark_xid = pg_current_xact_id()
		FROM proven p WHERE m.user_id = p.user_id AND m.conversation_id = p.conversation_id AND m.delivered_seq < p.seq
		RETURNING m.user_id, m.conversation_id, m.receipt_seq, m.delivered_seq, p.participant_count
	), noted AS (
		INSERT INTO mark_advance AS a (conversation_id, user_id, slot, receipt_seq, delivered_seq)
		SELECT d.conversation_id, d.user_id, floor(extract(epoch FROM now()) / 10)::bigint, d.receipt_seq, d.delivered_seq FROM moved d
		ON CONFLICT (conversation_id, user_id, slot) DO UPDATE
		SET receipt_seq = greatest(a.receipt_seq, excluded.receipt_seq), delivered_seq = greatest(a.delivered_seq, excluded.delivered_seq),
		    at = excluded.at
	)
	SELECT d.user_id, d.conversation_id, d.delivered_seq, now(),
	       CASE WHEN d.participant_count <= p_marks_max THEN
	            (SELECT array_agg(o.user_id ORDER BY o.user_id) FROM member o
	             WHERE o.conversation_id = d.conversation_id AND o.user_id <> d.user_id AND NOT o.hidden) END
	FROM moved d;
END $$;

-- Removes what is kept for a time: advances of marks and keys of messages that were taken back 30 days, keys of other requests 24 hours.
CREATE OR REPLACE FUNCTION keys_expire(p_limit bigint, OUT o_advances bigint, OUT o_requests bigint, OUT o_keys bigint) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM mark_advance WHERE ctid = ANY (ARRAY(
		SELECT a.ctid FROM mark_advance a WHERE a.slot < floor(extract(epoch FROM now() - interval '30 days') / 10)::bigint
		ORDER BY a.slot LIMIT p_limit FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS o_advances = ROW_COUNT;
	DELETE FROM request_key WHERE ctid = ANY (ARRAY(
		SELECT k.ctid FROM request_key k WHERE k.created_at < now() - interval '24 hours' ORDER BY k.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS o_requests = ROW_COUNT;
	DELETE FROM message_key WHERE ctid = ANY (ARRAY(
		SELECT k.ctid FROM message_key k WHERE k.seq IS NULL AND k.created_at < now() - interval '30 days'
		AND NOT EXISTS (SELECT FROM scheduled_message s WHERE s.id = k.scheduled_id) ORDER BY k.scheduled_id LIMIT p_limit));
	GET DIAGNOSTICS o_keys = ROW_COUNT;
END $$;
