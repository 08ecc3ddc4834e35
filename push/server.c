/* server.c -- accepting, ticking, draining. */
#include "server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/address.h"
#include "base/daemon.h"
#include "base/log.h"
#include "conn.h"
#include "encoding.h"
#include "ended.h"
#include "feed.h"
#include "metrics.h"
#include "notes.h"
#include "poller.h"
#include "push.h"
#include "successor.h"

#define ACCEPTS_PER_TURN 256
#define SEND_BUFFER      65536
#define STOPPED_MS       1250 /* so long between two ticks: we were stopped */

static struct {
	uv_poll_t listener, signals;
	uv_timer_t clock;
	uv_prepare_t turn;
	uint64_t turn_ns, idle_ns; /* at the end of the last turn: the time, and how long the loop has slept altogether */
	const char *path;
	int listen_fd, signal_fd;
	bool tcp;
	int64_t ticked_ms, swept_ms, drain_from_ms;
	bool listening;
	bool reserved;    /* a successor takes nobody before it can serve: the one before it still does */
	bool handed_over; /* to a successor */
} server;

/* --- accepting --- */

/* A small buffer makes slowness visible to us instead of hiding it in the kernel. From another host nothing waits to be joined. */
static void
take(int fd)
{
	int n = SEND_BUFFER, yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
	if (server.tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	conn_accept(fd);
}

static void
on_connection(uv_poll_t *p, int status, int events)
{
	int fd;

	(void)p;
	(void)events;
	for (int i = 0; status == 0 && i < ACCEPTS_PER_TURN; i++) {
		fd = accept4(server.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(fd);
			continue;
		}
		/* out of descriptors: rest until the next second instead of spinning */
		if (errno == EMFILE || errno == ENFILE) {
			LOG(ERROR, "accept", L_CSTR("error", strerror(errno)), L_INT("sockets", (int64_t)push.connections));
			uv_poll_stop(&server.listener);
			server.listening = false;
		}
		return;
	}
}

static void
listen_again(void)
{
	if (server.listening || server.reserved || push.draining)
		return;
	uv_poll_start(&server.listener, UV_READABLE, on_connection);
	server.listening = true;
}

/* --- draining --- */

static void
stop_listening(void)
{
	if (server.listen_fd < 0)
		return;
	/* before its fd, or it would take the next owner of the number off the poll */
	uv_close((uv_handle_t *)&server.listener, NULL);
	close(server.listen_fd);
	server.listen_fd = -1;
}

static void
begin_drain(void)
{
	push.draining = true;
	server.drain_from_ms = push_now();
	LOG(NOTICE, "drain", L_INT("sockets", (int64_t)push.connections));
	conn_each(conn_drain);
}

/*
 * A socket of systemd's stays open when we close it, and whoever connects waits for the next process: they are taken and told 503 at once,
 * so that nginx asks another one.
 */
static void
drain(void)
{
	if (push.draining)
		return;
	daemon_stopping();
	if (server.path) {
		stop_listening();
		unlink(server.path);
	}
	begin_drain();
}

/* The successor serves, on the same sockets. */
static void
hand_over(void)
{
	if (push.draining)
		return;
	server.handed_over = true;
	stop_listening();
	metrics_stop();
	begin_drain();
}

static void
drop(struct conn *c)
{
	conn_drop(c, WS_RESTART);
}

/* Everybody has gone and everything is noted, or twice the time is over. */
static void
check_drained(int64_t now)
{
	int64_t gone = now - server.drain_from_ms, most = push.conf->push_drain_seconds * 2000 + 1000;

	if (!push.draining || ((push.connections || !notes_empty()) && gone < most))
		return;
	conn_each(drop);
	uv_stop(&push.loop);
}

/* While the key that signs is exchanged. Nothing else is read again: sockets live longer than a configuration. */
static void
reload_keys(void)
{
	const struct conf *conf = push.conf;
	struct token_keys *fresh;

	daemon_reloading();
	if (token_keys_load(NULL, conf->token_public_key_file, conf->token_issuer, conf->token_audience, &fresh)) {
		LOG(ERROR, "reload_refused", L_CSTR("file", conf->token_public_key_file));
		err_clear();
	} else {
		token_keys_free(push.keys);
		push.keys = fresh;
		LOG(NOTICE, "reloaded");
	}
	daemon_ready();
}

static void
reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void
on_signal(uv_poll_t *p, int status, int events)
{
	struct signalfd_siginfo si;

	(void)p;
	(void)status;
	(void)events;
	while (read(server.signal_fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			drain();
		else if (si.ssi_signo == SIGHUP)
			reload_keys();
		else if (si.ssi_signo == SIGUSR2 && !push.draining)
			successor_start(hand_over);
		else if (si.ssi_signo == SIGCHLD)
			reap();
}

/* --- time --- */

static void
on_tick(uv_timer_t *t)
{
	int64_t now = push_now(), gone = now - server.ticked_ms;

	(void)t;
	server.ticked_ms = now;
	/* a paused machine, a debugger: what has come meanwhile is read before anybody is judged */
	if (gone > STOPPED_MS)
		conn_excuse(gone);
	feed_tick(now);
	ended_tick(now);
	conn_tick();
	if (now - server.swept_ms >= 1000) {
		server.swept_ms = now;
		conn_sweep();
		notes_flush();
		listen_again();
		daemon_watchdog();
	}
	check_drained(now);
}

static void
note_turn(void)
{
	uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(&push.loop);

	if (server.turn_ns)
		prom_observe(&metrics.loop_turn, (double)(now - server.turn_ns - (idle - server.idle_ns)) / 1e9);
	server.turn_ns = now;
	server.idle_ns = idle;
}

static void
on_turn(uv_prepare_t *p)
{
	(void)p;
	conn_end_turn();
	note_turn();
}

static void
close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

/* Every owner lets go; what is then still open are the handles of this file. */
static void
finish(void)
{
	feed_stop();
	ended_stop();
	metrics_stop();
	successor_stop();
	stop_listening();
	door_free(push.command);
	door_free(push.feed);
	conn_end_turn();
	poller_close();
	uv_close((uv_handle_t *)&server.signals, NULL);
	uv_close((uv_handle_t *)&server.clock, NULL);
	uv_close((uv_handle_t *)&server.turn, NULL);
	uv_run(&push.loop, UV_RUN_DEFAULT);
	uv_walk(&push.loop, close_handle, NULL);
	uv_run(&push.loop, UV_RUN_DEFAULT);
	uv_loop_close(&push.loop);
	hub_deinit(&push.hub);
	notes_deinit();
	encoding_deinit();
}

static void
on_settled(void)
{
	daemon_ready();
	successor_ready();
	server.reserved = false;
	listen_again();
}

static bool
is_tcp(int fd)
{
	struct address own = { .n = sizeof(own.in6) };

	return !getsockname(fd, &own.any, &own.n) && !address_is_local(&own);
}

bool
server_run(int listen_fd, int signal_fd, const char *path)
{
	server.listen_fd = listen_fd;
	server.signal_fd = signal_fd;
	server.path = path;
	server.tcp = is_tcp(listen_fd);
	server.reserved = successor_is_one();
	conn_init();
	uv_poll_init(&push.loop, &server.listener, listen_fd);
	uv_poll_init(&push.loop, &server.signals, signal_fd);
	uv_poll_start(&server.signals, UV_READABLE, on_signal);
	uv_timer_init(&push.loop, &server.clock);
	server.ticked_ms = push_now();
	uv_timer_start(&server.clock, on_tick, CONN_TICK_MS, CONN_TICK_MS);
	uv_prepare_init(&push.loop, &server.turn);
	uv_prepare_start(&server.turn, on_turn);
	listen_again();
	feed_start(on_settled);
	uv_run(&push.loop, UV_RUN_DEFAULT);
	LOG(NOTICE, "stopped");
	finish();
	return server.handed_over;
}
