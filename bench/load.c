/*
 * load.c -- an HTTP/1.1 client that keeps N connections busy for a while and says how long each answer took.
 *
 *   load -p PORT -c CONNECTIONS -t SECONDS -w WARM-UP-SECONDS -s STATUS -f FILE [-k SEED] [-r REQUESTS-PER-SECOND] [-m]
 *
 * FILE holds ready requests: a line "<bytes> <offset of the key, or -1>", then the request itself. A key is KEY_BYTES long and
 * is replaced by one that was never sent before; with -m by the seed and the time at which it is timed from, so that bench/sockets.c, which
 * hears the message, knows how late it is. Each connection walks through the file from a place of its own, sends a request
 * when the answer before it is complete (closed loop), and comes back when the server closes after an answer. With a rate requests
 * are due at even intervals instead (open loop), go to whichever connection is free, and are timed from when they were due.
 * Any other status, anything that is no such answer, or a lost connection is an error: counted, never timed. Answers must
 * have a Content-Length. Prints one line of JSON; `answers` counts those of the warm-up too, `requests` only what was timed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEY_BYTES        24
#define FILE_MOST        ((size_t)512 << 20)
#define REQUESTS_MOST    1000000
#define REQUEST_MOST     65536
#define CONNECTIONS_MOST 4096
#define HEAD_MOST        16384
#define SAMPLES_MOST     20000000
#define ERRORS_MOST      1000 /* then something is wrong with the set-up */
#define STUCK_US         INT64_C(10000000)

struct request {
	const char *p;
	size_t n;
	long key;
};

struct connection {
	int fd;
	size_t next; /* request */
	int64_t sent_at;
	size_t head_n, body_left;
	bool in_body, closing, idle;
	char head[HEAD_MOST];
};

struct options {
	int port, connections, status;
	double seconds, warm_up, rate; /* rate 0: as fast as answers come */
	const char *file;
	unsigned long seed;
	bool marks; /* keys tell the time */
};

static struct load {
	struct options o;
	struct request *requests;
	size_t requests_n;
	struct connection *connections;
	int epoll;
	uint32_t *samples; /* microseconds */
	size_t samples_n;
	uint64_t keys, answers, errors, bytes;
	int64_t marked_at; /* the last time that a key told */
	int64_t measure_from, until;
	struct connection **idle; /* of an open loop */
	int idle_n;
	double due_at; /* the next request of an open loop; microseconds, of which a part may be left over */
	char first_error[256];
} load;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "that is wrong");
	exit(1);
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
failed(const char *what)
{
	if (!load.errors) {
		snprintf(load.first_error, sizeof(load.first_error), "%s", what);
		for (char *p = load.first_error; *p; p++)
			if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ' || (unsigned char)*p > '~')
				*p = '?';
	}
	if (++load.errors > ERRORS_MOST) {
		errno = 0;
		die(load.first_error);
	}
}

/* ---- the file ---- */

static char *
read_file(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	char *p;
	long n;

	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0 || (size_t)n > FILE_MOST)
		die(path);
	rewind(f);
	p = malloc((size_t)n + 1);
	if (!p || fread(p, 1, (size_t)n, f) != (size_t)n)
		die(path);
	fclose(f);
	p[n] = '\0';
	*ret_n = (size_t)n;
	return p;
}

static void
read_requests(const char *path)
{
	size_t n;
	char *p = read_file(path, &n), *end = p + n;

	load.requests = calloc(REQUESTS_MOST, sizeof(*load.requests));
	if (!load.requests)
		die("memory");
	while (p < end && load.requests_n < REQUESTS_MOST) {
		struct request *r = &load.requests[load.requests_n++];

		r->n = strtoul(p, &p, 10);
		r->key = strtol(p, &p, 10);
		r->p = ++p;
		if (!r->n || r->n > REQUEST_MOST || r->n > (size_t)(end - p) || r->key > (long)r->n - KEY_BYTES) {
			errno = 0;
			die(path);
		}
		p += r->n;
	}
	if (!load.requests_n)
		die(path);
}

/* ---- one connection ---- */

static void
arm(const struct connection *c, int op)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = (uint64_t)(c - load.connections) };

	if (epoll_ctl(load.epoll, op, c->fd, &e))
		die("epoll");
}

static void
open_connection(struct connection *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)load.o.port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK))
		die("fcntl");
	arm(c, EPOLL_CTL_ADD);
}

