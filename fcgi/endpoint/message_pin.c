/* fcgi/endpoint/message_pin.c -- pin a message for everybody, and the pins of a conversation. */
#include "fcgi/changed.h"
#include "fcgi/limits.h"
#include "fcgi/reply.h"
#include "store/detail.h"

static int
pin(struct req *req, bool on)
{
	struct place at = changed_place(req);
	struct change change;
	int r = change_pin(req->db, req->arena, &at, on, LIMIT_PINS, &change);

	return r ? trace(r) : changed_reply(req, 'c', &change);
}

static int
message_pin_put(struct req *req)
{
	return pin(req, true);
}

static int
message_pin_delete(struct req *req)
{
	return pin(req, false);
}

/* There are never more than fit on one page. */
static int
conversation_pins_get(struct req *req)
{
	struct message *items;
	struct json_out *w;
	size_t n;
	int r;

	r = detail_pins(req->db, req->arena, req->me, req->conversation, LIMIT_PINS, &items, &n);
	if (r)
		return trace(r);
	w = reply_json(req, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (size_t i = 0; i < n; i++)
		view_message(w, NULL, &items[i], req->me);
	json_close(w);
	json_put_null(w, "next_cursor");
	json_close(w);
	return reply_end(req);
}

const struct endpoint message_pin_put_endpoint = {
	.method = "PUT",
	.path = "/messages/{message}/pin",
	.who = WHO_MEMBER,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_pin_put,
	.doc = "Pin a message: in groups an admin, in direct conversations both.",
};

const struct endpoint message_pin_delete_endpoint = {
	.method = "DELETE",
	.path = "/messages/{message}/pin",
	.who = WHO_MEMBER,
	.rate = RATE_WRITE,
	.scope = SCOPE_MESSAGES_WRITE,
	.fn = message_pin_delete,
	.doc = "Take a pin away.",
};

const struct endpoint conversation_pins_get_endpoint = {
	.method = "GET",
	.path = "/conversations/{conversation}/pins",
	.who = WHO_MEMBER,
	.rate = RATE_READ,
	.scope = SCOPE_MESSAGES_READ,
	.fn = conversation_pins_get,
	.doc = "The pinned messages, newest pin first.",
};
