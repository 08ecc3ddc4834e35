/* media/decode.c -- the asking side of job.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "decode.h"
#include "metrics.h"

#define SIDE_MAX        16383 /* WebP's */
#define SOURCE_SIDE_MAX (1 << 20)
#define LONGEST_MS      (24u * 3600 * 1000) /* of a film */
#define LOUDEST         3000                /* hundredths of LUFS */
#define KILL_SECONDS    1                   /* from a child's deadline to its verdict */

static void
close_fd(void *arg)
{
	close((int)(intptr_t)arg);
}

static void
close_later(struct arena *a, int fd)
{
	arena_defer(a, close_fd, (void *)(intptr_t)fd);
}

struct mapping {
	void *p;
	size_t n;
};

static void
unmap(void *mapping)
{
	const struct mapping *m = mapping;

	munmap(m->p, m->n);
}

/* For reading, as long as the arena lives; NULL with errno when there is no room. */
static const uint8_t *
map_output(struct arena *a, int fd, size_t n)
{
	struct mapping *m = arena_new_of(a, struct mapping);

	*m = (struct mapping){ mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0), n };
	if (m->p == MAP_FAILED)
		return NULL;
	arena_defer(a, unmap, m);
	return m->p;
}

/* Sealed: the child can neither cut it, which would end us by SIGBUS, nor let it grow. */
static int
new_output(struct arena *a, uint64_t bytes, int *ret)
{
	int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return fault(-errno);
	close_later(a, fd);
	if (ftruncate(fd, (off_t)bytes) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fault(-errno);
	*ret = fd;
	return 0;
}

static int
send_job(int decoders, const struct job *job, const int fds[JOB_FDS])
{
	const size_t n = (job->film_bytes ? JOB_FDS : JOB_FD_FILM) * sizeof(int);
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(JOB_FDS * sizeof(int))] = { 0 };
	struct iovec v = { (void *)(uintptr_t)job, sizeof(*job) };
	struct msghdr message = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(n) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), fds, n);
	if (sendmsg(decoders, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	return errno == EAGAIN ? BUSY : errno == EPIPE ? UNAVAILABLE : fault(-errno);
}

static int
wait_verdict(int fd, int64_t seconds, struct job_verdict *ret)
{
	int64_t until = clock_mono_us() + seconds * 1000000, left;
	ssize_t n;

	while ((left = until - clock_mono_us()) > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, (int)(left / 1000) + 1) <= 0)
			continue;
		n = recv(fd, ret, sizeof(*ret), MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		return n == sizeof(*ret) && ret->magic == JOB_MAGIC ? 0 : UNAVAILABLE;
	}
	return BUSY;
}

/* Our end of the reply's socket in *ret; the decoder's end is closed here, so that its death is an end of file. */
static int
ask(struct arena *a, int decoders, const struct job *job, int input, int output, int film, int *ret)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return fault(-errno);
	close_later(a, pair[0]);
	r = send_job(decoders, job, (const int[JOB_FDS]){ input, output, pair[1], film });
	close(pair[1]);
	*ret = pair[0];
	return r;
}

/* Bytes that begin as the format does, and lie where they can. */
static bool
take_bytes(const struct job *job, const uint8_t *output, const struct job_rendition *in, struct str begin, size_t at,
           struct rendition *ret)
{
	struct job_rendition r = *in;

	if (!r.size || r.offset < JOB_RESULT_BYTES || r.offset > job->output_bytes ||
	    r.size > job->output_bytes - r.offset || r.size < at + begin.n)
		return false;
	*ret = (struct rendition){ str_n((const char *)output + r.offset, r.size), r.width, r.height };
	return !memcmp(ret->bytes.p + at, begin.p, begin.n);
}

static bool
take_rendition(const struct job *job, const uint8_t *output, const struct job_rendition *r, struct rendition *ret)
{
	return take_bytes(job, output, r, STR("RIFF"), 0, ret) && ret->width && ret->height && ret->width <= SIDE_MAX &&
	       ret->height <= SIDE_MAX;
}

static bool
side_ok(uint32_t side)
{
	return side && side <= SOURCE_SIDE_MAX;
}

static bool
take_picture(const struct job *job, const uint8_t *output, struct picture *ret)
{
	const struct job_result *r = (const struct job_result *)output;

	if (!side_ok(r->source_width) || !side_ok(r->source_height) || !r->source_frames ||
	    r->source_frames > job->max_frames || r->animated > 1 || r->transparent > 1 || r->thumbhash_n < 5 ||
	    r->thumbhash_n > sizeof(r->thumbhash))
		return false;
	*ret = (struct picture){ .animated = r->animated,
		                 .transparent = r->transparent,
		                 .source_width = r->source_width,
		                 .source_height = r->source_height,
		                 .source_frames = r->source_frames,
		                 .thumbhash = str_n((const char *)r->thumbhash, r->thumbhash_n) };
	memcpy(ret->color, r->color, sizeof(ret->color));
	return take_rendition(job, output, &r->renditions[JOB_MAIN], &ret->main) &&
	       take_rendition(job, output, &r->renditions[JOB_THUMB], &ret->thumb);
}

