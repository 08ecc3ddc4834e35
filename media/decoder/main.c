/*
 * media/decoder/main.c -- takes jobs from peal-media, forks one child for each, and says how it ended.
 *
 * Started by peal-media with the jobs' socket as descriptor 3; ends when that is closed. It never looks at an upload itself,
 * opens no file and starts no thread: its children are copies of it as it was before the first of them. The environment it
 * needs it sets itself.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "child.h"
#include "craft.h"
#include "sandbox.h"

#define JOBS_FD      3
#define CHILDREN_MAX 160
#define SECONDS      ((int64_t)1000000)

struct running {
	pid_t pid; /* 0: a free place */
	int reply;
	int64_t deadline; /* CLOCK_MONOTONIC, microseconds */
	bool killed, behind;
};

static struct running running[CHILDREN_MAX];
static size_t running_n, running_most;

/*
 * Jobs that nobody waits for (those with a niceness) have places of their own, so that the others never wait behind them. One that
 * finds its places taken is kept here, and no other is read until it has begun.
 */
static size_t fronts_n, fronts_most;
static struct {
	bool there;
	struct job job;
	int fds[JOB_FDS];
} waiting;

/* How many children ended so since the program started. */
static int64_t lost[JOB_ENDS];
static const char *const end_names[JOB_ENDS] = {
	[JOB_CRASHED] = "crashed", [JOB_FORBIDDEN] = "forbidden", [JOB_TOO_LONG] = "too_long"
};

static void
answer(int reply, enum job_end end, int code)
{
	const struct job_verdict verdict = { .magic = JOB_MAGIC, .end = end, .code = (uint32_t)code };

	if (send(reply, &verdict, sizeof(verdict), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		LOG(NOTICE, "verdict_not_taken", L_INT("end", end));
}

/* As many descriptors as the job has; what it has none of is -1. */
static bool
take_fds(struct msghdr *message, const struct job *job, int fds[JOB_FDS])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	size_t n = job->film_bytes ? JOB_FDS : JOB_FD_FILM;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(n * sizeof(int)))
		return false;
	fds[JOB_FD_FILM] = -1;
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return true;
}

static void
close_all(const int fds[JOB_FDS])
{
	for (size_t i = 0; i < JOB_FDS; i++)
		if (i != JOB_FD_REPLY && fds[i] >= 0)
			close(fds[i]);
}

static bool
is_of_size(int fd, uint64_t bytes)
{
	struct stat st;

	return !fstat(fd, &st) && (uint64_t)st.st_size == bytes;
}

static bool
job_ok(const struct job *job, const int fds[JOB_FDS])
{
	struct stat in;

	return job->magic == JOB_MAGIC && !fstat(fds[JOB_FD_INPUT], &in) && job->size &&
	       job->offset <= (uint64_t)in.st_size && job->size <= (uint64_t)in.st_size - job->offset &&
	       job->output_bytes > JOB_RESULT_BYTES && is_of_size(fds[JOB_FD_OUTPUT], job->output_bytes) &&
	       (!job->film_bytes || is_of_size(fds[JOB_FD_FILM], job->film_bytes)) && job->cpu_seconds && job->wall_seconds;
}

