-- 0004_conversations -- what groups, all kinds of messages, and one person's own view of them need; functions follow by subject.

CREATE TABLE block (
	user_id    bigint      NOT NULL REFERENCES users,
	blocked_id bigint      NOT NULL REFERENCES users,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (user_id, blocked_id),
	CHECK (user_id <> blocked_id)
);
CREATE INDEX block_reverse ON block (blocked_id, user_id);

ALTER TABLE users
	ADD COLUMN read_receipts boolean NOT NULL DEFAULT true,      -- privacy: reading moves receipt_seq
	ADD COLUMN show_last_seen boolean NOT NULL DEFAULT true;     -- privacy: last_seen_at for people who share a conversation

ALTER TABLE conversation
	ADD COLUMN ttl_seconds       integer CHECK (ttl_seconds > 0),
	ADD COLUMN retention_days    integer CHECK (retention_days > 0),
	ADD COLUMN slow_mode_seconds integer CHECK (slow_mode_seconds > 0);

ALTER TABLE member
	ADD COLUMN joined_position bigint  NOT NULL DEFAULT 0,       -- of the event that made me a member: I hear nothing before it
	ADD COLUMN hides           boolean NOT NULL DEFAULT false,   -- I have deleted something here for me
	ADD COLUMN last_sent_at    timestamptz,                      -- kept while slow mode is on
	ADD COLUMN draft           jsonb;                            -- {content, reply_seq, updated_at}; null: none

ALTER TABLE message
	ADD COLUMN expires_at timestamptz,                           -- invisible from then on
	ADD COLUMN pinned_at  timestamptz,
	ADD COLUMN reactions  jsonb,                                 -- [{emoji, count}], first one first; null: none
	ADD COLUMN forward_of jsonb,                                 -- {sender_id, created_at}: a frozen copy of what these said
	ADD COLUMN extra      jsonb;                                 -- of its kind: location, poll (with counts), call, system, encrypted
CREATE INDEX message_pinned ON message (conversation_id, pinned_at) WHERE pinned_at IS NOT NULL;
CREATE INDEX message_expiring ON message (expires_at) WHERE expires_at IS NOT NULL;

-- What one person has done with one message: one row, one join for whoever looks.
CREATE TABLE message_mine (
	user_id         bigint      NOT NULL,
	conversation_id bigint      NOT NULL,
	seq             bigint      NOT NULL,
	starred_at      timestamptz,
	hidden_at       timestamptz,                                 -- deleted for me
	reactions       text[],                                      -- my emoji; null: none
	reacted_at      timestamptz,
	votes           smallint[],                                  -- options of a poll, from 0; null: none
	voted_at        timestamptz,
	PRIMARY KEY (user_id, conversation_id, seq)
);
CREATE INDEX message_mine_starred ON message_mine (user_id, starred_at, conversation_id, seq) WHERE starred_at IS NOT NULL;
CREATE INDEX message_mine_said ON message_mine (conversation_id, seq, user_id) WHERE reactions IS NOT NULL OR votes IS NOT NULL;

CREATE TABLE message_revision (
	conversation_id bigint      NOT NULL,
	seq             bigint      NOT NULL,
	version         integer     NOT NULL,                        -- the version that had this content
	content         text,
	mentions        jsonb,
	created_at      timestamptz NOT NULL,                        -- when it was said, or edited to this
	PRIMARY KEY (conversation_id, seq, version)
);

-- When marks moved: at most one row per member and 10 seconds.
CREATE TABLE mark_advance (
	conversation_id bigint      NOT NULL,
	user_id         bigint      NOT NULL,
	slot            bigint      NOT NULL,                        -- seconds since 1970 / 10
	at              timestamptz NOT NULL DEFAULT now(),
	receipt_seq     bigint      NOT NULL,
	delivered_seq   bigint      NOT NULL,
	PRIMARY KEY (conversation_id, user_id, slot)
);
CREATE INDEX mark_advance_at ON mark_advance (at);

