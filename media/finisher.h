/*
 * finisher -- makes of queued uploads (queue.h) what they are to be, one after the other, and tells the workers what came of each.
 *
 * What can be tried again is: while the workers, the decoders or the disk have no time or room, the job waits. What its bytes are
 * to blame for has failed, and so has one that ended QUEUE_TRIES processes.
 */
#ifndef PEAL_MEDIA_FINISHER_H
#define PEAL_MEDIA_FINISHER_H

#include "upload.h"

struct finisher {
	struct upload *upload;     /* of the process; for the length of one job */
	const struct queue *queue; /* that of the job */
	bool transcoding;          /* its jobs are films, and it takes its time for them */
	int64_t rest_until_us;     /* monotonic */
};

/* One job, if there is one; resets the arena. False: there was nothing to do. */
bool finisher_turn(struct finisher *, int64_t now_us);

#endif
