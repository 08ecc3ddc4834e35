/* door.c -- the FastCGI client on libuv streams. */
#include "door.h"

#include "base/address.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "mem.h"

#define ANSWER_MAX     (4u << 20)
#define RETRY_MS       20
#define RETRY_MOST_MS  200
#define CONNECT_MS     500  /* to another host; there may be one that answers */
#define SHUN_MS        1000 /* an address that could not be connected */
#define READ_BYTES     65536
#define REQUEST_ID_HEX 32
#define PARAM_START    "PEAL_START"
#define START_CHARS    14

struct exchange {
	struct door *door;
	struct exchange *next; /* in line, or among the open ones */
	struct exchange **at;  /* the link that points here, among the open ones */
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	};
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	struct buf request;
	struct fastcgi_reader reader;
	uint64_t deadline_ms; /* a patient one has none while it waits in line */
	int64_t timeout_ms, retry_ms;
	size_t address; /* which one it asks */
	bool patient, opened, connecting, retrying, answered;
	int handles; /* libuv handles not yet closed */
	door_fn fn;
	void *arg;
};

struct line {
	struct exchange *first, **last;
};

struct door {
	uv_loop_t *loop;
	struct address addresses[ADDRESSES_MAX];
	uint64_t shunned_until_ms[ADDRESSES_MAX];
	size_t addresses_n, turn;
	size_t open, most_open, waiting, most_waiting;
	struct line lines[2]; /* those in a hurry, and the patient */
	struct exchange *opened;
	uv_idle_t idle; /* starts what waits from the loop, never from within door_ask() */
	bool closing;
};

static char received[READ_BYTES];

static void connect_now(struct exchange *);
static void arm(struct exchange *, uint64_t ms);
static void start_waiting(uv_idle_t *);

/* --- the end of an exchange --- */

static void
exchange_free(struct exchange *x)
{
	buf_deinit(&x->request);
	buf_deinit(&x->reader.out);
	free(x);
}

static void
door_reclaim(uv_handle_t *h)
{
	struct door *d = h->data;

	free(d);
}

static void
handle_closed(uv_handle_t *h)
{
	struct exchange *x = h->data;
	struct door *d = x->door;

	if (--x->handles)
		return;
	exchange_free(x);
	d->open--;
	if (d->closing && !d->open)
		uv_close((uv_handle_t *)&d->idle, door_reclaim);
	else if (d->waiting)
		uv_idle_start(&d->idle, start_waiting);
}

static void
finish(struct exchange *x, const struct cgi_answer *answer)
{
	if (x->answered)
		return;
	x->answered = true;
	*x->at = x->next;
	if (x->next)
		x->next->at = x->at;
	x->fn(x->arg, answer);
	uv_close((uv_handle_t *)&x->timer, handle_closed);
	if (x->opened)
		uv_close(&x->handle, handle_closed);
}

/* --- one connection --- */

static void
complete(struct exchange *x)
{
	struct cgi_answer answer;

	finish(x, cgi_split(buf_view(&x->reader.out), &answer) ? &answer : NULL);
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	(void)h;
	(void)suggested;
	*ret = uv_buf_init(received, sizeof(received));
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct exchange *x = s->data;
	int r;

	if (n == 0 || x->answered)
		return;
	r = n < 0 ? -EPIPE : fastcgi_read(&x->reader, b->base, (size_t)n);
	if (r < 0) {
		err_clear();
		finish(x, NULL);
	} else if (r == 1) {
		complete(x);
	}
}

/* A failed write says nothing yet: the worker may have answered before it read everything. The reader will tell. */
static void
on_written(uv_write_t *w, int status)
{
	(void)w;
	(void)status;
}

static void pipe_closed_for_retry(uv_handle_t *);

static void
not_connected(struct exchange *x)
{
	struct door *d = x->door;

	d->shunned_until_ms[x->address] = uv_now(d->loop) + SHUN_MS;
	x->opened = x->connecting = false;
	uv_close(&x->handle, pipe_closed_for_retry);
}

static void
on_time(uv_timer_t *t)
{
	struct exchange *x = t->data;

	if (x->retrying && uv_now(x->door->loop) < x->deadline_ms) {
		x->retrying = false;
		connect_now(x);
	} else if (x->connecting && uv_now(x->door->loop) < x->deadline_ms) {
		not_connected(x);
	} else {
		finish(x, NULL);
	}
}

