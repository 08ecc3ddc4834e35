-- Keys of requests that may be repeated.
BEGIN;
SELECT plan(7);
SELECT is((SELECT row(r.*)::text FROM request_take(1, '/x', 'k', '\x01') r), '(t,,)', 'a new key');
UPDATE request_key SET made = '12' WHERE user_id = 1;
SELECT is((SELECT row(r.*)::text FROM request_take(1, '/x', 'k', '\x01') r), '(f,12,)', 'the same request: what came of it');
SELECT throws_ok($$SELECT request_take(1, '/x', 'k', '\x02')$$, 'PE422', NULL, 'another request');
SELECT is((SELECT row(r.*)::text FROM request_take(2, '/x', 'k', '\x02') r), '(t,,)', 'a key belongs to its person');
SELECT is((SELECT row(r.*)::text FROM request_take(1, '/y', 'k', '\x02') r), '(t,,)', 'and to its route');
UPDATE request_key SET created_at = now() - interval '23 hours 59 minutes';
SELECT is((SELECT o_new FROM request_take(1, '/x', 'k', '\x01')), false, 'known for a day');
UPDATE request_key SET created_at = now() - interval '24 hours 1 second';
SELECT is((SELECT row(r.*)::text FROM request_take(1, '/x', 'k', '\x02') r), '(t,,)', 'and no longer, whether it was removed yet or not');
SELECT * FROM finish();
ROLLBACK;
