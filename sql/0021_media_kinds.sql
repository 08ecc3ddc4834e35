-- 0021_media_kinds -- attachments that are no pictures: recordings with what is heard and seen of them, and files kept as they came.

ALTER TABLE attachment
	ADD COLUMN facts  jsonb,                               -- what only its kind has, as the contract shows it: duration_ms, waveform ...
	ADD COLUMN digest text CHECK (digest ~ '^[0-9a-f]{64}$');  -- SHA-256 of a file that is kept as it came; `pealctl media verify`

CREATE OR REPLACE FUNCTION attachment_json(a attachment) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('id', a.id, 'kind', (ARRAY['text', 'image', 'audio', 'video', 'file'])[a.kind],
		'state', (ARRAY['ready', 'processing', 'failed'])[a.state], 'name', a.name, 'size', a.size, 'mime', a.mime,
		'width', a.width, 'height', a.height, 'animated', a.animated, 'thumbhash', a.thumbhash, 'color', a.color,
		'renditions', a.renditions) || coalesce(a.facts, '{}')
$$;

DROP FUNCTION attachment_register(text, bigint, smallint, text, bigint, text, bigint, bigint, boolean, text, text, jsonb, bigint, bigint, bigint);
CREATE FUNCTION attachment_register(p_id text, p_owner bigint, p_kind smallint, p_name text, p_size bigint, p_mime text, p_width bigint,
	p_height bigint, p_animated boolean, p_thumbhash text, p_color text, p_renditions jsonb, p_bytes bigint, p_most bigint,
	p_daily_most bigint, p_facts jsonb DEFAULT NULL, p_digest text DEFAULT NULL, OUT o_attachment jsonb, OUT o_at timestamptz)
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
	INSERT INTO attachment AS a (id, owner_id, kind, name, size, mime, width, height, animated, thumbhash, color, renditions, bytes, facts, digest)
	VALUES (p_id, p_owner, p_kind, normalize(p_name, NFC), p_size, p_mime, p_width, p_height, p_animated, p_thumbhash, p_color,
		p_renditions, p_bytes, p_facts, p_digest)
	RETURNING attachment_json(a), a.created_at INTO o_attachment, o_at;
END $$;

REVOKE ALL ON FUNCTION attachment_register(text, bigint, smallint, text, bigint, text, bigint, bigint, boolean, text, text, jsonb, bigint, bigint, bigint,
	jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION attachment_register(text, bigint, smallint, text, bigint, text, bigint, bigint, boolean, text, text, jsonb, bigint, bigint, bigint,
	jsonb, text) TO peal;