CREATE TABLE scheduled_message (
	id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id         bigint      NOT NULL,
	conversation_id bigint      NOT NULL,
	client_id       text        NOT NULL,
	message         jsonb       NOT NULL,                        -- what message_send() is to be told
	send_at         timestamptz NOT NULL,
	failed_at       timestamptz,                                 -- kept, with the code of the refusal
	failure         text,
	created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX scheduled_message_due ON scheduled_message (send_at) WHERE failed_at IS NULL;
CREATE INDEX scheduled_message_owner ON scheduled_message (user_id, send_at, id);

-- A key leads to a message, or to one that is still to be sent.
ALTER TABLE message_key ALTER COLUMN seq DROP NOT NULL, ADD COLUMN scheduled_id bigint,
	ADD CHECK (seq IS NOT NULL OR scheduled_id IS NOT NULL);

-- Keys of other creating requests, kept 24 hours.
CREATE TABLE request_key (
	user_id      bigint      NOT NULL,
	route        text        NOT NULL,
	key          text        NOT NULL,
	request_hash bytea       NOT NULL,
	result_id    bigint      NOT NULL,
	created_at   timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (user_id, route, key)
);
CREATE INDEX request_key_created ON request_key (created_at);

-- The log names what an event is about: never content. detail: an emoji, or what changed.
ALTER TABLE event ADD COLUMN target_user bigint, ADD COLUMN detail text CHECK (octet_length(detail) <= 200);
ALTER TABLE user_event ADD COLUMN target_id bigint;              -- the person blocked, the scheduled message

-- Takes the next rev of a conversation, whose row stays locked, and writes its event.
CREATE FUNCTION event_rev(p_conversation bigint, p_kind smallint, p_actor bigint, p_target_seq bigint, p_target_user bigint, p_detail text,
	OUT o_seq bigint, OUT o_rev bigint) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE conversation c SET last_rev = c.last_rev + 1, last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation RETURNING c.last_seq, c.last_rev INTO o_seq, o_rev;
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq, target_user, detail)
	VALUES (p_conversation, o_seq + o_rev, o_seq, o_rev, p_kind, p_actor, p_target_seq, p_target_user, p_detail);
END $$;

-- Takes the next number of a person's own stream.
CREATE FUNCTION event_user(p_user bigint, p_kind smallint, p_conversation bigint, p_target_seq bigint, p_target_id bigint,
	OUT o_user_rev bigint) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE users SET last_user_rev = last_user_rev + 1 WHERE id = p_user RETURNING last_user_rev INTO o_user_rev;
	INSERT INTO user_event (user_id, user_rev, kind, conversation_id, target_seq, target_id)
	VALUES (p_user, o_user_rev, p_kind, p_conversation, p_target_seq, p_target_id);
END $$;

-- A system message, by whoever caused it; the conversation's row stays locked. It moves nobody's marks.
CREATE FUNCTION message_system(p_conversation bigint, p_actor bigint, p_system jsonb, OUT o_seq bigint, OUT o_rev bigint)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE conversation c SET last_seq = c.last_seq + 1, updated_at = now(), last_xid = pg_current_xact_id()
	WHERE c.id = p_conversation RETURNING c.last_seq, c.last_rev INTO o_seq, o_rev;
	INSERT INTO message (conversation_id, seq, sender_id, kind, extra) VALUES (p_conversation, o_seq, p_actor, 9, p_system);
	INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq)
	VALUES (p_conversation, o_seq + o_rev, o_seq, o_rev, 1, p_actor, o_seq);
END $$;

-- Whether either of two people blocks the other. In PL/pgSQL, like everything with a subquery: an SQL function that cannot be inlined is
-- parsed and planned again in each statement that calls it.
CREATE FUNCTION blocked(p_one bigint, p_other bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM block b WHERE b.user_id = p_one AND b.blocked_id = p_other)
	    OR EXISTS (SELECT FROM block b WHERE b.user_id = p_other AND b.blocked_id = p_one);
END $$;

-- Notes that a member's marks moved.
CREATE FUNCTION mark_note(p_conversation bigint, p_user bigint, p_receipt bigint, p_delivered bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO mark_advance AS a (conversation_id, user_id, slot, receipt_seq, delivered_seq)
	VALUES (p_conversation, p_user, floor(extract(epoch FROM now()) / 10)::bigint, p_receipt, p_delivered)
	ON CONFLICT (conversation_id, user_id, slot) DO UPDATE
	SET receipt_seq = greatest(a.receipt_seq, excluded.receipt_seq), delivered_seq = greatest(a.delivered_seq, excluded.delivered_seq),
	    at = excluded.at;
END $$;

REVOKE ALL ON FUNCTION event_rev(bigint, smallint, bigint, bigint, bigint, text), event_user(bigint, smallint, bigint, bigint, bigint),
	message_system(bigint, bigint, jsonb), mark_note(bigint, bigint, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_rev(bigint, smallint, bigint, bigint, bigint, text), event_user(bigint, smallint, bigint, bigint, bigint),
	message_system(bigint, bigint, jsonb), mark_note(bigint, bigint, bigint, bigint) TO peal;
GRANT SELECT, INSERT, UPDATE, DELETE ON block, message_mine, message_revision, mark_advance, scheduled_message, request_key TO peal;
GRANT DELETE ON message, message_key TO peal;
