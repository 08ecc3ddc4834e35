/* fcgi/master.c -- the master: forks workers, replaces them, changes generations, ends. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/log.h"
#include "master.h"
#include "worker.h"

#define MS_US                 INT64_C(1000)
#define SECOND_US             INT64_C(1000000)
#define DELAY_LEAST_MS        100
#define DELAY_MOST_MS         5000
#define GENERATION_TIMEOUT_US (30 * SECOND_US)
#define TURN_MS               500       /* between two looks at the workers when nothing happens */
#define TURN_BUSY_MS          20        /* while workers start or end */
#define LOOK_US               SECOND_US /* between two looks at the files of issuers */

struct seat {
	int generation; /* 0: the seat is free */
	enum pool pool;
	pid_t pid; /* 0: nobody sits here now */
	int64_t started_us;
	int64_t delay_ms, respawn_us; /* the last pause before a replacement, and when it ends */
	int64_t kill_us;              /* told to stop; not waited for after this; 0: not told */
	bool killed;
};

struct master {
	const char *conf_path;
	const bool *pools; /* ours */
	struct board *board;
	struct seat *seats; /* seats[i] writes board->slots[i] */
	int listeners[DOOR_N];
	bool passed; /* the sockets are systemd's, and outlive us */
	int signals, started;
	struct generation *current, *next; /* next: starting, to take over from current */
	int64_t next_until_us, look_us;
	int generations;
	bool ready, reload, stopping;
};

static bool
seated(const struct seat *seat, const struct generation *g)
{
	return g && seat->generation == g->number && !seat->kill_us;
}

static _Noreturn void
become_worker(struct master *m, size_t i, const struct generation *g, pid_t master)
{
	const struct worker_job job = {
		.generation = g,
		.pool = m->seats[i].pool,
		.listeners = m->listeners,
		.board = m->board,
		.slot = &m->board->slots[i],
		.master = master,
		.started_fd = m->started,
	};

	close(m->signals);
	worker_run(&job);
}

static void
spawn(struct master *m, size_t i, const struct generation *g, int64_t now)
{
	struct seat *seat = &m->seats[i];
	pid_t master = getpid(), pid;

	slot_clear(&m->board->slots[i]);
	seat->started_us = now;
	seat->killed = false;
	pid = fork();
	if (!pid)
		become_worker(m, i, g, master);
	if (pid > 0) {
		seat->pid = pid;
		return;
	}
	LOG(ERROR, "fork", L_CSTR("error", strerror(errno)));
	seat->respawn_us = now + DELAY_MOST_MS * MS_US;
}

static int64_t
workers(const struct master *m, const struct generation *g, enum pool pool)
{
	return m->pools[pool] ? generation_workers(g, pool) : 0;
}

static void
fill_pool(struct master *m, const struct generation *g, enum pool pool, int64_t now)
{
	int64_t want = workers(m, g, pool);

	for (size_t i = 0; i < BOARD_SLOTS && want; i++) {
		if (m->seats[i].generation)
			continue;
		m->seats[i] = (struct seat){ .generation = g->number, .pool = pool };
		spawn(m, i, g, now);
		want--;
	}
}

static void
start_generation(struct master *m, const struct generation *g, int64_t now)
{
	for (enum pool pool = 0; pool < POOL_N; pool++)
		fill_pool(m, g, pool, now);
}

static bool
generation_up(const struct master *m, const struct generation *g)
{
	for (size_t i = 0; i < BOARD_SLOTS; i++)
		if (seated(&m->seats[i], g) && (!m->seats[i].pid || atomic_load(&m->board->slots[i].state) < WORKER_IDLE))
			return false;
	return true;
}

/* Each worker finishes its request and exits; seats that nobody sits on are free at once. */
static void
stop_generation(struct master *m, const struct generation *g, int64_t now)
{
	int64_t until = now + m->current->conf.drain_seconds * SECOND_US;

	for (size_t i = 0; i < BOARD_SLOTS; i++) {
		struct seat *seat = &m->seats[i];

		if (!seated(seat, g))
			continue;
		if (!seat->pid) {
			*seat = (struct seat){ 0 };
			continue;
		}
		seat->kill_us = until;
		atomic_store(&m->board->slots[i].stop, 1);
		kill(seat->pid, SIGTERM);
	}
}

static struct seat *
seat_of(struct master *m, pid_t pid)
{
	for (size_t i = 0; i < BOARD_SLOTS; i++)
		if (m->seats[i].generation && m->seats[i].pid == pid)
			return &m->seats[i];
	return NULL;
}

