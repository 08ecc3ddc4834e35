/* test_clamd.c -- what clamd's answers mean. */
#include "unit.h"

#include "base/err.h"
#include "media/clamd.h"

static const struct {
	struct str said;
	int want;
	struct str name;
} answers[] = {
	{ STR("stream: OK"), 0, STR("") },
	{ STR("stream: Win.Test.EICAR_HDB-1 FOUND"), INFECTED, STR("Win.Test.EICAR_HDB-1") },
	{ STR("stream: a name of two words FOUND"), INFECTED, STR("a name of two words") },
	{ STR("stream: OK FOUND"), INFECTED, STR("OK") },
	{ STR("stream: FOUND"), UNAVAILABLE, STR("") },
	{ STR("stream:  FOUND"), UNAVAILABLE, STR("") },
	{ STR("stream: ok"), UNAVAILABLE, STR("") },
	{ STR("stream: OK "), UNAVAILABLE, STR("") },
	{ STR("/tmp/x: OK"), UNAVAILABLE, STR("") },
	{ STR("INSTREAM size limit exceeded. ERROR"), TOO_LARGE, STR("") },
	{ STR("stream: Can't allocate memory ERROR"), UNAVAILABLE, STR("") },
	{ STR("COMMAND READ TIMED OUT"), UNAVAILABLE, STR("") },
	{ STR("UNKNOWN COMMAND"), UNAVAILABLE, STR("") },
	{ STR(""), UNAVAILABLE, STR("") },
};

static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct str name = STR("");

		if (clamd_verdict(answers[i].said, &name) != answers[i].want || !str_eq(name, answers[i].name))
			fail_msg("answer %zu", i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
