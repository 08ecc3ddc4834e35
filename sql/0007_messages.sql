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
	                                                         AND z.seq = g.seq AND z.hidden_at IS NOT NULL OFFSET 0)) -- one probe for each
	      LIMIT 100) u
$$;

-- ---- attachments that several messages use ----
-- An attachment and its files go when its last use goes. It counts for its owner, whoever passes it on.

CREATE TABLE attachment_use (
	attachment_id   text   COLLATE "C" NOT NULL REFERENCES attachment ON DELETE CASCADE,
	conversation_id bigint NOT NULL,
	seq             bigint NOT NULL,
	PRIMARY KEY (attachment_id, conversation_id, seq)
);
INSERT INTO attachment_use (attachment_id, conversation_id, seq)
SELECT a.id, a.conversation_id, a.seq FROM attachment a WHERE a.conversation_id IS NOT NULL AND a.deleted_at IS NULL;
ALTER TABLE attachment ADD COLUMN used boolean NOT NULL DEFAULT false;   -- a message has had it
UPDATE attachment SET used = true WHERE conversation_id IS NOT NULL;
ALTER TABLE attachment DROP COLUMN conversation_id, DROP COLUMN seq;     -- with the index and the check that named them
CREATE INDEX attachment_waiting ON attachment (created_at) WHERE NOT used AND avatars = 0 AND deleted_at IS NULL;

