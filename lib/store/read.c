/*
 * read -- rows into structs; the order is that of the column lists in read.h.
 */
#include "read.h"

const struct stmt *const *const store_statements[] = { account_statements,    conversation_statements, group_statements,
	                                               message_statements,    event_statements,        upkeep_statements,
	                                               attachment_statements, block_statements,        older_statements,
	                                               schedule_statements,   call_statements,         change_statements,
	                                               detail_statements,     db_statements_own,       request_statements,
	                                               search_statements,     access_statements,       moderation_statements,
	                                               identity_statements,   factor_statements,       erasure_statements,
	                                               notify_statements,     export_statements,       NULL };

int
need_row(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, struct rows **ret)
{
	int r = db_run(db, arena, stmt, args, ret);

	return r ? trace(r) : rows_n(*ret) ? 0 : NOT_FOUND;
}

int
one_int(struct db *db, struct arena *arena, const struct stmt *stmt, const struct arg *args, int64_t *ret)
{
	struct rows *rows;
	int r = need_row(db, arena, stmt, args, &rows);

	if (r)
		return trace(r);
	*ret = rows_int(rows, 0, 0);
	return 0;
}

void
read_user(const struct rows *rows, size_t row, size_t c, struct user *ret)
{
	*ret = (struct user){
		.id = rows_int(rows, row, c),
		.username = rows_str(rows, row, c + 1),
		.display_name = rows_str(rows, row, c + 2),
		.avatar_id = rows_str(rows, row, c + 3),
		.status_text = rows_str(rows, row, c + 4),
		.created_at = rows_int(rows, row, c + 5),
		.last_seen_at = rows_int(rows, row, c + 6),
		.bot = rows_int(rows, row, c + 7),
		.erased = rows_int(rows, row, c + 8),
	};
}

void
read_member(const struct rows *rows, size_t row, size_t c, struct member *ret)
{
	*ret = (struct member){
		.role = (enum member_role)rows_int(rows, row, c),
		.receipt_seq = rows_int(rows, row, c + 1),
		.delivered_seq = rows_int(rows, row, c + 2),
	};
	read_user(rows, row, c + 3, &ret->user);
}

void
read_message(const struct rows *rows, size_t row, size_t c, struct message *ret)
{
	*ret = (struct message){
		.conversation_id = rows_int(rows, row, c),
		.seq = rows_int(rows, row, c + 1),
		.rev = rows_int(rows, row, c + 2),
		.version = rows_int(rows, row, c + 3),
		.sender_id = rows_int(rows, row, c + 4),
		.client_id = rows_str(rows, row, c + 5),
		.kind = (enum message_kind)rows_int(rows, row, c + 6),
		.content = rows_str(rows, row, c + 7),
		.reply_seq = rows_int(rows, row, c + 8),
		.reply_sender_id = rows_int(rows, row, c + 9),
		.reply_excerpt = rows_str(rows, row, c + 10),
		.mentions_json = rows_str(rows, row, c + 11),
		.created_at = rows_int(rows, row, c + 12),
		.edited_at = rows_int(rows, row, c + 13),
		.deleted_at = rows_int(rows, row, c + 14),
		.read_count = rows_int(rows, row, c + 15),
		.delivered_count = rows_int(rows, row, c + 16),
		.member_count = rows_int(rows, row, c + 17),
		.attachments_json = rows_str(rows, row, c + 18),
		.expires_at = rows_int(rows, row, c + 19),
		.pinned = rows_int(rows, row, c + 20),
		.reactions_json = rows_str(rows, row, c + 21),
		.forward_json = rows_str(rows, row, c + 22),
		.extra_json = rows_str(rows, row, c + 23),
	};
}

void
read_my_message(const struct rows *rows, size_t row, size_t c, struct message *ret)
{
	read_message(rows, row, c, ret);
	ret->starred = rows_int(rows, row, c + MESSAGE_N);
	ret->my_reactions_json = rows_str(rows, row, c + MESSAGE_N + 1);
	ret->my_votes_json = rows_str(rows, row, c + MESSAGE_N + 2);
}

static void
read_my(const struct rows *rows, size_t row, size_t c, struct conversation *ret)
{
	ret->my.read_seq = rows_int(rows, row, c);
	ret->my.receipt_seq = rows_int(rows, row, c + 1);
	ret->my.delivered_seq = rows_int(rows, row, c + 2);
	ret->my.unread_from = rows_int(rows, row, c + 3);
	ret->my.role = (enum member_role)rows_int(rows, row, c + 4);
	ret->my.notify = rows_int(rows, row, c + 5);
	ret->my.muted_until = rows_int(rows, row, c + 6);
	ret->my.archived = rows_int(rows, row, c + 7);
	ret->my.pinned = rows_int(rows, row, c + 8);
	ret->my.draft_json = rows_str(rows, row, c + 9);
}

static void
read_settings(const struct rows *rows, size_t row, size_t c, struct conversation *ret)
{
	ret->history_all = rows_int(rows, row, c);
	ret->ttl_seconds = rows_int(rows, row, c + 1);
	ret->retention_days = rows_int(rows, row, c + 2);
	ret->slow_mode_seconds = rows_int(rows, row, c + 3);
}

void
read_conversation(const struct rows *rows, size_t row, size_t c, struct conversation *ret)
{
	*ret = (struct conversation){
		.id = rows_int(rows, row, c),
		.kind = (enum conversation_kind)rows_int(rows, row, c + 1),
		.name = rows_str(rows, row, c + 2),
		.avatar_id = rows_str(rows, row, c + 3),
		.created_at = rows_int(rows, row, c + 4),
		.updated_at = rows_int(rows, row, c + 5),
		.first_seq = rows_int(rows, row, c + 6),
		.last_seq = rows_int(rows, row, c + 7),
		.last_rev = rows_int(rows, row, c + 8),
		.participant_count = rows_int(rows, row, c + 9),
	};
	read_my(rows, row, c + 10, ret);
	read_settings(rows, row, c + 20, ret);
	ret->unread_count = rows_int(rows, row, c + 24);
	ret->mention_count = rows_int(rows, row, c + 25);
	read_user(rows, row, c + 26, &ret->peer);
	ret->has_last_message = !rows_null(rows, row, c + 26 + USER_N);
	if (ret->has_last_message)
		read_my_message(rows, row, c + 26 + USER_N, &ret->last_message);
}
