/* fcgi/endpoint/admin_user.c -- people as admins see them; disabling them, and enabling them again. */
#include "fcgi/cursor.h"
#include "fcgi/reply.h"
#include "fcgi/site.h"
#include "store/moderation.h"

struct query {
	struct str q, cursor;
	struct opt_bool disabled, bot, staff;
	struct opt_int limit;
};

static const struct field query_fields[] = { STR_FIELD(struct query, q, .min = 1, .max = 64),
	                                     BOOL_FIELD(struct query, disabled),
	                                     BOOL_FIELD(struct query, bot),
	                                     BOOL_FIELD(struct query, staff),
	                                     STR_FIELD(struct query, cursor, .max = 512),
	                                     INT_FIELD(struct query, limit),
	                                     { 0 } };

static void
write_user(struct json_out *w, const struct site_user *u)
{
	json_open_object(w, NULL);
	view_user(w, "user", &u->user);
	json_str(w, "site_role", view_site_role(u->role));
	json_id_or_null(w, "owner_id", u->owner_id);
	json_time(w, "created_at", u->user.created_at);
	json_time(w, "last_seen_at", u->user.last_seen_at);
	json_time(w, "disabled_at", u->disabled_at);
	json_close(w);
}

static int
admin_users_get(struct req *req)
{
	struct site_filter filter = { 0 };
	struct site_user *users;
	struct query in = { 0 };
	struct json_out *w;
	size_t found, n;
	int64_t limit;
	int r = req_query(req, query_fields, &in);

	if (!r)
		r = cursor_read(req, in.cursor, &filter.after, 1);
	if (!r)
		r = req_limit(req, in.limit, &limit);
	if (r)
		return r;
	filter.prefix = in.q;
	filter.disabled = in.disabled;
	filter.bots = in.bot;
	filter.staff = in.staff;
	r = site_users(req->db, req->arena, &filter, limit + 1, &users, &found);
	if (r)
		return trace(r);
	n = found > (size_t)limit ? (size_t)limit : found;
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		write_user(w, &users[i]);
	json_close(w);
	json_str(w, "next_cursor", found > n ? cursor_write(req, &users[n - 1].user.id, 1) : STR_NONE);
	json_close(w);
	return reply_end(req);
}

static int
set_disabled(struct req *req, bool disabled)
{
	struct site_user user;
	int r = site_disable(req->db, req->arena, req->me, req->user, disabled, site_from(req), &user);

	if (r)
		return trace(r);
	write_user(reply_json(req, 200), &user);
	return reply_end(req);
}

static int
admin_user_disable(struct req *req)
{
	return set_disabled(req, true);
}

static int
admin_user_enable(struct req *req)
{
	return set_disabled(req, false);
}

const struct endpoint admin_users_get_endpoint = {
	.method = "GET",
	.path = "/admin/users",
	.who = WHO_ADMIN,
	.rate = RATE_READ,
	.scope = SCOPE_ADMIN_READ,
	.fn = admin_users_get,
	.doc = "Everybody who has an account, bots and the disabled too, oldest first.",
};

const struct endpoint admin_user_disable_endpoint = {
	.method = "POST",
	.path = "/admin/users/{user}/disable",
	.who = WHO_ADMIN,
	.rate = RATE_WRITE,
	.scope = SCOPE_ADMIN_WRITE,
	.fn = admin_user_disable,
	.doc = "Disable an account: its sessions, tokens and sockets end within a second. Again changes nothing.",
};

const struct endpoint admin_user_enable_endpoint = {
	.method = "POST",
	.path = "/admin/users/{user}/enable",
	.who = WHO_ADMIN,
	.rate = RATE_WRITE,
	.scope = SCOPE_ADMIN_WRITE,
	.fn = admin_user_enable,
	.doc = "Let somebody in again, who then signs in anew. Again changes nothing.",
};
