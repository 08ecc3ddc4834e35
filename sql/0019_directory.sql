-- 0019_directory -- finding people by what their names begin with: any word of a display name, any part of a user name.
--
-- A row for each place in somebody's names where a word begins, with what follows up to the next blank, folded: a person is found when
-- each word that was typed is the beginning of one of theirs. People who are disabled have no rows.
--
--   Zoë O'Neill-Smith, @zoe_s    zoe  o'neill-smith  neill-smith  smith  oneillsmith  zoe_s  s  zoes

CREATE TABLE directory_word (
	user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
	word    text   COLLATE "C" NOT NULL,
	PRIMARY KEY (user_id, word)
);
CREATE INDEX directory_word_order ON directory_word (word, user_id);
DROP INDEX users_display_name;

-- Case, accents and width do not count, nor which of the apostrophes and hyphens it is.
CREATE FUNCTION name_fold(p_text text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
	v_text text := lower(p_text);
BEGIN
	IF v_text ~ '[^\x20-\x7e]' THEN
		-- marks over and under letters; points of Hebrew and Arabic
		v_text := regexp_replace(normalize(v_text, NFKD), '[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]', '', 'g');
		v_text := translate(normalize(v_text, NFKC), E'øłđħŧıς\u2019\u2018\u02bc\u2010\u2011\u2013', E'oldhtiσ\u0027\u0027\u0027---');
		v_text := replace(replace(replace(replace(replace(v_text, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'ð', 'd');
	END IF;
	RETURN v_text;
END $$;

-- What was typed: words between blanks, without the @ that user names are written with.
CREATE FUNCTION directory_typed(p_text text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	RETURN ARRAY(SELECT DISTINCT w FROM regexp_split_to_table(name_fold(p_text), '\s+') AS t, ltrim(t, '@') AS w WHERE w <> '');
END $$;

-- In Chinese, Japanese and Korean a word may begin anywhere. What is no sign counts as a letter.
CREATE FUNCTION directory_words(p_username text, p_display_name text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
	c_sign  constant text := '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]';
	c_run   constant text := '[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]';
	v_words text[] := '{}';
	t       text;
BEGIN
	FOR t IN SELECT x FROM regexp_split_to_table(name_fold(p_username || ' ' || p_display_name), '\s+') AS x WHERE x <> '' LOOP
		v_words := v_words || t || regexp_replace(t, c_sign, '', 'g');
		IF t ~ c_sign OR t ~ c_run THEN
			FOR n IN 2 .. length(t) LOOP
				IF substr(t, n, 1) ~ c_run OR (substr(t, n, 1) !~ c_sign AND substr(t, n - 1, 1) ~ c_sign) THEN
					v_words := v_words || substr(t, n);
				END IF;
			END LOOP;
		END IF;
	END LOOP;
	RETURN ARRAY(SELECT DISTINCT w FROM unnest(v_words) AS w WHERE w <> '');
END $$;

CREATE FUNCTION directory_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM directory_word d WHERE d.user_id = NEW.id;
	IF NEW.disabled_at IS NULL THEN
		INSERT INTO directory_word (user_id, word) SELECT NEW.id, w FROM unnest(directory_words(NEW.username, NEW.display_name)) AS w;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER directory_new AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION directory_note();
CREATE TRIGGER directory_change AFTER UPDATE OF username, display_name, disabled_at ON users FOR EACH ROW
	WHEN (OLD.username <> NEW.username OR OLD.display_name <> NEW.display_name OR (OLD.disabled_at IS NULL) <> (NEW.disabled_at IS NULL))
	EXECUTE FUNCTION directory_note();
INSERT INTO directory_word (user_id, word)
SELECT u.id, w FROM users u, unnest(directory_words(u.username, u.display_name)) AS w WHERE u.disabled_at IS NULL;

REVOKE ALL ON FUNCTION directory_note() FROM PUBLIC;
GRANT SELECT ON directory_word TO peal;
