/* redis: against a real server: commands, scripts, restarts, silence, and the breaker. */
#include "unit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/redis.h"

static char *folder, socket_path[128];
static struct arena *arena;
static struct redis *redis;
static pid_t server;

static void
start_server(void)
{
	struct redis *probe = redis_new(socket_path, "", 1000);
	int64_t until = clock_mono_us() + 10000000;

	server = fork();
	if (!server) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path, "--dir", folder, "--save",
		       "", (char *)NULL);
		_exit(127);
	}
	assert_true(server > 0);
	/* a new breaker each time: it would refuse for longer than the server takes to start */
	while (!redis_up(probe, arena) && clock_mono_us() < until) {
		usleep(10000);
		redis_free(probe);
		probe = redis_new(socket_path, "", 1000);
	}
	assert_true(redis_up(probe, arena));
	redis_free(probe);
}

static void
stop_server(void)
{
	if (server) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		unlink(socket_path);
	}
	server = 0;
}

static int
group_setup(void **state)
{
	(void)state;
	folder = unit_folder();
	snprintf(socket_path, sizeof socket_path, "%s/redis.sock", folder);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	unit_folder_remove(folder);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(16 << 20);
	start_server();
	redis = redis_new(socket_path, "", 500);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	redis = redis_free(redis);
	stop_server();
	arena_free(arena);
	return 0;
}

#define COMMAND(ret, ...)                                                                                                   \
	redis_command(redis, arena, sizeof((struct str[]){ __VA_ARGS__ }) / sizeof(struct str),                             \
	              (const struct str[]){ __VA_ARGS__ }, (ret))

static void
commands_are_binary_safe(void **state)
{
	redisReply *reply;

	(void)state;
	assert_int_equal(COMMAND(&reply, STR("SET"), str_n("k\0 \n%s", 6), str_n("v\0\r\n$", 5)), 0);
	assert_int_equal(COMMAND(&reply, STR("GET"), str_n("k\0 \n%s", 6)), 0);
	assert_int_equal(reply->type, REDIS_REPLY_STRING);
	assert_int_equal(reply->len, 5);
	assert_memory_equal(reply->str, "v\0\r\n$", 5);
	assert_int_equal(COMMAND(&reply, STR("SET"), STR("empty"), STR_NONE), 0);
	assert_int_equal(COMMAND(&reply, STR("STRLEN"), STR("empty")), 0);
	assert_int_equal(reply->integer, 0);
	assert_int_equal(COMMAND(&reply, STR("GET"), STR("missing")), 0);
	assert_int_equal(reply->type, REDIS_REPLY_NIL);
}

static void
several_commands_in_one_round_trip(void **state)
{
	const struct str set[] = { STR("SET"), STR("k"), STR("7") }, incr[] = { STR("INCR"), STR("k") },
	                 bad[] = { STR("NONSENSE") };
	const struct redis_call good[] = { { 3, set }, { 2, incr }, { 2, incr } },
	                        mixed[] = { { 2, incr }, { 1, bad }, { 2, incr } };
	redisReply *replies[3];

	(void)state;
	assert_int_equal(redis_pipeline(redis, arena, good, 3, replies), 0);
	assert_int_equal(replies[0]->type, REDIS_REPLY_STATUS);
	assert_int_equal(replies[1]->integer, 8);
	assert_int_equal(replies[2]->integer, 9);
	assert_true(redis_pipeline(redis, arena, mixed, 3, replies) < 0);
	assert_int_equal(redis_pipeline(redis, arena, &good[1], 1, replies), 0);
	assert_int_equal(replies[0]->integer, 12);
	stop_server();
	assert_int_equal(redis_pipeline(redis, arena, good, 3, replies), UNAVAILABLE);
	start_server();
	assert_int_equal(redis_pipeline(redis, arena, good, 3, replies), 0);
	err_clear();
}

static void
errors_of_redis_are_faults_and_leave_it_usable(void **state)
{
	redisReply *reply = NULL;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(COMMAND(&reply, STR("NONSENSE")) < 0);
	assert_null(reply);
	assert_true(redis_up(redis, arena));
	err_clear();
}

static void
scripts_are_sent_once(void **state)
{
	const struct str script = STR("return {KEYS[1], ARGV[1], ARGV[2]}");
	const struct str argv[] = { STR("key"), STR("a"), str_n("b\0c", 3) };
	redisReply *reply;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(redis_script(redis, arena, script, 1, 3, argv, &reply), 0);
		assert_int_equal(reply->elements, 3);
		assert_string_equal(reply->element[0]->str, "key");
		assert_int_equal(reply->element[2]->len, 3);
	}
	assert_int_equal(COMMAND(&reply, STR("INFO"), STR("commandstats")), 0);
	assert_non_null(strstr(reply->str, "cmdstat_eval:calls=1,"));
	assert_int_equal(COMMAND(&reply, STR("SCRIPT"), STR("FLUSH")), 0);
	assert_int_equal(redis_script(redis, arena, script, 1, 3, argv, &reply), 0);
	assert_true(redis_script(redis, arena, STR("return redis.error_reply('no')"), 0, 0, NULL, &reply) < 0);
	assert_true(redis_script(redis, arena, STR("syntax error"), 0, 0, NULL, &reply) < 0);
	err_clear();
}

