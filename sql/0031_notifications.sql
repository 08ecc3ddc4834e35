-- 0031_notifications -- where notifications go, and which are on their way: Web Push and FCM, for people who are not looking.

-- A browser or an app of somebody's. It ends with the session that registered it; one of another issuer's token, which is a session for as long as
-- the token, a month after it was registered last.
CREATE TABLE push_target (
	id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id       bigint      NOT NULL REFERENCES users,
	session_id    uuid        NOT NULL,
	issued        boolean     NOT NULL,                                   -- the session is another issuer's token
	channel       smallint    NOT NULL CHECK (channel IN (1, 2)),         -- 1 Web Push, 2 FCM
	address       text        COLLATE "C" NOT NULL CHECK (octet_length(address) BETWEEN 1 AND 2048),   -- endpoint, or token
	p256dh        bytea       CHECK (octet_length(p256dh) = 65),
	auth          bytea       CHECK (octet_length(auth) = 16),
	key_id        text,                                                   -- of Web Push: the VAPID key that it was made for
	platform      text,                                                   -- of FCM, as the app says
	created_at    timestamptz NOT NULL DEFAULT now(),
	registered_at timestamptz NOT NULL DEFAULT now(),                     -- last
	UNIQUE (channel, address),
	CHECK ((channel = 1) = (p256dh IS NOT NULL AND auth IS NOT NULL AND key_id IS NOT NULL))
);
CREATE INDEX push_target_user ON push_target (user_id, registered_at);
CREATE INDEX push_target_session ON push_target (session_id);
CREATE INDEX push_target_issued ON push_target (registered_at) WHERE issued;

-- What a target is to be told of a conversation, and what it was told last. One row, whatever is said meanwhile: that is how messages collapse.
-- What is told is decided when it is due, from the messages as they are then.
CREATE TABLE push_due (
	target_id       bigint      NOT NULL REFERENCES push_target ON DELETE CASCADE,
	conversation_id bigint      NOT NULL,
	seq             bigint      NOT NULL DEFAULT 0,       -- nothing after it is told
	shown_seq       bigint      NOT NULL DEFAULT 0,       -- told last, and not cleared
	version         bigint      NOT NULL DEFAULT 1,       -- of what made it due: an answer to an older one leaves it due
	attempts        integer     NOT NULL DEFAULT 0,
	since           timestamptz NOT NULL DEFAULT now(),   -- when it became due
	due_at          timestamptz,                          -- null: nothing is to be told
	PRIMARY KEY (target_id, conversation_id)
) WITH (fillfactor = 80);
CREATE INDEX push_due_next ON push_due (due_at) WHERE due_at IS NOT NULL;

-- How far the log has been looked at. Stands still while there are no targets.
CREATE TABLE push_state (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	xid      xid8    NOT NULL DEFAULT pg_current_xact_id()
);
INSERT INTO push_state DEFAULT VALUES;

CREATE FUNCTION push_session_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM push_target t WHERE t.session_id = OLD.id AND (NOT t.issued OR TG_OP = 'UPDATE');
	RETURN NULL;
END $$;
CREATE TRIGGER push_session_ended AFTER UPDATE OF ended_at ON session FOR EACH ROW
	WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION push_session_gone();
CREATE TRIGGER push_session_deleted AFTER DELETE ON session FOR EACH ROW EXECUTE FUNCTION push_session_gone();

-- Sessions of other issuers' tokens may have been forgotten by then.
CREATE FUNCTION push_person_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM push_target t WHERE t.user_id = NEW.id;
	RETURN NULL;
END $$;
CREATE TRIGGER push_person_gone AFTER UPDATE OF disabled_at ON users FOR EACH ROW
	WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION push_person_gone();

-- Notes a target of mine, or that it is still one. Whoever registers an address last has it. Null: the session has ended.
CREATE FUNCTION push_register(p_me bigint, p_session uuid, p_channel smallint, p_address text, p_p256dh bytea, p_auth bytea, p_key_id text,
                              p_platform text, p_most bigint, OUT o_id bigint, OUT o_created boolean) LANGUAGE plpgsql AS $$
DECLARE
	v_issued boolean;
	v_old    push_target;
