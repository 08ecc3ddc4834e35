/*
 * sockets.c -- many WebSockets in one process: opens them, serves them as a client does, and says when each message reached each of them.
 *
 *   sockets -f FILE [-d peal|plain|socketio] (-p PORT | -u SOCKET [-u SOCKET ...])
 *
 * FILE holds ready upgrade requests: a line with the number of bytes, then the request. Socket i sends request i, modulo their number. Of
 * the dialects `peal` says hello, acknowledges and resumes, `socketio` speaks Engine.IO 4, `plain` says nothing. Commands come on
 * standard input, a line each, and each is answered by one line of JSON when it is done; meanwhile all sockets are served:
 *
 *   open N MOST     opens sockets until N are ready, with at most MOST on their way; one that was cut says where it had been
 *   cut N           resets all sockets from number N on, without a word
 *   state           how many are ready, how many were lost by no will of ours
 *   report SEED N [FROM TO]   what became of the messages of this sender, each of which N sockets are to hear; of those due between two
 *                   moments (microseconds of the monotonic clock)
 *
 * Messages are found by their mark, which `load -m` writes: "mark:", the sender's seed, and when the message was due by the monotonic clock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS_MOST  20000
#define REQUESTS_MOST SOCKETS_MOST
#define PATHS_MOST    64
#define READ_BYTES    (1 << 20) /* of one socket at once, with what it had held; no frame is larger */
#define MESSAGES_MOST (1 << 20)
#define SLOTS         (2 * MESSAGES_MOST)
#define SAMPLES_MOST  20000000
#define ADDRESSES     8 /* of the loopback, so that ports do not run out */
#define ACK_EVENTS    32
#define ACK_US        500000
#define AGAIN_US      500000 /* and up to as long again */
#define OPEN_US       INT64_C(120000000)
#define STDIN_TAG     UINT64_MAX
#define MARK          "mark:"
#define SEED_CHARS    8
#define TIME_CHARS    16

enum dialect { PEAL, PLAIN, SOCKETIO };
enum state { CLOSED, CONNECTING, UPGRADING, GREETED, READY };

struct part {
	size_t n;
	unsigned char bytes[];
};

struct connection {
	int fd;
	uint8_t state;
	bool ack_due;           /* in the line of those who will acknowledge */
	uint32_t events, acked; /* durable events */
	int64_t begun_us, not_before_us;
	struct part *held; /* of a frame, or of the answer to the upgrade; NULL: nothing */
	char *since;       /* where to resume; NULL: nowhere yet */
};

struct message {
	uint64_t sent_us;
	uint32_t seed, n, first, last; /* microseconds until the first and the last of n sockets had it */
};

struct sample {
	uint32_t message, us;
};

struct request {
	const char *p;
	size_t n;
};

struct ack {
	uint32_t connection;
	int64_t due_us;
};

static struct sockets {
	enum dialect dialect;
	int port, paths_n;
	const char *paths[PATHS_MOST];
	struct request *requests;
	size_t requests_n;
	struct connection *all;
	int epoll;
	size_t ready, on_way;
	uint64_t failed, lost, errors;
	char first_error[256];
	struct ack *acks; /* a ring of SOCKETS_MOST */
	size_t acks_first, acks_n;
	struct message *messages;
	uint32_t *slots; /* message number + 1 */
	size_t messages_n;
	struct sample *samples;
	size_t samples_n;
	/* the `open` under way */
	size_t want, most, next;
	int64_t open_from_us;
	uint32_t *ready_us; /* how long each took */
	size_t ready_us_n;
} s;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "sockets: %s: %s\n", what, errno ? strerror(errno) : "that is wrong");
	exit(1);
}

