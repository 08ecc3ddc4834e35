-- 0008_changes -- what becomes of a message after it was sent: edits, deletion, reactions, stars, pins, votes; and marks that move.
--
-- A change of a message begins with message_hold(): the conversation's row is locked, so it is decided on the newest state, and takes
-- exactly one rev. A change that changes nothing takes none. Counts are computed under the lock, so they are absolute.

-- The conversation's row is locked, and the caller is a member who sees the message: PE404 otherwise. A stranger locks nothing.
CREATE FUNCTION message_hold(p_me bigint, p_conversation bigint, p_seq bigint,
	OUT o_direct boolean, OUT o_blocked boolean, OUT o_role smallint,
	OUT o_sender bigint, OUT o_kind smallint, OUT o_version integer, OUT o_content text, OUT o_mentions jsonb, OUT o_said_at timestamptz,
	OUT o_deleted boolean, OUT o_forwarded boolean, OUT o_pinned boolean, OUT o_reactions jsonb, OUT o_extra jsonb, OUT o_attachments jsonb)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM conversation c JOIN member m ON m.conversation_id = c.id
	WHERE c.id = p_conversation AND m.user_id = p_me AND NOT m.hidden FOR NO KEY UPDATE OF c;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	END IF;
	SELECT c.kind = 1, c.kind = 1 AND blocked(c.direct_low, c.direct_high), m.role, g.sender_id, g.kind, g.version, g.content, g.mentions,
	       coalesce(g.edited_at, g.created_at), g.deleted_at IS NOT NULL, g.forward_of IS NOT NULL, g.pinned_at IS NOT NULL,
	       g.reactions, g.extra, g.attachments
	INTO o_direct, o_blocked, o_role, o_sender, o_kind, o_version, o_content, o_mentions, o_said_at, o_deleted, o_forwarded, o_pinned,
	     o_reactions, o_extra, o_attachments
	FROM member m JOIN conversation c ON c.id = m.conversation_id JOIN message g ON g.conversation_id = c.id AND g.seq = p_seq
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden
	  AND g.seq >= first_visible(c.history_all, c.first_seq, m.joined_seq) AND (g.expires_at IS NULL OR g.expires_at > now())
	  AND (NOT m.hides OR NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation
	                                                                AND z.seq = p_seq AND z.hidden_at IS NOT NULL));
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such message';
	END IF;
END $$;

