/*
 * site -- what somebody may do on the whole server, and where a request came from, for the audit log.
 */
#ifndef PEAL_FCGI_SITE_H
#define PEAL_FCGI_SITE_H

#include "req.h"
#include "wire/model.h"

/* Does req->me have at least this role, and the second factor that it may take? 0, or FORBIDDEN. From here on statements see what everybody said: db_caller(). */
int site_enter(struct req *, enum site_role least);
/* {address, request_id, access_token} as JSON, in the arena. */
struct str site_from(struct req *);

#endif