static bool
asker_gone(int reply)
{
	struct pollfd p = { .fd = reply };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static void
start(const struct job *job, const int fds[JOB_FDS])
{
	struct running *r = running;
	pid_t pid = fork();

	if (!pid)
		child_run(job, fds);
	if (pid < 0) {
		LOG(ERROR, "fork_failed", L_INT("errno", errno));
		answer(fds[JOB_FD_REPLY], JOB_BUSY, 0);
		close(fds[JOB_FD_REPLY]);
		return;
	}
	while (r->pid)
		r++;
	*r = (struct running){ pid, fds[JOB_FD_REPLY], clock_mono_us() + job->wall_seconds * SECONDS, false, job->nice > 0 };
	running_n++;
	fronts_n += !r->behind;
}

static void
begin(const struct job *job, const int fds[JOB_FDS])
{
	if (asker_gone(fds[JOB_FD_REPLY])) {
		close(fds[JOB_FD_REPLY]);
	} else if (job_ok(job, fds)) {
		start(job, fds);
	} else {
		LOG(ERROR, "job_malformed");
		close(fds[JOB_FD_REPLY]);
	}
	close_all(fds);
}

static void
begin_waiting(void)
{
	if (!waiting.there || fronts_n >= fronts_most)
		return;
	waiting.there = false;
	begin(&waiting.job, waiting.fds);
}

/* False: peal-media has gone. */
static bool
take_job(void)
{
	struct job job;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(JOB_FDS * sizeof(int))];
	struct iovec v = { &job, sizeof(job) };
	struct msghdr message = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(JOBS_FD, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fds[JOB_FDS];

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	if (n != sizeof(job) || !take_fds(&message, &job, fds)) {
		LOG(ERROR, "job_malformed");
		return true;
	}
	if (!job.nice && fronts_n >= fronts_most) {
		waiting.there = true;
		waiting.job = job;
		memcpy(waiting.fds, fds, sizeof(fds));
	} else {
		begin(&job, fds);
	}
	return true;
}

static enum job_end
end_of(const struct running *r, int status)
{
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (r->killed || signal == SIGXCPU)
		return JOB_TOO_LONG;
	if (signal == SIGSYS)
		return JOB_FORBIDDEN;
	return signal || WEXITSTATUS(status) ? JOB_CRASHED : JOB_EXITED;
}

static void
ended(struct running *r, int status)
{
	int code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	enum job_end end = end_of(r, status);

	if (end != JOB_EXITED)
		LOG(WARNING, "decoder_child_lost", L_INT("pid", r->pid), L_CSTR("end", end_names[end]), L_INT("code", code),
		    L_INT("n", ++lost[end]));
	answer(r->reply, end, code);
	close(r->reply);
	r->pid = 0;
	running_n--;
	fronts_n -= !r->behind;
}

static void
reap(void)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < CHILDREN_MAX; i++)
			if (running[i].pid == pid)
				ended(&running[i], status);
}

/* Kills who is late; returns milliseconds until the next one is, -1 when nobody runs. */
static int
kill_late(int64_t now)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct running *r = &running[i];

		if (!r->pid || r->killed)
			continue;
		if (r->deadline <= now)
			r->killed = !kill(r->pid, SIGKILL);
		else if (r->deadline < next)
			next = r->deadline;
	}
	return next == INT64_MAX ? -1 : (int)((next - now) / 1000 + 1);
}

static void
serve(int signals)
{
	struct signalfd_siginfo info;
	bool alive = true;

	while (alive || running_n) {
		struct pollfd p[2] = { { .fd = signals, .events = POLLIN },
			               { .fd = alive && running_n < running_most && !waiting.there ? JOBS_FD : -1,
			                 .events = POLLIN } };

		if (poll(p, 2, kill_late(clock_mono_us())) < 0 && errno != EINTR)
			return;
		while (read(signals, &info, sizeof(info)) == sizeof(info))
			if (info.ssi_signo == SIGTERM)
				alive = false;
		reap();
		if (alive)
			begin_waiting();
		if (p[1].revents && alive)
			alive = take_job();
	}
}

/* So that liborc maps private memory for the code it makes: a file it could map shared would be writable by every child. */
static bool
init_without_files(const char *program)
{
	struct rlimit before, none;
	bool ok;

	getrlimit(RLIMIT_FSIZE, &before);
	none = (struct rlimit){ 0, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &none);
	ok = craft.init(program);
	setrlimit(RLIMIT_FSIZE, &before);
	return ok;
}

static size_t
threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static int
signal_fd(void)
{
	sigset_t taken;

	sigemptyset(&taken);
	sigaddset(&taken, SIGCHLD);
	sigaddset(&taken, SIGTERM);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	return signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
}

int
main(int argc, char **argv)
{
	int signals = signal_fd();
	bool ready;

	log_open(craft.name, LOG_LEVEL_INFO);
	fronts_most = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	running_most = argc == 3 ? fronts_most + strtoul(argv[2], NULL, 10) : 0;
	if (!fronts_most || running_most > CHILDREN_MAX || signals < 0) {
		LOG(ERROR, "peal_media_starts_this", L_CSTR("usage", "<children> <children of jobs that nobody waits for>"));
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setenv("TZ", "UTC0", 1);
	setenv("MALLOC_ARENA_MAX", "2", 1);
	ready = init_without_files(argv[0]);
	if (!ready || threads() != 1 || !sandbox_prepare(craft.threads)) {
		LOG(ERROR, "libraries_not_as_needed", L_INT("ready", ready), L_INT("threads", (int64_t)threads()));
		return 1;
	}
	LOG(INFO, "ready", L_INT("children", (int64_t)running_most));
	serve(signals);
	_exit(0);
}
