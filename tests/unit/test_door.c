/* test_door.c -- FastCGI records and CGI headers against exact bytes, and the door against libfcgi in a child process. */
#include "unit.h"

#include <errno.h>
#include <fcgiapp.h>

#include "base/err.h"
#include "push/calls.h"
#include "push/door.h"

#define ANSWER_MAX 100000

/* --- records --- */

static const unsigned char response[] = "\1\6\0\1\0\044\3\0Status: 201 Created\r\nX: y\r\n\r\n{\"a\":1}\0\0\0"
                                        "\1\7\0\1\0\4\4\0oops\0\0\0\0"
                                        "\1\6\0\1\0\2\0\0\n\n"
                                        "\1\6\0\1\0\0\0\0"
                                        "\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\0";
#define RESPONSE_BYTES (sizeof(response) - 1)

static int
read_pieces(struct fastcgi_reader *r, const unsigned char *p, size_t n, size_t cut)
{
	int status;

	*r = (struct fastcgi_reader){ 0 };
	buf_init(&r->out, ANSWER_MAX);
	status = fastcgi_read(r, p, cut);
	return status ? status : fastcgi_read(r, p + cut, n - cut);
}

static void
test_response_cut_everywhere(void **state)
{
	struct fastcgi_reader r;
	struct cgi_answer a;

	(void)state;
	for (size_t cut = 0; cut <= RESPONSE_BYTES; cut++) {
		assert_int_equal(read_pieces(&r, response, RESPONSE_BYTES, cut), 1);
		assert_true(cgi_split(buf_view(&r.out), &a));
		assert_int_equal(a.status, 201);
		assert_str(a.body, "{\"a\":1}\n\n");
		buf_deinit(&r.out);
	}
}

static void
test_response_incomplete(void **state)
{
	struct fastcgi_reader r;

	(void)state;
	for (size_t n = 0; n < RESPONSE_BYTES; n++) {
		assert_int_equal(read_pieces(&r, response, n, n / 2), 0);
		buf_deinit(&r.out);
	}
}

static void
test_response_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{ "HTTP/1.1 200 OK", 15 },                   /* not FastCGI */
		{ "\2\6\0\1\0\0\0\0", 8 },                   /* version 2 */
		{ "\1\6\0\2\0\0\0\0", 8 },                   /* another request */
		{ "\1\6\1\1\0\0\0\0", 8 },                   /* another request */
		{ "\1\12\0\1\0\0\0\0", 8 },                  /* a type nobody asked for */
		{ "\1\3\0\1\0\7\0\0", 8 },                   /* END_REQUEST of 7 bytes */
		{ "\1\3\0\1\0\10\0\0\0\0\0\0\2\0\0\0", 16 }, /* FCGI_OVERLOADED */
	};
	struct fastcgi_reader r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(read_pieces(&r, (const unsigned char *)bad[i].bytes, bad[i].n, 3) < 0);
		buf_deinit(&r.out);
	}
	err_clear();
}

static void
test_response_too_large(void **state)
{
	static unsigned char record[8 + 65535] = { 1, 6, 0, 1, 0xff, 0xff };
	struct fastcgi_reader r = { 0 };

	(void)state;
	buf_init(&r.out, ANSWER_MAX);
	assert_int_equal(fastcgi_read(&r, record, sizeof(record)), 0);
	assert_int_equal(fastcgi_read(&r, record, sizeof(record)), -EMSGSIZE);
	err_clear();
	buf_deinit(&r.out);
}

static void
test_request_bytes(void **state)
{
	const struct str pairs[] = { STR("A"), STR("bc"), STR("D"), STR("") };
	static const char want[] = "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
	                           "\1\4\0\1\0\10\0\0\1\2Abc\1\0D"
	                           "\1\4\0\1\0\0\0\0"
	                           "\1\5\0\1\0\2\0\0hi"
	                           "\1\5\0\1\0\0\0\0";
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	fastcgi_begin(&b);
	fastcgi_params(&b, pairs, 2);
	fastcgi_stdin(&b, STR("hi"));
	assert_int_equal(b.n, sizeof(want) - 1);
	assert_memory_equal(b.p, want, b.n);
	buf_deinit(&b);
}

