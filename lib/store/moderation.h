/*
 * moderation -- reports and what moderators do about them, people as admins see them, and the log of all that. All functions: 0,
 * the outcomes named, UNAVAILABLE, UNCERTAIN, or a fault. Who may call is decided before; `from` is where the request came from, for
 * the log: {address, request_id, access_token}.
 */
#ifndef PEAL_STORE_MODERATION_H
#define PEAL_STORE_MODERATION_H

#include "../base/json_in.h"
#include "../wire/model.h"
#include "db.h"

/* NOT_FOUND: nobody, or disabled. by_password: a password is all that one needs to sign in as them. */
int site_role_get(struct db *, struct arena *, int64_t user_id, enum site_role *ret, bool *ret_by_password);
/* NOT_FOUND, also for bots. By name, without case. */
int site_role_set(struct db *, struct arena *, struct str username, enum site_role);

struct report_new {
	int64_t conversation_id, seq, user_id; /* a message, or a person (0: none) */
	struct str reason, note;
	int64_t most; /* TOO_MANY */
};
/* A report of mine that still waits is found again: *ret_created false. NOT_FOUND, INVALID (db_last_error() says where), DELETED,
 * WRONG_KIND. */
int report_make(struct db *, struct arena *, int64_t me, const struct report_new *, int64_t *ret_id, bool *ret_created);

struct report {
	int64_t id, conversation_id, seq; /* 0: a person */
	struct str reason, note, copy_json, state, moderator_note, action;
	struct str
	        attachments_json; /* as message.attachments; absent: none, or the report is closed and the files may be gone */
	bool gone;                /* the message is deleted or expired by now */
	bool target_disabled;
	int64_t created_at, handled_at;
	struct user reporter, target, handler; /* handler.id 0: nobody yet */
};
struct report_filter {
	struct str state, reason; /* absent: any */
	int64_t target_id;        /* 0: any */
	int64_t before;           /* an id; 0: the first page */
};
int report_list(struct db *, struct arena *, const struct report_filter *, int64_t limit, struct report **ret,
                size_t *ret_n);
int report_get(struct db *, struct arena *, int64_t id, struct report *ret); /* NOT_FOUND */

struct report_acted {
	int64_t conversation_id, position; /* after the last event */
	size_t events;
	struct str removed_json; /* ["id", ...] whose files are to go now; absent: none */
};
/* changes: {state?, note?, action?, slow_mode_seconds?}. NOT_FOUND, CONFLICT (an action on a closed report), WRONG_KIND, FORBIDDEN. */
int report_act(struct db *, struct arena *, int64_t me, int64_t id, struct str changes_json, struct str from_json,
               struct report_acted *ret);

/* Removes reports that were closed, and not worked on since, so many days ago: at most `limit`. */
int report_forget(struct db *, struct arena *, int64_t days, int64_t limit, int64_t *ret_removed);

struct site_user {
	struct user user;
	enum site_role role;
	int64_t owner_id, disabled_at; /* 0: none */
};
struct site_filter {
	struct str prefix; /* of the user name; absent: any */
	struct opt_bool disabled;
	struct opt_bool bots;
	struct opt_bool staff; /* with a role */
	int64_t after;         /* an id */
};
int site_users(struct db *, struct arena *, const struct site_filter *, int64_t limit, struct site_user **ret,
               size_t *ret_n);
/* NOT_FOUND; FORBIDDEN: oneself, or a moderator somebody with a role. Again: nothing. */
int site_disable(struct db *, struct arena *, int64_t me, int64_t user_id, bool disabled, struct str from_json,
                 struct site_user *ret);

struct audit_row {
	int64_t id, at, actor_id, access_token; /* actor_id 0: the command line */
	struct str actor, act, target_kind, target_id, target, address, request_id, detail_json;
};
struct audit_filter {
	struct str act, target_kind, target_id; /* absent: any */
	int64_t actor_id, before;
};
int audit_list(struct db *, struct arena *, const struct audit_filter *, int64_t limit, struct audit_row **ret,
               size_t *ret_n);
/* What somebody does at the command line: `target` is a user name, or anything else. */
int audit_add(struct db *, struct arena *, struct str actor, struct str act, struct str target, struct str detail_json);

#endif
