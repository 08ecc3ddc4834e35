/*
 * test_breached.c -- lists of breached passwords in both forms: everything in them is found, nothing else is, and what is no list is told from one.
 */
#include "unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/breached.h"
#include "base/err.h"

#define MOST 300

static char path[] = "/tmp/peal-unit-breached-XXXXXX";

enum form { COUNTS, COUNTS_CRLF, PLAIN, PLAIN_OPEN, FORMS };

static void
digest_of(const char *word, char out[41])
{
	unsigned char digest[20];

	EVP_Digest(word, strlen(word), digest, NULL, EVP_sha1(), NULL);
	for (int i = 0; i < 20; i++)
		snprintf(out + 2 * i, 3, "%02X", digest[i]);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* A list of the words "1" to "n". */
static void
write_list(int n, enum form form)
{
	static char lines[MOST][41];
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (int i = 0; i < n; i++) {
		char word[16];

		snprintf(word, sizeof(word), "%d", i + 1);
		digest_of(word, lines[i]);
	}
	qsort(lines, (size_t)n, sizeof(lines[0]), by_text);
	for (int i = 0; i < n; i++) {
		fputs(lines[i], f);
		if (form == COUNTS || form == COUNTS_CRLF)
			fprintf(f, ":%d", 1 + i * i * i % 1000003);
		if (form != PLAIN_OPEN || i + 1 < n)
			fputs(form == COUNTS_CRLF ? "\r\n" : "\n", f);
	}
	fclose(f);
}

static void
write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static bool
has(const char *word)
{
	bool found;

	assert_int_equal(breached_find(path, str_c(word), &found), 0);
	return found;
}

static bool
is_list(void)
{
	struct buf errors;
	bool good;

	buf_init(&errors, 4096);
	good = !breached_check(path, &errors);
	assert_true(good || errors.n);
	buf_deinit(&errors);
	return good;
}

static void
all_and_nothing_else(void **state)
{
	static const int sizes[] = { 1, 2, 3, 4, 5, 7, 8, 31, 64, MOST };
	char word[16];

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
		for (enum form form = 0; form < FORMS; form++) {
			write_list(sizes[s], form);
			assert_true(is_list());
			for (int i = 1; i <= 2 * sizes[s]; i++) {
				snprintf(word, sizeof(word), "%d", i);
				assert_int_equal(has(word), i <= sizes[s]);
			}
		}
}

static void
empty(void **state)
{
	(void)state;
	write_text("");
	assert_false(has("1"));
	assert_false(is_list());
}

static void
no_lists(void **state)
{
	static const char *const texts[] = {
		"password1\npassword2\n",
		"\n",
		"356A192B7913B04C54574D18C28D46E6395428AB;1\n",
		"356A192B7913B04C54574D18C28D46E6395428AB:\n",
		"356A192B7913B04C54574D18C28D46E6395428A:1\n",
		"356A192B7913B04C54574D18C28D46E6395428AB:1x\n",
		"356A192B7913B04C54574D18C28D46E6395428AB:111111111111111111111111111111111111111"
		"11111111111111111111111111111111111111111111111111111111111111111111111111111111"
		"11111111111111111111111111111111111111111111111111111111111111111111111111111111\n"
	};
	bool found;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		write_text(texts[i]);
		assert_false(is_list());
		assert_true(breached_find(path, STR("1"), &found) < 0);
		err_clear();
	}
	assert_true(breached_find("/nonexistent/list", STR("1"), &found) < 0);
	assert_true(breached_find("/tmp", STR("1"), &found) < 0);
	err_clear();
}

static void
out_of_order(void **state)
{
	(void)state;
	write_text("DA4B9237BACCCDF19C0760CAB7AEC4A8359010B0:1\n356A192B7913B04C54574D18C28D46E6395428AB:2\n");
	assert_false(is_list());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_and_nothing_else),
		cmocka_unit_test(empty),
		cmocka_unit_test(no_lists),
		cmocka_unit_test(out_of_order),
	};
	int failed;

	close(mkstemp(path));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
