/*
 * bench/decode/decode.c -- does one job n times and says what each took.
 *
 *     decode <way> <n> <parallel> <file> [<decoder>]
 *
 *     child    by the decoding program, as in use: one sandboxed child per job, `parallel` of them at a time
 *     inside   by the same code in this process, without a child and without a sandbox
 *     other    in this process, the other way that the program was built with
 *
 * Prints {"wall_ms": [...], "cpu_ms": of one job, "peak_kib": of the largest process, "bytes": written}.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "decode.h"
#include "media/sniff.h"

#define DECODER_FD   3
#define PARALLEL_MAX 8
#define N_MAX        100000

struct input {
	int fd;
	uint8_t *p;
	size_t n;
};

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "decode: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct input
open_input(const char *path)
{
	struct input in = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	struct stat st;

	if (in.fd < 0 || fstat(in.fd, &st))
		die(path);
	in.n = (size_t)st.st_size;
	in.p = mmap(NULL, in.n, PROT_READ, MAP_PRIVATE, in.fd, 0);
	if (in.p == MAP_FAILED)
		die("mmap");
	return in;
}

/* As peal-media orders it, with the limits of its configuration. */
static struct job
job_for(const struct input *in)
{
	size_t head = in->n < SNIFF_BYTES ? in->n : SNIFF_BYTES;

	return (struct job){ .magic = JOB_MAGIC,
		             .sniffed = sniff(str_n((const char *)in->p, head)),
		             .size = in->n,
		             .max_pixels = UINT64_C(64000000),
		             .max_frames = 150,
		             .max_seconds = 15 * 60,
		             .cpu_seconds = 60,
		             .wall_seconds = 120,
		             .memory_bytes = UINT64_C(1) << 30,
		             .output_bytes = JOB_OUTPUT_BYTES };
}

static int
new_output(void)
{
	int fd = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, JOB_OUTPUT_BYTES) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		die("memfd");
	return fd;
}

/* Bytes of all renditions; nothing but a job that was done is worth being measured. */
static size_t
written(const uint8_t *output)
{
	const struct job_result *r = (const struct job_result *)output;
	size_t n = 0;

	if (r->magic != JOB_MAGIC || r->found != JOB_DONE) {
		fprintf(stderr, "decode: found %u\n", r->found);
		exit(1);
	}
	for (size_t i = 0; i < JOB_RENDITIONS; i++)
		n += r->renditions[i].size;
	return n;
}

/* One job on its way. */
struct going {
	int reply, output;
	int64_t began_us;
};

static pid_t
start_decoder(const char *program, int *ret_socket)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		die("socketpair");
	pid = fork();
	if (!pid) {
		if (dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) < 0 ||
		    (pair[1] != DECODER_FD && dup2(pair[1], DECODER_FD) < 0))
			_exit(127);
		close_range(DECODER_FD + 1, ~0U, 0);
		execl(program, program, "8", "1", (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	*ret_socket = pair[0];
	return pid;
}

static struct going
begin(int decoder, const struct job *job, const struct input *in)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(JOB_FD_FILM * sizeof(int))] = { 0 };
	struct iovec v = { (void *)(uintptr_t)job, sizeof(*job) };
	struct msghdr message = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	struct going g = { .began_us = clock_mono_us(), .output = new_output() };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		die("socketpair");
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(JOB_FD_FILM * sizeof(int));
	memcpy(CMSG_DATA(c), (const int[JOB_FD_FILM]){ in->fd, g.output, pair[1] }, JOB_FD_FILM * sizeof(int));
	if (sendmsg(decoder, &message, MSG_NOSIGNAL) < 0)
		die("the decoder is gone");
	close(pair[1]);
	g.reply = pair[0];
	return g;
}

/* Milliseconds that it took; *ret_bytes: what it wrote. */
static double
end(struct going *g, size_t *ret_bytes)
{
	struct job_verdict verdict;
	const uint8_t *output;
	double ms;

	if (recv(g->reply, &verdict, sizeof(verdict), 0) != sizeof(verdict) || verdict.end != JOB_EXITED)
		die("the child was lost");
	ms = (double)(clock_mono_us() - g->began_us) / 1000;
	output = mmap(NULL, JOB_OUTPUT_BYTES, PROT_READ, MAP_SHARED, g->output, 0);
	if (output == MAP_FAILED)
		die("mmap");
	*ret_bytes = written(output);
	munmap((void *)(uintptr_t)output, JOB_OUTPUT_BYTES);
	close(g->output);
	close(g->reply);
	return ms;
}

