/* json_in -- parsing by jansson behind a depth check, and filling structs by tables. */
#include "json_in.h"

#include "buf.h"
#include "err.h"

#define STRING_MAX_CODE_POINTS   65536
#define IGNORED_NAME_CODE_POINTS 64

/* Keeps what was ignored so far. */
static void
complain(struct json_report *report, struct str path, const char *code, const char *message)
{
	report->path = path;
	report->code = code;
	report->message = message;
}

/* jansson recurses per level; this scan needs to be right about depth only, whatever else is wrong with the text. */
static bool
too_deep(struct str text)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

static void
describe(struct json_report *report, const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		complain(report, STR(""), "duplicate", "An object names the same member twice.");
		break;
	case json_error_numeric_overflow:
		complain(report, STR(""), "range", "A number is too large.");
		break;
	case json_error_invalid_utf8:
		complain(report, STR(""), "syntax", "The body is not valid UTF-8.");
		break;
	case json_error_null_character:
	case json_error_null_byte_in_key:
		complain(report, STR(""), "syntax", "The character U+0000 is not accepted.");
		break;
	default:
		complain(report, STR(""), "syntax", "The body is not valid JSON.");
	}
}

static void
decref(void *json)
{
	json_decref(json);
}

int
json_parse(struct arena *a, struct str text, json_t **ret, struct json_report *report)
{
	json_error_t error;
	json_t *json;

	*report = (struct json_report){ 0 };
	if (too_deep(text)) {
		complain(report, STR(""), "depth", "The body is nested too deeply.");
		return BAD_JSON;
	}
	json = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!json) {
		describe(report, &error);
		return BAD_JSON;
	}
	arena_defer(a, decref, json);
	*ret = json;
	return 0;
}

/* One more reference token of a JSON Pointer: `~` and `/` are escaped (RFC 6901 section 3). */
static struct str
pointer(struct arena *a, const char *prefix, struct str name)
{
	size_t n = strlen(prefix);
	char *p = arena_alloc(a, n + 1 + 2 * name.n + 1);

	memcpy(p, prefix, n);
	p[n++] = '/';
	for (size_t i = 0; i < name.n; i++) {
		bool special = name.p[i] == '~' || name.p[i] == '/';

		if (special)
			p[n++] = '~';
		p[n++] = !special ? name.p[i] : name.p[i] == '~' ? '0' : '1';
	}
	return str_n(p, n);
}

/* What a fill carries along. */
struct fill {
	struct arena *arena;
	const char *prefix;
	struct json_report *report;
};

static int
refuse(const struct fill *c, const struct field *f, const char *code, const char *message)
{
	complain(c->report, pointer(c->arena, c->prefix, str_c(f->name)), code, message);
	return INVALID;
}

static int
fill_str(const struct fill *c, const struct field *f, json_t *v, void *to)
{
	int64_t max = f->max ? f->max : STRING_MAX_CODE_POINTS, n;
	struct str s;

	if (!json_is_string(v))
		return refuse(c, f, "type", "Must be a string.");
	s = str_n(json_string_value(v), json_string_length(v));
	n = (int64_t)str_code_points(s);
	if (n < f->min)
		return refuse(c, f, "too_short", n ? "Is too short." : "Must not be empty.");
	if (n > max)
		return refuse(c, f, "too_long", "Is too long.");
	*(struct str *)to = s;
	return 0;
}

static int
fill_int(const struct fill *c, const struct field *f, json_t *v, void *to)
{
	int64_t i = json_integer_value(v);

	if (!json_is_integer(v))
		return refuse(c, f, "type", "Must be an integer.");
	if ((f->min || f->max) && (i < f->min || i > f->max))
		return refuse(c, f, "range", "Is outside the accepted range.");
	*(struct opt_int *)to = (struct opt_int){ .v = i, .set = true };
	return 0;
}

