/*
 * main.c -- peal-egress: asks servers elsewhere for peal-jobs. It has the network, and neither the database nor any key.
 *
 * One loop of libcurl's. https to public addresses only, but for hosts that the configuration names; the address is checked when its
 * socket is opened, so a name that changes its mind gains nothing. Redirects are not followed, proxies of the environment not used.
 * A client's requests are read as there is room for them; what has been answered waits for a client that reads slowly, and takes room.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/base/address.h"
#include "../lib/base/clock.h"
#include "../lib/base/conf.h"
#include "../lib/base/daemon.h"
#include "../lib/base/egress.h"
#include "../lib/base/err.h"
#include "../lib/base/log.h"
#include "egress.h"

#define CLIENTS_MOST 4
#define IN_MOST      ((size_t)256 * 1024)
#define OUT_MOST     ((size_t)4 << 20)
#define READ_STEP    ((size_t)32768)
#define PER_HOST     8L
#define READ_ON_MOST ((size_t)65536) /* of an answer that is longer than what is kept of it */
#define LONGEST_MS   60000
#define WAKE_MS      5000

struct client {
	int fd; /* -1: a free place */
	uint64_t number;
	bool full; /* there was no room for more of its requests */
	struct buf in, out;
};

struct call {
	CURL *curl;
	struct curl_slist *headers;
	bool busy, private, forbidden;
	size_t client, seen;
	uint64_t number, id; /* whose, as long as that is still them */
	int64_t began;
	struct buf answer;
};

static struct {
	struct conf conf;
	CURLM *multi;
	struct client clients[CLIENTS_MOST];
	struct call *calls;
	size_t calls_n, open;
	uint64_t numbers;
	int listener, signals, stat;
	bool stopping;
} egress;

static size_t
take_body(char *p, size_t size, size_t n, void *arg)
{
	struct call *call = arg;
	size_t room = EGRESS_ANSWER_MOST - call->answer.n;

	(void)size;
	call->seen += n;
	buf_add(&call->answer, p, n < room ? n : room);
	return call->seen > READ_ON_MOST ? 0 : n;
}

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct call *call = arg;

	(void)purpose;
	if (!call->private && address_private(&to->addr)) {
		call->forbidden = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static struct curl_slist *
split_headers(struct arena *arena, struct str text)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	while (text.n) {
		struct str line = str_cut(&text, '\n');

		if (line.n)
			list = curl_slist_append(list, arena_cstr(arena, line));
	}
	return list;
}

static void
set_up(struct call *call, struct arena *arena, const struct egress_ask *ask)
{
	CURL *curl = call->curl;
	const char *ca = egress.conf.egress_ca_file;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, arena_cstr(arena, ask->url));
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(ask->timeout_ms < LONGEST_MS ? ask->timeout_ms : LONGEST_MS));
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "Peal");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)ask->body.n);
	curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, ask->body.n ? ask->body.p : "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, call);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, call);
	if (*ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
}

static struct client *
whose(const struct call *call)
{
	struct client *c = &egress.clients[call->client];

	return c->fd >= 0 && c->number == call->number ? c : NULL;
}

static void
answer(struct call *call, enum egress_end end, int64_t status, int64_t retry_after)
{
	struct client *c = whose(call);
	const struct egress_answer a = { call->id, end, status, retry_after, buf_view(&call->answer) };

	metrics_answered(end, status, (double)(clock_mono_us() - call->began) / 1e6);
	if (c)
		egress_put_answer(&c->out, &a);
	curl_slist_free_all(call->headers);
	call->headers = NULL;
	call->busy = false;
	egress.open--;
}

static struct call *
free_call(void)
{
	for (size_t i = 0; i < egress.calls_n; i++)
		if (!egress.calls[i].busy)
			return &egress.calls[i];
	return NULL;
}

/* What of it needs the arena is copied by libcurl. */
static void
start(struct call *call, struct client *client, struct arena *arena, const struct egress_ask *ask)
{
	*call = (struct call){ .curl = call->curl,
		               .busy = true,
		               .client = (size_t)(client - egress.clients),
		               .number = client->number,
		               .id = ask->id,
		               .began = clock_mono_us(),
		               .answer = call->answer };
	buf_clear(&call->answer);
	egress.open++;
	if (!egress_allowed(ask->url, str_c(egress.conf.egress_private_hosts), &call->private)) {
		answer(call, EGRESS_FORBIDDEN, 0, 0);
		return;
	}
	call->headers = split_headers(arena, ask->headers);
	set_up(call, arena, ask);
	if (curl_multi_add_handle(egress.multi, call->curl))
		answer(call, EGRESS_FAILED, 0, 0);
}

