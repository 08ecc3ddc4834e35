-- 0022_media_queue -- uploads that take long: they are attachments at once, and ready, or failed, later.
--
-- What peal-media has queued is state 2 here, and may be in messages already. attachment_finish() brings it to state 1 or 3, in the row and
-- in all that was copied from it. A failure's code is in facts, where the contract shows it.

CREATE INDEX attachment_processing ON attachment (created_at) WHERE state = 2;

-- An upload that waits; until it is known what becomes of it, it counts with what was sent.
CREATE FUNCTION attachment_begin(p_id text, p_owner bigint, p_kind smallint, p_name text, p_size bigint, p_mime text, p_most bigint,
	p_daily_most bigint, OUT o_attachment jsonb, OUT o_at timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
	SELECT r.o_at INTO o_at FROM attachment_register(p_id, p_owner, p_kind, p_name, p_size, p_mime, NULL, NULL, false, NULL, NULL, '[]', p_size,
		p_most, p_daily_most) r;
	UPDATE attachment a SET state = 2 WHERE a.id = p_id RETURNING attachment_json(a) INTO o_attachment;
END $$;

-- What came of it: p_failure (a code) or all the rest. PE404: nobody wants it any more, or it has failed meanwhile. The same again changes
-- nothing. Conversations are locked first, as everybody does.
CREATE FUNCTION attachment_finish(p_id text, p_failure text, p_size bigint, p_mime text, p_width bigint, p_height bigint, p_animated boolean,
	p_thumbhash text, p_color text, p_renditions jsonb, p_bytes bigint, p_facts jsonb, p_digest text,
	OUT o_attachment jsonb, OUT o_at timestamptz, OUT o_owner bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_old attachment;
BEGIN
	PERFORM FROM conversation c WHERE c.id IN (SELECT u.conversation_id FROM attachment_use u WHERE u.attachment_id = p_id)
	ORDER BY c.id FOR NO KEY UPDATE;
	SELECT a.* INTO v_old FROM attachment a WHERE a.id = p_id AND a.deleted_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND OR (v_old.state = 3 AND p_failure IS NULL) THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'nobody waits for it';
	END IF;
	o_at := v_old.created_at;
	o_owner := v_old.owner_id;
	o_attachment := attachment_json(v_old);
	IF v_old.state <> 2 THEN
		RETURN;
	END IF;
	IF p_failure IS NOT NULL THEN
		UPDATE attachment a SET state = 3, bytes = 0, facts = jsonb_build_object('failure', p_failure)
		WHERE a.id = p_id RETURNING attachment_json(a) INTO o_attachment;
	ELSE
		UPDATE attachment a SET state = 1, size = p_size, mime = p_mime, width = p_width, height = p_height, animated = p_animated,
			thumbhash = p_thumbhash, color = p_color, renditions = p_renditions, bytes = p_bytes, facts = p_facts, digest = p_digest
		WHERE a.id = p_id RETURNING attachment_json(a) INTO o_attachment;
	END IF;
	UPDATE media_usage u SET bytes = greatest(0, u.bytes - v_old.bytes + CASE WHEN p_failure IS NULL THEN p_bytes ELSE 0 END)
	WHERE u.user_id = v_old.owner_id;
	UPDATE message g SET attachments = attachments_with(g.attachments, p_id, o_attachment)
	FROM attachment_use u WHERE u.attachment_id = p_id AND g.conversation_id = u.conversation_id AND g.seq = u.seq
	  AND g.attachments IS NOT NULL;
	UPDATE report r SET attachments = attachments_with(r.attachments, p_id, o_attachment)
	FROM attachment_use u WHERE u.attachment_id = p_id AND u.conversation_id = 0 AND r.id = u.seq AND r.attachments IS NOT NULL;
END $$;

-- What a message or a report has, one of it as it is now.
CREATE FUNCTION attachments_with(p_attachments jsonb, p_id text, p_now jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_agg(CASE WHEN x.one ->> 'id' = p_id THEN p_now ELSE x.one END ORDER BY x.place)
	FROM jsonb_array_elements(p_attachments) WITH ORDINALITY AS x (one, place)
$$;

-- One more message uses what another one has. Between seeing them there and locking them they may have gone, or have become ready: then
-- what was seen is seen again.
CREATE OR REPLACE FUNCTION attachment_share(p_attachments jsonb, p_conversation bigint, p_seq bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v_ids text[] := ARRAY(SELECT x ->> 'id' FROM jsonb_array_elements(p_attachments) AS x);
BEGIN
	PERFORM FROM attachment a WHERE a.id = ANY (v_ids) ORDER BY a.id FOR NO KEY UPDATE;
	IF (SELECT count(*) FROM attachment a WHERE a.id = ANY (v_ids) AND a.deleted_at IS NULL) <> cardinality(v_ids) THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'its files are gone';
	ELSIF EXISTS (SELECT FROM jsonb_array_elements(p_attachments) AS x JOIN attachment a ON a.id = x ->> 'id'
	              WHERE x ->> 'state' = 'processing' AND a.state <> 2) THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'an attachment has become ready meanwhile';
	END IF;
	INSERT INTO attachment_use (attachment_id, conversation_id, seq) SELECT i, p_conversation, p_seq FROM unnest(v_ids) AS i;
END $$;

-- Gives uploads of mine to a message that is being sent, all or none; returns them in the order of the ids. Each is of the message's
-- kind (enum message_kind); a file may be anything. What has failed is not sent.
CREATE OR REPLACE FUNCTION attachment_attach(p_me bigint, p_ids jsonb, p_kind smallint, p_conversation bigint, p_seq bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	v_found jsonb;
	v_fits  boolean;
BEGIN
	WITH wanted AS (
		SELECT w.id, w.place FROM jsonb_array_elements_text(p_ids) WITH ORDINALITY AS w (id, place)
	), given AS (
		UPDATE attachment a SET used = true
		FROM wanted w WHERE a.id = w.id AND a.owner_id = p_me AND NOT a.used AND a.avatars = 0 AND a.deleted_at IS NULL
		                AND a.state IN (1, 2)
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

-- Keeps uploads of mine for a scheduled message, all or none.
CREATE OR REPLACE FUNCTION attachment_hold(p_me bigint, p_ids jsonb, p_kind smallint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v_held bigint;
	v_fits boolean;
BEGIN
	WITH held AS (
		UPDATE attachment a SET used = true
		FROM jsonb_array_elements_text(p_ids) AS w (id)
		WHERE a.id = w.id AND a.owner_id = p_me AND NOT a.used AND a.avatars = 0 AND a.deleted_at IS NULL AND a.state IN (1, 2)
		RETURNING a.kind
	)
	SELECT count(*), bool_and(p_kind IN (5, h.kind)) INTO v_held, v_fits FROM held h;
	IF v_held <> jsonb_array_length(p_ids) THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/attachment_ids unknown One of these is not an upload of yours that nothing uses.';
	ELSIF NOT v_fits THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/attachment_ids type One of these is not of the kind of this message.';
	END IF;
END $$;

REVOKE ALL ON FUNCTION attachment_begin(text, bigint, smallint, text, bigint, text, bigint, bigint),
	attachment_finish(text, text, bigint, text, bigint, bigint, boolean, text, text, jsonb, bigint, jsonb, text),
	attachments_with(jsonb, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION attachment_begin(text, bigint, smallint, text, bigint, text, bigint, bigint),
	attachment_finish(text, text, bigint, text, bigint, bigint, boolean, text, text, jsonb, bigint, jsonb, text),
	attachments_with(jsonb, text, jsonb) TO peal;
