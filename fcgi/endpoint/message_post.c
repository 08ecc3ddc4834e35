/* fcgi/endpoint/message_post.c -- say something in a conversation. */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/log.h"
#include "fcgi/publish.h"
#include "fcgi/reply.h"
#include "fcgi/text.h"
#include "wire/link.h"

#define CLIENT_ID_MAX   64
#define ATTACHMENTS_MAX 10
#define MENTIONS_MAX    50

struct body {
	struct str client_id, message_type, content, reply_to;
	json_t *mentions, *attachment_ids;
	int64_t conversation_id;
};

static const char *const message_types[] = { "text", "image", NULL };

/* The last row is of the flat route only: elsewhere the path says it, and a body that says it too is told that it was ignored. */
#define BODY_FIELDS                                                                                                         \
	STR_FIELD(struct body, client_id, .min = 1, .max = CLIENT_ID_MAX),                                                  \
	        ENUM_FIELD(struct body, message_type, .words = message_types, .required = 1),                               \
	        STR_FIELD(struct body, content, .max = INT32_MAX, .nullable = 1),                                           \
	        STR_FIELD(struct body, reply_to, .max = CLIENT_ID_MAX, .nullable = 1),                                      \
	        JSON_FIELD(struct body, mentions, .nullable = 1), JSON_FIELD(struct body, attachment_ids, .nullable = 1)

static const struct field body_fields[] = { BODY_FIELDS, { 0 } };
static const struct field flat_fields[] = { BODY_FIELDS, ID_FIELD(struct body, conversation_id, .required = 1), { 0 } };

struct mention {
	int64_t user_id;
	struct opt_int offset, length;
};

static const struct field mention_fields[] = { ID_FIELD(struct mention, user_id, .required = 1),
	                                       INT_FIELD(struct mention, offset, .max = INT32_MAX, .required = 1),
	                                       INT_FIELD(struct mention, length, .min = 1, .max = INT32_MAX, .required = 1),
	                                       { 0 } };

static bool
is_image(const struct body *in)
{
	return str_eq(in->message_type, STR("image"));
}

/* A picture may come without words. */
static int
check_content(struct req *req, const struct body *in)
{
	struct str content = in->content;

	if (!str_present(content))
		return is_image(in) ? 0
		                    : req_invalid(req, "/content", str_is_null(content) ? "type" : "required",
		                                  "A text message says something.");
	if (text_blank(content))
		return req_invalid(req, "/content", "too_short", "There is nothing to read in it.");
	if ((int64_t)str_code_points(content) > req->conf->max_content_code_points)
		return req_invalid(req, "/content", "too_long", "The text has too many characters.");
	if ((int64_t)content.n > req->conf->max_content_kib * 1024)
		return req_invalid(req, "/content", "too_long", "The text has too many bytes.");
	return 0;
}

/* The key of a retry: the body's, or else the header's. */
static int
check_client_id(struct req *req, struct body *in)
{
	if (!str_present(in->client_id))
		in->client_id = req_param(req, "HTTP_IDEMPOTENCY_KEY");
	if (!str_present(in->client_id))
		return req_invalid(req, "/client_id", "required", "Give a key by which a retry finds this message.");
	if (!str_utf8_valid(in->client_id) || !text_one_line(in->client_id))
		return req_invalid(req, "/client_id", "format", "The key holds characters that it may not.");
	if (str_code_points(in->client_id) > CLIENT_ID_MAX)
		return req_invalid(req, "/client_id", "too_long", "The key is too long.");
	return 0;
}

static int
check_reply_to(struct req *req, struct str reply_to, int64_t *ret_seq)
{
	int64_t conversation;

	*ret_seq = 0;
	if (!str_present(reply_to))
		return 0;
	if (message_id_parse(reply_to, &conversation, ret_seq) && conversation == req->conversation)
		return 0;
	return req_invalid(req, "/reply_to", "format", "This is not the id of a message in this conversation.");
}

static int
check_mention(struct req *req, json_t *json, size_t i, size_t code_points, struct json_out *w)
{
	const char *at = arena_cstr(req->arena, arena_printf(req->arena, "/mentions/%zu", i));
	struct mention m = { 0 };
	int r;

	if (!json_is_object(json))
		return req_invalid(req, at, "type", "A mention is an object.");
	r = json_fill(req->arena, json, mention_fields, &m, at, &req->report);
	if (r)
		return r;
	if ((size_t)m.offset.v + (size_t)m.length.v > code_points)
		return req_invalid(req, at, "range", "The mention reaches beyond the end of the content.");
	json_open_object(w, NULL); /* in the order that jsonb gives back */
	json_int(w, "length", m.length.v);
	json_int(w, "offset", m.offset.v);
	json_id(w, "user_id", m.user_id);
	json_close(w);
	return 0;
}

/* The mentions in one form, whatever the order and spacing of what was sent; absent when there are none. */
static int
check_mentions(struct req *req, const struct body *in, struct str *ret)
{
	size_t code_points = str_code_points(in->content), n = json_array_size(in->mentions);
	struct buf *buf = req_scratch(req);
	struct json_out w;

	*ret = STR_NONE;
	if (!in->mentions || json_is_null(in->mentions))
		return 0;
	if (!json_is_array(in->mentions))
		return req_invalid(req, "/mentions", "type", "Mentions are an array.");
	if (n > MENTIONS_MAX)
		return req_invalid(req, "/mentions", "too_long", "There are too many mentions.");
	json_begin(&w, buf);
	json_open_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		int r = check_mention(req, json_array_get(in->mentions, i), i, code_points, &w);

		if (r)
			return r;
	}
	json_close(&w);
	json_end(&w);
	if (n)
		*ret = buf_view(buf);
	return 0;
}

