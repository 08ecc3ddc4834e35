/*
 * export -- everything of somebody's as one archive: the job, and what its turns gather.
 */
#ifndef PEAL_STORE_EXPORT_H
#define PEAL_STORE_EXPORT_H

#include "db.h"

enum export_state { EXPORT_PENDING = 1, EXPORT_RUNNING, EXPORT_READY, EXPORT_FAILED, EXPORT_EXPIRED };

struct export
{
	struct str id; /* that of an attachment (link.h) */
	int64_t user_id;
	enum export_state state;
	struct str failure; /* a code; absent: none */
	int64_t created_at, finished_at, expires_at;
	int64_t messages, messages_of, size;
	struct str digest;

	/* where a turn goes on */
	int64_t phase, part, conversation_id, seq;
	bool gone; /* its person is */
};

/* One begins with this id, or the one that is being made is found: *ret_id. *ret_wait_ms > 0: not yet again, nothing was done. NOT_FOUND: nobody. */
int export_begin(struct db *, struct arena *, int64_t me, struct str id, int64_t pause_minutes, struct str *ret_id,
                 bool *ret_new, int64_t *ret_wait_ms);
int export_get(struct db *, struct arena *, int64_t me, struct str id, struct export *ret); /* NOT_FOUND: not mine either */

/* For peal-jobs. NOT_FOUND: nothing is to be made now. */
int export_next(struct db *, struct arena *, struct export *ret);
/* Where the next turn goes on; it begins after so many milliseconds. */
int export_advance(struct db *, struct arena *, const struct export *, int64_t wait_ms);
/* *ret_user 0: it has ended otherwise. */
int export_finish(struct db *, struct arena *, struct str id, int64_t size, struct str digest, int64_t keep_hours,
                  int64_t *ret_user, struct str *ret_attachment_json);
int export_fail(struct db *, struct arena *, struct str id, const char *code); /* NULL: the row goes */
int export_expire(struct db *, struct arena *, int64_t limit, int64_t *ret_expired);
/* Lines of a small list after `offset`, as JSON objects. */
int export_lines(struct db *, struct arena *, int64_t me, const char *list, int64_t offset, int64_t limit, struct str **ret,
                 size_t *ret_n);
/* The next conversation that they are in and see; 0: there is none. */
int export_conversation(struct db *, struct arena *, int64_t me, int64_t after, int64_t *ret_id);

#endif
