/* conf: the table itself, every error with its line, and what is generated from it. */
#include "unit.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"

static char *folder, path[128];
static struct arena *arena;
static struct buf errors;
static struct conf conf;

static int
setup(void **state)
{
	(void)state;
	folder = unit_folder();
	snprintf(path, sizeof path, "%s/c", folder);
	arena = arena_new(1 << 20);
	buf_init(&errors, 1 << 20);
	memset(&conf, 0, sizeof conf);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unit_folder_remove(folder);
	arena_free(arena);
	buf_deinit(&errors);
	return 0;
}

static int
load(const char *text)
{
	unit_write_file(path, text);
	buf_clear(&errors);
	return conf_load(arena, path, &conf, &errors);
}

/* Refused, and the errors are exactly these lines, each given without "path:". */
static void
refused(const char *text, const char *lines)
{
	struct buf want;
	struct str rest = str_c(lines);

	assert_int_equal(load(text), INVALID);
	buf_init(&want, 1 << 16);
	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		buf_printf(&want, "%s:%.*s\n", path, STR_ARG(line));
	}
	buf_char(&want, '\0');
	assert_str(buf_view(&errors), want.p);
	buf_deinit(&want);
}

static void
the_table_is_sorted_and_whole(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct conf_key *k = conf_keys; k->name; k++, n++) {
		size_t help = strlen(k->help);

		assert_true(k == conf_keys || strcmp(k[-1].name, k->name) < 0);
		assert_true(help > 5 && k->help[help - 1] == '.' && !strchr(k->help, '|'));
		assert_true(k->type != CONF_INT || k->min < k->max);
		for (const struct conf_key *other = conf_keys; other < k; other++)
			assert_int_not_equal(other->offset, k->offset);
	}
	/* every member is 8 bytes wide: a member without a row would show here */
	assert_int_equal(n * 8, sizeof(struct conf));
}

static void
defaults_are_valid(void **state)
{
	(void)state;
	assert_int_equal(conf_load(arena, NULL, &conf, &errors), 0);
	assert_int_equal(errors.n, 0);
	assert_string_equal(conf.run_dir, "/run/peal");
	assert_string_equal(conf.registration, "closed");
	assert_string_equal(conf.origins, "");
	assert_int_equal(conf.workers_fast, 16);
	assert_int_equal(conf.argon2_memory_kib, 19456);
	assert_int_equal(conf.password_min_code_points, 15);
	assert_string_equal(conf_socket(arena, &conf, "fast"), "/run/peal/fast.sock");
}

static void
values_replace_defaults(void **state)
{
	(void)state;
	assert_int_equal(
	        load("# comment\n\n  workers_fast=3\r\n\tregistration = open \norigins = https://a.example  http://b:8080\n"
	             "database = host=/x dbname=y\nlog_level=debug"),
	        0);
	assert_int_equal(conf.workers_fast, 3);
	assert_string_equal(conf.registration, "open");
	assert_string_equal(conf.origins, "https://a.example  http://b:8080");
	assert_string_equal(conf.database, "host=/x dbname=y");
	assert_string_equal(conf.log_level, "debug");
	assert_int_equal(conf.workers_slow, 4);
	assert_int_equal(load(""), 0);
	assert_int_equal(load("origins =\n"), 0);
}

static void
every_error_is_reported_with_its_line(void **state)
{
	(void)state;
	refused("workrs_fast = 3\n"
	        "\n"
	        "nonsense\n"
	        "workers_slow = many\n"
	        "workers_feed = 0\n"
	        "workers_auth = 1025\n"
	        "registration = maybe\n"
	        "run_dir = run\n"
	        "completely_different = 1\n"
	        "shed_after_ms = 100\n"
	        "shed_after_ms = 200\n"
	        "drain_seconds =\n"
	        "= 5\n"
	        "bad\xff = 1\n",
	        "1: unknown key \"workrs_fast\"; did you mean \"workers_fast\"?\n"
	        "3: expected \"key = value\"\n"
	        "4: workers_slow must be a whole number, not \"many\"\n"
	        "5: workers_feed must be between 1 and 1024\n"
	        "6: workers_auth must be between 1 and 1024\n"
	        "7: registration must be one of: open closed\n"
	        "8: run_dir must be an absolute path\n"
	        "9: unknown key \"completely_different\"\n"
	        "11: shed_after_ms was set already on line 10\n"
	        "12: drain_seconds must be a whole number, not \"\"\n"
	        "13: unknown key \"\"\n"
	        "14: not a line of text\n");
}

