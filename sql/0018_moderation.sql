-- 0018_moderation -- what people report, and what moderators do about it. SQLSTATEs as in 0002 and 0005.

-- A report keeps what was reported as it was then: the message may be edited or deleted afterwards, and its sender may leave.
CREATE TABLE report (
	id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	reporter_id     bigint      NOT NULL REFERENCES users,
	target_id       bigint      NOT NULL REFERENCES users,     -- who is reported: the sender, or the person
	conversation_id bigint,                                    -- null, with seq: the person
	seq             bigint,
	reason          text        NOT NULL,
	note            text,
	copy            jsonb       NOT NULL,
	attachments     jsonb,                                     -- as message.attachments; their files are kept while the report is open
	state           text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'in_review', 'resolved', 'dismissed')),
	moderator_note  text,
	action          text,                                      -- the last one
	handled_by      bigint      REFERENCES users,
	created_at      timestamptz NOT NULL DEFAULT now(),
	handled_at      timestamptz,
	CHECK ((conversation_id IS NULL) = (seq IS NULL))
);
CREATE UNIQUE INDEX report_open ON report (reporter_id, target_id, coalesce(conversation_id, 0), coalesce(seq, 0))
	WHERE state IN ('open', 'in_review');
CREATE INDEX report_state ON report (state, id);
CREATE INDEX report_target ON report (target_id, id);

-- What deleting for everyone does, whoever may: the conversation's row is locked, and the message is live.
CREATE FUNCTION message_wipe(p_conversation bigint, p_seq bigint, p_actor bigint, p_attachments jsonb,
	OUT o_seq bigint, OUT o_rev bigint, OUT o_attachments jsonb) LANGUAGE plpgsql AS $$
BEGIN
	SELECT e.o_seq, e.o_rev INTO o_seq, o_rev FROM event_rev(p_conversation, 3::smallint, p_actor, p_seq, NULL, NULL) e;
	o_attachments := attachment_release(p_attachments, p_conversation, p_seq);
	UPDATE message SET deleted_at = now(), content = NULL, mentions = NULL, attachments = NULL, reactions = NULL, pinned_at = NULL,
		forward_of = NULL, extra = NULL, rev = o_rev
	WHERE conversation_id = p_conversation AND seq = p_seq;
	DELETE FROM message_revision WHERE conversation_id = p_conversation AND seq = p_seq;
	UPDATE message_mine SET reactions = NULL, reacted_at = NULL, votes = NULL, voted_at = NULL
	WHERE conversation_id = p_conversation AND seq = p_seq AND (reactions IS NOT NULL OR votes IS NOT NULL);
END $$;

