/* metrics.c -- the numbers, their names, and a server for one question. */
#include "metrics.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "feed.h"
#include "mem.h"
#include "push.h"

#define REQUEST_MAX  4096
#define TEXT_MAX     (1 << 20)
#define PATIENCE_MS  5000
#define SCRAPERS_MAX 16

static const double seconds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30 };
static const double turns[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1 };
static const double depths[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 };

struct metrics metrics = { .commit_to_write = HISTOGRAM(seconds),
	                   .loop_turn = HISTOGRAM(turns),
	                   .queue_depth = HISTOGRAM(depths) };

/* The last place takes whatever finds no other. */
void
metrics_code(struct code_count counts[CODES], int code)
{
	size_t i = 0;

	while (i < CODES - 1 && counts[i].code != code && counts[i].code)
		i++;
	counts[i].code = i < CODES - 1 ? code : -1;
	counts[i].n++;
}

/* --- the text --- */

#define head(b, name, type, help)                  prom_head(b, "peal_push_" name, type, help)
#define one(b, name, type, help, v)                prom_one(b, "peal_push_" name, type, help, v)
#define labelled(b, name, label, words, values, n) prom_labelled(b, "peal_push_" name, label, words, values, n)

static void
codes(struct buf *b, const char *name, const struct code_count counts[CODES])
{
	for (size_t i = 0; i < CODES && counts[i].code; i++)
		buf_printf(b, "%s{code=\"%d\"} %llu\n", name, counts[i].code, (unsigned long long)counts[i].n);
}

static void
write_connections(struct buf *b)
{
	static const char *const states[CONN_STATES] = { "request",   "greeting", "joining", "opening",
		                                         "replaying", "live",     "closing" };

	head(b, "connections", "gauge", "Sockets by what they are doing.");
	labelled(b, "connections", "state", states, metrics.in_state, CONN_STATES);
	one(b, "channels", "gauge", "Channels heard or kept: people online here, and people watched.", push.hub.channels.n);
	head(b, "upgrades_total", "counter", "Requests for a socket, by the HTTP status they got.");
	codes(b, "peal_push_upgrades_total", metrics.upgrades);
	head(b, "closes_total", "counter", "Sockets that ended, by close code; 1006: without one.");
	codes(b, "peal_push_closes_total", metrics.closes);
}

static void
write_delivery(struct buf *b)
{
	static const char *const paths[PATHS] = { "live", "poll", "replay", "retry" };
	static const char *const kinds[REPLAY_KINDS] = { "resume", "fresh", "pull", "sync" };
	static const char *const attempts[] = { NULL, "1", "2", "3", "4", "5" };

	head(b, "deliveries_total", "counter", "Durable events given to sockets, by how they came.");
	labelled(b, "deliveries_total", "path", paths, metrics.events, PATHS);
	head(b, "commit_to_write_seconds", "histogram",
	     "From the time of an event to the end of its write to a socket, as it happened.");
	prom_histogram(b, "peal_push_commit_to_write_seconds", "", &metrics.commit_to_write);
	head(b, "retries_total", "counter", "Retry frames, by attempt.");
	labelled(b, "retries_total", "attempt", attempts, metrics.retries, sizeof(attempts) / sizeof(attempts[0]));
	head(b, "replays_total", "counter", "Readings of the log for one socket, by reason.");
	labelled(b, "replays_total", "kind", kinds, metrics.replays, REPLAY_KINDS);
	one(b, "replay_pages_total", "counter", "Pages of the log that were read for them.", metrics.pages);
	one(b, "duplicates_total", "counter", "Events that came again and were given to nobody.", metrics.duplicates);
}

static void
write_queues(struct buf *b)
{
	one(b, "queue_frames", "gauge", "Frames that wait for sockets, altogether.", metrics.queued_frames);
	one(b, "queue_bytes", "gauge", "Bytes of these frames.", metrics.queued_bytes);
	head(b, "queue_depth", "histogram", "Frames in a socket's queue whenever one was added.");
	prom_histogram(b, "peal_push_queue_depth", "", &metrics.queue_depth);
	one(b, "unacknowledged", "gauge", "Durable events not yet acknowledged, altogether.", metrics.unacked);
	one(b, "ephemeral_dropped_total", "counter", "Ephemeral frames that full queues had no room for.", metrics.given_up);
	one(b, "received_bytes_total", "counter", "Bytes from clients.", metrics.bytes_in);
	one(b, "sent_bytes_total", "counter", "Bytes to clients.", metrics.bytes_out);
	one(b, "received_messages_total", "counter", "Messages from clients.", metrics.messages_in);
	one(b, "sent_frames_total", "counter", "Frames to clients, wholly written.", metrics.frames_out);
}

static void
write_encodings(struct buf *b)
{
	static const char *const words[ENCODINGS] = { NULL, "deflate", "gzip" };

	head(b, "encoded_total", "counter", "Frames compressed.");
	labelled(b, "encoded_total", "encoding", words, metrics.encoded, ENCODINGS);
	head(b, "encoded_shared_total", "counter", "Sockets that got a frame already compressed for another.");
	labelled(b, "encoded_shared_total", "encoding", words, metrics.encoded_shared, ENCODINGS);
	head(b, "encoded_input_bytes_total", "counter", "Bytes of these frames as they were.");
	labelled(b, "encoded_input_bytes_total", "encoding", words, metrics.encoded_in, ENCODINGS);
	head(b, "encoded_output_bytes_total", "counter", "Bytes of these frames as they became.");
	labelled(b, "encoded_output_bytes_total", "encoding", words, metrics.encoded_out, ENCODINGS);
}

