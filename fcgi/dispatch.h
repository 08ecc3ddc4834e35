/*
 * dispatch -- what every request goes through, written once.
 *
 *     reset arena -> clock -> route -> body size -> content type -> who -> rate -> ids -> handler -> after-commit effects -> reply
 */
#ifndef PEAL_FCGI_DISPATCH_H
#define PEAL_FCGI_DISPATCH_H

#include "req.h"

/* Sets the id, from PEAL_REQUEST_ID or a new one. First of all, with params and door set. */
void dispatch_begin(struct req *);
/* Serves the request; the reply is then in req->headers and req->out. Returns the outcome, or the fault, it ended with. */
int dispatch(struct req *);
/* Answers with this outcome without looking at the request any further. */
int dispatch_refuse(struct req *, int r);
/* One line, after the reply was written or could not be. */
void dispatch_log(const struct req *, int r, int64_t us, int64_t statements, bool written);

#endif
