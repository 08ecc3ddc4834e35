/*
 * breached -- a local list of passwords that were published after break-ins: SHA-1 in hexadecimal, one a line, in order, with or without a
 * colon and a count behind it. This is what Have I Been Pwned offers for download (all of it: 40 GB), used as it is.
 *
 * The file is opened for each question and searched in place, some forty reads of a few hundred bytes, so it may be replaced by rename
 * at any time, and nothing of it is kept in memory.
 */
#ifndef PEAL_BASE_BREACHED_H
#define PEAL_BASE_BREACHED_H

#include "buf.h"
#include "str.h"

/* Is the password in the list? A fault when the list cannot be read, or is none where it was looked at. */
int breached_find(const char *path, struct str password, bool *ret);
/* Is this file such a list? Looked at in a thousand places. 0, or INVALID with a line of `errors`. */
int breached_check(const char *path, struct buf *errors);

#endif
