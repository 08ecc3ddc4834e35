-- 0001_schema -- people, conversations, messages and the event log.
--
-- Everything belongs to peal_owner, who runs the migrations; the daemons connect as peal and have DML only. Both roles
-- exist before (docs/architecture.md). Columns that change with every message carry no index, so that updates stay HOT.

-- One row. A restore from a backup must change `epoch`, because positions are used again after it.
CREATE TABLE peal_meta (
	only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
	epoch       text        NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
	event_floor xid8        NOT NULL DEFAULT '0',  -- everything of transactions from here on is still in the log
	created_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO peal_meta DEFAULT VALUES;

CREATE TABLE users (
	id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	username      text        NOT NULL CHECK (username <> ''),
	username_key  text        COLLATE "C" NOT NULL GENERATED ALWAYS AS (lower(username)) STORED UNIQUE,
	display_name  text        NOT NULL,
	avatar_id     text,
	status_text   text,
	password_hash text,                            -- null: cannot sign in with a password
	last_user_rev bigint      NOT NULL DEFAULT 0,
	last_seen_at  timestamptz,
	created_at    timestamptz NOT NULL DEFAULT now(),
	disabled_at   timestamptz
) WITH (fillfactor = 80);
CREATE INDEX users_display_name ON users (lower(display_name) COLLATE "C");

CREATE TABLE session (
	id            uuid        PRIMARY KEY,
	user_id       bigint      NOT NULL REFERENCES users,
	generation    bigint      NOT NULL DEFAULT 1,
	current_hash  bytea       NOT NULL,
	previous_hash bytea,                           -- of the generation before, honoured for the grace after a rotation
	rotated_at    timestamptz NOT NULL DEFAULT now(),
	created_at    timestamptz NOT NULL DEFAULT now(),
	last_used_at  timestamptz NOT NULL DEFAULT now(),
	expires_at    timestamptz NOT NULL,
	ended_at      timestamptz,
	user_agent    text
) WITH (fillfactor = 80);
CREATE INDEX session_owner ON session (user_id);

CREATE TABLE conversation (
	id                bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind              smallint    NOT NULL CHECK (kind IN (1, 2)),   -- 1 direct, 2 group
	name              text,
	avatar_id         text,
	history_all       boolean     NOT NULL DEFAULT false,
	created_by        bigint      NOT NULL,
	direct_low        bigint,
	direct_high       bigint,
	participant_count integer     NOT NULL,
	first_seq         bigint      NOT NULL DEFAULT 1,
	last_seq          bigint      NOT NULL DEFAULT 0,
	last_rev          bigint      NOT NULL DEFAULT 0,
	last_xid          xid8        NOT NULL DEFAULT pg_current_xact_id(), -- of the last durable event
	created_at        timestamptz NOT NULL DEFAULT now(),
	updated_at        timestamptz NOT NULL DEFAULT now(),                -- last activity
	CHECK ((kind = 1) = (direct_low IS NOT NULL AND direct_high IS NOT NULL AND direct_low <= direct_high))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX conversation_direct ON conversation (direct_low, direct_high) WHERE kind = 1;

CREATE TABLE member (
	user_id         bigint      NOT NULL REFERENCES users,
	conversation_id bigint      NOT NULL REFERENCES conversation,
	role            smallint    NOT NULL DEFAULT 1 CHECK (role IN (1, 2, 3)),     -- 1 member, 2 admin, 3 owner
	joined_seq      bigint      NOT NULL DEFAULT 0,    -- the conversation's last_seq when I came
	read_seq        bigint      NOT NULL DEFAULT 0,    -- mine
	receipt_seq     bigint      NOT NULL DEFAULT 0,    -- what others may see of it
	delivered_seq   bigint      NOT NULL DEFAULT 0,
	unread_from     bigint,
	mark_xid        xid8        NOT NULL DEFAULT pg_current_xact_id(), -- of the last change of a mark
	hidden          boolean     NOT NULL DEFAULT false,
	notify          smallint    NOT NULL DEFAULT 1 CHECK (notify IN (1, 2, 3)),   -- 1 all, 2 mentions, 3 none
	muted_until     timestamptz,
	archived        boolean     NOT NULL DEFAULT false,
	pinned          boolean     NOT NULL DEFAULT false,
	joined_at       timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (user_id, conversation_id),
	CHECK (receipt_seq <= read_seq)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX member_conversation ON member (conversation_id, user_id);

-- No foreign keys and no second index: the row is written under the conversation's lock, on the path of every send.
CREATE TABLE message (
	conversation_id bigint      NOT NULL,
	seq             bigint      NOT NULL,
	sender_id       bigint      NOT NULL,
	kind            smallint    NOT NULL,             -- enum message_kind
	version         integer     NOT NULL DEFAULT 1,
	rev             bigint      NOT NULL DEFAULT 0,
	reply_seq       bigint,
	client_id       text,
	content         text,
	mentions        jsonb,                            -- null: none
	created_at      timestamptz NOT NULL DEFAULT now(),
	edited_at       timestamptz,
	deleted_at      timestamptz,                      -- for all; content and mentions are gone then
	PRIMARY KEY (conversation_id, seq)
) WITH (fillfactor = 95, autovacuum_vacuum_insert_scale_factor = 0.02);

-- Idempotency keys live as long as their message, and at least 30 days.
CREATE TABLE message_key (
	conversation_id bigint      NOT NULL,
	sender_id       bigint      NOT NULL,
	client_id       text        NOT NULL,
	seq             bigint      NOT NULL,
	request_hash    bytea       NOT NULL,
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (conversation_id, sender_id, client_id)
);

-- The log: one thin row per durable event, written in the transaction that holds the data. References, never content.
CREATE TABLE event (
	conversation_id bigint      NOT NULL,
	position        bigint      NOT NULL,             -- seq + rev, dense in the conversation
	seq             bigint      NOT NULL,             -- both after the event
	rev             bigint      NOT NULL,
	kind            smallint    NOT NULL,             -- enum event_kind
	actor_id        bigint      NOT NULL,
	target_seq      bigint,
	xid             xid8        NOT NULL DEFAULT pg_current_xact_id(),
	at              timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (at);
CREATE INDEX event_place ON event (conversation_id, position);
CREATE INDEX event_xid ON event (xid);
CREATE TABLE event_default PARTITION OF event DEFAULT;

CREATE TABLE user_event (
	user_id         bigint      NOT NULL,
	user_rev        bigint      NOT NULL,             -- dense per user
	kind            smallint    NOT NULL,             -- enum user_event_kind
	conversation_id bigint,
	target_seq      bigint,
	xid             xid8        NOT NULL DEFAULT pg_current_xact_id(),
	at              timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (at);
CREATE INDEX user_event_place ON user_event (user_id, user_rev);
CREATE INDEX user_event_xid ON user_event (xid);
CREATE TABLE user_event_default PARTITION OF user_event DEFAULT;

-- Makes one table's partition of one UTC day. Rows of that day that fell into the default partition move along.
CREATE FUNCTION event_partition(p_table text, p_day date) RETURNS boolean
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
	v_name text := p_table || '_' || to_char(p_day, 'YYYYMMDD');
	v_from timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
	v_to   timestamptz := (p_day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
	IF to_regclass(v_name) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', v_name, p_table);
	EXECUTE format('WITH moved AS (DELETE FROM %I WHERE at >= $1 AND at < $2 RETURNING *) INSERT INTO %I SELECT * FROM moved',
	               p_table || '_default', v_name) USING v_from, v_to;
	EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_table, v_name, v_from, v_to);
	RETURN true;
END $$;

-- Makes the partitions of `p_days` days from `p_from` on; those that exist are left alone. Returns how many were made.
CREATE FUNCTION event_partitions(p_from date, p_days integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
	v_made integer := 0;
	v_day  date;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('peal event_partitions', 0));
	FOR v_day IN SELECT p_from + n FROM generate_series(0, p_days - 1) AS n LOOP
		v_made := v_made + event_partition('event', v_day)::integer + event_partition('user_event', v_day)::integer;
	END LOOP;
	RETURN v_made;
END $$;

-- Drops what lies before a UTC day and remembers from which transaction on the log is complete. Returns the tables dropped.
CREATE FUNCTION event_drop_before(p_day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
	v_until   timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
	v_table   text;
	v_name    text;
	v_last    xid8;
	v_highest xid8 := '0';
	v_dropped integer := 0;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('peal event_partitions', 0));
	FOREACH v_table IN ARRAY ARRAY['event', 'user_event'] LOOP
		FOR v_name IN
			SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = v_table::regclass AND c.relname ~ '_[0-9]{8}$'
			  AND to_date(right(c.relname, 8), 'YYYYMMDD') < p_day
			ORDER BY c.relname
		LOOP
			EXECUTE format('SELECT max(xid) FROM %I', v_name) INTO v_last;
			v_highest := greatest(v_highest, v_last);
			EXECUTE format('DROP TABLE %I', v_name);
			v_dropped := v_dropped + 1;
		END LOOP;
		EXECUTE format('WITH gone AS (DELETE FROM %I WHERE at < $1 RETURNING xid) SELECT max(xid) FROM gone', v_table || '_default')
			INTO v_last USING v_until;
		v_highest := greatest(v_highest, v_last);
	END LOOP;
	UPDATE peal_meta SET event_floor = (v_highest::text::numeric + 1)::text::xid8 WHERE event_floor <= v_highest AND v_highest > '0';
	RETURN v_dropped;
END $$;

SELECT event_partitions((now() AT TIME ZONE 'UTC')::date, 8);

REVOKE ALL ON FUNCTION event_partition(text, date), event_partitions(date, integer), event_drop_before(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION event_partitions(date, integer), event_drop_before(date) TO peal;
GRANT SELECT ON peal_meta TO peal;
GRANT SELECT, INSERT, UPDATE ON users, conversation, message TO peal;
GRANT SELECT, INSERT, UPDATE, DELETE ON session, member TO peal;
GRANT SELECT, INSERT ON message_key, event, user_event TO peal;
