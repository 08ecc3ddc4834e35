/* log: one line per event whatever the values hold, and never a forged one. */
#include "unit.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"

static char out[16384];

static void
log_value(void *value)
{
	LOG(INFO, "e", L_STR("v", *(struct str *)value));
}

/* What comes after "v=", and the check that it is one whole line. */
static struct str
logged(struct str value)
{
	struct str line = unit_stderr_of(log_value, &value, out, sizeof out);
	const char *at = strstr(out, " e v=");

	assert_non_null(at);
	assert_int_equal(line.p[line.n - 1], '\n');
	assert_ptr_equal(memchr(line.p, '\n', line.n), line.p + line.n - 1);
	return str_n(at + 5, (size_t)(line.p + line.n - 1 - (at + 5)));
}

static void
values_are_quoted_when_needed(void **state)
{
	(void)state;
	assert_str(logged(STR("plain-1.2/3")), "plain-1.2/3");
	assert_str(logged(STR("")), "\"\"");
	assert_str(logged(STR_NONE), "-");
	assert_str(logged(STR_NULL), "-");
	assert_str(logged(STR("a b")), "\"a b\"");
	assert_str(logged(STR("a=b")), "\"a=b\"");
	assert_str(logged(STR("say \"hi\" \\o/")), "\"say \\\"hi\\\" \\\\o/\"");
	assert_str(logged(STR("grün 🙂")), "\"grün 🙂\"");
}

static void
nothing_can_forge_a_line(void **state)
{
	(void)state;
	assert_str(logged(STR("x\n<0>panic")), "\"x\\x0a<0>panic\"");
	assert_str(logged(STR("\r\t\x1b[2J\x7f")), "\"\\x0d\\x09\\x1b[2J\\x7f\"");
	assert_str(logged(STR("\xC2\x9B")), "\"\\xc2\\x9b\"");
	assert_str(logged(STR("\xE2\x80\xA8")), "\"\\xe2\\x80\\xa8\"");
	assert_str(logged(STR("\xff\xC3(")), "\"\\xff\\xc3(\"");
	assert_str(logged(str_n("a\0b", 3)), "\"a\\x00b\"");
}

static void
long_lines_are_cut_to_one_write(void **state)
{
	static char text[20000];
	struct str value = str_n(text, sizeof text), line;

	(void)state;
	memset(text, 'y', sizeof text);
	line = unit_stderr_of(log_value, &value, out, sizeof out);
	assert_true(line.n <= 4096);
	assert_memory_equal(line.p + line.n - 4, "...\n", 4);
	memset(text, '\n', sizeof text);
	line = unit_stderr_of(log_value, &value, out, sizeof out);
	assert_true(line.n > 4000 && line.n <= 4096);
	assert_memory_equal(line.p + line.n - 4, "...\n", 4);
}

static void
log_below_and_at_the_level(void *arg)
{
	(void)arg;
	LOG(DEBUG, "hidden");
	LOG(INFO, "shown", L_INT("n", INT64_MIN));
}

static void
levels_are_respected(void **state)
{
	(void)state;
	unit_stderr_of(log_below_and_at_the_level, NULL, out, sizeof out);
	assert_null(strstr(out, "hidden"));
	assert_non_null(strstr(out, "shown n=-9223372036854775808\n"));
	assert_int_equal(log_level_of("debug"), LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_of("error"), LOG_LEVEL_ERROR);
	assert_int_equal(log_level_of("nonsense"), LOG_LEVEL_INFO);
}

static void
log_in_journal(void *arg)
{
	char stream[64];
	struct stat st;

	(void)arg;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("unit", LOG_LEVEL_INFO);
	LOG(WARNING, "event", L_INT("n", 1));
}

static void
the_journal_gets_priorities_others_get_times(void **state)
{
	(void)state;
	assert_str(unit_stderr_of(log_in_journal, NULL, out, sizeof out), "<4>event n=1\n");
	/* the variable is inherited also by processes whose stderr goes elsewhere */
	log_open("unit", LOG_LEVEL_INFO);
	unit_stderr_of(log_below_and_at_the_level, NULL, out, sizeof out);
	assert_int_equal(out[10], 'T');
	assert_non_null(strstr(out, "Z info unit["));
	unsetenv("JOURNAL_STREAM");
}

static void
log_a_fault(void *arg)
{
	(void)arg;
	log_fault("request", err_trace(err_origin(-ENOENT, "a.c", 1), "b.c", 2),
	          (const struct log_field[]){ L_INT("x", 3), { 0 } });
}

static void
faults_carry_their_trace(void **state)
{
	(void)state;
	unit_stderr_of(log_a_fault, NULL, out, sizeof out);
	assert_non_null(strstr(out, " error unit["));
	assert_non_null(strstr(out, "request error=\"No such file or directory\" at=\"a.c:1 < b.c:2\" x=3\n"));
	assert_string_equal(err_path(), "");
}

static int
setup(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_open("unit", LOG_LEVEL_INFO);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_quoted_when_needed),
		cmocka_unit_test(nothing_can_forge_a_line),
		cmocka_unit_test(long_lines_are_cut_to_one_write),
		cmocka_unit_test(levels_are_respected),
		cmocka_unit_test(the_journal_gets_priorities_others_get_times),
		cmocka_unit_test(faults_carry_their_trace),
	};

	return cmocka_run_group_tests_name("log", tests, setup, NULL);
}
