-- 0014_revocation -- what was ended, in an order that everybody can follow: the workers, whose tokens live for minutes, and peal-push. Written by
-- triggers, so that nobody who ends a session or disables a person can forget it.
CREATE TABLE revocation (
	xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
	user_id    bigint      NOT NULL,
	session_id uuid,                            -- null: the person is disabled, whatever acts for them
	at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX revocation_xid ON revocation (xid);

CREATE FUNCTION session_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO revocation (user_id, session_id) VALUES (NEW.user_id, NEW.id);
	RETURN NULL;
END $$;
CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON session FOR EACH ROW
	WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION session_ended();

CREATE FUNCTION user_disabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE session SET ended_at = now() WHERE user_id = NEW.id AND ended_at IS NULL;
	INSERT INTO revocation (user_id) VALUES (NEW.id);
	RETURN NULL;
END $$;
CREATE TRIGGER user_disabled AFTER UPDATE OF disabled_at ON users FOR EACH ROW
	WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION user_disabled();

-- A session begins only for somebody who is not disabled and whose password is still the one that was checked: whoever disables them or changes
-- it has the person's row locked, and ends the sessions that it finds afterwards. p_password_hash null: signed in by other means.
CREATE FUNCTION session_begin(p_id uuid, p_user bigint, p_password_hash text, p_hash bytea, p_user_agent text, p_expires_at timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM users u WHERE u.id = p_user AND u.disabled_at IS NULL
		AND (p_password_hash IS NULL OR u.password_hash = p_password_hash) FOR SHARE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	INSERT INTO session (id, user_id, current_hash, user_agent, expires_at) VALUES (p_id, p_user, p_hash, p_user_agent, p_expires_at);
	RETURN true;
END $$;

-- The new password, if the old one is still the one that was checked; all sessions but one end. False: it is another one by now.
CREATE FUNCTION password_change(p_user bigint, p_old_hash text, p_new_hash text, p_keep uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE users SET password_hash = p_new_hash WHERE id = p_user AND password_hash = p_old_hash AND disabled_at IS NULL;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE session SET ended_at = now() WHERE user_id = p_user AND id IS DISTINCT FROM p_keep AND ended_at IS NULL;
	RETURN true;
END $$;

GRANT SELECT, INSERT, DELETE ON revocation TO peal;
REVOKE ALL ON FUNCTION session_begin(uuid, bigint, text, bytea, text, timestamptz), password_change(bigint, text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION session_begin(uuid, bigint, text, bytea, text, timestamptz), password_change(bigint, text, text, uuid) TO peal;