/* The ids in one form; which of them are mine and unused is decided where they are taken. */
static int
check_attachments(struct req *req, const struct body *in, struct str *ret)
{
	bool given = in->attachment_ids && !json_is_null(in->attachment_ids);
	size_t n = json_array_size(in->attachment_ids);
	struct buf *buf = req_scratch(req);
	struct json_out w;

	*ret = STR_NONE;
	if (!is_image(in))
		return n || (given && !json_is_array(in->attachment_ids))
		               ? req_invalid(req, "/attachment_ids", "type", "A text message has no attachments.")
		               : 0;
	if (!given || !json_is_array(in->attachment_ids) || !n)
		return req_invalid(req, "/attachment_ids", "required", "An image message names at least one upload.");
	if (n > ATTACHMENTS_MAX)
		return req_invalid(req, "/attachment_ids", "too_long", "There are too many attachments.");
	json_begin(&w, buf);
	json_open_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		const json_t *id = json_array_get(in->attachment_ids, i);
		struct str text = json_is_string(id) ? str_n(json_string_value(id), json_string_length(id)) : STR_NONE;

		if (!attachment_id_ok(text))
			return req_invalid(req, "/attachment_ids", "format", "This is not the id of an attachment.");
		json_str(&w, NULL, text);
	}
	json_close(&w);
	json_end(&w);
	*ret = buf_view(buf);
	return 0;
}

/* What makes two sends the same: everything but the key and the conversation, which are what the hash is kept under. */
static struct str
request_hash(struct req *req, const struct body *in, const struct message_draft *draft)
{
	unsigned char *digest = arena_alloc(req->arena, SHA256_BYTES);
	unsigned char content[SHA256_BYTES];
	struct buf *buf = req_scratch(req);
	struct json_out w;

	bytes_sha256(draft->content, content);
	json_begin(&w, buf);
	json_open_array(&w, NULL);
	json_str(&w, NULL, in->message_type);
	json_str(&w, NULL, hex(req->arena, content, sizeof(content)));
	json_int(&w, NULL, draft->reply_seq);
	json_raw(&w, NULL, draft->mentions_json.p ? draft->mentions_json : STR("[]"));
	if (str_present(draft->attachments_json))
		json_raw(&w, NULL, draft->attachments_json);
	json_close(&w);
	json_end(&w);
	bytes_sha256(buf_view(buf), digest);
	return str_n((char *)digest, SHA256_BYTES);
}

static int
make_draft(struct req *req, struct body *in, struct message_draft *ret)
{
	int r;

	r = check_client_id(req, in);
	if (r)
		return r;
	r = check_content(req, in);
	if (r)
		return r;
	r = check_reply_to(req, in->reply_to, &ret->reply_seq);
	if (r)
		return r;
	r = check_mentions(req, in, &ret->mentions_json);
	if (r)
		return r;
	r = check_attachments(req, in, &ret->attachments_json);
	if (r)
		return r;
	ret->client_id = in->client_id;
	ret->content = in->content;
	ret->kind = is_image(in) ? MESSAGE_IMAGE : MESSAGE_TEXT;
	ret->request_hash = request_hash(req, in, ret);
	return 0;
}

static void
announce(struct req *req, void *arg)
{
	const struct message_sent *sent = arg;

	FAILPOINT("send.before_publish");
	if (sent->first) /* the other person has not heard of the conversation: the log says it as well */
		publish_log(req, 'c', req->conversation, sent->advance.seq + sent->advance.rev - 1, 1);
	else
		publish_new_message(req, &sent->message, &sent->advance);
	FAILPOINT("send.after_publish");
	FAILPOINT("send.before_reply");
}

static int
send_message(struct req *req, struct body *in)
{
	struct message_sent *sent = arena_new_of(req->arena, struct message_sent);
	struct message_draft draft = { 0 };
	int r;

	r = make_draft(req, in, &draft);
	if (r)
		return r;
	r = message_send(req->db, req->arena, req->me, req->conversation, &draft, sent);
	if (r == CONFLICT)
		return req_invalid(req, "/attachment_ids", "unknown",
		                   "One of these is not an upload of yours that no message uses.");
	if (r == INVALID)
		return req_invalid(req, "/reply_to", "unknown", "This is not a message that you can see.");
	if (r)
		return trace(r);
	if (sent->replayed)
		reply_header(req, "Idempotency-Replayed", STR("true"));
	else
		req_after_commit(req, announce, sent);
	return reply_message(req, sent->replayed ? 200 : 201, &sent->message);
}

static int
message_post(struct req *req)
{
	struct body in = { 0 };
	int r = req_body(req, body_fields, &in);

	return r ? r : send_message(req, &in);
}

static int
message_post_flat(struct req *req)
{
	struct body in = { 0 };
	int r = req_body(req, flat_fields, &in);

	req->conversation = in.conversation_id;
	return r ? r : send_message(req, &in);
}

const struct endpoint message_post_endpoint = {
	.method = "POST",
	.path = "/conversations/{conversation}/messages",
	.who = WHO_MEMBER,
	.body = BODY_MESSAGE,
	.fn = message_post,
	.doc = "Send a message. The same client_id again returns the first one.",
};

const struct endpoint message_post_flat_endpoint = {
	.method = "POST",
	.path = "/messages",
	.who = WHO_MEMBER,
	.body = BODY_MESSAGE,
	.fn = message_post_flat,
	.doc = "Send a message; the conversation is named in the body.",
};
