/*
 * main.c -- build/test/sim [seed] [steps] [fault]: so many steps of the world, what must hold after each, and quiet at the end.
 *
 * Prints figures and ends with 0, or says what was broken and ends with 1. A fault is one that is planted (push/planted.h): then it must
 * be found, and the exit code is 0 when it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "push/conn.h"
#include "push/feed.h"
#include "push/metrics.h"
#include "push/notes.h"
#include "push/planted.h"
#include "push/push.h"
#include "sim.h"

#define START_MS     100000
#define WALL_US      INT64_C(1800000000000000)
#define SWEEP_MS     1000
#define DEVICES_MS   50
#define STOPPED_MS   1250 /* as push/server.c */
#define STOP_MOST_MS 100000
#define SETTLE_STEPS 3000000

int64_t sim_now_ms = START_MS;
uint64_t sim_step;
bool sim_calm, sim_trace;
static uint64_t state, stops;
static jmp_buf broken;
static char broken_text[600];

/* xorshift64*: the same everywhere for a seed. */
static uint64_t
next_random(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1du;
}

uint32_t
sim_random(uint32_t n)
{
	return n ? (uint32_t)((next_random() >> 32) * n >> 32) : 0;
}

bool
sim_chance(uint32_t per_thousand)
{
	return !sim_calm && sim_random(1000) < per_thousand;
}

void
sim_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(broken_text, sizeof(broken_text), format, args);
	va_end(args);
	longjmp(broken, 1);
}

/* --- what the daemon would ask the machine --- */

int64_t __wrap_clock_wall_us(void);
int64_t
__wrap_clock_wall_us(void)
{
	return WALL_US + sim_now_ms * 1000;
}

int
token_verify(struct token_keys *keys, struct arena *arena, struct str token, int64_t now, struct token_claims *ret)
{
	int64_t user = 0;

	(void)keys;
	(void)arena;
	str_int64(str_n(token.p + 1, token.n - 1), &user);
	*ret = (struct token_claims){ .user_id = user,
		                      .session_id = STR("00000000-0000-0000-0000-000000000000"),
		                      .issued_at = now,
		                      .expires_at = now + 1000000 };
	return 0;
}

/* --- the daemon --- */

static struct conf conf = { .origins = "",
	                    .public_url = "http://sim",
	                    .redis_socket = "",
	                    .redis_address = "",
	                    .redis_password_file = "",
	                    .push_hello_seconds = 10,
	                    .push_heartbeat_seconds = 3,
	                    .push_dead_seconds = 90,
	                    .push_frames_per_minute = 1000000,
	                    .push_max_frame_kib = 320,
	                    .push_devices_per_user = 10,
	                    .push_queue_events = 24,
	                    .push_queue_kib = 24,
	                    .push_max_connections = 1000,
	                    .push_watch_check_seconds = 600,
	                    .push_watch_max = 200,
	                    .push_away_seconds = 300,
	                    .push_offline_seconds = 0,
	                    .push_poll_ms = 250,
	                    .push_drain_seconds = 1,
	                    .push_cursor_seconds = 1 };

static void
settled(void)
{
}

static void
start(void)
{
	push.conf = &conf;
	push.arena = arena_new(64u << 20);
	push.inflater = inflater_new();
	buf_init(&push.text, 16u << 20);
	push.command = push.feed = door_new(&push.loop, "", 0, 0);
	conn_init();
	feed_start(settled);
}

static void
tick(void)
{
	static int64_t ticked, swept, republished, devices;

	if (sim_now_ms - ticked >= CONN_TICK_MS) {
		if (ticked && sim_now_ms - ticked > STOPPED_MS)
			conn_excuse(sim_now_ms - ticked);
		ticked = sim_now_ms;
		feed_tick(sim_now_ms);
		conn_tick();
	}
	if (sim_now_ms - swept >= 1000) {
		swept = sim_now_ms;
		conn_sweep();
		notes_flush();
	}
	if (sim_now_ms - republished >= SWEEP_MS) {
		republished = sim_now_ms;
		if (!sim_chance(50))
			model_sweep();
	}
	if (sim_now_ms - devices >= DEVICES_MS) {
		devices = sim_now_ms;
		devices_tick();
	}
}

