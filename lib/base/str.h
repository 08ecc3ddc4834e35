/*
 * str -- a borrowed run of bytes, the form of everything that comes from the wire.
 *
 * Does not own its bytes and is not NUL-terminated; whoever made it says how long it lives. Absent is {NULL, 0}; the JSON
 * value null is STR_NULL, a distinct pointer with length 0; "" is neither. Lengths are bytes unless a name says code points.
 */
#ifndef PEAL_BASE_STR_H
#define PEAL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

extern const char str_null_mark[];

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_NONE     ((struct str){ NULL, 0 })
#define STR_NULL     ((struct str){ str_null_mark, 0 })
#define STR_ARG(s)   (int)(s).n, (s).p /* for "%.*s" */

static inline struct str
str_c(const char *c)
{
	return c ? (struct str){ c, strlen(c) } : STR_NONE;
}
static inline struct str
str_n(const char *p, size_t n)
{
	return (struct str){ p, n };
}
static inline bool
str_present(struct str s)
{
	return s.p && s.p != str_null_mark;
}
static inline bool
str_is_null(struct str s)
{
	return s.p == str_null_mark;
}
static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}
static inline bool
str_has_prefix(struct str s, struct str head)
{
	return s.n >= head.n && !memcmp(s.p, head.p, head.n);
}

int str_cmp(struct str, struct str);            /* bytewise, as memcmp, shorter first */
bool str_eq_ascii_case(struct str, struct str); /* ASCII letters only */
/* Cuts s at the first `by`: returns what was before it, and leaves in *s what comes after (STR_NONE when there was none). */
struct str str_cut(struct str *s, char by);
struct str str_trim(struct str); /* ASCII blanks at both ends */
/* Strict decimal, no sign but '-', no blanks, no leading zeros but "0" itself, no overflow. False leaves *ret alone. */
bool str_int64(struct str, int64_t *ret);
#define STR_INT64_MAX 20
/* Writes v in decimal, without a NUL; returns where it ended. */
char *str_put_int64(char *to, int64_t v);
/* A positive int64: the form of every id that comes from outside. */
bool str_id(struct str, int64_t *ret);
/* Bytes of the UTF-8 sequence that s begins with, 0 when there is none that is valid; *ret is the code point. */
size_t str_utf8_next(struct str, uint32_t *ret);
bool str_utf8_valid(struct str);    /* RFC 3629: no surrogates, no overlong forms, <= U+10FFFF */
size_t str_code_points(struct str); /* of valid UTF-8 */
bool str_one_line(struct str);      /* likewise: no control characters, no line or paragraph separators */
/* The longest prefix with at most n code points. */
struct str str_code_point_prefix(struct str, size_t n);
/* Percent-decoding of one path or query component (RFC 3986) into an arena; false when malformed or when it holds NUL. */
struct arena;
bool str_percent_decode(struct arena *, struct str, bool plus_is_blank, struct str *ret);
/* For a form or a query: all but unreserved characters encoded. NUL-terminated past its end. */
struct str str_percent_encode(struct arena *, struct str);
struct str str_lower(struct arena *, struct str); /* ASCII letters only */

#endif
