/* fcgi/worker.c -- the loop of a worker: take a connection, serve one request, close. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/fail.h"
#include "base/io.h"
#include "base/log.h"
#include "auth.h"
#include "dispatch.h"
#include "wire/problem.h"
#include "worker.h"

#define KIB(n)          ((size_t)(n)*1024)
#define MIB(n)          ((size_t)(n) << 20)
#define ARENA_MOST      MIB(512)
#define REPLY_MOST      MIB(64)
#define HEADERS_MOST    KIB(16)
#define SHARE_JITTER    10   /* per cent of requests_per_worker, so that a pool is not replaced at one moment */
#define HANGUP_AFTER_MS 100  /* a request younger than this is not worth a look at whether anybody waits for it */
#define NAP_MS          1000 /* the longest sleep: then the listeners and the master are looked at without being asked to */

const char *const door_names[DOOR_N] = { "fast", "slow", "auth", "command", "feed", "upload" };
const enum pool door_pools[DOOR_N] = {
	[DOOR_FAST] = POOL_FAST, [DOOR_SLOW] = POOL_SLOW,    [DOOR_AUTH] = POOL_AUTH,
	[DOOR_FEED] = POOL_FEED, [DOOR_COMMAND] = POOL_FAST, [DOOR_UPLOAD] = POOL_FAST,
};

struct worker {
	const struct worker_job *job;
	const struct conf *conf;
	struct service service;
	struct req req;
	struct io io;
	int epoll;
	int64_t share; /* requests until this worker is replaced */
};

static void
woken(int signal)
{
	(void)signal; /* it has ended the sleep; slot->stop says what for */
}

/* EPOLLEXCLUSIVE: a connection wakes one sleeping worker, the one that slept last, instead of all of them. */
static void
open_doors(struct worker *w)
{
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (enum door door = 0; door < DOOR_N; door++) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.u32 = door };

		if (door_pools[door] == w->job->pool)
			epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->job->listeners[door], &event);
		else if (w->job->listeners[door] >= 0)
			close(w->job->listeners[door]);
	}
}

static size_t
body_most(const struct conf *conf)
{
	size_t message = KIB(conf->max_message_body_kib), feed = KIB(conf->push_max_frame_kib + conf->max_body_kib);

	return message > feed ? message : feed;
}

static int64_t
share(const struct conf *conf)
{
	uint32_t random;
	int64_t jitter = conf->requests_per_worker * SHARE_JITTER / 100;

	bytes_random(&random, sizeof(random));
	return conf->requests_per_worker - jitter + (jitter ? random % (2 * jitter) : 0);
}

static void
init(struct worker *w, const struct worker_job *job)
{
	const struct conf *conf = &job->generation->conf;

	*w = (struct worker){ .job = job, .conf = conf, .share = share(conf) };
	io_init(&w->io, body_most(conf)); /* libfcgi sets signal handlers of its own: ours come after */
	daemon_block_term(woken);
	log_open("peal-fcgi", log_level_of(conf->log_level));
	fail_init(conf->run_dir);
	open_doors(w);
	w->service = (struct service){
		.conf = conf,
		.keys = job->generation->keys,
		.issuers = job->generation->issuers,
		.refresh_key = job->generation->refresh_key,
		.factor_key = job->generation->factor_key,
		.turn_secret = job->generation->turn_secret,
		.vapid_public = job->generation->vapid_public,
		.db = db_new(conf->database, "peal-fcgi", conf->statement_timeout_ms),
		.redis = redis_new(conf_redis(conf), conf->redis_password_file, conf->redis_timeout_ms),
		.rates = &job->board->rates,
		.revoked = &job->board->revoked,
		.arena = arena_new(ARENA_MOST),
	};
	w->req.service = &w->service;
	w->req.conf = conf;
	w->req.db = w->service.db;
	w->req.redis = w->service.redis;
	w->req.arena = w->service.arena;
	buf_init(&w->req.headers, HEADERS_MOST);
	buf_init(&w->req.out, REPLY_MOST);
	(void)db_connect(w->service.db); /* a database that is away is the requests' problem, and theirs to report */
}

static void
deinit(struct worker *w)
{
	buf_deinit(&w->req.headers);
	buf_deinit(&w->req.out);
	arena_reset(w->service.arena);
	db_free(w->service.db);
	redis_free(w->service.redis);
	arena_free(w->service.arena);
	io_deinit(&w->io);
	close(w->epoll);
}

