/*
 * change -- what becomes of a message after it was sent.
 */
#include "change.h"
#include "read.h"

/* clang-format off */
static const struct stmt edit = {
	.name = "message_edit", .params = "iiiNsNjNi", .results = "bNi", .writes = true,
	.text = "SELECT o_changed, o_seq + o_rev FROM message_edit($1, $2, $3, $4, $5, $6)",
};
static const struct stmt delete = {
	.name = "message_delete", .params = "iii", .results = "bNiNj", .writes = true,
	.text = "SELECT o_changed, o_seq + o_rev, o_attachments FROM message_delete($1, $2, $3)",
};
static const struct stmt hide = {
	.name = "message_hide", .params = "iii", .results = "bNi", .writes = true,
	.text = "SELECT o_changed, o_user_rev FROM message_hide($1, $2, $3)",
};
static const struct stmt star = {
	.name = "message_star", .params = "iiib", .results = "bNi", .writes = true,
	.text = "SELECT o_changed, o_user_rev FROM message_star($1, $2, $3, $4)",
};
static const struct stmt react = {
	.name = "message_react", .params = "iiisbii", .results = "bNi", .writes = true,
	.text = "SELECT o_changed, o_seq + o_rev FROM message_react($1, $2, $3, $4, $5, $6, $7)",
};
static const struct stmt pin = {
	.name = "message_pin", .params = "iiibi", .results = "bNi", .writes = true,
	.text = "SELECT o_changed, o_seq + o_rev FROM message_pin($1, $2, $3, $4, $5)",
};
static const struct stmt vote = {
	.name = "message_vote", .params = "iiiI", .results = "bNi", .writes = true,
	.text = "SELECT o_changed, o_seq + o_rev FROM message_vote($1, $2, $3, $4)",
};
/* clang-format on */

const struct stmt *const change_statements[] = { &edit, &delete, &hide, &star, &react, &pin, &vote, NULL };

#define PLACE(p) A_INT((p)->me), A_INT((p)->conversation_id), A_INT((p)->seq)

static int
run(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct change *ret)
{
	struct rows *rows;
	int r = db_run(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	*ret = (struct change){ .changed = rows_int(rows, 0, 0), .position = rows_int(rows, 0, 1) };
	return 0;
}

int
change_edit(struct db *db, struct arena *arena, const struct place *at, const struct edit *in, struct change *ret)
{
	return run(db, arena, &edit,
	           ARGS(PLACE(at), A_STR(in->content), A_STR(in->mentions_json), A_ID_OR_NULL(in->if_version)), ret);
}

int
change_delete(struct db *db, struct arena *arena, const struct place *at, struct change *ret,
              struct str *ret_attachments_json)
{
	struct rows *rows;
	int r = db_run(db, arena, &delete, ARGS(PLACE(at)), &rows);

	if (r)
		return trace(r);
	*ret = (struct change){ .changed = rows_int(rows, 0, 0), .position = rows_int(rows, 0, 1) };
	*ret_attachments_json = rows_str(rows, 0, 2);
	return 0;
}

int
change_hide(struct db *db, struct arena *arena, const struct place *at, struct change *ret)
{
	return run(db, arena, &hide, ARGS(PLACE(at)), ret);
}

int
change_star(struct db *db, struct arena *arena, const struct place *at, bool on, struct change *ret)
{
	return run(db, arena, &star, ARGS(PLACE(at), A_INT(on)), ret);
}

int
change_react(struct db *db, struct arena *arena, const struct place *at, struct str emoji, bool on, int64_t mine_max,
             int64_t all_max, struct change *ret)
{
	return run(db, arena, &react, ARGS(PLACE(at), A_STR(emoji), A_INT(on), A_INT(mine_max), A_INT(all_max)), ret);
}

int
change_pin(struct db *db, struct arena *arena, const struct place *at, bool on, int64_t most, struct change *ret)
{
	return run(db, arena, &pin, ARGS(PLACE(at), A_INT(on), A_INT(most)), ret);
}

int
change_vote(struct db *db, struct arena *arena, const struct place *at, const int64_t *options, size_t n, struct change *ret)
{
	return run(db, arena, &vote, ARGS(PLACE(at), A_IDS(options, n)), ret);
}
