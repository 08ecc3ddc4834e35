/* nfc.c -- taken apart, put in order, put together. */
#include "nfc.h"

#include "nfc_table.h"

#define N(array)     (sizeof(array) / sizeof((array)[0]))
#define MOST_APART   4     /* code points that one becomes; Unicode promises that there will never be more of this form */
#define FIRST_BEYOND 0x300 /* below it everything is in its canonical form */

/* Hangul syllables are arithmetic: The Unicode Standard, 3.12. */
enum { S = 0xac00, L = 0x1100, V = 0x1161, T = 0x11a7, LS = 19, VS = 21, TS = 28, VTS = VS * TS, SS = LS * VTS };

struct points {
	uint32_t *c;
	size_t n;
};

static uint8_t
class_of(uint32_t c)
{
	size_t low = 0, high = N(classes);

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (c > classes[mid].to)
			low = mid + 1;
		else if (c < classes[mid].from)
			high = mid;
		else
			return classes[mid].class;
	}
	return 0;
}

static void
take_apart(struct points *out, uint32_t c)
{
	size_t low = 0, high = N(apart);

	if (c - S < SS) {
		take_apart(out, L + (c - S) / VTS);
		take_apart(out, V + (c - S) % VTS / TS);
		if ((c - S) % TS)
			take_apart(out, T + (c - S) % TS);
		return;
	}
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (c > apart[mid].whole) {
			low = mid + 1;
		} else if (c < apart[mid].whole) {
			high = mid;
		} else {
			take_apart(out, apart[mid].first);
			if (apart[mid].second)
				take_apart(out, apart[mid].second);
			return;
		}
	}
	out->c[out->n++] = c;
}

/* Marks after their letter stand in the order of their classes; those of one class stay as they came. */
static void
put_in_order(struct points *p)
{
	for (size_t i = 1; i < p->n; i++) {
		uint32_t c = p->c[i];
		uint8_t class = class_of(c);
		size_t at = i;

		while (class && at && class_of(p->c[at - 1]) > class) {
			p->c[at] = p->c[at - 1];
			at--;
		}
		p->c[at] = c;
	}
}

/* What the two become; 0: they stay two. */
static uint32_t
composed(uint32_t a, uint32_t b)
{
	size_t low = 0, high = N(together);

	if (a - L < LS && b - V < VS)
		return S + ((a - L) * VS + (b - V)) * TS;
	if (a - S < SS && !((a - S) % TS) && b - T - 1 < TS - 1)
		return a + b - T;
	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct together *t = &together[mid];

		if (a == t->first && b == t->second)
			return t->whole;
		if (a > t->first || (a == t->first && b > t->second))
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

static void
put_together(struct points *p)
{
	size_t letter = SIZE_MAX, n = 0; /* the letter to which marks go; what has been kept so far */
	uint8_t before = 0;              /* class of the last one kept after the letter */

	for (size_t i = 0; i < p->n; i++) {
		uint32_t c = p->c[i], whole = 0;
		uint8_t class = class_of(c);
		bool blocked = letter != SIZE_MAX && n - 1 > letter && (before >= class || !before);

		if (letter != SIZE_MAX && !blocked)
			whole = composed(p->c[letter], c);
		if (whole) {
			p->c[letter] = whole;
			continue;
		}
		if (!class)
			letter = n;
		before = class;
		p->c[n++] = c;
	}
	p->n = n;
}

static size_t
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static struct str
utf8(struct arena *arena, const struct points *p)
{
	char *text = arena_alloc(arena, 4 * p->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += put_utf8(text + n, p->c[i]);
	return str_n(text, n);
}

struct str
nfc(struct arena *arena, struct str text)
{
	struct points p = { arena_alloc_array(arena, MOST_APART * (text.n + 1), sizeof(uint32_t)), 0 };
	bool beyond = false;
	struct str rest = text;

	while (rest.n) {
		uint32_t c;
		size_t n = str_utf8_next(rest, &c);

		if (!n)
			return text;
		beyond |= c >= FIRST_BEYOND;
		take_apart(&p, c);
		rest = str_n(rest.p + n, rest.n - n);
	}
	if (!beyond)
		return text;
	put_in_order(&p);
	put_together(&p);
	return utf8(arena, &p);
}
