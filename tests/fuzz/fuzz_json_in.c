/* fuzz_json_in: any bytes parse or are refused with a whole report, and what was filled keeps the table's promises. */
#include "fuzz.h"

#include "base/err.h"
#include "base/json_in.h"

struct body {
	struct str s, e;
	struct opt_int i;
	struct opt_bool b;
	int64_t id;
	json_t *j;
};

static const char *const words[] = { "one", "two", NULL };

static const struct field fields[] = { STR_FIELD(struct body, s, .min = 1, .max = 8, .nullable = 1),
	                               ENUM_FIELD(struct body, e, .words = words),
	                               INT_FIELD(struct body, i, .min = -5, .max = 5, .nullable = 1),
	                               BOOL_FIELD(struct body, b),
	                               ID_FIELD(struct body, id, .nullable = 1),
	                               JSON_FIELD(struct body, j),
	                               { 0 } };

static void
check_report(const struct json_report *report)
{
	MUST(report->path.p && report->code && report->message);
	MUST(!report->path.n || report->path.p[0] == '/');
}

static void
check_body(const struct body *b)
{
	if (str_present(b->s)) {
		MUST(str_utf8_valid(b->s) && !memchr(b->s.p, '\0', b->s.n));
		MUST(str_code_points(b->s) >= 1 && str_code_points(b->s) <= 8);
	}
	MUST(!str_present(b->e) || str_eq(b->e, STR("one")) || str_eq(b->e, STR("two")));
	MUST(b->i.v >= -5 && b->i.v <= 5);
	MUST(b->id >= 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(256 << 20);
	struct json_report report = { 0 };
	struct body body = { 0 };
	json_t *json = NULL;
	int r = json_parse(a, str_n((const char *)data, n), &json, &report);

	MUST(r == 0 || r == BAD_JSON);
	if (!r) {
		r = json_fill(a, json, fields, &body, "", &report);
		MUST(r == 0 || r == INVALID);
		if (!r)
			check_body(&body);
		MUST(report.ignored_n <= JSON_IGNORED_MAX);
		for (size_t i = 0; i < report.ignored_n; i++)
			MUST(str_utf8_valid(report.ignored[i]) && report.ignored[i].p[0] == '/');
	}
	if (r)
		check_report(&report);
	arena_free(a);
	return 0;
}