static void
test_cgi_headers(void **state)
{
	struct cgi_answer a;

	(void)state;
	assert_true(cgi_split(STR("Content-Type: text/plain\r\nRetry-After: 3\r\n\r\nline\n"), &a));
	assert_int_equal(a.status, 200);
	assert_int_equal(a.retry_after_seconds, 3);
	assert_str(a.content_type, "text/plain");
	assert_str(a.body, "line\n");
	assert_true(cgi_split(STR("status: 204\n\n"), &a));
	assert_int_equal(a.status, 204);
	assert_int_equal(a.retry_after_seconds, -1);
	assert_int_equal(a.body.n, 0);
	assert_false(cgi_split(STR(""), &a));
	assert_false(cgi_split(STR("Status: 200\r\n"), &a));
	assert_false(cgi_split(STR("no colon\r\n\r\n"), &a));
	assert_false(cgi_split(STR("Status: 20x\r\n\r\n"), &a));
	assert_false(cgi_split(STR("Status: 999\r\n\r\n"), &a));
}

/* --- paths of request frames --- */

static void
test_paths(void **state)
{
	static const char *const good[] = { "/api/v1/me", "/api/v1/conversations/12/messages?limit=5&after=3",
		                            "/api/v1/users?q=%C3%A4", "/api/v1/authors", "/api/v1/me?next=//x/.." };
	static const char *const bad[] = { "",
		                           "/",
		                           "/api/v1",
		                           "/feed/open",
		                           "/api/v2/me",
		                           "api/v1/me",
		                           "/api/v1/%6de",
		                           "/api/v1/../feed",
		                           "/api/v1//me",
		                           "/api/v1/me#x",
		                           "/api/v1/me?a#b",
		                           "/api/v1/a b",
		                           "/api/v1/me?a b",
		                           "/api/v1/\x01",
		                           "/api/v1/\xc3\xa4",
		                           "/api/v1/me?q=\xc3",
		                           "/api/v1/a\\b",
		                           "/api/v1/a\r\nX: y" };
	static const char *const closed[] = { "/api/v1/auth",
		                              "/api/v1/auth/login",
		                              "/api/v1/auth?x",
		                              "/api/v1/auth/",
		                              "/api/v1/uploads",
		                              "/api/v1/uploads/3",
		                              "/api/v1/messages/upload-image?quality=hd" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (calls_path(str_c(good[i])))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (calls_path(str_c(bad[i])) != INVALID)
			fail_msg("%s", bad[i]);
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
		if (calls_path(str_c(closed[i])) != FORBIDDEN)
			fail_msg("%s", closed[i]);
}

/* --- a worker: libfcgi in a child process --- */

struct world {
	char *folder, path[128];
	pid_t worker;
	uv_loop_t loop;
	struct door *door;
	int answers, failures;
	int status;
	char body[4096];
};

static void
work(int fd)
{
	FCGX_Request rq;

	FCGX_Init();
	FCGX_InitRequest(&rq, fd, 0);
	while (FCGX_Accept_r(&rq) == 0) {
		const char *uri = FCGX_GetParam("REQUEST_URI", rq.envp);
		const char *user = FCGX_GetParam("PEAL_USER", rq.envp), *session = FCGX_GetParam("PEAL_SESSION", rq.envp);
		char body[2048];
		int n = FCGX_GetStr(body, sizeof(body), rq.in);

		if (!strcmp(uri, "/slow"))
			usleep(400000);
		if (!strcmp(uri, "/die"))
			_exit(0);
		FCGX_FPrintF(rq.out,
		             "Status: 200\r\nContent-Type: text/plain\r\n\r\n%s %s user=%s session=%s start=%s body=",
		             FCGX_GetParam("REQUEST_METHOD", rq.envp), uri, user ? user : "-", session ? session : "-",
		             atof(FCGX_GetParam("PEAL_START", rq.envp)) > 1e9 ? "now" : "never");
		FCGX_PutStr(body, n, rq.out);
		FCGX_Finish_r(&rq);
	}
}

static void
start_worker(struct world *w)
{
	fflush(NULL);
	w->worker = fork();
	if (!w->worker) {
		work(FCGX_OpenSocket(w->path, 16));
		_exit(0);
	}
}

static void
end_worker(struct world *w)
{
	kill(w->worker, SIGKILL);
	waitpid(w->worker, NULL, 0);
	unlink(w->path);
}

static int
world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->folder = unit_folder();
	snprintf(w->path, sizeof(w->path), "%s/w.sock", w->folder);
	uv_loop_init(&w->loop);
	w->door = door_new(&w->loop, w->path, 2, 10);
	start_worker(w);
	*state = w;
	return 0;
}

