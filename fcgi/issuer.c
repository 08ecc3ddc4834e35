/* fcgi/issuer.c -- external issuers: none is trusted unless it is configured. */
#include "issuer.h"

int
issuer_who(struct req *req, struct str token)
{
	(void)req;
	(void)token;
	return UNAUTHENTICATED;
}
