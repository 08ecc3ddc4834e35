/* media/scan.c -- asks, notes what came of it, and decides. */
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "clamd.h"
#include "metrics.h"

#define MIB(n)     ((uint64_t)(n) << 20)
#define PER_SECOND MIB(8)

/* What was found is worth somebody's attention, and so is a scanner that does not answer. */
static void
note(const struct making *m, struct str name, int r, int64_t us)
{
	const struct log_field fields[] = { L_STR("id", str_present(m->u->request_id) ? m->u->request_id : m->id),
		                            L_INT("user", m->owner),
		                            L_INT("bytes", (int64_t)m->in.size),
		                            L_INT("us", us),
		                            L_CSTR("outcome", r ? outcome_info(r)->code : "ok"),
		                            L_STR("found", name),
		                            { 0 } };

	log_write(r ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "scanned", fields);
}

static int
ask(const struct making *m, struct str *ret_name)
{
	const struct conf *conf = m->u->conf;
	const int64_t seconds = conf->clamd_timeout_seconds + (int64_t)(m->in.size / PER_SECOND);

	if (m->in.size > MIB(conf->clamd_mib))
		return TOO_LARGE;
	return clamd_scan(m->u->arena, conf->clamd_address, seconds * 1000, m->in.fd, m->in.offset, m->in.size, ret_name);
}

static int
ask_and_judge(const struct making *m)
{
	const int64_t began_us = clock_mono_us();
	struct str name = STR("");
	int r;

	r = ask(m, &name);
	metrics_outcome(metrics->scans, r);
	metrics_took(&metrics->scan_seconds, clock_mono_us() - began_us);
	if (r < 0)
		return trace(r);
	note(m, name, r, clock_mono_us() - began_us);
	return r == INFECTED || !strcmp(m->u->conf->clamd_failure, "refuse") ? r : 0;
}

/* One of so many places (bytes of media_dir/scanning that are locked), until *ret is closed, however that comes about. BUSY: all are taken. */
static int
take_place(const struct media_store *s, int64_t places, int *ret)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = openat(s->incoming, "../scanning", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (fd < 0)
		return fault(-errno);
	for (; lock.l_start < places; lock.l_start++)
		if (!fcntl(fd, F_OFD_SETLK, &lock)) {
			*ret = fd;
			return 0;
		}
	close(fd);
	return BUSY;
}

/* Half of the processes may wait for a scanner, so that one that hangs does not hold up pictures and recordings. Whoever finds no place is refused also
 * where its word is not needed: or else a crowd at the door would be a way around it. */
int
scan(const struct making *m)
{
	const struct conf *conf = m->u->conf;
	int fd = -1, r;

	if (!*conf->clamd_address)
		return 0;
	if (m->behind)
		return ask_and_judge(m);
	r = take_place(m->u->store, (conf->media_workers + 1) / 2, &fd);
	if (r)
		return trace(r);
	r = ask_and_judge(m);
	close(fd);
	return r;
}
