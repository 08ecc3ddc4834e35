/*
 * media/main.c -- peal-media: forks the processes that take uploads, the keeper, and starts the decoders; replaces who dies.
 *
 *     peal-media ---- N workers (media.sock) --\ jobs' sockets
 *         |---------- keeper (keeper.sock)      +--> peal-media-image --> one child per picture
 *         |---------- finishers (the queues) ---+
 *         |---------- tus (tus.sock)            |
 *         |                                     `--> peal-media-av -----> one child per recording
 *         `-- holds both ends of the jobs' sockets, so that neither side's death breaks it
 *
 * SIGTERM: everybody finishes what has begun. SIGHUP: the configuration is read again, and everybody is replaced.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/log.h"
#include "job.h"
#include "metrics.h"
#include "tus/tus.h"
#include "worker.h"

#define SEATS_MAX      1108
#define MS_US          INT64_C(1000)
#define DELAY_LEAST_MS 100
#define DELAY_MOST_MS  5000
#define LIVED_US       (1000 * MS_US) /* who lived this long did not die of starting */
#define DECODER_FD     3

/* The first seats are those of the decoders, by enum decoder; then the keeper's; then that of tus; then the workers'; then those of the queues. */
static const char *const decoder_names[DECODERS] = { [DECODER_IMAGE] = "peal-media-image", [DECODER_AV] = "peal-media-av" };

enum { SEAT_KEEPER = DECODERS, SEAT_TUS, SEAT_WORKERS };

struct seat {
	pid_t pid;
	int64_t started_us, delay_ms, respawn_us;
};

struct master {
	const char *conf_path;
	struct arena *arena;
	struct conf conf;
	struct seat seats[SEATS_MAX];
	size_t seats_n;
	int listeners[ROLES], signals;             /* by enum role */
	int stat;                                  /* metrics.h; -1: nobody can ask */
	int askers[DECODERS], answerers[DECODERS]; /* both ends of the jobs' sockets */
	sigset_t unblocked;
	bool stopping;
	int64_t kill_us;
};

static bool
load(struct master *m)
{
	struct arena *a = arena_new(1 << 20);
	struct conf conf;
	struct buf errors;
	int r;

	buf_init(&errors, 1 << 20);
	r = conf_load(a, m->conf_path, &conf, &errors);
	if (r) {
		fprintf(stderr, "%.*s", (int)errors.n, errors.p ? errors.p : "");
		arena_free(a);
	} else {
		arena_free(m->arena);
		m->arena = a;
		m->conf = conf;
		log_open("peal-media", log_level_of(conf.log_level));
	}
	buf_deinit(&errors);
	return !r;
}

/* Beside our own file, wherever that was installed. */
static bool
decoder_path(const char *name, char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - NAME_MAX);
	char *slash;

	if (n <= 0)
		return false;
	path[n] = 0;
	slash = strrchr(path, '/');
	strcpy(slash + 1, name);
	return true;
}

/* The decoder knows nothing of the configuration and is given no environment but what sanitizers and the journal read. */
static _Noreturn void
become_decoder(struct master *m, enum decoder which)
{
	static const char *const kept[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "JOURNAL_STREAM" };
	char path[PATH_MAX], children[24], behind[24];
	char *argv[] = { (char *)(uintptr_t)decoder_names[which], children, behind, NULL };
	char *env[sizeof(kept) / sizeof(kept[0]) + 1];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (getenv(kept[i]) && asprintf(&env[n], "%s=%s", kept[i], getenv(kept[i])) > 0)
			n++;
	env[n] = NULL;
	snprintf(children, sizeof(children), "%lld", (long long)m->conf.media_decoders);
	snprintf(behind, sizeof(behind), "%lld", (long long)(m->conf.media_queue_workers + m->conf.media_transcode_workers));
	sigprocmask(SIG_SETMASK, &m->unblocked, NULL);
	if (decoder_path(decoder_names[which], path) && dup2(m->answerers[which], DECODER_FD) >= 0 &&
	    !close_range(DECODER_FD + 1, ~0U, 0))
		execve(path, argv, env);
	LOG(ERROR, "decoder_not_started", L_CSTR("path", path), L_CSTR("error", strerror(errno)));
	_exit(EXIT_FAILURE);
}

