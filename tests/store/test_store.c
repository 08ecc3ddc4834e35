/*
 * test_store.c -- lib/store against a real PostgreSQL: PEAL_TEST_DATABASE is the connection string of the daemons'
 * role, of a database with all migrations and nothing else going on (tests/sql/test_store.py makes it).
 */
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/unit.h"
#include "base/bytes.h"
#include "base/conf.h"
#include "base/err.h"
#include "store/account.h"
#include "store/change.h"
#include "store/block.h"
#include "store/event.h"
#include "store/message.h"
#include "store/upkeep.h"

static struct db *db, *other; /* other: a second connection, for what happens at the same time */
static struct arena *arena;
static struct conf conf = { .marks_max_members = 32 };

/* ---- making things ---- */

static int64_t
person(void)
{
	static int n;
	struct user user;
	struct str name = arena_printf(arena, "p%d.%d", (int)getpid(), n++);

	assert_int_equal(account_create(db, arena, name, STR_NONE, STR_NONE, &user), 0);
	return user.id;
}

static int64_t
direct(int64_t a, int64_t b)
{
	struct conversation c;
	struct advance advance;
	bool created;

	assert_int_equal(conversation_start_direct(db, arena, a, b, &c, &created, &advance), 0);
	return c.id;
}

static int
try_say(struct db *on, int64_t who, int64_t where, struct str key, struct str text, int64_t reply, struct message_sent *ret)
{
	unsigned char hash[SHA256_BYTES];
	struct message_draft draft = { .client_id = key, .content = text, .kind = MESSAGE_TEXT, .reply_seq = reply };

	bytes_sha256(text, hash);
	draft.request_hash = str_n((const char *)hash, sizeof(hash));
	return message_send(on, arena, who, where, &draft, ret);
}

static struct message_sent
say(int64_t who, int64_t where, const char *text)
{
	static int n;
	struct message_sent sent;

	assert_int_equal(try_say(db, who, where, arena_printf(arena, "k%d", n++), str_c(text), 0, &sent), 0);
	return sent;
}

static void
sql(struct db *on, struct str text)
{
	struct buf error;
	int r;

	buf_init(&error, 1 << 16);
	r = db_exec_text(on, text.p, &error);
	if (r)
		print_error("%.*s: %.*s\n", STR_ARG(text), STR_ARG(buf_view(&error)));
	buf_deinit(&error);
	assert_int_equal(r, 0);
}

/* A group with these members from the beginning. */
static int64_t
group(size_t n, const int64_t *ids)
{
	struct stmt stmt = {
		.name = "test_group",
		.params = "iI",
		.results = "i",
		.text = "WITH v AS (INSERT INTO conversation (kind, name, created_by, participant_count) "
		        "VALUES (2, 'club', $1, cardinality($2::bigint[])) RETURNING id), "
		        "m AS (INSERT INTO member (user_id, conversation_id) SELECT u, v.id FROM v, unnest($2::bigint[]) u) "
		        "SELECT id FROM v"
	};
	struct db *bare = db_new_bare(getenv("PEAL_TEST_DATABASE"), "test");
	struct rows *rows;
	int64_t id;

	assert_int_equal(db_run(bare, arena, &stmt, ARGS(A_INT(ids[0]), A_IDS(ids, n)), &rows), 0);
	id = rows_int(rows, 0, 0);
	db_free(bare);
	return id;
}

static int
set_up(void **state)
{
	(void)state;
	arena = arena_new(64u << 20);
	db = db_new(getenv("PEAL_TEST_DATABASE"), "test_store", 2000);
	other = db_new(getenv("PEAL_TEST_DATABASE"), "test_store other", 2000);
	return db_connect(db) || db_connect(other);
}

static int
tear_down(void **state)
{
	(void)state;
	db_free(db);
	db_free(other);
	arena_free(arena);
	return 0;
}

/* ---- db ---- */

static void
test_statements_agree(void **state)
{
	struct buf report;
	size_t n;

	(void)state;
	buf_init(&report, 1 << 16);
	assert_int_equal(db_check(db, &report, &n), 0);
	assert_true(n > 30);
	buf_deinit(&report);
}

static void
test_values_there_and_back(void **state)
{
	struct stmt stmt = { .name = "echo",
		             .params = "inhsbtyjuINsNt",
		             .results = "inhsbtyjuINsNt",
		             .text = "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12" };
	const int64_t ids[] = { 1, -2, INT64_MAX };
	const struct arg args[] = { A_INT(INT64_MIN),
		                    A_INT(-7),
		                    A_INT(-300),
		                    A_STR(STR("h\303\251")),
		                    A_INT(1),
		                    A_INT(1767323045678123),
		                    A_STR(((struct str){ "\0\1\377", 3 })),
		                    A_STR(STR("{\"a\": [1]}")),
		                    A_STR(STR("0b7c5a9e-0d5e-4a44-9d3a-2f2a1c3b4d5e")),
		                    A_IDS(ids, 3),
		                    A_STR(STR_NONE),
		                    A_INT(0) };
	struct db *bare = db_new_bare(getenv("PEAL_TEST_DATABASE"), "test");
	const int64_t *back;
	struct rows *rows;
	size_t n;

	(void)state;
	assert_int_equal(db_run(bare, arena, &stmt, args, &rows), 0);
	assert_int_equal(rows_int(rows, 0, 0), INT64_MIN);
	assert_int_equal(rows_int(rows, 0, 1), -7);
	assert_int_equal(rows_int(rows, 0, 2), -300);
	assert_str(rows_str(rows, 0, 3), "h\303\251");
	assert_int_equal(rows_int(rows, 0, 4), 1);
	assert_int_equal(rows_int(rows, 0, 5), 1767323045678123);
	assert_true(str_eq(rows_str(rows, 0, 6), str_n("\0\1\377", 3)));
	assert_str(rows_str(rows, 0, 7), "{\"a\": [1]}");
	assert_str(rows_str(rows, 0, 8), "0b7c5a9e-0d5e-4a44-9d3a-2f2a1c3b4d5e");
	back = rows_ids(rows, arena, 0, 9, &n);
	assert_int_equal(n, 3);
	assert_memory_equal(back, ids, sizeof(ids));
	assert_true(rows_null(rows, 0, 10) && rows_null(rows, 0, 11));
	db_free(bare);
}