-- Edits the text of a message of mine. An edit to what it says already changes nothing, whatever version it was made on: that is a retry.
CREATE FUNCTION message_edit(p_me bigint, p_conversation bigint, p_seq bigint, p_content text, p_mentions jsonb, p_if_version bigint,
	OUT o_changed boolean, OUT o_seq bigint, OUT o_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	h       record;
	v_place bigint;
BEGIN
	SELECT * INTO h FROM message_hold(p_me, p_conversation, p_seq);
	o_changed := false;
	IF h.o_sender <> p_me THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'only the sender';
	ELSIF h.o_blocked THEN
		RAISE SQLSTATE 'PE4B1' USING MESSAGE = 'blocked';
	ELSIF h.o_deleted THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'deleted';
	ELSIF h.o_kind > 5 OR h.o_forwarded THEN
		RAISE SQLSTATE 'PE4K1' USING MESSAGE = 'no text, or not of mine';
	ELSIF p_content IS NOT DISTINCT FROM h.o_content AND p_mentions IS NOT DISTINCT FROM h.o_mentions THEN
		RETURN;
	ELSIF p_if_version <> h.o_version THEN
		RAISE SQLSTATE 'PE4V1' USING MESSAGE = 'edited since';
	END IF;
	IF p_content IS NULL AND h.o_kind = 1 THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/content type A text message says something.';
	END IF;
	SELECT x.place - 1 INTO v_place FROM jsonb_array_elements(p_mentions) WITH ORDINALITY AS x (mention, place)
	WHERE NOT EXISTS (SELECT FROM member m WHERE m.user_id = (x.mention ->> 'user_id')::bigint AND m.conversation_id = p_conversation)
	ORDER BY x.place LIMIT 1;
	IF FOUND THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = format('/mentions/%s/user_id unknown This person is not a member here.', v_place);
	END IF;

	SELECT e.o_seq, e.o_rev INTO o_seq, o_rev FROM event_rev(p_conversation, 4::smallint, p_me, p_seq, NULL, NULL) e;
	INSERT INTO message_revision (conversation_id, seq, version, content, mentions, created_at)
	VALUES (p_conversation, p_seq, h.o_version, h.o_content, h.o_mentions, h.o_said_at);
	UPDATE message SET content = p_content, mentions = p_mentions, version = h.o_version + 1, edited_at = now(), rev = o_rev
	WHERE conversation_id = p_conversation AND seq = p_seq;
	o_changed := true;
END $$;

DROP FUNCTION message_delete(bigint, bigint, bigint);
-- Deletes for all: the sender, or an admin of the group. The row stays as a tombstone without content.
CREATE FUNCTION message_delete(p_me bigint, p_conversation bigint, p_seq bigint,
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
	IF NOT o_changed THEN
		RETURN;
	END IF;

	SELECT e.o_seq, e.o_rev INTO o_seq, o_rev FROM event_rev(p_conversation, 3::smallint, p_me, p_seq, NULL, NULL) e;
	o_attachments := attachment_release(h.o_attachments, p_conversation, p_seq);
	UPDATE message SET deleted_at = now(), content = NULL, mentions = NULL, attachments = NULL, reactions = NULL, pinned_at = NULL,
		forward_of = NULL, extra = NULL, rev = o_rev
	WHERE conversation_id = p_conversation AND seq = p_seq;
	DELETE FROM message_revision WHERE conversation_id = p_conversation AND seq = p_seq;
	UPDATE message_mine SET reactions = NULL, reacted_at = NULL, votes = NULL, voted_at = NULL
	WHERE conversation_id = p_conversation AND seq = p_seq AND (reactions IS NOT NULL OR votes IS NOT NULL);
END $$;

-- Deletes for me. Again: nothing. It may have been among what is unread, so the mark counts as moved.
CREATE FUNCTION message_hide(p_me bigint, p_conversation bigint, p_seq bigint, OUT o_changed boolean, OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM member m JOIN conversation c ON c.id = m.conversation_id
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden
	  AND p_seq >= first_visible(c.history_all, c.first_seq, m.joined_seq);
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member, or before my time';
	END IF;
	o_changed := NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation AND z.seq = p_seq
	                                                      AND z.hidden_at IS NOT NULL);
	IF NOT o_changed THEN
		RETURN;
	END IF;
	PERFORM FROM message g
	WHERE g.conversation_id = p_conversation AND g.seq = p_seq AND (g.expires_at IS NULL OR g.expires_at > now());
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such message';
	END IF;
	UPDATE member SET hides = true, mark_xid = pg_current_xact_id() WHERE user_id = p_me AND conversation_id = p_conversation;
	INSERT INTO message_mine AS z (user_id, conversation_id, seq, hidden_at) VALUES (p_me, p_conversation, p_seq, now())
	ON CONFLICT (user_id, conversation_id, seq) DO UPDATE SET hidden_at = now(), starred_at = NULL WHERE z.hidden_at IS NULL;
	o_changed := FOUND;
	IF o_changed THEN
		o_user_rev := event_user(p_me, 3::smallint, p_conversation, p_seq, NULL);
	END IF;
END $$;

-- Puts a star, or takes it away.
CREATE FUNCTION message_star(p_me bigint, p_conversation bigint, p_seq bigint, p_on boolean, OUT o_changed boolean, OUT o_user_rev bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM member m JOIN conversation c ON c.id = m.conversation_id JOIN message g ON g.conversation_id = c.id AND g.seq = p_seq
	WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden
	  AND g.seq >= first_visible(c.history_all, c.first_seq, m.joined_seq) AND (g.expires_at IS NULL OR g.expires_at > now())
	  AND (NOT m.hides OR NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation
	                                                                AND z.seq = p_seq AND z.hidden_at IS NOT NULL));
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'no such message';
	END IF;
	IF p_on THEN
		INSERT INTO message_mine AS z (user_id, conversation_id, seq, starred_at) VALUES (p_me, p_conversation, p_seq, clock_timestamp())
		ON CONFLICT (user_id, conversation_id, seq) DO UPDATE SET starred_at = excluded.starred_at
		WHERE z.starred_at IS NULL AND z.hidden_at IS NULL;
	ELSE
		UPDATE message_mine SET starred_at = NULL
		WHERE user_id = p_me AND conversation_id = p_conversation AND seq = p_seq AND starred_at IS NOT NULL;
	END IF;
	o_changed := FOUND;
	IF o_changed THEN
		o_user_rev := event_user(p_me, 2::smallint, p_conversation, p_seq, NULL);
	END IF;
END $$;

-- Counts of reactions after one more or one less of an emoji: the first one stays first, none is null.
CREATE FUNCTION reactions_after(p_reactions jsonb, p_emoji text, p_by integer) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	WITH said AS (
		SELECT x ->> 'emoji' AS emoji, (x ->> 'count')::bigint AS n, place
		FROM jsonb_array_elements(coalesce(p_reactions, '[]')) WITH ORDINALITY AS e (x, place)
		UNION ALL SELECT p_emoji, p_by, 1000000
	), counted AS (
		SELECT emoji, sum(n) AS n, min(place) AS place FROM said GROUP BY emoji
	)
	SELECT jsonb_agg(jsonb_build_object('emoji', emoji, 'count', n) ORDER BY place) FROM counted WHERE n > 0
$$;

-- Puts a reaction of mine, or takes it away; the row and its counts change together. p_mine, p_all: how many different ones there may be.
CREATE FUNCTION message_react(p_me bigint, p_conversation bigint, p_seq bigint, p_emoji text, p_on boolean, p_mine bigint, p_all bigint,
	OUT o_changed boolean, OUT o_seq bigint, OUT o_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	h        record;
	v_mine   text[];
	v_counts jsonb;
BEGIN
	SELECT * INTO h FROM message_hold(p_me, p_conversation, p_seq);
	IF h.o_blocked THEN
		RAISE SQLSTATE 'PE4B1' USING MESSAGE = 'blocked';
	ELSIF h.o_deleted AND p_on THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'deleted';
	END IF;
	SELECT z.reactions INTO v_mine FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation AND z.seq = p_seq;
	o_changed := p_on <> coalesce(p_emoji = ANY (v_mine), false);
	IF NOT o_changed THEN
		RETURN;
	END IF;

	v_counts := reactions_after(h.o_reactions, p_emoji, CASE WHEN p_on THEN 1 ELSE -1 END);
	IF p_on AND (cardinality(v_mine) >= p_mine OR jsonb_array_length(v_counts) > p_all) THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'as many reactions as there may be';
	END IF;
	SELECT e.o_seq, e.o_rev INTO o_seq, o_rev
	FROM event_rev(p_conversation, (CASE WHEN p_on THEN 7 ELSE 8 END)::smallint, p_me, p_seq, NULL, p_emoji) e;
	v_mine := CASE WHEN p_on THEN array_append(v_mine, p_emoji) ELSE nullif(array_remove(v_mine, p_emoji), '{}') END;
	WITH mine AS (
		INSERT INTO message_mine (user_id, conversation_id, seq, reactions, reacted_at) VALUES (p_me, p_conversation, p_seq, v_mine, now())
		ON CONFLICT (user_id, conversation_id, seq) DO UPDATE SET reactions = excluded.reactions,
			reacted_at = CASE WHEN excluded.reactions IS NOT NULL THEN excluded.reacted_at END
	)
	UPDATE message SET reactions = v_counts, rev = o_rev WHERE conversation_id = p_conversation AND seq = p_seq;
END $$;

-- Pins for everybody, or takes the pin away: in groups an admin, in direct conversations both.
CREATE FUNCTION message_pin(p_me bigint, p_conversation bigint, p_seq bigint, p_on boolean, p_most bigint,
	OUT o_changed boolean, OUT o_seq bigint, OUT o_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	h record;
BEGIN
	SELECT * INTO h FROM message_hold(p_me, p_conversation, p_seq);
	IF NOT h.o_direct AND h.o_role < 2 THEN
		RAISE SQLSTATE 'PE403' USING MESSAGE = 'only an admin';
	ELSIF h.o_blocked THEN
		RAISE SQLSTATE 'PE4B1' USING MESSAGE = 'blocked';
	ELSIF h.o_deleted AND p_on THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'deleted';
	END IF;
	o_changed := p_on <> h.o_pinned;
	IF NOT o_changed THEN
		RETURN;
	END IF;
	IF p_on AND (SELECT count(*) FROM message g WHERE g.conversation_id = p_conversation AND g.pinned_at IS NOT NULL
	             AND (g.expires_at IS NULL OR g.expires_at > now())) >= p_most THEN
		RAISE SQLSTATE 'PE4M1' USING MESSAGE = 'as many pins as there may be';
	END IF;
	SELECT e.o_seq, e.o_rev INTO o_seq, o_rev
	FROM event_rev(p_conversation, (CASE WHEN p_on THEN 5 ELSE 6 END)::smallint, p_me, p_seq, NULL, NULL) e;
	UPDATE message SET pinned_at = CASE WHEN p_on THEN clock_timestamp() END, rev = o_rev WHERE conversation_id = p_conversation AND seq = p_seq;
END $$;

-- A poll after somebody's vote was replaced by another.
CREATE FUNCTION poll_after(p_poll jsonb, p_before smallint[], p_now smallint[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT p_poll || jsonb_build_object(
		'voters', (p_poll ->> 'voters')::bigint + (p_now IS NOT NULL)::integer - (p_before IS NOT NULL)::integer,
		'options', jsonb_agg(o.x || jsonb_build_object('count', (o.x ->> 'count')::bigint
			+ coalesce(o.place - 1 = ANY (p_now), false)::integer - coalesce(o.place - 1 = ANY (p_before), false)::integer) ORDER BY o.place))
	FROM jsonb_array_elements(p_poll -> 'options') WITH ORDINALITY AS o (x, place)
$$;

-- Votes in a poll: the options chosen, from 0, instead of what I chose before; none withdraws it.
CREATE FUNCTION message_vote(p_me bigint, p_conversation bigint, p_seq bigint, p_options bigint[],
	OUT o_changed boolean, OUT o_seq bigint, OUT o_rev bigint)
LANGUAGE plpgsql AS $$
DECLARE
	h        record;
	v_place  bigint;
	v_before smallint[];
	v_now    smallint[];
BEGIN
	SELECT * INTO h FROM message_hold(p_me, p_conversation, p_seq);
	IF h.o_blocked THEN
		RAISE SQLSTATE 'PE4B1' USING MESSAGE = 'blocked';
	ELSIF h.o_deleted THEN
		RAISE SQLSTATE 'PE4D1' USING MESSAGE = 'deleted';
	ELSIF h.o_kind <> 7 THEN
		RAISE SQLSTATE 'PE4K1' USING MESSAGE = 'not a poll';
	ELSIF (h.o_extra ->> 'closes_at')::timestamptz <= now() THEN
		RAISE SQLSTATE 'PE4P1' USING MESSAGE = 'closed';
	ELSIF cardinality(p_options) > 1 AND NOT (h.o_extra ->> 'multiple')::boolean THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = '/options too_long One vote is one option here.';
	END IF;
	SELECT x.place - 1 INTO v_place FROM unnest(p_options) WITH ORDINALITY AS x (o, place)
	WHERE NOT x.o BETWEEN 0 AND jsonb_array_length(h.o_extra -> 'options') - 1 ORDER BY x.place LIMIT 1;
	IF FOUND THEN
		RAISE SQLSTATE 'PE400' USING MESSAGE = format('/options/%s unknown The poll has no such option.', v_place);
	END IF;

	SELECT array_agg(DISTINCT o::smallint ORDER BY o::smallint) INTO v_now FROM unnest(p_options) AS o;
	SELECT z.votes INTO v_before FROM message_mine z WHERE z.user_id = p_me AND z.conversation_id = p_conversation AND z.seq = p_seq;
	o_changed := v_now IS DISTINCT FROM v_before;
	IF NOT o_changed THEN
		RETURN;
	END IF;
	SELECT e.o_seq, e.o_rev INTO o_seq, o_rev FROM event_rev(p_conversation, 9::smallint, p_me, p_seq, NULL, NULL) e;
	WITH mine AS (
		INSERT INTO message_mine (user_id, conversation_id, seq, votes, voted_at) VALUES (p_me, p_conversation, p_seq, v_now, now())
		ON CONFLICT (user_id, conversation_id, seq) DO UPDATE SET votes = excluded.votes,
			voted_at = CASE WHEN excluded.votes IS NOT NULL THEN excluded.voted_at END
	)
	UPDATE message SET extra = poll_after(h.o_extra, v_before, v_now), rev = o_rev
	WHERE conversation_id = p_conversation AND seq = p_seq;
END $$;

-- Moves my read mark forward and clears "mark unread". Private reading, and reading by whoever keeps receipts to themselves, moves
-- read_seq, not receipt_seq. One statement; what it says of the marks is what stands after it.
CREATE OR REPLACE FUNCTION conversation_read(p_me bigint, p_conversation bigint, p_seq bigint, p_private boolean, p_marks_max bigint,
	OUT o_moved boolean, OUT o_read_seq bigint, OUT o_receipt_seq bigint, OUT o_delivered_seq bigint, OUT o_unread bigint,
	OUT o_mentions bigint, OUT o_user_rev bigint, OUT o_at timestamptz, OUT o_hearers bigint[])
LANGUAGE plpgsql AS $$
DECLARE
	v_last bigint;
BEGIN
	WITH held AS (
		SELECT m.read_seq AS was_read, m.receipt_seq AS was_told, m.unread_from, greatest(m.read_seq, p_seq) AS read, t.told,
		       greatest(m.delivered_seq, t.told) AS delivered,
		       c.last_seq, c.participant_count, first_visible(c.history_all, c.first_seq, m.joined_seq) AS floor
		FROM member m JOIN conversation c ON c.id = m.conversation_id JOIN users u ON u.id = m.user_id
		CROSS JOIN LATERAL (SELECT CASE WHEN p_private OR NOT u.read_receipts THEN m.receipt_seq
			ELSE greatest(m.receipt_seq, p_seq) END AS told) t
		WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND NOT m.hidden FOR NO KEY UPDATE OF m
	), moved AS (
		UPDATE member m SET read_seq = h.read, receipt_seq = h.told, delivered_seq = h.delivered, unread_from = NULL,
		       mark_xid = pg_current_xact_id()
		FROM held h WHERE m.user_id = p_me AND m.conversation_id = p_conversation AND p_seq BETWEEN 0 AND h.last_seq
		  AND (h.read > h.was_read OR h.told > h.was_told OR h.unread_from IS NOT NULL)
		RETURNING h.told > h.was_told AS tells
	), numbered AS (
		UPDATE users u SET last_user_rev = u.last_user_rev + 1 FROM moved WHERE u.id = p_me RETURNING u.last_user_rev
	), logged AS (
		INSERT INTO user_event (user_id, user_rev, kind, conversation_id, target_seq)
		SELECT p_me, n.last_user_rev, 1, p_conversation, h.read FROM numbered n, held h
	), noted AS (
		SELECT mark_note(p_conversation, p_me, h.told, h.delivered) FROM held h, moved WHERE moved.tells
	)
	SELECT h.last_seq, moved.tells IS NOT NULL, h.read, h.told, h.delivered, coalesce(un.unread, 0), coalesce(un.mentions, 0),
	       n.last_user_rev, now(), CASE WHEN moved.tells AND h.participant_count <= p_marks_max THEN
	           (SELECT array_agg(o.user_id ORDER BY o.user_id) FROM member o
	            WHERE o.conversation_id = p_conversation AND o.user_id <> p_me AND NOT o.hidden) END
	INTO v_last, o_moved, o_read_seq, o_receipt_seq, o_delivered_seq, o_unread, o_mentions, o_user_rev, o_at, o_hearers
	FROM held h LEFT JOIN moved ON true LEFT JOIN numbered n ON true LEFT JOIN noted ON true
	LEFT JOIN LATERAL unread_of(p_me, p_conversation, CASE WHEN h.read < h.last_seq THEN greatest(h.floor, h.read + 1) END) un ON true;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'PE404' USING MESSAGE = 'not a member';
	ELSIF p_seq < 0 OR p_seq > v_last THEN
		RAISE SQLSTATE '22023' USING MESSAGE = 'seq is not in this conversation';
	END IF;
END $$;

-- Moves delivered marks forward, never past the conversation's end. Marks may be lost in a crash: the next ack repeats them.
CREATE OR REPLACE FUNCTION event_acks(p_users bigint[], p_conversations bigint[], p_seqs bigint[], p_marks_max bigint)
RETURNS TABLE (o_user_id bigint, o_conversation_id bigint, o_seq bigint, o_at timestamptz, o_hearers bigint[])
LANGUAGE plpgsql AS $$
BEGIN
	-- A SET clause of the function would be undone before the commit that it is meant for.
	PERFORM set_config('synchronous_commit', 'off', true);
	RETURN QUERY
	WITH proven AS (
		SELECT a.user_id, a.conversation_id, max(a.seq) AS seq
		FROM unnest(p_users, p_conversations, p_seqs) AS a (user_id, conversation_id, seq) GROUP BY 1, 2
	), held AS (
		SELECT m.user_id, m.conversation_id, least(p.seq, c.last_seq) AS seq, c.participant_count
		FROM proven p JOIN member m USING (user_id, conversation_id) JOIN conversation c ON c.id = m.conversation_id
		WHERE m.delivered_seq < least(p.seq, c.last_seq)
		ORDER BY m.user_id, m.conversation_id FOR NO KEY UPDATE OF m
	), moved AS (
		UPDATE member m SET delivered_seq = h.seq, mark_xid = pg_current_xact_id()
		FROM held h WHERE m.user_id = h.user_id AND m.conversation_id = h.conversation_id AND m.delivered_seq < h.seq
		RETURNING m.user_id, m.conversation_id, m.receipt_seq, m.delivered_seq, h.participant_count
	)
	SELECT d.user_id, d.conversation_id, d.delivered_seq, now(),
	       CASE WHEN d.participant_count <= p_marks_max THEN
	            (SELECT array_agg(o.user_id ORDER BY o.user_id) FROM member o
	             WHERE o.conversation_id = d.conversation_id AND o.user_id <> d.user_id AND NOT o.hidden) END
	FROM moved d, LATERAL (SELECT mark_note(d.conversation_id, d.user_id, d.receipt_seq, d.delivered_seq)) noted;
END $$;

REVOKE ALL ON FUNCTION message_hold(bigint, bigint, bigint), message_edit(bigint, bigint, bigint, text, jsonb, bigint),
	message_delete(bigint, bigint, bigint), message_hide(bigint, bigint, bigint), message_star(bigint, bigint, bigint, boolean),
	message_react(bigint, bigint, bigint, text, boolean, bigint, bigint), message_pin(bigint, bigint, bigint, boolean, bigint),
	message_vote(bigint, bigint, bigint, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION message_hold(bigint, bigint, bigint), message_edit(bigint, bigint, bigint, text, jsonb, bigint),
	message_delete(bigint, bigint, bigint), message_hide(bigint, bigint, bigint), message_star(bigint, bigint, bigint, boolean),
	message_react(bigint, bigint, bigint, text, boolean, bigint, bigint), message_pin(bigint, bigint, bigint, boolean, bigint),
	message_vote(bigint, bigint, bigint, bigint[]) TO peal;