/* A status that has come counts, whatever came after it. */
static void
finished(struct call *call, CURLcode code)
{
	curl_off_t retry_after = 0;
	long status = 0;

	curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->curl, CURLINFO_RETRY_AFTER, &retry_after);
	if (code && code != CURLE_WRITE_ERROR) {
		status = 0;
		LOG(WARNING, "egress",
		    L_CSTR("error", call->forbidden ? "leads into a private network" : curl_easy_strerror(code)));
	}
	curl_multi_remove_handle(egress.multi, call->curl);
	answer(call, call->forbidden ? EGRESS_FORBIDDEN : status ? EGRESS_ANSWERED : EGRESS_FAILED, status, retry_after);
}

static void
collect(void)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(egress.multi, &left))) {
		CURLcode code = m->data.result;
		struct call *call = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		finished(call, code);
	}
}

static void
leave(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	buf_deinit(&c->in);
	buf_deinit(&c->out);
}

static void
welcome(void)
{
	for (size_t i = 0; i < CLIENTS_MOST; i++) {
		struct client *c = &egress.clients[i];

		if (c->fd >= 0)
			continue;
		*c = (struct client){ .fd = accept4(egress.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC),
			              .number = ++egress.numbers };
		if (c->fd < 0)
			return;
		buf_init(&c->in, IN_MOST);
		buf_init(&c->out, OUT_MOST);
	}
}

/* As many as there is room for. */
static void
begin_calls(struct client *c)
{
	struct arena *arena = arena_new(1 << 20);
	struct egress_ask ask;
	struct call *call;
	size_t n = 1;

	while (n && (call = free_call())) {
		if (egress_take_ask(&c->in, &ask, &n)) {
			log_fault("egress_client", -EPROTO, (const struct log_field[]){ { 0 } });
			leave(c);
			break;
		}
		if (!n)
			break;
		start(call, c, arena, &ask);
		memmove(c->in.p, c->in.p + n, c->in.n - n);
		c->in.n -= n;
		arena_reset(arena);
	}
	c->full = n > 0;
	arena_free(arena);
}

static void
hear(struct client *c)
{
	char *to = c->in.n < IN_MOST / 2 ? buf_reserve(&c->in, READ_STEP) : NULL;
	ssize_t n = to ? recv(c->fd, to, READ_STEP, MSG_DONTWAIT) : -1;

	if (to && (!n || (n < 0 && errno != EAGAIN && errno != EINTR))) {
		leave(c);
		return;
	}
	if (n > 0)
		buf_commit(&c->in, (size_t)n);
	if (c->in.n)
		begin_calls(c);
}

static void
tell(struct client *c)
{
	ssize_t n;

	if (!c->out.n)
		return;
	n = send(c->fd, c->out.p, c->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		memmove(c->out.p, c->out.p + n, c->out.n - (size_t)n);
		c->out.n -= (size_t)n;
	}
	if (buf_failed(&c->out) || (n < 0 && errno != EAGAIN && errno != EINTR))
		leave(c);
}

static void
each_client(void (*fn)(struct client *))
{
	for (size_t i = 0; i < CLIENTS_MOST; i++)
		if (egress.clients[i].fd >= 0)
			fn(&egress.clients[i]);
}

static void
take_signals(void)
{
	struct signalfd_siginfo info;

	while (read(egress.signals, &info, sizeof(info)) == sizeof(info))
		egress.stopping = egress.stopping || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
}

