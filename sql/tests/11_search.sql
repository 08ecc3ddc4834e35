-- The search index: what is written where, by whom; slices; the order of places; what has gone.
BEGIN;
SELECT plan(39);
CREATE FUNCTION pg_temp.at(n integer) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$ SELECT timestamptz '2026-01-01 00:00Z' + n * interval '1 second' $$;
CREATE FUNCTION pg_temp.us(n integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT (extract(epoch FROM pg_temp.at(n)) * 1000000)::bigint $$;
-- one row written by an indexer that was at p_from and is at p_to
CREATE FUNCTION pg_temp.write(p_c integer, p_s integer, p_at integer, p_terms text, p_from bigint, p_to bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT search_write(ARRAY[p_c], ARRAY[p_s], ARRAY[coalesce(pg_temp.us(p_at), 0)], p_terms, p_from, p_to, NULL, NULL, 1) $$;
CREATE FUNCTION pg_temp.found(p_terms text, p_conversations bigint[], p_limit bigint DEFAULT 10, p_before integer DEFAULT 1000000, p_c bigint DEFAULT 0,
	p_s bigint DEFAULT 0, p_from integer DEFAULT 0, p_budget bigint DEFAULT 1000) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(CASE WHEN o_found THEN o_conversation_id || '.' || o_seq ELSE CASE WHEN o_at IS NULL THEN 'end' ELSE 'more' END END, ' ')
	FROM search_places(p_terms, p_conversations, pg_temp.at(p_from), pg_temp.at(p_before), p_c, p_s, p_limit, p_budget) $$;
UPDATE search_state SET xid = '100', rebuild_asked_at = NULL;
SET LOCAL ROLE peal;

-- writing
SELECT is(pg_temp.write(1, 1, 10, '''one'' ''#1''', 100, 110), 1::bigint, 'one row is new');
SELECT is((SELECT xid::text FROM search_state), '110', 'and the place has moved');
SELECT throws_ok($$ SELECT search_write('{}', '{}', '{}', '', 100, 120, NULL, NULL, 0) $$, '40001', NULL, 'whoever comes from another place is told so');
SELECT is(pg_temp.write(1, 1, 10, '''one'' ''#1''', 110, 111), 0::bigint, 'the same again: no new row');
SELECT is((SELECT terms::text FROM message_search), '''#1'' ''one''', 'as it was');
SELECT is(pg_temp.write(1, 1, 10, '''two'' ''#1''', 111, 112), 0::bigint, 'an edit: no new row');
SELECT is((SELECT terms::text FROM message_search), '''#1'' ''two''', 'other terms');
SELECT is(pg_temp.write(1, 1, NULL, '', 112, 113), 0::bigint, 'nothing to be found any more');
SELECT is((SELECT count(*) FROM message_search), 0::bigint, 'it is gone');
SELECT throws_ok($$ SELECT search_write('{}', '{}', '{}', '', NULL, NULL, 1, 1, 0) $$, '40001', NULL, 'a rebuild that nobody asked for');

-- a rebuild
UPDATE search_state SET rebuild_asked_at = now();
SELECT is(search_write('{1}', '{2}', ARRAY[pg_temp.us(20)], '''word''', NULL, NULL, 1, 2, 1), 1::bigint, 'a row of a rebuild');
SELECT is((SELECT row(rebuild_conversation, rebuild_seq, rebuilt, rebuild_asked_at IS NULL, xid)::text FROM search_state), '(1,2,1,f,113)', 'how far it is');
SELECT is(search_write('{}', '{}', '{}', '', NULL, NULL, NULL, NULL, 0), 0::bigint, 'its end');
SELECT is((SELECT row(rebuild_conversation, rebuild_seq, rebuilt, rebuild_asked_at IS NULL, rebuilt_at = now())::text FROM search_state), '(0,0,1,t,t)', 'is written down');

-- places
SELECT search_write(array_agg(c), array_agg(s), array_agg(pg_temp.us(100 + s)),
	string_agg(format('''word'' ''#%s'' ''prefix%s''', c, s), E'\x1e'), 113, 114, NULL, NULL, 1)
FROM generate_series(1, 2) c, generate_series(3, 5) s;
SELECT is(pg_temp.found('word', '{1,2}'), '2.5 1.5 2.4 1.4 2.3 1.3 1.2 end', 'newest first, then by conversation');
SELECT is(pg_temp.found('word', '{2}'), '2.5 2.4 2.3 end', 'of one conversation');
SELECT is(pg_temp.found('word & ''#1''', '{1,2}'), '1.5 1.4 1.3 end', 'a term for a conversation');
SELECT is(pg_temp.found('word', '{1,2}', 3), '2.5 1.5 2.4', 'as many as asked for');
SELECT is(pg_temp.found('word', '{1,2}', 3, 104, 2, 4), '1.4 2.3 1.3', 'after a place');
SELECT is(pg_temp.found('word', '{1,2}', 3, 104), '2.3 1.3 1.2', 'before a time');
SELECT is(pg_temp.found('word', '{1,2}', 10, 1000000, 0, 0, 104), '2.5 1.5 2.4 1.4 end', 'not before a time');
SELECT is(pg_temp.found('prefi:* & word', '{1}'), '1.5 1.4 1.3 end', 'a prefix');
SELECT is(pg_temp.found('nothing', '{1,2}'), 'end', 'nothing');
SELECT is(pg_temp.found('word', '{1,2}', 10, 1000000, 0, 0, 0, 0), 'more', 'no time: where to go on');

-- a batch of a row that is new, one that has changed, one that has not, and one that has gone
SAVEPOINT batch;
SELECT is(search_write('{1,1,2,2}', '{9,3,3,4}', ARRAY[pg_temp.us(200), pg_temp.us(103), pg_temp.us(103), 0],
	concat_ws(E'\x1e', '''word''', '''other''', '''#2'' ''prefix3'' ''word''', ''), 114, 115, NULL, NULL, 4), 1::bigint, 'one of them is new');
SELECT is(pg_temp.found('word', '{1,2}'), '1.9 2.5 1.5 1.4 2.3 1.2 end', 'all of them are as they are now');
SELECT is(pg_temp.found('other', '{1,2}'), '1.3 end', 'with its other word');
ROLLBACK TO batch;

-- the first of a batch are new since the log was read last: not looked for, unless a rebuild may have found them
CREATE FUNCTION pg_temp.new(p_from bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT search_write('{1,1}', '{2,3}', ARRAY[pg_temp.us(20), pg_temp.us(103)], concat_ws(E'\x1e', '''word''', '''other'''),
		p_from, p_from + 1, NULL, NULL, 2, 1) $$;
SELECT is(pg_temp.new(114), 0::bigint, 'one that a rebuild has seen is not written twice');
SELECT is(pg_temp.found('other', '{1}'), '1.3 end', 'and the other one has changed');
UPDATE search_state SET rebuilt_xid = '116';
SELECT is(pg_temp.new(115), 0::bigint, 'the rebuild ended after the log began');
UPDATE search_state SET rebuild_asked_at = now();
SELECT is(pg_temp.new(116), 0::bigint, 'another one has begun');
UPDATE search_state SET rebuild_asked_at = NULL;
SELECT is(pg_temp.new(117), 1::bigint, 'nobody else can have written it');
ROLLBACK TO batch;

-- slices
SELECT is(search_split(100), false, 'the newest slice is not full');
SELECT is(search_split(5), true, 'it is');
SELECT is((SELECT string_agg(from_at::text || (to_at = 'infinity')::text, ' ' ORDER BY from_at) FROM search_slice WHERE from_at = '-infinity' OR from_at = now()),
	'-infinityfalse ' || now()::text || 'true', 'another one begins now');
SELECT is(pg_temp.found('word', '{1,2}'), '2.5 1.5 2.4 1.4 2.3 1.3 1.2 end', 'the same is found');
SELECT is(search_cut(5), 0, 'an index with rows is not cut anew');

-- what goes
RESET ROLE;
INSERT INTO message (conversation_id, seq, sender_id, kind, content) VALUES (1, 3, 1, 1, 'word');
UPDATE message SET deleted_at = now(), content = NULL WHERE conversation_id = 1 AND seq = 3;
SET LOCAL ROLE peal;
SELECT is(search_forget(10), 1::bigint, 'what lost its content was noted');
SELECT is(pg_temp.found('word', '{1}'), '1.5 1.4 1.2 end', 'and is gone');
SELECT * FROM finish();
ROLLBACK;
