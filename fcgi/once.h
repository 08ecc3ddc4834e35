/*
 * once -- Idempotency-Key: a request that creates something may be sent again when its answer was lost, and creates it once.
 *
 * For a new POST: write `.once = true` into its endpoint, and in docs/openapi.yaml give the operation the parameter
 * RequestKey, the reply 200 with the header Idempotency-Replayed, and 409 with the code idempotency_conflict. That is all:
 *
 *     key given? BEGIN -> take the key -> the handler -> keep what came of it -> COMMIT -> effects (req_after_commit) -> reply
 *
 * so the key and what it stands for are there together or not at all. Keys belong to a person and a route and live for 24 hours. Same
 * key, path, query and body (as JSON: blanks and the order of members do not matter): 200 and Idempotency-Replayed. Otherwise
 * IDEMPOTENCY_CONFLICT. A handler that can show the thing as it is now sets req->made to its id and says `.again`; for the others the
 * answer itself is kept, sealed, since it may hold a secret that is shown once. Handlers must not publish before they return (that
 * is what effects are for), and pass every outcome of the database up.
 *
 * Before anybody is signed in there is nobody whose key it could be: then it belongs to the request itself, so that no two strangers
 * who call their keys `1` are in each other's way. The same key with another body is another request there.
 *
 * Messages are different: their key is client_id, it lives as long as they do, and message_send() looks it up by itself.
 */
#ifndef PEAL_FCGI_ONCE_H
#define PEAL_FCGI_ONCE_H

#include "req.h"
#include "store/request.h"

/* Runs the endpoint's handler, or answers what it answered before. */
int once_run(struct req *);

/* The two ways of a request that may be a retry. */
struct once_steps {
	int (*fn)(struct req *);                     /* the first time; sets req->made if there is `again` */
	int (*again)(struct req *, struct str made); /* NULL: the answer is kept */
};
/* The same for a daemon that asks for somebody: it knows whose key this is, and what makes two requests the same. */
int once_for(struct req *, const struct request_key *, const struct once_steps *);

#endif