static int
world_close(void **state)
{
	struct world *w = *state;

	door_free(w->door);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&w->loop))
		abort(); /* a handle was left open */
	end_worker(w);
	unit_folder_remove(w->folder);
	free(w);
	return 0;
}

static void
on_answer(void *arg, const struct cgi_answer *a)
{
	struct world *w = arg;

	w->answers++;
	w->failures += !a;
	w->status = a ? a->status : 0;
	if (a)
		snprintf(w->body, sizeof(w->body), "%.*s", STR_ARG(a->body));
}

static int
ask(struct world *w, struct door_question q)
{
	if (!q.timeout_ms)
		q.timeout_ms = 5000;
	return door_ask(w->door, &q, on_answer, w);
}

static void
test_door_asks(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, (struct door_question){ .method = "POST",
	                                                .uri = STR("/a?b=c"),
	                                                .body = STR("{\"x\":1}"),
	                                                .user_id = 7,
	                                                .session_id = STR("abc") }),
	                 0);
	assert_int_equal(w->answers, 0);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->answers, 1);
	assert_int_equal(w->status, 200);
	assert_string_equal(w->body, "POST /a?b=c user=7 session=abc start=now body={\"x\":1}");
	assert_int_equal(ask(w, (struct door_question){ .method = "GET", .uri = STR("/") }), 0);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_string_equal(w->body, "GET / user=- session=- start=now body=");
}

/* The same worker by a port of the loopback. */
static int
listen_on_tcp(char address[32])
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) || getsockname(fd, (struct sockaddr *)&in, &n))
		abort();
	snprintf(address, 32, "127.0.0.1:%d", ntohs(in.sin_port));
	return fd;
}

static void
ask_ten(struct world *w)
{
	w->answers = w->failures = 0;
	while (ask(w, (struct door_question){ .method = "GET", .uri = STR("/") }) == 0)
		;
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->answers, 10);
	assert_int_equal(w->failures, 0);
}

/* Several hosts: one whose port refuses, one whose socket is missing, one that answers; whoever is there is asked. */
static void
test_door_of_several_hosts(void **state)
{
	struct world *w = *state;
	char there[32], refuses[32], all[256];
	int fd = listen_on_tcp(there), closed = listen_on_tcp(refuses);
	pid_t pid;

	listen(fd, 16);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		work(fd);
		_exit(0);
	}
	close(fd);
	door_free(w->door);
	snprintf(all, sizeof(all), "%s %s/missing.sock  %s", refuses, w->folder, there);
	w->door = door_new(&w->loop, all, 2, 10);
	ask_ten(w);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(closed);
	/* now nobody is there, and that is told in time */
	w->answers = 0;
	assert_int_equal(ask(w, (struct door_question){ .method = "GET", .uri = STR("/"), .timeout_ms = 300 }), 0);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->answers, 1);
	assert_int_equal(w->failures, 1);
}

/* A host that has gone without a word: its address takes no connection and refuses none. The other one answers meanwhile. */
static void
test_door_of_a_silent_host(void **state)
{
	struct world *w = *state;
	char silent[32], all[256];
	int fd = listen_on_tcp(silent), filled[8];
	uint64_t from;

	listen(fd, 0);
	for (size_t i = 0; i < 8; i++) {
		struct sockaddr_in in;
		socklen_t n = sizeof(in);

		getsockname(fd, (struct sockaddr *)&in, &n);
		filled[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(filled[i], (struct sockaddr *)&in, sizeof(in)) && errno != EINPROGRESS)
			abort();
	}
	door_free(w->door);
	snprintf(all, sizeof(all), "%s %s", silent, w->path);
	w->door = door_new(&w->loop, all, 2, 10);
	from = uv_hrtime();
	ask_ten(w);
	assert_true(uv_hrtime() - from < 4000000000u);
	for (size_t i = 0; i < 8; i++)
		close(filled[i]);
	close(fd);
}

