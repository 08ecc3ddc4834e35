/*
 * model -- the things the contract speaks of, as structs. lib/store fills them, view.h writes them.
 *
 * Strings borrow from the arena of the request. Times are microseconds since 1970, 0 for none. Ids are positive, 0 for none.
 */
#ifndef PEAL_WIRE_MODEL_H
#define PEAL_WIRE_MODEL_H

#include "../base/arena.h"
#include "../base/str.h"

struct user {
	int64_t id;
	struct str username, display_name, avatar_id, status_text;
	int64_t created_at, last_seen_at;
	bool bot;
	bool erased; /* nobody any more: nothing above is of the person but the id */
};

/* What somebody may do on the whole server: moderators work through reports; admins that, and people and the audit log. */
enum site_role { SITE_NOBODY, SITE_MODERATOR, SITE_ADMIN };

/* Whoever asks about themselves. */
struct me {
	struct user user;
	bool read_receipts, last_seen; /* privacy */
	enum site_role site_role;
};

enum message_kind {
	MESSAGE_TEXT = 1,
	MESSAGE_IMAGE,
	MESSAGE_AUDIO,
	MESSAGE_VIDEO,
	MESSAGE_FILE,
	MESSAGE_LOCATION,
	MESSAGE_POLL,
	MESSAGE_CALL,
	MESSAGE_SYSTEM,
	MESSAGE_ENCRYPTED
};

struct message {
	int64_t conversation_id, seq, rev, version;
	int64_t sender_id;
	struct str client_id;
	enum message_kind kind;
	struct str content;                 /* absent: null (deleted, or a kind without text) */
	int64_t reply_seq, reply_sender_id; /* 0: no reply, or one the viewer may not see */
	struct str reply_excerpt;           /* at most 120 code points of the parent; per viewer */
	struct str mentions_json;           /* [{user_id, offset, length}] as stored, ready JSON; absent: [] */
	struct str attachments_json;        /* as attachment.h reads it, without links; absent: none */
	struct str extra_json;              /* of its kind, as stored: location, poll with counts, call, system, encrypted */
	struct str forward_json;            /* {sender_id, created_at} of what it is a copy of; absent: none */
	struct str reactions_json;          /* [{emoji, count}], ready JSON; absent: none */
	int64_t created_at, edited_at, deleted_at, expires_at;
	bool pinned;
	int64_t read_count, delivered_count; /* members other than the sender */
	int64_t member_count;                /* members other than the sender: status is read or delivered when all are */

	/* the viewer's own; not in the shared form */
	bool starred;
	struct str my_reactions_json; /* ["emoji"]; absent: none */
	struct str my_votes_json;     /* [option]; absent: none */
};

enum conversation_kind { CONVERSATION_DIRECT = 1, CONVERSATION_GROUP = 2 };
enum member_role { ROLE_MEMBER = 1, ROLE_ADMIN = 2, ROLE_OWNER = 3 };

struct member {
	struct user user;
	enum member_role role;
	int64_t receipt_seq, delivered_seq;
};

/* A conversation as one member sees it. */
struct conversation {
	int64_t id;
	enum conversation_kind kind;
	struct str name, avatar_id; /* of a direct conversation: the other person's */
	struct user peer;           /* direct: the other person (me, in a conversation with myself) */
	int64_t created_at, updated_at;
	int64_t first_seq, last_seq, last_rev, participant_count;
	bool history_all;                                       /* members see what was said before they came */
	int64_t ttl_seconds, retention_days, slow_mode_seconds; /* 0: none */
	bool has_last_message;
	struct message last_message;
	int64_t unread_count, mention_count;
	struct {
		int64_t read_seq, receipt_seq, delivered_seq, unread_from; /* unread_from 0: null */
		enum member_role role;
		int64_t notify; /* 1 all, 2 mentions, 3 none */
		int64_t muted_until;
		bool archived, pinned;
		struct str draft_json; /* {content, reply_to, updated_at}, ready JSON; absent: none */
	} my;
	const struct member *participants; /* at most 32; NULL in lists */
	size_t participants_n;
};

#endif
