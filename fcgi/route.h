/*
 * route -- every route there is, and which one a request means.
 */
#ifndef PEAL_FCGI_ROUTE_H
#define PEAL_FCGI_ROUTE_H

#include "req.h"

#define API_PREFIX "/api/v1"

extern const struct endpoint *const routes[]; /* ends with NULL */

bool route_internal(enum door); /* for our own processes and nginx itself: paths have no prefix */
bool route_whole(struct str);   /* a path as it stands, not below API_PREFIX: of older clients */

/* What stood where the pattern has a parameter, in order. */
#define ROUTE_IDS_MAX 2
struct route_match {
	const struct endpoint *endpoint;
	struct str ids[ROUTE_IDS_MAX];
	const char *names[ROUTE_IDS_MAX]; /* "{conversation}...": where the parameter begins in the pattern */
	size_t n;
};

/* path: without prefix and query. A literal beats a parameter. 0, NOT_FOUND, or METHOD_NOT_ALLOWED with *ret_allow ("GET, POST").
 * What exists depends on the door: see who, pool in req.h; nothing under /auth is on the command door. */
int route_find(struct arena *, enum door, struct str method, struct str path, struct route_match *ret,
               const char **ret_allow);
/* Could one path mean both, equally well, with the same method? For the test that none do. */
bool route_overlaps(const struct endpoint *, const struct endpoint *);
void route_print(void); /* METHOD path pool who rate scope, one per line, on stdout */

#endif