static void *
need(void *p)
{
	if (!p)
		die("memory");
	return p;
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The first error is kept, as text that JSON takes as it is. */
static void
complain(const char *what, const unsigned char *p, size_t n)
{
	if (s.errors++)
		return;
	snprintf(s.first_error, sizeof(s.first_error), "%s%.*s", what, (int)(n < 160 ? n : 160), (const char *)p);
	for (char *c = s.first_error; *c; c++)
		if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '\'';
}

/* ---- the file ---- */

static void
read_requests(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t n, size = (size_t)256 << 20;
	char *p = need(malloc(size)), *end;

	if (!f)
		die(path);
	n = fread(p, 1, size - 1, f);
	fclose(f);
	p[n] = '\0';
	end = p + n;
	s.requests = need(calloc(REQUESTS_MOST, sizeof(*s.requests)));
	while (p < end && s.requests_n < REQUESTS_MOST) {
		struct request *r = &s.requests[s.requests_n++];

		r->n = strtoul(p, &p, 10);
		r->p = ++p;
		errno = 0;
		if (!r->n || p > end || r->n > (size_t)(end - p))
			die(path);
		p += r->n;
	}
	if (!s.requests_n)
		die(path);
}

/* ---- messages ---- */

static bool
take_hex(const unsigned char *p, int n, uint64_t *ret)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++) {
		int digit = p[i] >= '0' && p[i] <= '9' ? p[i] - '0' : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10 : -1;

		if (digit < 0)
			return false;
		v = v << 4 | (uint64_t)digit;
	}
	*ret = v;
	return true;
}

static struct message *
message_need(uint32_t seed, uint64_t sent_us)
{
	size_t i = (size_t)((sent_us * UINT64_C(0x9e3779b97f4a7c15)) ^ seed * UINT64_C(0xbf58476d1ce4e5b9)) % SLOTS;

	for (; s.slots[i]; i = (i + 1) % SLOTS) {
		struct message *m = &s.messages[s.slots[i] - 1];

		if (m->seed == seed && m->sent_us == sent_us)
			return m;
	}
	if (s.messages_n == MESSAGES_MOST)
		die("too many messages");
	s.messages[s.messages_n] = (struct message){ .seed = seed, .sent_us = sent_us };
	s.slots[i] = (uint32_t)++s.messages_n;
	return &s.messages[s.messages_n - 1];
}

static void
heard(uint32_t seed, uint64_t sent_us)
{
	struct message *m = message_need(seed, sent_us);
	uint32_t us = (uint32_t)((uint64_t)now_us() - sent_us);

	if (!m->n++)
		m->first = us;
	m->last = us;
	if (s.samples_n < SAMPLES_MOST)
		s.samples[s.samples_n++] = (struct sample){ (uint32_t)(m - s.messages), us };
}

/* A replay may bring several at once. */
static void
find_marks(const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;
	const size_t mark = sizeof(MARK) - 1;
	uint64_t seed, sent_us;

	while ((p = memmem(p, (size_t)(end - p), MARK, mark))) {
		p += mark;
		if (end - p < SEED_CHARS + TIME_CHARS)
			return;
		if (take_hex(p, SEED_CHARS, &seed) && take_hex(p + SEED_CHARS, TIME_CHARS, &sent_us))
			heard((uint32_t)seed, sent_us);
	}
}

/* ---- one socket's life ---- */

static void
arm(const struct connection *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = (uint64_t)(c - s.all) };

	if (epoll_ctl(s.epoll, op, c->fd, &e))
		die("epoll");
}

/* Resets: a process that opens ten thousand sockets again has no use for as many ports that wait. */
static void
shut(struct connection *c)
{
	const struct linger now = { .l_onoff = 1 };

	if (c->state == CLOSED)
		return;
	s.ready -= c->state == READY;
	s.on_way -= c->state != READY;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	free(c->held);
	c->held = NULL;
	c->state = CLOSED;
	c->events = c->acked = 0;
}

static void
gone(struct connection *c, const char *why, const unsigned char *p, size_t n)
{
	complain(why, p, n);
	if (c->state == READY)
		s.lost++;
	else
		s.failed++;
	shut(c);
	c->not_before_us = now_us() + AGAIN_US + rand() % AGAIN_US;
}

static void
write_all(struct connection *c, const void *p, size_t n)
{
	if (c->state != CLOSED && send(c->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
		gone(c, "a socket took no more", NULL, 0);
}

static void
send_frame(struct connection *c, int opcode, const void *payload, size_t n)
{
	static const unsigned char mask[4] = { 0x5a, 0xc3, 0x0f, 0x96 };
	unsigned char out[1024];
	size_t at = 2;

	if (n > sizeof(out) - 8)
		die("a frame too large");
	out[0] = (unsigned char)(0x80 | opcode);
	out[1] = (unsigned char)(0x80 | (n < 126 ? n : 126));
	if (n >= 126) {
		out[at++] = (unsigned char)(n >> 8);
		out[at++] = (unsigned char)n;
	}
	memcpy(out + at, mask, sizeof(mask));
	at += sizeof(mask);
	for (size_t i = 0; i < n; i++)
		out[at + i] = ((const unsigned char *)payload)[i] ^ mask[i & 3];
	write_all(c, out, at + n);
}

static int
open_tcp(size_t i)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
		                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(i % ADDRESSES)) };
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)s.port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS))
		die("connect");
	return fd;
}

