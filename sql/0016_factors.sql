-- 0016_factors -- second factors and passkeys: codes by the clock, codes on paper, keys that a device holds.
--
-- Secrets of codes are sealed by a key that the database does not have, and of recovery codes there are digests only. What counts once is
-- marked as used by the statement that accepts it.

-- Whoever changes how they sign in has said who they are a short while ago: when they signed in, or again since.
ALTER TABLE session ADD COLUMN proved_at timestamptz;
UPDATE session SET proved_at = created_at;
ALTER TABLE session ALTER COLUMN proved_at SET DEFAULT now(), ALTER COLUMN proved_at SET NOT NULL;

CREATE TABLE totp (
	user_id      bigint      PRIMARY KEY REFERENCES users ON DELETE CASCADE,
	secret       bytea       NOT NULL,
	last_step    bigint      NOT NULL DEFAULT 0, -- of the last code that was accepted: no earlier one is, nor the same again
	failures     integer     NOT NULL DEFAULT 0, -- wrong codes since
	retry_at     timestamptz,                    -- no code is looked at before
	created_at   timestamptz NOT NULL DEFAULT now(),
	confirmed_at timestamptz                     -- null: set up, but no code has been seen yet, so nothing is asked for
);

CREATE TABLE recovery_code (
	user_id bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
	hash    bytea       NOT NULL,                -- HMAC-SHA256
	used_at timestamptz,
	PRIMARY KEY (user_id, hash)
);

CREATE TABLE passkey (
	id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id         bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
	credential_id   bytea       NOT NULL UNIQUE,
	public_key      bytea       NOT NULL,        -- COSE
	handle          bytea       NOT NULL,        -- of the person, the same in all of theirs
	name            text        NOT NULL,
	aaguid          bytea       NOT NULL,
	transports      jsonb       NOT NULL,
	sign_count      bigint      NOT NULL,
	backup_eligible boolean     NOT NULL,
	backed_up       boolean     NOT NULL,
	created_at      timestamptz NOT NULL DEFAULT now(),
	last_used_at    timestamptz
);
CREATE INDEX passkey_owner ON passkey (user_id);

-- Challenges are signed and known to nobody until they come back; those that did are noted until they would have expired anyway.
CREATE TABLE challenge_used (
	digest     bytea       PRIMARY KEY,
	expires_at timestamptz NOT NULL
);