static void
nothing_is_written_on_error(void **state)
{
	(void)state;
	conf.workers_fast = 77;
	assert_int_equal(load("workers_fast = 5\nx = y\n"), INVALID);
	assert_int_equal(conf.workers_fast, 77);
}

static void
a_nul_is_not_text(void **state)
{
	FILE *f = fopen(path, "w");

	(void)state;
	assert_non_null(f);
	fwrite("run_dir = /a\0b\n", 1, 15, f);
	fclose(f);
	assert_int_equal(conf_load(arena, path, &conf, &errors), INVALID);
}

static void
values_that_do_not_fit_together(void **state)
{
	char text[400];

	(void)state;
	refused("push_heartbeat_seconds = 90\n",
	        " push_dead_seconds must be greater than push_heartbeat_seconds, or healthy sockets are closed\n");
	refused("\nmax_message_body_kib = 63\n", "2: max_message_body_kib must not be less than max_content_kib\n");
	refused("push_max_frame_kib = 255\n", "1: push_max_frame_kib must not be less than max_message_body_kib\n");
	refused("public_url = https://a.example/\n",
	        "1: public_url must be http:// or https:// and a host in lower case, without a path\n");
	refused("public_url = ftp://a\n",
	        "1: public_url must be http:// or https:// and a host in lower case, without a path\n");
	refused("public_url =\n", "1: public_url must be http:// or https:// and a host in lower case, without a path\n");
	refused("origins = https://a.example *\n",
	        "1: origins: \"*\" is not http:// or https:// and a host in lower case\n");
	assert_int_equal(load("clamd_address = /run/clamav/clamd.ctl\n"), 0);
	refused("clamd_address = clamd.example:3310\n",
	        "1: clamd_address: not an address with a port, such as 10.0.0.5:6379 or [fd00::5]:6379: "
	        "\"clamd.example:3310\"\n");
	refused("clamd_address = /s\nclamd_mib = 25\n",
	        "2: clamd_mib must not be less than media_file_mib and media_video_mib while clamd_failure is refuse\n");
	assert_int_equal(load("clamd_address = /s\nclamd_mib = 25\nclamd_failure = accept\n"), 0);
	assert_int_equal(load("clamd_mib = 25\n"), 0);
	snprintf(text, sizeof text, "run_dir = /%094d\n", 0);
	assert_int_equal(load(text), INVALID);
	snprintf(text, sizeof text, "run_dir = /%093d\n", 0);
	assert_int_equal(load(text), 0);
	assert_int_equal(strlen(conf_socket(arena, &conf, "command")), 107);
	snprintf(text, sizeof text, "redis_socket = /%0107d\n", 0);
	assert_int_equal(load(text), INVALID);
	snprintf(text, sizeof text, "redis_socket = /%0106d\n", 0);
	assert_int_equal(load(text), 0);
}

static void
addresses_for_calls(void **state)
{
	(void)state;
	assert_int_equal(load("call_stun_urls = stun:a.example  stun:[2001:db8::1]:3478\n"
	                      "call_turn_urls = turn:a.example:3478?transport=udp turns:a.example:443?transport=tcp\n"),
	                 0);
	refused("call_stun_urls = turn:a.example\n",
	        "1: call_stun_urls: \"turn:a.example\" is not an address such as stun:turn.example.org:3478\n");
	refused("\ncall_turn_urls = turn:a.example stun:a.example\n",
	        "2: call_turn_urls: \"stun:a.example\" is not an address such as "
	        "turn:turn.example.org:3478?transport=udp\n");
	refused("call_turn_urls = turn:a turn:b turn:c turn:d turn:e turn:f turn:g turn:h turn:i\n",
	        "1: call_turn_urls: 8 addresses at most\n");
}

