/* successor.c -- fork(2), the descriptors in systemd's manner, and a pipe that says when. */
#include "successor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "mem.h"
#include "push.h"

#define GIVEN_MAX   4
#define NAMES_MAX   128
#define FIRST_FD    3 /* SD_LISTEN_FDS_START */
#define OUT_OF_WAY  64
#define PATIENCE_MS 60000
#define READY_FD    "PEAL_READY_FD"
#define OWN_SOCKETS "PEAL_OWN_SOCKETS"

/* One that is starting. */
struct attempt {
	pid_t pid;
	int pipe, handles;
	uv_poll_t poll;
	uv_timer_t timer;
};

static struct {
	char **argv;
	struct {
		char *name;
		int fd;
	} given[GIVEN_MAX];
	int given_n;
	struct attempt *attempt;
	void (*taken)(void);
} successor;

void
successor_init(char **argv)
{
	successor.argv = argv;
}

void
successor_gives(const char *name, int fd)
{
	if (successor.given_n == GIVEN_MAX)
		abort();
	successor.given[successor.given_n].name = mem_cstr(str_c(name));
	successor.given[successor.given_n++].fd = fd;
}

/* --- the one that takes over --- */

bool
successor_is_one(void)
{
	return getenv(READY_FD) != NULL;
}

bool
successor_owns(void)
{
	return !getenv("LISTEN_FDS") || getenv(OWN_SOCKETS);
}

void
successor_ready(void)
{
	const char *text = getenv(READY_FD);
	int64_t fd;

	if (!text || !str_int64(str_c(text), &fd))
		return;
	if (write((int)fd, "r", 1) != 1)
		LOG(WARNING, "successor", L_CSTR("error", "nobody waits for it any more"));
	close((int)fd);
	unsetenv(READY_FD);
}

/* --- in the child --- */

/* Where nothing is overwritten that is still needed. */
static int
out_of_way(int fd)
{
	int n = fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_WAY);

	if (n < 0)
		_exit(126);
	return n;
}

static void
set_number(const char *name, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)v);
	setenv(name, text, 1);
}

static void
place_descriptors(int ready)
{
	char names[NAMES_MAX] = "";
	int fds[GIVEN_MAX + 1], n = successor.given_n;

	for (int i = 0; i < n; i++) {
		fds[i] = out_of_way(successor.given[i].fd);
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ":" : "",
		         successor.given[i].name);
	}
	fds[n] = out_of_way(ready);
	for (int i = 0; i <= n; i++)
		if (dup2(fds[i], FIRST_FD + i) < 0)
			_exit(126);
	set_number("LISTEN_PID", getpid());
	set_number("LISTEN_FDS", n);
	setenv("LISTEN_FDNAMES", names, 1);
	set_number(READY_FD, FIRST_FD + n);
}

static void
become(int ready)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (successor_owns())
		setenv(OWN_SOCKETS, "1", 1);
	place_descriptors(ready);
	if (getenv("WATCHDOG_PID"))
		set_number("WATCHDOG_PID", getpid());
	execvp(successor.argv[0], successor.argv);
	_exit(127);
}

/* --- in the parent --- */

static void
on_closed(uv_handle_t *h)
{
	struct attempt *a = h->data;

	if (!--a->handles)
		free(a);
}

static void
end_attempt(void)
{
	struct attempt *a = successor.attempt;

	uv_close((uv_handle_t *)&a->poll, on_closed);
	uv_close((uv_handle_t *)&a->timer, on_closed);
	close(a->pipe);
	successor.attempt = NULL;
}

static void
failed(const char *why)
{
	LOG(ERROR, "successor", L_INT("pid", successor.attempt->pid), L_CSTR("error", why));
	kill(successor.attempt->pid, SIGKILL);
	end_attempt();
}

static void
on_said(uv_poll_t *poll, int status, int events)
{
	struct attempt *a = poll->data;
	char byte;

	(void)events;
	if (status || read(a->pipe, &byte, 1) != 1) {
		failed("it ended before it could serve");
		return;
	}
	LOG(NOTICE, "successor", L_INT("pid", a->pid));
	sd_notifyf(0, "MAINPID=%ld", (long)a->pid);
	end_attempt();
	successor.taken();
}

static void
on_late(uv_timer_t *t)
{
	(void)t;
	failed("it did not get ready in time");
}

static void
wait_for(pid_t pid, int pipe)
{
	struct attempt *a = mem_zeroed(sizeof(*a));

	a->pid = pid;
	a->pipe = pipe;
	a->handles = 2;
	uv_poll_init(&push.loop, &a->poll, pipe);
	uv_timer_init(&push.loop, &a->timer);
	a->poll.data = a->timer.data = a;
	uv_poll_start(&a->poll, UV_READABLE, on_said);
	uv_timer_start(&a->timer, on_late, PATIENCE_MS, 0);
	successor.attempt = a;
}

void
successor_start(void (*taken)(void))
{
	int ends[2];
	pid_t pid;

	if (successor.attempt)
		return;
	if (pipe2(ends, O_CLOEXEC)) {
		LOG(ERROR, "successor", L_CSTR("error", strerror(errno)));
		return;
	}
	pid = fork();
	if (!pid)
		become(ends[1]);
	close(ends[1]);
	if (pid < 0) {
		LOG(ERROR, "successor", L_CSTR("error", strerror(errno)));
		close(ends[0]);
		return;
	}
	successor.taken = taken;
	wait_for(pid, ends[0]);
}

void
successor_stop(void)
{
	if (successor.attempt)
		failed("this process ends itself");
	while (successor.given_n)
		free(successor.given[--successor.given_n].name);
}
