/* fcgi/emoji.c -- one emoji, by the grammar and the tables of UTS #51. */
#include <stdlib.h>

#include "emoji.h"

#define VARIATION    0xfe0f
#define JOINER       0x200d
#define KEYCAP       0x20e3
#define BLACK_FLAG   0x1f3f4
#define TAG(c)       (0xe0000u + (unsigned char)(c))
#define TAG_END      0xe007fu
#define CODES_MAX    24
#define ELEMENTS_MAX 8

struct range {
	uint32_t first, last;
};
struct joined {
	const char *elements; /* without joiners, skin tones and U+FE0F */
	unsigned tones;       /* bit n: n of them may have a skin tone */
};

#include "emoji_table.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

struct codes {
	uint32_t c[CODES_MAX];
	size_t n, at;
};

static int
compare_range(const void *key, const void *element)
{
	uint32_t c = *(const uint32_t *)key;
	const struct range *range = element;

	return c < range->first ? -1 : c > range->last;
}

#define IN(table, c) (bsearch(&(c), table, COUNT(table), sizeof(*(table)), compare_range) != NULL)

/* The block that new emoji go to: what Unicode has not assigned there yet is reserved for them. */
static bool
coming(uint32_t c)
{
	return c >= 0x1fa70 && c <= 0x1faff;
}

static bool
tone(uint32_t c)
{
	return c >= 0x1f3fb && c <= 0x1f3ff;
}

static bool
region_letter(uint32_t c)
{
	return c >= 0x1f1e6 && c <= 0x1f1ff;
}

static char *
put(char *p, uint32_t c)
{
	if (c < 0x80) {
		*p++ = (char)c;
	} else if (c < 0x800) {
		*p++ = (char)(0xc0 | c >> 6);
		*p++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*p++ = (char)(0xe0 | c >> 12);
		*p++ = (char)(0x80 | (c >> 6 & 0x3f));
		*p++ = (char)(0x80 | (c & 0x3f));
	} else {
		*p++ = (char)(0xf0 | c >> 18);
		*p++ = (char)(0x80 | (c >> 12 & 0x3f));
		*p++ = (char)(0x80 | (c >> 6 & 0x3f));
		*p++ = (char)(0x80 | (c & 0x3f));
	}
	return p;
}

static bool
decode(struct str s, struct codes *ret)
{
	size_t used;

	for (; s.n; s = str_n(s.p + used, s.n - used)) {
		if (ret->n == CODES_MAX)
			return false;
		used = str_utf8_next(s, &ret->c[ret->n++]);
		if (!used)
			return false;
	}
	return ret->n > 0;
}

static bool
flag(const struct codes *in)
{
	return in->n == 2 && region_letter(in->c[0]) && region_letter(in->c[1]) &&
	       (regions[in->c[0] - 0x1f1e6] >> (in->c[1] - 0x1f1e6) & 1);
}

static bool
keycap(const struct codes *in)
{
	uint32_t c = in->c[0];

	return ((c >= '0' && c <= '9') || c == '#' || c == '*') && (in->n == 2 || (in->n == 3 && in->c[1] == VARIATION)) &&
	       in->c[in->n - 1] == KEYCAP;
}

static bool
subdivision(const struct codes *in)
{
	if (in->n < 3 || in->c[0] != BLACK_FLAG || in->c[in->n - 1] != TAG_END)
		return false;
	for (size_t i = 0; i < COUNT(subdivisions); i++) {
		const char *name = subdivisions[i];
		size_t n = 0;

		while (name[n] && n + 2 < in->n && in->c[n + 1] == TAG(name[n]))
			n++;
		if (!name[n] && n + 2 == in->n)
			return true;
	}
	return false;
}

/* One element of a sequence: a code point with a skin tone, or with U+FE0F where it belongs. */
struct element {
	uint32_t c, tone;
};

static bool
next_element(struct codes *in, struct element *ret)
{
	*ret = (struct element){ .c = in->c[in->at++] };
	if (in->at < in->n && in->c[in->at] == VARIATION)
		in->at++;
	else if (in->at < in->n && tone(in->c[in->at]))
		ret->tone = in->c[in->at++];
	return ret->c && (!ret->tone || IN(toned, ret->c));
}

static int
compare_joined(const void *key, const void *element)
{
	return strcmp(key, ((const struct joined *)element)->elements);
}

static bool
known(const struct element *e, size_t n)
{
	char key[4 * ELEMENTS_MAX + 1], *p = key;
	const struct joined *found;
	unsigned tones = 0;

	if (n == 1)
		return IN(single, e->c) || coming(e->c);
	for (size_t i = 0; i < n; i++) {
		p = put(p, e[i].c);
		tones += e[i].tone != 0;
	}
	*p = '\0';
	found = bsearch(key, joined, COUNT(joined), sizeof(*joined), compare_joined);
	return found && (found->tones >> tones & 1);
}

/* Elements with a joiner between each two. */
static bool
sequence(struct codes *in, struct element *e, size_t *ret_n)
{
	size_t n = 0;

	for (;;) {
		if (n == ELEMENTS_MAX || in->at == in->n || !next_element(in, &e[n++]))
			return false;
		if (in->at == in->n)
			break;
		if (in->c[in->at++] != JOINER)
			return false;
	}
	*ret_n = n;
	return known(e, n);
}

static char *
put_sequence(char *p, const struct element *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			p = put(p, JOINER);
		p = put(p, e[i].c);
		if (e[i].tone)
			p = put(p, e[i].tone);
		else if (IN(text_first, e[i].c))
			p = put(p, VARIATION);
	}
	return p;
}

bool
emoji_parse(struct arena *arena, struct str s, struct str *ret)
{
	struct element elements[ELEMENTS_MAX];
	struct codes in = { 0 };
	char *out, *p;
	size_t n;

	if (s.n > EMOJI_MAX_BYTES || !decode(s, &in))
		return false;
	if (flag(&in) || subdivision(&in)) {
		*ret = s;
		return true;
	}
	p = out = arena_alloc(arena, 2 * EMOJI_MAX_BYTES);
	if (keycap(&in))
		p = put(put(put(p, in.c[0]), VARIATION), KEYCAP);
	else if (sequence(&in, elements, &n))
		p = put_sequence(p, elements, n);
	else
		return false;
	*ret = str_n(out, (size_t)(p - out));
	return true;
}