static void
a_restart_between_two_calls_is_not_noticed(void **state)
{
	(void)state;
	assert_true(redis_up(redis, arena));
	stop_server();
	start_server();
	assert_true(redis_up(redis, arena));
}

static void
the_breaker_opens_and_closes(void **state)
{
	redisReply *reply;
	int64_t from, opened;

	(void)state;
	assert_true(redis_up(redis, arena));
	stop_server();
	for (int i = 0; i < 3; i++)
		assert_int_equal(COMMAND(&reply, STR("PING")), UNAVAILABLE);
	opened = clock_mono_us();
	start_server();
	if (clock_mono_us() - opened < 900000) {
		from = clock_mono_us();
		assert_int_equal(COMMAND(&reply, STR("PING")), UNAVAILABLE);
		assert_true(clock_mono_us() - from < 200000);
	}
	while (clock_mono_us() - opened < 1250000)
		usleep(10000);
	assert_int_equal(COMMAND(&reply, STR("PING")), 0);
	/* one error alone does not open it */
	stop_server();
	assert_int_equal(COMMAND(&reply, STR("PING")), UNAVAILABLE);
	start_server();
	assert_int_equal(COMMAND(&reply, STR("PING")), 0);
}

static void
a_silent_server_costs_the_time_out(void **state)
{
	redisReply *reply;
	int64_t from;

	(void)state;
	assert_true(redis_up(redis, arena));
	kill(server, SIGSTOP);
	from = clock_mono_us();
	assert_int_equal(COMMAND(&reply, STR("PING")), UNAVAILABLE);
	assert_true(clock_mono_us() - from >= 490000);
	assert_true(clock_mono_us() - from < 2000000);
	kill(server, SIGCONT);
	/* the late answer must not be taken for the next one */
	assert_int_equal(COMMAND(&reply, STR("ECHO"), STR("fresh")), 0);
	assert_string_equal(reply->str, "fresh");
}

static void
a_busy_server_is_away(void **state)
{
	redisReply *reply;
	struct redis *other = redis_new(socket_path, "", 100);
	pid_t pid;
	int r = 0;

	(void)state;
	assert_int_equal(COMMAND(&reply, STR("CONFIG"), STR("SET"), STR("busy-reply-threshold"), STR("1")), 0);
	pid = fork();
	if (!pid) {
		struct redis *looping = redis_new(socket_path, "", 60000);

		redis_script(looping, arena, STR("while true do end"), 0, 0, NULL, &reply);
		_exit(0);
	}
	for (int i = 0; i < 200 && r != UNAVAILABLE; i++) {
		usleep(10000);
		r = redis_command(other, arena, 1, (const struct str[]){ STR("DBSIZE") }, &reply);
	}
	assert_int_equal(r, UNAVAILABLE);
	redis_free(other);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Over TCP, on any port that is free, with a password: the server below is told by the one that is there already. */
static int
listen_on_tcp(const char *password)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	redisReply *reply;
	char port[8];

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
	close(fd);
	snprintf(port, sizeof port, "%d", ntohs(address.sin_port));
	assert_int_equal(COMMAND(&reply, STR("CONFIG"), STR("SET"), STR("port"), str_c(port)), 0);
	assert_int_equal(COMMAND(&reply, STR("CONFIG"), STR("SET"), STR("requirepass"), str_c(password)), 0);
	return ntohs(address.sin_port);
}

static void
write_password(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	fputs(text, f);
	fclose(f);
}

static void
over_tcp_with_a_password(void **state)
{
	char address[32], file[160];
	struct redis *other;

	(void)state;
	snprintf(file, sizeof file, "%s/password", folder);
	snprintf(address, sizeof address, "127.0.0.1:%d", listen_on_tcp("open sesame"));
	write_password(file, "open sesame\n");
	other = redis_new(address, file, 1000);
	assert_true(redis_up(other, arena));
	redis_free(other);
	/* wrong, then exchanged: no new process is needed */
	write_password(file, "open rye\n");
	other = redis_new(address, file, 1000);
	assert_false(redis_up(other, arena));
	write_password(file, "open sesame");
	assert_true(redis_up(other, arena));
	redis_free(other);
	other = redis_new(address, "", 1000);
	assert_false(redis_up(other, arena));
	redis_free(other);
	other = redis_new(address, "/nonexistent/password", 1000);
	assert_false(redis_up(other, arena));
	redis_free(other);
}

static void
a_server_that_is_not_there(void **state)
{
	struct redis *nowhere = redis_new("/nonexistent/redis.sock", "", 50);
	int64_t from = clock_mono_us();

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_false(redis_up(nowhere, arena));
	assert_true(clock_mono_us() - from < 1000000);
	redis_free(nowhere);
	redis_free(NULL);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(commands_are_binary_safe),
		T(several_commands_in_one_round_trip),
		T(errors_of_redis_are_faults_and_leave_it_usable),
		T(scripts_are_sent_once),
		T(a_restart_between_two_calls_is_not_noticed),
		T(the_breaker_opens_and_closes),
		T(a_silent_server_costs_the_time_out),
		T(a_busy_server_is_away),
		T(over_tcp_with_a_password),
		T(a_server_that_is_not_there),
	};

	return cmocka_run_group_tests_name("redis", tests, group_setup, group_teardown);
}
