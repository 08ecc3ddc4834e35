/* media/tus/finish.c -- asks a worker to make an attachment of what is whole, without waiting in line for it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/log.h"
#include "loop.h"
#include "wire/problem.h"

#define ANSWER_MOST   ((size_t)1 << 20)
#define QUESTION_MOST ((size_t)64 * 1024)
#define ARENA_MOST    ((size_t)4 << 20)
#define LONGEST_US    (INT64_C(600) * 1000000) /* the workers' own limits are shorter: this is for one that hangs */

static bool
same(const struct parcel *p, int64_t owner, struct str id)
{
	return p->owner == owner && str_eq(p->id, id);
}

static struct finish *
find(const struct tus *t, int64_t owner, struct str id)
{
	struct finish *f = t->finishes;

	while (f && (f->fd < 0 || !same(&f->parcel, owner, id)))
		f = f->next;
	return f;
}

bool
finish_running(const struct tus *t, int64_t owner, struct str id)
{
	return find(t, owner, id) != NULL;
}

void
finish_drop(struct tus *t, int64_t owner, struct str id)
{
	struct finish *f = find(t, owner, id);

	if (f)
		f->dropped = true;
}

/* What will not be another time. */
static bool
final(int r)
{
	return r == EMPTY || r == TOO_LARGE || r == UNSUPPORTED_TYPE || outcome_info(r)->status == 422;
}

/* Everybody who waits for it is told; the bytes are kept when it is worth another try. */
static void
ended(struct finish *f, int r, struct str attachment, int64_t retry_after_seconds)
{
	const struct parcels *parcels = &f->tus->parcels;
	int kept = 0;

	FAILPOINT("tus.after_finish");
	if (!f->dropped && (!r || final(r)))
		kept = parcel_end(parcels, f->arena, &f->parcel, attachment, r ? str_c(outcome_info(r)->code) : STR_NONE);
	if (kept)
		log_fault("upload_record", kept < 0 ? kept : -ENOSPC, NULL);
	parcel_take_back(parcels, f->parcel.id);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	for (struct conn *c = f->tus->conns; c; c = c->next)
		if (c->state == CONN_FINISHING && same(&c->parcel, f->parcel.owner, f->parcel.id))
			request_finished(c, r, attachment, retry_after_seconds);
}

struct answer {
	struct str id, code;
};

static const struct field answer_fields[] = { STR_FIELD(struct answer, id), STR_FIELD(struct answer, code), { 0 } };

/* The attachment or a problem: of either one member is enough. */
static void
answered(struct finish *f)
{
	struct json_report report = { 0 };
	struct answer in = { 0 };
	struct cgi_answer answer;
	json_t *json;
	int r;

	if (!cgi_split(buf_view(&f->in.out), &answer) || json_parse(f->arena, answer.body, &json, &report) ||
	    !json_is_object(json) || json_fill(f->arena, json, answer_fields, &in, "", &report))
		return ended(f, UNAVAILABLE, STR_NONE, 0);
	r = problem_outcome(in.code);
	if (answer.status == 201 && attachment_id_ok(in.id))
		ended(f, 0, in.id, 0);
	else
		ended(f, r ? r : UNAVAILABLE, STR_NONE, answer.retry_after_seconds);
}

