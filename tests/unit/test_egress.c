/* egress: which addresses are asked, what their origin is, and requests and answers on the wire, whole and in pieces. */
#include "unit.h"

#include <errno.h>

#include "base/egress.h"
#include "base/err.h"

#define LISTED "push.example:8443  10.0.0.5:443 [fd00::5]:9"

static void
test_allowed(void **state)
{
	static const struct {
		const char *url;
		bool allowed, private;
	} cases[] = {
		{ "https://push.example/x", true, false },
		{ "https://push.example:443/x", true, false },
		{ "https://push.example?x", true, false },
		{ "https://push.example:8443/x", true, true },
		{ "https://PUSH.example:8443/x", true, true },
		{ "https://push.example:8444/x", false, false },
		{ "https://10.0.0.5/x", true, true },
		{ "https://10.0.0.6/x", true, false }, /* its address is refused later */
		{ "https://[fd00::5]:9/x", true, true },
		{ "https://[fd00::5]/x", true, false },
		{ "http://push.example/x", false, false },
		{ "HTTPS://push.example/", false, false },
		{ "https://a:4m:443/", false, false },
		{ "https://a)b/", false, false },
		{ "https://%31.example/", false, false },
		{ "https://", false, false },
		{ "https:///x", false, false },
		{ "https://:443/", false, false },
		{ "https://push.example:/", false, false },
		{ "https://push.example:0443/", false, false },
		{ "https://push.example:99999/", false, false },
		{ "https://a@push.example/", false, false },
		{ "https://push.example:443@10.0.0.1/", false, false },
		{ "https://push.example\\@10.0.0.1/", false, false },
		{ "https://push.example/ x", false, false },
		{ "https://push.example/#x", false, false },
		{ "https://push.example/\xc3\xa4", false, false },
		{ "https://push.example/\n", false, false },
		{ "", false, false },
	};
	bool private;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(egress_allowed(str_c(cases[i].url), STR(LISTED), &private), cases[i].allowed);
		assert_int_equal(private, cases[i].private);
	}
	assert_true(egress_allowed(STR("https://push.example/"), STR(""), &private));
	assert_false(private);
}

static void
test_origin(void **state)
{
	struct arena *a = arena_new(1 << 16);

	(void)state;
	assert_true(str_eq(egress_origin(a, STR("https://Push.Example/a/b?c")), STR("https://push.example")));
	assert_true(str_eq(egress_origin(a, STR("https://push.example:443/")), STR("https://push.example")));
	assert_true(str_eq(egress_origin(a, STR("https://push.example:8443")), STR("https://push.example:8443")));
	assert_true(str_eq(egress_origin(a, STR("https://[FD00::5]:9/")), STR("https://[fd00::5]:9")));
	assert_false(str_present(egress_origin(a, STR("http://push.example/"))));
	arena_free(a);
}

/* Byte by byte: nothing is there before its last byte, and what follows is left. */
static void
test_wire(void **state)
{
	const struct egress_ask ask = { 7, 1500, STR("https://a/"), STR("TTL: 1\n"), STR("body") };
	const struct egress_answer answer = { 8, EGRESS_ANSWERED, 429, 30, STR("slow down") };
	struct egress_answer got_answer;
	struct egress_ask got_ask;
	struct buf whole, in;
	size_t n, first;

	(void)state;
	buf_init(&whole, 65536);
	buf_init(&in, 65536);
	egress_put_ask(&whole, &ask);
	first = whole.n;
	for (size_t i = 0; i < first; i++) {
		assert_int_equal(egress_take_ask(&in, &got_ask, &n), 0);
		assert_int_equal(n, 0);
		buf_char(&in, whole.p[i]);
	}
	buf_char(&in, 'x');
	assert_int_equal(egress_take_ask(&in, &got_ask, &n), 0);
	assert_int_equal(n, first);
	assert_int_equal(got_ask.id, 7);
	assert_int_equal(got_ask.timeout_ms, 1500);
	assert_true(str_eq(got_ask.url, ask.url) && str_eq(got_ask.headers, ask.headers) && str_eq(got_ask.body, ask.body));
	buf_clear(&in);
	egress_put_answer(&in, &answer);
	assert_int_equal(egress_take_answer(&in, &got_answer, &n), 0);
	assert_int_equal(n, in.n);
	assert_true(got_answer.id == 8 && got_answer.end == EGRESS_ANSWERED && got_answer.status == 429 &&
	            got_answer.retry_after_seconds == 30 && str_eq(got_answer.body, answer.body));
	buf_deinit(&in);
	buf_deinit(&whole);
}

static void
test_wire_nonsense(void **state)
{
	struct egress_answer answer;
	struct egress_ask ask;
	struct buf in;
	size_t n;

	(void)state;
	buf_init(&in, 65536);
	for (int i = 0; i < 200; i++)
		buf_char(&in, (char)0xff);
	assert_int_equal(egress_take_ask(&in, &ask, &n), -EPROTO);
	assert_int_equal(n, 0);
	assert_int_equal(egress_take_answer(&in, &answer, &n), -EPROTO);
	err_clear();
	buf_deinit(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_origin),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_wire_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
