-- 0020_request_keys -- Idempotency-Key of every request that creates something: the key's row is written in the transaction that
-- creates, by the worker's dispatcher (fcgi/once.c), so that no write function knows of keys. Keys of groups made in the last 24 hours go.

DELETE FROM request_key;
ALTER TABLE request_key DROP COLUMN result_id,
	ADD COLUMN made text,               -- what was created, when the route can show it as it is now
	ADD COLUMN reply bytea;             -- else the answer that was given, sealed: it may hold a secret that is shown once

-- The key is new, and taken until the transaction ends; or it was used for the same request, and this is what came of it.
CREATE FUNCTION request_take(p_user bigint, p_route text, p_key text, p_hash bytea, OUT o_new boolean, OUT o_made text, OUT o_reply bytea)
LANGUAGE plpgsql AS $$
DECLARE
	v_hash bytea;
BEGIN
	DELETE FROM request_key k
	WHERE k.user_id = p_user AND k.route = p_route AND k.key = p_key AND k.created_at < now() - interval '24 hours';
	INSERT INTO request_key (user_id, route, key, request_hash) VALUES (p_user, p_route, p_key, p_hash) ON CONFLICT DO NOTHING;
	o_new := FOUND;
	IF o_new THEN
		RETURN;
	END IF;
	SELECT k.request_hash, k.made, k.reply INTO v_hash, o_made, o_reply
	FROM request_key k WHERE k.user_id = p_user AND k.route = p_route AND k.key = p_key;
	IF NOT FOUND THEN
		RAISE SQLSTATE '40001' USING MESSAGE = 'the key has just expired';
	ELSIF v_hash <> p_hash THEN
		RAISE SQLSTATE 'PE422' USING MESSAGE = 'the key was used with another body';
	END IF;
END $$;

DROP FUNCTION group_create(bigint, text, text, boolean, bigint[], text, bytea);
CREATE FUNCTION group_create(p_me bigint, p_name text, p_avatar text, p_history_all boolean, p_users bigint[],
	OUT o_conversation_id bigint, OUT o_seq bigint, OUT o_rev bigint, OUT o_n bigint)
LANGUAGE plpgsql AS $$
DECLARE
	v_others bigint[] := ARRAY(SELECT DISTINCT n.id FROM unnest(p_users) AS n (id) WHERE n.id <> p_me ORDER BY n.id);
BEGIN
	PERFORM member_admissible(p_me, v_others);
	INSERT INTO conversation (kind, name, avatar_id, history_all, created_by, participant_count, last_rev)
	VALUES (2, p_name, p_avatar, p_history_all, p_me, 1 + cardinality(v_others), 1) RETURNING id INTO o_conversation_id;
	PERFORM member_enroll(o_conversation_id, p_me || v_others, 0, 1, 0);
	UPDATE member SET role = 3 WHERE user_id = p_me AND conversation_id = o_conversation_id;
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id) VALUES (o_conversation_id, 1, 0, 1, 2, p_me);
	PERFORM attachment_avatar(p_me, p_avatar, NULL);
	SELECT s.o_seq, s.o_rev INTO o_seq, o_rev
	FROM message_system(o_conversation_id, p_me, jsonb_build_object('kind', 'created', 'name', p_name)) s;
	o_n := 2;
END $$;

REVOKE ALL ON FUNCTION request_take(bigint, text, text, bytea), group_create(bigint, text, text, boolean, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION request_take(bigint, text, text, bytea), group_create(bigint, text, text, boolean, bigint[]) TO peal;
