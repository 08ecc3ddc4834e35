/*
 * text -- what people may call themselves and say: rules about UTF-8 that has been validated already.
 */
#ifndef PEAL_FCGI_TEXT_H
#define PEAL_FCGI_TEXT_H

#include "base/arena.h"
#include "base/str.h"

bool text_blank(struct str);    /* nothing in it that can be seen */
bool text_username(struct str); /* 3..32 of [A-Za-z0-9._-], a letter or digit first */

/* What somebody's device called a file, as it may be shown and offered for saving: the last part of a path, without controls and
 * characters that reorder text, no leading dots, at most 255 bytes. Absent when nothing is left. */
struct str text_file_name(struct arena *, struct str);

#endif
