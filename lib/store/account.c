/*
 * account -- people and their sessions.
 */
#include "account.h"
#include "read.h"

/* clang-format off */
static const struct stmt create = {
	.name = "account_create", .params = "ssNs", .results = USER_RESULTS, .writes = true,
	.text = "INSERT INTO users AS u (username, display_name, password_hash) VALUES ($1, $2, $3) RETURNING "
	        "" USER_COLUMNS("u"),
};
static const struct stmt password = {
	.name = "account_password", .params = "s", .results = "Ns" USER_RESULTS,
	.text = "SELECT u.password_hash, " USER_COLUMNS("u") " FROM users u WHERE u.username_key = lower($1) AND "
	        "u.disabled_at IS NULL",
};
static const struct stmt get = {
	.name = "account_get", .params = "i", .results = USER_RESULTS,
	.text = "SELECT " USER_COLUMNS("u") " FROM users u WHERE u.id = $1",
};
#define ME_COLUMNS USER_COLUMNS("u") ", u.read_receipts, u.show_last_seen, u.site_role"
#define ME_RESULTS USER_RESULTS "NbNbNh"
#define ME_N       (USER_N + 3)
static const struct stmt get_me = {
	.name = "account_me", .params = "i", .results = ME_RESULTS,
	.text = "SELECT " ME_COLUMNS " FROM users u WHERE u.id = $1",
};
/* In pairs: whether it is given, and its value. */
static const struct stmt update = {
	.name = "account_update", .params = "ibNsbNsbNsNbNb", .results = ME_RESULTS "NiNj", .writes = true,
	.text = "SELECT " ME_COLUMNS ", p.o_user_rev, p.o_removed FROM person_update($1, $2, $3, $4, $5, $6, $7, $8, $9) p "
	        "CROSS JOIN LATERAL (SELECT (p.o_user).*) u",
};
/*
 * $1 me, $2 what was typed, $3 $4 $5 the last of the page before: how near, word, id; $6 limit. Near (0) is who is in a conversation of at most
 * 100 people with me, in one of my 500 newest ones; everybody else is far (1). Of either kind, by the first of their words that begins
 * with the longest one that was typed: a page is read from the index in that order, however many people a letter is the beginning of.
 */
#define DIRECTORY_HAS(user, typed) \
	"EXISTS (SELECT FROM directory_word o WHERE o.user_id = " user " AND o.word >= " typed " AND o.word < " typed " || chr(1114111) OFFSET 0)"
#define DIRECTORY_HAS_ALL(user) \
	"NOT EXISTS (SELECT FROM unnest(q.words) AS t (w) WHERE NOT " DIRECTORY_HAS(user, "(t.w COLLATE \"C\")") " OFFSET 0)"
