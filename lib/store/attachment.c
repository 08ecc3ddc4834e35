/*
 * attachment -- statements about uploads.
 */
#include "attachment.h"
#include "read.h"

static const struct stmt enter = {
	.name = "attachment_register",
	.params = "sihNsisNiNibNsNsjiiiNjNs",
	.results = "jt",
	.text = "SELECT o_attachment, o_at FROM attachment_register($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
	        "$14, $15, $16, $17)",
	.writes = true,
};
static const struct stmt begin = {
	.name = "attachment_begin",
	.params = "sihNsisii",
	.results = "jt",
	.text = "SELECT o_attachment, o_at FROM attachment_begin($1, $2, $3, $4, $5, $6, $7, $8)",
	.writes = true,
};
static const struct stmt finish = {
	.name = "attachment_finish",
	.params = "sNsNiNsNiNiNbNsNsNjNiNjNs",
	.results = "jti",
	.text = "SELECT o_attachment, o_at, o_owner FROM attachment_finish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "
	        "$12, "
	        "$13)",
	.writes = true,
};
static const struct stmt pending = {
	.name = "attachment_pending",
	.params = "j",
	.results = "j",
	.text = "SELECT coalesce(jsonb_agg(a.id), '[]') FROM attachment a JOIN jsonb_array_elements_text($1) AS i (id) ON "
	        "a.id = i.id WHERE a.state = 2 AND a.deleted_at IS NULL",
};
static const struct stmt stale = {
	.name = "attachment_stale",
	.params = "ii",
	.results = "j",
	.text = "SELECT coalesce(jsonb_agg(s.id), '[]') FROM (SELECT a.id FROM attachment a WHERE a.state = 2 AND "
	        "a.deleted_at IS NULL AND a.created_at < now() - $1 * interval '1 hour' ORDER BY a.created_at LIMIT $2) s",
};
/* clang-format off */
static const struct stmt uses = {
	.name = "attachment_uses", .params = "s", .results = "iiI",
	.text = "SELECT g.conversation_id, g.seq, array_agg(m.user_id ORDER BY m.user_id) FROM attachment_use u "
	        "JOIN " ONE("message", "x.conversation_id = u.conversation_id AND x.seq = u.seq AND " LIVES("x")) "g ON true "
	        "JOIN " ONE("conversation", "x.id = u.conversation_id") "c ON true "
	        "JOIN member m ON m.conversation_id = c.id AND NOT m.hidden AND g.seq >= first_visible(c.history_all, c.first_seq, m.joined_seq) "
	        "WHERE u.attachment_id = $1 AND NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = m.user_id "
	        "  AND z.conversation_id = g.conversation_id AND z.seq = g.seq AND z.hidden_at IS NOT NULL) "
	        "GROUP BY g.conversation_id, g.seq",
};
/* clang-format on */
static const struct stmt room = {
	.name = "attachment_room",
	.params = "i",
	.results = "ii",
	.text = "SELECT coalesce(m.bytes, 0), CASE WHEN m.day = (now() AT TIME ZONE 'UTC')::date THEN m.day_bytes ELSE 0 "
	        "END "
	        "FROM users u LEFT JOIN media_usage m ON m.user_id = u.id WHERE u.id = $1 AND u.disabled_at IS NULL",
};
/* Mine while no message has it; then of whoever sees one that has. */
/* clang-format off */
static const struct stmt get = {
	.name = "attachment_get", .params = "is", .results = "jt",
	.text = "SELECT attachment_json(a), a.created_at FROM attachment a WHERE a.id = $2 AND a.deleted_at IS NULL AND "
	        "(EXISTS (SELECT FROM attachment_use u JOIN LATERAL (SELECT c.* FROM "
	        MINE("AND m.conversation_id = u.conversation_id AND NOT m.hidden") "LIMIT 1) c ON true JOIN "
	        ONE("message", "x.conversation_id = u.conversation_id AND x.seq = u.seq AND x.seq >= c.floor AND " SHOWN("x", "c"))
	        "g ON true WHERE u.attachment_id = a.id) "
	        " OR (a.owner_id = $1 AND NOT EXISTS (SELECT FROM attachment_use u WHERE u.attachment_id = a.id)))",
};
/* clang-format on */
static const struct stmt removals = {
	.name = "attachment_removals",
	.params = "jii",
	.results = "j",
	.text = "SELECT attachment_removals($1, $2, $3)",
	.writes = true,
};
static const struct stmt unknown = {
	.name = "attachment_unknown",
	.params = "j",
	.results = "j",
	.text = "SELECT coalesce(jsonb_agg(i.id), '[]') FROM jsonb_array_elements_text($1) AS i (id) "
	        "WHERE NOT EXISTS (SELECT FROM attachment a WHERE a.id = i.id) "
	        "AND NOT EXISTS (SELECT FROM export e WHERE e.id = i.id AND e.state IN (1, 2))",
};

