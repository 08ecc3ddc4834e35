/* skew.c -- another wall clock for one process: LD_PRELOAD this, with PEAL_SKEW_SECONDS in the environment. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static long
skew(void)
{
	const char *text = getenv("PEAL_SKEW_SECONDS");

	return text ? strtol(text, NULL, 10) : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int r;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	r = real(clock, ts);
	if (!r && clock == CLOCK_REALTIME)
		ts->tv_sec += skew();
	return r;
}