DROP FUNCTION attachment_attach(bigint, jsonb, bigint, bigint);
-- Gives uploads of mine to a message that is being sent, all or none; returns them in the order of the ids. Each is of the message's
-- kind (enum message_kind); a file may be anything.
CREATE FUNCTION attachment_attach(p_me bigint, p_ids jsonb, p_kind smallint, p_conversation bigint, p_seq bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	v_found jsonb;
	v_fits  boolean;
BEGIN
	WITH wanted AS (
		SELECT w.id, w.place FROM jsonb_array_elements_text(p_ids) WITH ORDINALITY AS w (id, place)
	), given AS (
		UPDATE attachment a SET used = true
		FROM wanted w WHERE a.id = w.id AND a.owner_id = p_me AND NOT a.used AND a.avatars = 0 AND a.deleted_at IS NULL AND a.state = 1
		RETURNING a.id, a.kind, w.place, attachment_json(a) AS json
	), uses AS (
		INSERT INTO attachment_use (attachment_id, conversation_id, seq) SELECT g.id, p_conversation, p_seq FROM given g
	)
	SELECT jsonb_agg(g.json ORDER BY g.place), bool_and(p_kind IN (5, g.kind)) INTO v_found, v_fits FROM given g;
	IF v_found IS NULL OR jsonb_array_length(v_found) <> jsonb_array_length(p_ids) THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/attachment_ids unknown One of these is not an upload of yours that nothing uses.';
	ELSIF NOT v_fits THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/attachment_ids type One of these is not of the kind of this message.';
	END IF;
	RETURN v_found;
END $$;

-- One more message uses what another one has. Between seeing them there and locking them they may have gone.
CREATE FUNCTION attachment_share(p_attachments jsonb, p_conversation bigint, p_seq bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v_ids text[] := ARRAY(SELECT x ->> 'id' FROM jsonb_array_elements(p_attachments) AS x);
BEGIN
	PERFORM FROM attachment a WHERE a.id = ANY (v_ids) ORDER BY a.id FOR NO KEY UPDATE;
	IF (SELECT count(*) FROM attachment a WHERE a.id = ANY (v_ids) AND a.deleted_at IS NULL) <> cardinality(v_ids) THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'its files are gone';
	END IF;
	INSERT INTO attachment_use (attachment_id, conversation_id, seq) SELECT i, p_conversation, p_seq FROM unnest(v_ids) AS i;
END $$;

-- A message gives up what it has (message.attachments). Returns the ids of those that nobody wants any more: their files are to go,
-- and their space is their owner's again.
CREATE FUNCTION attachment_release(p_attachments jsonb, p_conversation bigint, p_seq bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF p_attachments IS NULL THEN
		RETURN NULL;
	END IF;
	DELETE FROM attachment_use u USING jsonb_array_elements(p_attachments) AS x
	WHERE u.attachment_id = x ->> 'id' AND u.conversation_id = p_conversation AND u.seq = p_seq;
	RETURN attachment_drop(ARRAY(SELECT x ->> 'id' FROM jsonb_array_elements(p_attachments) AS x));
END $$;

DROP FUNCTION attachment_release(jsonb);
-- Those of the attachments that no message has and nobody shows. The rows are locked first, so that the next statement sees who else
-- came to use them.
CREATE FUNCTION attachment_drop(p_ids text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	v_ids jsonb;
BEGIN
	PERFORM FROM attachment a WHERE a.id = ANY (p_ids) ORDER BY a.id FOR NO KEY UPDATE;
	WITH gone AS (
		UPDATE attachment a SET deleted_at = now()
		WHERE a.id = ANY (p_ids) AND a.deleted_at IS NULL AND a.avatars = 0
		  AND NOT EXISTS (SELECT FROM attachment_use u WHERE u.attachment_id = a.id)
		RETURNING a.id, a.owner_id, a.bytes
	), space AS (
		UPDATE media_usage u SET bytes = greatest(0, u.bytes - g.bytes)
		FROM (SELECT owner_id, sum(bytes)::bigint AS bytes FROM gone GROUP BY 1) g WHERE u.user_id = g.owner_id
	)
	SELECT jsonb_agg(g.id) INTO v_ids FROM gone g;
	RETURN v_ids;
END $$;

CREATE OR REPLACE FUNCTION attachment_removals(p_done jsonb, p_waited_hours bigint, p_limit bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM attachment a USING jsonb_array_elements_text(p_done) AS d (id) WHERE a.id = d.id AND a.deleted_at IS NOT NULL;
	PERFORM attachment_drop(array_agg(w.id))
	FROM (SELECT a.id FROM attachment a
	      WHERE NOT a.used AND a.avatars = 0 AND a.deleted_at IS NULL AND a.created_at < now() - p_waited_hours * interval '1 hour'
	      ORDER BY a.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED) w;
	RETURN coalesce((SELECT jsonb_agg(g.id) FROM (SELECT a.id FROM attachment a WHERE a.deleted_at IS NOT NULL
	                                              ORDER BY a.deleted_at LIMIT p_limit) g), '[]');
END $$;

-- ---- sending ----

-- A time as the contract writes it.
CREATE FUNCTION contract_time(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- What a message that I see says, to be said again elsewhere: who said it, and when, are those who said it first.
CREATE FUNCTION message_copy(p_me bigint, p_conversation bigint, p_seq bigint,
	OUT o_kind smallint, OUT o_content text, OUT o_extra jsonb, OUT o_attachments jsonb, OUT o_forward jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	v_gone timestamptz;
BEGIN
	SELECT g.kind, g.content, g.extra, g.attachments, g.deleted_at,
	       coalesce(g.forward_of, jsonb_build_object('sender_id', g.sender_id::text, 'created_at', contract_time(g.created_at)))
	INTO o_kind, o_content, o_extra, o_attachments, v_gone, o_forward
	FROM member m JOIN conversation c ON c.id = m.conversation_id JOIN message g ON g.conversation_id = c.id AND g.seq = p_seq
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden
	  AND g.seq >= first_visible(c.history_all, c.first_seq, m.joined_seq) AND (g.expires_at IS NULL OR g.expires_at > now())
	  AND NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation AND z.seq = p_seq
	                                               AND z.hidden_at IS NOT NULL);
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/forward_of unknown This is not a message that you can see.';
	ELSIF v_gone IS NOT NULL THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'deleted for everyone';
	ELSIF o_kind IN (7, 8, 9, 10) THEN
		RAISE SQLSTATE 'PE4K1' USING MESSAGE = 'polls, calls, system and encrypted messages are not forwarded';
	END IF;
END $$;

DROP FUNCTION message_send(bigint, bigint, text, bytea, smallint, text, jsonb, bigint, jsonb);
-- Says something. A key that was used before gives o_replayed and the old place: nothing is written then. p_kind null: that of what
-- is forwarded. p_extra: of its kind as message.extra keeps it, but that a poll may say closes_in_seconds. p_scheduled: not at this
-- moment by a person: it moves no mark. o_content, o_forward: only of what is forwarded.
CREATE FUNCTION message_send(p_me bigint, p_conversation bigint, p_client_id text, p_request_hash bytea, p_kind smallint,
	p_content text, p_mentions jsonb, p_reply_seq bigint, p_attachments jsonb DEFAULT NULL, p_extra jsonb DEFAULT NULL,
	p_forward_conversation bigint DEFAULT NULL, p_forward_seq bigint DEFAULT NULL, p_expires_in bigint DEFAULT NULL,
	p_scheduled boolean DEFAULT false,
	OUT o_replayed boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_at timestamptz, OUT o_first boolean, OUT o_hearers bigint[],
	OUT o_reply_sender bigint, OUT o_reply_excerpt text, OUT o_attachments jsonb, OUT o_kind smallint, OUT o_content text,
	OUT o_extra jsonb, OUT o_forward jsonb, OUT o_expires_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
	v_floor   bigint;
	v_hides   boolean;
	v_hash    bytea;
	v_hidden  boolean;
	v_peer    bigint;
	v_blocked boolean;
	v_ttl     integer;
	v_slow    integer;
	v_place   bigint;
BEGIN
	SELECT first_visible(c.history_all, c.first_seq, m.joined_seq), m.hides, k.seq, k.request_hash, k.client_id IS NOT NULL
	INTO v_floor, v_hides, o_seq, v_hash, o_replayed
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	LEFT JOIN message_key k ON k.conversation_id = p_conversation AND k.sender_id = p_me AND k.client_id = p_client_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;
	IF o_replayed THEN
		IF v_hash <> p_request_hash OR o_seq IS NULL THEN
			RAISE SQLSTATE 'PE422' USING MESSAGE = 'client_id was used with another body';
		END IF;
		RETURN;
	END IF;

	o_kind := p_kind;
	o_extra := p_extra;
	IF p_kind = 7 AND (p_extra ->> 'closes_at')::timestamptz <= now() THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/poll/closes_at range That is past.';
	END IF;
	IF p_forward_seq IS NOT NULL THEN
		SELECT f.o_kind, f.o_content, f.o_extra, f.o_attachments, f.o_forward INTO o_kind, o_content, o_extra, o_attachments, o_forward
		FROM message_copy(p_me, p_forward_conversation, p_forward_seq) f;
		IF p_kind <> o_kind THEN
			RAISE SQLSTATE 'PE400' USING MESSAGE = '/message_type word The message to forward is of another type.';
		END IF;
	END IF;
	IF p_reply_seq IS NOT NULL THEN
		SELECT g.sender_id, left(g.content, 120) INTO o_reply_sender, o_reply_excerpt
		FROM message g WHERE g.conversation_id = p_conversation AND g.seq = p_reply_seq AND g.seq >= v_floor
		  AND (g.expires_at IS NULL OR g.expires_at > now())
		  AND (NOT v_hides OR NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation
		                                                               AND z.seq = g.seq AND z.hidden_at IS NOT NULL));
		IF NOT FOUND THEN
			RAISE SQLSTATE 'PE400' USING MESSAGE = '/reply_to unknown This is not a message that you can see.';
		END IF;
	END IF;

	UPDATE conversation c SET last_seq = c.last_seq + 1, updated_at = now(), last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation
	RETURNING c.last_seq, c.last_rev, c.ttl_seconds, c.slow_mode_seconds, CASE WHEN c.kind = 1 THEN c.direct_low + c.direct_high - p_me END
	INTO o_seq, o_rev, v_ttl, v_slow, v_peer;

	-- Whoever sent the same key while we waited for the lock has committed: the next run finds its key.
	INSERT INTO message_key (conversation_id, sender_id, client_id, seq, request_hash)
	VALUES (p_conversation, p_me, p_client_id, o_seq, p_request_hash) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'client_id is being used';
	END IF;

	-- Under the lock: who hears it, and whether one of two has blocked the other meanwhile.
	SELECT array_agg(m.user_id ORDER BY m.user_id), bool_or(m.hidden),
	       v_peer IS NOT NULL AND (EXISTS (SELECT FROM block b WHERE b.user_id = p_me AND b.blocked_id = v_peer)
	                            OR EXISTS (SELECT FROM block b WHERE b.user_id = v_peer AND b.blocked_id = p_me))
	INTO o_hearers, v_hidden, v_blocked
	FROM member m WHERE m.conversation_id = p_conversation;
	IF NOT p_me = ANY (o_hearers) THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member any more';
	ELSIF v_blocked THEN
		RAISE SQLSTATE 'PE4B1' USING MESSAGE = 'one of us blocks the other';
	END IF;
	IF v_slow IS NOT NULL THEN
		PERFORM message_slow_mode(p_me, p_conversation, v_slow);
	END IF;
	IF p_mentions IS NOT NULL THEN
		SELECT x.place - 1 INTO v_place FROM jsonb_array_elements(p_mentions) WITH ORDINALITY AS x (mention, place)
		WHERE NOT (x.mention ->> 'user_id')::bigint = ANY (o_hearers) ORDER BY x.place LIMIT 1;
		IF FOUND THEN
			RAISE SQLSTATE 'PE400' USING MESSAGE = format('/mentions/%s/user_id unknown This person is not a member here.', v_place);
		END IF;
	END IF;

	IF p_attachments IS NOT NULL THEN
		o_attachments := attachment_attach(p_me, p_attachments, p_kind, p_conversation, o_seq);
	ELSIF o_attachments IS NOT NULL THEN
		PERFORM attachment_share(o_attachments, p_conversation, o_seq);
	END IF;
	o_at := now();
	IF p_extra ? 'closes_in_seconds' THEN
		o_extra := p_extra - 'closes_in_seconds' || jsonb_build_object('closes_at',
			contract_time(o_at + (p_extra ->> 'closes_in_seconds')::bigint * interval '1 second'));
	END IF;
	o_expires_at := o_at + least(p_expires_in, v_ttl) * interval '1 second';
	INSERT INTO message (conversation_id, seq, sender_id, kind, reply_seq, client_id, content, mentions, attachments, extra, forward_of,
		expires_at)
	VALUES (p_conversation, o_seq, p_me, o_kind, p_reply_seq, p_client_id, coalesce(o_content, p_content), p_mentions, o_attachments,
		o_extra, o_forward, o_expires_at);
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq)
	VALUES (p_conversation, o_seq + o_rev, o_seq, o_rev, 1, p_me, o_seq);
	o_first := v_hidden;
	IF v_hidden THEN
		UPDATE member SET hidden = false, joined_position = o_seq + o_rev WHERE conversation_id = p_conversation AND hidden;
	END IF;

	-- My read mark comes along when nothing of others is unread; the receipt only if it told all that I had read, and is to be seen.
	IF NOT p_scheduled THEN
		UPDATE member m SET read_seq = o_seq, mark_xid = pg_current_xact_id(),
			receipt_seq = CASE WHEN m.receipt_seq = m.read_seq AND (SELECT u.read_receipts FROM users u WHERE u.id = p_me)
				THEN o_seq ELSE m.receipt_seq END,
			delivered_seq = CASE WHEN m.delivered_seq >= m.read_seq THEN o_seq ELSE m.delivered_seq END
		WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND m.unread_from IS NULL
		  AND NOT EXISTS (SELECT FROM message g
		                  WHERE g.conversation_id = p_conversation AND g.seq > m.read_seq AND g.seq >= v_floor AND g.seq < o_seq
		                    AND g.sender_id <> p_me AND g.deleted_at IS NULL AND g.kind <> 9
		                    AND (g.expires_at IS NULL OR g.expires_at > now())
		                    AND (NOT v_hides OR NOT EXISTS (SELECT FROM message_mine z
		                         WHERE z.user_id = p_me AND z.conversation_id = p_conversation AND z.seq = g.seq AND z.hidden_at IS NOT NULL))
		                  OFFSET 0);  -- keeps it a subquery, which begins at the mark: as a join it would read the whole conversation
	END IF;
END $$;

-- In slow mode a member says one thing per so many seconds; who runs the group may speak. The message of the refusal is how many
-- milliseconds are left.
CREATE FUNCTION message_slow_mode(p_me bigint, p_conversation bigint, p_seconds integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v_role smallint;
	v_next timestamptz;
BEGIN
	SELECT m.role, m.last_sent_at + p_seconds * interval '1 second' INTO v_role, v_next
	FROM member m WHERE m.user_id = p_me AND m.conversation_id = p_conversation;
	IF v_role = 1 AND v_next > now() THEN
		RAISE SQLSTATE 'PE4S1' USING MESSAGE = ceil(extract(epoch FROM v_next - now()) * 1000)::bigint::text;
	END IF;
	UPDATE member SET last_sent_at = now() WHERE user_id = p_me AND conversation_id = p_conversation;
END $$;

-- The same of a draft that was kept (scheduled_message.message): what p_kind to p_expires_in are to be, by their names.
CREATE FUNCTION message_send_draft(p_me bigint, p_conversation bigint, p_client_id text, p_request_hash bytea, p_draft jsonb,
	p_scheduled boolean, OUT o_replayed boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_at timestamptz)
LANGUAGE sql AS $$
	SELECT s.o_replayed, s.o_seq, s.o_rev, s.o_at
	FROM message_send(p_me, p_conversation, p_client_id, p_request_hash, (p_draft ->> 'kind')::smallint, p_draft ->> 'content',
		nullif(p_draft -> 'mentions', 'null'), (p_draft ->> 'reply_seq')::bigint, nullif(p_draft -> 'attachments', 'null'), nullif(p_draft -> 'extra', 'null'),
		(p_draft ->> 'forward_conversation')::bigint, (p_draft ->> 'forward_seq')::bigint, (p_draft ->> 'expires_in')::bigint,
		p_scheduled) s
$$;

REVOKE ALL ON FUNCTION attachment_attach(bigint, jsonb, smallint, bigint, bigint), attachment_share(jsonb, bigint, bigint),
	attachment_release(jsonb, bigint, bigint), attachment_drop(text[]), message_copy(bigint, bigint, bigint),
	message_send(bigint, bigint, text, bytea, smallint, text, jsonb, bigint, jsonb, jsonb, bigint, bigint, bigint, boolean),
	message_slow_mode(bigint, bigint, integer), message_send_draft(bigint, bigint, text, bytea, jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION attachment_attach(bigint, jsonb, smallint, bigint, bigint), attachment_share(jsonb, bigint, bigint),
	attachment_release(jsonb, bigint, bigint), attachment_drop(text[]), message_copy(bigint, bigint, bigint),
	message_send(bigint, bigint, text, bytea, smallint, text, jsonb, bigint, jsonb, jsonb, bigint, bigint, bigint, boolean),
	message_slow_mode(bigint, bigint, integer), message_send_draft(bigint, bigint, text, bytea, jsonb, boolean) TO peal;
GRANT SELECT, INSERT, DELETE ON attachment_use TO peal;
