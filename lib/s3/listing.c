/* listing.c -- looking for tags. */
#include "listing.h"

#include <stdio.h>

#include "../base/clock.h"

#define NAME_MOST 64

static const char *
find(struct str in, const char *what, size_t n)
{
	return in.n ? memmem(in.p, in.n, what, n) : NULL;
}

/* Cuts the first element off: its text in *ret, what follows it in *xml. Names are ours, and short. */
static bool
cut_element(struct str *xml, struct str name, struct str *ret)
{
	char open[NAME_MOST + 3], close[NAME_MOST + 4];
	struct str rest;
	const char *at;
	int n = snprintf(open, sizeof(open), "<%.*s>", STR_ARG(name));

	snprintf(close, sizeof(close), "</%.*s>", STR_ARG(name));
	at = find(*xml, open, (size_t)n);
	if (!at)
		return false;
	at += n;
	rest = str_n(at, xml->n - (size_t)(at - xml->p));
	at = find(rest, close, (size_t)n + 1);
	if (!at)
		return false;
	*ret = str_n(rest.p, (size_t)(at - rest.p));
	*xml = str_n(at + n + 1, rest.n - ret->n - (size_t)n - 1);
	return true;
}

bool
s3_element(struct str xml, struct str name, struct str *ret)
{
	return cut_element(&xml, name, ret);
}

bool
s3_listing_next(struct str *xml, struct s3_object *ret)
{
	struct str object, size, modified;
	int64_t n;

	if (!cut_element(xml, STR("Contents"), &object) || !s3_element(object, STR("Key"), &ret->key) ||
	    !s3_element(object, STR("Size"), &size) || !s3_element(object, STR("LastModified"), &modified) ||
	    !str_int64(size, &n) || n < 0)
		return false;
	ret->size = (uint64_t)n;
	return clock_rfc3339_parse(modified, &ret->modified_us);
}
