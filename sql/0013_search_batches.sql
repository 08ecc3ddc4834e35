-- 0013_search_batches -- what the indexer has made of many messages is written by one statement, which looks up all of them at once: a
-- statement per message spent three quarters of its time on being begun and ended. See docs/decisions.md 53.

DROP FUNCTION search_write(jsonb, bigint, bigint, bigint, bigint, bigint);

-- p_terms: one for each message, with U+001E between them. p_at: microseconds since 1970, 0 for what is not to be found any more. No place
-- occurs twice. p_from: where the indexer was, p_to where it is now; both null in a rebuild, which then is done up to (p_conversation,
-- p_seq). Another process that has moved the place meanwhile is told so by 40001, and nothing is written.
-- Returns how many rows are new.
CREATE FUNCTION search_write(p_conversations bigint[], p_seqs bigint[], p_at bigint[], p_terms text, p_from bigint, p_to bigint,
	p_conversation bigint, p_seq bigint, p_looked bigint) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$ -- planned while there is nothing yet, and kept
DECLARE
	v_written bigint;
BEGIN
	-- What a crash takes back it takes back together with the place, and it is done again.
	PERFORM set_config('synchronous_commit', 'off', true);
	IF p_to IS NOT NULL THEN
		UPDATE search_state SET xid = p_to::text::xid8 WHERE xid = p_from::text::xid8;
	ELSE
		UPDATE search_state SET rebuild_conversation = coalesce(p_conversation, 0), rebuild_seq = coalesce(p_seq, 0), rebuilt = rebuilt + p_looked,
			rebuilt_at = CASE WHEN p_conversation IS NULL THEN now() ELSE rebuilt_at END,
			rebuild_asked_at = CASE WHEN p_conversation IS NOT NULL THEN rebuild_asked_at END
		WHERE rebuild_asked_at IS NOT NULL;
	END IF;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'somebody else indexes';
	END IF;
	IF 0 = ANY (p_at) THEN
		DELETE FROM message_search m USING unnest(p_conversations, p_seqs, p_at) AS x (c, s, at)
		WHERE x.at = 0 AND m.conversation_id + 0 = x.c AND m.seq = x.s;
	END IF;
	WITH x AS MATERIALIZED (
		SELECT u.c, u.s, timestamptz 'epoch' + u.at * interval '1 microsecond' AS at, u.t::tsvector AS t
		FROM unnest(p_conversations, p_seqs, p_at, string_to_array(p_terms, E'\x1e')) AS u (c, s, at, t) WHERE u.at <> 0
	), had AS MATERIALIZED (
		SELECT x.*, m.terms AS before FROM x LEFT JOIN LATERAL (SELECT y.terms FROM message_search y
			WHERE y.sent_at = x.at AND y.conversation_id + 0 = x.c AND y.seq = x.s LIMIT 1) m ON true
	), changed AS (
		UPDATE message_search m SET terms = h.t FROM had h
		WHERE h.before <> h.t AND m.sent_at = h.at AND m.conversation_id + 0 = h.c AND m.seq = h.s
	)
	INSERT INTO message_search (sent_at, conversation_id, seq, terms) SELECT h.at, h.c, h.s, h.t FROM had h WHERE h.before IS NULL;
	GET DIAGNOSTICS v_written = ROW_COUNT;
	IF v_written > 0 THEN -- nearly all of them belong to the newest slice
		UPDATE search_slice s SET added = s.added + v_written WHERE s.to_at = 'infinity';
	END IF;
	RETURN v_written;
END $$;

-- Takes out what search_gone names, at most so many. Returns how many were named.
CREATE OR REPLACE FUNCTION search_forget(p_limit bigint) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
	v_gone bigint;
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	WITH g AS (
		DELETE FROM search_gone WHERE ctid = ANY (ARRAY(SELECT ctid FROM search_gone LIMIT p_limit)) RETURNING conversation_id, seq
	), d AS (
		DELETE FROM message_search m USING (SELECT DISTINCT g.conversation_id, g.seq FROM g) x
		WHERE m.conversation_id + 0 = x.conversation_id AND m.seq = x.seq
	)
	SELECT count(*) INTO v_gone FROM g;
	RETURN v_gone;
END $$;

REVOKE ALL ON FUNCTION search_write(bigint[], bigint[], bigint[], text, bigint, bigint, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_write(bigint[], bigint[], bigint[], text, bigint, bigint, bigint, bigint, bigint) TO peal;
