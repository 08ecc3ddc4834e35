/*
 * reply -- the answer to a request, written into req->headers and req->out.
 *
 * Every function that writes a whole reply returns 0, so that a handler ends with `return reply_...`. Writing again replaces
 * what was written before.
 */
#ifndef PEAL_FCGI_REPLY_H
#define PEAL_FCGI_REPLY_H

#include "wire/view.h"
#include "req.h"

struct json_out *reply_json(struct req *, int status); /* write one document, then `return reply_end(req)` */
int reply_end(struct req *);
int reply_empty(struct req *); /* 204 */
int reply_user(struct req *, int status, const struct user *);
int reply_me(struct req *, int status, const struct me *);
int reply_message(struct req *, int status, const struct message *);
int reply_conversation(struct req *, int status, const struct conversation *);
/* Instead of reply_end(), on the feed door: the document is line 1, `rest` follows as it is, and all of it is text/plain. */
int reply_end_line(struct req *, struct str rest);

/* Left out when the value holds control characters. */
void reply_header(struct req *, const char *name, struct str value);
void reply_problem(struct req *, int r); /* RFC 9457, with the headers of this outcome and no others */
void reply_finish(struct req *);         /* ETag and 304, RateLimit-*, X-Request-Id, Cache-Control, Content-* */

#endif
