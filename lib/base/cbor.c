/* cbor.c -- one walk over the bytes, which never goes back and never behind their end. */
#include "cbor.h"

#define DEPTH_MAX 8
#define PAIRS_MAX 64

#define SIMPLE_FALSE     20
#define SIMPLE_UNDEFINED 23

static bool next(struct str *s, int depth, struct cbor *ret);

static struct str
take(struct str *s, size_t n)
{
	struct str taken = str_n(s->p, n);

	*s = str_n(s->p + n, s->n - n);
	return taken;
}

/* The number in or behind the first byte; it must not have fitted into fewer bytes. */
static bool
number(struct str *s, unsigned info, uint64_t *ret)
{
	static const uint64_t least[] = { 24, 1 << 8, 1 << 16, UINT64_C(1) << 32 };
	size_t n = (size_t)1 << (info & 3);
	uint64_t v = 0;

	if (info < 24) {
		*ret = info;
		return true;
	}
	if (info > 27 || s->n < n)
		return false;
	for (struct str bytes = take(s, n); bytes.n; take(&bytes, 1))
		v = v << 8 | (unsigned char)bytes.p[0];
	*ret = v;
	return v >= least[info & 3];
}

static bool
string(struct str *s, struct cbor *ret)
{
	if (ret->n > s->n)
		return false;
	ret->bytes = take(s, ret->n);
	return ret->type == CBOR_BYTES || str_utf8_valid(ret->bytes);
}

static bool
array(struct str *s, int depth, struct cbor *ret)
{
	struct str begin = *s;
	struct cbor element;

	for (uint64_t i = 0; i < ret->n; i++)
		if (!next(s, depth, &element))
			return false;
	ret->bytes = str_n(begin.p, begin.n - s->n);
	return true;
}

static bool
map(struct str *s, int depth, struct cbor *ret)
{
	struct str keys[PAIRS_MAX], begin = *s;
	struct cbor key, value;

	if (ret->n > PAIRS_MAX)
		return false;
	for (size_t i = 0; i < ret->n; i++) {
		if (!next(s, depth, &key) || !next(s, depth, &value))
			return false;
		for (size_t before = 0; before < i; before++)
			if (str_eq(keys[before], key.whole))
				return false;
		keys[i] = key.whole;
	}
	ret->bytes = str_n(begin.p, begin.n - s->n);
	return true;
}

static bool
content(struct str *s, int depth, struct cbor *ret)
{
	switch (ret->type) {
	case CBOR_UINT:
	case CBOR_NEGATIVE:
		return true;
	case CBOR_BYTES:
	case CBOR_TEXT:
		return string(s, ret);
	case CBOR_ARRAY:
		return array(s, depth, ret);
	case CBOR_MAP:
		return map(s, depth, ret);
	case CBOR_SIMPLE:
		return ret->n >= SIMPLE_FALSE && ret->n <= SIMPLE_UNDEFINED;
	}
	return false;
}

static bool
next(struct str *s, int depth, struct cbor *ret)
{
	static const enum cbor_type types[] = { CBOR_UINT,  CBOR_NEGATIVE, CBOR_BYTES,  CBOR_TEXT,
		                                CBOR_ARRAY, CBOR_MAP,      CBOR_SIMPLE, CBOR_SIMPLE };
	struct str begin = *s;
	unsigned first;

	if (!s->n || !depth)
		return false;
	first = (unsigned char)take(s, 1).p[0];
	*ret = (struct cbor){ .type = types[first >> 5] };
	if (first >> 5 == 6 || !number(s, first & 31, &ret->n) || !content(s, depth - 1, ret))
		return false;
	ret->whole = str_n(begin.p, begin.n - s->n);
	return true;
}

bool
cbor_next(struct str *s, struct cbor *ret)
{
	return next(s, DEPTH_MAX, ret);
}

bool
cbor_int(const struct cbor *item, int64_t *ret)
{
	if ((item->type != CBOR_UINT && item->type != CBOR_NEGATIVE) || item->n > INT64_MAX)
		return false;
	*ret = item->type == CBOR_UINT ? (int64_t)item->n : -1 - (int64_t)item->n;
	return true;
}

static bool
is_text(const struct cbor *key, const void *want)
{
	return key->type == CBOR_TEXT && str_eq(key->bytes, *(const struct str *)want);
}

static bool
is_int(const struct cbor *key, const void *want)
{
	int64_t v;

	return cbor_int(key, &v) && v == *(const int64_t *)want;
}

static bool
find(const struct cbor *item, bool (*is)(const struct cbor *, const void *), const void *want, struct cbor *ret)
{
	struct str rest = item->bytes;
	struct cbor key, value;

	if (item->type != CBOR_MAP)
		return false;
	while (rest.n && cbor_next(&rest, &key) && cbor_next(&rest, &value)) {
		if (is(&key, want)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

bool
cbor_by_text(const struct cbor *item, struct str key, struct cbor *ret)
{
	return find(item, is_text, &key, ret);
}

bool
cbor_by_int(const struct cbor *item, int64_t key, struct cbor *ret)
{
	return find(item, is_int, &key, ret);
}
