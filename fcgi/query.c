/* fcgi/query.c -- query strings and cookies. A query becomes a JSON object of its known names, so one table checks both. */
#include <errno.h>

#include "base/err.h"
#include "query.h"

static int
refuse(struct arena *arena, struct json_report *report, const char *name, const char *code, const char *message)
{
	report->path = arena_str(arena, str_c(name));
	report->code = code;
	report->message = message;
	return INVALID;
}

static const struct field *
field_find(const struct field *fields, struct str name)
{
	for (; fields->name; fields++)
		if (str_eq(name, str_c(fields->name)))
			return fields;
	return NULL;
}

static void
json_drop(void *json)
{
	json_decref(json);
}

/* The value as its field's type wants it; NULL when it cannot be that. */
static json_t *
value_json(enum field_type type, struct str value)
{
	int64_t i;

	switch (type) {
	case FIELD_INT:
		return str_int64(value, &i) ? json_integer(i) : NULL;
	case FIELD_BOOL:
		if (str_eq(value, STR("true")))
			return json_true();
		return str_eq(value, STR("false")) ? json_false() : NULL;
	default:
		return str_utf8_valid(value) ? json_stringn(value.p, value.n) : NULL;
	}
}

static int
add_pair(struct arena *arena, struct str pair, const struct field *fields, json_t *object, struct json_report *report)
{
	const struct field *field;
	struct str name, value;
	json_t *json;

	if (!str_percent_decode(arena, str_cut(&pair, '='), true, &name))
		return 0; /* not a name of ours */
	field = field_find(fields, name);
	if (!field)
		return 0;
	if (json_object_get(object, field->name))
		return refuse(arena, report, field->name, "duplicate", "The parameter is given twice.");
	if (!str_percent_decode(arena, pair.p ? pair : STR(""), true, &value))
		return refuse(arena, report, field->name, "format", "The value is not percent-encoded correctly.");
	json = value_json(field->type, value);
	if (!json || json_object_set_new(object, field->name, json))
		return refuse(arena, report, field->name, "type", "The value does not have the right form.");
	return 0;
}

int
query_fill(struct arena *arena, struct str query, const struct field *fields, void *out, struct json_report *report)
{
	json_t *object = json_object();
	int r = 0;

	if (!object)
		return fault(-ENOMEM);
	arena_defer(arena, json_drop, object);
	while (!r && query.n)
		r = add_pair(arena, str_cut(&query, '&'), fields, object, report);
	if (r)
		return r;
	r = json_fill(arena, object, fields, out, "", report);
	if (r > 0 && report->path.n)
		report->path = str_n(report->path.p + 1, report->path.n - 1);
	return r;
}

struct str
cookie_get(struct str header, struct str name)
{
	while (header.n) {
		struct str value = str_trim(str_cut(&header, ';'));

		if (str_eq(str_cut(&value, '='), name))
			return value;
	}
	return STR_NONE;
}
