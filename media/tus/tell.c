/* media/tus/tell.c -- the private listener: whoever asks is told the metrics of all of peal-media. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop.h"
#include "media/metrics.h"

#define REQUEST_MAX  4096
#define TEXT_MAX     (1 << 20)
#define SCRAPERS_MAX 16
#define PATIENCE_US  (INT64_C(5) * 1000000)

/* One who asks. */
struct scraper {
	struct source source;
	int fd; /* -1: a free place */
	int64_t deadline_us;
	size_t n, sent;
	struct buf out; /* empty: the request is still coming */
	char request[REQUEST_MAX];
};

static struct {
	struct source source;
	int fd;
	struct tus *tus;
	struct scraper places[SCRAPERS_MAX];
} tell = { .fd = -1 };

static void
end(struct scraper *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	buf_deinit(&s->out);
}

static void
gauge(struct buf *b, const char *name, const char *help, size_t n)
{
	prom_one(b, name, "gauge", help, n);
}

static void
write_all(struct buf *b)
{
	const struct tus *t = tell.tus;

	metrics_write(b);
	gauge(b, "peal_media_queue_depth", "Uploads in the queue, those that are being looked at included.",
	      queue_depth(&t->queue));
	gauge(b, "peal_media_transcode_depth", "Films that wait to be transcoded, or are.", queue_depth(&t->transcode));
	gauge(b, "peal_media_tus_open", "Uploads in pieces that are not whole.", parcels_open_n(&t->parcels));
	gauge(b, "peal_media_tus_connections", "Requests about them at this moment.", t->conns_n);
}

static void
send_some(struct scraper *s)
{
	ssize_t n = send(s->fd, s->out.p + s->sent, s->out.n - s->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		s->sent += (size_t)n;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		end(s);
	else if (s->sent == s->out.n)
		end(s);
	else
		loop_change(tell.tus, s->fd, &s->source, EPOLLOUT);
}

static void
read_some(struct scraper *s)
{
	ssize_t n = recv(s->fd, s->request + s->n, sizeof(s->request) - s->n, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		return end(s);
	s->n += (size_t)n;
	if (prom_asked(str_n(s->request, s->n))) {
		prom_answer(&s->out, str_n(s->request, s->n), write_all);
		send_some(s);
	} else if (s->n == sizeof(s->request)) {
		end(s);
	}
}

static void
asked(struct tus *t, struct source *source, uint32_t events)
{
	struct scraper *s = (struct scraper *)source;

	(void)t, (void)events;
	if (s->out.n)
		send_some(s);
	else
		read_some(s);
}

/* Who finds no place waits for a moment, and is sent away: nobody holds another one up. */
static void
accept_one(struct tus *t, struct source *source, uint32_t events)
{
	int fd = accept4(tell.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct scraper *s = tell.places;

	(void)source, (void)events;
	if (fd < 0)
		return;
	while (s < tell.places + SCRAPERS_MAX && s->fd >= 0)
		s++;
	if (s == tell.places + SCRAPERS_MAX || !loop_add(t, fd, &s->source, EPOLLIN)) {
		close(fd);
		return;
	}
	s->fd = fd;
	s->n = s->sent = 0;
	s->deadline_us = clock_mono_us() + PATIENCE_US;
	buf_init(&s->out, TEXT_MAX);
}

void
tell_open(struct tus *t, int fd)
{
	tell.fd = fd;
	tell.tus = t;
	tell.source.ready = accept_one;
	for (size_t i = 0; i < SCRAPERS_MAX; i++)
		tell.places[i] = (struct scraper){ .source = { asked }, .fd = -1 };
	if (fd >= 0)
		loop_add(t, fd, &tell.source, EPOLLIN);
}

void
tell_end_late(int64_t now_us)
{
	for (size_t i = 0; i < SCRAPERS_MAX; i++)
		if (tell.places[i].deadline_us <= now_us)
			end(&tell.places[i]);
}