BEGIN
	-- One at a time for each person, and none for a session that is ending.
	PERFORM FROM users u WHERE u.id = p_me AND u.disabled_at IS NULL FOR NO KEY UPDATE;
	SELECT s.issuer IS NOT NULL INTO v_issued FROM session s WHERE s.id = p_session AND s.user_id = p_me AND s.ended_at IS NULL FOR SHARE;
	IF v_issued IS NULL THEN
		RETURN;
	END IF;
	-- With the first of all targets it begins: what was said before is not told.
	IF NOT EXISTS (SELECT FROM push_target) THEN
		UPDATE push_state SET xid = greatest(xid, pg_snapshot_xmin(pg_current_snapshot()));
	END IF;
	SELECT t.* INTO v_old FROM push_target t WHERE t.channel = p_channel AND t.address = p_address;
	IF v_old.user_id <> p_me THEN
		DELETE FROM push_target t WHERE t.id = v_old.id;
		v_old := NULL;
	END IF;
	o_created := v_old.id IS NULL;
	IF o_created THEN
		DELETE FROM push_target t WHERE t.id IN (
			SELECT x.id FROM push_target x WHERE x.user_id = p_me ORDER BY x.registered_at DESC, x.id DESC OFFSET p_most - 1);
	END IF;
	INSERT INTO push_target AS t (user_id, session_id, issued, channel, address, p256dh, auth, key_id, platform)
	VALUES (p_me, p_session, v_issued, p_channel, p_address, p_p256dh, p_auth, p_key_id, p_platform)
	ON CONFLICT (channel, address) DO UPDATE
	SET user_id = excluded.user_id, session_id = excluded.session_id, issued = excluded.issued, p256dh = excluded.p256dh, auth = excluded.auth,
	    key_id = excluded.key_id, platform = excluded.platform, registered_at = now()
	RETURNING t.id INTO o_id;
END $$;

-- Looks at the log from where the last look ended: whose targets are to be told something. o_any: there are targets at all. o_next: when the
-- next one is due, in microseconds from now. p_ttl: what is older in seconds is told nobody.
CREATE FUNCTION push_follow(p_limit bigint, p_ttl bigint, OUT o_any boolean, OUT o_more boolean, OUT o_next bigint) LANGUAGE plpgsql AS $$
DECLARE
	v_from  xid8;
	v_to    xid8;
	v_last  xid8;
	v_count bigint;
	v_after timestamptz := now() - p_ttl * interval '1 second';   -- partitions before it are not opened
BEGIN
	o_any := EXISTS (SELECT FROM push_target);
	o_more := false;
	IF NOT o_any THEN
		RETURN;
	END IF;
	SELECT s.xid, pg_snapshot_xmin(pg_current_snapshot()) INTO v_from, v_to FROM push_state s;
	SELECT count(*), max(e.xid) INTO v_count, v_last FROM (
		SELECT e.xid FROM event e WHERE e.xid >= v_from AND e.xid < v_to AND e.at >= v_after AND e.kind IN (1, 3)
		ORDER BY e.xid FETCH FIRST p_limit ROWS WITH TIES) e;
	IF v_count >= p_limit THEN
		o_more := true;
		v_to := (v_last::text::numeric + 1)::text::xid8;
	END IF;
	IF v_count > 0 THEN
		WITH e AS MATERIALIZED (
			SELECT e.conversation_id, e.target_seq AS seq, e.actor_id, e.kind, g.mentions
			FROM event e CROSS JOIN LATERAL (
				SELECT x.mentions FROM message x WHERE x.conversation_id = e.conversation_id AND x.seq = e.target_seq
				AND (e.kind = 3 OR (x.kind <> 9 AND x.deleted_at IS NULL)) LIMIT 1) g
			WHERE e.xid >= v_from AND e.xid < v_to AND e.at >= v_after AND e.kind IN (1, 3)
		), news AS MATERIALIZED (
			SELECT t.id AS target_id, e.conversation_id, max(e.seq) FILTER (WHERE e.kind = 1) AS seq, min(e.seq) FILTER (WHERE e.kind = 3) AS gone
			FROM e JOIN member m ON m.conversation_id = e.conversation_id AND (m.user_id <> e.actor_id OR e.kind = 3)
			JOIN push_target t ON t.user_id = m.user_id
			WHERE e.kind = 3 OR (NOT m.hidden AND m.notify <> 3 AND (m.muted_until IS NULL OR m.muted_until <= now()) AND m.read_seq < e.seq
			  AND (m.notify = 1 OR e.mentions @> jsonb_build_array(jsonb_build_object('user_id', m.user_id::text))))
			GROUP BY 1, 2
		), told AS (
			INSERT INTO push_due AS p (target_id, conversation_id, seq, due_at)
			SELECT n.target_id, n.conversation_id, n.seq, now() FROM news n WHERE n.seq IS NOT NULL ORDER BY 1, 2
			ON CONFLICT (target_id, conversation_id) DO UPDATE
			SET seq = greatest(p.seq, excluded.seq), version = p.version + 1,
			    since = CASE WHEN p.attempts > 0 THEN p.since ELSE now() END,
			    due_at = CASE WHEN p.attempts > 0 AND p.due_at IS NOT NULL THEN p.due_at ELSE now() END
		)
		UPDATE push_due p SET version = p.version + 1, since = now(), due_at = now()
		FROM news n WHERE n.seq IS NULL AND p.target_id = n.target_id AND p.conversation_id = n.conversation_id AND p.shown_seq >= n.gone
		AND p.shown_seq > 0 AND p.attempts = 0;
	END IF;
	-- Read, left, or deleted for me, on whichever device: what stands there may have to go.
	UPDATE push_due p SET version = p.version + 1, since = now(), due_at = now()
	FROM (SELECT DISTINCT u.user_id, u.conversation_id FROM user_event u
	      WHERE u.xid >= v_from AND u.xid < v_to AND u.at >= v_after AND u.kind IN (1, 3, 9)) u
	JOIN push_target t ON t.user_id = u.user_id
	WHERE p.target_id = t.id AND p.conversation_id = u.conversation_id AND p.shown_seq > 0 AND p.attempts = 0;
	SELECT (extract(epoch FROM min(p.due_at) - now()) * 1000000)::bigint INTO o_next FROM push_due p WHERE p.due_at IS NOT NULL;
	IF v_count > 0 OR v_to::text::numeric - v_from::text::numeric > 1000 OR o_next <= 0 THEN
		UPDATE push_state s SET xid = v_to WHERE s.xid < v_to;
	END IF;