/* Never the same twice: a time that was told already is taken a microsecond later. */
static uint64_t
next_key(int64_t at)
{
	if (!load.o.marks)
		return load.keys++;
	load.marked_at = at > load.marked_at ? at : load.marked_at + 1;
	return (uint64_t)load.marked_at;
}

/* A request is far smaller than a socket's buffer, which is empty: what does not fit at once is an error. It is timed from `at`. */
static void
send_next(struct connection *c, int64_t at)
{
	const struct request *r = &load.requests[c->next];
	char text[REQUEST_MOST], key[KEY_BYTES + 1];

	memcpy(text, r->p, r->n);
	if (r->key >= 0) {
		snprintf(key, sizeof(key), "%08lx%016llx", load.o.seed & 0xffffffff, (unsigned long long)next_key(at));
		memcpy(text + r->key, key, KEY_BYTES);
	}
	c->next = (c->next + 1) % load.requests_n;
	c->head_n = c->body_left = 0;
	c->in_body = c->closing = false;
	c->sent_at = at;
	if (send(c->fd, text, r->n, MSG_NOSIGNAL) != (ssize_t)r->n)
		failed("a request could not be sent");
}

/* The connection is free: it sends, or waits until something is due. */
static void
ready(struct connection *c)
{
	if (load.o.rate > 0) {
		c->idle = true;
		c->sent_at = 0;
		load.idle[load.idle_n++] = c;
	} else {
		send_next(c, now_us());
	}
}

/* What is due goes out, as far as connections are free; the rest is late, and timed so. */
static void
send_due(int64_t now)
{
	while (load.idle_n && load.due_at <= (double)now) {
		struct connection *c = load.idle[--load.idle_n];

		c->idle = false;
		send_next(c, (int64_t)load.due_at);
		load.due_at += 1e6 / load.o.rate;
	}
}

static void
again(struct connection *c)
{
	if (c->closing) {
		close(c->fd);
		open_connection(c);
	}
	ready(c);
}

static void
answered(struct connection *c)
{
	int64_t at = now_us();

	load.answers++;
	if (c->sent_at >= load.measure_from && at <= load.until && load.samples_n < SAMPLES_MOST)
		load.samples[load.samples_n++] = (uint32_t)(at - c->sent_at);
	again(c);
}

/* The head is complete and ends with a NUL. False when nothing after it can be understood. */
static bool
parse_head(struct connection *c)
{
	const char *length = strcasestr(c->head, "\r\ncontent-length:");

	if (strncmp(c->head, "HTTP/1.1 ", 9) || !length)
		return false;
	c->body_left = strtoul(length + 17, NULL, 10);
	c->closing = strcasestr(c->head, "\r\nconnection: close") != NULL;
	if (strtol(c->head + 9, NULL, 10) != load.o.status) {
		*strchr(c->head, '\r') = '\0';
		failed(c->head);
		c->sent_at = 0; /* not timed */
	}
	return true;
}

enum taken { MORE, WHOLE, NONSENSE };

/* Takes what belongs to the head, and says how much that was. */
static enum taken
take_head(struct connection *c, const char *p, size_t n, size_t *ret_n)
{
	size_t before = c->head_n, room = HEAD_MOST - 1 - before, take = n < room ? n : room;
	char *end;

	memcpy(c->head + before, p, take);
	c->head_n += take;
	c->head[c->head_n] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return take == n ? MORE : NONSENSE;
	*ret_n = (size_t)(end + 4 - c->head) - before;
	end[2] = '\0';
	c->in_body = true;
	return parse_head(c) ? WHOLE : NONSENSE;
}

/* What came: part of an answer, the rest of one, or bytes that are none. */
static enum taken
take(struct connection *c, const char *p, size_t n)
{
	size_t head = 0;
	enum taken r;

	load.bytes += n;
	if (!c->in_body) {
		r = take_head(c, p, n, &head);
		if (r != WHOLE)
			return r;
	}
	if (n - head > c->body_left)
		return NONSENSE;
	c->body_left -= n - head;
	return c->body_left ? MORE : WHOLE;
}

/* A connection on which nothing was asked may be closed at any time. */
static void
lost(struct connection *c, const char *what)
{
	if (!c->idle)
		failed(what);
	close(c->fd);
	open_connection(c);
	if (!c->idle)
		ready(c);
}
static void
readable(struct connection *c)
{
	static char buffer[65536];
	ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lost(c, n ? "a connection was reset" : "a connection was closed before its answer");
		return;
	}
	switch (take(c, buffer, (size_t)n)) {
	case MORE:
		break;
	case WHOLE:
		answered(c);
		break;
	case NONSENSE:
		lost(c, "this is no answer of HTTP/1.1 with a Content-Length");
		break;
	}
}

