/*
 * password -- password hashes: Argon2id (RFC 9106) in the encoded form of libargon2, "$argon2id$v=19$m=..,t=..,p=1$salt$hash".
 *
 * A password is hashed in its canonical composition (nfc.h), so that another keyboard spells the same one.
 *
 * One hash at the default cost (19 MiB, 2 passes) takes about 25 ms of CPU: callers run in the auth pool.
 */
#ifndef PEAL_BASE_PASSWORD_H
#define PEAL_BASE_PASSWORD_H

#include "arena.h"
#include "str.h"

/* 0 with the encoded hash (lives as the arena), or a fault. The salt is 16 random bytes. */
int password_hash(struct arena *, struct str password, int64_t memory_kib, int64_t passes, struct str *ret);
/* In constant time with respect to the hash; false also when `encoded` is malformed. */
bool password_verify(struct arena *, struct str encoded, struct str password);
/* Spends what password_verify() would at this cost, for a user who does not exist. */
void password_verify_nobody(struct arena *, struct str password, int64_t memory_kib, int64_t passes);
/* Was it hashed at this cost? */
bool password_costs(struct arena *, struct str encoded, int64_t memory_kib, int64_t passes);
/* Hashes that this process has computed, for whatever reason. */
int64_t password_computed(void);

#endif