static void
log_death(const struct master *m, const struct seat *seat, int status)
{
	const struct slot *slot = &m->board->slots[seat - m->seats];

	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_DONE)
		LOG(DEBUG, "worker_done", L_CSTR("pool", pool_names[seat->pool]), L_INT("pid", seat->pid),
		    L_INT("served", atomic_load(&slot->served)));
	else
		LOG(WARNING, "worker_died", L_CSTR("pool", pool_names[seat->pool]), L_INT("pid", seat->pid),
		    L_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
		    L_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : 0), L_CSTR("id", slot->request_id));
}

/* A worker that served its share is replaced at once; one that died, after a pause that grows while that does not help. */
static int64_t
pause_ms(const struct seat *seat, int status, int64_t now)
{
	int64_t doubled = seat->delay_ms ? 2 * seat->delay_ms : DELAY_LEAST_MS;

	if (now - seat->started_us < SECOND_US)
		return doubled < DELAY_MOST_MS ? doubled : DELAY_MOST_MS;
	return WIFEXITED(status) && WEXITSTATUS(status) == WORKER_DONE ? 0 : DELAY_LEAST_MS;
}

static void
vacate(struct master *m, struct seat *seat, int status, int64_t now)
{
	log_death(m, seat, status);
	if (seat->kill_us) {
		*seat = (struct seat){ 0 };
		return;
	}
	seat->pid = 0;
	seat->delay_ms = pause_ms(seat, status, now);
	seat->respawn_us = now + seat->delay_ms * MS_US;
}

/* A connection wakes one worker. If it woke the one that has died, another must look at the doors. */
static void
nudge(const struct master *m, enum pool pool)
{
	for (size_t i = 0; i < BOARD_SLOTS; i++) {
		const struct seat *seat = &m->seats[i];

		if (seat->generation && seat->pool == pool && seat->pid &&
		    atomic_load(&m->board->slots[i].state) == WORKER_IDLE) {
			kill(seat->pid, SIGTERM); /* without slot->stop it only wakes */
			return;
		}
	}
}

static void
reap(struct master *m, int64_t now)
{
	struct seat *seat;
	enum pool pool;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		seat = seat_of(m, pid);
		if (!seat)
			continue;
		pool = seat->pool;
		vacate(m, seat, status, now);
		if (WIFSIGNALED(status))
			nudge(m, pool);
	}
}

static void
kill_worker(struct master *m, struct seat *seat, const char *why)
{
	LOG(WARNING, why, L_CSTR("pool", pool_names[seat->pool]), L_INT("pid", seat->pid),
	    L_CSTR("id", m->board->slots[seat - m->seats].request_id));
	kill(seat->pid, SIGKILL);
	seat->killed = true;
}

static void
look_after(struct master *m, struct seat *seat, int64_t now)
{
	int64_t busy = slot_busy_us(&m->board->slots[seat - m->seats], now);

	if (seat->killed)
		return;
	if (seat->kill_us && now >= seat->kill_us)
		kill_worker(m, seat, "worker_not_drained");
	else if (busy > m->current->conf.request_timeout_seconds * SECOND_US)
		kill_worker(m, seat, "worker_stuck");
}

static void
look_after_all(struct master *m, int64_t now)
{
	for (size_t i = 0; i < BOARD_SLOTS; i++) {
		struct seat *seat = &m->seats[i];

		if (!seat->generation)
			continue;
		if (seat->pid)
			look_after(m, seat, now);
		else if (now >= seat->respawn_us)
			spawn(m, i, seated(seat, m->next) ? m->next : m->current, now);
	}
}

static void
begin_reload(struct master *m, int64_t now)
{
	m->reload = false;
	daemon_reloading();
	if (generation_load(m->conf_path, m->generations + 1, &m->next)) {
		LOG(ERROR, "reload_refused", L_INT("generation", m->current->number));
		daemon_ready();
		return;
	}
	m->generations++;
	m->next_until_us = now + GENERATION_TIMEOUT_US;
	start_generation(m, m->next, now);
}

static void
end_reload(struct master *m, struct generation *keep, struct generation *leave, int64_t now)
{
	LOG(NOTICE, keep == m->next ? "reloaded" : "reload_failed", L_INT("generation", keep->number));
	stop_generation(m, leave, now);
	m->current = keep;
	m->next = NULL;
	generation_free(leave);
	daemon_ready();
}

static void
change_generation(struct master *m, int64_t now)
{
	if (m->next && generation_up(m, m->next))
		end_reload(m, m->next, m->current, now);
	else if (m->next && now >= m->next_until_us)
		end_reload(m, m->current, m->next, now);
	else if (!m->next && m->reload && m->ready)
		begin_reload(m, now);
}

/* A new key of an issuer, or a new issuer, needs nobody who says so. */
static void
look_at_issuers(struct master *m, int64_t now)
{
	if (m->next || now < m->look_us)
		return;
	m->look_us = now + LOOK_US;
	if (!issuers_changed(m->current->issuers))
		return;
	LOG(NOTICE, "issuers_changed");
	m->reload = true;
}

