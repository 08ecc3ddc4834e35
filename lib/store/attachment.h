/*
 * attachment -- what people have uploaded. The JSON here is that of lib/wire/attachment.h.
 */
#ifndef PEAL_STORE_ATTACHMENT_H
#define PEAL_STORE_ATTACHMENT_H

#include "../wire/model.h"
#include "conversation.h"
#include "db.h"

/* What one person may store. */
struct attachment_quota {
	int64_t bytes, day_bytes;
};

struct attachment_new {
	struct str id;
	int64_t owner_id;
	enum message_kind kind;
	struct str name, mime, thumbhash, color; /* the name is cleaned already; absent: null */
	int64_t size, width, height, bytes;      /* width, height 0: null */
	bool animated;
	struct str renditions_json;
	struct str facts_json, digest; /* what only its kind has; SHA-256 of an original, in hex; absent: null */
};
/* NO_SPACE, RATE_LIMITED: beyond the quota; NOT_FOUND: no such person. *ret_json lives as the arena. */
int attachment_register(struct db *, struct arena *, const struct attachment_new *, const struct attachment_quota *,
                        struct str *ret_json, int64_t *ret_at);
/* The same of what takes long: what it is to be, size what was sent. It waits until attachment_finish(). */
int attachment_begin(struct db *, struct arena *, const struct attachment_new *, const struct attachment_quota *,
                     struct str *ret_json, int64_t *ret_at);
/* What came of it: failure (the code of an outcome; absent: none), or the rest of *new but its kind, name and owner, which it has.
 * NOT_FOUND: nobody waits for it. The same again changes nothing. */
int attachment_finish(struct db *, struct arena *, const struct attachment_new *, struct str failure, struct str *ret_json,
                      int64_t *ret_at, int64_t *ret_owner);
/* Those of the ids that still wait, and (at most `limit`) those that have waited for longer than this, both JSON arrays of strings. */
int attachment_pending(struct db *, struct arena *, struct str ids, struct str *ret);
int attachment_stale(struct db *, struct arena *, int64_t hours, int64_t limit, struct str *ret);
/* A message that has it, and who sees that. */
struct attachment_use {
	int64_t conversation_id, seq;
	struct hearers hearers;
};
int attachment_uses(struct db *, struct arena *, struct str id, struct attachment_use **ret, size_t *ret_n);
/* Has this person reached the quota? 0 with what is left of it, NO_SPACE, RATE_LIMITED; NOT_FOUND: no such person. */
int attachment_room(struct db *, struct arena *, int64_t user_id, const struct attachment_quota *,
                    struct attachment_quota *ret_left);

struct attachment {
	struct str json;
	int64_t created_at;
};
/* NOT_FOUND unless it is an upload of mine that no message has yet, or in a message that I can see. */
int attachment_get(struct db *, struct arena *, int64_t me, struct str id, struct attachment *ret);

/* `done`: ids whose files have gone; *ret_due: ids whose files are to go. Both are JSON arrays of strings. */
int attachment_removals(struct db *, struct arena *, struct str done, int64_t waited_hours, int64_t limit,
                        struct str *ret_due);
/* Those of the ids that no row has. */
int attachment_unknown(struct db *, struct arena *, struct str ids, struct str *ret);
/* An upload of this person whose original has this digest, if there is one: a JSON array of its id. */
int attachment_twin(struct db *, struct arena *, int64_t owner, struct str digest, struct str *ret);

/* Of one that is wanted: what must be on disk. */
struct attachment_stored {
	struct str id, renditions_json, digest; /* digest absent: there is no original */
};
/* At most `limit`, by id, behind `after` ("" at first). */
int attachment_stored(struct db *, struct arena *, struct str after, int64_t limit, struct attachment_stored **ret,
                      size_t *ret_n);

#endif
