/* password.c -- Argon2id through libargon2. */
#include "password.h"

#include <argon2.h>
#include <errno.h>

#include "bytes.h"
#include "err.h"
#include "nfc.h"

#define SALT_BYTES 16
#define HASH_BYTES 32

static int64_t computed;

int64_t
password_computed(void)
{
	return computed;
}

int
password_hash(struct arena *arena, struct str password, int64_t memory_kib, int64_t passes, struct str *ret)
{
	uint32_t m = (uint32_t)memory_kib, t = (uint32_t)passes;
	size_t size = argon2_encodedlen(t, m, 1, SALT_BYTES, HASH_BYTES, Argon2_id);
	char *encoded = arena_alloc(arena, size);
	unsigned char salt[SALT_BYTES];
	int r;

	password = nfc(arena, password);
	computed++;
	bytes_random(salt, sizeof(salt));
	r = argon2id_hash_encoded(t, m, 1, password.p, password.n, salt, sizeof(salt), HASH_BYTES, encoded, size);
	if (r != ARGON2_OK)
		return fault(r == ARGON2_MEMORY_ALLOCATION_ERROR ? -ENOMEM : -EINVAL);
	*ret = str_c(encoded);
	return 0;
}

bool
password_verify(struct arena *arena, struct str encoded, struct str password)
{
	password = nfc(arena, password);
	computed++;
	return argon2id_verify(arena_cstr(arena, encoded), password.p, password.n) == ARGON2_OK;
}

void
password_verify_nobody(struct arena *arena, struct str password, int64_t memory_kib, int64_t passes)
{
	struct str unused;

	(void)password_hash(arena, password, memory_kib, passes, &unused);
}

bool
password_costs(struct arena *arena, struct str encoded, int64_t memory_kib, int64_t passes)
{
	struct str cost = arena_printf(arena, "$argon2id$v=%d$m=%lld,t=%lld,p=1$", ARGON2_VERSION_NUMBER,
	                               (long long)memory_kib, (long long)passes);

	return str_has_prefix(encoded, cost);
}
