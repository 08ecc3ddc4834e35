/*
 * terms -- what of a text goes into the search index, and where in a text something that was searched for is. Pure.
 *
 * The index only narrows: for whatever terms_find() would find in a text, all of terms_wanted() are among terms_of() of that text. So
 * the text itself decides, and the index may hold less than the text says.
 *
 * Terms of a text: each run of letters and digits, whole; its two parts, if it changes once between them (v2, rc4); two runs with the
 * one sign between them (192.168, foo_bar, a@b), so that addresses, versions and names of files are found by any piece; pairs of
 * neighbours in scripts without blanks, and the last one by itself; emoji.
 */
#ifndef PEAL_BASE_TERMS_H
#define PEAL_BASE_TERMS_H

#include "fold.h"

#define TERMS_BREAK     0x1e /* in a text: nothing is found across it */
#define TERM_POINTS_MAX 64   /* of longer runs the beginning is indexed */

/* One term as UTF-8; lives as the arena. `prefix`: any term that begins so. */
struct term {
	struct str text;
	bool prefix;
};
struct terms {
	struct term *list;
	size_t n, size;
};

/* Appends the terms of a text, some of them more than once. */
void terms_of(struct arena *, const struct folded *, struct terms *);

/* Something that was searched for: words, in this order, with nothing but gaps between them. */
struct needle {
	struct folded *words;
	size_t n;
	bool prefix; /* the last word may go on */
};
/*
 * Words of `s` between blanks, without the punctuation around them. False when nothing is left. A single letter never stands for
 * everything that begins with it.
 */
bool needle_parse(struct arena *, struct str s, bool prefix, struct needle *ret);
/* Appends the terms without which a text cannot have it. */
void terms_wanted(struct arena *, const struct needle *, struct terms *);
/* The first place at or after `from`; false when there is none. */
bool terms_find(const struct folded *text, const struct needle *, size_t from, size_t *ret_from, size_t *ret_to);

/* Does the text hold a link: http://, https:// or www. and something? */
bool terms_link(struct str);

#endif
