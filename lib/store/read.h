/*
 * read -- columns that several statements share, and the functions that read them into the structs of lib/wire/model.h.
 *
 * Private to lib/store. Each *_COLUMNS goes with its *_RESULTS signature and *_N; a reader takes the first of its columns.
 * Strings borrow from the result, which lives as the arena.
 */
#ifndef PEAL_STORE_READ_H
#define PEAL_STORE_READ_H

#include "../wire/model.h"
#include "db.h"

/* clang-format off */
/*
 * Joined by a probe for each row: nobody can tell the planner that a list is short (LIMIT $n counts as a tenth of the table), nor that a
 * table is no longer empty, and it would rather read it from one end to the other.
 */
#define ONE(table, where) "LATERAL (SELECT x.* FROM " table " x WHERE " where " LIMIT 1) "

/* of users `a` */
#define USER_COLUMNS(a) \
	a ".id, " a ".username, " a ".display_name, " a ".avatar_id, " a ".status_text, " a ".created_at, " a ".last_seen_at, " \
	a ".bot, " a ".erased_at IS NOT NULL"
#define USER_RESULTS "NiNsNsNsNsNtNtNbNb"
#define USER_N 9

/* of member m, who is user u; a row may be missing */
#define MEMBER_COLUMNS(m, u) m ".role, " m ".receipt_seq, " m ".delivered_seq, " USER_COLUMNS(u)
#define MEMBER_RESULTS "NhNiNi" USER_RESULTS

/*
 * Of message g, its parent r and k, the marks of the others. What only a viewer's form has comes after it: mm, the
 * viewer's own row of it (message_mine).
 */
#define MESSAGE_COLUMNS                                                                                       \
	"g.conversation_id, g.seq, g.rev, g.version, g.sender_id, g.client_id, g.kind, g.content, r.seq, r.sender_id, " \
	"left(r.content, 120), g.mentions, g.created_at, g.edited_at, g.deleted_at, k.read, k.delivered, k.others, " \
	"g.attachments, g.expires_at, g.pinned_at IS NOT NULL, g.reactions, g.forward_of, g.extra"
#define MESSAGE_RESULTS "NiNiNiNnNiNsNhNsNiNiNsNjNtNtNtNiNiNiNjNtNbNjNjNj"
#define MESSAGE_N 24
#define MY_MESSAGE_COLUMNS \
	MESSAGE_COLUMNS ", mm.starred_at IS NOT NULL, array_to_json(mm.reactions), array_to_json(mm.votes)"
#define MY_MESSAGE_RESULTS MESSAGE_RESULTS "NbNjNj"
#define MY_MESSAGE_N (MESSAGE_N + 3)
#define MESSAGE_MARKS                                                                                         \
	" LEFT JOIN LATERAL (SELECT count(*) AS others, count(*) FILTER (WHERE o.receipt_seq >= g.seq) AS read, " \
	" count(*) FILTER (WHERE o.delivered_seq >= g.seq) AS delivered FROM member o "                         \
	" WHERE o.conversation_id = g.conversation_id AND o.user_id <> g.sender_id) k ON true "
#define MESSAGE_MINE(user) \
	" LEFT JOIN " ONE("message_mine", "x.user_id = " user " AND x.conversation_id = g.conversation_id AND x.seq = g.seq") "mm ON true "

/*
 * What makes a message visible besides the floor: the clock, for everybody; and that it is not deleted for me. OFFSET 0: each is looked
 * up by itself; the planner would rather read all that I ever did with messages, again for every list and every reply in it.
 */
#define LIVES(g) "(" g ".expires_at IS NULL OR " g ".expires_at > now())"
#define SHOWN(g, c)                                                                                           \
	LIVES(g) " AND (NOT " c ".hides OR NOT EXISTS (SELECT FROM message_mine z WHERE z.user_id = " c ".user_id " \
	"AND z.conversation_id = " g ".conversation_id AND z.seq = " g ".seq AND z.hidden_at IS NOT NULL OFFSET 0))"
#define MY_MESSAGE_PARENT(c)                                                                                  \
	" LEFT JOIN " ONE("message", "x.conversation_id = g.conversation_id AND x.seq = g.reply_seq AND x.seq >= " c ".floor " \
	"AND " SHOWN("x", c)) "r ON true "

/*
 * Counts of a list of messages: the marks of a conversation are read once. Most lie before all messages of the list or after them and are
 * only counted; those between are sorted, and every message searches there. The sender's own (s) are taken away.
 */
#define MARKS_AMONG(mark)                                                                                     \
	"coalesce(array_agg(o." mark " ORDER BY o." mark ") FILTER (WHERE o." mark " >= d.low AND o." mark " < d.high), '{}')"
#define MARKS_OF(list)                                                                                        \
	"marks AS MATERIALIZED (SELECT d.conversation_id, t.* FROM (" list ") d CROSS JOIN LATERAL (SELECT count(*) AS n, " \
	" count(*) FILTER (WHERE o.receipt_seq >= d.low) AS read, " MARKS_AMONG("receipt_seq") " AS receipts, "     \
	" count(*) FILTER (WHERE o.delivered_seq >= d.low) AS delivered, " MARKS_AMONG("delivered_seq") " AS delivereds " \
	" FROM member o WHERE o.conversation_id = d.conversation_id) t) "
