/*
 * notes -- what the workers are told in batches: delivered marks and last_seen_at, every second or as
 * soon as a batch is full.
 *
 * Only the newest per key is kept, so what waits is bounded by people and conversations, not by time; a failed batch
 * goes back.
 */
#ifndef PEAL_PUSH_NOTES_H
#define PEAL_PUSH_NOTES_H

#include <stdbool.h>
#include <stdint.h>

void notes_ack(int64_t user_id, int64_t conversation_id, int64_t seq);
void notes_seen(int64_t user_id, int64_t wall_us);
void notes_flush(void); /* every second, and at the end */
bool notes_empty(void); /* nothing waits and nothing is on its way */
void notes_deinit(void);

#endif
