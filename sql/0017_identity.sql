-- 0017_identity -- people whom somebody else knows: an issuer of tokens, or a provider that they sign in with.

-- Nobody is found by a name or an address: those change hands. (issuer, subject) is what never does.
CREATE TABLE identity (
	issuer     text        NOT NULL CHECK (issuer <> ''),
	subject    text        NOT NULL CHECK (subject <> ''),
	user_id    bigint      NOT NULL REFERENCES users,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (issuer, subject)
);
CREATE INDEX identity_user ON identity (user_id);

-- Null: a session of ours. Otherwise it is one token of that issuer, for as long as the token lives: what can be listed, and ended before its time.
ALTER TABLE session ADD COLUMN issuer text;
CREATE INDEX session_issued ON session (expires_at) WHERE issuer IS NOT NULL;

-- Who that is; somebody new is made. The name gets `@label`, which no name has that was chosen here: nobody can pass for somebody else.
CREATE FUNCTION identity_user(p_issuer text, p_subject text, p_name text, p_label text, p_display text) RETURNS bigint
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
		INSERT INTO users (username, display_name) VALUES (p_name || v_suffix || '@' || p_label, p_display)
		ON CONFLICT (username_key) DO NOTHING RETURNING id INTO v_user;
		v_try := v_try + 1;
		v_suffix := '.' || CASE WHEN v_try < 10 THEN v_try ELSE floor(random() * 1000000000)::bigint END;
	END LOOP;
	INSERT INTO identity (issuer, subject, user_id) VALUES (p_issuer, p_subject, v_user) ON CONFLICT DO NOTHING;
	RETURN v_user;
END $$;

-- The session that a token is. Null: it was ended, or its person is disabled.
CREATE FUNCTION identity_session(p_id uuid, p_issuer text, p_subject text, p_name text, p_label text, p_display text, p_hash bytea,
	p_user_agent text, p_expires_at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	v_user bigint;
BEGIN
	SELECT s.user_id INTO v_user FROM session s WHERE s.id = p_id;
	IF NOT FOUND THEN
		v_user := identity_user(p_issuer, p_subject, p_name, p_label, p_display);
		PERFORM FROM users u WHERE u.id = v_user AND u.disabled_at IS NULL FOR SHARE; -- as session_begin() does
		IF NOT FOUND THEN
			RETURN NULL;
		END IF;
		INSERT INTO session (id, user_id, current_hash, user_agent, expires_at, issuer, proved_at)
		VALUES (p_id, v_user, p_hash, p_user_agent, p_expires_at, p_issuer, to_timestamp(0)) -- a token proves nobody's presence
		ON CONFLICT (id) DO NOTHING;
	END IF;
	SELECT s.user_id INTO v_user FROM session s JOIN users u ON u.id = s.user_id
	WHERE s.id = p_id AND s.ended_at IS NULL AND u.disabled_at IS NULL;
	RETURN v_user;
END $$;

GRANT SELECT, INSERT ON identity TO peal;
REVOKE ALL ON FUNCTION identity_user(text, text, text, text, text),
	identity_session(uuid, text, text, text, text, text, bytea, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity_user(text, text, text, text, text),
	identity_session(uuid, text, text, text, text, text, bytea, text, timestamptz) TO peal;