/* Kills the backend of `db` from another process after 200 ms. */
static pid_t
kill_backend_soon(int64_t pid)
{
	pid_t child = fork();

	if (!child) {
		struct db *killer = db_new_bare(getenv("PEAL_TEST_DATABASE"), "killer");
		struct buf error;

		buf_init(&error, 1000);
		usleep(200000);
		_exit(db_exec_text(killer, arena_printf(arena, "SELECT pg_terminate_backend(%lld)", (long long)pid).p,
		                   &error) != 0);
	}
	return child;
}

static int64_t
backend_pid(struct db *of)
{
	struct stmt stmt = { .name = "pid", .params = "", .results = "n", .text = "SELECT pg_backend_pid()" };
	struct rows *rows;

	assert_int_equal(db_run(of, arena, &stmt, NULL, &rows), 0);
	return rows_int(rows, 0, 0);
}

static void
test_a_lost_answer_is_uncertain_only_for_writes(void **state)
{
	struct stmt stmt = { .name = "sleep", .params = "", .results = "n", .text = "SELECT 1 FROM pg_sleep(3)" };
	struct db *bare = db_new_bare(getenv("PEAL_TEST_DATABASE"), "victim");
	struct rows *rows;
	int status;

	(void)state;
	for (int writes = 0; writes < 2; writes++) {
		pid_t child;

		usleep(150000); /* past the first spacing of attempts */
		child = kill_backend_soon(backend_pid(bare));
		stmt.writes = writes;
		assert_int_equal(db_run(bare, arena, &stmt, NULL, &rows), writes ? UNCERTAIN : UNAVAILABLE);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	db_free(bare);
}

static void
test_an_idle_connection_that_was_closed_is_replaced(void **state)
{
	struct db *mine = db_new(getenv("PEAL_TEST_DATABASE"), "idle", 2000);
	int64_t me = person();
	struct user user;
	struct stmt find = { .name = "find",
		             .params = "",
		             .results = "n",
		             .text = "SELECT pid FROM pg_stat_activity WHERE application_name = 'idle'" };
	struct db *bare = db_new_bare(getenv("PEAL_TEST_DATABASE"), "test");
	struct rows *rows;

	(void)state;
	assert_int_equal(account_get(mine, arena, me, &user), 0);
	assert_int_equal(db_run(bare, arena, &find, NULL, &rows), 0);
	sql(bare, arena_printf(arena, "SELECT pg_terminate_backend(%lld, 2000)", (long long)rows_int(rows, 0, 0)));
	assert_int_equal(account_get(mine, arena, me, &user), 0);
	assert_int_equal(db_generation(mine), 2);
	db_free(mine);
	db_free(bare);
}

static void
test_nobody_listening_is_unavailable_at_once(void **state)
{
	struct db *nowhere = db_new("host=/nonexistent dbname=peal", "nowhere", 2000);
	int64_t before = clock_mono_us();
	struct user user;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(account_get(nowhere, arena, 1, &user), UNAVAILABLE);
	assert_true(clock_mono_us() - before < 2000000);
	db_free(nowhere);
}

/* ---- accounts ---- */

static struct user
updated(int64_t user_id, struct profile_change change)
{
	struct profile_changed changed;

	assert_int_equal(account_update(db, arena, user_id, &change, &changed), 0);
	return changed.me.user;
}

static void
test_accounts(void **state)
{
	struct directory_place after = { 0 }, *places;
	struct user user, *found;
	struct str hash;
	size_t n;
	struct str name = arena_printf(arena, "Zoe%d", (int)getpid());

	(void)state;
	assert_int_equal(account_create(db, arena, name, STR("\303\211lan Vital"), STR("$argon2id$x"), &user), 0);
	assert_int_equal(account_create(db, arena, arena_printf(arena, "zOE%d", (int)getpid()), STR_NONE, STR_NONE, &user),
	                 USERNAME_TAKEN);
	assert_int_equal(account_password(db, arena, arena_printf(arena, "zoe%d", (int)getpid()), &user, &hash), 0);
	assert_str(hash, "$argon2id$x");
	assert_true(str_eq(user.username, name));
	assert_int_equal(account_password(db, arena, STR("nobody-at-all"), &user, &hash), NOT_FOUND);

	user = updated(user.id, (struct profile_change){ .status_text = STR("busy") });
	assert_str(user.display_name, "\303\211lan Vital");
	assert_str(user.status_text, "busy");
	user = updated(user.id, (struct profile_change){ .display_name = STR_NULL, .status_text = STR_NULL });
	assert_true(str_eq(user.display_name, name));
	assert_false(str_present(user.status_text));

	user = updated(user.id,
	               (struct profile_change){ .display_name = arena_printf(arena, "Quux%d Person", (int)getpid()) });
	assert_int_equal(directory_search(db, arena, user.id, arena_printf(arena, "pers qU\303\234X%d", (int)getpid()),
	                                  &after, 10, &found, &places, &n),
	                 0);
	assert_int_equal(n, 1);
	assert_int_equal(found[0].id, user.id);
	assert_true(str_eq(places[0].word, arena_printf(arena, "quux%d", (int)getpid())));
	after = places[0];
	assert_int_equal(directory_search(db, arena, user.id, arena_printf(arena, "quux%d", (int)getpid()), &after, 10,
	                                  &found, &places, &n),
	                 0);
	assert_int_equal(n, 0);
	after = (struct directory_place){ 0 };
	assert_int_equal(directory_search(db, arena, user.id, STR("p%"), &after, 10, &found, &places, &n),
	                 0); /* no wildcard */
	assert_int_equal(n, 0);
}

static int
begin(struct str id, int64_t user, const char *refresh_hash, int64_t expires_at)
{
	return session_begin(
	        db, arena,
	        &(struct session_start){
	                .id = id, .user_id = user, .refresh_hash = str_c(refresh_hash), .expires_at = expires_at });
}

static void
test_sessions(void **state)
{
	int64_t me = person(), later = clock_wall_us() + 3600000000, whose;
	struct str id = uuid_new(arena), gone = uuid_new(arena);
	const struct session_life life = { 7200, 0 }, idle = { 7200, 60 };
	struct session s;
	int64_t until;

	(void)state;
	assert_int_equal(begin(id, me, "hash one", later), 0);
	assert_int_equal(session_get(db, arena, id, &s), 0);
	assert_true(str_eq(s.id, id) && s.user_id == me && s.generation == 1);
	assert_false(str_present(s.previous_hash));
	assert_int_equal(session_rotate(db, arena, id, 1, STR("hash two"), &idle, &until), 0);
	assert_true(until > clock_wall_us() && until <= clock_wall_us() + 60000000);
	assert_int_equal(session_rotate(db, arena, id, 1, STR("hash three"), &life, &until), CONFLICT);
	assert_int_equal(session_get(db, arena, id, &s), 0);
	assert_str(s.current_hash, "hash two");
	assert_str(s.previous_hash, "hash one");
	assert_int_equal(session_check(db, arena, id, me), 0);
	assert_int_equal(session_check(db, arena, id, person()), UNAUTHENTICATED);
	assert_int_equal(session_end(db, arena, id, &whose), 0);
	assert_int_equal(whose, me);
	assert_int_equal(session_end(db, arena, id, &whose), 0);
	assert_int_equal(whose, 0);
	assert_int_equal(session_check(db, arena, id, me), UNAUTHENTICATED);
	assert_int_equal(session_get(db, arena, id, &s), NOT_FOUND);
	assert_int_equal(begin(gone, me, "h", clock_wall_us() - 1000000), 0);
	assert_int_equal(session_get(db, arena, gone, &s), NOT_FOUND);
}

/* ---- conversations ---- */

static void
test_list(void **state)
{
	int64_t me = person(), people[5], ids[5], statements;
	struct conversation_cursor cursor = { 0 }, next;
	struct conversation *items;
	size_t n;

	(void)state;
	for (int i = 0; i < 5; i++) {
		people[i] = person();
		ids[i] = direct(people[i], me);
		say(people[i], ids[i], "hello");
		say(people[i], ids[i], "are you there?");
	}
	direct(person(), me); /* no message yet: not mine to see */
	sql(db, arena_printf(arena, "UPDATE member SET pinned = true WHERE user_id = %lld AND conversation_id = %lld",
	                     (long long)me, (long long)ids[1]));
	sql(db, arena_printf(arena, "UPDATE member SET archived = true WHERE user_id = %lld AND conversation_id = %lld",
	                     (long long)me, (long long)ids[2]));

	statements = db_statements(db);
	assert_int_equal(conversation_list(db, arena, me, &cursor, 2, false, &items, &n, &next), 0);
	assert_int_equal(db_statements(db), statements + 1);
	assert_int_equal(n, 2);
	assert_int_equal(items[0].id, ids[1]);
	assert_int_equal(items[1].id, ids[4]);
	assert_int_equal(items[0].unread_count, 2);
	assert_int_equal(items[0].peer.id, people[1]);
	assert_true(str_eq(items[0].name, items[0].peer.display_name));
	assert_str(items[0].last_message.content, "are you there?");
	assert_true(next.given);
	cursor = next;
	assert_int_equal(conversation_list(db, arena, me, &cursor, 2, false, &items, &n, &next), 0);
	assert_int_equal(n, 2);
	assert_int_equal(items[0].id, ids[3]);
	assert_int_equal(items[1].id, ids[0]);
	assert_false(next.given);
	assert_int_equal(conversation_list(db, arena, me, &(struct conversation_cursor){ 0 }, 2, true, &items, &n, &next),
	                 0);
	assert_int_equal(n, 1);
	assert_int_equal(items[0].id, ids[2]);
}

static void
test_get(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b), self = direct(a, a);
	struct conversation c;
	struct viewed *viewed;
	size_t viewed_n;
	struct unread_total unread;

	(void)state;
	assert_int_equal(conversation_get(db, arena, b, id, &c), NOT_FOUND);
	assert_int_equal(conversation_get_for(db, arena, id, (const int64_t[]){ a, b, person() }, 3, &viewed, &viewed_n), 0);
	assert_int_equal(viewed_n, 2);
	assert_int_equal(viewed[0].viewer, a);
	assert_int_equal(viewed[0].conversation.peer.id, b);
	assert_int_equal(viewed[1].conversation.peer.id, a);
	assert_int_equal(viewed[1].conversation.participants_n, 2);
	assert_int_equal(conversation_get(db, arena, person(), id, &c), NOT_FOUND);
	assert_int_equal(conversation_get(db, arena, a, id, &c), 0);
	assert_int_equal(c.participants_n, 2);
	assert_false(c.has_last_message);
	assert_int_equal(conversation_get(db, arena, a, self, &c), 0);
	assert_int_equal(c.peer.id, a);
	assert_int_equal(c.participants_n, 1);
	say(a, id, "one");
	say(a, id, "two");
	assert_int_equal(conversation_unread(db, arena, b, &unread), 0);
	assert_int_equal(unread.n, 1);
	assert_int_equal(unread.total, 2);
	assert_int_equal(unread.items[0].id, id);
	assert_int_equal(conversation_unread(db, arena, a, &unread), 0);
	assert_int_equal(unread.n, 0);
}

