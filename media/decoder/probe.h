/*
 * probe -- in builds for tests, a job that decodes nothing but tries what no decoder may do. See tests/media/test_sandbox.py.
 */
#ifndef PEAL_MEDIA_PROBE_H
#define PEAL_MEDIA_PROBE_H

#include "base/str.h"
#include "../job.h"

#ifdef PEAL_FAILPOINTS
/* order: JOB_PROBE "<attempt> <argument>". If the attempt comes back, the exit status says what came of it. */
void probe_make(struct str order, const struct job *, const uint8_t *bytes, uint8_t *output);
#endif

#endif
