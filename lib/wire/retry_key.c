/* lib/wire/retry_key.c -- the form of an Idempotency-Key, for all who take one. */
#include "retry_key.h"

bool
retry_key_ok(struct str key)
{
	return str_utf8_valid(key) && str_one_line(key) && str_code_points(key) <= RETRY_KEY_MAX;
}
