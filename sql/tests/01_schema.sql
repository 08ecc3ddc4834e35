-- What the daemons' role may do, and the day partitions of the log.
BEGIN;
SELECT plan(32);

SELECT tables_are('public', ARRAY['peal_meta', 'users', 'session', 'conversation', 'member', 'message', 'message_key', 'event',
	'user_event', 'event_default', 'user_event_default', 'schema_migration', 'attachment', 'attachment_use', 'media_usage',
	'block', 'mark_advance', 'message_mine', 'message_revision', 'request_key', 'scheduled_message',
	'message_search', 'message_search_1', 'search_slice', 'search_state', 'search_gone', 'directory_word', 'identity',
	'revocation', 'access_token', 'audit', 'report', 'totp', 'recovery_code', 'passkey', 'challenge_used', 'call', 'erasure', 'erased_name',
	'push_target', 'push_due', 'push_state', 'export']
	|| ARRAY(SELECT t || to_char((now() AT TIME ZONE 'UTC')::date + n, '_YYYYMMDD') FROM unnest(ARRAY['event', 'user_event']) t, generate_series(0, 7) n));
SELECT table_privs_are('public', 'peal_meta', 'peal', ARRAY['SELECT']);
SELECT table_privs_are('public', 'users', 'peal', ARRAY['SELECT', 'INSERT', 'UPDATE']);
SELECT table_privs_are('public', 'conversation', 'peal', ARRAY['SELECT', 'INSERT', 'UPDATE']);
SELECT table_privs_are('public', 'message', 'peal', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
SELECT table_privs_are('public', 'session', 'peal', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
SELECT table_privs_are('public', 'member', 'peal', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
SELECT table_privs_are('public', 'message_key', 'peal', ARRAY['SELECT', 'INSERT', 'DELETE']);
SELECT table_privs_are('public', 'event', 'peal', ARRAY['SELECT', 'INSERT']);
SELECT table_privs_are('public', 'report', 'peal', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
SELECT table_privs_are('public', 'user_event', 'peal', ARRAY['SELECT', 'INSERT']);
SELECT schema_privs_are('public', 'peal', ARRAY['USAGE']);
SELECT function_privs_are('public', 'message_send', ARRAY['bigint', 'bigint', 'text', 'bytea', 'smallint', 'text', 'jsonb', 'bigint', 'jsonb',
	'jsonb', 'bigint', 'bigint', 'bigint', 'boolean'], 'peal', ARRAY['EXECUTE']);
SELECT function_privs_are('public', 'event_partitions', ARRAY['date', 'integer'], 'peal', ARRAY['EXECUTE']);
SELECT function_privs_are('public', 'event_partition', ARRAY['text', 'date'], 'peal', ARRAY[]::text[]);

-- Volatile columns carry no index: a send is a HOT update of the conversation and of the sender's membership.
SELECT indexes_are('public', 'conversation', ARRAY['conversation_pkey', 'conversation_direct', 'conversation_ageing']);
SELECT indexes_are('public', 'member', ARRAY['member_pkey', 'member_conversation']);
SELECT indexes_are('public', 'message', ARRAY['message_pkey', 'message_pinned', 'message_expiring']);

SET LOCAL ROLE peal;
SELECT throws_ok('DELETE FROM conversation', '42501');
SELECT throws_ok('UPDATE event SET kind = 1', '42501');
SELECT throws_ok('UPDATE peal_meta SET epoch = ''x''', '42501');
SELECT matches(log_epoch(), '^[0-9a-f]{16}$', 'the role may ask for the epoch');

SELECT is(event_partitions((now() AT TIME ZONE 'UTC')::date, 8), 0, 'the first week is there already');
INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, at) VALUES (77, 1, 0, 1, 2, 1, '2031-05-05 12:00+00');
SELECT is((SELECT tableoid::regclass::text FROM event WHERE conversation_id = 77), 'event_default', 'a day without a partition');
SELECT is(event_partitions('2031-05-04', 3), 6, 'three days of both tables');
SELECT is((SELECT tableoid::regclass::text FROM event WHERE conversation_id = 77), 'event_20310505', 'the row has moved');
SELECT is(event_partitions('2031-05-04', 3), 0, 'again: nothing');
RESET ROLE;
SELECT ok(EXISTS (SELECT FROM pg_indexes WHERE tablename = 'event_20310505' AND indexdef LIKE '%(conversation_id, "position")%'),
	'a new partition has the index by place');

SELECT is(event_drop_before('2020-01-01'), 0, 'nothing is that old');
SELECT is((SELECT event_floor FROM peal_meta), '0'::xid8, 'and the log is complete');
SELECT is(event_drop_before('2031-05-06'), 20, 'ten days of both tables');
SELECT is((SELECT event_floor FROM peal_meta), (pg_current_xact_id()::text::bigint + 1)::text::xid8, 'the log is complete after what was dropped');
SELECT * FROM finish();
ROLLBACK;
