/*
 * sim -- the push daemon against a world that is made up: its clock, its sockets, Redis, the workers and their database, and people's
 * devices, in one process and one thread, all from one seed.
 *
 * What is real: hub, conn, codec, client, delivery, replay, feed, presence, notes, recent, frames and encodings. What is made up stands in
 * for it by the linker: system calls of sockets and the poller (world.c), redis_link and door (services.c).
 */
#ifndef PEAL_SIM_H
#define PEAL_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define USERS         6
#define CONVERSATIONS 5
#define CLIENTS       14
#define POSITIONS_MAX 60000

/* A broken promise ends the run with the seed and the step. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define CHECK(condition, ...) ((condition) ? (void)0 : sim_fail(__VA_ARGS__))

extern int64_t sim_now_ms;
extern uint64_t sim_step;
extern bool sim_calm; /* nothing bad happens any more */
extern bool sim_trace;
uint32_t sim_random(uint32_t n);        /* [0, n) */
bool sim_chance(uint32_t per_thousand); /* false when calm */

/* --- world.c: sockets --- */
struct pipe_end;
int world_connect(void);                                 /* a socket to the daemon, which accepts it at once */
void world_cut(int fd);                                  /* both sides are gone, as far as the device knows */
size_t world_give(int fd, const void *, size_t);         /* device to daemon; how much fitted */
size_t world_take(int fd, unsigned char *, size_t most); /* daemon to device; 0: nothing */
bool world_ended(int fd);                                /* the daemon closed it and everything was taken */
void world_ready(void);                                  /* the daemon's callbacks of one socket that is ready */

/* --- model.c: what the database says --- */
void model_init(void);
void model_write(void); /* begins a transaction, or commits one */
void model_commit_all(void);
int64_t model_horizon(void);
void model_publish(void); /* some worker rings for what it committed */
void model_sweep(void);   /* peal-jobs: rings for what nobody did, and says so */
void model_answer(const char *uri, struct str body, struct buf *out, int *ret_status);
int64_t model_head(int conversation); /* its last position */
int64_t model_user_head(int user);
bool model_member(int user, int conversation, int64_t *ret_joined);
bool model_may_see(int user, int conversation, int64_t position);
int64_t model_content(char stream, int id, int64_t position); /* what the event says */
/* Everything of this person before the place: at least this far in every conversation, or the promise of the place is broken. */
bool model_covered(int user, int64_t since, const int64_t places[CONVERSATIONS], int64_t user_rev, char *why, size_t n);
bool model_quiet(void); /* nothing is open and nothing waits to be published */

/* --- services.c: Redis and the doors --- */
void bell_publish(const char *channel, struct str record);
void bell_step(void); /* one message one way, on one of the links */
void bell_toggle(bool up);
bool bell_up(void);    /* for those who publish */
bool bell_whole(void); /* for the daemon, too */
void doors_step(void);
bool doors_idle(void);

/* --- devices.c --- */
void devices_init(void);
void devices_step(void);
void devices_tick(void);
bool devices_agree(char *why, size_t n); /* with the model */
void devices_report(void);

#endif
