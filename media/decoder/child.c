/*
 * media/decoder/child.c -- giving everything up, in this order: privileges, descriptors, limits, system calls; and then the job.
 */
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"
#include "craft.h"
#include "probe.h"
#include "sandbox.h"

enum { EXIT_MAP = 10, EXIT_LIMITS, EXIT_PRIVILEGES, EXIT_SANDBOX };

/* Read only, private, and nobody writes to a claimed file: the mapping cannot change or end under the decoder. */
static const uint8_t *
map_input(const struct job *job, int fd)
{
	void *p = mmap(NULL, job->offset + job->size, PROT_READ, MAP_PRIVATE, fd, 0);

	return p == MAP_FAILED ? NULL : (const uint8_t *)p + job->offset;
}

static uint8_t *
map_output(int fd, uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A test build keeps stderr for its sanitizers; a decoder that writes to our log could forge lines of it. */
static void
close_all(void)
{
#ifdef PEAL_FAILPOINTS
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
#else
	close_range(0, ~0U, 0);
#endif
}

static bool
limit(int what, rlim_t soft, rlim_t hard)
{
	const struct rlimit l = { soft, hard };

	return !setrlimit((__rlimit_resource_t)what, &l);
}

static bool
limit_all(const struct job *job)
{
#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes that it does not use */
	if (!limit(RLIMIT_AS, job->memory_bytes, job->memory_bytes))
		return false;
#endif
	/* a wish: who started us may have set us lower already, and nobody may go up again */
	if (job->nice)
		(void)setpriority(PRIO_PROCESS, 0, (int)job->nice);
	return limit(RLIMIT_CPU, job->cpu_seconds, job->cpu_seconds + 1) && limit(RLIMIT_CORE, 0, 0) &&
	       limit(RLIMIT_FSIZE, 0, 0) && limit(RLIMIT_NOFILE, 0, 0);
}

static bool
drop_privileges(void)
{
	return !prctl(PR_SET_PDEATHSIG, SIGKILL) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_DUMPABLE, 0);
}

static void
default_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void
work(const struct job *job, const uint8_t *input, uint8_t *output, uint8_t *film)
{
#ifdef PEAL_FAILPOINTS
	if (job->size > sizeof(JOB_PROBE) && !memcmp(input, JOB_PROBE, sizeof(JOB_PROBE) - 1)) {
		probe_make(str_n((const char *)input, job->size), job, input, output);
		return;
	}
#endif
	craft.make(job, input, output, film);
}

_Noreturn void
child_run(const struct job *job, const int fds[JOB_FDS])
{
	const uint8_t *input = map_input(job, fds[JOB_FD_INPUT]);
	uint8_t *output = map_output(fds[JOB_FD_OUTPUT], job->output_bytes);
	uint8_t *film = job->film_bytes ? map_output(fds[JOB_FD_FILM], job->film_bytes) : NULL;

	if (!input || !output || (job->film_bytes && !film))
		_exit(EXIT_MAP);
	default_signals();
	if (!drop_privileges())
		_exit(EXIT_PRIVILEGES);
	close_all();
	if (!limit_all(job))
		_exit(EXIT_LIMITS);
	if (!sandbox_enter())
		_exit(EXIT_SANDBOX);
	work(job, input, output, film);
	_exit(0);
}
