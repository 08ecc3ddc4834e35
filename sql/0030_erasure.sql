-- 0030_erasure -- a person erases their account. account_erase() ends it in one statement: nobody signs in, is found or is called by that name
-- any more. What is left of it peal-jobs takes away in small transactions, erasure_step(), which may be cut off anywhere.
--
-- The row in users stays, without anything of the person: messages, reactions and the log point to it.

ALTER TABLE users ADD COLUMN erased_at timestamptz, ADD CHECK (erased_at IS NULL OR disabled_at IS NOT NULL);

-- Names that nobody gets again: whoever took one would be taken for who had it. Only what they hash to is kept.
CREATE TABLE erased_name (
	digest bytea PRIMARY KEY                              -- SHA-256 of the name in lower case
);

-- What is still to be done. The row goes when nothing is.
CREATE TABLE erasure (
	user_id         bigint      PRIMARY KEY REFERENCES users,
	messages        boolean     NOT NULL,                 -- what they said goes as well
	asked_at        timestamptz NOT NULL DEFAULT now(),
	phase           smallint    NOT NULL DEFAULT 1,       -- as in erasure_step()
	again           boolean     NOT NULL DEFAULT false,   -- all of it has been done once; requests were under way then
	conversation_id bigint      NOT NULL DEFAULT 0,       -- done up to here
	seq             bigint      NOT NULL DEFAULT 0,
	next_at         timestamptz NOT NULL DEFAULT now()    -- several take turns
);
CREATE INDEX erasure_next ON erasure (next_at);

CREATE INDEX attachment_owner ON attachment (owner_id) WHERE deleted_at IS NULL;
CREATE INDEX report_reporter ON report (reporter_id, id);