-- Deletes for all: the sender, or an admin of the group. The row stays as a tombstone without content.
CREATE OR REPLACE FUNCTION message_delete(p_me bigint, p_conversation bigint, p_seq bigint,
	OUT o_changed boolean, OUT o_seq bigint, OUT o_rev bigint, OUT o_attachments jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	h record;
BEGIN
	SELECT * INTO h FROM message_hold(p_me, p_conversation, p_seq);
	IF h.o_sender <> p_me AND h.o_role < 2 THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'only the sender or an admin';
	END IF;
	o_changed := NOT h.o_deleted;
	IF o_changed THEN
		SELECT w.o_seq, w.o_rev, w.o_attachments INTO o_seq, o_rev, o_attachments
		FROM message_wipe(p_conversation, p_seq, p_me, h.o_attachments) w;
	END IF;
END $$;

-- A message as the moderators see it. Of what is encrypted there is nothing to see.
CREATE FUNCTION report_copy(g message, c conversation, u users) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('id', g.conversation_id || '.' || g.seq,
		'conversation', jsonb_build_object('id', c.id::text, 'type', (ARRAY['direct', 'group'])[c.kind], 'name', c.name),
		'sender', jsonb_build_object('id', u.id::text, 'username', u.username, 'display_name', u.display_name, 'bot', u.bot),
		'message_type', (ARRAY['text', 'image', 'audio', 'video', 'file', 'location', 'poll', 'call', 'system', 'encrypted'])[g.kind],
		'content', g.content, 'version', g.version,
		'location', CASE WHEN g.kind = 6 THEN g.extra END,
		'poll', CASE WHEN g.kind = 7 THEN jsonb_build_object('question', g.extra -> 'question',
			'options', jsonb_path_query_array(g.extra, '$.options[*].text')) END,
		'created_at', contract_time(g.created_at), 'edited_at', contract_time(g.edited_at))
$$;

-- What the reporter sees of a message: who said it, and whether it can be reported. PE404 when they do not see it.
CREATE FUNCTION report_message(p_me bigint, p_conversation bigint, p_seq bigint, OUT o_target bigint, OUT o_copy jsonb, OUT o_attachments jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	v_kind smallint;
	v_gone timestamptz;
BEGIN
	SELECT x.sender_id, x.kind, x.deleted_at, x.attachments, report_copy(x, v, s) INTO o_target, v_kind, v_gone, o_attachments, o_copy
	FROM member m JOIN conversation v ON v.id = m.conversation_id JOIN message x ON x.conversation_id = v.id AND x.seq = p_seq
	JOIN users s ON s.id = x.sender_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden
	  AND x.seq >= first_visible(v.history_all, v.first_seq, m.joined_seq) AND (x.expires_at IS NULL OR x.expires_at > now())
	  AND NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation AND z.seq = p_seq
	                                               AND z.hidden_at IS NOT NULL);
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such message';
	ELSIF v_gone IS NOT NULL THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'deleted for everyone';
	ELSIF v_kind = 9 THEN
		RAISE SQLSTATE 'PE4K1' USING MESSAGE = 'nobody said this';
	ELSIF o_target = p_me THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/message_id own You said this yourself.';
	END IF;
END $$;

CREATE FUNCTION report_person(p_me bigint, p_user bigint, OUT o_copy jsonb) LANGUAGE plpgsql AS $$
BEGIN
	IF p_me = p_user THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/user_id own That is you.';
	END IF;
	SELECT jsonb_build_object('id', u.id::text, 'username', u.username, 'display_name', u.display_name, 'status_text', u.status_text, 'bot', u.bot)
	INTO o_copy FROM users u WHERE u.id = p_user;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	END IF;
END $$;

-- Reports a message (p_conversation, p_seq), or a person. A report of mine that still waits is found again. PE4M1: p_most wait already.
-- The files of the message stay, under conversation 0 and the report's id, which no message has.
CREATE FUNCTION report_make(p_me bigint, p_conversation bigint, p_seq bigint, p_user bigint, p_reason text, p_note text, p_most bigint,
	OUT o_id bigint, OUT o_created boolean) LANGUAGE plpgsql AS $$
DECLARE
	v_target      bigint := p_user;
	v_copy        jsonb;
	v_attachments jsonb;
BEGIN
	PERFORM FROM users u WHERE u.id = p_me FOR NO KEY UPDATE;  -- one at a time, so that they can be counted
	IF p_user IS NULL THEN
		SELECT m.o_target, m.o_copy, m.o_attachments INTO v_target, v_copy, v_attachments FROM report_message(p_me, p_conversation, p_seq) m;
	ELSE
		v_copy := report_person(p_me, p_user);
	END IF;
	SELECT r.id INTO o_id FROM report r
	WHERE r.reporter_id = p_me AND r.target_id = v_target AND coalesce(r.conversation_id, 0) = coalesce(p_conversation, 0)
	  AND coalesce(r.seq, 0) = coalesce(p_seq, 0) AND r.state IN ('open', 'in_review');
	o_created := NOT FOUND;
	IF NOT o_created THEN
		RETURN;
	ELSIF (SELECT count(*) FROM report r WHERE r.reporter_id = p_me AND r.state IN ('open', 'in_review')) >= p_most THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'as many reports as may wait';
	END IF;
	INSERT INTO report (reporter_id, target_id, conversation_id, seq, reason, note, copy, attachments)
	VALUES (p_me, v_target, p_conversation, p_seq, p_reason, p_note, v_copy, v_attachments) RETURNING id INTO o_id;
	IF v_attachments IS NOT NULL THEN
		PERFORM attachment_share(v_attachments, 0, o_id);
	END IF;
END $$;

-- Disables a person, or no longer; false when it was so already. Nobody themselves; moderators nobody with a role. Triggers end what acts
-- for the person (0014, 0015).
CREATE FUNCTION site_disable(p_me bigint, p_user bigint, p_disabled boolean, p_from jsonb, p_detail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_user users;
BEGIN
	SELECT u.* INTO v_user FROM users u WHERE u.id = p_user FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	ELSIF p_user = p_me OR v_user.site_role > 0 AND (SELECT u.site_role < 2 FROM users u WHERE u.id = p_me) THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'not oneself, and moderators nobody with a role';
	ELSIF (v_user.disabled_at IS NOT NULL) = p_disabled THEN
		RETURN false;
	END IF;
	UPDATE users SET disabled_at = CASE WHEN p_disabled THEN now() END WHERE id = p_user;
	PERFORM audit_note(p_me, CASE WHEN p_disabled THEN 'user.disable' ELSE 'user.enable' END, 'user', p_user::text, v_user.username, p_from,
		p_detail);
	RETURN true;
END $$;

-- A moderator deletes a message for everyone; nothing when it is gone already.
CREATE FUNCTION site_delete(p_me bigint, p_conversation bigint, p_seq bigint, p_from jsonb, p_detail jsonb,
	OUT o_position bigint, OUT o_removed jsonb) LANGUAGE plpgsql AS $$
DECLARE
	v_attachments jsonb;
BEGIN
	PERFORM FROM conversation c WHERE c.id = p_conversation FOR NO KEY UPDATE;
	SELECT g.attachments INTO v_attachments FROM message g
	WHERE g.conversation_id = p_conversation AND g.seq = p_seq AND g.deleted_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > now());
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT w.o_seq + w.o_rev, w.o_attachments INTO o_position, o_removed FROM message_wipe(p_conversation, p_seq, p_me, v_attachments) w;
	PERFORM audit_note(p_me, 'message.delete', 'message', p_conversation || '.' || p_seq, NULL, p_from, p_detail);
END $$;

-- A moderator puts a group into slow mode, or out of it (0): event and system message as when its admins do.
CREATE FUNCTION site_slow_mode(p_me bigint, p_conversation bigint, p_seconds bigint, p_from jsonb, p_detail jsonb, OUT o_position bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_old conversation;
BEGIN
	SELECT c.* INTO v_old FROM conversation c WHERE c.id = p_conversation FOR NO KEY UPDATE;
	IF v_old.kind IS DISTINCT FROM 2 THEN
		RAISE SQLSTATE 'PE4K1' USING MESSAGE = 'only groups have a slow mode';
	ELSIF v_old.slow_mode_seconds IS NOT DISTINCT FROM nullif(p_seconds, 0) THEN
		RETURN;
	END IF;
	UPDATE conversation SET slow_mode_seconds = nullif(p_seconds, 0) WHERE id = p_conversation;
	PERFORM event_rev(p_conversation, 12::smallint, p_me, NULL, NULL, 'slow_mode_seconds');
	SELECT s.o_seq + s.o_rev INTO o_position FROM message_system(p_conversation, p_me,
		jsonb_build_object('kind', 'settings_changed', 'slow_mode_seconds', nullif(p_seconds, 0))) s;
	PERFORM audit_note(p_me, 'conversation.slow_mode', 'conversation', p_conversation::text, v_old.name, p_from,
		p_detail || jsonb_build_object('seconds', p_seconds));
END $$;

-- A moderator works on a report. p_changes: state, note, action (delete_message, disable_user, slow_mode, dismiss), slow_mode_seconds; an
-- action closes the report unless a state is given. o_events events of the conversation end at o_position; o_removed: ids whose files are to
-- go now.
CREATE FUNCTION report_act(p_me bigint, p_report bigint, p_changes jsonb, p_from jsonb,
	OUT o_conversation bigint, OUT o_position bigint, OUT o_events bigint, OUT o_removed jsonb) LANGUAGE plpgsql AS $$
DECLARE
	r        report;
	v_action text := p_changes ->> 'action';
	v_state  text := coalesce(p_changes ->> 'state', CASE v_action WHEN 'dismiss' THEN 'dismissed' ELSE CASE WHEN v_action IS NOT NULL THEN 'resolved' END END);
	v_why    jsonb := jsonb_build_object('report', p_report::text);
	v_more   jsonb;
BEGIN
	SELECT x.* INTO r FROM report x WHERE x.id = p_report FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such report';
	ELSIF v_action IS NOT NULL AND r.state IN ('resolved', 'dismissed') THEN
		RAISE SQLSTATE 'PE409' USING MESSAGE = 'closed already';
	ELSIF v_action IN ('delete_message', 'slow_mode') AND r.seq IS NULL THEN
		RAISE SQLSTATE 'PE4K1' USING MESSAGE = 'a person was reported, not a message';
	END IF;
	o_conversation := r.conversation_id;
	o_events := 0;
	CASE v_action
	WHEN 'delete_message' THEN
		SELECT d.o_position, d.o_removed, (d.o_position IS NOT NULL)::integer INTO o_position, o_removed, o_events
		FROM site_delete(p_me, r.conversation_id, r.seq, p_from, v_why) d;
	WHEN 'disable_user' THEN
		PERFORM site_disable(p_me, r.target_id, true, p_from, v_why);
	WHEN 'slow_mode' THEN
		o_position := site_slow_mode(p_me, r.conversation_id, (p_changes ->> 'slow_mode_seconds')::bigint, p_from, v_why);
		o_events := CASE WHEN o_position IS NULL THEN 0 ELSE 2 END;
	ELSE
		NULL;
	END CASE;
	v_state := coalesce(v_state, r.state);
	UPDATE report SET state = v_state, action = coalesce(v_action, r.action), handled_by = p_me, handled_at = now(),
		moderator_note = CASE WHEN p_changes ? 'note' THEN p_changes ->> 'note' ELSE r.moderator_note END
	WHERE id = p_report;
	IF v_state IN ('resolved', 'dismissed') AND r.state IN ('open', 'in_review') THEN
		v_more := attachment_release(r.attachments, 0, p_report);
		o_removed := nullif(coalesce(o_removed, '[]') || coalesce(v_more, '[]'), '[]');
	END IF;
	PERFORM audit_note(p_me, 'report.handle', 'report', p_report::text, NULL, p_from,
		jsonb_strip_nulls(jsonb_build_object('from', r.state, 'to', v_state, 'action', v_action, 'note', p_changes ? 'note')));
END $$;

REVOKE ALL ON FUNCTION message_wipe(bigint, bigint, bigint, jsonb), report_copy(message, conversation, users), report_message(bigint, bigint, bigint),
	report_person(bigint, bigint), report_make(bigint, bigint, bigint, bigint, text, text, bigint),
	site_disable(bigint, bigint, boolean, jsonb, jsonb), site_delete(bigint, bigint, bigint, jsonb, jsonb),
	site_slow_mode(bigint, bigint, bigint, jsonb, jsonb), report_act(bigint, bigint, jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION message_wipe(bigint, bigint, bigint, jsonb), report_copy(message, conversation, users), report_message(bigint, bigint, bigint),
	report_person(bigint, bigint), report_make(bigint, bigint, bigint, bigint, text, text, bigint),
	site_disable(bigint, bigint, boolean, jsonb, jsonb), site_delete(bigint, bigint, bigint, jsonb, jsonb),
	site_slow_mode(bigint, bigint, bigint, jsonb, jsonb), report_act(bigint, bigint, jsonb, jsonb) TO peal;
GRANT SELECT, INSERT, UPDATE ON report TO peal;