static void
addresses_of_other_hosts(void **state)
{
	(void)state;
	assert_int_equal(load("run_dir = /r\nredis_socket = /s\n"), 0);
	assert_string_equal(conf_redis(&conf), "/s");
	assert_string_equal(conf_door(arena, &conf, "feed"), "/r/feed.sock");
	assert_int_equal(load("redis_address = 10.0.0.5:6379\nfeed_address = 10.0.0.11:9404 [fd00::12]:9404\n"), 0);
	assert_string_equal(conf_redis(&conf), "10.0.0.5:6379");
	assert_string_equal(conf_door(arena, &conf, "feed"), "10.0.0.11:9404 [fd00::12]:9404");
	assert_string_equal(conf_door(arena, &conf, "command"), "/run/peal/command.sock");
	refused("redis_address = redis.example:6379\n",
	        "1: redis_address: not an address with a port, such as 10.0.0.5:6379 or [fd00::5]:6379: "
	        "\"redis.example:6379\"\n");
	refused("redis_address = 10.0.0.5:6379 10.0.0.6:6379\n", "1: redis_address: one address only\n");
	refused("\ncommand_address = 10.0.0.11\n",
	        "2: command_address: not an address with a port, such as 10.0.0.5:6379 or [fd00::5]:6379: \"10.0.0.11\"\n");
	refused("redis_password_file = secret\n", "1: redis_password_file must be an absolute path: \"secret\"\n");
}

static void
unreadable_files_are_errors(void **state)
{
	struct buf big;

	(void)state;
	assert_int_equal(conf_load(arena, "/nonexistent/peal.conf", &conf, &errors), INVALID);
	buf_char(&errors, '\0');
	assert_string_equal(errors.p, "/nonexistent/peal.conf: No such file or directory\n");
	assert_int_equal(conf_load(arena, "/tmp", &conf, &errors), INVALID);
	buf_init(&big, 2 << 20);
	memset(buf_reserve(&big, (1 << 20) + 1), '\n', (1 << 20) + 1);
	buf_commit(&big, (1 << 20) + 1);
	buf_char(&big, '\0');
	refused(big.p, " is larger than 1 MiB\n");
	big.p[1 << 20] = '\0';
	assert_int_equal(load(big.p), 0);
	buf_deinit(&big);
}

static void
the_sample_is_a_valid_file_of_defaults(void **state)
{
	struct conf defaults;
	struct buf sample;
	char *line;

	(void)state;
	buf_init(&sample, 1 << 20);
	conf_write_sample(&sample);
	buf_char(&sample, '\0');
	assert_int_equal(load(sample.p), 0);
	/* with every default uncommented it must mean the same */
	for (line = strstr(sample.p, "\n#"); line; line = strstr(line + 2, "\n#"))
		if (line[2] != ' ')
			line[1] = ' ';
	assert_int_equal(load(sample.p), 0);
	assert_int_equal(conf_load(arena, NULL, &defaults, &errors), 0);
	for (const struct conf_key *k = conf_keys; k->name; k++) {
		const char *a = (const char *)&conf + k->offset, *b = (const char *)&defaults + k->offset;

		if (k->type == CONF_INT)
			assert_memory_equal(a, b, sizeof(int64_t));
		else
			assert_string_equal(*(const char *const *)a, *(const char *const *)b);
	}
	buf_deinit(&sample);
}

static void
the_reference_has_every_key(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	conf_write_reference(&b);
	buf_char(&b, '\0');
	for (const struct conf_key *k = conf_keys; k->name; k++) {
		char cell[96];

		snprintf(cell, sizeof cell, "\n| `%s` | ", k->name);
		assert_non_null(strstr(b.p, cell));
	}
	buf_deinit(&b);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_table_is_sorted_and_whole),          T(defaults_are_valid),          T(values_replace_defaults),
		T(every_error_is_reported_with_its_line),  T(nothing_is_written_on_error), T(a_nul_is_not_text),
		T(values_that_do_not_fit_together),        T(addresses_of_other_hosts),    T(unreadable_files_are_errors),
		T(the_sample_is_a_valid_file_of_defaults), T(the_reference_has_every_key), T(addresses_for_calls),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
