-- 0033_index_new -- what was said just now cannot be in the index yet, and is not looked for there: that cost as much as writing it, since
-- a look goes through all slices. See docs/decisions.md 82.

ALTER TABLE search_state ADD COLUMN rebuilt_xid xid8 NOT NULL DEFAULT pg_current_xact_id();  -- no rebuild has seen what is of it or later
ALTER TABLE search_state ALTER COLUMN rebuilt_xid DROP DEFAULT;

DROP FUNCTION search_write(bigint[], bigint[], bigint[], text, bigint, bigint, bigint, bigint, bigint);

-- As before. p_new: the first so many are of messages that the part of the log from p_from to p_to has made.
CREATE FUNCTION search_write(p_conversations bigint[], p_seqs bigint[], p_at bigint[], p_terms text, p_from bigint, p_to bigint,
	p_conversation bigint, p_seq bigint, p_looked bigint, p_new bigint DEFAULT 0) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
	v_terms   text[] := string_to_array(p_terms, E'\x1e');
	v_new     bigint := p_new;
	v_changed bigint[];
	v_written bigint;
	v_more    bigint;
	v_n       bigint;
BEGIN
	-- What a crash takes back it takes back together with the place, and it is done again.
	PERFORM set_config('synchronous_commit', 'off', true);
	IF p_to IS NOT NULL THEN
		UPDATE search_state s SET xid = p_to::text::xid8 WHERE s.xid = p_from::text::xid8
		RETURNING CASE WHEN s.rebuild_asked_at IS NULL AND p_from::text::xid8 >= s.rebuilt_xid THEN p_new ELSE 0 END INTO v_new;
	ELSE
		UPDATE search_state SET rebuild_conversation = coalesce(p_conversation, 0), rebuild_seq = coalesce(p_seq, 0), rebuilt = rebuilt + p_looked,
			rebuilt_at = CASE WHEN p_conversation IS NULL THEN now() ELSE rebuilt_at END,
			rebuilt_xid = CASE WHEN p_conversation IS NULL THEN pg_current_xact_id() ELSE rebuilt_xid END,
			rebuild_asked_at = CASE WHEN p_conversation IS NOT NULL THEN rebuild_asked_at END
		WHERE rebuild_asked_at IS NOT NULL;
	END IF;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'somebody else indexes';
	END IF;
	FOR i IN 1 .. coalesce(cardinality(p_at), 0) LOOP
		IF p_at[i] = 0 THEN
			DELETE FROM message_search m WHERE m.conversation_id + 0 = p_conversations[i] AND m.seq = p_seqs[i];
		END IF;
	END LOOP;
	INSERT INTO message_search (sent_at, conversation_id, seq, terms)
	SELECT timestamptz 'epoch' + u.at * interval '1 microsecond', u.c, u.s, u.t::tsvector
	FROM unnest(p_conversations, p_seqs, p_at, v_terms) WITH ORDINALITY AS u (c, s, at, t, n) WHERE u.at <> 0 AND u.n <= v_new;
	GET DIAGNOSTICS v_written = ROW_COUNT;
	IF v_new < cardinality(p_at) THEN
		WITH x AS MATERIALIZED (
			SELECT u.c, u.s, timestamptz 'epoch' + u.at * interval '1 microsecond' AS at, u.t::tsvector AS t, u.n
			FROM unnest(p_conversations, p_seqs, p_at, v_terms) WITH ORDINALITY AS u (c, s, at, t, n) WHERE u.at <> 0 AND u.n > v_new
		), had AS MATERIALIZED (
			SELECT x.*, m.terms AS before FROM x LEFT JOIN LATERAL (SELECT y.terms FROM message_search y
				WHERE y.sent_at = x.at AND y.conversation_id + 0 = x.c AND y.seq = x.s LIMIT 1) m ON true
		), new AS (
			INSERT INTO message_search (sent_at, conversation_id, seq, terms) SELECT h.at, h.c, h.s, h.t FROM had h WHERE h.before IS NULL RETURNING 1
		)
		SELECT (SELECT count(*) FROM new), ARRAY(SELECT h.n FROM had h WHERE h.before <> h.t) INTO v_more, v_changed;
		v_written := v_written + v_more;
		FOREACH v_n IN ARRAY v_changed LOOP
			UPDATE message_search m SET terms = v_terms[v_n]::tsvector
			WHERE m.sent_at = timestamptz 'epoch' + p_at[v_n] * interval '1 microsecond'
			  AND m.conversation_id + 0 = p_conversations[v_n] AND m.seq = p_seqs[v_n];
		END LOOP;
	END IF;
	IF v_written > 0 THEN -- nearly all of them belong to the newest slice
		UPDATE search_slice s SET added = s.added + v_written WHERE s.to_at = 'infinity';
	END IF;
	RETURN v_written;
END $$;

REVOKE ALL ON FUNCTION search_write(bigint[], bigint[], bigint[], text, bigint, bigint, bigint, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_write(bigint[], bigint[], bigint[], text, bigint, bigint, bigint, bigint, bigint, bigint) TO peal;