static const struct stmt search = {
	.name = "directory_search", .params = "isisii", .results = "nsi" USER_RESULTS,
	.text = "WITH q AS MATERIALIZED (SELECT x.words, (SELECT w FROM unnest(x.words) AS w ORDER BY length(w) DESC, w LIMIT 1) COLLATE \"C\" AS lead "
	        "  FROM (SELECT directory_typed($2) AS words) x), "
	        "known AS MATERIALIZED (SELECT DISTINCT n.user_id FROM (SELECT o.user_id FROM (SELECT m.conversation_id FROM member m "
	        "   CROSS JOIN LATERAL (SELECT FROM conversation c WHERE c.id = m.conversation_id AND c.participant_count <= 100 LIMIT 1) c "
	        "   WHERE m.user_id = $1 AND NOT m.hidden ORDER BY m.conversation_id DESC LIMIT 500) m "
	        "  CROSS JOIN LATERAL (SELECT x.user_id FROM member x WHERE x.conversation_id = m.conversation_id LIMIT 100) o LIMIT 2000) n "
	        "  WHERE n.user_id <> $1), "
	        "near AS (SELECT 0 AS far, d.word, k.user_id FROM q CROSS JOIN known k CROSS JOIN LATERAL (SELECT w.word FROM directory_word w "
	        "   WHERE w.user_id = k.user_id AND w.word >= q.lead AND w.word < q.lead || chr(1114111) ORDER BY w.word LIMIT 1) d "
	        "  WHERE (0, d.word, k.user_id) > ($3, $4, $5) AND " DIRECTORY_HAS_ALL("k.user_id") " ORDER BY d.word, k.user_id LIMIT $6), "
	        "far AS (SELECT 1 AS far, d.word, d.user_id FROM q CROSS JOIN LATERAL (SELECT w.word, w.user_id FROM directory_word w "
	        "   WHERE w.word >= greatest(q.lead, CASE WHEN $3 = 1 THEN $4 END) AND w.word < q.lead || chr(1114111) "
	        "   AND (1, w.word, w.user_id) > ($3, $4, $5) AND w.user_id NOT IN (SELECT k.user_id FROM known k) "
	        "   AND NOT EXISTS (SELECT FROM directory_word o WHERE o.user_id = w.user_id AND o.word >= q.lead AND o.word < w.word OFFSET 0) "
	        "   AND " DIRECTORY_HAS_ALL("w.user_id") " ORDER BY w.word, w.user_id LIMIT $6) d) "
	        "SELECT p.far, p.word, p.user_id, " USER_COLUMNS("u") " FROM (SELECT * FROM near UNION ALL SELECT * FROM far "
	        "  ORDER BY 1, 2, 3 LIMIT $6) p JOIN " ONE("users", "x.id = p.user_id") "u ON true ORDER BY p.far, p.word, p.user_id",
};
static const struct stmt start = {
	.name = "session_begin", .params = "uiNsyNst", .results = "b", .writes = true,
	.text = "SELECT session_begin($1, $2, $3, $4, $5, $6)",
};
static const struct stmt find = {
	.name = "session_get", .params = "u", .results = "uiiityNy",
	.text = "SELECT s.id, s.user_id, s.generation, (extract(epoch FROM clock_timestamp() - s.rotated_at) * 1000000)::bigint, s.expires_at, s.current_hash, s.previous_hash "
	        "FROM session s JOIN " ONE("users", "x.id = s.user_id") "u ON true "
	        "WHERE s.id = $1 AND s.ended_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL",
};
/* Without an idle limit the end stays where it is; but one that was near because there had been such a limit goes back to where it was. */
static const struct stmt rotate = {
	.name = "session_rotate", .params = "uiyii", .results = "t", .writes = true,
	.text = "UPDATE session SET generation = generation + 1, previous_hash = current_hash, current_hash = $3, "
	        "rotated_at = now(), "
	        " last_used_at = now(), expires_at = CASE WHEN $5 > 0 "
	        " THEN least(created_at + $4 * interval '1 second', now() + $5 * interval '1 second') "
	        " ELSE greatest(expires_at, created_at + ($4 - 60) * interval '1 second') END "
	        "WHERE id = $1 AND generation = $2 AND ended_at IS NULL AND expires_at > now() RETURNING expires_at",
};
static const struct stmt end = {
	.name = "session_end", .params = "u", .results = "i", .writes = true,
	.text = "UPDATE session SET ended_at = now() WHERE id = $1 AND ended_at IS NULL RETURNING user_id",
};
static const struct stmt check = {
	.name = "session_check", .params = "ui", .results = "n",
	.text = "SELECT 1 FROM session s JOIN users u ON u.id = s.user_id "
	        "WHERE s.id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND s.expires_at > now() AND u.disabled_at "
	        "IS NULL",
};
static const struct stmt list = {
	.name = "session_list", .params = "iNtNui", .results = "utttNs",
	.text = "SELECT id, created_at, last_used_at, expires_at, user_agent FROM session "
	        "WHERE user_id = $1 AND ended_at IS NULL AND expires_at > now() AND ($2 IS NULL OR (created_at, id) < ($2, $3)) "
	        "ORDER BY created_at DESC, id DESC LIMIT $4",
};
static const struct stmt end_mine = {
	.name = "session_end_mine", .params = "ui", .results = "n", .writes = true,
	.text = "UPDATE session SET ended_at = now() WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > now() "
	        "RETURNING 1",
};
static const struct stmt end_others = {
	.name = "session_end_others", .params = "iNu", .results = "", .writes = true,
	.text = "UPDATE session SET ended_at = now() WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND ended_at IS NULL",
};
static const struct stmt my_password = {
	.name = "account_my_password", .params = "i", .results = "Ns" USER_RESULTS,
	.text = "SELECT u.password_hash, " USER_COLUMNS("u") " FROM users u WHERE u.id = $1 AND u.disabled_at IS NULL",
};
static const struct stmt set_password = {
	.name = "account_password_change", .params = "issNu", .results = "b", .writes = true,
	.text = "SELECT password_change($1, $2, $3, $4)",
};
static const struct stmt rehash = {
	.name = "account_rehash", .params = "iss", .results = "", .writes = true,
	.text = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
};
static const struct stmt disable = {
	.name = "account_disable", .params = "sb", .results = "ib", .writes = true,
	.text = "UPDATE users SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, now()) END WHERE username_key = lower($1) "
	        "AND erased_at IS NULL RETURNING id, disabled_at IS NOT NULL",
};
/* A horizon of another history, from before a restore, is none. */
static const struct stmt revoked = {
	.name = "account_revoked", .params = "i", .results = "iNiNu",
	.text = "SELECT h.xmin::text::bigint, v.user_id, v.session_id FROM "
	        "(SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xmin, "
	        " CASE WHEN $1::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) THEN $1::text::xid8 ELSE '0' END AS since) h "
	        "LEFT JOIN revocation v ON v.xid >= h.since",
};
static const struct stmt names = {
	.name = "account_names", .params = "ii", .results = "is",
	.text = "SELECT id, username FROM users WHERE id > $1 ORDER BY id LIMIT $2",
};
/* clang-format on */

