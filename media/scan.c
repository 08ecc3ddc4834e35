/* media/scan.c -- asks, notes what came of it, and decides. */
#include "scan.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "clamd.h"

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

int
scan(const struct making *m)
{
	const struct conf *conf = m->u->conf;
	const int64_t began_us = clock_mono_us();
	struct str name = STR("");
	int r;

	if (!*conf->clamd_address)
		return 0;
	r = ask(m, &name);
	if (r < 0)
		return trace(r);
	note(m, name, r, clock_mono_us() - began_us);
	return r == INFECTED || !strcmp(conf->clamd_failure, "refuse") ? r : 0;
}
