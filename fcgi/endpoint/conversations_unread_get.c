/* fcgi/endpoint/conversations_unread_get.c -- how much is unread. */
#include "fcgi/reply.h"
#include "store/conversation.h"

static int
conversations_unread_get(struct req *req)
{
	struct unread_total unread;
	struct json_out *w;
	int r;

	r = conversation_unread(req->db, req->arena, req->me, &unread);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_int(w, "total", unread.total);
	json_int(w, "mentions", unread.mentions);
	json_open_array(w, "conversations");
	for (size_t i = 0; i < unread.n; i++) {
		json_open_object(w, NULL);
		json_id(w, "id", unread.items[i].id);
		json_int(w, "unread", unread.items[i].unread);
		json_int(w, "mentions", unread.items[i].mentions);
		json_close(w);
	}
	json_close(w);
	json_close(w);
	return reply_end(req);
}

const struct endpoint conversations_unread_get_endpoint = {
	.method = "GET",
	.path = "/conversations/unread-count",
	.who = WHO_USER,
	.rate = RATE_READ,
	.scope = SCOPE_CONVERSATIONS_READ,
	.fn = conversations_unread_get,
	.doc = "How much is unread, in all and per conversation.",
};