static unsigned
wait_list(struct curl_waitfd *fds)
{
	unsigned n = 0;

	fds[n++] = (struct curl_waitfd){ .fd = egress.signals, .events = CURL_WAIT_POLLIN };
	fds[n++] = (struct curl_waitfd){ .fd = egress.listener, .events = CURL_WAIT_POLLIN };
	if (egress.stat >= 0)
		fds[n++] = (struct curl_waitfd){ .fd = egress.stat, .events = CURL_WAIT_POLLIN };
	for (size_t i = 0; i < CLIENTS_MOST; i++) {
		const struct client *c = &egress.clients[i];
		short events = (short)((c->full ? 0 : CURL_WAIT_POLLIN) | (c->fd >= 0 && c->out.n ? CURL_WAIT_POLLOUT : 0));

		if (c->fd >= 0)
			fds[n++] = (struct curl_waitfd){ .fd = c->fd, .events = events };
	}
	return n;
}

static void
serve(void)
{
	struct curl_waitfd fds[CLIENTS_MOST + 3];
	int running;

	while (!egress.stopping) {
		curl_multi_poll(egress.multi, fds, wait_list(fds), WAKE_MS, NULL);
		take_signals();
		welcome();
		curl_multi_perform(egress.multi, &running);
		collect();
		each_client(hear);
		each_client(tell);
		if (egress.stat >= 0)
			metrics_serve(egress.stat, egress.open);
		daemon_watchdog();
	}
}

static int
load(struct arena *arena, const char *path)
{
	struct buf errors;
	int r;

	buf_init(&errors, 1 << 16);
	r = conf_load(arena, path, &egress.conf, &errors);
	if (r)
		fprintf(stderr, "%.*s", STR_ARG(buf_view(&errors)));
	buf_deinit(&errors);
	return r;
}

static int
set_out(struct arena *arena)
{
	int r = daemon_listen("egress", conf_socket(arena, &egress.conf, "egress"), &egress.listener);

	if (r)
		return r;
	r = daemon_listen("stat-egress", conf_socket(arena, &egress.conf, "stat-egress"), &egress.stat);
	if (r)
		return r;
	egress.signals = daemon_signal_fd();
	if (egress.signals < 0)
		return egress.signals;
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return fault(-ENOMEM);
	egress.multi = curl_multi_init();
	curl_multi_setopt(egress.multi, CURLMOPT_MAX_HOST_CONNECTIONS, PER_HOST);
	curl_multi_setopt(egress.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)egress.conf.egress_concurrency);
	egress.calls_n = (size_t)egress.conf.egress_concurrency;
	egress.calls = calloc(egress.calls_n, sizeof(*egress.calls));
	if (!egress.multi || !egress.calls)
		return fault(-ENOMEM);
	for (size_t i = 0; i < egress.calls_n; i++) {
		egress.calls[i].curl = curl_easy_init();
		buf_init(&egress.calls[i].answer, EGRESS_ANSWER_MOST);
		if (!egress.calls[i].curl)
			return fault(-ENOMEM);
	}
	for (size_t i = 0; i < CLIENTS_MOST; i++)
		egress.clients[i].fd = -1;
	return 0;
}

static void
clear_away(void)
{
	for (size_t i = 0; i < egress.calls_n; i++) {
		struct call *call = &egress.calls[i];

		if (call->busy)
			curl_multi_remove_handle(egress.multi, call->curl);
		curl_slist_free_all(call->headers);
		curl_easy_cleanup(call->curl);
		buf_deinit(&call->answer);
	}
	each_client(leave);
	curl_multi_cleanup(egress.multi);
	curl_global_cleanup();
	free(egress.calls);
	close(egress.signals);
}

int
main(int argc, char **argv)
{
	struct arena *forever = arena_new(1 << 20);
	int r;

	log_open("peal-egress", LOG_LEVEL_INFO);
	if (argc != 3 || strcmp(argv[1], "-c")) {
		bool asked = argc == 2 && !strcmp(argv[1], "--help");

		fputs("usage: peal-egress -c FILE     ask servers elsewhere for peal-jobs\n", asked ? stdout : stderr);
		arena_free(forever);
		return asked ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	if (load(forever, argv[2])) {
		arena_free(forever);
		return EXIT_FAILURE;
	}
	log_open("peal-egress", log_level_of(egress.conf.log_level));
	r = set_out(forever);
	if (r) {
		log_fault("start", r, (const struct log_field[]){ { 0 } });
		return EXIT_FAILURE;
	}
	daemon_ready();
	serve();
	daemon_stopping();
	clear_away();
	arena_free(forever);
	return EXIT_SUCCESS;
}
