/*
 * search -- the index of what was said: what peal-jobs writes, and what a search reads. See sql/0011_search.sql.
 *
 * The index names places; whether I see them, and what they say, is asked of the messages at that moment.
 */
#ifndef PEAL_STORE_SEARCH_H
#define PEAL_STORE_SEARCH_H

#include "../wire/model.h"
#include "db.h"

/* A moment no message is from. */
#define SEARCH_LATEST INT64_C(253402300799000000) /* year 9999 */

/* What `has:` and the index call the kinds that can be asked for, from MESSAGE_IMAGE to MESSAGE_FILE. */
extern const char *const search_kinds[MESSAGE_FILE + 1];

/* ---- looking ---- */

/* What a search names, resolved. */
struct search_scope {
	const int64_t *conversations; /* those of mine that it is about */
	size_t n;
	int64_t from; /* whose messages; 0: nobody is called so, or nobody was named */
};
/*
 * `conversation` 0: all of mine. `in` absent: likewise; otherwise an id, the name of a group, or the user name of the other person.
 * `from` absent, or a user name, or "me".
 */
int search_scope(struct db *, struct arena *, int64_t me, int64_t conversation, struct str in, struct str from,
                 struct search_scope *ret);

/* A place in the order of a search, newest first; conversation_id 0: before everything of that time. */
struct search_place {
	int64_t at, conversation_id, seq;
};
struct search_places {
	struct search_place *list;
	size_t n;
	struct search_place next; /* where to go on; at 0: there is nothing more */
};
/* At most `limit` places before `before` and not before `from` (microseconds) that have all terms, a tsquery. Ends early after budget_ms. */
int search_places(struct db *, struct arena *, const struct search_scope *, struct str terms, int64_t from,
                  const struct search_place *before, int64_t limit, int64_t budget_ms, struct search_places *ret);
enum search_marked { SEARCH_STARRED, SEARCH_PINNED };
/* The same of what I starred, or what is pinned. */
int search_marked(struct db *, struct arena *, int64_t me, const struct search_scope *, enum search_marked, int64_t from,
                  const struct search_place *before, int64_t limit, struct search_places *ret);

/* What is decided by. */
struct search_text {
	int64_t conversation_id, seq, sender_id, created_at;
	enum message_kind kind;
	struct str content, names, mentions_json; /* names: of files and so on, with TERMS_BREAK between them */
	bool starred, pinned;
};
/* Those of the places that I see, live and of a kind that is searched, in the order of the places. */
int search_texts(struct db *, struct arena *, int64_t me, const struct search_place *, size_t n, struct search_text **ret,
                 size_t *ret_n);
/* The messages themselves; some may have gone meanwhile. */
int search_messages(struct db *, struct arena *, int64_t me, const struct search_place *, size_t n, struct message **ret,
                    size_t *ret_n);

/* ---- indexing; peal-jobs alone ---- */

struct search_batch {
	struct search_text *texts; /* kind 0: not to be found any more */
	size_t n;
	int64_t made;     /* the first so many are new since `from` */
	bool log;         /* false: of a rebuild */
	bool lost;        /* the log begins after `from`: a rebuild has been asked for */
	bool rebuild;     /* one is asked for */
	bool gone;        /* there is something to forget */
	int64_t from, to; /* transactions */
	bool more;
	int64_t looked;
};
/*
 * What happened in the log since the last time: messages as they are now, at most `limit`. What the log does not hold any more asks for
 * a rebuild by itself.
 */
int search_pending(struct db *, struct arena *, int64_t limit, struct search_batch *ret);
/* The next messages of a rebuild; n 0: it has come to its end, which is then to be written. */
int search_rebuild_next(struct db *, struct arena *, int64_t limit, struct search_batch *ret);
/* Writes a batch; terms[i] is what texts[i] has, as a tsvector, absent: nothing. */
int search_write(struct db *, struct arena *, const struct search_batch *, const struct str *terms);
int search_forget(struct db *, struct arena *, int64_t limit, int64_t *ret_gone);
int search_split(struct db *, struct arena *, int64_t rows);

/* ---- pealctl ---- */

struct search_state {
	int64_t rebuild_asked_at, rebuilt, rebuilt_at; /* times 0: never */
	int64_t messages;                              /* about */
	int64_t waiting;                               /* events in the log that are not indexed yet */
	int64_t slices;
};
int search_state(struct db *, struct arena *, struct search_state *ret);
int search_rebuild_ask(struct db *, struct arena *, int64_t rows_per_slice);

/* Terms as a tsvector or a tsquery is written: quoted. */
void search_quote(struct buf *, struct str);

#endif