static bool
take_sound(const struct job *job, const uint8_t *output, struct sound *ret)
{
	const struct job_result *r = (const struct job_result *)output;

	if (!r->duration_ms || r->duration_ms > job->max_seconds * 1000 || !r->waveform_n ||
	    r->waveform_n > sizeof(r->waveform) || r->loudness < JOB_SILENT || r->loudness > LOUDEST)
		return false;
	*ret = (struct sound){ .duration_ms = r->duration_ms,
		               .loudness = r->loudness,
		               .gain = r->gain,
		               .waveform = str_n((const char *)r->waveform, r->waveform_n) };
	return take_bytes(job, output, &r->renditions[JOB_AAC], STR("ftyp"), 4, &ret->aac) &&
	       take_bytes(job, output, &r->renditions[JOB_OPUS], STR("\x1A\x45\xDF\xA3"), 0, &ret->opus) &&
	       !ret->aac.width && !ret->opus.width;
}

static bool
take_film(const struct job *job, const uint8_t *output, struct film *ret)
{
	const struct job_result *r = (const struct job_result *)output;
	struct job_rendition poster = r->renditions[JOB_POSTER];

	if (!side_ok(r->source_width) || !side_ok(r->source_height) || !r->duration_ms || r->duration_ms > LONGEST_MS)
		return false;
	*ret = (struct film){ .width = r->source_width, .height = r->source_height, .duration_ms = r->duration_ms };
	ret->poster_offset = poster.offset;
	ret->size = r->renditions[JOB_FILM].size;
	return take_bytes(job, output, &poster, STR("\x89PNG"), 0, &ret->poster) && ret->size <= job->film_bytes;
}

static bool
begins_as_mp4(int fd)
{
	char head[4];

	return pread(fd, head, sizeof(head), 4) == sizeof(head) && !memcmp(head, "ftyp", sizeof(head));
}

static int
outcome_of(uint32_t found)
{
	switch (found) {
	case JOB_DONE:
		return 0;
	case JOB_TOO_MANY_PIXELS:
		return TOO_MANY_PIXELS;
	case JOB_TOO_MANY_FRAMES:
		return TOO_MANY_FRAMES;
	case JOB_TOO_MANY_SAMPLES:
		return TOO_LONG;
	case JOB_TOO_COMPLEX:
		return TOO_COMPLEX;
	default:
		return CORRUPT;
	}
}

/* The child is gone and the decoder has closed its descriptors: what lies in the output now does not change any more. */
static int
read_output(struct arena *a, const struct job *job, int output, const uint8_t **ret)
{
	const struct job_result *result;

	*ret = map_output(a, output, job->output_bytes);
	if (!*ret)
		return fault(-errno);
	result = (const struct job_result *)*ret;
	return result->magic == JOB_MAGIC ? outcome_of(result->found) : CORRUPT;
}

/* *ret: what the child left behind; nothing in it has been looked at. */
static int
run(struct arena *a, int decoders, const struct job *job, int input, int film, int64_t wait_seconds, const uint8_t **ret,
    int *ret_output)
{
	struct job_verdict verdict;
	int output = -1, reply = -1, r;

	r = new_output(a, job->output_bytes, &output);
	if (r)
		return trace(r);
	r = ask(a, decoders, job, input, output, film, &reply);
	if (r)
		return trace(r);
	r = wait_verdict(reply, wait_seconds + job->wall_seconds + KILL_SECONDS, &verdict);
	if (r)
		return r;
	metrics_add(&metrics->children[verdict.end < JOB_ENDS ? verdict.end : JOB_CRASHED], 1);
	switch (verdict.end) {
	case JOB_EXITED:
		*ret_output = output;
		return read_output(a, job, output, ret);
	case JOB_TOO_LONG:
		return TOO_COMPLEX;
	case JOB_BUSY:
		return BUSY;
	default:
		return CORRUPT;
	}
}

static int
malformed(void)
{
	LOG(ERROR, "decoder_result_malformed");
	return CORRUPT;
}

int
decode_picture(struct arena *a, int decoders, const struct job *job, int input, int64_t wait_seconds, struct picture *ret)
{
	const uint8_t *output;
	int fd, r = run(a, decoders, job, input, -1, wait_seconds, &output, &fd);

	if (r)
		return trace(r);
	return take_picture(job, output, ret) ? 0 : malformed();
}

int
decode_sound(struct arena *a, int decoders, const struct job *job, int input, int64_t wait_seconds, struct sound *ret)
{
	const uint8_t *output;
	int fd, r = run(a, decoders, job, input, -1, wait_seconds, &output, &fd);

	if (r)
		return trace(r);
	return take_sound(job, output, ret) ? 0 : malformed();
}

int
decode_film(struct arena *a, int decoders, const struct job *job, int input, int film, int64_t wait_seconds,
            struct film *ret)
{
	const uint8_t *output;
	int fd, r = run(a, decoders, job, input, film, wait_seconds, &output, &fd);

	if (r)
		return trace(r);
	if (!take_film(job, output, ret) || (ret->size && !begins_as_mp4(film)))
		return malformed();
	ret->output = fd;
	return 0;
}
