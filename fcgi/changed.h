/*
 * changed -- what the endpoints that change a message share: its place, telling the others, and the message as it is then.
 */
#ifndef PEAL_FCGI_CHANGED_H
#define PEAL_FCGI_CHANGED_H

#include "req.h"
#include "store/change.h"

/* The message that the path names. */
static inline struct place
changed_place(const struct req *req)
{
	return (struct place){ .me = req->me, .conversation_id = req->conversation, .seq = req->seq };
}

/* Rings, after commit, for what was written into the conversation's log ('c') or into my own stream ('u'); for nothing: not. */
void changed_ring(struct req *, char stream, const struct change *);
/* The same, and 200 with the message. */
int changed_reply(struct req *, char stream, const struct change *);

#endif
