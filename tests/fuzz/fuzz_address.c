/* fuzz_address: whatever a client's address may look like, it is counted under a short name, the same one every time. */
#include <arpa/inet.h>
#include <string.h>

#include "fcgi/rate.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(64 << 20);
	struct str s = arena_str(a, str_n((const char *)data, n)), name;
	unsigned char ip[4];

	if (!memchr(s.p, '\0', s.n)) { /* parameters of FastCGI end there */
		name = rate_address(a, s);
		MUST(name.n >= 1 && name.n <= INET_ADDRSTRLEN);
		MUST(strspn(arena_cstr(a, name), "0123456789abcdef.-") == name.n);
		MUST(str_eq(rate_address(a, s), name));
		/* what has dots is an IPv4 address in its one form, and counted as itself */
		if (memchr(name.p, '.', name.n))
			MUST(inet_pton(AF_INET, arena_cstr(a, name), ip) == 1 && str_eq(rate_address(a, name), name));
	}
	arena_free(a);
	return 0;
}
