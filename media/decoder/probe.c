/* media/decoder/probe.c -- attempts, each by the system call itself, so that no library is asked first. Test builds only. */
#include "probe.h"

#ifdef PEAL_FAILPOINTS

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* With what the child exits when an attempt comes back: that it worked, or errno above the other. */
#define PROBE_DONE    99
#define PROBE_REFUSED 100
#define LIED          1000000 /* returned by an attempt: as if the job was done */

#define DESCRIPTORS 4096
#define PAGE        4096

struct place {
	const struct job *job;
	const uint8_t *bytes;
	uint8_t *output;
	const char *argument;
};

static long
try_open(const struct place *p)
{
	return syscall(SYS_openat, AT_FDCWD, p->argument, O_RDONLY);
}

static long
try_create(const struct place *p)
{
	return syscall(SYS_openat, AT_FDCWD, p->argument, O_WRONLY | O_CREAT, 0600);
}

static long
try_old_open(const struct place *p)
{
	return syscall(SYS_open, p->argument, O_RDONLY);
}

static long
try_unlink(const struct place *p)
{
	return syscall(SYS_unlink, p->argument);
}

static long
try_rename(const struct place *p)
{
	return syscall(SYS_rename, p->argument, "/tmp/renamed");
}

static long
try_socket(const struct place *p)
{
	(void)p;
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long
try_unix(const struct place *p)
{
	(void)p;
	return syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
}

static long
try_connect(const struct place *p)
{
	const struct sockaddr loopback = { .sa_family = AF_INET };

	(void)p;
	return syscall(SYS_connect, 0, &loopback, sizeof(loopback));
}

static long
try_fork(const struct place *p)
{
	(void)p;
	return syscall(SYS_fork);
}

static long
try_clone(const struct place *p)
{
	(void)p;
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
}

static long
try_namespace(const struct place *p)
{
	(void)p;
	return syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_NEWUSER, NULL, NULL, NULL, 0);
}

static long
try_clone3(const struct place *p)
{
	(void)p;
	return syscall(SYS_clone3, NULL, 0);
}

static long
try_exec(const struct place *p)
{
	char *argv[] = { (char *)(uintptr_t)p->argument, NULL };

	return syscall(SYS_execve, p->argument, argv, argv + 1);
}

static long
try_map_code(const struct place *p)
{
	(void)p;
	return syscall(SYS_mmap, NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long
try_make_code(const struct place *p)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)p;
	return syscall(SYS_mprotect, page, PAGE, PROT_READ | PROT_EXEC);
}

static long
try_write_input(const struct place *p)
{
	*(volatile uint8_t *)(uintptr_t)p->bytes = 0;
	return 0;
}

static long
try_write_beyond(const struct place *p)
{
	for (size_t i = 0; i < ((size_t)1 << 30); i += PAGE)
		*(volatile uint8_t *)(p->output + p->job->output_bytes + i) = 1;
	return 0;
}

/* How many descriptors take a byte; stderr is left open by test builds, for the sanitizers. */
static long
try_write_anywhere(const struct place *p)
{
	long taken = 0;

	(void)p;
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (fd != STDERR_FILENO)
			taken += syscall(SYS_write, fd, "x", 1) == 1;
	errno = EBADF;
	return taken ? taken : -1;
}

static long
try_kill(const struct place *p)
{
	(void)p;
	return syscall(SYS_kill, getppid(), SIGTERM);
}

static long
try_trace(const struct place *p)
{
	(void)p;
	return syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL);
}

static long
try_read_others(const struct place *p)
{
	char byte;
	const struct iovec mine = { &byte, 1 }, theirs = { (void *)(uintptr_t)p->bytes, 1 };

	return syscall(SYS_process_vm_readv, atoi(p->argument), &mine, 1, &theirs, 1, 0);
}

static long
try_limits(const struct place *p)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	(void)p;
	return syscall(SYS_setrlimit, RLIMIT_AS, &all);
}

static long
try_memory(const struct place *p)
{
	void *block = mmap(NULL, (size_t)p->job->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return block == MAP_FAILED ? -1 : 0;
}

static long
try_hang(const struct place *p)
{
	const struct timespec hour = { 3600, 0 };

	(void)p;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL);
	return 0;
}

static _Noreturn long
try_spin(const struct place *p)
{
	(void)p;
	for (volatile uint64_t i = 0;; i++)
		;
}

static _Noreturn long
try_crash(const struct place *p)
{
	(void)p;
	__builtin_trap();
}

/* Says that it is done and points to bytes that are not there. */
static long
try_lie(const struct place *p)
{
	struct job_result *r = (struct job_result *)p->output;

	memset(r, 0xff, sizeof(*r));
	r->magic = JOB_MAGIC;
	r->found = JOB_DONE;
	return LIED;
}

static const struct {
	const char *name;
	long (*fn)(const struct place *);
} attempts[] = {
	{ "open", try_open },
	{ "create", try_create },
	{ "old_open", try_old_open },
	{ "unlink", try_unlink },
	{ "rename", try_rename },
	{ "socket", try_socket },
	{ "unix", try_unix },
	{ "connect", try_connect },
	{ "fork", try_fork },
	{ "clone", try_clone },
	{ "namespace", try_namespace },
	{ "clone3", try_clone3 },
	{ "exec", try_exec },
	{ "map_code", try_map_code },
	{ "make_code", try_make_code },
	{ "write_input", try_write_input },
	{ "write_beyond", try_write_beyond },
	{ "write_anywhere", try_write_anywhere },
	{ "kill", try_kill },
	{ "trace", try_trace },
	{ "read_others", try_read_others },
	{ "limits", try_limits },
	{ "memory", try_memory },
	{ "hang", try_hang },
	{ "spin", try_spin },
	{ "crash", try_crash },
	{ "lie", try_lie },
};

void
probe_make(struct str order, const struct job *job, const uint8_t *bytes, uint8_t *output)
{
	char argument[256] = { 0 };
	struct str name;

	str_cut(&order, ' ');
	name = str_cut(&order, ' ');
	if (str_present(order))
		memcpy(argument, order.p, order.n < sizeof(argument) ? order.n : sizeof(argument) - 1);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		if (str_eq(name, str_c(attempts[i].name))) {
			const struct place place = { job, bytes, output, argument };
			long r = attempts[i].fn(&place);

			_exit(r < 0 ? PROBE_REFUSED + errno : r == LIED ? 0 : PROBE_DONE);
		}
}

#endif
