/* fcgi/endpoint/auth_identities.c -- the providers that I am linked to: listing them, and taking a link off. auth_oidc.c makes them. */
#include "base/issuers.h"
#include "base/log.h"
#include "fcgi/auth.h"
#include "fcgi/factor.h"
#include "fcgi/reply.h"

/* A provider that is not known here any more signs nobody in, but the link to it is there and can be taken off. */
static const struct issuer *
known(const struct req *req, struct str issuer)
{
	const struct issuers *all = req->service->issuers;

	for (size_t i = 0; all && i < all->n; i++)
		if (str_eq(issuer, str_c(all->all[i].issuer)))
			return &all->all[i];
	return NULL;
}

static void
write_linked(struct req *req, struct json_out *w, const struct linked *linked)
{
	const struct issuer *issuer = known(req, linked->issuer);
	struct str title = issuer ? str_c(*issuer->title ? issuer->title : issuer->label) : linked->issuer;

	json_open_object(w, NULL);
	json_id(w, "id", linked->id);
	json_str(w, "provider", issuer && *issuer->client_id ? str_c(issuer->label) : STR_NONE);
	json_str(w, "title", title);
	json_time(w, "created_at", linked->created_at);
	json_close(w);
}

static int
identities_get(struct req *req)
{
	struct linked *linked;
	struct json_out *w;
	size_t n;
	int r = identity_list(req->db, req->arena, req->me, &linked, &n);

	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		write_linked(req, w, &linked[i]);
	json_close(w);
	json_put_null(w, "next_cursor");
	json_close(w);
	return reply_end(req);
}

static int
identity_delete(struct req *req)
{
	struct ways ways = factor_ways(req);
	int r = factor_proved(req);

	if (!r)
		r = identity_unlink(req->db, req->arena, req->me, req->thing, &ways);
	if (r)
		return trace(r);
	LOG(NOTICE, "unlinked", L_STR("id", req->id), L_INT("user", req->me), L_INT("identity", req->thing));
	return reply_empty(req);
}

const struct endpoint identities_get_endpoint = {
	.method = "GET",
	.path = "/auth/identities",
	.who = WHO_USER,
	.rate = RATE_READ,
	.fn = identities_get,
	.doc = "The providers that I am linked to, oldest first.",
};

const struct endpoint identity_delete_endpoint = {
	.method = "DELETE",
	.path = "/auth/identities/{identity}",
	.who = WHO_USER,
	.rate = RATE_MARK,
	.fn = identity_delete,
	.doc = "Whom that provider names does not sign in as me any more. Not the last way in.",
};