static void
check_ready(struct master *m)
{
	if (m->ready || !generation_up(m, m->current))
		return;
	m->ready = true;
	LOG(NOTICE, "ready", L_INT("fast", workers(m, m->current, POOL_FAST)),
	    L_INT("slow", workers(m, m->current, POOL_SLOW)), L_INT("auth", workers(m, m->current, POOL_AUTH)),
	    L_INT("feed", workers(m, m->current, POOL_FEED)));
	daemon_ready();
}

/* Sockets of our own go first, so that nothing new is queued; what is queued already is still served. */
static void
begin_stop(struct master *m, int64_t now)
{
	if (m->stopping)
		return;
	m->stopping = true;
	LOG(NOTICE, "stopping");
	daemon_stopping();
	for (enum door door = 0; door < DOOR_N; door++) {
		if (m->listeners[door] < 0)
			continue;
		if (!m->passed)
			unlink(conf_socket(m->current->arena, &m->current->conf, door_names[door]));
		close(m->listeners[door]);
	}
	atomic_store(&m->board->stopping, !m->passed);
	stop_generation(m, m->next, now);
	stop_generation(m, m->current, now);
}

static void
take_signals(struct master *m, int64_t now)
{
	struct signalfd_siginfo info;

	while (read(m->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			m->reload = true;
		else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			begin_stop(m, now);
	}
}

static void
turn(struct master *m, int64_t now)
{
	take_signals(m, now);
	reap(m, now);
	look_after_all(m, now);
	daemon_watchdog();
	if (m->stopping)
		return;
	check_ready(m);
	look_at_issuers(m, now);
	change_generation(m, now);
}

/* Is somebody starting or leaving, so that the next look should not wait long? And is anybody left at all? */
static bool
changing(const struct master *m, bool *ret_empty)
{
	bool change = m->stopping || m->next || m->reload || !m->ready;

	*ret_empty = true;
	for (size_t i = 0; i < BOARD_SLOTS; i++) {
		const struct seat *seat = &m->seats[i];

		if (!seat->generation)
			continue;
		*ret_empty = false;
		change |= !seat->pid || seat->kill_us;
	}
	return change;
}

static void
sleep_until_something(struct master *m, int timeout_ms)
{
	struct pollfd p[] = { { .fd = m->signals, .events = POLLIN }, { .fd = m->started, .events = POLLIN } };
	uint64_t count;

	poll(p, 2, timeout_ms);
	if (p[1].revents && read(m->started, &count, sizeof(count)) < 0)
		return; /* another turn will see it */
}

static void
loop(struct master *m)
{
	for (;;) {
		bool empty, change;

		turn(m, clock_mono_us());
		change = changing(m, &empty);
		if (m->stopping && empty)
			return;
		sleep_until_something(m, change ? TURN_BUSY_MS : TURN_MS);
	}
}

static int
open_listeners(struct master *m)
{
	struct generation *g = m->current;

	m->passed = getenv("LISTEN_FDS") != NULL;
	for (enum door door = 0; door < DOOR_N; door++) {
		const char *path = conf_socket(g->arena, &g->conf, door_names[door]);
		int r = 0;

		m->listeners[door] = -1;
		if (m->pools[door_pools[door]])
			r = daemon_listen(door_names[door], path, &m->listeners[door]);
		if (r) {
			LOG(ERROR, "listen", L_CSTR("path", path), L_CSTR("error", strerror(-r)));
			err_clear();
			return r;
		}
	}
	return 0;
}

static int
init(struct master *m, const char *conf_path, const bool pools[POOL_N])
{
	int r;

	*m = (struct master){ .conf_path = conf_path, .pools = pools, .generations = 1 };
	m->signals = daemon_signal_fd();
	m->started = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->board = board_new();
	m->seats = calloc(BOARD_SLOTS, sizeof(*m->seats));
	if (m->started < 0 || !m->board || !m->seats)
		return fault(-ENOMEM);
	r = generation_load(conf_path, 1, &m->current);
	if (r)
		return r;
	log_open("peal-fcgi", log_level_of(m->current->conf.log_level));
	return open_listeners(m);
}

static void
deinit(struct master *m)
{
	generation_free(m->next);
	generation_free(m->current);
	free(m->seats);
	close(m->signals);
	close(m->started);
}

int
master_run(const char *conf_path, const bool pools[POOL_N])
{
	static struct master m;

	if (init(&m, conf_path, pools)) {
		deinit(&m);
		return EXIT_FAILURE;
	}
	start_generation(&m, m.current, clock_mono_us());
	loop(&m);
	LOG(NOTICE, "stopped");
	deinit(&m);
	return EXIT_SUCCESS;
}