CREATE FUNCTION name_digest(p_name text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT sha256(convert_to(lower(p_name), 'UTF8'))
$$;

CREATE FUNCTION name_reserved(p_name text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM erased_name e WHERE e.digest = name_digest(p_name));
END $$;

CREATE FUNCTION name_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF name_reserved(NEW.username) THEN
		RAISE unique_violation USING MESSAGE = 'somebody had this name';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER name_refuse BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION name_refuse();

-- As in 0017, past names that somebody had.
CREATE OR REPLACE FUNCTION identity_user(p_issuer text, p_subject text, p_name text, p_label text, p_display text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	v_user   bigint;
	v_suffix text := '';
	v_try    integer := 1;
BEGIN
	SELECT i.user_id INTO v_user FROM identity i WHERE i.issuer = p_issuer AND i.subject = p_subject;
	IF FOUND THEN
		RETURN v_user;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended(p_issuer || E'\n' || p_subject, 0)); -- their first two requests at one moment
	SELECT i.user_id INTO v_user FROM identity i WHERE i.issuer = p_issuer AND i.subject = p_subject;
	WHILE v_user IS NULL LOOP
		IF NOT name_reserved(p_name || v_suffix || '@' || p_label) THEN
			INSERT INTO users (username, display_name) VALUES (p_name || v_suffix || '@' || p_label, p_display)
			ON CONFLICT (username_key) DO NOTHING RETURNING id INTO v_user;
		END IF;
		v_try := v_try + 1;
		v_suffix := '.' || CASE WHEN v_try < 10 THEN v_try ELSE floor(random() * 1000000000)::bigint END;
	END LOOP;
	INSERT INTO identity (issuer, subject, user_id) VALUES (p_issuer, p_subject, v_user) ON CONFLICT DO NOTHING;
	RETURN v_user;
END $$;

-- As in 0018; an erased account is nobody that could be enabled.
CREATE OR REPLACE FUNCTION site_disable(p_me bigint, p_user bigint, p_disabled boolean, p_from jsonb, p_detail jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	v_user users;
BEGIN
	SELECT u.* INTO v_user FROM users u WHERE u.id = p_user FOR NO KEY UPDATE;
	IF NOT FOUND OR (v_user.erased_at IS NOT NULL AND NOT p_disabled) THEN
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

-- As in 0002; nobody notes when an erased account was last here.
CREATE OR REPLACE FUNCTION event_seen(p_users bigint[], p_at bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	WITH seen AS (
		SELECT s.user_id, max('epoch'::timestamptz + s.us * interval '1 microsecond') AS at
		FROM unnest(p_users, p_at) AS s (user_id, us) GROUP BY 1
	), held AS (
		SELECT u.id, s.at FROM users u JOIN seen s ON s.user_id = u.id
		WHERE (u.last_seen_at IS NULL OR u.last_seen_at < s.at) AND u.erased_at IS NULL ORDER BY u.id FOR NO KEY UPDATE OF u
	)
	UPDATE users u SET last_seen_at = h.at FROM held h WHERE u.id = h.id;
END $$;

-- ---- the end ----

-- All that signs somebody in. Their sessions end before, by triggers; of tokens of other issuers it has to be known that they ended.
CREATE FUNCTION erasure_credentials(p_user bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE session SET ended_at = now() WHERE user_id = p_user AND ended_at IS NULL;
	DELETE FROM session WHERE user_id = p_user AND issuer IS NULL;
	UPDATE session SET user_agent = NULL WHERE user_id = p_user AND user_agent IS NOT NULL;
	UPDATE access_token SET revoked_at = now() WHERE user_id = p_user AND revoked_at IS NULL;
	DELETE FROM access_token WHERE user_id = p_user;
	DELETE FROM totp WHERE user_id = p_user;
	DELETE FROM recovery_code WHERE user_id = p_user;
	DELETE FROM passkey WHERE user_id = p_user;
	DELETE FROM identity WHERE user_id = p_user;
END $$;

-- Ends one account; its row is locked. Whoever watches their presence is told by the event of their own stream.
CREATE FUNCTION erasure_begin(u users, p_messages boolean, OUT o_user_rev bigint, OUT o_removed jsonb) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO erased_name (digest) VALUES (name_digest(u.username)) ON CONFLICT DO NOTHING;
	UPDATE users SET username = 'deleted#' || u.id, display_name = 'Deleted account', avatar_id = NULL, status_text = NULL, password_hash = NULL,
		last_seen_at = NULL, show_last_seen = false, site_role = 0, disabled_at = coalesce(u.disabled_at, now()), erased_at = now()
	WHERE id = u.id;
	PERFORM erasure_credentials(u.id);
	INSERT INTO revocation (user_id) VALUES (u.id);
	o_user_rev := event_user(u.id, 8::smallint, NULL, NULL, NULL);
	o_removed := attachment_avatar(u.id, NULL, u.avatar_id);
	INSERT INTO erasure (user_id, messages) VALUES (u.id, p_messages);
END $$;

-- Ends an account, and those of its bots. p_last: also of the last administrator (PE4A1 otherwise). Nothing when it has ended: o_users is
-- empty then. o_revs: for each, where their own stream says so; o_removed: ids of attachments whose files are to go now.
CREATE FUNCTION account_erase(p_user bigint, p_messages boolean, p_last boolean, OUT o_users bigint[], OUT o_revs bigint[], OUT o_removed jsonb)
LANGUAGE plpgsql AS $$
DECLARE
	u users;
	e record;
BEGIN
	o_users := '{}';
	o_revs := '{}';
	PERFORM pg_advisory_xact_lock(hashtextextended('peal last administrator', 0)) FROM users x WHERE x.id = p_user AND x.site_role = 2;
	PERFORM FROM users x WHERE x.id = p_user AND NOT x.bot FOR UPDATE;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such person';
	END IF;
	PERFORM FROM users x WHERE x.id = p_user AND x.site_role = 2 AND x.erased_at IS NULL AND NOT p_last
		AND NOT EXISTS (SELECT FROM users o WHERE o.site_role = 2 AND o.id <> p_user AND o.disabled_at IS NULL);
	IF FOUND THEN
		RAISE SQLSTATE 'PE4A1' USING MESSAGE = 'the last administrator';
	END IF;
	FOR u IN SELECT x.* FROM users x WHERE (x.id = p_user OR x.owner_id = p_user) AND x.erased_at IS NULL ORDER BY x.id FOR UPDATE LOOP
		SELECT * INTO e FROM erasure_begin(u, p_messages);
		o_users := o_users || u.id;
		o_revs := o_revs || e.o_user_rev;
		o_removed := nullif(coalesce(o_removed, '[]') || coalesce(e.o_removed, '[]'), '[]');
	END LOOP;
END $$;

-- ---- what is left of it ----

-- Empties the next messages of a conversation that nobody sees any more. False: there was one, so there may be more.
CREATE FUNCTION erasure_empty(p_conversation bigint, p_limit bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	v_to bigint;
BEGIN
	SELECT max(x.seq) INTO v_to FROM (SELECT g.seq FROM conversation c JOIN message g ON g.conversation_id = c.id AND g.seq >= c.first_seq
		WHERE c.id = p_conversation ORDER BY g.seq LIMIT p_limit) x;
	IF v_to IS NULL THEN
		UPDATE conversation SET name = NULL WHERE id = p_conversation AND name IS NOT NULL;
		RETURN true;
	END IF;
	PERFORM message_strip(array_agg(g.conversation_id), array_agg(g.seq)) FROM conversation c
	JOIN message g ON g.conversation_id = c.id AND g.seq >= c.first_seq AND g.seq <= v_to WHERE c.id = p_conversation;
	UPDATE conversation SET first_seq = v_to + 1 WHERE id = p_conversation;
	RETURN false;
END $$;

-- They hang up, or decline.
CREATE FUNCTION erasure_hang_up(p_user bigint, p_conversation bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	k record;
BEGIN
	FOR k IN SELECT c.call_id, c.video FROM call c WHERE c.conversation_id = p_conversation AND c.ended_at IS NULL
		AND (p_user = ANY (c.parties) OR EXISTS (SELECT FROM conversation v WHERE v.id = p_conversation AND v.kind = 1))
	LOOP
		PERFORM call_signal(p_user, p_conversation, k.call_id, 'hangup', k.video, NULL, NULL);
	END LOOP;
END $$;

-- A direct conversation stays with the other person, who reads it, and cannot say anything in it: they are blocked. With oneself, or when
-- both are gone, nobody sees it. p_said: the other one is told.
CREATE FUNCTION erasure_direct(p_user bigint, c conversation, p_said boolean, p_limit bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	v_peer bigint := c.direct_low + c.direct_high - p_user;
BEGIN
	IF v_peer = p_user THEN
		IF erasure_empty(c.id, p_limit) THEN
			DELETE FROM member WHERE user_id = p_user AND conversation_id = c.id;
			UPDATE conversation SET participant_count = 0 WHERE id = c.id;
			RETURN true;
		END IF;
		RETURN false;
	END IF;
	PERFORM erasure_hang_up(p_user, c.id);
	INSERT INTO block (user_id, blocked_id) VALUES (p_user, v_peer) ON CONFLICT DO NOTHING;
	UPDATE member SET draft = NULL, notify = 1, muted_until = NULL, archived = false, pinned = false, unread_from = NULL
	WHERE user_id = p_user AND conversation_id = c.id;
	PERFORM FROM users u WHERE u.id = v_peer AND u.erased_at IS NOT NULL;
	IF FOUND THEN
		RETURN erasure_empty(c.id, p_limit);
	ELSIF p_said AND c.last_seq > 0 THEN
		PERFORM event_rev(c.id, 12::smallint, p_user, NULL, NULL, 'peer');
	END IF;
	RETURN true;
END $$;

-- They leave a group as anybody does. The last one to go takes with them what was said there and its picture.
CREATE FUNCTION erasure_group(p_user bigint, c conversation, p_limit bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM erasure_hang_up(p_user, c.id);
	IF c.participant_count = 1 THEN
		IF NOT erasure_empty(c.id, p_limit) THEN
			RETURN false;
		END IF;
		PERFORM attachment_avatar(p_user, NULL, c.avatar_id);
		UPDATE conversation SET avatar_id = NULL WHERE id = c.id;
	END IF;
	PERFORM member_remove(p_user, c.id, p_user);
	RETURN true;
END $$;

-- The next conversation that they are in. False: there is none.
CREATE FUNCTION erasure_leave(e erasure, p_limit bigint, OUT o_found boolean, OUT o_conversation bigint) LANGUAGE plpgsql AS $$
DECLARE
	c      conversation;
	v_done boolean;
BEGIN
	SELECT m.conversation_id INTO o_conversation FROM member m WHERE m.user_id = e.user_id AND m.conversation_id > e.conversation_id
	ORDER BY m.conversation_id LIMIT 1;
	o_found := FOUND;
	IF NOT o_found THEN
		RETURN;
	END IF;
	SELECT x.* INTO c FROM conversation x WHERE x.id = o_conversation FOR NO KEY UPDATE;
	IF c.kind = 1 THEN
		v_done := erasure_direct(e.user_id, c, NOT e.again, p_limit);
	ELSE
		PERFORM FROM member m WHERE m.user_id = e.user_id AND m.conversation_id = c.id;    -- an admin may have removed them meanwhile
		v_done := NOT FOUND OR erasure_group(e.user_id, c, p_limit);
	END IF;
	IF v_done THEN
		UPDATE erasure SET conversation_id = c.id WHERE user_id = e.user_id;
	END IF;
END $$;

-- Takes back their reactions to a message and their votes; its conversation is locked. Nothing when it is deleted: they went with it.
CREATE FUNCTION erasure_unsay(z message_mine) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	g       message;
	v_emoji text;
	v_rev   bigint;
BEGIN
	SELECT x.* INTO g FROM message x WHERE x.conversation_id = z.conversation_id AND x.seq = z.seq AND x.deleted_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	FOREACH v_emoji IN ARRAY coalesce(z.reactions, '{}') LOOP
		g.reactions := reactions_after(g.reactions, v_emoji, -1);
		v_rev := (SELECT r.o_rev FROM event_rev(z.conversation_id, 8::smallint, z.user_id, z.seq, NULL, v_emoji) r);
	END LOOP;
	IF z.votes IS NOT NULL THEN
		g.extra := poll_after(g.extra, z.votes, NULL);
		v_rev := (SELECT r.o_rev FROM event_rev(z.conversation_id, 9::smallint, z.user_id, z.seq, NULL, NULL) r);
	END IF;
	UPDATE message SET reactions = g.reactions, extra = g.extra, rev = coalesce(v_rev, rev) WHERE conversation_id = z.conversation_id AND seq = z.seq;
END $$;

-- What they did with messages, of one conversation: stars and what they hid from themselves go, reactions and votes when their messages do.
CREATE FUNCTION erasure_mine(e erasure, p_limit bigint, OUT o_found boolean, OUT o_conversation bigint) LANGUAGE plpgsql AS $$
DECLARE
	z message_mine;
BEGIN
	SELECT x.conversation_id INTO o_conversation FROM message_mine x
	WHERE x.user_id = e.user_id AND (x.conversation_id, x.seq) > (e.conversation_id, e.seq) ORDER BY x.conversation_id, x.seq LIMIT 1;
	o_found := FOUND;
	IF NOT o_found THEN
		RETURN;
	END IF;
	PERFORM FROM conversation c WHERE c.id = o_conversation FOR NO KEY UPDATE;
	FOR z IN SELECT x.* FROM message_mine x WHERE x.user_id = e.user_id AND x.conversation_id = o_conversation
		AND (x.conversation_id, x.seq) > (e.conversation_id, e.seq) ORDER BY x.seq LIMIT p_limit
	LOOP
		IF e.messages THEN
			PERFORM erasure_unsay(z);
		END IF;
		DELETE FROM message_mine x WHERE x.user_id = z.user_id AND x.conversation_id = z.conversation_id AND x.seq = z.seq
			AND (e.messages OR (z.reactions IS NULL AND z.votes IS NULL));
		UPDATE message_mine x SET starred_at = NULL, hidden_at = NULL
		WHERE x.user_id = z.user_id AND x.conversation_id = z.conversation_id AND x.seq = z.seq AND (x.starred_at IS NOT NULL OR x.hidden_at IS NOT NULL);
		UPDATE erasure SET conversation_id = z.conversation_id, seq = z.seq WHERE user_id = e.user_id;
	END LOOP;
END $$;

-- Deletes what they said for everyone, by the keys of their messages, which are with every message for as long as it lives: in whatever
-- conversation, also in those that they have left. Records of calls, and what the system says of them, are not theirs alone and stay.
CREATE FUNCTION erasure_said(e erasure, p_limit bigint, OUT o_found boolean, OUT o_conversation bigint) LANGUAGE plpgsql AS $$
DECLARE
	v_looked bigint;
	k        record;
BEGIN
	IF NOT e.messages THEN
		o_found := false;
		RETURN;
	END IF;
	SELECT max(c.id) INTO v_looked FROM (SELECT v.id FROM conversation v WHERE v.id > e.conversation_id ORDER BY v.id LIMIT 1000) c;
	SELECT c.id INTO o_conversation FROM conversation c WHERE c.id > e.conversation_id AND c.id <= v_looked
		AND EXISTS (SELECT FROM message_key x WHERE x.conversation_id = c.id AND x.sender_id = e.user_id OFFSET 0) ORDER BY c.id LIMIT 1;
	o_found := v_looked IS NOT NULL;
	IF o_conversation IS NULL THEN
		UPDATE erasure SET conversation_id = v_looked WHERE user_id = e.user_id AND o_found;
		RETURN;
	END IF;
	PERFORM FROM conversation c WHERE c.id = o_conversation FOR NO KEY UPDATE;
	FOR k IN SELECT x.client_id, x.seq FROM message_key x WHERE x.conversation_id = o_conversation AND x.sender_id = e.user_id LIMIT p_limit LOOP
		PERFORM message_wipe(o_conversation, k.seq, e.user_id, g.attachments) FROM message g
		WHERE g.conversation_id = o_conversation AND g.seq = k.seq AND g.sender_id = e.user_id AND g.deleted_at IS NULL AND g.kind NOT IN (8, 9);
		UPDATE message g SET client_id = NULL WHERE g.conversation_id = o_conversation AND g.seq = k.seq AND g.sender_id = e.user_id;
		DELETE FROM message_key x WHERE x.conversation_id = o_conversation AND x.sender_id = e.user_id AND x.client_id = k.client_id;
	END LOOP;
	UPDATE erasure SET conversation_id = o_conversation - 1 WHERE user_id = e.user_id;    -- until it has none of their keys
END $$;

-- Uploads that nothing shows, and scheduled messages with those that they hold.
CREATE FUNCTION erasure_waiting(e erasure, p_limit bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	v_ids   text[];
	v_found boolean;
BEGIN
	WITH gone AS (
		DELETE FROM scheduled_message WHERE id = ANY (ARRAY(
			SELECT s.id FROM scheduled_message s WHERE s.user_id = e.user_id ORDER BY s.send_at, s.id LIMIT p_limit))
		RETURNING conversation_id, client_id
	)
	DELETE FROM message_key k USING gone s WHERE k.conversation_id = s.conversation_id AND k.sender_id = e.user_id AND k.client_id = s.client_id
		AND k.seq IS NULL;
	v_found := EXISTS (SELECT FROM scheduled_message s WHERE s.user_id = e.user_id);
	IF v_found THEN
		RETURN true;
	END IF;
	v_ids := ARRAY(SELECT a.id FROM attachment a WHERE a.owner_id = e.user_id AND a.deleted_at IS NULL AND a.avatars = 0
		AND NOT EXISTS (SELECT FROM attachment_use u WHERE u.attachment_id = a.id) ORDER BY a.id LIMIT p_limit);
	PERFORM attachment_drop(v_ids) WHERE cardinality(v_ids) > 0;
	RETURN cardinality(v_ids) = p_limit;
END $$;

-- A report without who it is about. What they said is kept while moderators work on it, and goes when they are done.
CREATE FUNCTION report_strip(p_copy jsonb, p_user bigint, p_closed boolean) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v_nobody constant jsonb := jsonb_build_object('id', p_user::text, 'username', 'deleted#' || p_user, 'display_name', 'Deleted account');
BEGIN
	IF NOT p_copy ? 'sender' THEN
		RETURN p_copy || v_nobody || '{"status_text": null}';
	END IF;
	p_copy := jsonb_set(p_copy, '{sender}', (p_copy -> 'sender') || v_nobody);
	RETURN CASE WHEN p_closed THEN p_copy || '{"content": null, "location": null, "poll": null}' ELSE p_copy END;
END $$;

CREATE FUNCTION report_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM users u WHERE u.id = NEW.target_id AND u.erased_at IS NOT NULL) THEN
		NEW.copy := report_strip(NEW.copy, NEW.target_id, true);
		NEW.attachments := NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER report_closed BEFORE UPDATE OF state ON report FOR EACH ROW
	WHEN (NEW.state IN ('resolved', 'dismissed')) EXECUTE FUNCTION report_closed();

CREATE FUNCTION erasure_rest(e erasure) RETURNS void LANGUAGE plpgsql AS $$
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
	DELETE FROM media_usage m WHERE m.user_id = e.user_id
		AND NOT EXISTS (SELECT FROM attachment a WHERE a.owner_id = e.user_id AND a.deleted_at IS NULL);
END $$;

/*
 * One small piece of whichever erasure has waited longest. No o_user: there is none, for now. o_events events of o_conversation end at
 * o_position. What was under way while it was all done has ended p_grace_ms after the account did: then it is all done once more.
 *
 * phase   1 conversations: they leave, and nobody can write to them any more
 *         2 what waits: scheduled messages, uploads
 *         3 what they did with messages
 *         4 what they said
 *         5 everything else
 */
CREATE FUNCTION erasure_step(p_limit bigint, p_grace_ms bigint,
	OUT o_user bigint, OUT o_conversation bigint, OUT o_position bigint, OUT o_events bigint, OUT o_done boolean) LANGUAGE plpgsql AS $$
DECLARE
	e       erasure;
	v_found boolean := false;
	v_at    timestamptz := clock_timestamp();
	v_first bigint;
BEGIN
	o_done := false;
	SELECT x.* INTO e FROM erasure x WHERE x.next_at <= now() ORDER BY x.next_at LIMIT 1 FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	o_user := e.user_id;
	IF e.phase = 1 THEN
		SELECT l.o_found, l.o_conversation INTO v_found, o_conversation FROM erasure_leave(e, p_limit) l;
	ELSIF e.phase = 2 THEN
		v_found := erasure_waiting(e, p_limit);
	ELSIF e.phase = 3 THEN
		SELECT m.o_found, m.o_conversation INTO v_found, o_conversation FROM erasure_mine(e, p_limit) m;
	ELSIF e.phase = 4 THEN
		SELECT s.o_found, s.o_conversation INTO v_found, o_conversation FROM erasure_said(e, p_limit) s;
	ELSE
		PERFORM erasure_rest(e);
		o_done := e.again;
		v_at := e.asked_at + p_grace_ms * interval '1 millisecond';
	END IF;
	SELECT max(n.position), min(n.position) INTO o_position, v_first FROM event n
	WHERE n.conversation_id = o_conversation AND n.xid = pg_current_xact_id() AND n.at = now();
	o_events := coalesce(o_position - v_first + 1, 0);
	IF o_done THEN
		DELETE FROM erasure WHERE user_id = e.user_id;
	ELSE
		UPDATE erasure SET next_at = v_at, again = again OR e.phase = 5, phase = CASE WHEN v_found THEN phase ELSE phase % 5 + 1 END,
			conversation_id = CASE WHEN v_found THEN conversation_id ELSE 0 END, seq = CASE WHEN v_found THEN seq ELSE 0 END
		WHERE user_id = e.user_id;
	END IF;
END $$;

REVOKE ALL ON FUNCTION name_refuse(), report_closed(), erasure_credentials(bigint), erasure_begin(users, boolean), account_erase(bigint, boolean, boolean),
	erasure_empty(bigint, bigint), erasure_hang_up(bigint, bigint), erasure_direct(bigint, conversation, boolean, bigint),
	erasure_group(bigint, conversation, bigint), erasure_leave(erasure, bigint), erasure_unsay(message_mine), erasure_mine(erasure, bigint),
	erasure_said(erasure, bigint), erasure_waiting(erasure, bigint), erasure_rest(erasure), erasure_step(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erasure_credentials(bigint), erasure_begin(users, boolean), account_erase(bigint, boolean, boolean),
	erasure_empty(bigint, bigint), erasure_hang_up(bigint, bigint), erasure_direct(bigint, conversation, boolean, bigint),
	erasure_group(bigint, conversation, bigint), erasure_leave(erasure, bigint), erasure_unsay(message_mine), erasure_mine(erasure, bigint),
	erasure_said(erasure, bigint), erasure_waiting(erasure, bigint), erasure_rest(erasure), erasure_step(bigint, bigint) TO peal;
GRANT SELECT, INSERT ON erased_name TO peal;
GRANT SELECT, INSERT, UPDATE, DELETE ON erasure TO peal;
GRANT DELETE ON access_token TO peal;