const struct stmt *const account_statements[] = { &names,   &create,   &password,   &get,         &get_me,       &update,
	                                          &search,  &start,    &find,       &rotate,      &end,          &check,
	                                          &list,    &end_mine, &end_others, &my_password, &set_password, &rehash,
	                                          &disable, &revoked,  NULL };

/* Runs a statement that gives one user or nobody. */
static int
one_user(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct user *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	read_user(rows, 0, 0, ret);
	return 0;
}

int
account_create(struct db *db, struct arena *arena, struct str username, struct str display_name, struct str password_hash,
               struct user *ret)
{
	struct str shown = str_present(display_name) ? display_name : username;
	int r = one_user(db, arena, &create, ARGS(A_STR(username), A_STR(shown), A_STR(password_hash)), ret);

	return r == CONFLICT ? USERNAME_TAKEN : r;
}

static int
password_of(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct user *ret,
            struct str *ret_hash)
{
	struct rows *rows;
	int r = need_row(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	*ret_hash = rows_str(rows, 0, 0);
	read_user(rows, 0, 1, ret);
	return 0;
}

int
account_password(struct db *db, struct arena *arena, struct str username, struct user *ret, struct str *ret_hash)
{
	return password_of(db, arena, &password, ARGS(A_STR(username)), ret, ret_hash);
}

int
account_my_password(struct db *db, struct arena *arena, int64_t user_id, struct user *ret, struct str *ret_hash)
{
	return password_of(db, arena, &my_password, ARGS(A_INT(user_id)), ret, ret_hash);
}

int
account_password_change(struct db *db, struct arena *arena, int64_t user_id, struct str old_hash, struct str new_hash,
                        struct str keep_session)
{
	struct rows *rows;
	int r = db_run(db, arena, &set_password, ARGS(A_INT(user_id), A_STR(old_hash), A_STR(new_hash), A_STR(keep_session)),
	               &rows);