static void
arm(struct exchange *x, uint64_t ms)
{
	uint64_t now = uv_now(x->door->loop), left = x->deadline_ms > now ? x->deadline_ms - now : 0;

	uv_timer_start(&x->timer, on_time, ms && ms < left ? ms : left, 0);
}

static void
pipe_closed_for_retry(uv_handle_t *h)
{
	struct exchange *x = h->data;

	x->handles--;
	if (x->answered) {
		x->handles++;
		handle_closed(h);
		return;
	}
	x->retrying = true;
	arm(x, (uint64_t)(x->retry_ms / 2 + rand() % x->retry_ms));
	x->retry_ms = x->retry_ms * 2 < RETRY_MOST_MS ? x->retry_ms * 2 : RETRY_MOST_MS;
}

static void
on_connected(uv_connect_t *c, int status)
{
	struct exchange *x = c->data;
	uv_buf_t b;

	/* given up: its handle is closing */
	if (x->answered || !x->connecting)
		return;
	if (status < 0) {
		not_connected(x);
		return;
	}
	x->connecting = false;
	arm(x, 0);
	b = uv_buf_init(x->request.p, (unsigned)x->request.n);
	x->write.data = x;
	if (uv_write(&x->write, &x->stream, &b, 1, on_written) < 0 || uv_read_start(&x->stream, on_alloc, on_read) < 0)
		finish(x, NULL);
}

/* The next one in turn that is not shunned; when all are, simply the next. */
static size_t
choose(struct door *d)
{
	uint64_t now = uv_now(d->loop);

	for (size_t i = 0; i < d->addresses_n; i++)
		if (d->shunned_until_ms[d->turn++ % d->addresses_n] <= now)
			break;
	return (d->turn - 1) % d->addresses_n;
}

static void
connect_tcp(struct exchange *x, const struct address *a)
{
	uv_os_fd_t fd;

	uv_tcp_init_ex(x->door->loop, &x->tcp, a->any.sa_family);
	if (!uv_fileno(&x->handle, &fd))
		address_tcp_options(fd);
	if (uv_tcp_connect(&x->connect, &x->tcp, &a->any, on_connected) < 0)
		not_connected(x);
}

static void
connect_now(struct exchange *x)
{
	struct door *d = x->door;
	const struct address *a = &d->addresses[x->address = choose(d)];

	x->opened = x->connecting = true;
	x->handles++;
	x->connect.data = x;
	arm(x, d->addresses_n > 1 ? CONNECT_MS : 0);
	if (address_is_local(a)) {
		uv_pipe_init(d->loop, &x->pipe, 0);
		x->handle.data = x;
		uv_pipe_connect(&x->connect, &x->pipe, a->un.sun_path, on_connected);
	} else {
		x->handle.data = x;
		connect_tcp(x, a);
	}
}

/* Workers shed what is old by this value. Time in our own line is bounded by us, so it counts from here. */
static void
stamp(struct exchange *x)
{
	char text[32];
	int64_t ms = clock_wall_us() / 1000;
	char *name = memmem(x->request.p, x->request.n, PARAM_START, sizeof(PARAM_START) - 1);

	if (name &&
	    snprintf(text, sizeof(text), "%010lld.%03lld", (long long)(ms / 1000), (long long)(ms % 1000)) == START_CHARS)
		memcpy(name + sizeof(PARAM_START) - 1, text, START_CHARS);
}

static void
start(struct exchange *x)
{
	struct door *d = x->door;

	stamp(x);
	d->open++;
	x->next = d->opened;
	x->at = &d->opened;
	if (x->next)
		x->next->at = &x->next;
	d->opened = x;
	uv_timer_init(d->loop, &x->timer);
	x->timer.data = x;
	x->handles = 1;
	connect_now(x);
}

static void
join_line(struct exchange *x)
{
	struct line *l = &x->door->lines[x->patient];

	*l->last = x;
	l->last = &x->next;
	x->door->waiting++;
}

/* The next whose turn it is; NULL: nobody waits. */
static struct exchange *
leave_line(struct door *d)
{
	struct line *l = &d->lines[!d->lines[0].first];
	struct exchange *x = l->first;

	if (!x)
		return NULL;
	l->first = x->next;
	if (!l->first)
		l->last = &l->first;
	d->waiting--;
	if (x->patient)
		x->deadline_ms = uv_now(d->loop) + (uint64_t)x->timeout_ms;
	return x;
}

