/*
 * door -- asks the REST workers by FastCGI over their Unix socket, one question per connection, and waits for the answer.
 */
#ifndef PEAL_MEDIA_DOOR_H
#define PEAL_MEDIA_DOOR_H

#include "base/arena.h"
#include "base/fastcgi.h"

/*
 * POSTs a JSON body. The answer lives as the arena. UNAVAILABLE when nobody could be asked; UNCERTAIN when the question was
 * sent and no answer came in time: it may have taken effect.
 */
int door_post(struct arena *, const char *socket_path, const char *uri, struct str request_id, struct str body,
              int64_t timeout_ms, struct cgi_answer *ret);

#endif
