-- 0032_export -- everything of mine as one archive. peal-jobs gathers it page by page and gives the pages to peal-media, which makes the archive;
-- when that is there, it is an upload of its person's that no message can use, with the id of the export: it is downloaded and removed like any other.

CREATE TABLE export (
	id              text        COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
	user_id         bigint      NOT NULL REFERENCES users,
	state           smallint    NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),  -- 1 pending, 2 running, 3 ready, 4 failed, 5 expired
	failure         text,                                 -- a code
	created_at      timestamptz NOT NULL DEFAULT now(),
	finished_at     timestamptz,
	expires_at      timestamptz,                          -- the archive goes then
	phase           smallint    NOT NULL DEFAULT 0,       -- jobs/export.c
	part            bigint      NOT NULL DEFAULT 0,       -- pages that peal-media has
	conversation_id bigint      NOT NULL DEFAULT 0,       -- gathered up to here
	seq             bigint      NOT NULL DEFAULT 0,
	messages        bigint      NOT NULL DEFAULT 0,
	messages_of     bigint      NOT NULL DEFAULT 0,       -- as many as there were places when it began
	size            bigint,
	digest          text,
	next_at         timestamptz NOT NULL DEFAULT now()    -- several take turns
);
CREATE UNIQUE INDEX export_one ON export (user_id) WHERE state IN (1, 2);
CREATE INDEX export_owner ON export (user_id, created_at);
CREATE INDEX export_next ON export (next_at) WHERE state IN (1, 2);
CREATE INDEX export_over ON export (expires_at) WHERE state = 3;
CREATE INDEX export_old ON export (created_at) WHERE state > 3;

