-- 0011_search -- the index that search narrows by: terms of what was said (lib/base/terms.h), made and written by peal-jobs alone.
--
-- A slice is a partition by the time of the message, of about 250,000 rows. A search looks at the newest slice first and ends when it
-- has found enough, so it reads no more than it shows, however much there is. What is found is decided on the message itself.
--
-- Besides words a row has terms for what else is searched for; words never begin like these:
--   #12 its conversation, @7 its sender, @m7 somebody it mentions, !image its kind, !link

CREATE TABLE message_search (
	sent_at         timestamptz NOT NULL,
	conversation_id bigint      NOT NULL,
	seq             bigint      NOT NULL,
	terms           tsvector    NOT NULL
) PARTITION BY RANGE (sent_at);
CREATE INDEX message_search_terms ON message_search USING gin (terms) WITH (gin_pending_list_limit = 256);
CREATE INDEX message_search_place ON message_search ((conversation_id + 0), seq);   -- not for = ANY of a search

CREATE TABLE search_slice (
	no      integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	from_at timestamptz NOT NULL UNIQUE,
	to_at   timestamptz NOT NULL,
	added   bigint      NOT NULL DEFAULT 0                -- rows that came while it was the newest
) WITH (fillfactor = 50);

-- One row: where the indexer is in the log, and how far a rebuild has come.
CREATE TABLE search_state (
	only_row             boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	xid                  xid8    NOT NULL,                -- everything of transactions below it is indexed
	rebuild_asked_at     timestamptz,                     -- null: no rebuild
	rebuild_conversation bigint  NOT NULL DEFAULT 0,      -- done up to this place
	rebuild_seq          bigint  NOT NULL DEFAULT 0,
	rebuilt              bigint  NOT NULL DEFAULT 0,      -- messages looked at by this rebuild, or the last one
	rebuilt_at           timestamptz                      -- end of the last one
) WITH (fillfactor = 50);
-- What was said before is indexed as by a rebuild.
INSERT INTO search_state (xid, rebuild_asked_at)
SELECT pg_snapshot_xmin(pg_current_snapshot()), CASE WHEN EXISTS (SELECT FROM message) THEN now() END;

-- Messages that said something and do not any more, without an event that says so (expiry, retention), or with one.
CREATE TABLE search_gone (
	conversation_id bigint NOT NULL,
	seq             bigint NOT NULL
);
CREATE FUNCTION search_gone_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO search_gone (conversation_id, seq) VALUES (NEW.conversation_id, NEW.seq);
	RETURN NULL;
END $$;
CREATE TRIGGER search_gone AFTER UPDATE OF deleted_at ON message FOR EACH ROW
	WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION search_gone_note();

