/*
 * fold -- a text as search sees it: case, accents, width and what has no width do not count.
 *
 * Pure. A folded text is a row of code points of which each knows where in the original it comes from, what kind it is, and whether a
 * word may begin before it. The table is made by dev/fold.mjs.
 *
 *     original   S  t  r  a  ß  e  n  -  B  a  h  n  2
 *     folded     s  t  r  a  s  s  e  n  -  b  a  h  n  2
 *     at         0  1  2  3  4  4  5  6  7  8  9  10 11 12     code points of the original
 *     edge       |                       |  |           |  |   and one at the end
 */
#ifndef PEAL_BASE_FOLD_H
#define PEAL_BASE_FOLD_H

#include "arena.h"

enum fold_kind {
	FOLD_GAP,   /* separates: blanks, punctuation */
	FOLD_WORD,  /* letters, and marks that make letters */
	FOLD_DIGIT, /* 0 to 9, from every script */
	FOLD_RUN,   /* of scripts that are written without blanks, and Hangul: a word may begin anywhere */
	FOLD_SIGN,  /* emoji and symbols, each a word */
	FOLD_FLAG,  /* regional indicators, two are a word */
};

struct folded {
	uint32_t *c, *at;
	uint8_t *kind; /* enum fold_kind */
	bool *edge;    /* n + 1 of them: a word may begin, or end, before this place */
	size_t n;
	uint32_t points; /* of the original */
};

/* Of valid UTF-8; what is not valid ends the text. Lives as the arena. */
void fold_text(struct arena *, struct str, struct folded *ret);
/* Where the folded places from..to (to > from) are in the original: code points. Marks that follow belong to it. */
void fold_place(const struct folded *, size_t from, size_t to, uint32_t *ret_offset, uint32_t *ret_length);

#endif