#define MARKS_COUNT(s)                                                                                        \
	"a.n - (" s ".receipt_seq IS NOT NULL)::integer AS others, "                                             \
	"a.read - width_bucket(g.seq - 1, a.receipts) - (coalesce(" s ".receipt_seq, 0) >= g.seq)::integer AS read, " \
	"a.delivered - width_bucket(g.seq - 1, a.delivereds) - (coalesce(" s ".delivered_seq, 0) >= g.seq)::integer AS delivered "

/* Of lists `l`, whose messages are in its column `seq`. */
#define LIST_MARKS(seq)                                                                                       \
	MARKS_OF("SELECT conversation_id, min(" seq ") AS low, max(" seq ") AS high FROM l WHERE " seq " IS NOT NULL " \
	         "GROUP BY conversation_id")
#define LIST_COUNTS                                                                                           \
	" LEFT JOIN LATERAL (SELECT " MARKS_COUNT("s") " FROM marks a LEFT JOIN "                                \
	ONE("member", "x.user_id = g.sender_id AND x.conversation_id = g.conversation_id") "s ON true "           \
	" WHERE a.conversation_id = g.conversation_id) k ON true "

/* My conversations: c has all columns of member and conversation, and the first seq that I may see. */
#define MINE(where)                                                                                           \
	" (SELECT m.*, v.*, first_visible(v.history_all, v.first_seq, m.joined_seq) AS floor "                   \
	" FROM member m JOIN conversation v ON v.id = m.conversation_id WHERE m.user_id = $1 " where ") c "

/* g: the last message that is visible to me */
#define CONVERSATION_JOINS                                                                                    \
	" LEFT JOIN " ONE("users", "x.id = CASE WHEN c.kind = 1 THEN c.direct_low + c.direct_high - c.user_id END") "p ON true " \
	" LEFT JOIN LATERAL (SELECT x.* FROM message x WHERE x.conversation_id = c.id AND x.seq >= c.floor AND " \
	SHOWN("x", "c") " ORDER BY x.seq DESC LIMIT 1) g ON true "                                              \
	MY_MESSAGE_PARENT("c") MESSAGE_MARKS MESSAGE_MINE("c.user_id") UNREAD
/* The messages are not looked at when the marks say that all is read: nothing then, which is read as 0. */
#define UNREAD                                                                                                \
	" LEFT JOIN LATERAL (SELECT u.unread, u.mentions FROM unread_of(c.user_id, c.id, greatest(c.floor, "     \
	"coalesce(c.unread_from, c.read_seq + 1))) u "                                                           \
	" WHERE c.unread_from IS NOT NULL OR c.read_seq < c.last_seq) un ON true "
#define CONVERSATION_COLUMNS                                                                                  \
	"c.id, c.kind, CASE WHEN c.kind = 1 THEN p.display_name ELSE c.name END, "                               \
	"CASE WHEN c.kind = 1 THEN p.avatar_id ELSE c.avatar_id END, c.created_at, c.updated_at, c.floor, c.last_seq, " \
	"c.last_rev, " \
	"c.participant_count, c.read_seq, c.receipt_seq, c.delivered_seq, c.unread_from, c.role, c.notify, " \
	"c.muted_until, c.archived, " \
	"c.pinned, draft_json(c.id, c.draft), c.history_all, c.ttl_seconds, c.retention_days, c.slow_mode_seconds, " \
	"un.unread, un.mentions, " USER_COLUMNS("p") ", " MY_MESSAGE_COLUMNS
#define CONVERSATION_RESULTS "ihNsNsttiiiniiiNihhNtbbNjbNnNnNnNiNi" USER_RESULTS MY_MESSAGE_RESULTS
#define CONVERSATION_N (26 + USER_N + MY_MESSAGE_N)
/* clang-format on */

/* A statement that gives a row, or more. NOT_FOUND: it gave none. */
int need_row(struct db *, struct arena *, const struct stmt *, const struct arg *args, struct rows **ret);
/* The first number of the first row. */
int one_int(struct db *, struct arena *, const struct stmt *, const struct arg *args, int64_t *ret);
void read_user(const struct rows *, size_t row, size_t column, struct user *ret);
void read_member(const struct rows *, size_t row, size_t column, struct member *ret);
void read_message(const struct rows *, size_t row, size_t column, struct message *ret);
void read_my_message(const struct rows *, size_t row, size_t column, struct message *ret); /* MY_MESSAGE_COLUMNS */
void read_conversation(const struct rows *, size_t row, size_t column, struct conversation *ret);

/* The statements of each file. */
extern const struct stmt *const access_statements[];
extern const struct stmt *const moderation_statements[];
extern const struct stmt *const account_statements[];
extern const struct stmt *const factor_statements[];
extern const struct stmt *const conversation_statements[];
extern const struct stmt *const group_statements[];
extern const struct stmt *const message_statements[];
extern const struct stmt *const change_statements[];
extern const struct stmt *const detail_statements[];
extern const struct stmt *const search_statements[];
extern const struct stmt *const db_statements_own[];
extern const struct stmt *const request_statements[];
extern const struct stmt *const schedule_statements[];
extern const struct stmt *const event_statements[];
extern const struct stmt *const upkeep_statements[];
extern const struct stmt *const call_statements[];
extern const struct stmt *const identity_statements[];
extern const struct stmt *const attachment_statements[];
extern const struct stmt *const block_statements[];
extern const struct stmt *const older_statements[];
extern const struct stmt *const erasure_statements[];
extern const struct stmt *const notify_statements[];
extern const struct stmt *const export_statements[];

#endif