static void
test_typing_hearers(void **state)
{
	int64_t ids[3] = { person(), person(), person() }, id = group(3, ids);
	struct hearers h;

	(void)state;
	assert_int_equal(conversation_typing_hearers(db, arena, ids[0], id, 64, &h), 0);
	assert_int_equal(h.n, 2);
	assert_int_equal(h.ids[0], ids[1]);
	assert_int_equal(conversation_typing_hearers(db, arena, ids[0], id, 2, &h), 0);
	assert_int_equal(h.n, 0);
	assert_int_equal(conversation_typing_hearers(db, arena, person(), id, 64, &h), NOT_FOUND);
}

/* ---- messages ---- */

static void
check_page(int64_t me, int64_t id, enum page_from from, int64_t seq, int64_t limit, int64_t first, int64_t last, bool before,
           bool after)
{
	struct message_page page;
	int64_t statements = db_statements(db);

	assert_int_equal(message_page(db, arena, me, id, from, seq, limit, &page), 0);
	assert_int_equal(db_statements(db), statements + 1);
	assert_int_equal(page.n, last - first + 1);
	for (size_t i = 0; i < page.n; i++)
		assert_int_equal(page.messages[i].seq, first + (int64_t)i);
	assert_int_equal(page.has_before, before);
	assert_int_equal(page.has_after, after);
}

