/* json_out: what it writes is JSON, and misuse dies. */
#include "unit.h"

#include <jansson.h>

#include "base/json_out.h"

static struct buf b;
static struct json_out w;

static int
setup(void **state)
{
	(void)state;
	buf_init(&b, 1 << 20);
	json_begin(&w, &b);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_deinit(&b);
	return 0;
}

static void
writes_every_kind(void **state)
{
	(void)state;
	json_open_object(&w, NULL);
	json_str(&w, "s", STR("x"));
	json_str(&w, "none", STR_NONE);
	json_str(&w, "null", STR_NULL);
	json_str(&w, "empty", STR(""));
	json_cstr(&w, "c", NULL);
	json_int(&w, "i", INT64_MIN);
	json_id(&w, "id", INT64_MAX);
	json_id_or_null(&w, "no_id", 0);
	json_bool(&w, "t", true);
	json_bool(&w, "f", false);
	json_time(&w, "at", 1767323045678000);
	json_time(&w, "never", 0);
	json_raw(&w, "raw", STR("[1,2]"));
	json_open_array(&w, "a");
	json_int(&w, NULL, 1);
	json_open_object(&w, NULL);
	json_close(&w);
	json_open_array(&w, NULL);
	json_close(&w);
	json_close(&w);
	json_close(&w);
	json_end(&w);
	assert_str(
	        buf_view(&b),
	        "{\"s\":\"x\",\"none\":null,\"null\":null,\"empty\":\"\",\"c\":null,\"i\":-9223372036854775808,"
	        "\"id\":\"9223372036854775807\",\"no_id\":null,\"t\":true,\"f\":false,\"at\":\"2026-01-02T03:04:05.678Z\","
	        "\"never\":null,\"raw\":[1,2],\"a\":[1,{},[]]}");
}

static void
a_single_value_is_a_document(void **state)
{
	(void)state;
	json_cstr(&w, NULL, "x");
	json_end(&w);
	assert_str(buf_view(&b), "\"x\"");
}

static void
escapes_what_json_demands(void **state)
{
	char all[32 + 3];
	json_t *back;

	(void)state;
	for (int i = 0; i < 32; i++)
		all[i] = (char)i;
	memcpy(all + 32, "\"\\\x7f", 3);
	json_open_array(&w, NULL);
	json_str(&w, NULL, str_n(all, sizeof all));
	json_str(&w, NULL, STR("grün 🙂\n\"q\""));
	json_close(&w);
	json_end(&w);
	assert_null(memchr(b.p, '\n', b.n));
	back = json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL);
	assert_non_null(back);
	assert_int_equal(json_string_length(json_array_get(back, 0)), sizeof all);
	assert_memory_equal(json_string_value(json_array_get(back, 0)), all, sizeof all);
	assert_string_equal(json_string_value(json_array_get(back, 1)), "grün 🙂\n\"q\"");
	json_decref(back);
}

/* Strings are looked through eight bytes at a time: each place in them must be seen. */
static void
finds_what_to_escape_at_every_place(void **state)
{
	static const char odd[] = { '"', '\\', 0x00, 0x1f, 0x20, 0x7f, (char)0x80, (char)0xa2, (char)0xff, '!' };

	(void)state;
	for (size_t n = 1; n <= 25; n++) {
		for (size_t at = 0; at < n; at++) {
			for (size_t i = 0; i < sizeof odd; i++) {
				bool escaped = odd[i] == '"' || odd[i] == '\\' || (odd[i] >= 0 && odd[i] < 0x20);
				char text[25];

				memset(text, 'a', n);
				text[at] = odd[i];
				buf_clear(&b);
				json_begin(&w, &b);
				json_str(&w, NULL, str_n(text, n));
				assert_int_equal(b.p[1 + at] == '\\', escaped);
				assert_int_equal(b.n, n + 2 + (!escaped ? 0 : odd[i] == '"' || odd[i] == '\\' ? 1 : 5));
			}
		}
	}
}

static void
keys_are_escaped_too(void **state)
{
	(void)state;
	json_open_object(&w, NULL);
	json_int(&w, "a\"b", 1);
	json_close(&w);
	json_end(&w);
	assert_str(buf_view(&b), "{\"a\\\"b\":1}");
}

static void
failure_sticks(void **state)
{
	struct buf small;

	(void)state;
	buf_init(&small, 8);
	json_begin(&w, &small);
	json_cstr(&w, NULL, "longer than eight");
	json_end(&w);
	assert_true(buf_failed(&small));
	buf_deinit(&small);
}

static void
key_in_array(void)
{
	json_open_array(&w, NULL);
	json_int(&w, "key", 1);
}

static void
value_in_object(void)
{
	json_open_object(&w, NULL);
	json_int(&w, NULL, 1);
}

static void
unbalanced(void)
{
	json_open_object(&w, NULL);
	json_end(&w);
}

static void
closed_too_often(void)
{
	json_open_object(&w, NULL);
	json_close(&w);
	json_close(&w);
}

static void
two_documents(void)
{
	json_int(&w, NULL, 1);
	json_int(&w, NULL, 2);
}

static void
no_document(void)
{
	json_end(&w);
}

static void
too_deep(void)
{
	for (int i = 0; i <= JSON_OUT_DEPTH_MAX; i++)
		json_open_array(&w, NULL);
}

static void
raw_nothing(void)
{
	json_raw(&w, NULL, STR(""));
}

static void
misuse_aborts(void **state)
{
	static void (*const misuses[])(void) = { key_in_array,  value_in_object, unbalanced, closed_too_often,
		                                 two_documents, no_document,     too_deep,   raw_nothing };

	(void)state;
	for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++)
		if (!unit_aborts(misuses[i]))
			fail_msg("misuse %zu lived", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writes_every_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(a_single_value_is_a_document, setup, teardown),
		cmocka_unit_test_setup_teardown(escapes_what_json_demands, setup, teardown),
		cmocka_unit_test_setup_teardown(finds_what_to_escape_at_every_place, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_are_escaped_too, setup, teardown),
		cmocka_unit_test_setup_teardown(failure_sticks, setup, teardown),
		cmocka_unit_test_setup_teardown(misuse_aborts, setup, teardown),
	};

	return cmocka_run_group_tests_name("json_out", tests, NULL, NULL);
}
