/* fcgi/password_rule.c -- the rules of passwords, as refusals. */
#include "password_rule.h"

int
password_rule(struct req *req, const char *path, struct str password, struct str username, struct str display_name)
{
	(void)username;
	(void)display_name;
	if ((int64_t)str_code_points(password) < req->conf->password_min_code_points)
		return req_invalid(req, path, "too_short", "The password has too few characters.");
	if ((int64_t)password.n > req->conf->password_max_bytes)
		return req_invalid(req, path, "too_long", "The password has too many bytes.");
	return 0;
}
