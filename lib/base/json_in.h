/*
 * json_in -- JSON from outside into structs, by a table of fields.
 *
 *     struct body { struct str content; struct opt_int ttl; int64_t to; };
 *     static const struct field fields[] = {
 *         STR_FIELD(struct body, content, .max = 16384, .required = 1),
 *         INT_FIELD(struct body, ttl, .min = 1, .max = 86400, .nullable = 1),
 *         ID_FIELD(struct body, to, .required = 1),
 *         { 0 }
 *     };
 *
 * Accepts RFC 8259 JSON with a stricter hand: valid UTF-8, no duplicate keys, no \u0000, depth at most 16 (jansson with
 * JSON_REJECT_DUPLICATES; depth is checked before parsing). A member that the table does not know is ignored and reported.
 * Everything a filled struct points to lives as long as the arena.
 */
#ifndef PEAL_BASE_JSON_IN_H
#define PEAL_BASE_JSON_IN_H

#include <jansson.h>

#include "arena.h"
#include "str.h"

#define JSON_DEPTH_MAX   16
#define JSON_IGNORED_MAX 8

struct opt_int {
	int64_t v;
	bool set, null; /* null implies set */
};

struct opt_bool {
	bool v, set, null;
};

enum field_type { FIELD_STR, FIELD_INT, FIELD_BOOL, FIELD_ID, FIELD_ENUM, FIELD_JSON };

struct field {
	const char *name; /* NULL ends the table */
	enum field_type type;
	size_t offset;
	int64_t min, max;         /* strings: code points, max 0 = 65536; numbers: the value, both 0 = any int64 */
	const char *const *words; /* FIELD_ENUM: the accepted words, NULL-terminated; the struct gets the str */
	bool required, nullable;
};

#define FIELD_OF(s, m, t, ctype, ...)                                                                                       \
	{                                                                                                                   \
		.name = #m, .type = (t),                                                                                    \
		.offset = offsetof(s, m) +                                                                                  \
		          0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((s *)0)->m), ctype) ? 1 : -1]),          \
		__VA_ARGS__                                                                                                 \
	}
#define STR_FIELD(s, m, ...)  FIELD_OF(s, m, FIELD_STR, struct str, __VA_ARGS__) /* absent: STR_NONE; null: STR_NULL */
#define ENUM_FIELD(s, m, ...) FIELD_OF(s, m, FIELD_ENUM, struct str, __VA_ARGS__)
#define INT_FIELD(s, m, ...)  FIELD_OF(s, m, FIELD_INT, struct opt_int, __VA_ARGS__) /* a JSON integer */
#define BOOL_FIELD(s, m, ...) FIELD_OF(s, m, FIELD_BOOL, struct opt_bool, __VA_ARGS__)
#define ID_FIELD(s, m, ...)   FIELD_OF(s, m, FIELD_ID, int64_t, __VA_ARGS__)    /* "12" -> 12; absent or null: 0 */
#define JSON_FIELD(s, m, ...) FIELD_OF(s, m, FIELD_JSON, json_t *, __VA_ARGS__) /* borrowed: lives as the arena */

/* Where and why a body was refused, and what of it was not understood. */
struct json_report {
	struct str path; /* JSON Pointer (RFC 6901) of the first bad place, "" for the whole body */
	/* "required", "type", "too_short", "too_long", "range", "format", "word", "syntax", "depth", "duplicate" */
	const char *code;
	const char *message; /* one English sentence, static */
	struct str ignored[JSON_IGNORED_MAX];
	size_t ignored_n;
};

/* 0 with the value tied to the arena; BAD_JSON with *report filled. */
int json_parse(struct arena *, struct str text, json_t **ret, struct json_report *report);
/* 0; INVALID with *report filled. `out` must be zeroed. The prefix is put before the path of nested objects ("" at the top). */
int json_fill(struct arena *, json_t *object, const struct field *, void *out, const char *prefix,
              struct json_report *report);

#endif