static void
test_pages(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b);
	struct message_page page;

	(void)state;
	check_page(a, id, PAGE_LAST, 0, 10, 1, 0, false, false);
	for (int i = 0; i < 20; i++)
		say(a, id, "text");
	check_page(a, id, PAGE_LAST, 0, 5, 16, 20, true, false);
	check_page(a, id, PAGE_LAST, 0, 50, 1, 20, false, false);
	check_page(a, id, PAGE_BEFORE, 16, 5, 11, 15, true, true);
	check_page(a, id, PAGE_BEFORE, 4, 5, 1, 3, false, true);
	check_page(a, id, PAGE_BEFORE, 1, 5, 1, 0, false, true);
	check_page(a, id, PAGE_BEFORE, INT64_MAX, 5, 16, 20, true, false);
	check_page(a, id, PAGE_AFTER, 0, 5, 1, 5, false, true);
	check_page(a, id, PAGE_AFTER, 18, 5, 19, 20, true, false);
	check_page(a, id, PAGE_AFTER, 20, 5, 21, 20, true, false);
	check_page(a, id, PAGE_AFTER, INT64_MAX, 5, 21, 20, true, false);
	check_page(a, id, PAGE_AROUND, 10, 5, 8, 12, true, true);
	check_page(a, id, PAGE_AROUND, 1, 5, 1, 5, false, true);
	check_page(a, id, PAGE_AROUND, 20, 5, 16, 20, true, false);
	check_page(a, id, PAGE_AROUND, 10, 1, 10, 10, true, true);
	assert_int_equal(message_page(db, arena, person(), id, PAGE_LAST, 0, 5, &page), NOT_FOUND);
}