static void
check_stuck(int64_t now)
{
	for (int i = 0; i < load.o.connections; i++)
		if (load.connections[i].sent_at && now - load.connections[i].sent_at > STUCK_US)
			lost(&load.connections[i], "no answer in 10 seconds");
}

/* ---- all of them ---- */

/* At most 100 ms, and not longer than until the next request is due. */
static int
wait_events(struct epoll_event *events, int most)
{
	int64_t left = load.idle_n ? (int64_t)load.due_at - now_us() : 100000;

	left = left < 0 ? 0 : left > 100000 ? 100000 : left;
	return epoll_pwait2(load.epoll, events, most, &(struct timespec){ .tv_nsec = (long)left * 1000 }, NULL);
}

static void
run(void)
{
	struct epoll_event events[256];
	int64_t now = now_us(), looked = now;

	load.measure_from = now + (int64_t)(load.o.warm_up * 1e6);
	load.until = load.measure_from + (int64_t)(load.o.seconds * 1e6);
	for (int i = 0; i < load.o.connections; i++) {
		open_connection(&load.connections[i]);
		load.connections[i].next = load.requests_n / (size_t)load.o.connections * (size_t)i;
		ready(&load.connections[i]);
	}
	load.due_at = (double)now;
	while ((now = now_us()) < load.until) {
		int n;

		send_due(now);
		n = wait_events(events, 256);
		for (int i = 0; i < n; i++)
			readable(&load.connections[events[i].data.u64]);
		if (now - looked > 1000000) {
			check_stuck(now);
			looked = now;
		}
	}
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_ms(double share)
{
	size_t i = (size_t)((double)load.samples_n * share);

	return load.samples_n ? load.samples[i < load.samples_n ? i : load.samples_n - 1] / 1000.0 : 0;
}

static void
report(void)
{
	qsort(load.samples, load.samples_n, sizeof(*load.samples), compare);
	printf("{\"answers\":%llu,\"requests\":%zu,\"seconds\":%.3f,\"per_second\":%.1f,\"p50_ms\":%.3f,\"p95_ms\":%.3f,"
	       "\"p99_ms\":%.3f,"
	       "\"max_ms\":%.3f,\"errors\":%llu,\"first_error\":\"%s\",\"bytes\":%llu}\n",
	       (unsigned long long)load.answers, load.samples_n, load.o.seconds, (double)load.samples_n / load.o.seconds,
	       percentile_ms(0.5), percentile_ms(0.95), percentile_ms(0.99), percentile_ms(1),
	       (unsigned long long)load.errors, load.first_error, (unsigned long long)load.bytes);
}

static void
read_options(int argc, char **argv)
{
	struct options *o = &load.o;
	int letter;

	*o = (struct options){ .connections = 1, .seconds = 1, .status = 200 };
	while ((letter = getopt(argc, argv, "p:c:t:w:s:f:k:r:m")) != -1) {
		switch (letter) {
		case 'p':
			o->port = atoi(optarg);
			break;
		case 'c':
			o->connections = atoi(optarg);
			break;
		case 't':
			o->seconds = atof(optarg);
			break;
		case 'w':
			o->warm_up = atof(optarg);
			break;
		case 's':
			o->status = atoi(optarg);
			break;
		case 'f':
			o->file = optarg;
			break;
		case 'k':
			o->seed = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			o->rate = atof(optarg);
			break;
		case 'm':
			o->marks = true;
			break;
		default:
			exit(2);
		}
	}
	if (!o->file || o->port < 1 || o->port > 65535 || o->connections < 1 || o->connections > CONNECTIONS_MOST ||
	    o->seconds <= 0 || o->seconds > 3600 || o->warm_up < 0 || o->warm_up > 3600 || o->rate < 0 || o->rate > 1e6) {
		fputs("load: -p PORT -c CONNECTIONS -t SECONDS -w SECONDS -s STATUS -f FILE -k SEED -r RATE -m\n", stderr);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	read_options(argc, argv);
	read_requests(load.o.file);
	load.connections = calloc((size_t)load.o.connections, sizeof(*load.connections));
	load.idle = calloc((size_t)load.o.connections, sizeof(*load.idle));
	load.samples = malloc(SAMPLES_MOST * sizeof(*load.samples)); /* touched only as far as it is used */
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!load.connections || !load.idle || !load.samples || load.epoll < 0)
		die("memory");
	run();
	report();
	return 0;
}
