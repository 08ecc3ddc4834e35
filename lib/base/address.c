/* address -- reading addresses, and what a socket between hosts is told. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>

#define HOST_MAX        64
#define UNACKED_MOST_MS 3000
#define PROBE_SECONDS   1
#define PROBES          3

static bool
parse_path(struct str s, struct address *ret)
{
	if (s.n >= sizeof(ret->un.sun_path) || memchr(s.p, '\0', s.n))
		return false;
	ret->un.sun_family = AF_UNIX;
	memcpy(ret->un.sun_path, s.p, s.n);
	ret->n = sizeof(ret->un);
	return true;
}

static bool
parse_port(struct str s, in_port_t *ret)
{
	int64_t port;

	if (!str_int64(s, &port) || port < 1 || port > 65535)
		return false;
	*ret = htons((uint16_t)port);
	return true;
}

static bool
host_text(struct str s, char out[HOST_MAX])
{
	if (!s.n || s.n >= HOST_MAX || memchr(s.p, '\0', s.n))
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

/* "[fd00::5]:9404" */
static bool
parse_v6(struct str s, struct address *ret)
{
	struct str rest = str_n(s.p + 1, s.n - 1), host = str_cut(&rest, ']');
	char text[HOST_MAX];

	ret->in6.sin6_family = AF_INET6;
	ret->n = sizeof(ret->in6);
	return str_present(rest) && rest.n && rest.p[0] == ':' && host_text(host, text) &&
	       inet_pton(AF_INET6, text, &ret->in6.sin6_addr) == 1 &&
	       parse_port(str_n(rest.p + 1, rest.n - 1), &ret->in6.sin6_port);
}

static bool
parse_v4(struct str s, struct address *ret)
{
	struct str port = s, host = str_cut(&port, ':');
	char text[HOST_MAX];

	ret->in.sin_family = AF_INET;
	ret->n = sizeof(ret->in);
	return str_present(port) && host_text(host, text) && inet_pton(AF_INET, text, &ret->in.sin_addr) == 1 &&
	       parse_port(port, &ret->in.sin_port);
}

bool
address_parse(struct str s, struct address *ret)
{
	*ret = (struct address){ 0 };
	if (!s.n)
		return false;
	if (s.p[0] == '/')
		return parse_path(s, ret);
	return s.p[0] == '[' ? parse_v6(s, ret) : parse_v4(s, ret);
}

size_t
address_list(struct str list, struct address ret[ADDRESSES_MAX])
{
	size_t n = 0;

	while (list.p) {
		struct str one = str_cut(&list, ' ');

		if (!one.n)
			continue;
		if (n == ADDRESSES_MAX || !address_parse(one, &ret[n]))
			return 0;
		n++;
	}
	return n;
}

void
address_tcp_options(int fd)
{
	const int yes = 1, unacked = UNACKED_MOST_MS, seconds = PROBE_SECONDS, probes = PROBES;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof(unacked));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

int
address_socket(const struct address *a, int flags)
{
	int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		return -errno;
	if (!address_is_local(a))
		address_tcp_options(fd);
	return fd;
}

static bool
private_v4(uint32_t a)
{
	static const struct {
		uint32_t net;
		int bits;
	} nets[] = {
		{ 0x00000000, 8 },  { 0x0a000000, 8 },  { 0x64400000, 10 }, { 0x7f000000, 8 },  { 0xa9fe0000, 16 },
		{ 0xac100000, 12 }, { 0xc0000000, 24 }, { 0xc0000200, 24 }, { 0xc0a80000, 16 }, { 0xc6120000, 15 },
		{ 0xc6336400, 24 }, { 0xcb007100, 24 }, { 0xe0000000, 3 }, /* multicast, reserved, broadcast */
	};

	for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++)
		if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0)
			return true;
	return false;
}

/* Public are 2000::/3 alone, but for those that wrap an IPv4 address (6to4, Teredo) or are for books (2001:db8::/32). */
static bool
private_v6(const struct in6_addr *a)
{
	const uint8_t *b = a->s6_addr;

	if (IN6_IS_ADDR_V4MAPPED(a))
		return private_v4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15]);
	if ((b[0] & 0xe0) != 0x20 || (b[0] == 0x20 && b[1] == 0x02))
		return true;
	return b[0] == 0x20 && b[1] == 0x01 && ((b[2] == 0 && b[3] == 0) || (b[2] == 0x0d && b[3] == 0xb8));
}

bool
address_private(const struct sockaddr *addr)
{
	if (addr->sa_family == AF_INET)
		return private_v4(ntohl(((const struct sockaddr_in *)(const void *)addr)->sin_addr.s_addr));
	if (addr->sa_family == AF_INET6)
		return private_v6(&((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr);
	return true;
}
