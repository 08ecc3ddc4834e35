/*
 * main.c -- peal-jobs: background work. One leader by advisory lock, the others wait for it to go.
 *
 * What there is to do is the table of duties, each with its interval. While PostgreSQL or Redis is away a duty keeps trying, and says so
 * once.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../lib/base/daemon.h"
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/upkeep.h"
#include "../lib/wire/link.h"
#include "metrics.h"

#define STATEMENT_TIMEOUT_MS 30000

/* The log has to take events before anything else: the first duty is what readiness waits for. */
static const struct duty {
	const char *name;
	duty_fn *fn;
	int64_t interval; /* microseconds; 0: the duty says */
	int64_t again;    /* after it could not be done */
} duties[] = {
	{ "partitions", partitions_duty, SECONDS(3600), SECONDS(60) },
	{ "schedule", schedule_duty, MS(500), MS(500) },
	{ "sweep", sweep_duty, 0, 0 },
	{ "calls", calls_duty, SECONDS(1), SECONDS(1) },
	{ "search", search_duty, MS(200), MS(500) },
	{ "notify", notify_duty, MS(250), MS(500) },
	{ "expiry", expiry_duty, 0, SECONDS(1) },
	{ "erasure", erasure_duty, MS(500), SECONDS(1) },
	{ "export", export_duty, MS(500), SECONDS(1) },
	{ "ageing", ageing_duty, SECONDS(3600), SECONDS(10) },
	{ "reports", reports_duty, SECONDS(3600), SECONDS(60) },
	{ "keys", keys_duty, SECONDS(3600), SECONDS(60) },
};
#define DUTIES (sizeof(duties) / sizeof(*duties))
_Static_assert(DUTIES <= METRICS_DUTIES, "each has its numbers");

struct jobs {
	struct conf conf;
	struct work work;
	int64_t generation; /* of the connection whose lock we asked for */
	struct {
		int64_t next; /* monotonic microseconds */
		bool away;
	} state[DUTIES];
	bool leader, ready, away;
	int signals, stat; /* stat: of who asks for metrics; -1: another process of this host has it */
	const char *stat_path;
};

/* Of several on one host the leader tells its numbers; until there is one, whoever was first. */
static int
listen_for_metrics(struct jobs *j)
{
	int r = j->stat < 0 ? daemon_listen("stat-jobs", j->stat_path, &j->stat) : 0;

	return r == -EADDRINUSE ? 0 : r;
}

/* A new connection holds no lock. */
static bool
leads(const struct jobs *j)
{
	return j->leader && j->generation == db_generation(j->work.db) && db_connected(j->work.db);
}

/* Asks for the lock, where it is not ours. */
static int
lead(struct jobs *j)
{
	struct work *w = &j->work;
	bool leader;
	int r;

	if (leads(j))
		return 0;
	r = upkeep_lead(w->db, w->arena, &leader);
	if (r)
		return r;
	j->generation = db_generation(w->db);
	if (leader)
		LOG(NOTICE, "leader");
	w->sweep.xid = 0; /* somebody else may have swept meanwhile: it is read from Redis again */
	j->leader = leader;
	return 0;
}

/* Says once that something is away, and once that it is back. */
static void
report(const char *what, bool *away, int r)
{
	if (r < 0)
		log_fault(what, r, (const struct log_field[]){ { 0 } });
	else if ((r != 0) == *away)
		return;
	else if (r)
		LOG(WARNING, "away", L_CSTR("what", what), L_CSTR("why", outcome_info(r)->code));
	else
		LOG(NOTICE, "back", L_CSTR("what", what));
	*away = r > 0;
}

/* RETRY: somebody holds what it needs, and it is not worth waiting for. */
static void
run(struct jobs *j, size_t i)
{
	int64_t wait = duties[i].interval, began = clock_mono_us();
	int r = duties[i].fn(&j->work, &wait);

	metrics_batch(i, duties[i].name, (double)(clock_mono_us() - began) / 1e6, !r);
	if (r)
		wait = duties[i].again ? duties[i].again : MS(j->conf.sweep_ms);
	if (r == RETRY || r == UNCERTAIN)
		LOG(INFO, "later", L_CSTR("what", duties[i].name));
	else
		report(duties[i].name, &j->state[i].away, r);
	if (i == 0 && (!r || r == RETRY))
		j->ready = true;
	j->state[i].next = clock_mono_us() + wait;
	arena_reset(j->work.arena);
}

