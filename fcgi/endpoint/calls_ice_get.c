/*
 * fcgi/endpoint/calls_ice_get.c -- STUN and TURN servers for a call, in the form that RTCPeerConnection takes.
 *
 * What tells people apart at a TURN server is made of their id by our key: its quotas count it, its log shows it, and nobody there learns
 * who it is. The credentials open nothing of ours.
 */
#include "base/ice.h"
#include "fcgi/reply.h"

static void
write_urls(struct json_out *w, const char *urls)
{
	struct str rest = str_c(urls);

	json_open_array(w, "urls");
	while (rest.n) {
		struct str url = str_cut(&rest, ' ');

		if (url.n)
			json_str(w, NULL, url);
	}
	json_close(w);
}

static void
write_servers(struct req *req, struct json_out *w, int64_t until_seconds)
{
	const struct conf *conf = req->conf;
	struct ice_credentials c;

	if (*conf->call_stun_urls) {
		json_open_object(w, NULL);
		write_urls(w, conf->call_stun_urls);
		json_close(w);
	}
	if (!*conf->call_turn_urls)
		return;
	c = ice_credentials(req->arena, req->service->turn_secret, until_seconds,
	                    ice_alias(req->arena, req->service->refresh_key, req->me));
	json_open_object(w, NULL);
	write_urls(w, conf->call_turn_urls);
	json_str(w, "username", c.username);
	json_str(w, "credential", c.credential);
	json_close(w);
}

static int
calls_ice_get(struct req *req)
{
	int64_t until_seconds = req->now / 1000000 + req->conf->call_turn_seconds;
	struct json_out *w = reply_json(req, 200);

	json_open_object(w, NULL);
	json_open_array(w, "ice_servers");
	write_servers(req, w, until_seconds);
	json_close(w);
	json_int(w, "ttl_seconds", req->conf->call_turn_seconds);
	json_time(w, "expires_at", until_seconds * 1000000);
	json_close(w);
	return reply_end(req);
}

const struct endpoint calls_ice_get_endpoint = {
	.method = "GET",
	.path = "/calls/ice-servers",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = calls_ice_get,
	.doc = "STUN and TURN servers for a call, with credentials that pass.",
};
