/*
 * problem -- refusals as application/problem+json (RFC 9457), the same from every process.
 */
#ifndef PEAL_WIRE_PROBLEM_H
#define PEAL_WIRE_PROBLEM_H

#include "../base/err.h"
#include "../base/json_in.h"
#include "../base/json_out.h"

#define PROBLEM_RETRY_AFTER_MS 1000 /* of outcomes that may be tried again; Retry-After says the same in seconds */

/* All but the closing brace, for members that one kind of problem alone has. */
void problem_open(struct json_out *, int r, struct str request_id, const char *detail, int64_t retry_after_ms,
                  const struct json_report *);
/* The whole document. detail NULL: the outcome's own sentence; retry_after_ms 0: the usual; the report may be NULL. */
void problem_write(struct json_out *, int r, struct str request_id, const char *detail, int64_t retry_after_ms,
                   const struct json_report *);
int problem_outcome(struct str code);  /* the outcome that has it; 0: none has */
const char *problem_title(int status); /* HTTP's reason phrase, "Unknown" for statuses that we never answer */

#endif
