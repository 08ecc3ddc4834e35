/* media/tus/tus.c -- the loop. */
#include "tus.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/fail.h"
#include "base/log.h"
#include "loop.h"

#define ARENA_MOST ((size_t)1 << 20)
#define EVENTS     64
#define TURN_MS    500
#define HOUR_US    (INT64_C(3600) * 1000000)
#define SWEEP_US   (INT64_C(600) * 1000000)

static volatile sig_atomic_t stop;

static void
stopped(int signal)
{
	(void)signal;
	stop = 1;
}

bool
loop_add(struct tus *t, int fd, struct source *source, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = source };

	return !epoll_ctl(t->epoll, EPOLL_CTL_ADD, fd, &e);
}

void
loop_change(struct tus *t, int fd, struct source *source, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = source };

	epoll_ctl(t->epoll, EPOLL_CTL_MOD, fd, &e);
}

/* NULL stands for the listener. */
static void
listen_if(struct tus *t, bool wanted)
{
	if (t->listening == wanted)
		return;
	t->listening = wanted;
	if (wanted)
		loop_add(t, t->listener, NULL, EPOLLIN);
	else
		epoll_ctl(t->epoll, EPOLL_CTL_DEL, t->listener, NULL);
}

static void
free_conn(struct conn *c)
{
	EVP_MD_CTX_free(c->digest);
	fastcgi_request_deinit(&c->in);
	buf_deinit(&c->headers);
	buf_deinit(&c->out);
	arena_free(c->arena);
	free(c);
}

static void
reap(struct tus *t, int64_t now_us)
{
	for (struct conn **at = &t->conns; *at;) {
		struct conn *c = *at;

		if (c->deadline_us <= now_us)
			conn_end(c);
		if (c->state != CONN_OVER) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		t->conns_n--;
		free_conn(c);
	}
	finish_free_ended(t, now_us);
	tell_end_late(now_us);
}

/* Whoever is sending is told to come back, and has lost nothing; who is with a worker is waited for. */
static void
send_home(struct tus *t)
{
	listen_if(t, false);
	for (struct conn *c = t->conns; c; c = c->next) {
		if (c->state == CONN_RECEIVING)
			conn_refuse(c, UNAVAILABLE);
		else if (c->state == CONN_HEAD)
			conn_end(c);
	}
}

static void
turn(struct tus *t)
{
	struct epoll_event events[EVENTS];
	sigset_t none;
	int n;

	sigemptyset(&none);
	n = epoll_pwait(t->epoll, events, EVENTS, TURN_MS, &none);
	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;

		if (source)
			source->ready(t, source, events[i].events);
		else
			conn_accept(t);
	}
}

static void
loop(struct tus *t, pid_t master)
{
	while ((!stop || t->conns || t->finishes) && getppid() == master) {
		int64_t now = clock_mono_us();

		if (stop)
			send_home(t);
		else
			listen_if(t, t->conns_n < TUS_CONNS_MOST);
		if (now >= t->sweep_us) {
			parcels_sweep(&t->parcels, clock_wall_us());
			t->sweep_us = now + SWEEP_US;
		}
		turn(t);
		reap(t, clock_mono_us());
	}
}

static int
init(struct tus *t, const struct worker_job *job)
{
	const struct conf *conf = job->conf;
	int r;

	daemon_block_term(stopped);
	fail_init(conf->run_dir);
	t->process = arena_new(ARENA_MOST);
	t->conf = conf;
	t->listener = job->listener;
	t->workers = conf_socket(t->process, conf, "media");
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll < 0)
		return fault(-errno);
	tell_open(t, job->stat);
	r = queue_open(conf->media_dir, "queue", conf->media_queue_most, job->bell, &t->queue);
	if (!r)
		r = queue_open(conf->media_dir, "transcode", conf->media_transcode_most, job->transcode_bell, &t->transcode);
	if (r)
		return trace(r);
	return parcels_open(t->process, conf->media_dir, conf->media_min_free_mib << 20, conf->media_tus_hours * HOUR_US,
	                    &t->parcels);
}

static void
deinit(struct tus *t)
{
	for (struct conn *c = t->conns; c; c = c->next)
		conn_end(c);
	reap(t, INT64_MAX);
	parcels_close(&t->parcels);
	queue_close(&t->queue);
	queue_close(&t->transcode);
	close(t->epoll);
	arena_free(t->process);
}

int
tus_run(const struct worker_job *job)
{
	static struct tus t;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	r = init(&t, job);
	if (r) {
		log_fault("start", r, NULL);
		return EXIT_FAILURE;
	}
	loop(&t, job->master);
	deinit(&t);
	return EXIT_SUCCESS;
}
