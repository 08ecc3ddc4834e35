/* fcgi/route.c -- the list of all routes, and the choice among them. */
#include <stdio.h>

#include "access_token.h"
#include "route.h"

/* clang-format off */
#define ROUTES(X) \
	X(auth_register) \
	X(auth_login) \
	X(auth_login_factor) \
	X(auth_login_passkey) \
	X(auth_login_passkey_options) \
	X(auth_refresh) \
	X(auth_logout) \
	X(auth_oidc_begin) \
	X(auth_oidc_end) \
	X(auth_oidc_link) \
	X(identities_get) \
	X(identity_delete) \
	X(auth_password) \
	X(sessions_get) \
	X(session_delete) \
	X(sessions_delete) \
	X(auth_proof) \
	X(factors_get) \
	X(totp_post) \
	X(totp_confirm) \
	X(totp_delete) \
	X(recovery_codes_post) \
	X(passkeys_get) \
	X(passkey_options_post) \
	X(passkey_post) \
	X(passkey_patch) \
	X(passkey_delete) \
	X(me_get) \
	X(me_patch) \
	X(me_delete) \
	X(export_post) \
	X(export_get) \
	X(users_get) \
	X(user_get) \
	X(block_put) \
	X(block_delete) \
	X(blocks_get) \
	X(presence_get) \
	X(presence_bulk_get) \
	X(older_history_get) \
	X(older_direct_get) \
	X(older_list_get) \
	X(older_sync_get) \
	X(report_post) \
	X(admin_reports_get) \
	X(admin_report_get) \
	X(admin_report_patch) \
	X(admin_users_get) \
	X(admin_user_disable) \
	X(admin_user_enable) \
	X(admin_audit_get) \
	X(token_post) \
	X(tokens_get) \
	X(token_delete) \
	X(bot_post) \
	X(bots_get) \
	X(bot_delete) \
	X(conversations_get) \
	X(conversations_unread_get) \
	X(conversation_get) \
	X(group_post) \
	X(conversation_patch) \
	X(conversation_settings_put) \
	X(conversation_unread_post) \
	X(draft_put) \
	X(draft_delete) \
	X(participants_get) \
	X(participants_post) \
	X(participant_patch) \
	X(participant_delete) \
	X(conversation_start_post) \
	X(conversation_read_patch) \
	X(messages_get) \
	X(message_post) \
	X(message_post_flat) \
	X(scheduled_get) \
	X(scheduled_delete) \
	X(message_get) \
	X(message_patch) \
	X(message_put) \
	X(message_delete) \
	X(message_revisions_get) \
	X(message_reactions_get) \
	X(message_reaction_post) \
	X(message_reaction_delete) \
	X(messages_search_get) \
	X(message_star_post) \
	X(message_star_delete) \
	X(messages_starred_get) \
	X(message_pin_put) \
	X(message_pin_delete) \
	X(conversation_pins_get) \
	X(message_vote_post) \
	X(message_receipts_get) \
	X(message_read_post) \
	X(typing_post) \
	X(typing_start_post) \
	X(typing_stop_post) \
	X(signal_post) \
	X(calls_ice_get) \
	X(push_key_get) \
	X(push_subscription_post) \
	X(push_subscription_delete) \
	X(fcm_register) \
	X(fcm_unregister) \
	X(sync_get) \
	X(health_get) \
	X(ready_get) \
	X(capabilities_get) \
	X(uploads_options) \
	X(feed_open) \
	X(feed_who) \
	X(feed_replay) \
	X(feed_poll) \
	X(feed_acks) \
	X(feed_watch) \
	X(feed_seen)             \
	X(feed_ended)            \
	X(attachment_get)        \
	X(media_original_get)    \
	X(upload_permit)         \
	X(upload_resume)         \
	X(upload_stored)         \
	X(upload_attachment)     \
	X(upload_finished)       \
	X(upload_pending)        \
	X(upload_removals)       \
	X(upload_twin)           \
	X(upload_unknown)
/* clang-format on */

#define X(name) extern const struct endpoint name##_endpoint;
ROUTES(X)
#undef X

#define X(name) &name##_endpoint,
const struct endpoint *const routes[] = { ROUTES(X) NULL };
#undef X

