/* fuzz_door_address: whatever is read as an address of a host is a socket address as the kernel wants it, and the same by itself. */
#include "base/address.h"

#include <arpa/inet.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct address all[ADDRESSES_MAX], one;
	struct str text = str_n((const char *)data, n);
	size_t found = address_list(text, all), at = 0;

	MUST(found <= ADDRESSES_MAX);
	while (found && text.p) {
		struct str word = str_cut(&text, ' ');

		if (!word.n)
			continue;
		MUST(at < found && address_parse(word, &one));
		MUST(one.n == all[at].n && !memcmp(&one.any, &all[at].any, one.n));
		MUST(address_is_local(&one) == (word.p[0] == '/'));
		MUST(!address_is_local(&one) || strlen(one.un.sun_path) == word.n);
		MUST(one.any.sa_family != AF_INET || ntohs(one.in.sin_port));
		MUST(one.any.sa_family != AF_INET6 || ntohs(one.in6.sin6_port));
		at++;
	}
	MUST(at == found);
	return 0;
}
