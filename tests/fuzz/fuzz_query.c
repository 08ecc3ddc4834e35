/* fuzz_query -- query strings: what is taken keeps the table's promises, what is refused names a parameter of the table. */
#include "base/err.h"
#include "fcgi/query.h"
#include "fuzz.h"

struct query {
	struct str q;
	struct opt_int limit;
	struct opt_bool archived;
	int64_t user;
};

static const struct field fields[] = { STR_FIELD(struct query, q, .min = 1, .max = 5),
	                               INT_FIELD(struct query, limit, .min = 1, .max = 100),
	                               BOOL_FIELD(struct query, archived),
	                               ID_FIELD(struct query, user),
	                               { 0 } };

static void
check_taken(const struct query *in)
{
	if (str_present(in->q))
		MUST(str_utf8_valid(in->q) && str_code_points(in->q) >= 1 && str_code_points(in->q) <= 5);
	if (in->limit.set)
		MUST(in->limit.v >= 1 && in->limit.v <= 100);
	MUST(in->user >= 0);
}

static void
check_refused(const struct json_report *report)
{
	bool known = false;

	for (const struct field *f = fields; f->name; f++)
		known |= str_eq(report->path, str_c(f->name));
	MUST(known && report->code && report->message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *arena = arena_new((size_t)1 << 24);
	struct json_report report = { 0 };
	struct query in = { 0 };
	int r = query_fill(arena, str_n((const char *)data, n), fields, &in, &report);

	MUST(r == 0 || r == INVALID);
	if (r)
		check_refused(&report);
	else
		check_taken(&in);
	arena_free(arena);
	return 0;
}
