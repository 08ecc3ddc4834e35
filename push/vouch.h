/*
 * vouch -- tokens that this process cannot check itself: of other issuers, and access tokens. The feed door says whose they are.
 *
 * Once per token: what was good is remembered, least recently used out first. A remembered token begins a connection, because the
 * heads of its hello are refused when its session has ended meanwhile; to go on with an open connection it is asked about again.
 */
#ifndef PEAL_PUSH_VOUCH_H
#define PEAL_PUSH_VOUCH_H

#include "base/token.h"
#include "conn.h"

/* May somebody else know a token that our key does not? */
bool vouch_foreign(struct arena *, struct str token);
/* True with its claims when it is remembered and has not expired. The session's id lives as long as nothing else is asked. */
bool vouch_known(struct str token, int64_t now, struct token_claims *ret);

/* Asks; fn is called in a later turn of the loop unless the connection has ended by then. r: 0, UNAUTHENTICATED, TOKEN_EXPIRED,
 * FORBIDDEN (it does not open sockets) or UNAVAILABLE. hello: the frame that waits for it, NULL when there is none; not owned. */
typedef void (*vouch_fn)(struct conn *, int r, const struct token_claims *, const char *hello);
void vouch_ask(struct conn *, struct str token, vouch_fn);
bool vouch_asking(const struct conn *);
/* Keeps a hello until the answer is there. False: one is kept already. */
bool vouch_hold(struct conn *, char *hello); /* takes it when true */

#endif
