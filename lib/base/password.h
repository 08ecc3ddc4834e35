/*
 * password -- Argon2id (RFC 9106) in the encoded form `$argon2id$v=19$m=..,t=..,p=1$salt$hash`.
 *
 * One hash costs about 25 ms of CPU and `memory_kib` of memory, so only the auth pool and pealctl call it.
 */
#ifndef PEAL_BASE_PASSWORD_H
#define PEAL_BASE_PASSWORD_H

#include "arena.h"
#include "str.h"

/* A fresh hash with 16 random bytes of salt. 0, or a fault (no memory). */
int password_hash(struct arena *, struct str password, int64_t memory_kib, int64_t passes, struct str *ret);
/* True when the password is the one that was hashed. False also for a hash that cannot be read. */
bool password_verify(struct arena *, struct str encoded, struct str password);

#endif