static void
by_children(int decoder, const struct job *job, const struct input *in, int n, int parallel, double *ms, size_t *ret_bytes)
{
	struct going going[PARALLEL_MAX];
	int begun = 0;

	for (; begun < parallel && begun < n; begun++)
		going[begun] = begin(decoder, job, in);
	for (int i = 0; i < n; i++) {
		struct going *g = &going[i % parallel];

		ms[i] = end(g, ret_bytes);
		if (begun < n) {
			*g = begin(decoder, job, in);
			begun++;
		}
	}
}

static void
in_here(bool other, const struct job *job, const struct input *in, int n, double *ms, size_t *ret_bytes)
{
	for (int i = 0; i < n; i++) {
		uint8_t *output = mmap(NULL, JOB_OUTPUT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int64_t began = clock_mono_us();

		if (output == MAP_FAILED)
			die("mmap");
		if (other && !other_make(job, in->p, output))
			die(other_name);
		if (!other)
			craft.make(job, in->p, output, NULL);
		ms[i] = (double)(clock_mono_us() - began) / 1000;
		*ret_bytes = other ? 0 : written(output);
		munmap(output, JOB_OUTPUT_BYTES);
	}
}

static double
cpu_ms(int whose)
{
	struct rusage u;

	getrusage(whose, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static long
peak_of_children_kib(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return u.ru_maxrss;
}

/* Of this program alone: ru_maxrss would begin with that of whoever has started it. */
static long
peak_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void
print(const double *ms, int n, double cpu, long peak, size_t bytes)
{
	printf("{\"wall_ms\": [");
	for (int i = 0; i < n; i++)
		printf("%s%.3f", i ? ", " : "", ms[i]);
	printf("], \"cpu_ms\": %.3f, \"peak_kib\": %ld, \"bytes\": %zu}\n", cpu / n, peak, bytes);
}

/* What the program costs before its first job is not the jobs': it is started once without any. */
static double
cost_of_starting(const char *program)
{
	double before = cpu_ms(RUSAGE_CHILDREN);
	int decoder;
	pid_t pid = start_decoder(program, &decoder);

	close(decoder);
	waitpid(pid, NULL, 0);
	return cpu_ms(RUSAGE_CHILDREN) - before;
}

static void
measure_children(const char *program, const struct job *job, const struct input *in, int n, int parallel, double *ms)
{
	double start = cost_of_starting(program), before;
	size_t bytes = 0, ignored;
	double first;
	int decoder;
	pid_t pid = start_decoder(program, &decoder);

	by_children(decoder, job, in, 1, 1, &first, &ignored); /* the program is ready then */
	before = cpu_ms(RUSAGE_CHILDREN);
	by_children(decoder, job, in, n, parallel, ms, &bytes);
	close(decoder);
	waitpid(pid, NULL, 0);
	print(ms, n, (cpu_ms(RUSAGE_CHILDREN) - before - start) * n / (n + 1), peak_of_children_kib(), bytes);
}

static void
measure_here(const char *program, bool other, const struct job *job, const struct input *in, int n, double *ms)
{
	size_t bytes = 0;
	double first, before;

	if (!craft.init(program))
		die("the libraries are not as needed");
	in_here(other, job, in, 1, &first, &bytes);
	before = cpu_ms(RUSAGE_SELF);
	in_here(other, job, in, n, ms, &bytes);
	print(ms, n, cpu_ms(RUSAGE_SELF) - before, peak_kib(), bytes);
}

int
main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0, parallel = argc > 3 ? atoi(argv[3]) : 0;
	bool child = argc == 6 && !strcmp(argv[1], "child");
	struct input in;
	struct job job;
	double *ms;

	if (!(child || argc == 5) || n < 1 || n > N_MAX || parallel < 1 || parallel > PARALLEL_MAX) {
		fprintf(stderr, "usage: decode child|inside|other <n> <parallel> <file> [<decoder>]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	in = open_input(argv[4]);
	job = job_for(&in);
	ms = calloc((size_t)n, sizeof(*ms));
	if (!ms)
		die("calloc");
	if (child)
		measure_children(argv[5], &job, &in, n, parallel, ms);
	else
		measure_here(argv[0], !strcmp(argv[1], "other"), &job, &in, n, ms);
	free(ms);
	return 0;
}