static void
read_answer(struct finish *f)
{
	static char bytes[16384];
	ssize_t n;

	while ((n = recv(f->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		int r = fastcgi_read(&f->in, bytes, (size_t)n);

		if (r > 0)
			return answered(f);
		if (r < 0) {
			log_fault("worker_answer", r, NULL);
			return ended(f, UNAVAILABLE, STR_NONE, 0);
		}
	}
	if (!n || (errno != EAGAIN && errno != EINTR))
		ended(f, UNAVAILABLE, STR_NONE, 0);
}

static void
send_question(struct finish *f)
{
	while (f->sent < f->out.n) {
		ssize_t n = send(f->fd, f->out.p + f->sent, f->out.n - f->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			return ended(f, UNAVAILABLE, STR_NONE, 0);
		f->sent += (size_t)n;
	}
	loop_change(f->tus, f->fd, &f->source, EPOLLIN);
}

static void
ready(struct tus *t, struct source *source, uint32_t events)
{
	struct finish *f = (struct finish *)source;

	(void)t;
	if (f->fd >= 0 && f->sent < f->out.n && (events & EPOLLOUT))
		send_question(f);
	if (f->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_answer(f);
}

/* As nginx would ask: see snippets/peal-upload-take.conf. */
static void
write_question(struct finish *f, struct str request_id, struct str path)
{
	int64_t now = clock_wall_us();
	struct parcel *p = &f->parcel;
	struct str uri = arena_printf(f->arena, "/api/v1/messages/upload-%.*s?quality=%s", STR_ARG(p->kind),
	                              p->hd ? "hd" : "standard"),
	           owner = arena_printf(f->arena, "%lld", (long long)p->owner),
	           start = arena_printf(f->arena, "%lld.%03lld", (long long)(now / 1000000), (long long)(now / 1000 % 1000));

	if (str_present(p->name))
		uri = arena_printf(f->arena, "%.*s&filename=%.*s", STR_ARG(uri),
		                   STR_ARG(str_percent_encode(f->arena, p->name)));
	fastcgi_begin(&f->out);
	fastcgi_params(&f->out,
	               (const struct str[]){ STR("REQUEST_METHOD"), STR("POST"), STR("REQUEST_URI"), uri,
	                                     STR("CONTENT_TYPE"), STR("application/octet-stream"), STR("PEAL_REQUEST_ID"),
	                                     request_id, STR("PEAL_START"), start, STR("PEAL_BODY_FILE"), path,
	                                     STR("PEAL_UPLOAD_USER"), owner },
	               7);
	fastcgi_stdin(&f->out, STR(""));
}

/* BUSY: more wait for the workers than may. */
static int
dial(struct tus *t, int *ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fault(-errno);
	if (strlen(t->workers) >= sizeof(address.sun_path))
		return fault(-ENAMETOOLONG);
	memcpy(address.sun_path, t->workers, strlen(t->workers) + 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int r = errno == EAGAIN ? BUSY : UNAVAILABLE;

		close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

static struct finish *
new_finish(struct tus *t, const struct parcel *p)
{
	struct finish *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	*f = (struct finish){ .source = { ready }, .tus = t, .fd = -1, .arena = arena_new(ARENA_MOST), .next = t->finishes };
	f->parcel = (struct parcel){ .owner = p->owner, .length = p->length, .hd = p->hd, .fd = -1 };
	f->parcel.id = arena_str(f->arena, p->id);
	f->parcel.kind = arena_str(f->arena, p->kind);
	f->parcel.name = p->name.p ? arena_str(f->arena, p->name) : STR_NONE;
	f->parcel.metadata = p->metadata.p ? arena_str(f->arena, p->metadata) : STR_NONE;
	f->deadline_us = clock_mono_us() + LONGEST_US;
	buf_init(&f->out, QUESTION_MOST);
	buf_init(&f->in.out, ANSWER_MOST);
	t->finishes = f;
	return f;
}

void
finish_begin(struct conn *c)
{
	struct tus *t = c->tus;
	struct finish *f;
	struct str path;
	int r;

	c->state = CONN_FINISHING;
	c->deadline_us = INT64_MAX;
	if (finish_running(t, c->owner, c->parcel.id))
		return;
	FAILPOINT("tus.before_finish");
	f = new_finish(t, &c->parcel);
	r = parcel_offer(&t->parcels, f->arena, &f->parcel, &path);
	if (!r)
		r = dial(t, &f->fd);
	if (!r) {
		write_question(f, c->request_id, path);
		r = loop_add(t, f->fd, &f->source, EPOLLIN | EPOLLOUT) ? 0 : fault(-errno);
	}
	if (r)
		ended(f, r, STR_NONE, 0);
}

static void
free_one(struct finish *f)
{
	buf_deinit(&f->out);
	buf_deinit(&f->in.out);
	arena_free(f->arena);
	free(f);
}

void
finish_free_ended(struct tus *t, int64_t now_us)
{
	for (struct finish **at = &t->finishes; *at;) {
		struct finish *f = *at;

		if (f->fd >= 0 && f->deadline_us <= now_us)
			ended(f, UNAVAILABLE, STR_NONE, 0);
		if (f->fd < 0) {
			*at = f->next;
			free_one(f);
		} else {
			at = &f->next;
		}
	}
}
