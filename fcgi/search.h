/*
 * search -- what somebody typed into a search, and whether a message is what they look for.
 *
 *     words        all of them, in any order; the last one may go on
 *     "a phrase"   these words, one after the other        -word, -"a phrase"   none of it
 *     from:NAME in:PLACE has:image|audio|video|file|link before:TIME after:TIME is:starred|pinned mentions:me
 */
#ifndef PEAL_FCGI_SEARCH_H
#define PEAL_FCGI_SEARCH_H

#include "base/terms.h"
#include "store/search.h"
#include "req.h"

#define SEARCH_WORDS_MAX      32
#define SEARCH_HIGHLIGHTS_MAX 64

struct search {
	struct needle wanted[SEARCH_WORDS_MAX], unwanted[SEARCH_WORDS_MAX];
	size_t wanted_n, unwanted_n;
	struct str last;     /* the word that was typed last, outside of quotes */
	struct str in, from; /* as typed; absent: everywhere, anybody */
	unsigned kinds;      /* has: bits of enum message_kind */
	bool link, starred, pinned, mentions_me;
	int64_t after, before; /* after <= created_at < before, in microseconds */
	int64_t me, from_id;   /* of whoever resolves `from` */
};

/* INVALID with path `q` and one sentence about what was not understood, or that it is too little to look for. */
int search_parse(struct req *, struct str q, struct search *ret);
/* The query of the index: what any match has. `scope`: where; few conversations are part of it. */
struct str search_terms(struct req *, const struct search *, const struct search_scope *scope);

struct search_hit {
	struct search_place place;
	double score;
	uint32_t (*highlights)[2]; /* of the content: offset and length in code points, in order, apart from each other */
	size_t highlights_n;
};
/* Is this message what was looked for? Everything is decided on the message itself. */
bool search_match(struct req *, const struct search *, const struct search_text *, struct search_hit *ret);

#endif