static enum role
role_of(const struct master *m, size_t seat)
{
	const size_t queue = SEAT_WORKERS + (size_t)m->conf.media_workers,
	             transcode = queue + (size_t)m->conf.media_queue_workers;

	return seat == SEAT_KEEPER ? ROLE_KEEPER
	       : seat == SEAT_TUS  ? ROLE_TUS
	       : seat >= transcode ? ROLE_TRANSCODE
	       : seat >= queue     ? ROLE_QUEUE
	                           : ROLE_UPLOADS;
}

static _Noreturn void
become_worker(struct master *m, enum role role, pid_t master)
{
	const struct worker_job job = {
		.conf = &m->conf,
		.role = role,
		.listener = m->listeners[role],
		.bell = m->listeners[ROLE_QUEUE],
		.transcode_bell = m->listeners[ROLE_TRANSCODE],
		.stat = m->stat,
		.decoders = m->askers,
		.master = master,
	};
	int status;

	close(m->signals);
	for (size_t i = 0; i < DECODERS; i++)
		close(m->answerers[i]);
	for (size_t i = 0; i < ROLES; i++)
		if (i != role && i < ROLE_QUEUE)
			close(m->listeners[i]);
	if (role != ROLE_TUS && m->stat >= 0)
		close(m->stat);
	status = role == ROLE_TUS ? tus_run(&job) : worker_run(&job);
	arena_free(m->arena);
	exit(status);
}

static void
spawn(struct master *m, struct seat *seat, int64_t now)
{
	pid_t master = getpid(), pid = fork();
	size_t which = (size_t)(seat - m->seats);

	seat->started_us = now;
	if (!pid && which < DECODERS)
		become_decoder(m, (enum decoder)which);
	if (!pid)
		become_worker(m, role_of(m, which), master);
	if (pid > 0) {
		seat->pid = pid;
		return;
	}
	LOG(ERROR, "fork", L_CSTR("error", strerror(errno)));
	seat->respawn_us = now + DELAY_MOST_MS * MS_US;
}

/* As many seats as the configuration says; those beyond it stay empty when their process has gone. */
static void
place_seats(struct master *m)
{
	m->seats_n = SEAT_WORKERS + (size_t)m->conf.media_workers + (size_t)m->conf.media_queue_workers +
	             (size_t)m->conf.media_transcode_workers;
}

static void
fill_seats(struct master *m, int64_t now)
{
	for (size_t i = 0; i < m->seats_n && !m->stopping; i++)
		if (!m->seats[i].pid && m->seats[i].respawn_us <= now)
			spawn(m, &m->seats[i], now);
}

static void
lost(struct master *m, struct seat *seat, int status, int64_t now)
{
	bool fast = now - seat->started_us < LIVED_US,
	     asked = m->stopping && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;

	/* one that was asked to stop before it had come to listen for that dies of the asking */
	if (WIFSIGNALED(status) && !asked)
		LOG(ERROR, "process_lost", L_INT("pid", seat->pid), L_INT("signal", WTERMSIG(status)));
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		LOG(ERROR, "process_lost", L_INT("pid", seat->pid), L_INT("status", WEXITSTATUS(status)));
	if (status && !asked)
		metrics_add(&metrics->processes_lost, 1);
	seat->pid = 0;
	seat->delay_ms = !fast ? 0 : seat->delay_ms ? seat->delay_ms * 2 : DELAY_LEAST_MS;
	if (seat->delay_ms > DELAY_MOST_MS)
		seat->delay_ms = DELAY_MOST_MS;
	seat->respawn_us = m->stopping ? INT64_MAX : now + seat->delay_ms * MS_US;
}

static bool
reap(struct master *m, int64_t now)
{
	bool any = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < SEATS_MAX; i++)
			if (m->seats[i].pid == pid)
				lost(m, &m->seats[i], status, now);
	for (size_t i = 0; i < SEATS_MAX; i++)
		any |= m->seats[i].pid > 0;
	return any;
}

static void
tell_all(struct master *m, int signal)
{
	for (size_t i = 0; i < SEATS_MAX; i++)
		if (m->seats[i].pid)
			kill(m->seats[i].pid, signal);
}