static void
test_history_begins_where_i_joined(void **state)
{
	int64_t ids[2] = { person(), person() }, late = person(), id = group(2, ids);
	struct message m;
	struct message_sent sent;
	struct message_page page;

	(void)state;
	for (int i = 0; i < 10; i++)
		say(ids[0], id, "early");
	sql(db,
	    arena_printf(arena,
	                 "INSERT INTO member (user_id, conversation_id, joined_seq, read_seq) VALUES (%lld, %lld, 10, 10)",
	                 (long long)late, (long long)id));
	check_page(late, id, PAGE_LAST, 0, 5, 11, 10, false, false);
	assert_int_equal(try_say(db, ids[0], id, STR("reply"), STR("to an early one"), 3, &sent), 0);
	assert_int_equal(sent.message.reply_sender_id, ids[0]);
	say(ids[0], id, "late");
	check_page(late, id, PAGE_LAST, 0, 5, 11, 12, false, false);
	check_page(late, id, PAGE_AFTER, 0, 5, 11, 12, false, false);
	check_page(late, id, PAGE_BEFORE, 5, 5, 1, 0, false, true);
	assert_int_equal(message_get(db, arena, late, id, 3, &m), NOT_FOUND);
	assert_int_equal(message_get(db, arena, late, id, 11, &m), 0);
	assert_int_equal(m.reply_seq, 0);
	assert_int_equal(message_get(db, arena, ids[1], id, 11, &m), 0);
	assert_int_equal(m.reply_seq, 3);
	assert_str(m.reply_excerpt, "early");
	assert_int_equal(message_page(db, arena, late, id, PAGE_LAST, 0, 5, &page), 0);
	assert_int_equal(page.messages[0].reply_seq, 0);
	sql(db, arena_printf(arena, "UPDATE conversation SET history_all = true WHERE id = %lld", (long long)id));
	check_page(late, id, PAGE_LAST, 0, 5, 8, 12, true, false);
}

static void
check_counts(int64_t me, int64_t id, int64_t seq, int64_t reads, int64_t delivereds, int64_t others)
{
	struct message_page page;
	struct message m;

	assert_int_equal(message_get(db, arena, me, id, seq, &m), 0);
	assert_int_equal(message_page(db, arena, me, id, PAGE_AROUND, seq, 1, &page), 0);
	assert_int_equal(page.n, 1);
	assert_int_equal(m.read_count, reads);
	assert_int_equal(m.delivered_count, delivereds);
	assert_int_equal(m.member_count, others);
	assert_int_equal(page.messages[0].read_count, reads);
	assert_int_equal(page.messages[0].delivered_count, delivereds);
	assert_int_equal(page.messages[0].member_count, others);
}

static void
test_receipts_count_others_only(void **state)
{
	int64_t ids[3] = { person(), person(), person() }, id = group(3, ids);
	struct read_mark mark;

	(void)state;
	say(ids[0], id, "one");
	say(ids[1], id, "two");
	check_counts(ids[0], id, 1, 0, 0, 2);
	assert_int_equal(conversation_read(db, arena, ids[1], id, 2, false, 32, &mark), 0);
	check_counts(ids[0], id, 1, 1, 1, 2);
	check_counts(ids[0], id, 2, 0, 0, 2);
	assert_int_equal(conversation_read(db, arena, ids[2], id, 1, false, 32, &mark), 0);
	assert_int_equal(mark.hearers.n, 2);
	assert_int_equal(mark.conversation.unread_count, 1);
	check_counts(ids[0], id, 1, 2, 2, 2);
	sql(db, arena_printf(arena, "DELETE FROM member WHERE user_id = %lld AND conversation_id = %lld", (long long)ids[0],
	                     (long long)id));
	check_counts(ids[1], id, 1, 2, 2, 2); /* the sender has left: everybody is an other */
}

static void
test_idempotency(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b);
	struct message_sent sent;
	struct change change;
	struct str files;

	(void)state;
	assert_int_equal(try_say(db, a, id, STR("key"), STR("text"), 0, &sent), 0);
	assert_false(sent.replayed);
	assert_true(sent.first);
	assert_int_equal(sent.advance.hearers.n, 2);
	assert_int_equal(try_say(db, a, id, STR("key"), STR("text"), 0, &sent), 0);
	assert_true(sent.replayed);
	assert_str(sent.message.content, "text");
	assert_int_equal(try_say(db, a, id, STR("key"), STR("another"), 0, &sent), IDEMPOTENCY_CONFLICT);
	assert_int_equal(try_say(db, a, id, STR("other"), STR("text"), 7, &sent), INVALID);
	assert_int_equal(try_say(db, person(), id, STR("other"), STR("text"), 0, &sent), NOT_FOUND);
	assert_int_equal(change_delete(db, arena, &(struct place){ b, id, 1 }, &change, &files), FORBIDDEN);
	assert_int_equal(change_delete(db, arena, &(struct place){ a, id, 1 }, &change, &files), 0);
	assert_true(change.changed && !str_present(files));
	assert_int_equal(change.position, 3);
	assert_int_equal(change_delete(db, arena, &(struct place){ a, id, 1 }, &change, &files), 0);
	assert_false(change.changed);
	assert_int_equal(try_say(db, a, id, STR("key"), STR("text"), 0, &sent), 0);
	assert_true(sent.replayed && sent.message.deleted_at && !str_present(sent.message.content));
}

