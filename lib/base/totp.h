/*
 * totp -- codes by the clock (RFC 6238: SHA-1, 6 digits, steps of 30 s), and codes on paper for the day the phone is gone.
 *
 * Nothing here remembers anything: that a step or a recovery code counts once only is for whoever keeps the account.
 */
#ifndef PEAL_BASE_TOTP_H
#define PEAL_BASE_TOTP_H

#include "arena.h"
#include "str.h"

#define TOTP_SECRET_BYTES    20 /* RFC 4226 section 4: the length of SHA-1 */
#define TOTP_STEP_SECONDS    30
#define TOTP_DIGITS          6
#define TOTP_DRIFT_STEPS     1  /* either way: clocks differ, and people type slowly */
#define RECOVERY_CODE_DIGITS 24 /* of 5 bits: too many to be guessed from a stolen digest */

/* The code of one step: a number below 10^TOTP_DIGITS. */
uint32_t totp_code(struct str secret, int64_t step);
/* The step whose code this is, among those close to `now` (seconds since 1970); -1: of none. In constant time for any six digits. */
int64_t totp_find(struct str secret, struct str code, int64_t now);
/* What a QR code carries: otpauth://totp/<issuer>:<account>?secret=...&issuer=... */
struct str totp_uri(struct arena *, struct str issuer, struct str account, struct str secret);

/* A random code in groups of four, "0f3k-...": Crockford's alphabet, in lower case. */
struct str recovery_code_new(struct arena *);
/* The code as it is compared, from what somebody typed: blanks and hyphens do not count, nor does case, and o, i and l are 0, 1
 * and 1. False when it cannot be one. */
bool recovery_code_read(struct arena *, struct str typed, struct str *ret);

struct str base32(struct arena *, const void *, size_t n); /* RFC 4648 section 6, without padding */

#endif