/* Two at a time, the rest in line, and a full line says so. */
static void
test_door_waits_in_line(void **state)
{
	struct world *w = *state;
	int asked = 0;

	while (ask(w, (struct door_question){ .method = "GET", .uri = STR("/") }) == 0)
		asked++;
	assert_int_equal(asked, 10);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->answers, 10);
	assert_int_equal(w->failures, 0);
}

/* Their time begins when their turn comes, and who is in a hurry passes them. */
static void
test_door_of_the_patient(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 5; i++)
		ask(w, (struct door_question){ .method = "GET", .uri = STR("/slow"), .timeout_ms = 1500, .patient = true });
	uv_run(&w->loop, UV_RUN_NOWAIT); /* two have their turn */
	ask(w, (struct door_question){ .method = "GET", .uri = STR("/urgent"), .timeout_ms = 2000 });
	while (!w->answers || !strstr(w->body, "/urgent"))
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_true(w->answers <= 3);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->answers, 6);
	assert_int_equal(w->failures, 0); /* the last waited for longer than its time */
}

static void
test_door_times_out(void **state)
{
	struct world *w = *state;

	ask(w, (struct door_question){ .method = "GET", .uri = STR("/slow"), .timeout_ms = 100 });
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->failures, 1);
	/* the worker is still busy with it, and then serves again */
	ask(w, (struct door_question){ .method = "GET", .uri = STR("/") });
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->status, 200);
}

static void
test_door_hears_of_a_death(void **state)
{
	struct world *w = *state;

	ask(w, (struct door_question){ .method = "GET", .uri = STR("/die") });
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->answers, 1);
	assert_int_equal(w->failures, 1);
}

/* Nobody listens yet: nothing was sent, so it is tried until somebody does. */
static void
test_door_waits_for_a_worker(void **state)
{
	struct world *w = *state;

	end_worker(w);
	ask(w, (struct door_question){ .method = "GET", .uri = STR("/late") });
	for (int i = 0; i < 3; i++)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(w->answers, 0);
	start_worker(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->status, 200);
	end_worker(w);
	ask(w, (struct door_question){ .method = "GET", .uri = STR("/never"), .timeout_ms = 150 });
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(w->failures, 1);
	start_worker(w);
}

/* Freed in the middle: every question is answered, with nothing. (The door is freed by world_close.) */
static void
test_door_freed_with_questions(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 5; i++)
		ask(w, (struct door_question){ .method = "GET", .uri = STR("/slow") });
	uv_run(&w->loop, UV_RUN_ONCE);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	door_free(w->door);
	assert_int_equal(w->answers, 5);
	assert_int_equal(w->failures, 5);
	w->door = NULL;
}

int
main(void)
{
#define WITH_WORKER(fn) cmocka_unit_test_setup_teardown(fn, world_open, world_close)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_response_cut_everywhere),
		cmocka_unit_test(test_response_incomplete),
		cmocka_unit_test(test_response_refused),
		cmocka_unit_test(test_response_too_large),
		cmocka_unit_test(test_request_bytes),
		cmocka_unit_test(test_cgi_headers),
		cmocka_unit_test(test_paths),
		WITH_WORKER(test_door_asks),
		WITH_WORKER(test_door_of_several_hosts),
		WITH_WORKER(test_door_of_a_silent_host),
		WITH_WORKER(test_door_waits_in_line),
		WITH_WORKER(test_door_of_the_patient),
		WITH_WORKER(test_door_times_out),
		WITH_WORKER(test_door_hears_of_a_death),
		WITH_WORKER(test_door_waits_for_a_worker),
		WITH_WORKER(test_door_freed_with_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