static void
test_one_key_from_many_processes_is_one_message(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b);
	struct message_page page;
	pid_t children[8];
	int status, fresh = 0;

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		children[i] = fork();
		if (!children[i]) {
			struct db *mine = db_new(getenv("PEAL_TEST_DATABASE"), "sender", 2000);
			struct message_sent sent;
			int made = 0;

			for (int k = 0; k < 20; k++) {
				if (try_say(mine, a, id, arena_printf(arena, "same%d", k), STR("same"), 0, &sent))
					_exit(100);
				made += !sent.replayed;
			}
			_exit(made);
		}
	}
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 100);
		fresh += WEXITSTATUS(status);
	}
	assert_int_equal(fresh, 20);
	assert_int_equal(message_page(db, arena, a, id, PAGE_LAST, 0, 100, &page), 0);
	assert_int_equal(page.n, 20);
}

/* ---- the log ---- */

struct socket {
	int64_t user;
	struct str session;
};

static struct socket
socket_of(int64_t user)
{
	struct socket s = { user, uuid_new(arena) };

	assert_int_equal(begin(s.session, user, "hash", clock_wall_us() + 3600000000), 0);
	return s;
}

static struct event_open
hello(struct socket s, struct str since, const struct cursor_in *cursors, size_t n)
{
	struct event_open opened;

	assert_int_equal(event_open(db, arena, &conf, s.user, s.session, since, cursors, n, &opened), 0);
	return opened;
}

static bool
has(struct str text, const char *part)
{
	return memmem(text.p, text.n, part, strlen(part)) != NULL;
}

/* Runs a plan to its end, `most` events at a time; returns all records. */
static struct str
play(int64_t user, struct str plan, size_t most, size_t *ret_events)
{
	struct buf out;
	struct str copy;

	buf_init(&out, 1 << 24);
	*ret_events = 0;
	while (plan.n) {
		size_t n;

		assert_int_equal(event_replay(db, arena, user, plan, most, 1 << 20, &out, &n, &plan), 0);
		assert_true(n <= most);
		*ret_events += n;
	}
	copy = arena_str(arena, buf_view(&out));
	buf_deinit(&out);
	return copy;
}

static void
test_hello_fresh_and_resume(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b), quiet = direct(b, person());
	struct socket s = socket_of(b);
	struct event_open first, again;
	struct read_mark mark;
	struct str records;
	size_t n;

	(void)state;
	say(a, id, "one");
	first = hello(s, STR_NONE, NULL, 0);
	assert_true(first.fresh);
	assert_int_equal(first.plan.n, 0);
	assert_true(
	        has(first.heads, arena_printf(arena,
	                                      "\"id\":\"%lld\",\"last_seq\":1,\"last_rev\":1,\"first_seq\":1,\"read_seq\":0,"
	                                      "\"delivered_seq\":0,\"unread_from\":null,\"unread_count\":1",
	                                      (long long)id)
	                                 .p));
	assert_true(has(first.heads, arena_printf(arena, "\"id\":\"%lld\"", (long long)quiet).p));

	again = hello(s, first.since, NULL, 0);
	assert_false(again.fresh);
	say(a, id, "two");
	assert_int_equal(conversation_read(db, arena, b, id, 1, false, 32, &mark), 0);
	again = hello(s, first.since, NULL, 0);
	assert_false(again.fresh);
	assert_false(has(again.heads, arena_printf(arena, "\"id\":\"%lld\"", (long long)quiet).p));
	records = play(b, again.plan, 1, &n);
	assert_int_equal(n, 2);
	assert_true(has(records, arena_printf(arena, "d c%lld 3 2\n{\"type\":\"new_message\"", (long long)id).p));
	assert_true(
	        has(records, arena_printf(arena, "d u%lld 1 0\n{\"type\":\"user_changed\",\"user_rev\":1,\"kind\":\"read\"",
	                                  (long long)b)
	                             .p));

	again = hello(s, again.since, NULL, 0);
	assert_int_equal(again.plan.n, 0);
	/* since proves delivery */
	assert_true(
	        has(hello(socket_of(a), STR_NONE, NULL, 0).heads,
	            arena_printf(arena, "{\"user_id\":\"%lld\",\"receipt_seq\":1,\"delivered_seq\":2}", (long long)b).p));
	/* a mark of the other one alone brings the conversation back into the heads */
	again = hello(socket_of(a), again.since, NULL, 0);
	assert_true(has(again.heads, "\"marks\""));
	assert_int_equal(event_open(db, arena, &conf, b, uuid_new(arena), STR_NONE, NULL, 0, &again), UNAUTHENTICATED);
}

static void
test_cursors_win(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b);
	struct socket s = socket_of(b);
	struct event_open opened;
	struct str since;
	size_t n;

	(void)state;
	for (int i = 0; i < 6; i++)
		say(a, id, "text");
	since = hello(s, STR_NONE, NULL, 0).since;
	opened = hello(s, since, (struct cursor_in[]){ { id, 2, 1 }, { 999999, 1, 1 } }, 2);
	assert_false(opened.fresh);
	assert_true(str_eq(opened.plan, arena_printf(arena, "%lld:3", (long long)id)));
	assert_true(has(opened.heads, "\"removed\":[\"999999\"]"));
	assert_int_equal(opened.moved_n, 1);
	assert_int_equal(opened.moved[0].seq, 2);
	assert_int_equal(opened.moved[0].hearers.n, 1);
	play(b, opened.plan, 3, &n);
	assert_int_equal(n, 4);
	/* numbers that we never gave */
	assert_true(hello(s, since, (struct cursor_in[]){ { id, 60, 1 } }, 1).fresh);
	/* without since the cursors' epoch is unknown */
	assert_true(hello(s, STR_NONE, (struct cursor_in[]){ { id, 2, 1 } }, 1).fresh);
	assert_true(hello(s, STR("garbage"), NULL, 0).fresh);
	assert_true(hello(s, base64url(arena, "0123456789abcdef.12", 19), NULL, 0).fresh);
}