-- Texts of a message besides its content, separated by U+001E: names of files, what a poll asks, where a place is.
CREATE FUNCTION search_names(p_attachments jsonb, p_extra jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(t, E'\x1e') FROM (
		SELECT x ->> 'name' AS t FROM jsonb_array_elements(p_attachments) AS x
		UNION ALL SELECT p_extra ->> 'question'
		UNION ALL SELECT o ->> 'text' FROM jsonb_array_elements(CASE jsonb_typeof(p_extra -> 'options') WHEN 'array' THEN p_extra -> 'options' END) AS o
		UNION ALL SELECT p_extra ->> 'name'
		UNION ALL SELECT p_extra ->> 'address') n WHERE t <> ''
$$;

CREATE FUNCTION search_slice_make(p_from timestamptz, p_to timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v_no integer;
BEGIN
	INSERT INTO search_slice (from_at, to_at) VALUES (p_from, p_to) RETURNING no INTO v_no;
	EXECUTE format('CREATE TABLE %I PARTITION OF message_search FOR VALUES FROM (%L) TO (%L)', 'message_search_' || v_no, p_from, p_to);
END $$;
SELECT search_slice_make('-infinity', 'infinity');

-- Ends the newest slice when it has p_rows, and begins the next one at now(). Searches wait for it: no longer than the lock time-out.
CREATE FUNCTION search_split(p_rows bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
	s     search_slice;
	v_end timestamptz := now();
BEGIN
	SELECT x.* INTO s FROM search_slice x WHERE x.to_at = 'infinity' AND x.added >= p_rows AND x.from_at < now();
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	LOCK TABLE message_search IN ACCESS EXCLUSIVE MODE;
	EXECUTE format('SELECT greatest($1, max(sent_at) + interval ''1 microsecond'') FROM %I', 'message_search_' || s.no) INTO v_end USING v_end;
	EXECUTE format('ALTER TABLE message_search DETACH PARTITION %I', 'message_search_' || s.no);
	EXECUTE format('ALTER TABLE message_search ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', 'message_search_' || s.no, s.from_at, v_end);
	UPDATE search_slice SET to_at = v_end WHERE no = s.no;
	PERFORM search_slice_make(v_end, 'infinity');
	RETURN true;
END $$;

-- Before an empty index is filled: slices of p_rows each, by a sample of when messages were sent. Does nothing when there are rows.
CREATE FUNCTION search_cut(p_rows bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
	v_rows   bigint := (SELECT greatest(0, c.reltuples) FROM pg_class c WHERE c.oid = 'message'::regclass);
	v_slices integer := greatest(1, (v_rows / p_rows)::integer);
	v_cuts   timestamptz[];
	v_no     integer;
BEGIN
	IF v_slices = 1 OR EXISTS (SELECT FROM message_search) THEN
		RETURN 0;
	END IF;
	SELECT percentile_disc(ARRAY(SELECT n::float8 / v_slices FROM generate_series(1, v_slices - 1) AS n)) WITHIN GROUP (ORDER BY g.created_at)
	INTO v_cuts FROM message g TABLESAMPLE system (least(100, 100.0 * 200000 / v_rows));
	v_cuts := ARRAY(SELECT DISTINCT c FROM unnest(v_cuts) AS c ORDER BY c);
	LOCK TABLE message_search IN ACCESS EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM message_search) THEN
		RETURN 0;
	END IF;
	FOR v_no IN DELETE FROM search_slice RETURNING no LOOP
		EXECUTE format('DROP TABLE %I', 'message_search_' || v_no);
	END LOOP;
	PERFORM search_slice_make(coalesce(lag(c) OVER (ORDER BY c), '-infinity'), c) FROM unnest(v_cuts || 'infinity'::timestamptz) AS c;
	RETURN cardinality(v_cuts) + 1;
END $$;

-- Writes what was made of messages: p_rows [{c, s, t, at}], terms without `at` for what is not to be found any more. p_from: where
-- the indexer was, p_to where it is now; both null in a rebuild, which then is done up to (p_conversation, p_seq). Another process
-- that has moved the place meanwhile is told so by 40001, and nothing is written.
CREATE FUNCTION search_write(p_rows jsonb, p_from bigint, p_to bigint, p_conversation bigint, p_seq bigint, p_looked bigint) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$ -- planned while there is nothing in the index, and kept
DECLARE
	v_written bigint := 0;
	r         record;
	v_at      timestamptz;
	v_terms   tsvector;
BEGIN
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
	FOR r IN SELECT x.c, x.s, x.t, x.at FROM jsonb_to_recordset(p_rows) AS x (c bigint, s bigint, t text, at bigint) LOOP
		IF r.at IS NULL THEN
			DELETE FROM message_search m WHERE m.conversation_id + 0 = r.c AND m.seq = r.s;
			CONTINUE;
		END IF;
		v_at := timestamptz 'epoch' + r.at * interval '1 microsecond';
		SELECT m.terms INTO v_terms FROM message_search m WHERE m.sent_at = v_at AND m.conversation_id + 0 = r.c AND m.seq = r.s;
		IF NOT FOUND THEN
			INSERT INTO message_search (sent_at, conversation_id, seq, terms) VALUES (v_at, r.c, r.s, r.t::tsvector);
			v_written := v_written + 1;
		ELSIF v_terms <> r.t::tsvector THEN
			UPDATE message_search m SET terms = r.t::tsvector WHERE m.sent_at = v_at AND m.conversation_id + 0 = r.c AND m.seq = r.s;
		END IF;
	END LOOP;
	IF v_written > 0 THEN -- nearly all of them belong to the newest slice
		UPDATE search_slice s SET added = s.added + v_written WHERE s.to_at = 'infinity';
	END IF;
	RETURN v_written;
END $$;

-- Takes out what search_gone names, at most so many. Returns how many.
CREATE FUNCTION search_forget(p_limit bigint) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	v_gone bigint := 0;
	r      record;
BEGIN
	FOR r IN DELETE FROM search_gone WHERE ctid = ANY (ARRAY(SELECT ctid FROM search_gone LIMIT p_limit)) RETURNING conversation_id, seq LOOP
		DELETE FROM message_search m WHERE m.conversation_id + 0 = r.conversation_id AND m.seq = r.seq;
		v_gone := v_gone + 1;
	END LOOP;
	RETURN v_gone;
END $$;

-- Places that have these terms, newest first: in p_conversations, between the times, before the place given; at most p_limit, and no
-- further slice once p_budget_ms are over. The last row is not a place but says how it ended: where to go on (no conversation_id: at the
-- beginning of that time), or nothing at all when there is nothing more.
CREATE FUNCTION search_places(p_terms text, p_conversations bigint[], p_from timestamptz, p_to timestamptz, p_conversation bigint,
	p_seq bigint, p_limit bigint, p_budget_ms bigint)
RETURNS TABLE (o_found boolean, o_at timestamptz, o_conversation_id bigint, o_seq bigint)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_nestloop = off AS $$
DECLARE
	v_until timestamptz := clock_timestamp() + p_budget_ms * interval '1 millisecond';
	v_left  bigint := p_limit;
	v_terms tsquery := p_terms::tsquery;
	v_n     bigint;
	s       record;
BEGIN
	FOR s IN SELECT x.from_at, x.to_at FROM search_slice x WHERE x.from_at <= p_to AND x.to_at > p_from ORDER BY x.from_at DESC LOOP
		IF clock_timestamp() >= v_until THEN
			RETURN QUERY SELECT false, least(s.to_at, p_to), CASE WHEN s.to_at > p_to THEN p_conversation ELSE 0 END,
				CASE WHEN s.to_at > p_to THEN p_seq ELSE 0 END;
			RETURN;
		END IF;
		RETURN QUERY
			SELECT true, m.sent_at, m.conversation_id, m.seq FROM message_search m
			WHERE m.sent_at >= s.from_at AND m.sent_at < s.to_at AND m.sent_at >= p_from AND m.terms @@ v_terms
			  AND (m.sent_at, m.conversation_id, m.seq) < (p_to, p_conversation, p_seq) AND m.conversation_id IN (SELECT c FROM unnest(p_conversations) AS c)
			ORDER BY m.sent_at DESC, m.conversation_id DESC, m.seq DESC LIMIT v_left;
		GET DIAGNOSTICS v_n = ROW_COUNT;
		v_left := v_left - v_n;
		IF v_left <= 0 THEN
			RETURN; -- the last place found says where to go on
		END IF;
	END LOOP;
	RETURN QUERY SELECT false, NULL::timestamptz, NULL::bigint, NULL::bigint;
END $$;

SELECT search_cut(250000);

REVOKE ALL ON FUNCTION search_gone_note(), search_slice_make(timestamptz, timestamptz), search_split(bigint), search_cut(bigint),
	search_write(jsonb, bigint, bigint, bigint, bigint, bigint), search_forget(bigint),
	search_places(text, bigint[], timestamptz, timestamptz, bigint, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_split(bigint), search_cut(bigint), search_write(jsonb, bigint, bigint, bigint, bigint, bigint),
	search_forget(bigint), search_places(text, bigint[], timestamptz, timestamptz, bigint, bigint, bigint, bigint) TO peal;
GRANT SELECT, INSERT, UPDATE, DELETE ON message_search TO peal;
GRANT SELECT, UPDATE ON search_slice, search_state TO peal;
GRANT SELECT, DELETE ON search_gone TO peal;
