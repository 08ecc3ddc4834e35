/*
 * child -- the process that meets what somebody uploaded: it has the bytes, a place for the result, and nothing else.
 */
#ifndef PEAL_MEDIA_CHILD_H
#define PEAL_MEDIA_CHILD_H

#include "../job.h"

/* In a fresh child: gives up everything it does not need, does the job, and ends. fds as in enum job_fd. */
_Noreturn void child_run(const struct job *, const int fds[JOB_FDS]);

#endif