static const struct stmt twin = {
	.name = "attachment_twin",
	.params = "is",
	.results = "j",
	.text = "SELECT coalesce(jsonb_agg(t.id), '[]') FROM (SELECT a.id FROM attachment a WHERE a.owner_id = $1 AND "
	        "a.digest = $2 "
	        "AND a.deleted_at IS NULL ORDER BY a.created_at DESC LIMIT 1) t",
};

static const struct stmt stored = {
	.name = "attachment_stored",
	.params = "si",
	.results = "sjNs",
	.text = "SELECT a.id, a.renditions, a.digest FROM attachment a WHERE a.id > $1 AND a.deleted_at IS NULL ORDER BY "
	        "a.id LIMIT $2",
};

const struct stmt *const attachment_statements[] = { &enter, &begin,    &finish,  &pending, &stale,  &uses, &room,
	                                             &get,   &removals, &unknown, &twin,    &stored, NULL };

int
attachment_register(struct db *db, struct arena *arena, const struct attachment_new *a, const struct attachment_quota *q,
                    struct str *ret_json, int64_t *ret_at)
{
	const struct arg args[] = { A_STR(a->id),           A_INT(a->owner_id),      A_INT(a->kind),
		                    A_STR(a->name),         A_INT(a->size),          A_STR(a->mime),
		                    A_ID_OR_NULL(a->width), A_ID_OR_NULL(a->height), A_INT(a->animated),
		                    A_STR(a->thumbhash),    A_STR(a->color),         A_STR(a->renditions_json),
		                    A_INT(a->bytes),        A_INT(q->bytes),         A_INT(q->day_bytes),
		                    A_STR(a->facts_json),   A_STR(a->digest) };
	struct rows *rows;
	int r = db_run(db, arena, &enter, args, &rows);

	if (r)
		return trace(r);
	*ret_json = rows_str(rows, 0, 0);
	*ret_at = rows_int(rows, 0, 1);
	return 0;
}

int
attachment_begin(struct db *db, struct arena *arena, const struct attachment_new *a, const struct attachment_quota *q,
                 struct str *ret_json, int64_t *ret_at)
{
	struct rows *rows;
	int r = db_run(db, arena, &begin,
	               ARGS(A_STR(a->id), A_INT(a->owner_id), A_INT(a->kind), A_STR(a->name), A_INT(a->size), A_STR(a->mime),
	                    A_INT(q->bytes), A_INT(q->day_bytes)),
	               &rows);

	if (r)
		return trace(r);
	*ret_json = rows_str(rows, 0, 0);
	*ret_at = rows_int(rows, 0, 1);
	return 0;
}

int
attachment_finish(struct db *db, struct arena *arena, const struct attachment_new *a, struct str failure,
                  struct str *ret_json, int64_t *ret_at, int64_t *ret_owner)
{
	const struct arg args[] = { A_STR(a->id),           A_STR(failure),
		                    A_INT(a->size),         A_STR(a->mime),
		                    A_ID_OR_NULL(a->width), A_ID_OR_NULL(a->height),
		                    A_INT(a->animated),     A_STR(a->thumbhash),
		                    A_STR(a->color),        A_STR(a->renditions_json),
		                    A_INT(a->bytes),        A_STR(a->facts_json),
		                    A_STR(a->digest) };
	struct rows *rows;
	int r = db_run(db, arena, &finish, args, &rows);

