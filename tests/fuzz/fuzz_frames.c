/*
 * fuzz_frames.c -- what a client that is signed in may say: one frame per line, on a connection of the whole daemon in the world of the
 * simulator (tests/sim), with its Redis and its workers.
 *
 * The first byte says whether hello was said before. Whatever comes, every answer is a JSON object with a type, and in the end the
 * connection is gone.
 */
#include "fuzz.h"

#include <jansson.h>

#include "base/log.h"
#include "push/conn.h"
#include "push/feed.h"
#include "push/push.h"
#include "tests/sim/sim.h"

#define STEPS 40

int64_t sim_now_ms = 100000;
uint64_t sim_step;
bool sim_calm = true, sim_trace;
static uint32_t state = 1;
static unsigned char got[1 << 16];

uint32_t
sim_random(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return n ? (state >> 8) % n : 0;
}

bool
sim_chance(uint32_t per_thousand)
{
	(void)per_thousand;
	return false;
}

void
sim_fail(const char *format, ...)
{
	fprintf(stderr, "%s\n", format);
	abort();
}

int64_t __wrap_clock_wall_us(void);
int64_t
__wrap_clock_wall_us(void)
{
	return INT64_C(1800000000000000) + sim_now_ms * 1000;
}

int
token_verify(struct token_keys *keys, struct arena *arena, struct str token, int64_t now, struct token_claims *ret)
{
	(void)keys;
	(void)arena;
	if (token.n != 2)
		return UNAUTHENTICATED;
	*ret = (struct token_claims){ .user_id = 1,
		                      .session_id = STR("00000000-0000-0000-0000-000000000000"),
		                      .issued_at = now,
		                      .expires_at = now + 1000000 };
	return 0;
}

static void
settled(void)
{
}

static void
start(void)
{
	static struct conf conf = { .origins = "",
		                    .public_url = "http://sim",
		                    .redis_socket = "",
		                    .redis_address = "",
		                    .redis_password_file = "",
		                    .push_hello_seconds = 10,
		                    .push_heartbeat_seconds = 30,
		                    .push_dead_seconds = 90,
		                    .push_frames_per_minute = 50,
		                    .push_max_frame_kib = 64,
		                    .push_devices_per_user = 3,
		                    .push_queue_events = 64,
		                    .push_queue_kib = 64,
		                    .push_max_connections = 100,
		                    .push_watch_check_seconds = 600,
		                    .push_watch_max = 5,
		                    .push_away_seconds = 300,
		                    .push_offline_seconds = 1,
		                    .push_poll_ms = 250,
		                    .push_drain_seconds = 1,
		                    .push_cursor_seconds = 60 };

	log_open("fuzz", LOG_LEVEL_ERROR);
	push.conf = &conf;
	push.arena = arena_new(64u << 20);
	push.inflater = inflater_new();
	buf_init(&push.text, 16u << 20);
	push.command = push.feed = door_new(&push.loop, "", 0, 0);
	model_init();
	conn_init();
	feed_start(settled);
	bell_toggle(true);
}

/* Every answer that is whole. */
static size_t
judge(size_t n)
{
	size_t at = 0;

	while (n - at >= 2) {
		size_t head = got[at + 1] == 126 ? 4 : got[at + 1] == 127 ? 10 : 2, size = got[at + 1];
		json_t *json;

		if (n - at < head)
			break;
		if (head == 4)
			size = (size_t)got[at + 2] << 8 | got[at + 3];
		else if (head == 10)
			size = (size_t)got[at + 7] << 16 | (size_t)got[at + 8] << 8 | got[at + 9];
		if (n - at < head + size)
			break;
		if (got[at] == 0x81) {
			json = json_loadb((char *)got + at + head, size, 0, NULL);
			MUST(json_is_string(json_object_get(json, "type")));
			json_decref(json);
		}
		at += head + size;
	}
	return at;
}

static void
turn(int fd, bool upgraded)
{
	static size_t kept;
	size_t used;

	sim_now_ms += 20;
	world_ready();
	doors_step();
	bell_step();
	if (!upgraded)
		kept = 0;
	conn_end_turn();
	if (sim_now_ms % 260 == 0) {
		feed_tick(sim_now_ms);
		conn_tick();
	}
	conn_end_turn();
	if (!upgraded)
		return;
	kept += world_take(fd, got + kept, sizeof(got) - kept);
	used = judge(kept);
	memmove(got, got + used, kept - used);
	kept -= used;
}

static void
say(int fd, const char *p, size_t n)
{
	unsigned char head[8] = { 0x81, 0x80 | 126, (unsigned char)(n >> 8), (unsigned char)n };

	world_give(fd, head, sizeof(head));
	world_give(fd, p, n);
	for (int i = 0; i < 3; i++)
		turn(fd, true);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char request[] = "GET /ws HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	                              "Authorization: Bearer u1\r\n\r\n";
	static const char hello[] = "{\"type\":\"hello\",\"device_id\":\"fuzz-device-0001\",\"since\":null,\"cursors\":{},"
	                            "\"pad\":\"xxxxxxxxxxxxxx"
	                            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}";
	struct str rest;
	int fd;

	if (!n || n > 3000)
		return 0;
	if (!push.conf)
		start();
	fd = world_connect();
	world_give(fd, request, sizeof(request) - 1);
	turn(fd, false);
	for (unsigned char c[256]; world_take(fd, c, sizeof(c));)
		;
	if (data[0] & 1) {
		say(fd, hello, sizeof(hello) - 1);
		for (int i = 0; i < STEPS; i++)
			turn(fd, true);
	}
	rest = str_n((const char *)data + 1, n - 1);
	while (str_present(rest)) {
		struct str line = str_cut(&rest, '\n');

		if (line.n >= 126)
			say(fd, line.p, line.n);
		else {
			/* blanks make every frame's length one of two bytes */
			char padded[126];

			memset(padded, ' ', sizeof(padded));
			memcpy(padded, line.p ? line.p : "", line.n);
			say(fd, padded, sizeof(padded));
		}
	}
	world_cut(fd);
	for (int i = 0; i < STEPS; i++)
		turn(fd, false);
	MUST(push.connections == 0);
	return 0;
}