static void
test_replay_checks_membership_and_visibility(void **state)
{
	int64_t ids[2] = { person(), person() }, late = person(), id = group(2, ids);
	struct str records, files;
	struct change change;
	size_t n;

	(void)state;
	say(ids[0], id, "secret words");
	sql(db, arena_printf(arena, "INSERT INTO member (user_id, conversation_id, joined_seq) VALUES (%lld, %lld, 1)",
	                     (long long)late, (long long)id));
	say(ids[0], id, "open words");
	assert_int_equal(change_delete(db, arena, &(struct place){ ids[0], id, 1 }, &change, &files), 0);
	records = play(late, arena_printf(arena, "%lld:0", (long long)id), 50, &n);
	assert_int_equal(n, 3);
	assert_true(has(records, "{\"type\":\"skipped\""));
	assert_true(has(records, "open words"));
	assert_false(has(records, "message_deleted"));
	records = play(ids[1], arena_printf(arena, "%lld:0", (long long)id), 50, &n);
	assert_true(has(records, "message_deleted"));
	assert_false(has(records, "secret words"));
	play(person(), arena_printf(arena, "%lld:0", (long long)id), 50, &n);
	assert_int_equal(n, 0);
	assert_int_equal(event_replay(db, arena, late, STR("x:1"), 50, 1000, &(struct buf){ .cap = 1000 }, &n, &records),
	                 INVALID);
}

static void
test_pages_of_replay_are_bounded_by_bytes(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b);
	struct str plan = arena_printf(arena, "%lld:0", (long long)id);
	struct buf out;
	size_t n;

	(void)state;
	for (int i = 0; i < 10; i++)
		say(a, id, "a text of some length");
	buf_init(&out, 1 << 20);
	assert_int_equal(event_replay(db, arena, b, plan, 50, 1500, &out, &n, &plan), 0);
	assert_true(n >= 1 && n < 5);
	assert_true(str_eq(plan, arena_printf(arena, "%lld:%zu", (long long)id, n)));
	buf_deinit(&out);
}

static struct str
poll_log(struct str *since, bool *more)
{
	struct buf out;
	struct str copy;

	buf_init(&out, 1 << 24);
	assert_int_equal(event_poll(db, arena, *since, 3, &out, since, more), 0);
	copy = arena_str(arena, buf_view(&out));
	buf_deinit(&out);
	return copy;
}

static void
test_poll(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b);
	struct str since = STR_NONE, records;
	struct read_mark mark;
	bool more;

	(void)state;
	assert_int_equal(poll_log(&since, &more).n, 0);
	assert_false(more);
	say(a, id, "hello");
	assert_int_equal(conversation_read(db, arena, b, id, 1, false, 32, &mark), 0);
	records = poll_log(&since, &more);
	assert_false(more);
	assert_true(has(
	        records,
	        arena_printf(arena, "d c%lld 1 0 %lld\n{\"type\":\"conversation_created\"", (long long)id, (long long)b).p));
	assert_true(has(records, arena_printf(arena, "d c%lld 2 1 %lld,%lld\n{\"type\":\"new_message\"", (long long)id,
	                                      (long long)a, (long long)b)
	                                 .p));
	assert_true(has(records,
	                arena_printf(arena, "d u%lld 1 0 %lld\n{\"type\":\"user_changed\"", (long long)b, (long long)b).p));
	assert_int_equal(poll_log(&since, &more).n, 0);
}

/* A transaction that stays open holds the horizon back; rounds end all the same, and what it commits late is not missed. */
static void
test_poll_and_hello_survive_a_long_transaction(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b), slow = direct(a, person());
	struct socket s = socket_of(a);
	struct str since = STR_NONE, resume, page, all = STR("");
	bool more = true;
	size_t n;

	(void)state;
	poll_log(&since, &more);
	sql(other,
	    arena_printf(arena,
	                 "BEGIN; SELECT message_send(%lld, %lld, 'slow', '\\x01', 1::smallint, 'slow words', NULL, NULL)",
	                 (long long)a, (long long)slow));
	for (int i = 0; i < 10; i++)
		say(a, id, "quick words");
	resume = hello(s, STR_NONE, NULL, 0).since;
	for (int i = 0; more || !i; i++) {
		assert_true(i < 10);
		page = poll_log(&since, &more);
		all = arena_printf(arena, "%.*s%.*s", STR_ARG(all), STR_ARG(page));
	}
	assert_true(has(all, arena_printf(arena, "d c%lld 11 10 ", (long long)id).p));
	assert_false(has(all, "slow words"));
	sql(other, STR("COMMIT"));
	for (int i = 0; more || !i; i++) {
		page = poll_log(&since, &more);
		all = arena_printf(arena, "%.*s%.*s", STR_ARG(all), STR_ARG(page));
	}
	assert_true(has(all, "slow words"));
	assert_int_equal(poll_log(&since, &more).n, 0);
	assert_true(has(play(a, hello(s, resume, NULL, 0).plan, 50, &n), "slow words"));
}

