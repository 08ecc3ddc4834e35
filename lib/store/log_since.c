/*
 * log_since -- how far back the log is looked into for a client that comes back.
 *
 * What transactions at or above a horizon wrote began at most an hour before the last one below it that wrote an event; partitions that are
 * older hold nothing of them. What holds for a horizon holds for every later one, so the answer for one of a day before is good enough, and
 * is kept: thousands who come back at once ask the log once per worker.
 */
#include <string.h>

#include "../base/clock.h"
#include "log_place.h"

#define KEPT      32
#define EPOCH_MAX 128
#define DAY_US    (INT64_C(86400) * 1000000)

static struct {
	char epoch[EPOCH_MAX];
	struct {
		int64_t xid, at;
	} horizons[KEPT];
	size_t n; /* ever kept: the oldest gives way */
} known;

const struct stmt event_since_statement = {
	.name = "event_since",
	.params = "i",
	.results = "Nt",
	.text = "SELECT (SELECT e.at - interval '1 hour' FROM event e WHERE e.xid < $1::text::xid8 ORDER BY e.xid DESC "
	        "LIMIT 1)",
};

void
log_since_epoch(struct str epoch)
{
	if (str_eq(epoch, str_c(known.epoch)))
		return;
	known.n = 0;
	known.epoch[0] = '\0';
	if (epoch.n < EPOCH_MAX) {
		memcpy(known.epoch, epoch.p, epoch.n);
		known.epoch[epoch.n] = '\0';
	}
}

/* The moment of the newest horizon known that is not later, unless a whole day could be spared by asking; 0: ask. */
static int64_t
recall(int64_t xid)
{
	int64_t before_xid = 0, before = 0, after_xid = INT64_MAX, after = clock_wall_us();
	size_t n = known.n < KEPT ? known.n : KEPT;

	for (size_t i = 0; i < n; i++) {
		int64_t x = known.horizons[i].xid;

		if (x <= xid && x > before_xid) {
			before_xid = x;
			before = known.horizons[i].at;
		} else if (x > xid && x < after_xid) {
			after_xid = x;
			after = known.horizons[i].at;
		}
	}
	return after - before <= DAY_US ? before : 0;
}

int
log_since(struct db *db, struct arena *arena, const struct log_place *place, int64_t *ret_at)
{
	bool ours = known.epoch[0] && str_eq(place->epoch, str_c(known.epoch));
	struct rows *rows;
	int64_t at = place->xid ? ours ? recall(place->xid) : 0 : LOG_NOTHING;
	int r;

	if (!at) {
		r = db_run(db, arena, &event_since_statement, ARGS(A_INT(place->xid)), &rows);
		if (r)
			return trace(r);
		at = rows_null(rows, 0, 0) ? LOG_ALL : rows_int(rows, 0, 0);
		if (ours) {
			known.horizons[known.n % KEPT].xid = place->xid;
			known.horizons[known.n++ % KEPT].at = at;
		}
	}
	*ret_at = at;
	return 0;
}
