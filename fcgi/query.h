/*
 * query -- query strings and Cookie headers: pure functions over what clients send.
 */
#ifndef PEAL_FCGI_QUERY_H
#define PEAL_FCGI_QUERY_H

#include "base/json_in.h"

/* Fills `out` (zeroed) by the same tables as JSON bodies: integers in strict decimal, booleans `true` and `false`, strings
 * percent-decoded. Names not in the table are ignored. 0; INVALID with report->path its name: given twice, missing, malformed. */
int query_fill(struct arena *, struct str query, const struct field *, void *out, struct json_report *);

/* The value of the first cookie of this name; absent when there is none (RFC 6265 section 4.2, quotes are part of the value). */
struct str cookie_get(struct str header, struct str name);

#endif
