/* str -- views of bytes: comparing, cutting, strict numbers, UTF-8, percent-encoding. */
#include "str.h"

#include <limits.h>

#include "arena.h"

const char str_null_mark[1] = "";

static unsigned char
lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool
blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int r = n ? memcmp(a.p, b.p, n) : 0;

	return r ? r : (a.n > b.n) - (a.n < b.n);
}

bool
str_eq_ascii_case(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower((unsigned char)a.p[i]) != lower((unsigned char)b.p[i]))
			return false;
	return true;
}

struct str
str_cut(struct str *s, char by)
{
	struct str head = *s;
	const char *at = s->n ? memchr(s->p, by, s->n) : NULL;

	if (!at) {
		*s = STR_NONE;
		return head;
	}
	head.n = (size_t)(at - s->p);
	*s = str_n(at + 1, s->n - head.n - 1);
	return head;
}

struct str
str_trim(struct str s)
{
	while (s.n && blank(s.p[0]))
		s = str_n(s.p + 1, s.n - 1);
	while (s.n && blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
str_int64(struct str s, int64_t *ret)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v = 0, most = minus ? (uint64_t)INT64_MAX + 1 : INT64_MAX;

	if (minus)
		s = str_n(s.p + 1, s.n - 1);
	if (!s.n || (s.p[0] == '0' && (s.n > 1 || minus)))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit = (unsigned char)s.p[i] - (uint64_t)'0';

		if (digit > 9 || v > (most - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*ret = minus ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

char *
str_put_int64(char *to, int64_t v)
{
	char digits[STR_INT64_MAX];
	char *at = digits + sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	size_t n;

	do
		*--at = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--at = '-';
	n = (size_t)(digits + sizeof(digits) - at);
	memcpy(to, at, n);
	return to + n;
}

bool
str_id(struct str s, int64_t *ret)
{
	int64_t v;

	if (!str_int64(s, &v) || v <= 0)
		return false;
	*ret = v;
	return true;
}

/* Length of the sequence that starts with this byte, and the bits of the code point in it; 0 for a byte that starts none. */
static size_t
utf8_head(unsigned char c, uint32_t *bits)
{
	if (c < 0x80)
		return *bits = c, 1;
	if (c >= 0xC2 && c <= 0xDF)
		return *bits = c & 0x1F, 2;
	if (c >= 0xE0 && c <= 0xEF)
		return *bits = c & 0x0F, 3;
	if (c >= 0xF0 && c <= 0xF4)
		return *bits = c & 0x07, 4;
	return 0;
}

size_t
str_utf8_next(struct str s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t cp;
	size_t n = s.n ? utf8_head((unsigned char)s.p[0], &cp) : 0;

	if (!n || n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s.p[i] & 0xC0) != 0x80)
			return 0;
		cp = cp << 6 | ((unsigned char)s.p[i] & 0x3F);
	}
	if (cp < least[n] || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
		return 0;
	*ret = cp;
	return n;
}

bool
str_utf8_valid(struct str s)
{
	size_t at = 0;

	while (at < s.n) {
		uint32_t cp;
		size_t n;

		if ((unsigned char)s.p[at] < 0x80) {
			at++;
			continue;
		}
		n = str_utf8_next(str_n(s.p + at, s.n - at), &cp);
		if (!n)
			return false;
		at += n;
	}
	return true;
}

size_t
str_code_points(struct str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.n; i++)
		count += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return count;
}

bool
str_one_line(struct str s)
{
	uint32_t c;

	for (size_t n; (n = str_utf8_next(s, &c)); s = str_n(s.p + n, s.n - n))
		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
			return false;
	return true;
}

struct str
str_code_point_prefix(struct str s, size_t n)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] & 0xC0) != 0x80 && n-- == 0)
			return str_n(s.p, i);
	return s;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that s begins with, decoded, and how many bytes it took; 0 when malformed. */
static size_t
percent_next(struct str s, bool plus_is_blank, char *ret)
{
	int high, low;

	if (s.p[0] != '%') {
		*ret = plus_is_blank && s.p[0] == '+' ? ' ' : s.p[0];
		return 1;
	}
	if (s.n < 3)
		return 0;
	high = hex_digit(s.p[1]);
	low = hex_digit(s.p[2]);
	if (high < 0 || low < 0)
		return 0;
	*ret = (char)(high << 4 | low);
	return 3;
}

bool
str_percent_decode(struct arena *a, struct str s, bool plus_is_blank, struct str *ret)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	while (s.n) {
		size_t took = percent_next(s, plus_is_blank, &out[n]);

		if (!took || !out[n])
			return false;
		s = str_n(s.p + took, s.n - took);
		n++;
	}
	*ret = str_n(out, n);
	return true;
}

struct str
str_percent_encode(struct arena *arena, struct str s)
{
	char *out = arena_alloc(arena, 3 * s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("-._~", c))) {
			out[n++] = (char)c;
		} else {
			out[n++] = '%';
			out[n++] = "0123456789ABCDEF"[c >> 4];
			out[n++] = "0123456789ABCDEF"[c & 15];
		}
	}
	return str_n(out, n);
}

struct str
str_lower(struct arena *arena, struct str s)
{
	char *out = arena_alloc(arena, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		out[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
	return str_n(out, s.n);
}
