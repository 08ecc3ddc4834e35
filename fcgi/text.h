/*
 * text -- what people may call themselves and say: rules about UTF-8 that has been validated already.
 */
#ifndef PEAL_FCGI_TEXT_H
#define PEAL_FCGI_TEXT_H

#include "base/str.h"

bool text_blank(struct str);    /* nothing in it that can be seen */
bool text_one_line(struct str); /* no control characters, no line or paragraph separators */
bool text_username(struct str); /* 3..32 of [A-Za-z0-9._-], a letter or digit first */

#endif
