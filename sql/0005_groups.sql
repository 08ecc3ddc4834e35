-- 0005_groups -- groups, who is in them with which role, and one member's own settings, mark and draft.
--
-- Whoever changes a conversation holds its row lock; what was known before is asked again under it. Each function says how far the
-- log came (o_seq, o_rev) and how many events it wrote (o_n), so that the caller can ring for them. SQLSTATEs as in 0002, and PE4B1
-- blocked, PE4G1 group full, PE4K1 wrong kind, PE4L1 last owner, PE4M1 too many.

-- A draft as its owner sees it.
CREATE FUNCTION draft_json(p_conversation bigint, p_draft jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN p_draft IS NOT NULL THEN
		jsonb_build_object('content', p_draft -> 'content', 'reply_to', p_conversation || '.' || (p_draft ->> 'reply_seq'),
			'updated_at', p_draft -> 'updated_at') END
$$;

-- Locks a conversation for a change by one of its members. p_kind: the kind it has to be, null for any; p_least: the least role,
-- null for admins in groups and both in direct conversations.
CREATE FUNCTION conversation_enter(p_me bigint, p_conversation bigint, p_kind smallint, p_least smallint) RETURNS conversation
LANGUAGE plpgsql AS $$
DECLARE
	v_conversation conversation;
	v_role         smallint;
BEGIN
	PERFORM FROM member m WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;
	SELECT c.* INTO v_conversation FROM conversation c WHERE c.id = p_conversation FOR NO KEY UPDATE;
	SELECT m.role INTO v_role FROM member m WHERE m.user_id = p_me AND m.conversation_id = p_conversation;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member any more';
	ELSIF v_conversation.kind <> p_kind THEN
		RAISE SQLSTATE 'PE4K1' USING MESSAGE = 'not for this kind of conversation';
	ELSIF v_role < coalesce(p_least, CASE v_conversation.kind WHEN 2 THEN 2 ELSE 1 END) THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'beyond my role';
	END IF;
	RETURN v_conversation;
END $$;

-- May I bring these people into a group?
CREATE FUNCTION member_admissible(p_me bigint, p_users bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM unnest(p_users) AS n (id) WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = n.id AND u.disabled_at IS NULL);
	IF FOUND THEN
		RAISE SQLSTATE '22023' USING MESSAGE = 'no such person';
	END IF;
	PERFORM FROM unnest(p_users) AS n (id) WHERE blocked(p_me, n.id);
	IF FOUND THEN
		RAISE SQLSTATE 'PE4B1' USING MESSAGE = 'one of us blocks the other';
	END IF;
END $$;

-- Makes people members, the first of them at p_first and each next one p_step further; they see what comes after p_seq. Whoever was
-- here before and deleted messages for themselves still does not see those.
CREATE FUNCTION member_enroll(p_conversation bigint, p_users bigint[], p_seq bigint, p_first bigint, p_step integer) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO member (user_id, conversation_id, joined_seq, joined_position, read_seq, receipt_seq, delivered_seq, hides)
	SELECT n.id, p_conversation, p_seq, p_first + (n.place - 1) * p_step, p_seq, p_seq, p_seq,
	       EXISTS (SELECT FROM message_mine x
	               WHERE x.user_id = n.id AND x.conversation_id = p_conversation AND x.hidden_at IS NOT NULL)
	FROM unnest(p_users) WITH ORDINALITY AS n (id, place)
$$;

-- Makes a group. p_key: of a request that may be repeated, null for none; when it was used before, o_replayed and the group it made.
CREATE FUNCTION group_create(p_me bigint, p_name text, p_avatar text, p_history_all boolean, p_users bigint[], p_key text, p_request_hash bytea,
	OUT o_conversation_id bigint, OUT o_replayed boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_n bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_others bigint[] := ARRAY(SELECT DISTINCT n.id FROM unnest(p_users) AS n (id) WHERE n.id <> p_me ORDER BY n.id);
	v_hash   bytea;
BEGIN
	SELECT k.result_id, k.request_hash INTO o_conversation_id, v_hash
	FROM request_key k WHERE k.user_id = p_me AND k.route = 'group' AND k.key = p_key;
	o_replayed := FOUND;
	IF o_replayed AND v_hash <> p_request_hash THEN
		RAISE SQLSTATE 'PE422' USING MESSAGE = 'the key was used with another body';
	ELSIF o_replayed THEN
		RETURN;
	END IF;
	PERFORM member_admissible(p_me, v_others);

	INSERT INTO conversation (kind, name, avatar_id, history_all, created_by, participant_count, last_rev)
	VALUES (2, p_name, p_avatar, p_history_all, p_me, 1 + cardinality(v_others), 1) RETURNING id INTO o_conversation_id;
	IF p_key IS NOT NULL THEN
		INSERT INTO request_key (user_id, route, key, request_hash, result_id)
		VALUES (p_me, 'group', p_key, p_request_hash, o_conversation_id) ON CONFLICT DO NOTHING;
		IF NOT FOUND THEN
			RAISE SQLSTATE '40001' USING MESSAGE = 'the key is being used';
		END IF;
	END IF;
	PERFORM member_enroll(o_conversation_id, p_me || v_others, 0, 1, 0);
	UPDATE member SET role = 3 WHERE user_id = p_me AND conversation_id = o_conversation_id;
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id) VALUES (o_conversation_id, 1, 0, 1, 2, p_me);
	PERFORM attachment_avatar(p_me, p_avatar, NULL);
	SELECT s.o_seq, s.o_rev INTO o_seq, o_rev
	FROM message_system(o_conversation_id, p_me, jsonb_build_object('kind', 'created', 'name', p_name)) s;
	o_n := 2;
END $$;

-- Changes what p_changes names: name, avatar_id, history, ttl_seconds, retention_days, slow_mode_seconds. In groups admins, in direct
-- conversations both, and only ttl_seconds and retention_days. o_n is 0 when everything was so already. o_removed: ids of attachments
-- whose files are to go now.
CREATE FUNCTION conversation_update(p_me bigint, p_conversation bigint, p_changes jsonb,
	OUT o_seq bigint, OUT o_rev bigint, OUT o_n bigint, OUT o_removed jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	v_old     conversation := conversation_enter(p_me, p_conversation, NULL, NULL);
	v_new     conversation := v_old;
	v_changed text[] := '{}';
	v_said    jsonb[] := '{}';
	v_one     jsonb;
BEGIN
	IF v_old.kind = 1 AND p_changes ?| ARRAY['name', 'avatar_id', 'history', 'slow_mode_seconds'] THEN
		RAISE SQLSTATE 'PE4K1' USING MESSAGE = 'a direct conversation has none of its own';
	ELSIF v_old.kind = 1 AND blocked(v_old.direct_low, v_old.direct_high) THEN
		RAISE SQLSTATE 'PE4B1' USING MESSAGE = 'one of us blocks the other';
	END IF;

	IF p_changes ? 'name' AND p_changes ->> 'name' <> v_old.name THEN
		v_new.name := p_changes ->> 'name';
		v_changed := v_changed || 'name'::text;
		v_said := v_said || jsonb_build_object('kind', 'renamed', 'name', v_new.name);
	END IF;
	IF p_changes ? 'avatar_id' AND p_changes ->> 'avatar_id' IS DISTINCT FROM v_old.avatar_id THEN
		v_new.avatar_id := p_changes ->> 'avatar_id';
		v_changed := v_changed || 'avatar_id'::text;
		v_said := v_said || jsonb_build_object('kind', 'avatar_changed');
	END IF;
	IF p_changes ? 'history' AND (p_changes ->> 'history' = 'all') <> v_old.history_all THEN
		v_new.history_all := p_changes ->> 'history' = 'all';
		v_changed := v_changed || 'history'::text;
		v_said := v_said || jsonb_build_object('kind', 'history_changed', 'history', p_changes ->> 'history');
	END IF;
	IF p_changes ? 'ttl_seconds' AND (p_changes ->> 'ttl_seconds')::integer IS DISTINCT FROM v_old.ttl_seconds THEN
		v_new.ttl_seconds := (p_changes ->> 'ttl_seconds')::integer;
		v_changed := v_changed || 'ttl_seconds'::text;
		v_said := v_said || jsonb_build_object('kind', 'ttl_changed', 'ttl_seconds', v_new.ttl_seconds);
	END IF;
	v_one := '{"kind": "settings_changed"}';
	IF p_changes ? 'retention_days' AND (p_changes ->> 'retention_days')::integer IS DISTINCT FROM v_old.retention_days THEN
		v_new.retention_days := (p_changes ->> 'retention_days')::integer;
		v_changed := v_changed || 'retention_days'::text;
		v_one := v_one || jsonb_build_object('retention_days', v_new.retention_days);
	END IF;
	IF p_changes ? 'slow_mode_seconds'
	   AND nullif((p_changes ->> 'slow_mode_seconds')::integer, 0) IS DISTINCT FROM v_old.slow_mode_seconds THEN
		v_new.slow_mode_seconds := nullif((p_changes ->> 'slow_mode_seconds')::integer, 0);
		v_changed := v_changed || 'slow_mode_seconds'::text;
		v_one := v_one || jsonb_build_object('slow_mode_seconds', v_new.slow_mode_seconds);
	END IF;
	IF v_changed && ARRAY['retention_days', 'slow_mode_seconds'] THEN
		v_said := v_said || v_one;
	END IF;
	o_n := 0;
	IF v_changed = '{}' THEN
		RETURN;
	END IF;

	UPDATE conversation c SET name = v_new.name, avatar_id = v_new.avatar_id, history_all = v_new.history_all, ttl_seconds = v_new.ttl_seconds,
		retention_days = v_new.retention_days, slow_mode_seconds = v_new.slow_mode_seconds
	WHERE c.id = p_conversation;
	o_removed := attachment_avatar(p_me, v_new.avatar_id, v_old.avatar_id);
	SELECT s.o_seq, s.o_rev INTO o_seq, o_rev
	FROM event_rev(p_conversation, 12::smallint, p_me, NULL, NULL, array_to_string(v_changed, ',')) s;
	o_n := 1;
	-- Whom a direct conversation is still hidden from hears of it by the first message, which nothing may come before.
	PERFORM FROM member m WHERE m.conversation_id = p_conversation AND m.hidden;
	IF FOUND THEN
		RETURN;
	END IF;
	FOREACH v_one IN ARRAY v_said LOOP
		SELECT s.o_seq, s.o_rev INTO o_seq, o_rev FROM message_system(p_conversation, p_me, v_one) s;
		o_n := o_n + 1;
	END LOOP;
END $$;

-- Brings people into a group; o_added are those who were not in it. One event each, then one message about all of them.
CREATE FUNCTION member_add(p_me bigint, p_conversation bigint, p_users bigint[], p_most bigint,
	OUT o_added bigint[], OUT o_count bigint, OUT o_seq bigint, OUT o_rev bigint, OUT o_n bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_group conversation := conversation_enter(p_me, p_conversation, 2::smallint, 2::smallint);
BEGIN
	o_added := ARRAY(SELECT n.id FROM unnest(p_users) WITH ORDINALITY AS n (id, place)
	                 WHERE NOT EXISTS (SELECT FROM member m WHERE m.user_id = n.id AND m.conversation_id = p_conversation)
	                 GROUP BY n.id ORDER BY min(n.place));
	o_n := cardinality(o_added);
	o_count := v_group.participant_count + o_n;
	IF o_n = 0 THEN
		RETURN;
	END IF;
	PERFORM member_admissible(p_me, o_added);
	IF o_count > p_most THEN
		RAISE SQLSTATE 'PE4G1' USING MESSAGE = 'the group is full';
	END IF;

	o_seq := v_group.last_seq;
	o_rev := v_group.last_rev + o_n;
	UPDATE conversation c SET participant_count = o_count, last_rev = o_rev, last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation;
	PERFORM member_enroll(p_conversation, o_added, o_seq, o_seq + v_group.last_rev + 1, 1);
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_user)
	SELECT p_conversation, o_seq + v_group.last_rev + n.place, o_seq, v_group.last_rev + n.place, 10, p_me, n.id
	FROM unnest(o_added) WITH ORDINALITY AS n (id, place);
	SELECT s.o_seq, s.o_rev INTO o_seq, o_rev
	FROM message_system(p_conversation, p_me, jsonb_build_object('kind', 'member_added',
		'user_ids', (SELECT jsonb_agg(n.id::text) FROM unnest(o_added) AS n (id)))) s;
	o_n := o_n + 1;
END $$;

-- Gives a member a role; the group's row is locked. Two events.
CREATE FUNCTION member_set_role(p_me bigint, p_conversation bigint, p_user bigint, p_role smallint, OUT o_seq bigint, OUT o_rev bigint)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE member SET role = p_role WHERE user_id = p_user AND conversation_id = p_conversation;
	PERFORM event_rev(p_conversation, 12::smallint, p_me, NULL, p_user, 'role');
	SELECT s.o_seq, s.o_rev INTO o_seq, o_rev
	FROM message_system(p_conversation, p_me, jsonb_build_object('kind', 'role_changed', 'user_ids', jsonb_build_array(p_user::text),
		'role', (ARRAY['member', 'admin', 'owner'])[p_role])) s;
END $$;

-- Has the group another owner than this one?
CREATE FUNCTION group_has_other_owner(p_conversation bigint, p_user bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM member m WHERE m.conversation_id = p_conversation AND m.user_id <> p_user AND m.role = 3)
$$;

-- Only an owner gives and takes roles, and the last one keeps theirs.
CREATE FUNCTION member_role(p_me bigint, p_conversation bigint, p_user bigint, p_role smallint,
	OUT o_seq bigint, OUT o_rev bigint, OUT o_n bigint, OUT o_receipt_seq bigint, OUT o_delivered_seq bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_role smallint;
BEGIN
	PERFORM conversation_enter(p_me, p_conversation, 2::smallint, 3::smallint);
	SELECT m.role, m.receipt_seq, m.delivered_seq INTO v_role, o_receipt_seq, o_delivered_seq
	FROM member m WHERE m.user_id = p_user AND m.conversation_id = p_conversation;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such member';
	END IF;
	o_n := 0;
	IF v_role = p_role THEN
		RETURN;
	ELSIF v_role = 3 AND NOT group_has_other_owner(p_conversation, p_user) THEN
		RAISE SQLSTATE 'PE4L1' USING MESSAGE = 'the last owner';
	END IF;
	SELECT s.o_seq, s.o_rev INTO o_seq, o_rev FROM member_set_role(p_me, p_conversation, p_user, p_role) s;
	o_n := 2;
END $$;

-- Takes somebody out of a group, or lets me leave. Before the last owner goes, the longest-standing admin, or else member, becomes one.
CREATE FUNCTION member_remove(p_me bigint, p_conversation bigint, p_user bigint,
	OUT o_seq bigint, OUT o_rev bigint, OUT o_n bigint, OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_mine smallint;
	v_role smallint;
	v_heir bigint;
BEGIN
	PERFORM conversation_enter(p_me, p_conversation, 2::smallint, 1::smallint);
	SELECT m.role INTO v_mine FROM member m WHERE m.user_id = p_me AND m.conversation_id = p_conversation;
	IF p_user <> p_me AND v_mine < 2 THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'only an admin removes others';
	END IF;
	SELECT m.role INTO v_role FROM member m WHERE m.user_id = p_user AND m.conversation_id = p_conversation;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such member';
	ELSIF p_user <> p_me AND v_role > 1 AND v_mine < 3 THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'only an owner removes an admin';
	END IF;

	o_n := 0;
	IF v_role = 3 AND NOT group_has_other_owner(p_conversation, p_user) THEN
		SELECT m.user_id INTO v_heir FROM member m WHERE m.conversation_id = p_conversation AND m.user_id <> p_user
		ORDER BY m.role DESC, m.joined_position, m.user_id LIMIT 1;
		IF FOUND THEN
			PERFORM member_set_role(p_me, p_conversation, v_heir, 3::smallint);
			o_n := 2;
		END IF;
	END IF;
	DELETE FROM member m WHERE m.user_id = p_user AND m.conversation_id = p_conversation;
	UPDATE conversation c SET participant_count = c.participant_count - 1 WHERE c.id = p_conversation;
	PERFORM event_rev(p_conversation, 11::smallint, p_me, NULL, p_user, NULL);
	SELECT s.o_seq, s.o_rev INTO o_seq, o_rev FROM message_system(p_conversation, p_me, jsonb_build_object(
		'kind', CASE WHEN p_user = p_me THEN 'member_left' ELSE 'member_removed' END, 'user_ids', jsonb_build_array(p_user::text))) s;
	o_n := o_n + 2;
	o_user_rev := event_user(p_user, 9::smallint, p_conversation, NULL, NULL);
END $$;

-- My own settings: notify, muted_until, archived, pinned, as far as p_changes names them. o_user_rev is null when nothing changed.
CREATE FUNCTION member_settings(p_me bigint, p_conversation bigint, p_changes jsonb, p_pins_most bigint, OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_old member;
	v_new member;
BEGIN
	SELECT m.* INTO v_old FROM member m
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;
	v_new := v_old;
	v_new.notify := coalesce((p_changes ->> 'notify')::smallint, v_old.notify);
	v_new.archived := coalesce((p_changes ->> 'archived')::boolean, v_old.archived);
	v_new.pinned := coalesce((p_changes ->> 'pinned')::boolean, v_old.pinned);
	IF p_changes ? 'muted_until' THEN
		v_new.muted_until := (p_changes ->> 'muted_until')::timestamptz;
	END IF;
	IF v_new IS NOT DISTINCT FROM v_old THEN
		RETURN;
	END IF;
	UPDATE member m SET notify = v_new.notify, archived = v_new.archived, pinned = v_new.pinned, muted_until = v_new.muted_until
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation;
	-- My own row is locked from here on: of two pins at the same time the second one counts the first.
	o_user_rev := event_user(p_me, 6::smallint, p_conversation, NULL, NULL);
	IF v_new.pinned AND NOT v_old.pinned
	   AND (SELECT count(*) FROM member m WHERE m.user_id = p_me AND m.pinned) > p_pins_most THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'too many pinned conversations';
	END IF;
END $$;

-- Marks a conversation unread from a message on, until I read again. o_user_rev is null when it was so already.
CREATE FUNCTION member_unread(p_me bigint, p_conversation bigint, p_seq bigint, OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_first bigint;
	v_last  bigint;
	v_from  bigint;
BEGIN
	SELECT first_visible(c.history_all, c.first_seq, m.joined_seq), c.last_seq, m.unread_from INTO v_first, v_last, v_from
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden FOR NO KEY UPDATE OF m;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	ELSIF p_seq < v_first OR p_seq > v_last THEN
		RAISE SQLSTATE '22023' USING MESSAGE = 'seq is not one that I see';
	ELSIF p_seq = v_from THEN
		RETURN;
	END IF;
	UPDATE member m SET unread_from = p_seq, mark_xid = pg_current_xact_id()
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation;
	o_user_rev := event_user(p_me, 1::smallint, p_conversation, p_seq, NULL);
END $$;

-- Keeps what I have not sent yet; p_content null forgets it. o_user_rev is null when it was so already.
CREATE FUNCTION member_draft(p_me bigint, p_conversation bigint, p_content text, p_reply_seq bigint, OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_old   jsonb;
	v_new   jsonb;
	v_first bigint;
BEGIN
	SELECT m.draft, first_visible(c.history_all, c.first_seq, m.joined_seq) INTO v_old, v_first
	FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden FOR NO KEY UPDATE OF m;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;
	IF p_reply_seq IS NOT NULL THEN
		PERFORM FROM message g
		WHERE g.conversation_id = p_conversation AND g.seq = p_reply_seq AND g.seq >= v_first AND (g.expires_at IS NULL OR g.expires_at > now())
		  AND NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation AND z.seq = g.seq
		                                               AND z.hidden_at IS NOT NULL);
		IF NOT FOUND THEN
			RAISE SQLSTATE '22023' USING MESSAGE = 'reply_to is not a message you can see';
		END IF;
	END IF;
	IF p_content IS NOT NULL THEN
		v_new := jsonb_build_object('content', p_content, 'reply_seq', p_reply_seq);
	END IF;
	IF v_old - 'updated_at' IS NOT DISTINCT FROM v_new THEN
		RETURN;
	END IF;
	UPDATE member m SET draft = v_new || jsonb_build_object('updated_at', contract_time(now()))
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation;
	o_user_rev := event_user(p_me, 4::smallint, p_conversation, NULL, NULL);
END $$;

REVOKE ALL ON FUNCTION conversation_enter(bigint, bigint, smallint, smallint), member_admissible(bigint, bigint[]),
	member_enroll(bigint, bigint[], bigint, bigint, integer),
	group_create(bigint, text, text, boolean, bigint[], text, bytea), conversation_update(bigint, bigint, jsonb),
	member_add(bigint, bigint, bigint[], bigint), member_set_role(bigint, bigint, bigint, smallint), group_has_other_owner(bigint, bigint),
	member_role(bigint, bigint, bigint, smallint), member_remove(bigint, bigint, bigint), member_settings(bigint, bigint, jsonb, bigint),
	member_unread(bigint, bigint, bigint), member_draft(bigint, bigint, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION conversation_enter(bigint, bigint, smallint, smallint), member_admissible(bigint, bigint[]),
	member_enroll(bigint, bigint[], bigint, bigint, integer),
	group_create(bigint, text, text, boolean, bigint[], text, bytea), conversation_update(bigint, bigint, jsonb),
	member_add(bigint, bigint, bigint[], bigint), member_set_role(bigint, bigint, bigint, smallint), group_has_other_owner(bigint, bigint),
	member_role(bigint, bigint, bigint, smallint), member_remove(bigint, bigint, bigint), member_settings(bigint, bigint, jsonb, bigint),
	member_unread(bigint, bigint, bigint), member_draft(bigint, bigint, text, bigint) TO peal;
