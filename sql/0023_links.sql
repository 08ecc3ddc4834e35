-- 0023_links -- a person links themselves to providers, and takes links off again.

ALTER TABLE identity ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE;
-- One account of each provider: which of two is meant need never be asked.
CREATE UNIQUE INDEX identity_once ON identity (user_id, issuer);
DROP INDEX identity_user;

-- Is there a way to sign in? A password, a passkey (where there are such), or an identity of an issuer that is known here; but for the
-- passkey or the identity that is to go. The caller has locked the person's row.
CREATE FUNCTION ways_in(p_user bigint, p_issuers text[], p_passkeys boolean, p_but_passkey bigint, p_but_identity bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM users u WHERE u.id = p_user AND u.password_hash IS NOT NULL)
	    OR p_passkeys AND EXISTS (SELECT FROM passkey k WHERE k.user_id = p_user AND k.id IS DISTINCT FROM p_but_passkey)
	    OR EXISTS (SELECT FROM identity i WHERE i.user_id = p_user AND i.issuer = ANY (p_issuers) AND i.id IS DISTINCT FROM p_but_identity)
$$;

-- Whoever is signed in by this session has come back from a provider, which calls them p_subject. PE404: the session has ended meanwhile;
-- PE409: this subject is somebody else; PE4M1: they are linked to another subject there. True: it is new.
CREATE FUNCTION identity_link(p_session uuid, p_issuer text, p_subject text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	v_user  bigint;
	v_whose bigint;
BEGIN
	SELECT s.user_id INTO v_user FROM session s WHERE s.id = p_session AND s.ended_at IS NULL AND s.expires_at > now() AND s.issuer IS NULL;
	PERFORM FROM users u WHERE u.id = v_user AND u.disabled_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'the session has ended';
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended(p_issuer || E'\n' || p_subject, 0)); -- as identity_user() does
	SELECT i.user_id INTO v_whose FROM identity i WHERE i.issuer = p_issuer AND i.subject = p_subject;
	IF v_whose = v_user THEN
		RETURN false;
	ELSIF v_whose IS NOT NULL THEN
		RAISE SQLSTATE 'PE409' USING MESSAGE = 'this account of the provider is somebody else here';
	ELSIF EXISTS (SELECT FROM identity i WHERE i.user_id = v_user AND i.issuer = p_issuer) THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'linked to another account of the provider';
	END IF;
	INSERT INTO identity (issuer, subject, user_id) VALUES (p_issuer, p_subject, v_user);
	RETURN true;
END $$;

-- PE404: not theirs; PE4W1: they could not sign in any more. What that issuer's tokens have opened ends with it.
CREATE FUNCTION identity_unlink(p_user bigint, p_id bigint, p_issuers text[], p_passkeys boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v_issuer text;
BEGIN
	PERFORM FROM users WHERE id = p_user FOR UPDATE;
	SELECT i.issuer INTO v_issuer FROM identity i WHERE i.user_id = p_user AND i.id = p_id;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such link';
	ELSIF NOT ways_in(p_user, p_issuers, p_passkeys, NULL, p_id) THEN
		RAISE SQLSTATE 'PE4W1' USING MESSAGE = 'the last way to sign in';
	END IF;
	DELETE FROM identity WHERE id = p_id;
	UPDATE session SET ended_at = now() WHERE user_id = p_user AND issuer = v_issuer AND ended_at IS NULL;
END $$;

-- The same of a passkey: PE404, PE4W1.
CREATE FUNCTION passkey_remove(p_user bigint, p_id bigint, p_issuers text[], p_passkeys boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM users WHERE id = p_user FOR UPDATE;
	PERFORM FROM passkey k WHERE k.user_id = p_user AND k.id = p_id;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such passkey';
	ELSIF NOT ways_in(p_user, p_issuers, p_passkeys, p_id, NULL) THEN
		RAISE SQLSTATE 'PE4W1' USING MESSAGE = 'the last way to sign in';
	END IF;
	DELETE FROM passkey WHERE id = p_id;
END $$;

GRANT DELETE ON identity TO peal;
REVOKE ALL ON FUNCTION ways_in(bigint, text[], boolean, bigint, bigint), identity_link(uuid, text, text),
	identity_unlink(bigint, bigint, text[], boolean), passkey_remove(bigint, bigint, text[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ways_in(bigint, text[], boolean, bigint, bigint), identity_link(uuid, text, text),
	identity_unlink(bigint, bigint, text[], boolean), passkey_remove(bigint, bigint, text[], boolean) TO peal;