bool
route_internal(enum door door)
{
	return door == DOOR_FEED || door == DOOR_UPLOAD;
}

bool
route_whole(struct str path)
{
	return str_has_prefix(path, STR("/api/"));
}

/* What is reachable by a door: see enum door, who and pool in req.h. */
static bool
visible(enum door door, const struct endpoint *e)
{
	if (route_internal(door))
		return e->who == WHO_DAEMON &&
		       str_has_prefix(str_c(e->path), door == DOOR_FEED ? STR("/feed/") : STR("/upload/"));
	if (e->who == WHO_DAEMON)
		return false;
	if (door == DOOR_COMMAND &&
	    (str_has_prefix(str_c(e->path), STR("/auth/")) || str_has_prefix(str_c(e->path), STR("/media/"))))
		return false; /* what these answer is nothing for a socket: cookies, and files */
	return e->pool != POOL_AUTH || door == DOOR_AUTH;
}

/*
 * How well a path fits a pattern: 0 not at all, otherwise one bit per segment, the first segment highest, set where the
 * pattern is literal. So of two patterns that fit, the one that is literal further to the left has the greater number.
 */
static unsigned
fit(const char *pattern, struct str path, struct route_match *match)
{
	struct str rest = str_c(pattern);
	unsigned bits = 1;

	match->n = 0;
	for (;;) {
		struct str want = str_cut(&rest, '/'), have = str_cut(&path, '/');
		bool literal = !want.n || want.p[0] != '{';

		if (literal ? !str_eq(want, have) : !have.n)
			return 0;
		if (!literal) {
			match->names[match->n] = want.p;
			match->ids[match->n++] = have;
		}
		bits = bits << 1 | literal;
		if (!rest.p || !path.p)
			return rest.p || path.p ? 0 : bits;
	}
}

static unsigned
best_fit(enum door door, struct str path)
{
	struct route_match match;
	unsigned best = 0;

	for (size_t i = 0; routes[i]; i++) {
		unsigned bits = visible(door, routes[i]) ? fit(routes[i]->path, path, &match) : 0;

		if (bits > best)
			best = bits;
	}
	return best;
}

int
route_find(struct arena *arena, enum door door, struct str method, struct str path, struct route_match *ret,
           const char **ret_allow)
{
	unsigned best = best_fit(door, path);
	struct str allow = STR("");

	if (!best)
		return NOT_FOUND;
	for (size_t i = 0; routes[i]; i++) {
		struct route_match match = { .endpoint = routes[i] };

		if (!visible(door, routes[i]) || fit(routes[i]->path, path, &match) != best)
			continue;
		if (str_eq(str_c(routes[i]->method), method)) {
			*ret = match;
			return 0;
		}
		allow = arena_printf(arena, "%.*s%s%s", STR_ARG(allow), allow.n ? ", " : "", routes[i]->method);
	}
	*ret_allow = arena_cstr(arena, allow);
	return METHOD_NOT_ALLOWED;
}

bool
route_overlaps(const struct endpoint *a, const struct endpoint *b)
{
	struct str one = str_c(a->path), other = str_c(b->path);

	if (strcmp(a->method, b->method))
		return false;
	while (one.p && other.p) {
		struct str x = str_cut(&one, '/'), y = str_cut(&other, '/');
		bool both = x.n && y.n && x.p[0] == '{' && y.p[0] == '{';

		if (!both && !str_eq(x, y))
			return false;
	}
	return !one.p && !other.p;
}

void
route_print(void)
{
	static const char *const who[] = { "anyone", "user", "moderator", "admin", "member", "daemon" };
	static const char *const rate[RATE_N] = {
		"unset", "none", "write", "mark", "typing", "read", "upload", "session", "register", "login",
	};

	for (size_t i = 0; routes[i]; i++)
		printf("%s %s%s %s %s %s %s\n", routes[i]->method,
		       routes[i]->who == WHO_DAEMON || route_whole(str_c(routes[i]->path)) ? "" : API_PREFIX,
		       routes[i]->path, pool_names[routes[i]->pool], who[routes[i]->who], rate[routes[i]->rate],
		       routes[i]->scope ? scope_word(routes[i]->scope) : "-");
}
