/*
 * unit -- what every unit test includes: cmocka with its headers, and a few checks of our own kinds of value.
 */
#ifndef PEAL_TESTS_UNIT_H
#define PEAL_TESTS_UNIT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/str.h"

/* A str against a C string, printed when they differ. */
#define assert_str(got, want) unit_assert_str((got), (want), __FILE__, __LINE__)

static inline void
unit_assert_str(struct str got, const char *want, const char *file, int line)
{
	if (!got.p || !str_eq(got, str_c(want))) {
		print_error("got \"%.*s\", want \"%s\"\n", STR_ARG(got), want);
		_fail(file, line);
	}
}

/* Runs fn in a child, silently; true when it died by abort(3). */
static inline bool
unit_aborts(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* What fn(arg) writes to stderr, cut to the size of out. */
static inline struct str
unit_stderr_of(void (*fn)(void *), void *arg, char *out, size_t size)
{
	int ends[2], before = dup(STDERR_FILENO);
	ssize_t n;

	if (pipe(ends) || dup2(ends[1], STDERR_FILENO) < 0)
		abort();
	close(ends[1]);
	fn(arg);
	dup2(before, STDERR_FILENO);
	close(before);
	n = read(ends[0], out, size - 1);
	close(ends[0]);
	out[n > 0 ? n : 0] = '\0';
	return str_c(out);
}

/* A new folder under /tmp, removed with all that is in it by unit_folder_remove(). */
static inline char *
unit_folder(void)
{
	char *path = strdup("/tmp/peal-unit-XXXXXX");

	if (!path || !mkdtemp(path))
		abort();
	return path;
}

static inline void
unit_folder_remove(char *path)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", path);
	if (system(command))
		abort();
	free(path);
}

static inline void
unit_write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

#endif
