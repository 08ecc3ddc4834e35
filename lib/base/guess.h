/*
 * guess -- of how many pieces is a password made, for somebody who guesses?
 *
 * A list of the most common passwords is of little use where fifteen characters are asked for: what people choose then is made of
 * the same things, several of them. So the password is taken apart in the cheapest way. One piece is
 *     a word that everybody uses in passwords (guess_words.h), or a name that belongs to whoever chooses
 *     a year; a run of one character; a run up or down, as 1234 and fedcba; a run along the keyboard
 *     whatever stands there a second time
 *     any other character by itself
 * Case, accents, and digits and signs that stand for letters (p4$$w0rd) make no difference.
 */
#ifndef PEAL_BASE_GUESS_H
#define PEAL_BASE_GUESS_H

#include "arena.h"
#include "str.h"

#define GUESS_PIECES 6 /* fewer are too few */

/* Of valid UTF-8. `own`: names of whoever chooses, each whole and by its parts. */
size_t guess_pieces(struct arena *, struct str password, const struct str *own, size_t own_n);

#endif
