/* address: what is one, what only looks like one, and sockets that wait for nobody who has gone. */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "unit.h"

static void
reads_addresses(void **state)
{
	struct address a;

	(void)state;
	assert_true(address_parse(STR("/run/peal/feed.sock"), &a));
	assert_true(address_is_local(&a));
	assert_string_equal(a.un.sun_path, "/run/peal/feed.sock");
	assert_true(address_parse(STR("10.0.0.5:9404"), &a));
	assert_int_equal(a.any.sa_family, AF_INET);
	assert_int_equal(ntohs(a.in.sin_port), 9404);
	assert_int_equal(ntohl(a.in.sin_addr.s_addr), 0x0a000005);
	assert_true(address_parse(STR("[fd00::5]:65535"), &a));
	assert_int_equal(a.any.sa_family, AF_INET6);
	assert_int_equal(ntohs(a.in6.sin6_port), 65535);
	assert_int_equal(a.n, sizeof(struct sockaddr_in6));
}

static void
refuses_the_rest(void **state)
{
	static const char *const wrong[] = {
		"",           "peal",           "relative.sock", "10.0.0.5",     "10.0.0.5:",
		"10.0.0.5:0", "10.0.0.5:65536", "10.0.0.5:+80",  "10.0.0.5:80 ", "10.0.0.256:80",
		"10.0.5:80",  "localhost:6379", "::1:80",        "[::1]80",      "[::1]:",
		"[::1",       "[]:80",          "[10.0.0.5]:80", "[::1]:80x",    ":80"
	};
	struct address a;
	char longest[sizeof(a.un.sun_path) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (address_parse(str_c(wrong[i]), &a))
			fail_msg("%s is no address", wrong[i]);
	assert_false(address_parse(str_n("10.0.0.5\0:80", 12), &a));
	memset(longest, '/', sizeof(longest));
	assert_false(address_parse(str_n(longest, sizeof(a.un.sun_path)), &a));
	assert_true(address_parse(str_n(longest, sizeof(a.un.sun_path) - 1), &a));
}

static void
reads_lists(void **state)
{
	struct address list[ADDRESSES_MAX];
	char many[(ADDRESSES_MAX + 1) * 3 + 1];

	(void)state;
	assert_int_equal(address_list(STR("10.0.0.5:1"), list), 1);
	assert_int_equal(address_list(STR(" 10.0.0.5:1   /a [::1]:2 "), list), 3);
	assert_int_equal(list[2].any.sa_family, AF_INET6);
	assert_int_equal(address_list(STR(""), list), 0);
	assert_int_equal(address_list(STR("10.0.0.5:1 nonsense"), list), 0);
	for (size_t i = 0; i <= ADDRESSES_MAX; i++)
		memcpy(many + 3 * i, "/a ", 4);
	assert_int_equal(address_list(str_n(many, 3 * ADDRESSES_MAX), list), ADDRESSES_MAX);
	assert_int_equal(address_list(str_c(many), list), 0);
}

static void
makes_sockets(void **state)
{
	struct address a;
	int fd, on = 0;
	socklen_t n = sizeof(on);

	(void)state;
	assert_true(address_parse(STR("127.0.0.1:1"), &a));
	fd = address_socket(&a, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
	assert_true(on);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &on, &n), 0);
	assert_int_equal(on, 3000);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(refuses_the_rest),
		cmocka_unit_test(reads_lists),
		cmocka_unit_test(makes_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