/* Does what is due; returns when the next turn is. A standby only asks whether it may lead. */
static int64_t
turn(struct jobs *j)
{
	int64_t next = clock_mono_us() + MS(j->conf.sweep_ms);
	bool was_ready = j->ready;
	int r = lead(j);

	report("leadership", &j->away, r);
	if (!r && j->leader)
		listen_for_metrics(j);
	arena_reset(j->work.arena);
	for (size_t i = 0; !r && j->leader && i < DUTIES; i++) {
		if (j->state[i].next <= clock_mono_us())
			run(j, i);
	}
	for (size_t i = 0; !r && j->leader && i < DUTIES; i++)
		next = j->state[i].next < next ? j->state[i].next : next;
	j->ready = j->ready || (!r && !j->leader);
	if (j->ready && !was_ready)
		daemon_ready();
	daemon_watchdog();
	return next;
}

/*
 * Waits for the time of the next turn, and answers who asks for metrics; true when a signal says stop. It looks for both even when there is
 * no time to wait.
 */
static bool
stopped(struct jobs *j, int64_t until)
{
	struct signalfd_siginfo info;
	int64_t left;

	do {
		struct pollfd p[] = { { .fd = j->signals, .events = POLLIN }, { .fd = j->stat, .events = POLLIN } };

		left = until - clock_mono_us();
		if (poll(p, 2, left > 0 ? (int)(left / 1000 + 1) : 0) <= 0)
			continue;
		if (p[0].revents && read(j->signals, &info, sizeof(info)) == sizeof(info) &&
		    (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT))
			return true;
		if (p[1].revents)
			metrics_serve(j->stat, &j->work, leads(j));
	} while (left > 0);
	return false;
}

static int
level_of(const char *word)
{
	static const char *const words[] = { "error", "warning", "notice", "info", "debug" };

	for (int i = 0; i < 5; i++)
		if (!strcmp(word, words[i]))
			return LOG_LEVEL_ERROR + i;
	return LOG_LEVEL_INFO;
}

/* What is republished shows links to pictures. */
static int
open_links(const struct conf *conf)
{
	int r = link_open(conf->media_link_secret_file);

	if (r)
		LOG(ERROR, "media_link_secret", L_CSTR("file", conf->media_link_secret_file));
	return r;
}

static int
load(struct jobs *j, struct arena *arena, const char *path)
{
	struct buf errors;
	int r;

	buf_init(&errors, 1 << 16);
	r = conf_load(arena, path, &j->conf, &errors);
	if (r)
		fprintf(stderr, "%.*s", STR_ARG(buf_view(&errors)));
	else
		r = open_links(&j->conf);
	buf_deinit(&errors);
	return r;
}

static int
serve(struct jobs *j)
{
	int64_t next;
	int r = listen_for_metrics(j);

	j->signals = daemon_signal_fd();
	if (r || j->signals < 0) {
		r = r ? r : j->signals;
		log_fault("sockets", r, (const struct log_field[]){ { 0 } });
		return EXIT_FAILURE;
	}
	do {
		next = turn(j);
	} while (!stopped(j, next));
	daemon_stopping();
	LOG(NOTICE, "stopped", L_INT("republished", j->work.sweep.republished));
	close(j->signals);
	if (j->stat >= 0)
		close(j->stat);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct arena *forever = arena_new(1 << 20);
	struct jobs j = { .stat = -1 };
	int status;

	log_open("peal-jobs", LOG_LEVEL_INFO);
	if (argc != 3 || strcmp(argv[1], "-c")) {
		bool asked = argc == 2 && !strcmp(argv[1], "--help");

		fputs("usage: peal-jobs -c FILE     work in the background, with this configuration\n",
		      asked ? stdout : stderr);
		arena_free(forever);
		return asked ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	if (load(&j, forever, argv[2])) {
		arena_free(forever);
		return EXIT_FAILURE;
	}
	log_open("peal-jobs", (enum log_level)level_of(j.conf.log_level));
	fail_init(j.conf.run_dir);
	j.work = (struct work){ .conf = &j.conf,
		                .db = db_new(j.conf.database, "peal-jobs", STATEMENT_TIMEOUT_MS),
		                .redis = redis_new(conf_redis(&j.conf), j.conf.redis_password_file, j.conf.redis_timeout_ms),
		                .arena = arena_new(512u << 20),
		                .search = { .scratch = arena_new(64u << 20) } };
	j.work.notify.socket = conf_socket(forever, &j.conf, "egress");
	j.stat_path = conf_socket(forever, &j.conf, "stat-jobs");
	status = notify_open(&j.work) ? serve(&j) : EXIT_FAILURE;
	notify_close(&j.work);
	db_free(j.work.db);
	redis_free(j.work.redis);
	arena_free(j.work.search.scratch);
	arena_free(j.work.arena);
	arena_free(forever);
	return status;
}