-- False: it was used before.
CREATE FUNCTION challenge_use(p_digest bytea, p_expires_at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO challenge_used (digest, expires_at) VALUES (p_digest, p_expires_at) ON CONFLICT DO NOTHING;
	RETURN FOUND;
END $$;

-- These codes and no others, 32 bytes each, one behind the other.
CREATE FUNCTION recovery_codes_replace(p_user bigint, p_hashes bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM recovery_code WHERE user_id = p_user;
	INSERT INTO recovery_code (user_id, hash)
	SELECT p_user, substring(p_hashes FROM n * 32 + 1 FOR 32) FROM generate_series(0, length(p_hashes) / 32 - 1) AS n;
END $$;

-- False: there is nothing to confirm, or it was begun too long ago.
CREATE FUNCTION totp_confirm(p_user bigint, p_step bigint, p_hashes bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE totp SET confirmed_at = now(), last_step = p_step, failures = 0, retry_at = NULL
	WHERE user_id = p_user AND confirmed_at IS NULL AND created_at > now() - interval '1 hour';
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM recovery_codes_replace(p_user, p_hashes);
	RETURN true;
END $$;

-- Uses up a code: by its step, or by the digest of a recovery code. False: it was used before, there is none such, or the challenge (if
-- there is one) was used.
CREATE FUNCTION factor_use(p_user bigint, p_step bigint, p_hash bytea, p_challenge bytea, p_expires_at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF p_hash IS NULL THEN
		UPDATE totp SET last_step = p_step, failures = 0, retry_at = NULL
		WHERE user_id = p_user AND confirmed_at IS NOT NULL AND last_step < p_step;
	ELSE
		UPDATE recovery_code SET used_at = now() WHERE user_id = p_user AND hash = p_hash AND used_at IS NULL;
	END IF;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF p_challenge IS NOT NULL AND NOT challenge_use(p_challenge, p_expires_at) THEN
		RAISE SQLSTATE 'PE409' USING MESSAGE = 'The challenge was used.';
	END IF;
	RETURN true;
END $$;

-- A wrong code. The first five cost nothing but the limit per minute; from then on each doubles the wait, up to an hour.
CREATE FUNCTION factor_failed(p_user bigint) RETURNS void LANGUAGE sql AS $$
	UPDATE totp SET failures = failures + 1,
		retry_at = CASE WHEN failures >= 4 THEN now() + least(interval '1 hour', interval '30 s' * 2 ^ least(failures - 4, 10)) END
	WHERE user_id = p_user
$$;

-- The id of the new passkey. PE409: the challenge was used, or somebody has this credential; PE4M1: they have as many as one may have.
CREATE FUNCTION passkey_add(p_user bigint, p_challenge bytea, p_expires_at timestamptz, p_credential_id bytea, p_public_key bytea, p_handle bytea,
	p_name text, p_aaguid bytea, p_transports jsonb, p_sign_count bigint, p_eligible boolean, p_backed_up boolean, p_most bigint,
	OUT o_id bigint, OUT o_created_at timestamptz) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM users WHERE id = p_user FOR UPDATE;
	IF (SELECT count(*) FROM passkey k WHERE k.user_id = p_user) >= p_most THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'There are as many passkeys as one person may have.';
	END IF;
	IF NOT challenge_use(p_challenge, p_expires_at) THEN
		RAISE SQLSTATE 'PE409' USING MESSAGE = 'The challenge was used.';
	END IF;
	INSERT INTO passkey (user_id, credential_id, public_key, handle, name, aaguid, transports, sign_count, backup_eligible, backed_up)
	VALUES (p_user, p_credential_id, p_public_key, p_handle, p_name, p_aaguid, p_transports, p_sign_count, p_eligible, p_backed_up)
	RETURNING id, created_at INTO o_id, o_created_at;
END $$;

-- Somebody has signed with it. A counter that does not grow belongs to a copy; authenticators without one say 0 for ever.
-- False: the counter, or the challenge was used.
CREATE FUNCTION passkey_use(p_id bigint, p_challenge bytea, p_expires_at timestamptz, p_sign_count bigint, p_backed_up boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF NOT challenge_use(p_challenge, p_expires_at) THEN
		RETURN false;
	END IF;
	UPDATE passkey SET sign_count = p_sign_count, backed_up = p_backed_up, last_used_at = now()
	WHERE id = p_id AND (sign_count < p_sign_count OR (sign_count = 0 AND p_sign_count = 0));
	RETURN FOUND;
END $$;

-- No second factor and no passkey any more: for a person who has lost them.
CREATE FUNCTION factors_reset(p_user bigint) RETURNS bigint LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM totp WHERE user_id = p_user RETURNING 1),
	     codes AS (DELETE FROM recovery_code WHERE user_id = p_user),
	     keys AS (DELETE FROM passkey WHERE user_id = p_user RETURNING 1)
	SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM keys)
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON totp, recovery_code, passkey, challenge_used TO peal;
REVOKE ALL ON FUNCTION challenge_use(bytea, timestamptz), recovery_codes_replace(bigint, bytea), totp_confirm(bigint, bigint, bytea),
	factor_use(bigint, bigint, bytea, bytea, timestamptz), factor_failed(bigint),
	passkey_add(bigint, bytea, timestamptz, bytea, bytea, bytea, text, bytea, jsonb, bigint, boolean, boolean, bigint),
	passkey_use(bigint, bytea, timestamptz, bigint, boolean), factors_reset(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION challenge_use(bytea, timestamptz), recovery_codes_replace(bigint, bytea), totp_confirm(bigint, bigint, bytea),
	factor_use(bigint, bigint, bytea, bytea, timestamptz), factor_failed(bigint),
	passkey_add(bigint, bytea, timestamptz, bytea, bytea, bytea, text, bytea, jsonb, bigint, boolean, boolean, bigint),
	passkey_use(bigint, bytea, timestamptz, bigint, boolean), factors_reset(bigint) TO peal;
