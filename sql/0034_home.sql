-- 0034_home -- a database that comes out of a dump.
--
-- The log is in the order of transaction numbers, and those belong to a cluster. A dump carries them into another one, which may have given
-- out far fewer: what lies ahead of it would be told, indexed and notified once more when it has come so far, and nothing new before that.
-- And positions that clients know are given out again. So a database knows where its numbers were given.

-- The cluster, and the table itself: a dump makes that anew, also when it is restored where it was made.
CREATE FUNCTION log_home() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT s.system_identifier || '/' || 'peal_meta'::regclass::oid FROM pg_control_system() s
$$;

-- Names a state of the numbering. A restore (another home), a promotion (another timeline) or a new peal_meta.epoch begins another one.
CREATE OR REPLACE FUNCTION log_epoch() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT left(encode(sha256(convert_to(m.epoch || '/' || log_home() || '/'
	            || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 'UTF8')), 'hex'), 16)
	FROM peal_meta m
$$;

-- Where transaction numbers are kept.
CREATE FUNCTION number_columns(OUT place regclass, OUT name name) RETURNS SETOF record LANGUAGE sql STABLE AS $$
	SELECT a.attrelid, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	WHERE a.atttypid = 'xid8'::regtype AND NOT a.attisdropped AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
$$;

-- Are there numbers that this cluster has not given out? What this transaction itself has written does not count.
CREATE FUNCTION numbers_ahead() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_column record;
	v_last   xid8;
BEGIN
	FOR v_column IN SELECT * FROM number_columns() LOOP
		EXECUTE format('SELECT max(%I) FROM %s', v_column.name, v_column.place) INTO v_last;
		IF v_last >= pg_snapshot_xmax(pg_current_snapshot()) AND v_last IS DISTINCT FROM pg_current_xact_id_if_assigned() THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;

-- A dump from before this migration says nothing of where it is from: its numbers do, if they are too high. Looked at first, since all who
-- read the log wait for peal_meta.
SELECT set_config('peal.home', CASE WHEN numbers_ahead() THEN '' ELSE log_home() END, true);
ALTER TABLE peal_meta ADD COLUMN home text NOT NULL DEFAULT '';  -- log_home() of where the numbers were given
UPDATE peal_meta SET home = current_setting('peal.home');

-- Every connection of a daemon begins with it.
CREATE FUNCTION home_confirm() RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM FROM peal_meta m WHERE m.home = log_home();
	IF NOT FOUND THEN
		RAISE SQLSTATE '55000' USING MESSAGE = 'this database was restored from a dump: run pealctl migrate';
	END IF;
END $$;

-- Makes the database at home here, while nobody else writes. When its numbers do not fit, all of them are replaced by a few that are
-- lower than any cluster gives to us (initdb itself takes hundreds). What is kept is on which side of the places that somebody has come to
-- each one lies, and of the last thousand events, with which peal-jobs begins. Returns how many rows were written.
CREATE FUNCTION home_move() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	v_places  xid8[];
	v_column  record;
	v_n       bigint;
	v_written bigint := 0;
BEGIN
	IF numbers_ahead() THEN
		v_places := ARRAY(SELECT DISTINCT x.xid FROM (
			SELECT s.xid FROM search_state s UNION ALL SELECT s.rebuilt_xid FROM search_state s UNION ALL SELECT p.xid FROM push_state p
			UNION ALL SELECT t.event_floor FROM peal_meta t
			UNION ALL SELECT min(e.xid) FROM (SELECT e.xid FROM event e ORDER BY e.xid DESC LIMIT 1000) e
			UNION ALL SELECT min(e.xid) FROM (SELECT e.xid FROM user_event e ORDER BY e.xid DESC LIMIT 1000) e) x
			WHERE x.xid IS NOT NULL ORDER BY x.xid);
		FOR v_column IN SELECT * FROM number_columns() LOOP
			EXECUTE format('UPDATE %s SET %2$I = (10 + width_bucket(%2$I, $1))::text::xid8', v_column.place, v_column.name) USING v_places;
			GET DIAGNOSTICS v_n = ROW_COUNT;
			v_written := v_written + v_n;
		END LOOP;
	END IF;
	UPDATE peal_meta SET home = log_home();
	RETURN v_written;
END $$;

REVOKE ALL ON FUNCTION log_home(), number_columns(), numbers_ahead(), home_confirm(), home_move() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_home(), home_confirm() TO peal;