-- Begins one, or finds the one that is being made (o_new false). o_wait_ms: the last one was begun too short a time ago, and nothing is done.
CREATE FUNCTION export_begin(p_me bigint, p_id text, p_pause_minutes bigint, OUT o_id text, OUT o_new boolean, OUT o_wait_ms bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM users u WHERE u.id = p_me AND u.disabled_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	END IF;
	o_new := false;
	o_wait_ms := 0;
	SELECT e.id INTO o_id FROM export e WHERE e.user_id = p_me AND e.state IN (1, 2);
	IF FOUND THEN
		RETURN;
	END IF;
	SELECT ceil(extract(epoch FROM e.created_at + p_pause_minutes * interval '1 minute' - now()) * 1000) INTO o_wait_ms
	FROM export e WHERE e.user_id = p_me ORDER BY e.created_at DESC LIMIT 1;
	o_wait_ms := greatest(0, coalesce(o_wait_ms, 0));
	IF o_wait_ms > 0 THEN
		RETURN;
	END IF;
	INSERT INTO export (id, user_id, messages_of)
	SELECT p_id, p_me, coalesce((SELECT sum(greatest(0, c.last_seq - first_visible(c.history_all, c.first_seq, m.joined_seq) + 1))
		FROM member m JOIN conversation c ON c.id = m.conversation_id WHERE m.user_id = p_me AND NOT m.hidden), 0);
	o_id := p_id;
	o_new := true;
END $$;

-- Lines of one of the small lists, each a JSON object, after so many of them. Null: there is no such list.
CREATE FUNCTION export_lines(p_me bigint, p_list text, p_offset bigint, p_limit bigint) RETURNS SETOF jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
	CASE p_list
	WHEN 'account' THEN
		RETURN QUERY SELECT jsonb_build_object('id', u.id::text, 'username', u.username, 'display_name', u.display_name, 'avatar_id', u.avatar_id,
			'status_text', u.status_text, 'created_at', contract_time(u.created_at), 'last_seen_at', contract_time(u.last_seen_at),
			'site_role', (ARRAY['moderator', 'admin'])[u.site_role], 'password', u.password_hash IS NOT NULL,
			'totp', EXISTS (SELECT FROM totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL),
			'privacy', jsonb_build_object('read_receipts', u.read_receipts, 'last_seen', u.show_last_seen))
		FROM users u WHERE u.id = p_me OFFSET p_offset LIMIT p_limit;
	WHEN 'sessions' THEN
		RETURN QUERY SELECT jsonb_build_object('id', s.id, 'user_agent', s.user_agent, 'created_at', contract_time(s.created_at),
			'last_used_at', contract_time(s.last_used_at), 'expires_at', contract_time(s.expires_at), 'ended_at', contract_time(s.ended_at))
		FROM session s WHERE s.user_id = p_me ORDER BY s.created_at, s.id OFFSET p_offset LIMIT p_limit;
	WHEN 'tokens' THEN
		RETURN QUERY SELECT jsonb_build_object('id', t.id::text, 'user_id', t.user_id::text, 'name', t.name, 'scopes', t.scopes,
			'created_at', contract_time(t.created_at), 'expires_at', contract_time(t.expires_at), 'last_used_at', contract_time(t.last_used_at),
			'revoked_at', contract_time(t.revoked_at))
		FROM (SELECT p_me AS id UNION SELECT b.id FROM users b WHERE b.owner_id = p_me) o CROSS JOIN LATERAL
			(SELECT x.* FROM access_token x WHERE x.user_id = o.id AND x.revoked_at IS NULL) t ORDER BY t.id OFFSET p_offset LIMIT p_limit;
	WHEN 'bots' THEN
		RETURN QUERY SELECT jsonb_build_object('id', b.id::text, 'username', b.username, 'display_name', b.display_name,
			'created_at', contract_time(b.created_at), 'disabled_at', contract_time(b.disabled_at))
		FROM users b WHERE b.owner_id = p_me ORDER BY b.id OFFSET p_offset LIMIT p_limit;
	WHEN 'passkeys' THEN
		RETURN QUERY SELECT jsonb_build_object('id', k.id::text, 'name', k.name, 'created_at', contract_time(k.created_at),
			'last_used_at', contract_time(k.last_used_at))
		FROM passkey k WHERE k.user_id = p_me ORDER BY k.id OFFSET p_offset LIMIT p_limit;
	WHEN 'identities' THEN
		RETURN QUERY SELECT jsonb_build_object('issuer', i.issuer, 'subject', i.subject, 'created_at', contract_time(i.created_at))
		FROM identity i WHERE i.user_id = p_me ORDER BY i.issuer OFFSET p_offset LIMIT p_limit;
	WHEN 'notifications' THEN
		RETURN QUERY SELECT jsonb_build_object('id', t.id::text, 'channel', (ARRAY['web', 'fcm'])[t.channel], 'platform', t.platform, 'address', t.address,
			'created_at', contract_time(t.created_at))
		FROM push_target t WHERE t.user_id = p_me ORDER BY t.id OFFSET p_offset LIMIT p_limit;
	WHEN 'blocks' THEN
		RETURN QUERY SELECT jsonb_build_object('user_id', b.blocked_id::text, 'username', u.username, 'created_at', contract_time(b.created_at))
		FROM block b JOIN users u ON u.id = b.blocked_id WHERE b.user_id = p_me ORDER BY b.created_at, b.blocked_id OFFSET p_offset LIMIT p_limit;
	WHEN 'scheduled' THEN
		RETURN QUERY SELECT scheduled_json(s) FROM scheduled_message s WHERE s.user_id = p_me ORDER BY s.send_at, s.id OFFSET p_offset LIMIT p_limit;
	WHEN 'reports' THEN
		RETURN QUERY SELECT jsonb_build_object('id', r.id::text, 'message_id', r.conversation_id || '.' || r.seq,
			'user_id', r.target_id::text, 'reason', r.reason, 'note', r.note, 'created_at', contract_time(r.created_at))
		FROM report r WHERE r.reporter_id = p_me ORDER BY r.id OFFSET p_offset LIMIT p_limit;
	WHEN 'uploads' THEN -- that no message has: pictures of mine, and what waits to be sent
		RETURN QUERY SELECT attachment_json(a) FROM attachment a WHERE a.owner_id = p_me AND a.deleted_at IS NULL AND a.state = 1
			AND NOT EXISTS (SELECT FROM attachment_use u WHERE u.attachment_id = a.id) AND NOT EXISTS (SELECT FROM export e WHERE e.id = a.id)
		ORDER BY a.id OFFSET p_offset LIMIT p_limit;
	ELSE
		RETURN;
	END CASE;
END $$;

-- The archive is there: it becomes an upload that nothing can use. False: the export has ended otherwise.
CREATE FUNCTION export_finish(p_id text, p_size bigint, p_digest text, p_keep_hours bigint, OUT o_user bigint, OUT o_attachment jsonb) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE export e SET state = 3, size = p_size, digest = p_digest, finished_at = now(), expires_at = now() + p_keep_hours * interval '1 hour'
	WHERE e.id = p_id AND e.state = 2 RETURNING e.user_id INTO o_user;
	IF FOUND THEN
		INSERT INTO attachment AS a (id, owner_id, kind, name, size, mime, renditions, bytes, digest, used)
		VALUES (p_id, o_user, 5, 'peal-' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD') || '.zip', p_size, 'application/zip', '[]', 0, p_digest, true)
		RETURNING attachment_json(a) INTO o_attachment;
	END IF;
END $$;

-- Archives that have been kept long enough go, and a month later what is known of the export. Returns how many.
CREATE FUNCTION export_expire(p_limit bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	v_ids text[] := ARRAY(SELECT e.id FROM export e WHERE e.state = 3 AND e.expires_at <= now() ORDER BY e.expires_at LIMIT p_limit);
BEGIN
	IF cardinality(v_ids) > 0 THEN
		UPDATE export SET state = 5 WHERE id = ANY (v_ids);
		PERFORM attachment_drop(v_ids);
	END IF;
	DELETE FROM export e WHERE e.state > 3 AND e.created_at < now() - interval '30 days';
	RETURN cardinality(v_ids);
END $$;

-- As in 0030, and with the exports; one that is being made is ended by whoever makes it. Its archive is an upload, and has gone.
CREATE OR REPLACE FUNCTION erasure_rest(e erasure) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM erasure_credentials(e.user_id);
	PERFORM erasure_begin(b, e.messages) FROM users b WHERE b.owner_id = e.user_id AND b.erased_at IS NULL;
	UPDATE report SET note = NULL WHERE reporter_id = e.user_id AND note IS NOT NULL;
	UPDATE report SET copy = report_strip(copy, e.user_id, state IN ('resolved', 'dismissed')),
		attachments = CASE WHEN state NOT IN ('resolved', 'dismissed') THEN attachments END
	WHERE target_id = e.user_id;
	DELETE FROM block b WHERE b.user_id = e.user_id AND NOT EXISTS (SELECT FROM conversation c WHERE c.kind = 1
		AND c.direct_low = least(b.user_id, b.blocked_id) AND c.direct_high = greatest(b.user_id, b.blocked_id));
	DELETE FROM request_key k WHERE k.user_id = e.user_id;
	DELETE FROM export x WHERE x.user_id = e.user_id AND x.state > 2;
	DELETE FROM media_usage m WHERE m.user_id = e.user_id
		AND NOT EXISTS (SELECT FROM attachment a WHERE a.owner_id = e.user_id AND a.deleted_at IS NULL);
END $$;

REVOKE ALL ON FUNCTION export_begin(bigint, text, bigint), export_lines(bigint, text, bigint, bigint), export_finish(text, bigint, text, bigint),
	export_expire(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION export_begin(bigint, text, bigint), export_lines(bigint, text, bigint, bigint), export_finish(text, bigint, text, bigint),
	export_expire(bigint) TO peal;
GRANT SELECT, INSERT, UPDATE, DELETE ON export TO peal;
