/*
 * ask -- asks another process of ours by FastCGI, one question per connection, and waits for the answer.
 */
#ifndef PEAL_BASE_ASK_H
#define PEAL_BASE_ASK_H

#include "arena.h"
#include "fastcgi.h"

/*
 * POSTs a JSON body to one of the addresses in `where` (address.h), separated by blanks: the next one when nobody is there. The answer lives as the arena. UNAVAILABLE when nobody could be asked; UNCERTAIN when the question was
 * sent and no answer came in time: it may have taken effect.
 */
int ask_post(struct arena *, const char *where, const char *uri, struct str request_id, struct str body, int64_t timeout_ms,
             struct cgi_answer *ret);

#endif
