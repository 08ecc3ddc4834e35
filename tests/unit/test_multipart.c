/* test_multipart.c -- forms as browsers and tools send them, and forms that nobody should. Each is fed whole and byte by byte. */
#include "unit.h"

#include "media/multipart.h"

#define TYPE             "multipart/form-data; boundary=XX"
#define PART(head, body) "--XX\r\n" head "\r\n\r\n" body "\r\n"
#define FILE_HEAD        "Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg"
#define END              "--XX--\r\n"

static bool
parse(struct multipart *m, const char *type, struct str body, size_t piece)
{
	if (!multipart_begin(m, str_c(type)))
		return false;
	for (size_t at = 0; at < body.n; at += piece) {
		size_t n = body.n - at < piece ? body.n - at : piece;

		if (!multipart_feed(m, body.p + at, n))
			return false;
	}
	return multipart_end(m);
}

static void
good(const char *type, struct str body, const char *content, const char *name)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 100000 };
	struct multipart m;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		if (!parse(&m, type, body, pieces[i]))
			fail_msg("refused in pieces of %zu: %.*s", pieces[i], STR_ARG(body));
		assert_true(m.offset + m.size <= body.n);
		assert_true(str_eq(str_n(body.p + m.offset, m.size), str_c(content)));
		assert_true(str_eq(str_n(m.name, m.name_n), str_c(name)));
	}
}

static void
bad(const char *type, struct str body)
{
	struct multipart m;

	if (parse(&m, type, body, 1) || parse(&m, type, body, 100000))
		fail_msg("accepted: %s / %.*s", type, STR_ARG(body));
}

static void
test_good(void **state)
{
	(void)state;
	good(TYPE, STR(PART(FILE_HEAD, "bytes") END), "bytes", "a.jpg");
	good(TYPE, STR(PART("Content-Disposition: form-data; name=\"x\"", "1") PART(FILE_HEAD, "bytes") END), "bytes",
	     "a.jpg");
	good(TYPE, STR(PART(FILE_HEAD, "bytes") PART("content-disposition: form-data; name=y", "2") END), "bytes", "a.jpg");
	good(TYPE, STR("preamble\r\n" PART(FILE_HEAD, "b") END "epilogue --XX"), "b", "a.jpg");
	good(TYPE, STR(PART(FILE_HEAD, "a\r\n--X\r\n-\r\n\r\n--XY\r") END), "a\r\n--X\r\n-\r\n\r\n--XY\r", "a.jpg");
	good(TYPE, STR(PART(FILE_HEAD, "") END), "", "a.jpg");
	good(TYPE, STR("--XX\r\n" FILE_HEAD "\r\n\r\n--XX--"), "", "a.jpg"); /* the delimiter's CRLF is the empty line's */
	good(TYPE, STR("--XX  \t\r\n" FILE_HEAD "\r\n\r\nb\r\n--XX--"), "b", "a.jpg");
	good("Multipart/Form-Data; charset=utf-8; boundary=\"a b?:/\"",
	     STR("--a b?:/\r\n" FILE_HEAD "\r\n\r\nb\r\n--a b?:/--\r\n"), "b", "a.jpg");
}

static void
test_names(void **state)
{
	(void)state;
	good(TYPE, STR(PART("Content-Disposition: form-data; filename=\"\xC3\xA9 1.png\"; name=file", "b") END), "b",
	     "\xC3\xA9 1.png");
	good(TYPE, STR(PART("Content-Disposition: form-data; name=\"file\"; filename=\"a%22b.png\"", "b") END), "b",
	     "a\"b.png");
	good(TYPE, STR(PART("Content-Disposition: form-data; name=\"file\"; filename=\"a\\\"b.png\"", "b") END), "b",
	     "a\"b.png");
	good(TYPE, STR(PART("Content-Disposition: form-data; name=\"file\"; filename=\"C:\\a\\b.png\"", "b") END), "b",
	     "C:\\a\\b.png");
	good(TYPE, STR(PART("Content-Disposition: form-data; name=\"file\"; filename=\"a; name=x\"", "b") END), "b",
	     "a; name=x");
	good(TYPE, STR(PART("Content-Disposition: form-data; name=\"file\"", "b") END), "b", "");
}

static void
test_bad_types(void **state)
{
	static const struct str body = STR(PART(FILE_HEAD, "b") END);

	(void)state;
	bad("multipart/form-data", body);
	bad("multipart/form-data; boundary=", body);
	bad("multipart/form-data; boundary=\"", body);
	bad("multipart/form-data; boundary=\"X\r\nX\"", body);
	bad("multipart/form-data; boundary=\"XX \"", body);
	bad("multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x", body);
	bad("multipart/mixed; boundary=XX", body);
	bad("image/jpeg", body);
	bad("", body);
}

static void
test_bad_bodies(void **state)
{
	(void)state;
	bad(TYPE, STR(""));
	bad(TYPE, STR("--XX--\r\n"));
	bad(TYPE, STR(PART(FILE_HEAD, "b"))); /* cut off before the end */
	bad(TYPE, STR("--XX\r\n" FILE_HEAD "\r\n\r\nb"));
	bad(TYPE, STR("--XX\r\n" FILE_HEAD));
	bad(TYPE, STR(PART("Content-Disposition: form-data; name=\"other\"", "b") END));
	bad(TYPE, STR(PART(FILE_HEAD, "b") PART(FILE_HEAD, "c") END)); /* which of the two? */
	bad(TYPE, STR(PART("Content-Disposition: attachment; name=\"file\"", "b") END));
	bad(TYPE, STR(PART("Content-Type: image/png", "b") END));
	bad(TYPE, STR(PART("Content-Disposition: form-data; name=\"file\"\r\nContent-Disposition: form-data; name=\"x\"",
	                   "b") END));
	bad(TYPE, STR(PART("Content-Disposition: form-data; name=\"file", "b") END));
	bad(TYPE, STR("--XX\r\n\r\nb\r\n" END));              /* no header fields */
	bad(TYPE, STR("--XX\n" FILE_HEAD "\n\nb\n--XX--\n")); /* LF alone */
	bad(TYPE, STR("--XXgarbage\r\n" FILE_HEAD "\r\n\r\nb\r\n" END));
	bad(TYPE, STR("--XX\r\nContent-Disposition: form-data; name=\"file\0\"\r\n\r\nb\r\n" END));
}

static void
test_limits(void **state)
{
	struct multipart m;

	(void)state;
	assert_true(multipart_begin(&m, STR(TYPE)));
	for (int i = 0; i < MULTIPART_PARTS_MAX; i++)
		assert_true(multipart_feed(&m, PART("Content-Disposition: form-data; name=x", "b"),
		                           sizeof(PART("Content-Disposition: form-data; name=x", "b")) - 1));
	assert_false(multipart_feed(&m, PART(FILE_HEAD, "b") END, sizeof(PART(FILE_HEAD, "b") END) - 1) &&
	             multipart_end(&m));

	assert_true(multipart_begin(&m, STR(TYPE)));
	assert_true(multipart_feed(&m, "--XX\r\nA:", 8));
	for (int i = 0; i < MULTIPART_HEAD_MAX - 2; i++)
		assert_true(multipart_feed(&m, "a", 1));
	assert_false(multipart_feed(&m, "a", 1));
	assert_false(multipart_feed(&m, "\r\n\r\n", 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),       cmocka_unit_test(test_names),  cmocka_unit_test(test_bad_types),
		cmocka_unit_test(test_bad_bodies), cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
