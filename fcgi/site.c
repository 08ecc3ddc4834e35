/* fcgi/site.c -- moderators and admins: who they are, and what the audit log says of their requests. */
#include "site.h"
#include "store/moderation.h"

int
site_enter(struct req *req, enum site_role least)
{
	bool needs_factor = str_eq(str_c(req->conf->second_factor), STR("admins")), by_password;
	enum site_role role;
	int r = site_role_get(req->db, req->arena, req->me, &role, &by_password);

	if (r)
		return r == NOT_FOUND ? UNAUTHENTICATED : trace(r);
	if (role < least)
		return FORBIDDEN;
	if (needs_factor && by_password) {
		req->detail = "Your role takes a second factor here: set up codes first, where you change your password.";
		return FORBIDDEN;
	}
	db_caller(req->db, DB_CALLER_SYSTEM);
	return 0;
}

struct str
site_from(struct req *req)
{
	struct buf *buf = req_scratch(req);
	struct json_out w;

	json_begin(&w, buf);
	json_open_object(&w, NULL);
	json_str(&w, "address", req_param(req, "PEAL_ADDRESS"));
	json_str(&w, "request_id", req->id);
	json_id_or_null(&w, "access_token", req->access_token);
	json_close(&w);
	json_end(&w);
	return buf_view(buf);
}