static void
test_a_place_that_the_log_no_longer_reaches(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b);
	struct socket s = socket_of(b);
	struct db *bare = db_new_bare(getenv("PEAL_TEST_DATABASE"), "test");
	struct str since;
	size_t n;

	(void)state;
	/* a month ago, in the default partition */
	sql(bare, arena_printf(arena,
	                       "INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, at) "
	                       "VALUES (%lld, -5, 0, 0, 1, 1, now() - interval '40 days')",
	                       (long long)id));
	say(a, id, "one");
	since = hello(s, STR_NONE, NULL, 0).since;
	assert_false(hello(s, since, NULL, 0).fresh);
	sql(bare, STR("SELECT event_drop_before((now() AT TIME ZONE 'UTC')::date - 30)"));
	assert_false(hello(s, since, NULL, 0).fresh);
	say(a, id, "two");
	play(b, hello(s, since, NULL, 0).plan, 50, &n);
	assert_int_equal(n, 1);
	db_free(bare);
}

static void
test_acks_watch_seen(void **state)
{
	int64_t a = person(), b = person(), stranger = person(), id = direct(a, b), at = 1767323045678000;
	struct ack_in acks[] = { { b, id, 1 }, { b, id, 2 }, { stranger, id, 2 } };
	struct mark_moved *moved;
	struct user *users;
	size_t n;

	(void)state;
	assert_int_equal(presence_visible(db, arena, a, (int64_t[]){ b, stranger }, 2, &users, &n), 0);
	assert_int_equal(n, 0); /* b does not see the conversation yet */
	say(a, id, "one");
	say(a, id, "two");
	assert_int_equal(event_acks(db, arena, acks, 3, 32, &moved, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(moved[0].seq, 2);
	assert_int_equal(moved[0].hearers.n, 1);
	assert_int_equal(moved[0].hearers.ids[0], a);
	assert_int_equal(event_acks(db, arena, acks, 3, 32, &moved, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(event_seen(db, arena, &b, &at, 1), 0);
	assert_int_equal(presence_visible(db, arena, a, (int64_t[]){ b, stranger }, 2, &users, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(users[0].last_seen_at, at);
}

/* ---- upkeep ---- */

static int
count_records(void *arg, const struct feed_header *h, struct str frame, const int64_t *ids, size_t n)
{
	(void)frame, (void)ids;
	assert_true(h->kind == FEED_DURABLE && n > 0);
	++*(int *)arg;
	return 0;
}

static void
test_upkeep(void **state)
{
	int64_t a = person(), b = person(), id = direct(a, b), xid, next, made, dropped, removed;
	struct stream_head *heads;
	bool leader;
	int records = 0;
	size_t n;

	(void)state;
	assert_int_equal(upkeep_lead(db, arena, &leader), 0);
	assert_true(leader);
	assert_int_equal(upkeep_lead(other, arena, &leader), 0);
	assert_false(leader);
	assert_int_equal(upkeep_begin(db, arena, &xid), 0);
	say(a, id, "one");
	say(b, id, "two");
	assert_int_equal(upkeep_streams(db, arena, xid, 60000, &heads, &n, &next), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_not_equal(heads[i].id, id); /* too young */
	assert_true(next >= xid);
	usleep(5000);
	assert_int_equal(upkeep_streams(db, arena, xid, 1, &heads, &n, &next), 0);
	for (size_t i = 0; i < n; i++)
		if (heads[i].stream == 'c' && heads[i].id == id)
			records += heads[i].position == 3;
	assert_int_equal(records, 1);
	records = 0;
	assert_int_equal(event_again(db, arena, 'c', id, 1, xid, 100, count_records, &records), 0);
	assert_int_equal(records, 3); /* conversation_created for b, and two messages */
	assert_int_equal(upkeep_partitions(db, arena, 30, &made, &dropped), 0);
	assert_int_equal(made, 0);
	assert_int_equal(upkeep_sessions(db, arena, 600, &removed), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements_agree),
		cmocka_unit_test(test_values_there_and_back),
		cmocka_unit_test(test_a_lost_answer_is_uncertain_only_for_writes),
		cmocka_unit_test(test_an_idle_connection_that_was_closed_is_replaced),
		cmocka_unit_test(test_nobody_listening_is_unavailable_at_once),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_typing_hearers),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_history_begins_where_i_joined),
		cmocka_unit_test(test_receipts_count_others_only),
		cmocka_unit_test(test_idempotency),
		cmocka_unit_test(test_one_key_from_many_processes_is_one_message),
		cmocka_unit_test(test_hello_fresh_and_resume),
		cmocka_unit_test(test_cursors_win),
		cmocka_unit_test(test_replay_checks_membership_and_visibility),
		cmocka_unit_test(test_pages_of_replay_are_bounded_by_bytes),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_poll_and_hello_survive_a_long_transaction),
		cmocka_unit_test(test_a_place_that_the_log_no_longer_reaches),
		cmocka_unit_test(test_acks_watch_seen),
		cmocka_unit_test(test_upkeep),
	};

	if (!getenv("PEAL_TEST_DATABASE")) {
		fputs("test_store: PEAL_TEST_DATABASE names no database\n", stderr);
		return 2;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
