/* json_in: what is refused, where the report points, and absent against null. */
#include "unit.h"

#include "base/err.h"
#include "base/json_in.h"

struct body {
	struct str content, kind;
	struct opt_int ttl, any;
	struct opt_bool flag;
	int64_t to, from;
	json_t *extra;
};

static const char *const kinds[] = { "text", "image", NULL };

static const struct field fields[] = { STR_FIELD(struct body, content, .min = 1, .max = 5, .required = 1, .nullable = 1),
	                               ENUM_FIELD(struct body, kind, .words = kinds),
	                               INT_FIELD(struct body, ttl, .min = 1, .max = 100, .nullable = 1),
	                               INT_FIELD(struct body, any),
	                               BOOL_FIELD(struct body, flag, .nullable = 1),
	                               ID_FIELD(struct body, to),
	                               ID_FIELD(struct body, from, .nullable = 1),
	                               JSON_FIELD(struct body, extra),
	                               { 0 } };

static struct json_report report;
static struct body body;

static int
setup(void **state)
{
	*state = arena_new(1 << 20);
	return 0;
}

static int
teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static int
parse(void **state, const char *text)
{
	json_t *json = NULL;
	int r = json_parse(*state, str_c(text), &json, &report);

	assert_true(r ? !json : !!json);
	return r;
}

static int
fill(void **state, const char *text)
{
	json_t *json;

	memset(&body, 0, sizeof body);
	if (json_parse(*state, str_c(text), &json, &report))
		fail_msg("%s: %s", text, report.message);
	return json_fill(*state, json, fields, &body, "", &report);
}

