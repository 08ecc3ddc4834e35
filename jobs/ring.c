/* ring.c -- publishing from the log. */
#include "ring.h"
#include "../lib/base/fail.h"
#include "../lib/store/event.h"

struct walk {
	struct work *work;
	int64_t last;
};

static int
publish(void *arg, const struct feed_header *h, struct str frame, const int64_t *recipients, size_t n)
{
	struct walk *walk = arg;
	int r;

	FAILPOINT("jobs.before_publish");
	r = feed_publish(walk->work->redis, walk->work->arena, h, frame, recipients, n);
	FAILPOINT("jobs.after_publish");
	if (r)
		return r;
	walk->last = h->position > walk->last ? h->position : walk->last;
	return 0;
}

int
ring(struct work *w, char stream, int64_t id, int64_t after, int64_t xid, size_t most, int64_t *ret_last)
{
	struct walk walk = { w, after };
	int r = event_again(w->db, w->arena, stream, id, after, xid, most, publish, &walk);

	*ret_last = walk.last;
	return trace(r);
}