/* A full line of a Unix socket refuses at once. */
static int
open_path(size_t i)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strncpy(to.sun_path, s.paths[i % (size_t)s.paths_n], sizeof(to.sun_path) - 1);
	if (fd < 0)
		die("socket");
	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return fd;
	close(fd);
	return -1;
}

static void
begin(struct connection *c)
{
	size_t i = (size_t)(c - s.all);
	int fd = s.paths_n ? open_path(i) : open_tcp(i);

	if (fd < 0) {
		s.failed++;
		complain("refused", NULL, 0);
		c->not_before_us = now_us() + AGAIN_US + rand() % AGAIN_US;
		return;
	}
	c->fd = fd;
	c->state = CONNECTING;
	c->begun_us = now_us();
	s.on_way++;
	arm(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void
connected(struct connection *c)
{
	const struct request *r = &s.requests[(size_t)(c - s.all) % s.requests_n];
	int error = 0;
	socklen_t n = sizeof(error);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (error) {
		gone(c, "connect: ", (const unsigned char *)strerror(error), strlen(strerror(error)));
		return;
	}
	c->state = UPGRADING;
	arm(c, EPOLL_CTL_MOD, EPOLLIN);
	write_all(c, r->p, r->n);
}

static void
become_ready(struct connection *c)
{
	if (c->state == READY)
		return;
	c->state = READY;
	s.ready++;
	s.on_way--;
	s.ready_us[s.ready_us_n++ % SOCKETS_MOST] = (uint32_t)(now_us() - c->begun_us);
}

static void
greet(struct connection *c)
{
	char text[512];
	int n;

	c->state = GREETED;
	if (s.dialect == PLAIN) {
		become_ready(c);
	} else if (s.dialect == PEAL) {
		n = snprintf(text, sizeof(text), "{\"type\":\"hello\",\"device_id\":\"bench-%zu\",\"since\":%s%s%s}",
		             (size_t)(c - s.all), c->since ? "\"" : "", c->since ? c->since : "null", c->since ? "\"" : "");
		send_frame(c, 1, text, (size_t)n);
	}
}

/* ---- what a socket hears ---- */

static bool
has(const unsigned char *p, size_t n, const char *begin)
{
	return n >= strlen(begin) && !memcmp(p, begin, strlen(begin));
}

static void
acknowledge(struct connection *c)
{
	char text[64];

	c->acked = c->events;
	send_frame(c, 1, text, (size_t)snprintf(text, sizeof(text), "{\"type\":\"ack\",\"count\":%u}", c->events));
}

static void
count_events(struct connection *c, uint32_t n)
{
	c->events += n;
	if (c->events - c->acked >= ACK_EVENTS) {
		acknowledge(c);
	} else if (!c->ack_due && s.acks_n < SOCKETS_MOST) {
		c->ack_due = true;
		s.acks[(s.acks_first + s.acks_n++) % SOCKETS_MOST] =
		        (struct ack){ (uint32_t)(c - s.all), now_us() + ACK_US };
	}
}

static void
acknowledge_due(int64_t now)
{
	while (s.acks_n && s.acks[s.acks_first].due_us <= now) {
		struct connection *c = &s.all[s.acks[s.acks_first].connection];

		s.acks_first = (s.acks_first + 1) % SOCKETS_MOST;
		s.acks_n--;
		c->ack_due = false;
		if (c->state != CLOSED && c->events > c->acked)
			acknowledge(c);
	}
}

static void
keep_since(struct connection *c, const unsigned char *p, size_t n)
{
	const unsigned char *from = memmem(p, n, "\"since\":\"", 9), *to;

	if (!from)
		return;
	from += 9;
	to = memchr(from, '"', (size_t)(p + n - from));
	free(c->since);
	c->since = to ? strndup((const char *)from, (size_t)(to - from)) : NULL;
}

/* What is no durable event; whatever is not named here is one. */
static bool
is_uncounted(const unsigned char *p, size_t n)
{
	static const char *const types[] = { "welcome",  "heads",  "message_delivered", "message_read", "typing",
		                             "presence", "signal", "attachment_ready",  "retry",        "response",
		                             "error",    "pong" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (n > strlen(types[i]) && has(p, n, types[i]) && p[strlen(types[i])] == '"')
			return true;
	return false;
}

static void
take_peal(struct connection *c, const unsigned char *p, size_t n)
{
	const unsigned char *type = p + 9, *count;
	size_t left = n - 9;

	if (!has(p, n, "{\"type\":\"")) {
		complain("no frame of peal: ", p, n);
	} else if (has(type, left, "live\"")) {
		keep_since(c, p, n);
		become_ready(c);
	} else if (has(type, left, "cursor\"")) {
		keep_since(c, p, n);
	} else if (has(type, left, "batch\"")) {
		count = memmem(p, n, "\"count\":", 8);
		find_marks(p, n);
		count_events(c, count ? (uint32_t)strtoul((const char *)count + 8, NULL, 10) : 0);
	} else if (has(type, left, "bye\"")) {
		complain("said ", p, n);
	} else if (is_uncounted(type, left)) {
		if (has(type, left, "error\""))
			complain("said ", p, n);
	} else {
		find_marks(p, n);
		count_events(c, 1);
	}
}

static void
take_socketio(struct connection *c, const unsigned char *p, size_t n)
{
	if (has(p, n, "42"))
		find_marks(p, n);
	else if (has(p, n, "40"))
		become_ready(c);
	else if (has(p, n, "0{"))
		send_frame(c, 1, "40", 2);
	else if (n == 1 && *p == '2')
		send_frame(c, 1, "3", 1);
	else
		complain("no packet of socket.io: ", p, n);
}

static void
take_frame(struct connection *c, int opcode, const unsigned char *p, size_t n)
{
	if (opcode == 8)
		gone(c, "closed: ", p + (n < 2 ? n : 2), n < 2 ? 0 : n - 2);
	else if (opcode == 9)
		send_frame(c, 10, p, n);
	else if (opcode != 1)
		complain("a frame that is no text", NULL, 0);
	else if (s.dialect == PEAL)
		take_peal(c, p, n);
	else if (s.dialect == SOCKETIO)
		take_socketio(c, p, n);
	else
		find_marks(p, n);
}

/* The length of the frame at p with its header, or 0: not all of the header is there. */
static size_t
frame_length(const unsigned char *p, size_t n, size_t *ret_head)
{
	size_t head = 2, length, wide;

	if (n < 2)
		return 0;
	length = p[1] & 0x7f;
	wide = length < 126 ? 0 : length == 126 ? 2 : 8;
	head += wide;
	if (n < head)
		return 0;
	if (wide)
		length = 0;
	for (size_t i = 0; i < wide; i++)
		length = length << 8 | p[2 + i];
	*ret_head = head;
	return head + length;
}

/* The answer to the upgrade; returns its bytes, or 0: it is not complete, or none. */
static size_t
take_answer(struct connection *c, const unsigned char *p, size_t n)
{
	const unsigned char *end = memmem(p, n, "\r\n\r\n", 4);

	if (!end)
		return 0;
	if (!has(p, n, "HTTP/1.1 101 ")) {
		gone(c, "answered ", p, 32 < n ? 32 : n);
		return 0;
	}
	greet(c);
	return (size_t)(end - p) + 4;
}

/* Returns what was used. */
static size_t
take(struct connection *c, const unsigned char *p, size_t n)
{
	size_t used = 0, head, whole;

	if (c->state == UPGRADING)
		used = take_answer(c, p, n);
	while (c->state > UPGRADING && (whole = frame_length(p + used, n - used, &head)) && whole <= n - used) {
		take_frame(c, p[used] & 0x0f, p + used + head, whole - head);
		used += whole;
	}
	return used;
}

static void
keep(struct connection *c, const unsigned char *p, size_t n)
{
	free(c->held);
	c->held = NULL;
	if (!n || c->state == CLOSED)
		return;
	c->held = need(malloc(sizeof(*c->held) + n));
	c->held->n = n;
	memcpy(c->held->bytes, p, n);
}

static void
readable(struct connection *c)
{
	static unsigned char bytes[READ_BYTES];
	size_t held = c->held ? c->held->n : 0, used;
	ssize_t n;

	if (held)
		memcpy(bytes, c->held->bytes, held);
	n = recv(c->fd, bytes + held, sizeof(bytes) - held, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		gone(c, n ? "reset" : "ended without a close frame", NULL, 0);
		return;
	}
	used = take(c, bytes, held + (size_t)n);
	keep(c, bytes + used, held + (size_t)n - used);
}

/* ---- opening ---- */

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of sorted values, in milliseconds. */
static double
percentile_ms(const uint32_t *v, size_t n, double share)
{
	size_t i = (size_t)((double)n * share);

	return n ? v[i < n ? i : n - 1] / 1000.0 : 0;
}

static void
say_opened(int64_t now)
{
	size_t n = s.ready_us_n < SOCKETS_MOST ? s.ready_us_n : SOCKETS_MOST;

	qsort(s.ready_us, n, sizeof(*s.ready_us), compare);
	printf("{\"ready\":%zu,\"opened\":%zu,\"seconds\":%.3f,\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"max_ms\":%.1f,\"failed\":%"
	       "llu,"
	       "\"errors\":%llu,\"first_error\":\"%s\"}\n",
	       s.ready, n, (double)(now - s.open_from_us) / 1e6, percentile_ms(s.ready_us, n, 0.5),
	       percentile_ms(s.ready_us, n, 0.99), percentile_ms(s.ready_us, n, 1), (unsigned long long)s.failed,
	       (unsigned long long)s.errors, s.first_error);
	s.want = 0;
}

static void
go_on_opening(void)
{
	int64_t now = now_us();

	if (!s.want)
		return;
	for (size_t looked = 0; looked < s.want && s.ready + s.on_way < s.want && s.on_way < s.most; looked++) {
		struct connection *c = &s.all[s.next];

		s.next = (s.next + 1) % s.want;
		if (c->state == CLOSED && c->not_before_us <= now)
			begin(c);
	}
	if (s.ready >= s.want || now - s.open_from_us > OPEN_US)
		say_opened(now);
}

/* ---- commands ---- */

static void
cut(size_t from)
{
	for (size_t i = from; i < SOCKETS_MOST; i++) {
		shut(&s.all[i]);
		s.all[i].not_before_us = 0;
	}
	printf("{\"ready\":%zu}\n", s.ready);
}

static void
say_state(void)
{
	printf("{\"ready\":%zu,\"on_way\":%zu,\"lost\":%llu,\"failed\":%llu,\"errors\":%llu,\"first_error\":\"%s\"}\n",
	       s.ready, s.on_way, (unsigned long long)s.lost, (unsigned long long)s.failed, (unsigned long long)s.errors,
	       s.first_error);
}

/* Whose messages, and when they were due. */
struct chosen {
	uint32_t seed;
	uint64_t from_us, to_us;
};

static bool
is_chosen(const struct message *m, const struct chosen *which)
{
	return m->seed == which->seed && m->sent_us >= which->from_us && m->sent_us < which->to_us;
}

static size_t
samples_of(const struct chosen *which, uint32_t *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < s.samples_n; i++)
		if (is_chosen(&s.messages[s.samples[i].message], which))
			ret[n++] = s.samples[i].us;
	return n;
}

/* Each message's own times as well, in the order in which they were first heard. */
static void
say_times(const char *name, const struct chosen *which, size_t offset)
{
	const char *comma = "";

	printf(",\"%s\":[", name);
	for (size_t i = 0; i < s.messages_n; i++) {
		const char *field = (const char *)&s.messages[i] + offset;

		if (!is_chosen(&s.messages[i], which))
			continue;
		printf("%s%.1f", comma, *(const uint32_t *)(const void *)field / 1000.0);
		comma = ",";
	}
	printf("]");
}

static void
report(const struct chosen *which, uint32_t hearers)
{
	uint32_t *us = need(malloc((s.samples_n + 1) * sizeof(*us)));
	size_t n = samples_of(which, us), messages = 0, wrong = 0;

	qsort(us, n, sizeof(*us), compare);
	for (size_t i = 0; i < s.messages_n; i++) {
		messages += is_chosen(&s.messages[i], which);
		wrong += is_chosen(&s.messages[i], which) && s.messages[i].n != hearers;
	}
	printf("{\"messages\":%zu,\"wrong\":%zu,\"heard\":%zu,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%."
	       "3f",
	       messages, wrong, n, percentile_ms(us, n, 0.5), percentile_ms(us, n, 0.9), percentile_ms(us, n, 0.99),
	       percentile_ms(us, n, 1));
	say_times("first_ms", which, offsetof(struct message, first));
	say_times("last_ms", which, offsetof(struct message, last));
	printf("}\n");
	free(us);
}

static void
obey(const char *line)
{
	struct chosen which = { .to_us = UINT64_MAX };
	uint32_t hearers;
	size_t a, b;

	if (sscanf(line, "open %zu %zu", &a, &b) == 2 && a && a <= SOCKETS_MOST && b) {
		s.want = a;
		s.most = b;
		s.next = s.ready_us_n = 0;
		s.open_from_us = now_us();
		return;
	}
	if (sscanf(line, "cut %zu", &a) == 1)
		cut(a);
	else if (sscanf(line, "report %u %u %" SCNu64 " %" SCNu64, &which.seed, &hearers, &which.from_us, &which.to_us) >= 2)
		report(&which, hearers);
	else if (!strncmp(line, "state", 5))
		say_state();
	else
		printf("{\"error\":\"no such command\"}\n");
}

/* Whoever gave the commands has gone: so do we. */
static void
take_commands(void)
{
	static char text[4096];
	static size_t n;
	ssize_t more = read(STDIN_FILENO, text + n, sizeof(text) - 1 - n);
	char *end;

	if (more <= 0)
		exit(0);
	n += (size_t)more;
	text[n] = '\0';
	while ((end = strchr(text, '\n'))) {
		*end++ = '\0';
		obey(text);
		n -= (size_t)(end - text);
		memmove(text, end, n + 1);
	}
}

/* ---- all of it ---- */

static void
serve(const struct epoll_event *e)
{
	struct connection *c;

	if (e->data.u64 == STDIN_TAG) {
		take_commands();
		return;
	}
	c = &s.all[e->data.u64];
	if (c->state == CONNECTING)
		connected(c);
	else if (c->state != CLOSED)
		readable(c);
}

static _Noreturn void
run(void)
{
	struct epoll_event events[512];

	for (;;) {
		int n = epoll_wait(s.epoll, events, 512, 20);

		for (int i = 0; i < n; i++)
			serve(&events[i]);
		acknowledge_due(now_us());
		go_on_opening();
		fflush(stdout);
	}
}

static void
read_options(int argc, char **argv)
{
	static const char *const dialects[] = { "peal", "plain", "socketio" };
	const char *file = NULL;
	int letter, d;

	while ((letter = getopt(argc, argv, "p:u:f:d:")) != -1) {
		if (letter == 'p') {
			s.port = atoi(optarg);
		} else if (letter == 'u' && s.paths_n < PATHS_MOST) {
			s.paths[s.paths_n++] = optarg;
		} else if (letter == 'f') {
			file = optarg;
		} else if (letter == 'd') {
			for (d = 0; d < 3 && strcmp(optarg, dialects[d]); d++) {
			}
			s.dialect = (enum dialect)d;
		} else {
			exit(2);
		}
	}
	if (!file || (!s.port && !s.paths_n) || s.port < 0 || s.port > 65535 || s.dialect > SOCKETIO) {
		fputs("sockets: -f FILE [-d peal|plain|socketio] (-p PORT | -u SOCKET ...)\n", stderr);
		exit(2);
	}
	read_requests(file);
}

int
main(int argc, char **argv)
{
	struct epoll_event commands = { .events = EPOLLIN, .data.u64 = STDIN_TAG };
	struct rlimit files;

	read_options(argc, argv);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	s.all = need(calloc(SOCKETS_MOST, sizeof(*s.all)));
	s.acks = need(calloc(SOCKETS_MOST, sizeof(*s.acks)));
	s.ready_us = need(calloc(SOCKETS_MOST, sizeof(*s.ready_us)));
	s.messages = need(calloc(MESSAGES_MOST, sizeof(*s.messages)));
	s.slots = need(calloc(SLOTS, sizeof(*s.slots)));
	s.samples = need(malloc(SAMPLES_MOST * sizeof(*s.samples))); /* touched only as far as it is used */
	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s.epoll < 0 || epoll_ctl(s.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &commands))
		die("epoll");
	run();
}