END $$;

-- What became of what was due. p_outcomes: 1 told up to p_seqs, and due again when that expires (p_again, microseconds since 1970, 0: never);
-- 2 cleared; 3 nothing to tell; 4 again after p_again seconds; 5 the target is no more.
CREATE FUNCTION push_done(p_targets bigint[], p_conversations bigint[], p_versions bigint[], p_outcomes bigint[], p_seqs bigint[], p_again bigint[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM push_target t WHERE t.id = ANY (ARRAY(
		SELECT d.target FROM unnest(p_targets, p_outcomes) AS d (target, outcome) WHERE d.outcome = 5));
	UPDATE push_due p
	SET shown_seq = CASE d.outcome WHEN 1 THEN greatest(p.shown_seq, d.seq) WHEN 2 THEN 0 ELSE p.shown_seq END,
	    attempts = CASE WHEN d.outcome = 4 THEN p.attempts + 1 ELSE 0 END,
	    since = CASE WHEN d.outcome = 1 AND d.again > 0 AND p.version = d.version THEN to_timestamp(d.again / 1e6) ELSE p.since END,
	    due_at = CASE WHEN d.outcome = 4 THEN now() + d.again * interval '1 second'
	                  WHEN p.version <> d.version THEN p.due_at
	                  WHEN d.outcome = 1 AND d.again > 0 THEN to_timestamp(d.again / 1e6) END
	FROM unnest(p_targets, p_conversations, p_versions, p_outcomes, p_seqs, p_again) AS d (target, conversation, version, outcome, seq, again)
	WHERE p.target_id = d.target AND p.conversation_id = d.conversation AND d.outcome <> 5;
	DELETE FROM push_due p USING unnest(p_targets, p_conversations) AS d (target, conversation)
	WHERE p.target_id = d.target AND p.conversation_id = d.conversation AND p.due_at IS NULL AND p.shown_seq = 0;
END $$;

REVOKE ALL ON FUNCTION push_register(bigint, uuid, smallint, text, bytea, bytea, text, text, bigint), push_follow(bigint, bigint),
	push_done(bigint[], bigint[], bigint[], bigint[], bigint[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION push_register(bigint, uuid, smallint, text, bytea, bytea, text, text, bigint), push_follow(bigint, bigint),
	push_done(bigint[], bigint[], bigint[], bigint[], bigint[], bigint[]) TO peal;
GRANT SELECT, INSERT, UPDATE, DELETE ON push_target, push_due TO peal;
GRANT SELECT, UPDATE ON push_state TO peal;