	if (r)
		return trace(r);
	*ret_json = rows_str(rows, 0, 0);
	*ret_at = rows_int(rows, 0, 1);
	*ret_owner = rows_int(rows, 0, 2);
	return 0;
}

/* The only value of a statement. */
static int
one_text(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct str *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	*ret = rows_str(rows, 0, 0);
	return 0;
}

int
attachment_pending(struct db *db, struct arena *arena, struct str ids, struct str *ret)
{
	return one_text(db, arena, &pending, ARGS(A_STR(ids)), ret);
}

int
attachment_stale(struct db *db, struct arena *arena, int64_t hours, int64_t limit, struct str *ret)
{
	return one_text(db, arena, &stale, ARGS(A_INT(hours), A_INT(limit)), ret);
}

int
attachment_uses(struct db *db, struct arena *arena, struct str id, struct attachment_use **ret, size_t *ret_n)
{
	struct rows *rows;
	int r = db_run(db, arena, &uses, ARGS(A_STR(id)), &rows);

	if (r)
		return trace(r);
	*ret_n = rows_n(rows);
	*ret = arena_alloc(arena, (*ret_n + 1) * sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++) {
		struct attachment_use *u = &(*ret)[i];

		*u = (struct attachment_use){ .conversation_id = rows_int(rows, i, 0), .seq = rows_int(rows, i, 1) };
		u->hearers.ids = rows_ids(rows, arena, i, 2, &u->hearers.n);
	}
	return 0;
}

int
attachment_room(struct db *db, struct arena *arena, int64_t user_id, const struct attachment_quota *q,
                struct attachment_quota *ret_left)
{
	struct rows *rows;
	int r = need_row(db, arena, &room, ARGS(A_INT(user_id)), &rows);

	if (r)
		return trace(r);
	*ret_left = (struct attachment_quota){ q->bytes - rows_int(rows, 0, 0), q->day_bytes - rows_int(rows, 0, 1) };
	if (ret_left->bytes <= 0)
		return NO_SPACE;
	return ret_left->day_bytes <= 0 ? RATE_LIMITED : 0;
}

int
attachment_get(struct db *db, struct arena *arena, int64_t me, struct str id, struct attachment *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, &get, ARGS(A_INT(me), A_STR(id)), &rows);

	if (r)
		return trace(r);
	*ret = (struct attachment){ .json = rows_str(rows, 0, 0), .created_at = rows_int(rows, 0, 1) };
	return 0;
}

int
attachment_removals(struct db *db, struct arena *arena, struct str done, int64_t waited_hours, int64_t limit,
                    struct str *ret_due)
{
	return one_text(db, arena, &removals, ARGS(A_STR(done), A_INT(waited_hours), A_INT(limit)), ret_due);
}

int
attachment_unknown(struct db *db, struct arena *arena, struct str ids, struct str *ret)
{
	return one_text(db, arena, &unknown, ARGS(A_STR(ids)), ret);
}

int
attachment_twin(struct db *db, struct arena *arena, int64_t owner, struct str digest, struct str *ret)
{
	return one_text(db, arena, &twin, ARGS(A_INT(owner), A_STR(digest)), ret);
}

int
attachment_stored(struct db *db, struct arena *arena, struct str after, int64_t limit, struct attachment_stored **ret,
                  size_t *ret_n)
{
	struct rows *rows;
	int r = db_run(db, arena, &stored, ARGS(A_STR(after), A_INT(limit)), &rows);

	if (r)
		return trace(r);
	*ret_n = rows_n(rows);
	*ret = arena_alloc(arena, (*ret_n + 1) * sizeof(**ret));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = (struct attachment_stored){ rows_str(rows, i, 0), rows_str(rows, i, 1), rows_str(rows, i, 2) };
	return 0;
}