	if (r)
		return trace(r);
	return rows_int(rows, 0, 0) ? 0 : CONFLICT;
}

int
account_rehash(struct db *db, struct arena *arena, int64_t user_id, struct str old_hash, struct str new_hash)
{
	struct rows *rows;

	return db_run(db, arena, &rehash, ARGS(A_INT(user_id), A_STR(old_hash), A_STR(new_hash)), &rows);
}

int
account_disable(struct db *db, struct arena *arena, struct str username, bool disabled, int64_t *ret_user_id)
{
	return one_int(db, arena, &disable, ARGS(A_STR(username), A_INT(disabled)), ret_user_id);
}

int
account_get(struct db *db, struct arena *arena, int64_t user_id, struct user *ret)
{
	return one_user(db, arena, &get, ARGS(A_INT(user_id)), ret);
}

static void
read_me(const struct rows *rows, struct me *ret)
{
	read_user(rows, 0, 0, &ret->user);
	ret->read_receipts = rows_int(rows, 0, USER_N);
	ret->last_seen = rows_int(rows, 0, USER_N + 1);
	ret->site_role = (enum site_role)rows_int(rows, 0, USER_N + 2);
}

int
account_me(struct db *db, struct arena *arena, int64_t user_id, struct me *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &get_me, ARGS(A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	read_me(rows, ret);
	return 0;
}

static struct arg
bool_or_null(struct opt_bool b)
{
	return (struct arg){ .i = b.v, .null = !b.set };
}

int
account_update(struct db *db, struct arena *arena, int64_t user_id, const struct profile_change *in,
               struct profile_changed *ret)
{
	const struct arg args[] = { A_INT(user_id),
		                    A_INT(in->display_name.p != NULL),
		                    A_STR(in->display_name),
		                    A_INT(in->status_text.p != NULL),
		                    A_STR(in->status_text),
		                    A_INT(in->avatar_id.p != NULL),
		                    A_STR(in->avatar_id),
		                    bool_or_null(in->read_receipts),
		                    bool_or_null(in->last_seen) };
	struct rows *rows;
	int r = db_run(db, arena, &update, args, &rows);

	if (r)
		return trace(r);
	read_me(rows, &ret->me);
	ret->user_rev = rows_int(rows, 0, ME_N);
	ret->removed_json = rows_str(rows, 0, ME_N + 1);
	return 0;
}

int
directory_search(struct db *db, struct arena *arena, int64_t me, struct str typed, const struct directory_place *after,
                 int64_t limit, struct user **ret, struct directory_place **ret_places, size_t *ret_n)
{
	struct str word = str_present(after->word) ? after->word : STR("");
	struct directory_place *places;
	struct rows *rows;
	struct user *users;
	int r = db_run(db, arena, &search,
	               ARGS(A_INT(me), A_STR(typed), A_INT(after->far), A_STR(word), A_INT(after->user_id), A_INT(limit)),
	               &rows);

	if (r)
		return trace(r);
	users = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*users));
	places = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*places));
	for (size_t i = 0; i < rows_n(rows); i++) {
		places[i] = (struct directory_place){ rows_int(rows, i, 0), rows_int(rows, i, 2), rows_str(rows, i, 1) };
		read_user(rows, i, 3, &users[i]);
	}
	*ret = users;
	*ret_places = places;
	*ret_n = rows_n(rows);
	return 0;
}

int
session_begin(struct db *db, struct arena *arena, const struct session_start *in)
{
	struct rows *rows;
	int r = db_run(db, arena, &start,
	               ARGS(A_STR(in->id), A_INT(in->user_id), A_STR(in->password_hash), A_STR(in->refresh_hash),
	                    A_STR(in->user_agent), A_INT(in->expires_at)),
	               &rows);

	if (r)
		return trace(r);
	return rows_int(rows, 0, 0) ? 0 : BAD_CREDENTIALS;
}

int
session_get(struct db *db, struct arena *arena, struct str session_id, struct session *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &find, ARGS(A_STR(session_id)), &rows);

	if (r)
		return trace(r);
	*ret = (struct session){
		.id = rows_str(rows, 0, 0),
		.user_id = rows_int(rows, 0, 1),
		.generation = rows_int(rows, 0, 2),
		.rotated_us_ago = rows_int(rows, 0, 3),
		.expires_at = rows_int(rows, 0, 4),
		.current_hash = rows_str(rows, 0, 5),
		.previous_hash = rows_str(rows, 0, 6),
	};
	return 0;
}

