/*
 * cors -- which pages on other origins may ask, and read the answers (the configuration's `origins`, and public_url).
 *
 * A listed origin is named back, with credentials, and nothing is ever said to another one: its browser then keeps the answer from the
 * page. What nginx refuses by itself goes by its own copy of the list (nginx/snippets/peal-origins.conf).
 */
#ifndef PEAL_FCGI_CORS_H
#define PEAL_FCGI_CORS_H

#include "req.h"

/* Is this what a browser asks before it sends a page's request? Any path: what exists is the request's own matter. */
bool cors_is_preflight(const struct req *);
int cors_preflight(struct req *);
/* On every reply of a door that browsers come by. */
void cors_headers(struct req *);

#endif
