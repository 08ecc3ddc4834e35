/*
 * metrics -- what this process counts, and the private listener that tells it in Prometheus' text format.
 *
 * Counting is adding to a number; everybody may. Gauges that can be looked up (connections by state, queues) are kept where
 * they change, so that a scrape walks nothing.
 */
#ifndef PEAL_PUSH_METRICS_H
#define PEAL_PUSH_METRICS_H

#include <uv.h>

#include "base/prom.h"
#include "conn.h"

enum path { PATH_LIVE, PATH_POLL, PATH_REPLAY, PATH_RETRY, PATHS };
enum replay_kind { REPLAY_RESUME, REPLAY_FRESH, REPLAY_PULL, REPLAY_SYNC, REPLAY_KINDS };

/* Close codes fall into few: those of the protocol, ours, and statuses of refused requests. */
#define CODES 32
struct code_count {
	int code;
	uint64_t n;
};

struct metrics {
	uint64_t in_state[CONN_STATES];
	struct code_count closes[CODES], upgrades[CODES];
	uint64_t bytes_in, bytes_out, messages_in, frames_out;
	uint64_t events[PATHS]; /* durable events written, by how they came */
	uint64_t retries[8];    /* by attempt */
	uint64_t replays[REPLAY_KINDS], pages;
	uint64_t duplicates; /* events that came again, from Redis or from the log */
	uint64_t given_up;   /* ephemeral frames a full queue had no room for */
	uint64_t queued_frames, queued_bytes, unacked;
	uint64_t encoded[ENCODINGS], encoded_shared[ENCODINGS], encoded_in[ENCODINGS], encoded_out[ENCODINGS];
	uint64_t cursors, feed_losses, signals;
	struct histogram commit_to_write, queue_depth, loop_turn;
};

extern struct metrics metrics;

void metrics_code(struct code_count counts[CODES], int code);
void metrics_write(struct buf *);

/* Serves on a listening descriptor, AF_UNIX or AF_INET, until metrics_stop(). Two may be given, one after the other. */
void metrics_listen(int fd);
void metrics_stop(void);

#endif