static void
malformed_texts_are_bad_json(void **state)
{
	static const struct {
		const char *text, *code;
	} cases[] = {
		{ "", "syntax" },
		{ " ", "syntax" },
		{ "{", "syntax" },
		{ "{}x", "syntax" },
		{ "{} {}", "syntax" },
		{ "{\"a\":1,}", "syntax" },
		{ "{'a':1}", "syntax" },
		{ "[1,]", "syntax" },
		{ "nul", "syntax" },
		{ "NaN", "syntax" },
		{ "01", "syntax" },
		{ "+1", "syntax" },
		{ ".5", "syntax" },
		{ "/**/1", "syntax" },
		{ "\"a\nb\"", "syntax" },
		{ "\"\\x\"", "syntax" },
		{ "\"\\ud800\"", "syntax" },
		{ "\"\\udc00\\ud800\"", "syntax" },
		{ "\"\\u0000\"", "syntax" },
		{ "{\"a\\u0000b\":1}", "syntax" },
		{ "\"\xff\"", "syntax" },
		{ "\"\xC0\x80\"", "syntax" },
		{ "\"\xED\xA0\x80\"", "syntax" },
		{ "\xEF\xBB\xBF{}", "syntax" },
		{ "{\"a\":1,\"a\":1}", "duplicate" },
		{ "{\"a\":1,\"\\u0061\":2}", "duplicate" },
		{ "[{\"b\":{\"a\":1,\"a\":1}}]", "duplicate" },
		{ "9223372036854775808", "range" },
		{ "-9223372036854775809", "range" },
		{ "1e999", "range" },
		{ "]]]]", "syntax" },
		{ "\"", "syntax" },
		{ "\"\\", "syntax" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (parse(state, cases[i].text) != BAD_JSON)
			fail_msg("accepted %s", cases[i].text);
		assert_string_equal(report.code, cases[i].code);
		assert_str(report.path, "");
		assert_non_null(report.message);
	}
}

static void
a_raw_nul_is_refused(void **state)
{
	json_t *json;

	assert_int_equal(json_parse(*state, str_n("{}\0", 3), &json, &report), BAD_JSON);
	assert_int_equal(json_parse(*state, str_n("\"a\0\"", 4), &json, &report), BAD_JSON);
	assert_int_equal(json_parse(*state, STR_NONE, &json, &report), BAD_JSON);
}

static void
depth_ends_at_sixteen(void **state)
{
	char text[200001];

	assert_int_equal(parse(state, "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"), 0);
	assert_int_equal(parse(state, "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), BAD_JSON);
	assert_string_equal(report.code, "depth");
	assert_int_equal(parse(state, "[\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[\"]"), 0);
	memset(text, '[', 200000);
	text[200000] = '\0';
	assert_int_equal(parse(state, text), BAD_JSON);
	assert_string_equal(report.code, "depth");
	/* closing first must not buy depth */
	memset(text, ']', 100000);
	assert_int_equal(parse(state, text), BAD_JSON);
}

static void
any_value_is_a_text_but_only_objects_fill(void **state)
{
	static const char *const others[] = { "1", "\"x\"", "null", "[]", "true" };
	json_t *json;

	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		assert_int_equal(json_parse(*state, str_c(others[i]), &json, &report), 0);
		assert_int_equal(json_fill(*state, json, fields, &body, "/at", &report), INVALID);
		assert_str(report.path, "/at");
		assert_string_equal(report.code, "type");
	}
}

static void
fills_everything(void **state)
{
	assert_int_equal(fill(state,
	                      "{\"content\":\"a\\u20acb\",\"kind\":\"image\",\"ttl\":100,\"any\":-9223372036854775808,"
	                      "\"flag\":true,\"to\":\"9223372036854775807\",\"from\":\"1\",\"extra\":{\"x\":[]}}"),
	                 0);
	assert_str(body.content, "a€b");
	assert_str(body.kind, "image");
	assert_true(body.ttl.set && !body.ttl.null && body.ttl.v == 100);
	assert_true(body.any.set && body.any.v == INT64_MIN);
	assert_true(body.flag.set && body.flag.v && !body.flag.null);
	assert_int_equal(body.to, INT64_MAX);
	assert_int_equal(body.from, 1);
	assert_true(json_is_object(body.extra));
	assert_int_equal(report.ignored_n, 0);
}

static void
absent_is_not_null(void **state)
{
	assert_int_equal(fill(state, "{\"content\":null}"), 0);
	assert_true(str_is_null(body.content));
	assert_false(str_present(body.kind) || str_is_null(body.kind));
	assert_false(body.ttl.set || body.any.set || body.flag.set);
	assert_int_equal(body.to, 0);
	assert_null(body.extra);
	assert_int_equal(fill(state, "{\"content\":\"x\",\"ttl\":null,\"flag\":null,\"from\":null}"), 0);
	assert_true(body.ttl.set && body.ttl.null);
	assert_true(body.flag.set && body.flag.null);
	assert_int_equal(body.from, 0);
}

static void
the_first_bad_member_is_named(void **state)
{
	static const struct {
		const char *text, *path, *code;
	} cases[] = {
		{ "{}", "/content", "required" },
		{ "{\"content\":1}", "/content", "type" },
		{ "{\"content\":\"\"}", "/content", "too_short" },
		{ "{\"content\":\"123456\"}", "/content", "too_long" },
		{ "{\"content\":\"x\",\"kind\":\"Text\"}", "/kind", "word" },
		{ "{\"content\":\"x\",\"kind\":\"\"}", "/kind", "word" },
		{ "{\"content\":\"x\",\"kind\":null}", "/kind", "type" },
		{ "{\"content\":\"x\",\"ttl\":0}", "/ttl", "range" },
		{ "{\"content\":\"x\",\"ttl\":101}", "/ttl", "range" },
		{ "{\"content\":\"x\",\"ttl\":1.0}", "/ttl", "type" },
		{ "{\"content\":\"x\",\"ttl\":1e1}", "/ttl", "type" },
		{ "{\"content\":\"x\",\"ttl\":\"1\"}", "/ttl", "type" },
		{ "{\"content\":\"x\",\"ttl\":true}", "/ttl", "type" },
		{ "{\"content\":\"x\",\"flag\":0}", "/flag", "type" },
		{ "{\"content\":\"x\",\"flag\":\"true\"}", "/flag", "type" },
		{ "{\"content\":\"x\",\"to\":1}", "/to", "type" },
		{ "{\"content\":\"x\",\"to\":null}", "/to", "type" },
		{ "{\"content\":\"x\",\"to\":\"0\"}", "/to", "format" },
		{ "{\"content\":\"x\",\"to\":\"01\"}", "/to", "format" },
		{ "{\"content\":\"x\",\"to\":\"-1\"}", "/to", "format" },
		{ "{\"content\":\"x\",\"to\":\"1 \"}", "/to", "format" },
		{ "{\"content\":\"x\",\"to\":\"9223372036854775808\"}", "/to", "format" },
		{ "{\"content\":\"x\",\"extra\":null}", "/extra", "type" },
		{ "{\"ttl\":0,\"to\":0}", "/content", "required" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (fill(state, cases[i].text) != INVALID)
			fail_msg("accepted %s", cases[i].text);
		assert_str(report.path, cases[i].path);
		assert_string_equal(report.code, cases[i].code);
		assert_non_null(report.message);
	}
}

static void
lengths_are_code_points(void **state)
{
	assert_int_equal(fill(state, "{\"content\":\"🙂🙂🙂🙂🙂\"}"), 0);
	assert_int_equal(body.content.n, 20);
	assert_int_equal(fill(state, "{\"content\":\"🙂🙂🙂🙂🙂🙂\"}"), INVALID);
	assert_string_equal(report.code, "too_long");
}

static void
unknown_members_are_reported(void **state)
{
	assert_int_equal(fill(state, "{\"content\":\"x\",\"a/b~c\":1,\"Content\":2}"), 0);
	assert_int_equal(report.ignored_n, 2);
	assert_str(report.ignored[0], "/a~1b~0c");
	assert_str(report.ignored[1], "/Content");
	assert_int_equal(
	        fill(state, "{\"content\":\"x\",\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1}"),
	        0);
	assert_int_equal(report.ignored_n, JSON_IGNORED_MAX);
}

static void
nested_objects_add_to_the_same_report(void **state)
{
	struct body inner = { 0 };

	assert_int_equal(fill(state, "{\"content\":\"x\",\"extra\":{\"content\":7,\"odd\":1},\"strange\":1}"), 0);
	assert_int_equal(json_fill(*state, body.extra, fields, &inner, "/extra", &report), INVALID);
	assert_str(report.path, "/extra/content");
	assert_int_equal(report.ignored_n, 2);
	assert_str(report.ignored[0], "/strange");
	assert_str(report.ignored[1], "/extra/odd");
}

static void
a_string_without_max_ends_at_64_ki_code_points(void **state)
{
	struct one {
		struct str s;
	} one = { 0 };
	static const struct field just[] = { STR_FIELD(struct one, s), { 0 } };
	char *text = malloc(70000);
	json_t *json;
	int n;

	for (n = 65536; n <= 65537; n++) {
		snprintf(text, 70000, "{\"s\":\"%0*d\"}", n, 0);
		assert_int_equal(json_parse(*state, str_c(text), &json, &report), 0);
		assert_int_equal(json_fill(*state, json, just, &one, "", &report), n == 65536 ? 0 : INVALID);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(malformed_texts_are_bad_json, setup, teardown),
		cmocka_unit_test_setup_teardown(a_raw_nul_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(depth_ends_at_sixteen, setup, teardown),
		cmocka_unit_test_setup_teardown(any_value_is_a_text_but_only_objects_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(fills_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(absent_is_not_null, setup, teardown),
		cmocka_unit_test_setup_teardown(the_first_bad_member_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(lengths_are_code_points, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_members_are_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(nested_objects_add_to_the_same_report, setup, teardown),
		cmocka_unit_test_setup_teardown(a_string_without_max_ends_at_64_ki_code_points, setup, teardown),
	};

	return cmocka_run_group_tests_name("json_in", tests, NULL, NULL);
}
