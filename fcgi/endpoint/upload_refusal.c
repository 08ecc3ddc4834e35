/* fcgi/endpoint/upload_refusal.c -- the refusal that upload_permit.c gave nginx, as the client is to see it. */
#include "fcgi/reply.h"

static int
upload_refusal(struct req *req)
{
	struct str code = req_param(req, "PEAL_REFUSAL");

	for (int r = OUTCOME_OK + 1; r < OUTCOME_MAX; r++)
		if (str_eq(code, str_c(outcome_info(r)->code)))
			return r;
	return UNAVAILABLE; /* nobody could be asked */
}

const struct endpoint upload_refusal_endpoint = {
	.method = "GET",
	.path = "/upload/refusal",
	.who = WHO_DAEMON,
	.fn = upload_refusal,
	.doc = "The problem document of a refused upload.",
};
