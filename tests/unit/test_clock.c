/* clock: RFC 3339 out and back, and the calendar's edges. */
#include "unit.h"

#include <time.h>

#include "base/clock.h"

static void
writes_utc_milliseconds(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1767323045678999, "2026-01-02T03:04:05.678Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ -1000000, "1969-12-31T23:59:59.000Z" },
		{ 951782400000000, "2000-02-29T00:00:00.000Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
		{ INT64_MIN, "0000-01-01T00:00:00.000Z" },
	};
	char out[CLOCK_RFC3339_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_str(clock_rfc3339(cases[i].us, out), cases[i].text);
}

/* libc knows the calendar too; from the year 1000 on, since its %Y has no leading zeros. */
static void
writes_every_date(void **state)
{
	(void)state;
	for (int64_t day = -354285; day < 2932897; day += 5) {
		char out[CLOCK_RFC3339_MAX], want[CLOCK_RFC3339_MAX];
		int64_t second = day * 86400 + (day * 7919 % 86400 + 86400) % 86400;
		time_t t = (time_t)second;
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.250Z", &tm);
		assert_str(clock_rfc3339(second * 1000000 + 250999, out), want);
	}
}

static void
reads_the_same_form(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-01-02T03:04:05.678Z", 1767323045678000 },
		{ "2026-01-02T03:04:05.6Z", 1767323045600000 },
		{ "2026-01-02T03:04:05.678901999Z", 1767323045678901 },
		{ "2026-01-02T05:04:05+02:00", 1767323045000000 },
		{ "2026-01-01T21:34:05.5-05:30", 1767323045500000 },
		{ "2000-02-29T00:00:00Z", 951782400000000 },
		{ "1969-12-31T23:59:59.999Z", -1000 },
	};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(clock_rfc3339_parse(str_c(cases[i].text), &us));
		assert_int_equal(us, cases[i].us);
	}
}

static void
refuses_everything_else(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-01-02",
		"2026-01-02 03:04:05Z",
		"2026-01-02t03:04:05z",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05.1234567890Z",
		"2026-01-02T03:04Z",
		"2026-1-02T03:04:05Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"9999-12-31T23:59:59-00:01",
		"0000-01-01T00:00:00+00:01",
		"2026-01-00T00:00:00Z",
		"2026-01-32T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-01-02T24:00:00Z",
		"2026-01-02T00:60:00Z",
		"2026-01-02T00:00:60Z",
		"2026-01-02T00:00:00+24:00",
		"2026-01-02T00:00:00+01:60",
		"2026-01-02T00:00:00+0100",
		"2026-01-02T00:00:00Zx",
		" 2026-01-02T00:00:00Z",
		"+026-01-02T00:00:00Z",
	};
	int64_t us = 42;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (clock_rfc3339_parse(str_c(bad[i]), &us))
			fail_msg("accepted %s", bad[i]);
		assert_int_equal(us, 42);
	}
}

static void
what_is_written_is_read_back(void **state)
{
	char out[CLOCK_RFC3339_MAX];
	int64_t back;

	(void)state;
	/* a step that hits all hours, days and months in a few thousand rounds */
	for (int64_t ms = -62167219200000; ms < 253402300799999; ms += 86399999999) {
		assert_true(clock_rfc3339_parse(clock_rfc3339(ms * 1000, out), &back));
		assert_int_equal(back, ms * 1000);
	}
}

static void
clocks_run(void **state)
{
	int64_t before = clock_mono_us();

	(void)state;
	usleep(2000);
	assert_true(clock_mono_us() >= before + 2000);
	assert_true(clock_wall_us() > 1767323045000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_utc_milliseconds),      cmocka_unit_test(writes_every_date),
		cmocka_unit_test(reads_the_same_form),          cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(what_is_written_is_read_back), cmocka_unit_test(clocks_run),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