/* Workers that still have an upload in work need the decoders: these go when they have no child left, those when they are done. */
static void
begin_stop(struct master *m, int64_t now)
{
	if (m->stopping)
		return;
	m->stopping = true;
	m->kill_us = now + m->conf.drain_seconds * 1000 * MS_US;
	daemon_stopping();
	for (size_t i = DECODERS; i < SEATS_MAX; i++)
		if (m->seats[i].pid)
			kill(m->seats[i].pid, SIGTERM);
}

static bool
workers_left(const struct master *m)
{
	for (size_t i = DECODERS; i < SEATS_MAX; i++)
		if (m->seats[i].pid)
			return true;
	return false;
}

static void
stop_decoders(struct master *m)
{
	for (size_t i = 0; i < DECODERS; i++)
		if (m->seats[i].pid)
			kill(m->seats[i].pid, SIGTERM);
}

static void
reload(struct master *m)
{
	daemon_reloading();
	if (load(m)) {
		place_seats(m);
		tell_all(m, SIGTERM);
	} else {
		LOG(ERROR, "configuration_kept", L_CSTR("path", m->conf_path));
	}
	daemon_ready();
}

static void
take_signals(struct master *m, int64_t now)
{
	struct signalfd_siginfo info;

	while (read(m->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			begin_stop(m, now);
		else if (info.ssi_signo == SIGHUP && !m->stopping)
			reload(m);
	}
}

static void
loop(struct master *m)
{
	struct pollfd p = { .fd = m->signals, .events = POLLIN };

	for (;;) {
		int64_t now = clock_mono_us();

		take_signals(m, now);
		if (!reap(m, now) && m->stopping)
			return;
		if (m->stopping && !workers_left(m))
			stop_decoders(m);
		if (m->stopping && now > m->kill_us)
			tell_all(m, SIGKILL);
		fill_seats(m, now);
		daemon_watchdog();
		poll(&p, 1, m->stopping ? 50 : 500);
	}
}

/* Nobody's upload waits because the numbers cannot be shown. */
static void
open_stat(struct master *m)
{
	int r = daemon_listen("stat-media", conf_socket(m->arena, &m->conf, "stat-media"), &m->stat);

	if (!r)
		return;
	m->stat = -1;
	log_fault("metrics", r, NULL);
	err_clear();
}

static int
open_all(struct master *m)
{
	static const char *const sockets[ROLES] = { [ROLE_UPLOADS] = "media", [ROLE_KEEPER] = "keeper", [ROLE_TUS] = "tus" };

	sigprocmask(SIG_SETMASK, NULL, &m->unblocked);
	m->signals = daemon_signal_fd();
	if (m->signals < 0)
		return trace(m->signals);
	for (size_t i = 0; i < DECODERS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
			return fault(-errno);
		m->askers[i] = pair[0];
		m->answerers[i] = pair[1];
	}
	for (size_t i = ROLE_QUEUE; i < ROLES; i++) {
		m->listeners[i] = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
		if (m->listeners[i] < 0)
			return fault(-errno);
	}
	for (size_t i = 0; i < ROLE_QUEUE; i++) {
		int r = daemon_listen(sockets[i], conf_socket(m->arena, &m->conf, sockets[i]), &m->listeners[i]);

		if (r)
			return trace(r);
	}
	return 0;
}

static int
usage(FILE *to, int status)
{
	fputs("usage: peal-media -c FILE    take uploads, with this configuration\n", to);
	return status;
}

int
main(int argc, char **argv)
{
	static struct master m;
	int r;

	log_open("peal-media", LOG_LEVEL_INFO);
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout, EXIT_SUCCESS);
	if (argc != 3 || strcmp(argv[1], "-c"))
		return usage(stderr, EXIT_FAILURE);
	m.conf_path = argv[2];
	if (!load(&m))
		return EXIT_FAILURE;
	if (!metrics_init())
		return EXIT_FAILURE;
	open_stat(&m);
	r = open_all(&m);
	if (r) {
		log_fault("start", r, NULL);
		return EXIT_FAILURE;
	}
	place_seats(&m);
	fill_seats(&m, clock_mono_us());
	daemon_ready();
	LOG(INFO, "ready", L_INT("workers", m.conf.media_workers), L_INT("decoders", m.conf.media_decoders));
	loop(&m);
	arena_free(m.arena);
	return EXIT_SUCCESS;
}
