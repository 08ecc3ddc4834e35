-- 0015_access -- what somebody may do on the whole server, bots, access tokens, and the log of what administrators did.

ALTER TABLE users
	ADD COLUMN site_role smallint NOT NULL DEFAULT 0 CHECK (site_role IN (0, 1, 2)),   -- 0 none, 1 moderator, 2 admin
	ADD COLUMN bot       boolean  NOT NULL DEFAULT false,
	ADD COLUMN owner_id  bigint   REFERENCES users,                                    -- of a bot: who made it
	ADD CHECK (NOT bot OR (password_hash IS NULL AND site_role = 0));
CREATE INDEX users_owner ON users (owner_id, id) WHERE owner_id IS NOT NULL;
CREATE INDEX users_role ON users (site_role, id) WHERE site_role > 0;

-- What a program says instead of a password. The token itself is shown once and kept nowhere.
CREATE TABLE access_token (
	id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id      bigint      NOT NULL REFERENCES users,   -- whom it speaks for
	created_by   bigint      NOT NULL REFERENCES users,   -- the same person, or the owner of that bot
	name         text        NOT NULL,
	hash         bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
	scopes       text        NOT NULL,                    -- words with blanks between them
	session_id   uuid        NOT NULL UNIQUE DEFAULT overlay(gen_random_uuid()::text PLACING '8' FROM 15)::uuid,  -- sockets that it opens are known
	                                                      -- by it; of version 8, so that it is no device's
	created_at   timestamptz NOT NULL DEFAULT now(),
	expires_at   timestamptz,
	last_used_at timestamptz,
	revoked_at   timestamptz
) WITH (fillfactor = 80);
CREATE INDEX access_token_user ON access_token (user_id, id) WHERE revoked_at IS NULL;

-- A token that is revoked, and a bot whose owner is disabled, end like a session and a person (0014).
CREATE FUNCTION access_token_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO revocation (user_id, session_id) VALUES (NEW.user_id, NEW.session_id);
	RETURN NULL;
END $$;
CREATE TRIGGER access_token_ended AFTER UPDATE OF revoked_at ON access_token FOR EACH ROW
	WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION access_token_ended();

CREATE FUNCTION owner_disabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO revocation (user_id, session_id)
	SELECT t.user_id, t.session_id FROM users b JOIN access_token t ON t.user_id = b.id WHERE b.owner_id = NEW.id AND t.revoked_at IS NULL;
	RETURN NULL;
END $$;
CREATE TRIGGER owner_disabled AFTER UPDATE OF disabled_at ON users FOR EACH ROW
	WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION owner_disabled();

-- One row per act. There is no way to change one: whoever connects as peal may only add, and its owner is stopped by a trigger.
CREATE TABLE audit (
	id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at           timestamptz NOT NULL DEFAULT now(),
	actor_id     bigint,                     -- null: somebody at the command line
	actor        text        NOT NULL,       -- the user name at that time; of the command line, the system's user
	act          text        NOT NULL,       -- `user.disable`
	target_kind  text,                       -- user, message, conversation, report
	target_id    text,
	target       text,                       -- what the target was called at that time
	address      text,                       -- null: the command line
	request_id   text,
	access_token bigint,                     -- the actor's, when it was not a device
	detail       jsonb
);
CREATE INDEX audit_actor ON audit (actor_id, id);
CREATE INDEX audit_target ON audit (target_kind, target_id, id);
CREATE INDEX audit_act ON audit (act, id);

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the audit log only grows';
END $$;
CREATE TRIGGER audit_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- Notes an act, in the transaction that does it. p_from: {address, request_id, access_token} of the request.
CREATE FUNCTION audit_note(p_actor bigint, p_act text, p_target_kind text, p_target_id text, p_target text, p_from jsonb, p_detail jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit (actor_id, actor, act, target_kind, target_id, target, address, request_id, access_token, detail)
	SELECT u.id, u.username, p_act, p_target_kind, p_target_id, p_target, p_from ->> 'address', p_from ->> 'request_id',
		(p_from ->> 'access_token')::bigint, p_detail
	FROM users u WHERE u.id = p_actor;
END $$;

-- Makes a bot of mine. PE4M1: as many as one may have.
CREATE FUNCTION bot_create(p_me bigint, p_username text, p_display text, p_most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	v_id bigint;
BEGIN
	PERFORM FROM users u WHERE u.id = p_me AND NOT u.bot FOR NO KEY UPDATE;  -- one at a time, so that they can be counted
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'bots make no bots';
	ELSIF (SELECT count(*) FROM users b WHERE b.owner_id = p_me AND b.disabled_at IS NULL) >= p_most THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'as many bots as one may have';
	END IF;
	INSERT INTO users (username, display_name, bot, owner_id) VALUES (p_username, p_display, true, p_me) RETURNING id INTO v_id;
	RETURN v_id;
END $$;

-- Makes a token of mine, or of a bot of mine. p_days null: it does not expire, which only a bot's may.
CREATE FUNCTION access_token_create(p_me bigint, p_user bigint, p_name text, p_hash bytea, p_scopes text, p_days bigint, p_most bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	v_user users;
	v_id   bigint;
BEGIN
	SELECT u.* INTO v_user FROM users u WHERE u.id = p_user AND (u.id = p_me OR u.owner_id = p_me) AND u.disabled_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not me, and no bot of mine';
	ELSIF p_scopes ~ 'admin:' AND v_user.site_role = 0 THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'beyond the role of its user';
	ELSIF p_days IS NULL AND NOT v_user.bot THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/expires_in_days range Only a bot may have a token that does not expire.';
	ELSIF (SELECT count(*) FROM access_token t WHERE t.user_id = p_user AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()))
	      >= p_most THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'as many tokens as one may have';
	END IF;
	INSERT INTO access_token (user_id, created_by, name, hash, scopes, expires_at)
	VALUES (p_user, p_me, p_name, p_hash, p_scopes, now() + p_days * interval '1 day') RETURNING id INTO v_id;
	RETURN v_id;
END $$;

REVOKE ALL ON FUNCTION audit_note(bigint, text, text, text, text, jsonb, jsonb), bot_create(bigint, text, text, bigint),
	access_token_create(bigint, bigint, text, bytea, text, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_note(bigint, text, text, text, text, jsonb, jsonb), bot_create(bigint, text, text, bigint),
	access_token_create(bigint, bigint, text, bytea, text, bigint, bigint) TO peal;
GRANT SELECT, INSERT ON audit TO peal;
GRANT SELECT, INSERT, UPDATE ON access_token TO peal;
