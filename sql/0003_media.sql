-- 0003_media -- what people upload, and messages that carry it.
--
-- Files lie on disk, written and removed by peal-media; a row says whether they are wanted. A picture has no original: what is
-- kept are its renditions.

CREATE TABLE attachment (
	id              text        COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
	owner_id        bigint      NOT NULL,
	kind            smallint    NOT NULL,                  -- enum message_kind
	state           smallint    NOT NULL DEFAULT 1,        -- 1 ready, 2 processing, 3 failed
	name            text,                                  -- as the sender's device called it; shown, never a path
	size            bigint      NOT NULL,
	mime            text        NOT NULL,
	width           integer,
	height          integer,
	animated        boolean     NOT NULL DEFAULT false,
	thumbhash       text,
	color           text,
	renditions      jsonb       NOT NULL,                  -- [{name, mime, width, height, size}], largest first
	bytes           bigint      NOT NULL,                  -- on disk, of everything
	conversation_id bigint,                                -- null: no message uses it yet
	seq             bigint,
	created_at      timestamptz NOT NULL DEFAULT now(),
	deleted_at      timestamptz,                           -- the row goes when the files have gone
	CHECK ((conversation_id IS NULL) = (seq IS NULL))
) WITH (fillfactor = 90);
CREATE INDEX attachment_deleted ON attachment (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX attachment_waiting ON attachment (created_at) WHERE conversation_id IS NULL AND deleted_at IS NULL;

-- What a person has stored, and when: counted, not summed.
CREATE TABLE media_usage (
	user_id   bigint NOT NULL PRIMARY KEY,
	bytes     bigint NOT NULL DEFAULT 0,
	day       date   NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
	day_bytes bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

ALTER TABLE message ADD COLUMN attachments jsonb;          -- as attachment_json() made them when they were sent; null: none

-- The lasting part of what the contract shows of an attachment; links are made when it is read.
CREATE FUNCTION attachment_json(a attachment) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('id', a.id, 'kind', (ARRAY['text', 'image', 'audio', 'video', 'file'])[a.kind],
		'state', (ARRAY['ready', 'processing', 'failed'])[a.state], 'name', a.name, 'size', a.size, 'mime', a.mime,
		'width', a.width, 'height', a.height, 'animated', a.animated, 'thumbhash', a.thumbhash, 'color', a.color,
		'renditions', a.renditions)
$$;

CREATE FUNCTION attachment_register(p_id text, p_owner bigint, p_kind smallint, p_name text, p_size bigint, p_mime text, p_width bigint,
	p_height bigint, p_animated boolean, p_thumbhash text, p_color text, p_renditions jsonb, p_bytes bigint, p_most bigint,
	p_daily_most bigint, OUT o_attachment jsonb, OUT o_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
	v_today date := (now() AT TIME ZONE 'UTC')::date;
	v_usage media_usage;
BEGIN
	PERFORM FROM users WHERE id = p_owner AND disabled_at IS NULL;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	END IF;
	INSERT INTO media_usage (user_id) VALUES (p_owner) ON CONFLICT DO NOTHING;
	UPDATE media_usage u SET bytes = u.bytes + p_bytes, day = v_today,
		day_bytes = p_bytes + CASE WHEN u.day = v_today THEN u.day_bytes ELSE 0 END
	WHERE u.user_id = p_owner RETURNING u.* INTO v_usage;
	IF v_usage.bytes > p_most THEN
		RAISE SQLSTATE 'PE507' USING MESSAGE = 'storage quota';
	END IF;
	IF v_usage.day_bytes > p_daily_most THEN
		RAISE SQLSTATE 'PE429' USING MESSAGE = 'daily quota';
	END IF;
	INSERT INTO attachment AS a (id, owner_id, kind, name, size, mime, width, height, animated, thumbhash, color, renditions, bytes)
	VALUES (p_id, p_owner, p_kind, normalize(p_name, NFC), p_size, p_mime, p_width, p_height, p_animated, p_thumbhash, p_color,
		p_renditions, p_bytes)
	RETURNING attachment_json(a), a.created_at INTO o_attachment, o_at;
END $$;

-- Gives uploads of mine to a message that is being sent, all or none; returns them in the order of the ids.
CREATE FUNCTION attachment_attach(p_me bigint, p_ids jsonb, p_conversation bigint, p_seq bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	v_found jsonb;
BEGIN
	WITH wanted AS (
		SELECT w.id, w.place FROM jsonb_array_elements_text(p_ids) WITH ORDINALITY AS w (id, place)
	), given AS (
		UPDATE attachment a SET conversation_id = p_conversation, seq = p_seq
		FROM wanted w WHERE a.id = w.id AND a.owner_id = p_me AND a.conversation_id IS NULL AND a.deleted_at IS NULL AND a.state = 1
		RETURNING w.place, attachment_json(a) AS json
	)
	SELECT jsonb_agg(g.json ORDER BY g.place) INTO v_found FROM given g;
	IF v_found IS NULL OR jsonb_array_length(v_found) <> jsonb_array_length(p_ids) THEN
		RAISE SQLSTATE 'PE409' USING MESSAGE = 'an attachment that is not mine, or used already';
	END IF;
	RETURN v_found;
END $$;

-- Attachments that nobody wants any more; their space is their owner's again. Returns their ids.
CREATE FUNCTION attachment_release(p_attachments jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	v_ids jsonb;
BEGIN
	IF p_attachments IS NULL THEN
		RETURN NULL;
	END IF;
	WITH gone AS (
		UPDATE attachment a SET deleted_at = now()
		FROM jsonb_array_elements(p_attachments) AS x WHERE a.id = x ->> 'id' AND a.deleted_at IS NULL
		RETURNING a.id, a.owner_id, a.bytes
	), space AS (
		UPDATE media_usage u SET bytes = greatest(0, u.bytes - g.bytes)
		FROM (SELECT owner_id, sum(bytes)::bigint AS bytes FROM gone GROUP BY 1) g WHERE u.user_id = g.owner_id
	)
	SELECT jsonb_agg(g.id) INTO v_ids FROM gone g;
	RETURN v_ids;
END $$;

-- p_done: ids whose files have gone. Releases what has waited for a message for too long; returns ids whose files are to go.
CREATE FUNCTION attachment_removals(p_done jsonb, p_waited_hours bigint, p_limit bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM attachment a USING jsonb_array_elements_text(p_done) AS d (id) WHERE a.id = d.id AND a.deleted_at IS NOT NULL;
	PERFORM attachment_release(jsonb_agg(jsonb_build_object('id', w.id)))
	FROM (SELECT a.id FROM attachment a
	      WHERE a.conversation_id IS NULL AND a.deleted_at IS NULL AND a.created_at < now() - p_waited_hours * interval '1 hour'
	      ORDER BY a.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED) w;
	RETURN coalesce((SELECT jsonb_agg(g.id) FROM (SELECT a.id FROM attachment a WHERE a.deleted_at IS NOT NULL
	                                              ORDER BY a.deleted_at LIMIT p_limit) g), '[]');
END $$;

DROP FUNCTION message_send(bigint, bigint, text, bytea, smallint, text, jsonb, bigint);
-- Says something. A key that was used before gives o_replayed and the old place: nothing is written then.
CREATE FUNCTION message_send(p_me bigint, p_conversation bigint, p_client_id text, p_request_hash bytea, p_kind smallint,
	p_content text, p_mentions jsonb, p_reply_seq bigint, p_attachments jsonb DEFAULT NULL,
	OUT o_replayed boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_at timestamptz, OUT o_first boolean, OUT o_hearers bigint[],
	OUT o_reply_sender bigint, OUT o_reply_excerpt text, OUT o_attachments jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	v_floor  bigint;
	v_hash   bytea;
	v_hidden boolean;
BEGIN
	SELECT first_visible(c.history_all, c.first_seq, m.joined_seq) INTO v_floor
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;

	SELECT k.seq, k.request_hash INTO o_seq, v_hash
	FROM message_key k WHERE k.conversation_id = p_conversation AND k.sender_id = p_me AND k.client_id = p_client_id;
	IF FOUND THEN
		IF v_hash <> p_request_hash THEN
			RAISE SQLSTATE 'PE422' USING MESSAGE = 'client_id was used with another body';
		END IF;
		o_replayed := true;
		RETURN;
	END IF;
	o_replayed := false;

	IF p_reply_seq IS NOT NULL THEN
		SELECT g.sender_id, left(g.content, 120) INTO o_reply_sender, o_reply_excerpt
		FROM message g WHERE g.conversation_id = p_conversation AND g.seq = p_reply_seq AND g.seq >= v_floor;
		IF NOT FOUND THEN
			RAISE SQLSTATE '22023' USING MESSAGE = 'reply_to is not a message you can see';
		END IF;
	END IF;

	UPDATE conversation c SET last_seq = c.last_seq + 1, updated_at = now(), last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation RETURNING c.last_seq, c.last_rev INTO o_seq, o_rev;

	-- Whoever sent the same key while we waited for the lock has committed: the next run finds its key.
	INSERT INTO message_key (conversation_id, sender_id, client_id, seq, request_hash)
	VALUES (p_conversation, p_me, p_client_id, o_seq, p_request_hash) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'client_id is being used';
	END IF;

	SELECT array_agg(m.user_id ORDER BY m.user_id), bool_or(m.hidden) INTO o_hearers, v_hidden
	FROM member m WHERE m.conversation_id = p_conversation;
	IF NOT p_me = ANY (o_hearers) THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member any more';
	END IF;

	IF p_attachments IS NOT NULL THEN
		o_attachments := attachment_attach(p_me, p_attachments, p_conversation, o_seq);
	END IF;
	INSERT INTO message (conversation_id, seq, sender_id, kind, reply_seq, client_id, content, mentions, attachments)
	VALUES (p_conversation, o_seq, p_me, p_kind, p_reply_seq, p_client_id, p_content, p_mentions, o_attachments);
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq)
	VALUES (p_conversation, o_seq + o_rev, o_seq, o_rev, 1, p_me, o_seq);
	o_at := now();
	o_first := v_hidden;
	IF v_hidden THEN
		UPDATE member SET hidden = false WHERE conversation_id = p_conversation AND hidden;
	END IF;

	-- My read mark comes along when nothing of others is unread; the receipt only if it told all that I had read.
	UPDATE member m SET read_seq = o_seq, mark_xid = pg_current_xact_id(),
		receipt_seq = CASE WHEN m.receipt_seq = m.read_seq THEN o_seq ELSE m.receipt_seq END,
		delivered_seq = CASE WHEN m.delivered_seq >= m.read_seq THEN o_seq ELSE m.delivered_seq END
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND m.unread_from IS NULL
	  AND NOT EXISTS (SELECT FROM message g
	                  WHERE g.conversation_id = p_conversation AND g.seq > m.read_seq AND g.seq >= v_floor AND g.seq < o_seq
	                    AND g.sender_id <> p_me AND g.deleted_at IS NULL AND g.kind <> 9);
END $$;

DROP FUNCTION message_delete(bigint, bigint, bigint);
-- Deletes for all: the sender, or an admin of the group. The row stays as a tombstone without content.
CREATE FUNCTION message_delete(p_me bigint, p_conversation bigint, p_seq bigint,
	OUT o_changed boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_at timestamptz, OUT o_hearers bigint[], OUT o_attachments jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	v_sender bigint;
	v_gone   timestamptz;
	v_role   smallint;
BEGIN
	SELECT g.sender_id, g.deleted_at, m.role INTO v_sender, v_gone, v_role
	FROM member m JOIN conversation c ON c.id = m.conversation_id JOIN message g ON g.conversation_id = c.id AND g.seq = p_seq
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden
	  AND g.seq >= first_visible(c.history_all, c.first_seq, m.joined_seq);
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such message';
	END IF;
	IF v_sender <> p_me AND v_role < 2 THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'only the sender or an admin';
	END IF;
	o_changed := v_gone IS NULL;
	IF NOT o_changed THEN
		RETURN;
	END IF;

	UPDATE conversation c SET last_rev = c.last_rev + 1, last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation RETURNING c.last_seq, c.last_rev INTO o_seq, o_rev;
	SELECT attachment_release(g.attachments) INTO o_attachments
	FROM message g WHERE g.conversation_id = p_conversation AND g.seq = p_seq AND g.deleted_at IS NULL;
	UPDATE message g SET deleted_at = now(), content = NULL, mentions = NULL, attachments = NULL, rev = o_rev
	WHERE g.conversation_id = p_conversation AND g.seq = p_seq AND g.deleted_at IS NULL;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'deleted by somebody else at the same time';
	END IF;
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq)
	VALUES (p_conversation, o_seq + o_rev, o_seq, o_rev, 3, p_me, p_seq);
	SELECT array_agg(m.user_id ORDER BY m.user_id) INTO o_hearers
	FROM member m WHERE m.conversation_id = p_conversation AND NOT m.hidden;
	IF NOT p_me = ANY (o_hearers) THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member any more';
	END IF;
	o_at := now();
END $$;

REVOKE ALL ON FUNCTION attachment_register(text, bigint, smallint, text, bigint, text, bigint, bigint, boolean, text, text, jsonb, bigint, bigint, bigint),
	attachment_attach(bigint, jsonb, bigint, bigint), attachment_release(jsonb), attachment_removals(jsonb, bigint, bigint),
	message_send(bigint, bigint, text, bytea, smallint, text, jsonb, bigint, jsonb), message_delete(bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION attachment_register(text, bigint, smallint, text, bigint, text, bigint, bigint, boolean, text, text, jsonb, bigint, bigint, bigint),
	attachment_attach(bigint, jsonb, bigint, bigint), attachment_release(jsonb), attachment_removals(jsonb, bigint, bigint),
	message_send(bigint, bigint, text, bytea, smallint, text, jsonb, bigint, jsonb), message_delete(bigint, bigint, bigint) TO peal;
GRANT SELECT, INSERT, UPDATE, DELETE ON attachment, media_usage TO peal;
