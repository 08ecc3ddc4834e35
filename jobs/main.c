/*
 * main.c -- peal-jobs: background work. One leader by advisory lock, the others wait for it to go.
 *
 * Every sweep_ms the log is compared with what was published; every hour partitions are made and dropped, and old
 * sessions removed. While PostgreSQL or Redis is away it keeps trying, and says so once.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../lib/base/conf.h"
#include "../lib/base/daemon.h"
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/upkeep.h"
#include "../lib/wire/link.h"
#include "sweep.h"

#define UPKEEP_US            INT64_C(3600000000)
#define UPKEEP_AGAIN_US      INT64_C(60000000)
#define STATEMENT_TIMEOUT_MS 30000

struct jobs {
	struct conf conf;
	struct sweep sweep;
	int64_t generation;  /* of the connection whose lock we asked for */
	int64_t next_upkeep; /* monotonic microseconds */
	bool leader, ready, away;
};

/* A new connection holds no lock: ask again. */
static int
lead(struct jobs *j)
{
	bool leader;
	int r;

	if (j->leader && j->generation == db_generation(j->sweep.db) && db_connected(j->sweep.db))
		return 0;
	r = upkeep_lead(j->sweep.db, j->sweep.arena, &leader);
	if (r)
		return r;
	j->generation = db_generation(j->sweep.db);
	if (leader)
		LOG(NOTICE, "leader");
	sweep_forget(&j->sweep);
	j->leader = leader;
	return 0;
}

static int
upkeep(struct jobs *j)
{
	int64_t made, dropped, removed;
	int r;

	if (clock_mono_us() < j->next_upkeep)
		return 0;
	j->next_upkeep = clock_mono_us() + UPKEEP_AGAIN_US;
	r = upkeep_partitions(j->sweep.db, j->sweep.arena, j->conf.event_retention_days, &made, &dropped);
	if (!r)
		r = upkeep_sessions(j->sweep.db, j->sweep.arena, &removed);
	if (r == RETRY || r == UNCERTAIN) {
		LOG(INFO, "upkeep-later"); /* somebody reads the log for long: its locks are not worth waiting for */
		return 0;
	}
	if (r)
		return r;
	j->next_upkeep = clock_mono_us() + UPKEEP_US;
	LOG(INFO, "upkeep", L_INT("partitions_made", made), L_INT("partitions_dropped", dropped),
	    L_INT("sessions_removed", removed));
	return 0;
}

static void
report(struct jobs *j, int r)
{
	if (r < 0) {
		log_fault("sweep", r, (const struct log_field[]){ { 0 } });
		return;
	}
	if ((r != 0) == j->away)
		return;
	j->away = r != 0;
	if (j->away)
		LOG(WARNING, "away", L_CSTR("why", outcome_info(r)->code));
	else
		LOG(NOTICE, "back");
}

/* Ready means that the database answers and takes events for a week: a standby is as ready as the leader. */
static void
turn(struct jobs *j)
{
	int r = lead(j);

	if (!r && j->leader)
		r = upkeep(j);
	if (!r && !j->ready) {
		daemon_ready();
		j->ready = true;
	}
	if (!r && j->leader)
		r = sweep_once(&j->sweep);
	report(j, r);
	arena_reset(j->sweep.arena);
	daemon_watchdog();
}

/* Waits for the time of the next turn; true when a signal says stop. */
static bool
stopped(int signals, int64_t until)
{
	struct signalfd_siginfo info;
	int64_t left;

	while ((left = until - clock_mono_us()) > 0) {
		struct pollfd p = { .fd = signals, .events = POLLIN };

		if (poll(&p, 1, (int)(left / 1000 + 1)) <= 0)
			continue;
		if (read(signals, &info, sizeof(info)) == sizeof(info) &&
		    (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT))
			return true;
	}
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
	int64_t next = clock_mono_us();
	int signals = daemon_signal_fd();

	if (signals < 0) {
		log_fault("signals", signals, (const struct log_field[]){ { 0 } });
		return EXIT_FAILURE;
	}
	do {
		turn(j);
		next += j->conf.sweep_ms * 1000;
		if (next < clock_mono_us())
			next = clock_mono_us() + j->conf.sweep_ms * 1000;
	} while (!stopped(signals, next));
	daemon_stopping();
	LOG(NOTICE, "stopped", L_INT("republished", j->sweep.republished));
	close(signals);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct arena *forever = arena_new(1 << 20);
	struct jobs j = { 0 };
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
	j.sweep = (struct sweep){ .db = db_new(j.conf.database, "peal-jobs", STATEMENT_TIMEOUT_MS),
		                  .redis = redis_new(j.conf.redis_socket, j.conf.redis_timeout_ms),
		                  .arena = arena_new(256u << 20) };
	status = serve(&j);
	db_free(j.sweep.db);
	redis_free(j.sweep.redis);
	arena_free(j.sweep.arena);
	arena_free(forever);
	return status;
}
