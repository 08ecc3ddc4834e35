-- Row-level security as an oracle: what a caller may read, said a second time and enforced by PostgreSQL. Applied by the private stack when
-- ORACLE=1, never by a migration. A worker of a test build then names the caller before each statement (db_caller), and whatever a
-- statement asks for, it gets only the rows that docs/model.md shows to that person. The API tests must not notice.
--
-- Covered: message, message_revision, message_mine, scheduled_message, report, export. The write functions are SECURITY INVOKER, so they are covered too.
-- Exempt, as the caller -1 (system), or because they hold no content:
--   what runs after commit (frames for everybody who hears an event), the routes of daemons that serve all people at once
--   (/feed/poll, /feed/acks, /feed/seen, /upload/*), peal-jobs and pealctl;
--   conversation and member (counters and marks are taken by whoever leaves), event and user_event (references only), push_target and
--   push_due (addresses and numbers; an address goes over to whoever registers it last), attachment
--   (its files are guarded by links and by the download route's own tests);
--   member_enroll(): whoever comes back has what they deleted for themselves kept from them, also when the one who adds them sees none of it.
CREATE FUNCTION oracle_caller() RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT coalesce(nullif(current_setting('peal.caller', true), '')::bigint, -1)
$$;

-- Whether the caller may see a place in a conversation, by the membership alone.
CREATE FUNCTION oracle_reaches(p_conversation bigint, p_seq bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT oracle_caller() = -1 OR EXISTS (
		SELECT FROM member m JOIN conversation c ON c.id = m.conversation_id
		WHERE m.user_id = oracle_caller() AND m.conversation_id = p_conversation AND NOT m.hidden
		  AND p_seq >= c.first_seq AND (c.history_all OR p_seq > m.joined_seq))
$$;

CREATE FUNCTION oracle_sees(p_conversation bigint, p_seq bigint, p_expires_at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT oracle_caller() = -1 OR (oracle_reaches(p_conversation, p_seq) AND (p_expires_at IS NULL OR p_expires_at > now())
		AND NOT EXISTS (SELECT FROM message_mine h WHERE h.user_id = oracle_caller() AND h.conversation_id = p_conversation
		                AND h.seq = p_seq AND h.hidden_at IS NOT NULL))
$$;
ALTER FUNCTION oracle_caller() OWNER TO peal_owner;
ALTER FUNCTION oracle_reaches(bigint, bigint) OWNER TO peal_owner;
ALTER FUNCTION oracle_sees(bigint, bigint, timestamptz) OWNER TO peal_owner;

-- Reading is what the oracle judges. Writing stays as free as the grants make it: what may be written is decided by rows that were read.
DO $$
DECLARE
	v_table text;
BEGIN
	FOREACH v_table IN ARRAY ARRAY['message', 'message_revision', 'message_mine', 'scheduled_message', 'report', 'export'] LOOP
		EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_table);
		EXECUTE format('CREATE POLICY adding ON %I FOR INSERT TO peal WITH CHECK (true)', v_table);
		EXECUTE format('CREATE POLICY changing ON %I FOR UPDATE TO peal USING (true)', v_table);
		EXECUTE format('CREATE POLICY removing ON %I FOR DELETE TO peal USING (true)', v_table);
	END LOOP;
END $$;
CREATE POLICY reading ON message FOR SELECT TO peal USING (oracle_sees(conversation_id, seq, expires_at));
CREATE POLICY reading ON message_revision FOR SELECT TO peal USING (oracle_reaches(conversation_id, seq));
-- Of others: that they reacted or voted. Deleting for everyone takes that away.
CREATE POLICY reading ON message_mine FOR SELECT TO peal USING (user_id = oracle_caller() OR oracle_reaches(conversation_id, seq));
CREATE POLICY reading ON scheduled_message FOR SELECT TO peal USING (oracle_caller() IN (-1, user_id));
CREATE POLICY reading ON export FOR SELECT TO peal USING (oracle_caller() IN (-1, user_id));
-- Whoever reported; moderators act as the system once dispatch has asked for their role.
CREATE POLICY reading ON report FOR SELECT TO peal USING (oracle_caller() IN (-1, reporter_id));
ALTER FUNCTION member_enroll(bigint, bigint[], bigint, bigint, integer) SET peal.caller = '-1';

ALTER DATABASE peal SET peal.oracle = 'on';
