-- 0006_people -- blocks, presence, privacy, avatars.

CREATE INDEX block_newest ON block (user_id, created_at, blocked_id);

-- Blocks a person, or no longer; o_user_rev is null when it was so already. The row of the direct conversation is locked first: whoever
-- is sending there has committed before, or finds the block when the lock comes to them.
CREATE FUNCTION person_block(p_me bigint, p_other bigint, p_blocked boolean, OUT o_user_rev bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM users u WHERE u.id = p_other;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	END IF;
	PERFORM FROM conversation c WHERE c.kind = 1 AND c.direct_low = least(p_me, p_other) AND c.direct_high = greatest(p_me, p_other)
	FOR NO KEY UPDATE;
	IF p_blocked THEN
		INSERT INTO block (user_id, blocked_id) VALUES (p_me, p_other) ON CONFLICT DO NOTHING;
	ELSE
		DELETE FROM block b WHERE b.user_id = p_me AND b.blocked_id = p_other;
	END IF;
	IF FOUND THEN
		o_user_rev := event_user(p_me, 7::smallint, NULL, NULL, p_other);
	END IF;
END $$;

-- May I see whether and when somebody is here? Both must see a conversation that they share: starting one with a stranger opens
-- nothing of theirs to me.
CREATE FUNCTION presence_visible(p_me bigint, p_other bigint, p_shown boolean) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT p_me = p_other OR (p_shown AND NOT blocked(p_me, p_other) AND EXISTS (
		SELECT FROM member o JOIN member m ON m.conversation_id = o.conversation_id
		WHERE o.user_id = p_other AND NOT o.hidden AND m.user_id = p_me AND NOT m.hidden))
$$;

-- An upload is for messages, or for the picture of people and groups, never for both.
ALTER TABLE attachment ADD COLUMN avatars integer NOT NULL DEFAULT 0 CHECK (avatars >= 0);  -- people and groups that show it
DROP INDEX attachment_waiting;
CREATE INDEX attachment_waiting ON attachment (created_at) WHERE conversation_id IS NULL AND avatars = 0 AND deleted_at IS NULL;

-- An upload of mine, a picture that no message uses, becomes an avatar in place of another; either may be null. Returns the ids of
-- those whose files are to go now.
CREATE FUNCTION attachment_avatar(p_me bigint, p_new text, p_old text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	v_left integer;
BEGIN
	IF p_new IS NOT DISTINCT FROM p_old THEN
		RETURN NULL;
	END IF;
	IF p_new IS NOT NULL THEN
		UPDATE attachment a SET avatars = a.avatars + 1
		WHERE a.id = p_new AND a.owner_id = p_me AND a.kind = 2 AND a.state = 1 AND NOT a.used AND a.deleted_at IS NULL;
		IF NOT FOUND THEN
			RAISE SQLSTATE 'PE409' USING MESSAGE = 'an avatar that is not a picture of mine, or used in a message';
		END IF;
	END IF;
	UPDATE attachment a SET avatars = a.avatars - 1 WHERE a.id = p_old AND a.avatars > 0 RETURNING a.avatars INTO v_left;
	IF v_left = 0 THEN
		RETURN attachment_drop(ARRAY[p_old]);
	END IF;
	RETURN NULL;
END $$;

-- Changes what is given of my profile and my privacy; an absent name falls back to the user name. o_user_rev is null when everything
-- was so already. o_removed: ids whose files are to go now.
CREATE FUNCTION person_update(p_me bigint, p_name_given boolean, p_name text, p_status_given boolean, p_status text, p_avatar_given boolean,
	p_avatar text, p_read_receipts boolean, p_last_seen boolean, OUT o_user users, OUT o_user_rev bigint, OUT o_removed jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	v_old users;
BEGIN
	SELECT u.* INTO v_old FROM users u WHERE u.id = p_me FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	END IF;
	o_user := v_old;
	IF p_name_given THEN
		o_user.display_name := coalesce(p_name, v_old.username);
	END IF;
	IF p_status_given THEN
		o_user.status_text := p_status;
	END IF;
	IF p_avatar_given THEN
		o_user.avatar_id := p_avatar;
	END IF;
	o_user.read_receipts := coalesce(p_read_receipts, v_old.read_receipts);
	o_user.show_last_seen := coalesce(p_last_seen, v_old.show_last_seen);
	IF o_user IS NOT DISTINCT FROM v_old THEN
		RETURN;
	END IF;
	UPDATE users u SET display_name = o_user.display_name, status_text = o_user.status_text, avatar_id = o_user.avatar_id,
		read_receipts = o_user.read_receipts, show_last_seen = o_user.show_last_seen
	WHERE u.id = p_me;
	o_user_rev := event_user(p_me, 8::smallint, NULL, NULL, NULL);
	o_removed := attachment_avatar(p_me, o_user.avatar_id, v_old.avatar_id);
END $$;

-- Where in a conversation, from p_from to p_to, something was said at p_time or later; one past the end when nowhere. Looks back from the
-- end in growing steps, then halves the last one: places that follow each other may say times that do not, so this is one such
-- place, not the first.
CREATE FUNCTION message_place(p_conversation bigint, p_from bigint, p_to bigint, p_time timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_before bigint := p_from - 1;
	v_after  bigint := p_to + 1;
	v_step   bigint := 1;
	v_at     bigint;
	v_seq    bigint;
	v_said   timestamptz;
BEGIN
	PERFORM FROM message g WHERE g.conversation_id = p_conversation AND g.seq = p_from AND g.created_at >= p_time;
	IF FOUND THEN
		RETURN p_from;
	END IF;
	WHILE v_after - v_before > 1 LOOP
		v_at := greatest(v_after - v_step, (v_before + v_after) / 2, v_before + 1);
		v_step := v_step * 2;
		SELECT g.seq, g.created_at INTO v_seq, v_said FROM message g
		WHERE g.conversation_id = p_conversation AND g.seq >= v_at AND g.seq < v_after ORDER BY g.seq LIMIT 1;
		IF v_said < p_time THEN
			v_before := v_seq;
		ELSE
			v_after := v_at;
		END IF;
	END LOOP;
	RETURN v_after;
END $$;

REVOKE ALL ON FUNCTION person_block(bigint, bigint, boolean), attachment_avatar(bigint, text, text),
	person_update(bigint, boolean, text, boolean, text, boolean, text, boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION person_block(bigint, bigint, boolean), attachment_avatar(bigint, text, text),
	person_update(bigint, boolean, text, boolean, text, boolean, text, boolean, boolean) TO peal;
