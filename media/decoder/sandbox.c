/* media/decoder/sandbox.c -- the list, and how it becomes a filter. */
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include "sandbox.h"

static struct sock_fprog program;

static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(pread64),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getrandom),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(getrusage),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
#ifdef __SANITIZE_ADDRESS__
	SCMP_SYS(sigaltstack),
	SCMP_SYS(prlimit64),
	SCMP_SYS(getrlimit),
	SCMP_SYS(tgkill),
#endif
};

static const int for_threads[] = { SCMP_SYS(set_robust_list), SCMP_SYS(rseq) };

/* What libraries ask for and can do without. clone3 hides its flags from us; pthread_create() then uses clone. */
static const struct {
	int call, error;
} refused[] = {
	{ SCMP_SYS(clone3), ENOSYS },  { SCMP_SYS(openat), EACCES }, { SCMP_SYS(ioctl), ENOTTY },
	{ SCMP_SYS(umask), EPERM },    { SCMP_SYS(unlink), EPERM },  { SCMP_SYS(getpeername), ENOTSOCK },
	{ SCMP_SYS(sysinfo), ENOSYS }, { SCMP_SYS(access), EACCES }, { SCMP_SYS(readlink), EACCES },
};

static bool
allow_all(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0))
			return false;
	return true;
}

static bool
refuse_all(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint16_t)refused[i].error), refused[i].call, 0))
			return false;
	return true;
}

static bool
memory_without_code(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);

	return !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_executable) &&
	       !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_executable);
}

/* A thread shares all of these; a process would share none. */
static bool
threads_but_no_processes(scmp_filter_ctx ctx)
{
	const uint64_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;

	return allow_all(ctx, for_threads, sizeof(for_threads) / sizeof(for_threads[0])) &&
	       !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread)) &&
	       !seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
}

/* The program itself, as the kernel wants it. */
static bool export(scmp_filter_ctx ctx)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;
	bool ok = false;

	if (fd < 0)
		return false;
	if (!seccomp_export_bpf(ctx, fd) && !fstat(fd, &st) && st.st_size > 0) {
		program.len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
		program.filter = malloc((size_t)st.st_size);
		ok = program.filter && pread(fd, program.filter, (size_t)st.st_size, 0) == st.st_size;
	}
	close(fd);
	return ok;
}

bool
sandbox_prepare(bool threads)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool ok = ctx && !seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) &&
	          !seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) &&
	          allow_all(ctx, allowed, sizeof(allowed) / sizeof(allowed[0])) && refuse_all(ctx) &&
	          memory_without_code(ctx) && (!threads || threads_but_no_processes(ctx)) && export(ctx);

	seccomp_release(ctx);
	return ok;
}

bool
sandbox_enter(void)
{
	return program.len && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
