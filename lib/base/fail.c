/* fail -- dying, or waiting, at a named place; in test builds only. */
#include "fail.h"

#ifdef PEAL_FAILPOINTS

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static char folder[PATH_MAX];

void
fail_init(const char *run_dir)
{
	int n = snprintf(folder, sizeof folder, "%s/fail", run_dir);

	if (n < 0 || (size_t)n >= sizeof folder)
		folder[0] = '\0';
}

static void
sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left))
		;
}

/* The order in the file; false when there is none, or when another process was faster. */
static bool
take_order(const char *name, char *order, size_t size)
{
	char path[PATH_MAX + 64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/%.60s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, order, size - 1);
	close(fd);
	order[n > 0 ? n : 0] = '\0';
	return !unlink(path);
}

/* Until somebody makes `<name>.go`, which is taken; a minute at most. */
static void
wait_for_leave(const char *name)
{
	char go[64], order[32];

	snprintf(go, sizeof go, "%s.go", name);
	for (int i = 0; i < 6000 && !take_order(go, order, sizeof order); i++)
		sleep_ms(10);
}

void
fail_point(const char *name)
{
	char order[32];
	long ms;

	if (!folder[0] || !take_order(name, order, sizeof order))
		return;
	LOG(NOTICE, "failpoint", L_CSTR("name", name), L_CSTR("order", order));
	if (sscanf(order, "sleep %ld", &ms) == 1)
		sleep_ms(ms);
	else if (!strcmp(order, "wait"))
		wait_for_leave(name);
	else
		kill(getpid(), SIGKILL);
}

#else

/* ISO C wants something in every translation unit. */
typedef int fail_is_not_compiled_in;

#endif
