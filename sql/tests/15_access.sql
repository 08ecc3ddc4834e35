-- Bots, access tokens, and a log that only grows.
BEGIN;
SELECT plan(25);
SELECT table_privs_are('public', 'audit', 'peal', ARRAY['SELECT', 'INSERT']);
SELECT table_privs_are('public', 'access_token', 'peal', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']);

INSERT INTO users (username, display_name) VALUES ('ann', 'Ann'), ('bob', 'Bob');
CREATE FUNCTION pg_temp.id(p_name text) RETURNS bigint LANGUAGE sql AS 'SELECT id FROM users WHERE username = p_name';
SET LOCAL ROLE peal;

SELECT ok(bot_create(pg_temp.id('ann'), 'robo', 'Robo', 2) > 0, 'a bot');
SELECT is((SELECT row(u.bot, u.owner_id, u.password_hash)::text FROM users u WHERE u.username = 'robo'),
	row(true, pg_temp.id('ann'), NULL::text)::text, 'hers, without a password');
SELECT throws_ok('SELECT bot_create(pg_temp.id(''robo''), ''robo2'', ''x'', 2)', 'PE403', NULL, 'bots make no bots');
SELECT throws_ok('SELECT bot_create(pg_temp.id(''ann''), ''robo'', ''x'', 2)', '23505', NULL, 'a name that is taken');
SELECT ok(bot_create(pg_temp.id('ann'), 'second', 'x', 2) > 0, 'another');
SELECT throws_ok('SELECT bot_create(pg_temp.id(''ann''), ''third'', ''x'', 2)', 'PE4M1', NULL, 'one too many');
SELECT throws_ok('UPDATE users SET password_hash = ''x'' WHERE username = ''robo''', '23514', NULL, 'a bot has no password');
SELECT throws_ok('UPDATE users SET site_role = 2 WHERE username = ''robo''', '23514', NULL, 'nor a role');

CREATE FUNCTION pg_temp.make(p_me text, p_user text, p_scopes text, p_days bigint, p_most bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT access_token_create(pg_temp.id(p_me), pg_temp.id(p_user), 'x', sha256(gen_random_uuid()::text::bytea), p_scopes, p_days, p_most)
$$;
SELECT ok(pg_temp.make('ann', 'ann', 'messages:read', 1, 2) > 0, 'a token of mine');
SELECT ok(pg_temp.make('ann', 'robo', 'messages:read', NULL, 2) > 0, 'one of my bot, for ever');
SELECT throws_ok('SELECT pg_temp.make(''ann'', ''ann'', ''messages:read'', NULL, 2)', 'PE400', NULL, 'mine must end');
SELECT throws_ok('SELECT pg_temp.make(''bob'', ''robo'', ''messages:read'', 1, 2)', 'PE404', NULL, 'not of another''s bot');
SELECT throws_ok('SELECT pg_temp.make(''bob'', ''ann'', ''messages:read'', 1, 2)', 'PE404', NULL, 'nor of another');
SELECT throws_ok('SELECT pg_temp.make(''ann'', ''ann'', ''admin:read'', 1, 2)', 'PE403', NULL, 'no role, no such scope');
SELECT ok(pg_temp.make('ann', 'ann', 'messages:read', 1, 2) > 0, 'the second');
SELECT throws_ok('SELECT pg_temp.make(''ann'', ''ann'', ''messages:read'', 1, 2)', 'PE4M1', NULL, 'one too many');
SELECT ok((SELECT bool_and(substr(t.session_id::text, 15, 1) = '8') FROM access_token t), 'their sessions are of version 8');

UPDATE access_token SET revoked_at = now() WHERE user_id = pg_temp.id('robo');
SELECT is((SELECT count(*) FROM revocation r WHERE r.user_id = pg_temp.id('robo')), 1::bigint, 'what is revoked is told');
SELECT ok(pg_temp.make('ann', 'robo', 'messages:read', NULL, 2) > 0, 'another one of the bot');
UPDATE users SET disabled_at = now() WHERE username = 'ann';
SELECT is((SELECT count(*) FROM revocation r WHERE r.user_id = pg_temp.id('robo')), 2::bigint, 'and that the owner of a bot was disabled');

SELECT audit_note(pg_temp.id('bob'), 'user.disable', 'user', '1', 'ann', '{"address": "192.0.2.1", "request_id": "x"}', NULL);
SELECT is((SELECT row(a.actor, a.act, a.target, a.address)::text FROM audit a), row('bob', 'user.disable', 'ann', '192.0.2.1')::text, 'noted');
SELECT throws_ok('UPDATE audit SET actor = ''x''', '42501', NULL, 'the daemons may not change it');
RESET ROLE;
SELECT throws_ok('DELETE FROM audit', 'P0001', NULL, 'nor may its owner');
SELECT * FROM finish();
ROLLBACK;