static void
end_of_turn(void)
{
	conn_end_turn();
	CHECK(metrics.queued_frames < 100000 && metrics.unacked < 100000, "counters have run below zero");
	CHECK(metrics.queued_bytes <= (uint64_t)CLIENTS * 16 * (uint64_t)conf.push_queue_kib * 1024,
	      "queues are not bounded");
}

static void
write_something(void)
{
	uint32_t n = sim_chance(2) ? 400 : 1; /* now and then very much at once */

	while (n--)
		model_write();
}

/* Now and then the whole process is stopped. */
static void
pass_time(void)
{
	sim_now_ms += sim_random(60);
	if (!sim_chance(1))
		return;
	sim_now_ms += sim_random(STOP_MOST_MS);
	stops++;
}

static void
one_step(void)
{
	uint32_t dice = sim_random(100);

	sim_step++;
	if (dice < 40)
		devices_step();
	else if (dice < 65)
		world_ready();
	else if (dice < 77)
		bell_step();
	else if (dice < 87)
		doors_step();
	else if (dice < 92)
		model_publish();
	else if (dice < 94 && !sim_calm)
		write_something();
	else if (dice < 99)
		pass_time();
	else if (!sim_calm && bell_whole() && sim_random(1000) < 8)
		bell_toggle(false);
	else if (!bell_whole() && sim_random(1000) < (sim_calm ? 1000 : 60))
		bell_toggle(true);
	tick();
	end_of_turn();
}

/* Everything is committed and nothing bad happens any more: before long all devices are where the model is. */
static void
settle(void)
{
	uint64_t until = sim_step + SETTLE_STEPS;
	char why[300] = "";

	sim_calm = true;
	model_commit_all();
	while (sim_step < until) {
		one_step();
		if (sim_step % 1000 == 0 && bell_whole() && model_quiet() && devices_agree(why, sizeof(why)))
			return;
	}
	sim_fail("not quiet: %s", why);
}

static void
report(uint64_t seed, double seconds)
{
	printf("seed %llu: %llu steps, %.1f s of the clock, in %.1f s\n", (unsigned long long)seed,
	       (unsigned long long)sim_step, (double)(sim_now_ms - START_MS) / 1000, seconds);
	printf("daemon: %llu live, %llu polled, %llu replayed, %llu sent again; %llu pulls, %llu holes asked for, %llu "
	       "cursors, Redis lost %llu times, stopped %llu times\n",
	       (unsigned long long)metrics.events[PATH_LIVE], (unsigned long long)metrics.events[PATH_POLL],
	       (unsigned long long)metrics.events[PATH_REPLAY], (unsigned long long)metrics.events[PATH_RETRY],
	       (unsigned long long)metrics.replays[REPLAY_PULL], (unsigned long long)metrics.replays[REPLAY_SYNC],
	       (unsigned long long)metrics.cursors, (unsigned long long)metrics.feed_losses, (unsigned long long)stops);
	devices_report();
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, steps = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
	const volatile clock_t began = clock();
	int found;

	sim_trace = getenv("TRACE");
	planted = argc > 3 ? (enum planted)atoi(argv[3]) : PLANTED_NOTHING;
	state = seed * 0x9e3779b97f4a7c15u + 1;
	srand((unsigned)seed);
	log_open("sim", LOG_LEVEL_ERROR);
	found = setjmp(broken);
	if (!found) {
		model_init();
		devices_init();
		start();
		bell_toggle(true);
		while (sim_step < steps)
			one_step();
		settle();
		report(seed, (double)(clock() - began) / CLOCKS_PER_SEC);
	} else {
		printf("seed %llu, step %llu, %.3f s: %s\n", (unsigned long long)seed, (unsigned long long)sim_step,
		       (double)(sim_now_ms - START_MS) / 1000, broken_text);
	}
	return planted ? !found : found;
}