static void
start_waiting(uv_idle_t *idle)
{
	struct door *d = idle->data;
	struct exchange *x;

	while (d->open < d->most_open && (x = leave_line(d)))
		start(x);
	uv_idle_stop(idle);
}

/* --- asking --- */

static struct str
number(int64_t v, char out[24])
{
	return str_n(out, (size_t)snprintf(out, 24, "%lld", (long long)v));
}

static struct str
request_id(char out[REQUEST_ID_HEX + 1])
{
	unsigned char random[REQUEST_ID_HEX / 2];

	bytes_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(out + 2 * i, 3, "%02x", random[i]);
	return str_n(out, REQUEST_ID_HEX);
}

static void
write_request(struct buf *b, const struct door_question *q)
{
	char id[REQUEST_ID_HEX + 1], length[24], user[24];
	const struct str params[] = {
		/* first, so that stamp() cannot be led to a look-alike in what a client chose */
		STR(PARAM_START),
		STR("0000000000.000"),
		STR("GATEWAY_INTERFACE"),
		STR("CGI/1.1"),
		STR("SERVER_PROTOCOL"),
		STR("HTTP/1.1"),
		STR("REQUEST_METHOD"),
		str_c(q->method),
		STR("REQUEST_URI"),
		q->uri,
		STR("CONTENT_LENGTH"),
		number((int64_t)q->body.n, length),
		STR("CONTENT_TYPE"),
		q->body.p ? STR("application/json") : STR(""),
		STR("PEAL_REQUEST_ID"),
		request_id(id),
		STR("PEAL_ADDRESS"),
		q->address.p ? q->address : STR(""),
		STR("PEAL_HTTPS"),
		STR(""),
		STR("HTTP_IDEMPOTENCY_KEY"),
		q->key.p ? q->key : STR(""),
		STR("PEAL_USER"),
		number(q->user_id, user),
		STR("PEAL_SESSION"),
		q->session_id,
	};
	size_t pairs = sizeof(params) / sizeof(params[0]) / 2;

	fastcgi_begin(b);
	fastcgi_params(b, params, q->user_id ? pairs : pairs - 2);
	fastcgi_stdin(b, q->body.p ? q->body : STR(""));
}

int
door_ask(struct door *d, const struct door_question *q, door_fn fn, void *arg)
{
	struct exchange *x;

	if (d->closing || d->waiting >= d->most_waiting)
		return OVERLOADED;
	x = mem_zeroed(sizeof(*x));
	x->door = d;
	x->fn = fn;
	x->arg = arg;
	x->retry_ms = RETRY_MS;
	x->patient = q->patient;
	x->timeout_ms = q->timeout_ms;
	x->deadline_ms = uv_now(d->loop) + (uint64_t)q->timeout_ms;
	buf_init(&x->request, ANSWER_MAX);
	buf_init(&x->reader.out, ANSWER_MAX);
	write_request(&x->request, q);
	if (buf_failed(&x->request)) {
		exchange_free(x);
		return OVERLOADED;
	}
	join_line(x);
	if (d->open < d->most_open)
		uv_idle_start(&d->idle, start_waiting);
	return 0;
}

struct door *
door_new(uv_loop_t *loop, const char *addresses, size_t most_open, size_t most_waiting)
{
	struct door *d = mem_zeroed(sizeof(*d));

	d->loop = loop;
	d->addresses_n = address_list(str_c(addresses), d->addresses);
	if (!d->addresses_n)
		abort();
	d->most_open = most_open;
	d->most_waiting = most_waiting;
	for (int i = 0; i < 2; i++)
		d->lines[i].last = &d->lines[i].first;
	uv_idle_init(loop, &d->idle);
	d->idle.data = d;
	return d;
}

void
door_free(struct door *d)
{
	struct exchange *x;

	if (!d)
		return;
	d->closing = true;
	uv_idle_stop(&d->idle);
	while ((x = leave_line(d))) {
		x->fn(x->arg, NULL);
		exchange_free(x);
	}
	while (d->opened)
		finish(d->opened, NULL);
	if (!d->open)
		uv_close((uv_handle_t *)&d->idle, door_reclaim);
}

size_t
door_open(const struct door *d)
{
	return d->open;
}

size_t
door_waiting(const struct door *d)
{
	return d->waiting;
}