static int
fill_bool(const struct fill *c, const struct field *f, json_t *v, void *to)
{
	if (!json_is_boolean(v))
		return refuse(c, f, "type", "Must be true or false.");
	*(struct opt_bool *)to = (struct opt_bool){ .v = json_is_true(v), .set = true };
	return 0;
}

static int
fill_id(const struct fill *c, const struct field *f, json_t *v, void *to)
{
	if (!json_is_string(v))
		return refuse(c, f, "type", "Must be an id, which is a string.");
	if (!str_id(str_n(json_string_value(v), json_string_length(v)), to))
		return refuse(c, f, "format", "Must be an id: decimal digits, without leading zeros.");
	return 0;
}

static int
fill_enum(const struct fill *c, const struct field *f, json_t *v, void *to)
{
	struct str s;

	if (!json_is_string(v))
		return refuse(c, f, "type", "Must be a string.");
	s = str_n(json_string_value(v), json_string_length(v));
	for (const char *const *w = f->words; *w; w++)
		if (str_eq(s, str_c(*w))) {
			*(struct str *)to = s;
			return 0;
		}
	return refuse(c, f, "word", "Is not one of the accepted words.");
}

static int
fill_json(const struct fill *c, const struct field *f, json_t *v, void *to)
{
	(void)c;
	(void)f;
	*(json_t **)to = v;
	return 0;
}

/* null leaves ids at 0, and tells itself apart from absence in every other type. */
static int
fill_null(const struct fill *c, const struct field *f, json_t *v, void *to)
{
	if (!f->nullable)
		return refuse(c, f, "type", "Must not be null.");
	switch (f->type) {
	case FIELD_STR:
	case FIELD_ENUM:
		*(struct str *)to = STR_NULL;
		break;
	case FIELD_INT:
		*(struct opt_int *)to = (struct opt_int){ .set = true, .null = true };
		break;
	case FIELD_BOOL:
		*(struct opt_bool *)to = (struct opt_bool){ .set = true, .null = true };
		break;
	case FIELD_JSON:
		*(json_t **)to = v;
		break;
	case FIELD_ID:
		break;
	}
	return 0;
}

static int
fill_field(const struct fill *c, const struct field *f, json_t *object, void *out)
{
	static int (*const by_type[])(const struct fill *, const struct field *, json_t *, void *) = {
		[FIELD_STR] = fill_str, [FIELD_INT] = fill_int,   [FIELD_BOOL] = fill_bool,
		[FIELD_ID] = fill_id,   [FIELD_ENUM] = fill_enum, [FIELD_JSON] = fill_json,
	};
	json_t *v = json_object_get(object, f->name);
	void *to = (char *)out + f->offset;

	if (!v)
		return f->required ? refuse(c, f, "required", "Is required.") : 0;
	return json_is_null(v) ? fill_null(c, f, v, to) : by_type[f->type](c, f, v, to);
}

static bool
known(const struct field *fields, struct str name)
{
	for (; fields->name; fields++)
		if (str_eq(name, str_c(fields->name)))
			return true;
	return false;
}

static void
report_ignored(const struct fill *c, json_t *object, const struct field *fields)
{
	const char *name;
	size_t n;
	json_t *v;

	json_object_keylen_foreach(object, name, n, v)
	{
		struct str short_name = str_code_point_prefix(str_n(name, n), IGNORED_NAME_CODE_POINTS);

		if (c->report->ignored_n < JSON_IGNORED_MAX && !known(fields, str_n(name, n)))
			c->report->ignored[c->report->ignored_n++] = pointer(c->arena, c->prefix, short_name);
	}
}

int
json_fill(struct arena *a, json_t *object, const struct field *fields, void *out, const char *prefix,
          struct json_report *report)
{
	struct fill c = { a, prefix, report };

	if (!json_is_object(object)) {
		complain(report, arena_str(a, str_c(prefix)), "type", "Must be an object.");
		return INVALID;
	}
	report_ignored(&c, object, fields);
	for (const struct field *f = fields; f->name; f++) {
		int r = fill_field(&c, f, object, out);

		if (r)
			return r;
	}
	return 0;
}