static void
write_feed(struct buf *b)
{
	double age = feed_fence_age_ms() / 1000.0;

	one(b, "feed_live", "gauge", "1: Redis is there and everything is subscribed. 0: the log is polled.", feed_live());
	one(b, "feed_losses_total", "counter", "How often Redis was lost.", metrics.feed_losses);
	head(b, "cursor_age_seconds", "gauge", "Age of the newest place that may be given to clients; -1: there is none.");
	buf_printf(b, "peal_push_cursor_age_seconds %.3f\n", age < 0 ? -1 : age);
	one(b, "cursors_total", "counter", "Cursor frames.", metrics.cursors);
	one(b, "signals_total", "counter", "Signals of calls that clients sent.", metrics.signals);
	head(b, "door_open", "gauge", "Questions at the workers.");
	buf_printf(b, "peal_push_door_open{door=\"command\"} %zu\npeal_push_door_open{door=\"feed\"} %zu\n",
	           door_open(push.command), door_open(push.feed));
	head(b, "door_waiting", "gauge", "Questions in line for them.");
	buf_printf(b, "peal_push_door_waiting{door=\"command\"} %zu\npeal_push_door_waiting{door=\"feed\"} %zu\n",
	           door_waiting(push.command), door_waiting(push.feed));
	head(b, "loop_turn_seconds", "histogram", "What one turn of the loop did, without its sleep.");
	prom_histogram(b, "peal_push_loop_turn_seconds", "", &metrics.loop_turn);
}

static uint64_t
resident_bytes(void)
{
	unsigned long long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void
metrics_write(struct buf *b)
{
	write_connections(b);
	write_delivery(b);
	write_queues(b);
	write_encodings(b);
	write_feed(b);
	one(b, "resident_bytes", "gauge", "Memory of the process.", resident_bytes());
}

/* --- the server --- */

struct scraper {
	union {
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	};
	uv_timer_t timer;
	uv_write_t write;
	struct buf out;
	int handles;
	size_t n;
	char request[REQUEST_MAX];
};

static struct {
	union {
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	} listeners[2];
	size_t n;
	size_t scrapers;
} server;

static void
scraper_closed(uv_handle_t *h)
{
	struct scraper *s = h->data;

	if (--s->handles)
		return;
	buf_deinit(&s->out);
	free(s);
	server.scrapers--;
}

static void
scraper_end(struct scraper *s)
{
	if (uv_is_closing((uv_handle_t *)&s->timer))
		return;
	uv_close((uv_handle_t *)&s->timer, scraper_closed);
	uv_close((uv_handle_t *)&s->stream, scraper_closed);
}

static void
on_late(uv_timer_t *t)
{
	scraper_end(t->data);
}

static void
on_written(uv_write_t *w, int status)
{
	(void)status;
	scraper_end(w->data);
}

static void
answer(struct scraper *s)
{
	uv_buf_t out;

	prom_answer(&s->out, str_n(s->request, s->n), metrics_write);
	out = uv_buf_init(s->out.p, (unsigned)s->out.n);
	s->write.data = s;
	if (uv_write(&s->write, &s->stream, &out, 1, on_written) < 0)
		scraper_end(s);
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct scraper *s = h->data;

	(void)suggested;
	*ret = uv_buf_init(s->request + s->n, (unsigned)(sizeof(s->request) - s->n));
}

static void
on_request(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct scraper *s = stream->data;

	(void)b;
	if (n < 0) {
		scraper_end(s);
		return;
	}
	s->n += (size_t)n;
	if (prom_asked(str_n(s->request, s->n))) {
		uv_read_stop(stream);
		answer(s);
	} else if (s->n == sizeof(s->request)) {
		scraper_end(s);
	}
}

static void
on_scraper(uv_stream_t *listener, int status)
{
	struct scraper *s;

	if (status < 0)
		return;
	s = mem_zeroed(sizeof(*s));
	buf_init(&s->out, TEXT_MAX);
	if (listener->type == UV_TCP)
		uv_tcp_init(&push.loop, &s->tcp);
	else
		uv_pipe_init(&push.loop, &s->pipe, 0);
	uv_timer_init(&push.loop, &s->timer);
	s->stream.data = s->timer.data = s;
	s->handles = 2;
	server.scrapers++;
	uv_timer_start(&s->timer, on_late, PATIENCE_MS, 0);
	if (uv_accept(listener, &s->stream) < 0 || server.scrapers > SCRAPERS_MAX ||
	    uv_read_start(&s->stream, on_alloc, on_request) < 0)
		scraper_end(s);
}

void
metrics_listen(int fd)
{
	uv_stream_t *listener = &server.listeners[server.n++].stream;

	if (uv_guess_handle(fd) == UV_TCP) {
		uv_tcp_init(&push.loop, (uv_tcp_t *)listener);
		uv_tcp_open((uv_tcp_t *)listener, fd);
	} else {
		uv_pipe_init(&push.loop, (uv_pipe_t *)listener, 0);
		uv_pipe_open((uv_pipe_t *)listener, fd);
	}
	uv_listen(listener, SCRAPERS_MAX, on_scraper);
}

void
metrics_stop(void)
{
	while (server.n)
		uv_close((uv_handle_t *)&server.listeners[--server.n].stream, NULL);
}
