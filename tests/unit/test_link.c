/* test_link.c -- signed links: as nginx computes them, stable for a day, one person's and five minutes'. */
#include "unit.h"

#include <fcntl.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "wire/link.h"

#define SECOND INT64_C(1000000)
#define DAY    (86400 * SECOND)
#define NOW    (INT64_C(1790000000) * SECOND)

static const struct str id = STR("00000001a0b1c2d3e4f5061728394a5b");
static const struct str other = STR("00000002a0b1c2d3e4f5061728394a5b");

static struct str
rendition(struct str which, int64_t now, char out[LINK_MAX])
{
	return link_rendition(which, STR("std"), now, out);
}

/* secure_link_md5 "$expires/$id $secret": computed here in its own words. */
static void
test_signature(void **state)
{
	struct arena *a = arena_new(65536);
	char out[LINK_MAX];
	struct str rest = arena_str(a, rendition(id, NOW, out)), expires, sig, text;
	unsigned char digest[16];

	(void)state;
	assert_true(str_has_prefix(rest, STR("/m/")));
	rest = str_n(rest.p + 3, rest.n - 3);
	expires = str_cut(&rest, '/');
	sig = str_cut(&rest, '/');
	assert_str(rest, "00/00000001a0b1c2d3e4f5061728394a5b/std.webp");
	text = arena_printf(a, "%.*s/%.*s 0123456789abcdefghijklmnopqrstuv", STR_ARG(expires), STR_ARG(id));
	bytes_md5(text, digest);
	assert_true(str_eq(sig, base64url(a, digest, sizeof(digest))));
	arena_free(a);
}

/* Between 24 and 48 hours ahead at any time; it changes once a day, and not for all at the same moment. */
static void
test_expiry(void **state)
{
	char one[LINK_MAX], next[LINK_MAX];
	int changes = 0, together = 0;

	(void)state;
	for (int64_t t = NOW; t < NOW + 3 * DAY; t += DAY / 96) {
		long long at;
		bool changed;

		rendition(id, t, one);
		assert_int_equal(sscanf(one, "/m/%lld/", &at), 1);
		assert_in_range(at - t / SECOND, 86400 + 1, 2 * 86400);
		rendition(id, t + DAY / 96, next);
		changed = strcmp(one, next) != 0;
		changes += changed;
		rendition(STR("7fffffffa0b1c2d3e4f5061728394a5b"), t, one);
		rendition(STR("7fffffffa0b1c2d3e4f5061728394a5b"), t + DAY / 96, next);
		together += changed && strcmp(one, next) != 0;
	}
	assert_int_equal(changes, 3);
	assert_int_equal(together, 0);
}

static void
test_download(void **state)
{
	struct arena *a = arena_new(65536);
	struct str url = link_download(a, id, 42, NOW), token = url;
	int64_t user = 0;

	(void)state;
	assert_true(str_has_prefix(url, STR("/api/v1/media/00000001a0b1c2d3e4f5061728394a5b/original?token=42.")));
	str_cut(&token, '=');
	assert_int_equal(link_download_user(a, id, token, NOW, &user), 0);
	assert_int_equal(user, 42);
	assert_int_equal(link_download_user(a, id, token, NOW + LINK_DOWNLOAD_SECONDS * SECOND, &user), 0);
	assert_int_equal(link_download_user(a, id, token, NOW + (LINK_DOWNLOAD_SECONDS + 1) * SECOND, &user), GONE);
	assert_int_equal(link_download_user(a, other, token, NOW, &user), NOT_FOUND);
	for (size_t i = 0; i < token.n; i++) {
		char changed[256];

		memcpy(changed, token.p, token.n);
		changed[i] = changed[i] == '5' ? '6' : '5';
		user = 0;
		assert_int_equal(link_download_user(a, id, str_n(changed, token.n), NOW, &user), NOT_FOUND);
		assert_int_equal(link_download_user(a, id, str_n(token.p, i), NOW, &user), NOT_FOUND);
		assert_int_equal(user, 0);
	}
	arena_free(a);
}

static void
test_ids(void **state)
{
	(void)state;
	assert_true(attachment_id_ok(id));
	assert_false(attachment_id_ok(str_n(id.p, 31)));
	assert_false(attachment_id_ok(STR("00000001A0b1c2d3e4f5061728394a5b")));
	assert_false(attachment_id_ok(STR("../00001a0b1c2d3e4f5061728394a5b")));
	assert_false(attachment_id_ok(STR("")));
	assert_false(attachment_id_ok(STR_NONE));
}

static int
open_text(const char *text)
{
	char path[] = "/tmp/peal-test-link-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	r = link_open(path);
	unlink(path);
	return r;
}

static void
test_secret_file(void **state)
{
	(void)state;
	assert_int_equal(open_text(""), INVALID);
	assert_int_equal(open_text("set $peal_link_secret \"short\";\n"), INVALID);
	assert_int_equal(open_text("set $peal_link_secret \"0123456789abcdefghijklmnopqrstu$\";\n"), INVALID);
	assert_int_equal(open_text("0123456789abcdefghijklmnopqrstuv\n"), INVALID);
	assert_true(link_open("/nonexistent/file") < 0);
	assert_int_equal(open_text("set $peal_link_secret \"0123456789abcdefghijklmnopqrstuv\";\n"), 0);
}

static int
set_secret(void **state)
{
	(void)state;
	link_secret(STR("0123456789abcdefghijklmnopqrstuv"));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature), cmocka_unit_test(test_expiry),      cmocka_unit_test(test_download),
		cmocka_unit_test(test_ids),       cmocka_unit_test(test_secret_file),
	};

	return cmocka_run_group_tests(tests, set_secret, NULL);
}
