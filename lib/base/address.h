/*
 * address -- where another process listens: a Unix socket, `/run/peal/feed.sock`, or a port, `10.0.0.5:9404`, `[fd00::5]:9404`.
 *
 * Numbers only, no names: whoever connects never waits for a name server.
 */
#ifndef PEAL_BASE_ADDRESS_H
#define PEAL_BASE_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "str.h"

#define ADDRESSES_MAX 16

struct address {
	socklen_t n;
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

bool address_parse(struct str, struct address *ret);
/* Several, separated by blanks; how many, 0 when there is none, more than ADDRESSES_MAX, or one that is not an address. */
size_t address_list(struct str, struct address ret[ADDRESSES_MAX]);
static inline bool
address_is_local(const struct address *a)
{
	return a->any.sa_family == AF_UNIX;
}
/*
 * A stream socket to connect to it, close-on-exec, with `flags` of socket(2); negative errno. Over TCP it waits for nobody who has gone:
 * what is not acknowledged for 3 s, or a peer that is silent when asked, ends it.
 */
int address_socket(const struct address *, int flags);
void address_tcp_options(int fd); /* these, for a socket that somebody else has made */
/* Everything but a public unicast address. */
bool address_private(const struct sockaddr *);

#endif