/* Milliseconds since the front server got the request; 0 when it did not say. */
static int64_t
age_ms(const struct req *req)
{
	struct str at = req_param(req, "PEAL_START"), seconds = str_cut(&at, '.');
	int64_t s, ms, age;

	if (!str_int64(seconds, &s) || at.n != 3 || s < 0 || s > INT32_MAX * INT64_C(100))
		return 0;
	ms = strtol(at.p, NULL, 10); /* parameters end with NUL */
	age = clock_wall_us() / 1000 - (s * 1000 + ms);
	return age > 0 ? age : 0;
}

static bool
abandoned(const struct worker *w, int64_t age)
{
	return age > HANGUP_AFTER_MS && io_peer_gone(&w->io);
}

static void
answer(struct worker *w, int64_t began)
{
	int64_t age = age_ms(&w->req), statements;
	struct req *req = &w->req;
	bool written;
	int r;

	if (abandoned(w, age)) {
		LOG(INFO, "abandoned", L_STR("id", req->id), L_INT("age_ms", age));
		return;
	}
	auth_keep_up(&w->service, clock_mono_us());
	statements = db_statements(w->service.db);
	r = age > w->conf->shed_after_ms ? dispatch_refuse(req, OVERLOADED) : dispatch(req);
	written = io_write(&w->io, req->status, problem_title(req->status), buf_view(&req->headers), buf_view(&req->out));
	dispatch_log(req, r, clock_mono_us() - began, db_statements(w->service.db) - statements, written);
}

static void
serve(struct worker *w, enum door door, int fd)
{
	int64_t began = clock_mono_us();
	struct req *req = &w->req;

	slot_busy(w->job->slot, began);
	if (io_read(&w->io, fd, &req->body, &req->body_cut)) {
		req->door = door;
		req->params = w->io.fcgi.envp;
		dispatch_begin(req);
		slot_request(w->job->slot, req->id);
		answer(w, began);
		io_close(&w->io);
	}
	slot_idle(w->job->slot);
	w->share--;
}

/* One connection, from the doors in turn; waits for one unless `stop`. False when none came. */
static bool
serve_next(struct worker *w, bool stop)
{
	struct epoll_event event;
	sigset_t none;
	int fd;

	sigemptyset(&none);
	if (epoll_pwait(w->epoll, &event, 1, stop ? 0 : NAP_MS, &none) <= 0)
		return false;
	fd = io_accept(w->job->listeners[event.data.u32]);
	if (fd >= 0)
		serve(w, event.data.u32, fd);
	return fd >= 0;
}

static bool
told_to_stop(const struct worker *w)
{
	return atomic_load(&w->job->slot->stop);
}

/*
 * Who is told to stop looks at the doors once more: a connection may have woken this worker and no other. When the service
 * ends nobody else will come, so it stays until nothing is queued.
 */
static int
loop(struct worker *w)
{
	for (;;) {
		bool stop = told_to_stop(w), served = serve_next(w, stop);

		if (getppid() != w->job->master)
			return WORKER_ORPHANED;
		if (w->share <= 0 || (stop && !(served && atomic_load(&w->job->board->stopping))))
			return WORKER_DONE;
	}
}

/*
 * Hashing may use what is left of the processors. Linux shares them out to sessions first (sched(7), autogroup), so that niceness alone
 * would only put these workers behind the other ones, and let them use up the time that is theirs. Under systemd they have a unit of their
 * own, whose weight decides.
 */
static void
stand_back(int64_t nice)
{
	FILE *f;

	setpriority(PRIO_PROCESS, 0, (int)nice);
	if (setsid() < 0)
		return;
	f = fopen("/proc/self/autogroup", "we"); /* without autogroups there is no such file */
	if (f) {
		fprintf(f, "%d\n", (int)nice);
		fclose(f);
	}
}

void
worker_run(const struct worker_job *job)
{
	struct worker *w = calloc(1, sizeof(*w));
	uint64_t one = 1;
	int status;

	if (!w)
		abort();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (job->pool == POOL_AUTH)
		stand_back(job->generation->conf.auth_nice);
	init(w, job);
	slot_idle(job->slot);
	if (write(job->started_fd, &one, sizeof(one)) < 0)
		abort();
	status = loop(w);
	deinit(w);
	free(w);
	exit(status);
}