int
session_rotate(struct db *db, struct arena *arena, struct str session_id, int64_t generation, struct str next_hash,
               const struct session_life *life, int64_t *ret_expires_at)
{
	struct rows *rows;
	int r = db_run(db, arena, &rotate,
	               ARGS(A_STR(session_id), A_INT(generation), A_STR(next_hash), A_INT(life->most_seconds),
	                    A_INT(life->idle_seconds)),
	               &rows);

	if (r)
		return trace(r);
	if (!rows_n(rows))
		return CONFLICT;
	*ret_expires_at = rows_int(rows, 0, 0);
	return 0;
}

int
session_end(struct db *db, struct arena *arena, struct str session_id, int64_t *ret_user_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &end, ARGS(A_STR(session_id)), &rows);

	if (r)
		return trace(r);
	*ret_user_id = rows_n(rows) ? rows_int(rows, 0, 0) : 0;
	return 0;
}

int
session_check(struct db *db, struct arena *arena, struct str session_id, int64_t user_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &check, ARGS(A_STR(session_id), A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	return rows_n(rows) ? 0 : UNAUTHENTICATED;
}

int
session_list(struct db *db, struct arena *arena, int64_t user_id, int64_t before, struct str before_id, int64_t limit,
             struct session **ret, size_t *ret_n)
{
	struct rows *rows;
	struct session *sessions;
	int r = db_run(db, arena, &list, ARGS(A_INT(user_id), A_INT(before), A_STR(before_id), A_INT(limit)), &rows);

	if (r)
		return trace(r);
	sessions = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*sessions));
	for (size_t i = 0; i < rows_n(rows); i++)
		sessions[i] = (struct session){
			.id = rows_str(rows, i, 0),
			.user_id = user_id,
			.created_at = rows_int(rows, i, 1),
			.last_used_at = rows_int(rows, i, 2),
			.expires_at = rows_int(rows, i, 3),
			.user_agent = rows_str(rows, i, 4),
		};
	*ret = sessions;
	*ret_n = rows_n(rows);
	return 0;
}

int
session_end_mine(struct db *db, struct arena *arena, struct str session_id, int64_t user_id)
{
	struct rows *rows;
	int r = db_run(db, arena, &end_mine, ARGS(A_STR(session_id), A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	return rows_n(rows) ? 0 : NOT_FOUND;
}

int
session_end_others(struct db *db, struct arena *arena, int64_t user_id, struct str keep_session)
{
	struct rows *rows;

	return db_run(db, arena, &end_others, ARGS(A_INT(user_id), A_STR(keep_session)), &rows);
}

int
account_revoked(struct db *db, struct arena *arena, int64_t horizon, struct revocations *ret)
{
	struct revocation *items;
	struct rows *rows;
	size_t n = 0;
	int r = db_run(db, arena, &revoked, ARGS(A_INT(horizon)), &rows);

	if (r)
		return trace(r);
	items = arena_alloc_array(arena, rows_n(rows) + 1, sizeof(*items));
	for (size_t i = 0; i < rows_n(rows); i++)
		if (!rows_null(rows, i, 1))
			items[n++] = (struct revocation){ rows_int(rows, i, 1), rows_str(rows, i, 2) };
	*ret = (struct revocations){ .horizon = rows_int(rows, 0, 0), .items = items, .n = n };
	return 0;
}

int
account_names(struct db *db, struct arena *arena, int64_t after_id, size_t limit, struct account_name **ret, size_t *ret_n)
{
	struct account_name *all;
	struct rows *rows;
	int r = db_run(db, arena, &names, ARGS(A_INT(after_id), A_INT((int64_t)limit)), &rows);

	if (r)
		return trace(r);
	*ret_n = rows_n(rows);
	all = arena_alloc_array(arena, *ret_n + 1, sizeof(*all));
	for (size_t i = 0; i < *ret_n; i++)
		all[i] = (struct account_name){ rows_int(rows, i, 0), rows_str(rows, i, 1) };
	*ret = all;
	return 0;
}
