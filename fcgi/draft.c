/* fcgi/draft.c -- the checks of what people say, kind by kind. */
#include <math.h>

#include "base/bytes.h"
#include "draft.h"
#include "text.h"
#include "wire/link.h"
#include "wire/view.h"

#define OPTIONS_MIN       2
#define NONCE_MAX         128
#define KEY_ID_MAX        256
#define EPHEMERAL_KEY_MAX 1024

const char *const draft_types[] = {
	"text", "image", "audio", "video", "file", "location", "poll", "call", "encrypted", NULL
};

static bool
given(const json_t *json)
{
	return json && !json_is_null(json);
}

static struct str
text_of(const json_t *json)
{
	return json_is_string(json) ? str_n(json_string_value(json), json_string_length(json)) : STR_NONE;
}

static const char *
path_of(struct req *req, const char *head, size_t i)
{
	return arena_cstr(req->arena, arena_printf(req->arena, "%s/%zu", head, i));
}

/* ---- location ---- */

struct location {
	struct str name, address;
	json_t *latitude, *longitude;
};

static const struct field location_fields[] = {
	JSON_FIELD(struct location, latitude, .required = 1),
	JSON_FIELD(struct location, longitude, .required = 1),
	STR_FIELD(struct location, name, .min = 1, .max = LIMIT_PLACE_NAME, .nullable = 1),
	STR_FIELD(struct location, address, .min = 1, .max = LIMIT_ADDRESS, .nullable = 1),
	{ 0 }
};

/* Seven decimals, a centimetre: what is shown again is what was kept. */
static int
write_degrees(struct req *req, struct json_out *w, const char *name, const json_t *json, double most)
{
	const char *path = arena_cstr(req->arena, arena_printf(req->arena, "/location/%s", name));
	double degrees = json_number_value(json);
	struct str text;

	if (!json_is_number(json))
		return req_invalid(req, path, "type", "Must be a number of degrees.");
	if (!(fabs(degrees) <= most))
		return req_invalid(req, path, "range", "There is no such place on Earth.");
	text = arena_printf(req->arena, "%.7f", degrees);
	while (text.p[text.n - 1] == '0')
		text.n--;
	if (text.p[text.n - 1] == '.')
		text.n--;
	json_raw(w, name, str_eq(text, STR("-0")) ? STR("0") : text);
	return 0;
}

static int
write_location(struct req *req, json_t *json, struct json_out *w)
{
	struct location in = { 0 };
	int r = json_fill(req->arena, json, location_fields, &in, "/location", &req->report);

	if (!r)
		r = write_degrees(req, w, "latitude", in.latitude, 90);
	if (!r)
		r = write_degrees(req, w, "longitude", in.longitude, 180);
	json_str(w, "name", in.name);
	json_str(w, "address", in.address);
	return r;
}

/* ---- poll ---- */

struct poll {
	struct str question, closes_at;
	json_t *options;
	struct opt_bool multiple, anonymous;
	struct opt_int closes_in_seconds;
};

static const struct field poll_fields[] = { STR_FIELD(struct poll, question, .min = 1, .max = LIMIT_QUESTION, .required = 1),
	                                    JSON_FIELD(struct poll, options, .required = 1),
	                                    BOOL_FIELD(struct poll, multiple),
	                                    BOOL_FIELD(struct poll, anonymous),
	                                    INT_FIELD(struct poll, closes_in_seconds, .min = 1, .max = LIMIT_POLL_SECONDS,
	                                              .nullable = 1),
	                                    STR_FIELD(struct poll, closes_at, .max = CLOCK_RFC3339_MAX + 8, .nullable = 1),
	                                    { 0 } };

static int
check_option(struct req *req, const json_t *options, size_t i)
{
	const char *path = path_of(req, "/poll/options", i);
	struct str text = text_of(json_array_get(options, i));

	if (!str_present(text))
		return req_invalid(req, path, "type", "An option is a text.");
	if (text_blank(text))
		return req_invalid(req, path, "too_short", "There is nothing to read in it.");
	if (str_code_points(text) > LIMIT_OPTION)
		return req_invalid(req, path, "too_long", "An option is shorter than that.");
	for (size_t k = 0; k < i; k++)
		if (str_eq(text, text_of(json_array_get(options, k))))
			return req_invalid(req, path, "duplicate", "The options differ from each other.");
	return 0;
}

static int
write_options(struct req *req, const json_t *options, struct json_out *w)
{
	size_t n = json_array_size(options);

	if (!json_is_array(options))
		return req_invalid(req, "/poll/options", "type", "Options are an array.");
	if (n < OPTIONS_MIN)
		return req_invalid(req, "/poll/options", "too_short", "A poll has at least two options.");
	if (n > LIMIT_POLL_OPTIONS)
		return req_invalid(req, "/poll/options", "too_long", "There are too many options.");
	for (size_t i = 0; i < n; i++) {
		int r = check_option(req, options, i);

		if (r)
			return r;
	}
	json_open_array(w, "options");
	for (size_t i = 0; i < n; i++) {
		json_open_object(w, NULL);
		json_str(w, "text", text_of(json_array_get(options, i)));
		json_int(w, "count", 0);
		json_close(w);
	}
	json_close(w);
	return 0;
}

/* Seconds are counted from the moment it is sent, so the statement that sends it makes a time of them; it also knows what is past. */
static int
write_end(struct req *req, const struct poll *in, struct json_out *w)
{
	int64_t at = 0;

	if (in->closes_in_seconds.set && !in->closes_in_seconds.null) {
		if (str_present(in->closes_at))
			return req_invalid(req, "/poll/closes_at", "exclusive", "Give the time or the seconds, not both.");
		json_int(w, "closes_in_seconds", in->closes_in_seconds.v);
	}
	if (str_present(in->closes_at)) {
		if (!clock_rfc3339_parse(in->closes_at, &at))
			return req_invalid(req, "/poll/closes_at", "format", "Must be a time, as in RFC 3339.");
		if (at > req->now + LIMIT_POLL_SECONDS * INT64_C(1000000))
			return req_invalid(req, "/poll/closes_at", "range", "That is too far away.");
	}
	json_time(w, "closes_at", at);
	return 0;
}

static int
write_poll(struct req *req, json_t *json, struct json_out *w)
{
	struct poll in = { 0 };
	int r = json_fill(req->arena, json, poll_fields, &in, "/poll", &req->report);

	if (!r && text_blank(in.question))
		r = req_invalid(req, "/poll/question", "too_short", "There is nothing to read in it.");
	if (!r)
		r = write_options(req, in.options, w);
	if (!r)
		r = write_end(req, &in, w);
	json_str(w, "question", in.question);
	json_bool(w, "multiple", in.multiple.v);
	json_bool(w, "anonymous", in.anonymous.v);
	json_int(w, "voters", 0);
	return r;
}

/* ---- call ---- */

struct call {
	struct str call_id, media, outcome;
	struct opt_int duration_seconds;
};

static const char *const media_words[] = { "audio", "video", NULL };
static const char *const outcome_words[] = { "completed", "missed", "declined", "busy", "failed", NULL };

static const struct field call_fields[] = { STR_FIELD(struct call, call_id, .min = 1, .max = CLIENT_ID_MAX, .required = 1),
	                                    ENUM_FIELD(struct call, media, .words = media_words, .required = 1),
	                                    ENUM_FIELD(struct call, outcome, .words = outcome_words, .required = 1),
	                                    INT_FIELD(struct call, duration_seconds, .max = LIMIT_CALL_SECONDS),
	                                    { 0 } };

static int
write_call(struct req *req, json_t *json, struct json_out *w)
{
	struct call in = { 0 };
	int r = json_fill(req->arena, json, call_fields, &in, "/call", &req->report);

	if (!r && !str_one_line(in.call_id))
		r = req_invalid(req, "/call/call_id", "format", "The id holds characters that it may not.");
	json_str(w, "call_id", in.call_id);
	json_str(w, "media", in.media);
	json_str(w, "outcome", in.outcome);
	json_int(w, "duration_seconds", in.duration_seconds.v);
	return r;
}

/* ---- encrypted ---- */

struct encrypted {
	struct str ciphertext, nonce, key_id, ephemeral_key;
};

static const struct field encrypted_fields[] = {
	STR_FIELD(struct encrypted, ciphertext, .min = 1, .max = LIMIT_CIPHERTEXT, .required = 1),
	STR_FIELD(struct encrypted, nonce, .min = 1, .max = NONCE_MAX, .required = 1),
	STR_FIELD(struct encrypted, key_id, .min = 1, .max = KEY_ID_MAX, .required = 1),
	STR_FIELD(struct encrypted, ephemeral_key, .min = 1, .max = EPHEMERAL_KEY_MAX, .nullable = 1),
	{ 0 }
};

static bool
base64_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* RFC 4648 section 4, padded. What it stands for is never looked at. */
static bool
is_base64(struct str s)
{
	size_t n = s.n;

	if (n % 4)
		return false;
	for (int pads = 0; pads < 2 && n && s.p[n - 1] == '='; pads++)
		n--;
	for (size_t i = 0; i < n; i++)
		if (!base64_digit(s.p[i]))
			return false;
	return true;
}

static int
write_base64(struct req *req, struct json_out *w, const char *name, struct str value)
{
	json_str(w, name, value);
	if (!str_present(value) || is_base64(value))
		return 0;
	return req_invalid(req, arena_cstr(req->arena, arena_printf(req->arena, "/encrypted/%s", name)), "format",
	                   "Must be base64, with padding.");
}

static int
write_encrypted(struct req *req, json_t *json, struct json_out *w)
{
	struct encrypted in = { 0 };
	int r = json_fill(req->arena, json, encrypted_fields, &in, "/encrypted", &req->report);

	if (!r)
		r = write_base64(req, w, "ciphertext", in.ciphertext);
	if (!r)
		r = write_base64(req, w, "nonce", in.nonce);
	if (!r)
		r = write_base64(req, w, "key_id", in.key_id);
	if (!r)
		r = write_base64(req, w, "ephemeral_key", in.ephemeral_key);
	return r;
}

/* ---- kinds ---- */

enum content_rule { CONTENT_NONE, CONTENT_CAPTION, CONTENT_NEEDED };

/* What a message of a kind has: text, uploads, and a member of its own. */
static const struct kind_rule {
	enum content_rule content;
	bool attachments;
	size_t offset; /* of the member in struct draft_body; 0: none */
	int (*write)(struct req *, json_t *, struct json_out *);
} rules[] = {
	[MESSAGE_TEXT] = { .content = CONTENT_NEEDED },
	[MESSAGE_IMAGE] = { .content = CONTENT_CAPTION, .attachments = true },
	[MESSAGE_AUDIO] = { .content = CONTENT_CAPTION, .attachments = true },
	[MESSAGE_VIDEO] = { .content = CONTENT_CAPTION, .attachments = true },
	[MESSAGE_FILE] = { .content = CONTENT_CAPTION, .attachments = true },
	[MESSAGE_LOCATION] = { .offset = offsetof(struct draft_body, location), .write = write_location },
	[MESSAGE_POLL] = { .offset = offsetof(struct draft_body, poll), .write = write_poll },
	[MESSAGE_CALL] = { .offset = offsetof(struct draft_body, call), .write = write_call },
	[MESSAGE_ENCRYPTED] = { .offset = offsetof(struct draft_body, encrypted), .write = write_encrypted },
};

static const char *
member_path(struct req *req, enum message_kind kind)
{
	return arena_cstr(req->arena, arena_printf(req->arena, "/%s", view_message_kind(kind)));
}

static json_t *
member_of(const struct draft_body *in, enum message_kind kind)
{
	return *(json_t *const *)((const char *)in + rules[kind].offset);
}

/* The member of its own kind, in the form in which it is kept; those of other kinds do not come with it. kind 0: none may come. */
static int
check_extra(struct req *req, const struct draft_body *in, enum message_kind kind, struct str *ret)
{
	struct buf *buf;
	struct json_out w;
	int r;

	for (size_t other = 1; other < sizeof(rules) / sizeof(*rules); other++)
		if (rules[other].write && other != kind && given(member_of(in, (enum message_kind)other)))
			return req_invalid(req, member_path(req, (enum message_kind)other), "exclusive",
			                   "A message of this kind has no such part.");
	if (!kind || !rules[kind].write)
		return 0;
	if (!given(member_of(in, kind)))
		return req_invalid(req, member_path(req, kind), "required", "A message of this kind has this part.");
	buf = req_scratch(req);
	json_begin(&w, buf);
	json_open_object(&w, NULL);
	r = rules[kind].write(req, member_of(in, kind), &w);
	json_close(&w);
	json_end(&w);
	*ret = buf_view(buf);
	return r;
}

int
draft_content(struct req *req, struct str content, bool needed)
{
	if (!str_present(content))
		return needed ? req_invalid(req, "/content", str_is_null(content) ? "type" : "required",
		                            "A text message says something.")
		              : 0;
	if (text_blank(content))
		return req_invalid(req, "/content", "too_short", "There is nothing to read in it.");
	if ((int64_t)str_code_points(content) > req->conf->max_content_code_points)
		return req_invalid(req, "/content", "too_long", "The text has too many characters.");
	if ((int64_t)content.n > req->conf->max_content_kib * 1024)
		return req_invalid(req, "/content", "too_long", "The text has too many bytes.");
	return 0;
}

static int
check_content(struct req *req, struct str content, enum content_rule rule)
{
	if (rule != CONTENT_NONE)
		return draft_content(req, content, rule == CONTENT_NEEDED);
	return str_present(content) ? req_invalid(req, "/content", "exclusive", "A message of this kind has no text.") : 0;
}

struct mention {
	int64_t user_id;
	struct opt_int offset, length;
};

static const struct field mention_fields[] = { ID_FIELD(struct mention, user_id, .required = 1),
	                                       INT_FIELD(struct mention, offset, .max = INT32_MAX, .required = 1),
	                                       INT_FIELD(struct mention, length, .min = 1, .max = INT32_MAX, .required = 1),
	                                       { 0 } };

static int
write_mention(struct req *req, json_t *json, size_t i, size_t code_points, struct json_out *w)
{
	const char *at = path_of(req, "/mentions", i);
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

int
draft_mentions(struct req *req, json_t *mentions, struct str content, struct str *ret)
{
	size_t code_points = str_code_points(content), n = json_array_size(mentions);
	struct buf *buf;
	struct json_out w;

	*ret = STR_NONE;
	if (!given(mentions))
		return 0;
	if (!json_is_array(mentions))
		return req_invalid(req, "/mentions", "type", "Mentions are an array.");
	if (n > LIMIT_MENTIONS)
		return req_invalid(req, "/mentions", "too_long", "There are too many mentions.");
	buf = req_scratch(req);
	json_begin(&w, buf);
	json_open_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		int r = write_mention(req, json_array_get(mentions, i), i, code_points, &w);

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
check_attachments(struct req *req, const json_t *ids, bool wanted, struct str *ret)
{
	size_t n = json_array_size(ids);
	struct buf *buf;
	struct json_out w;

	if (!wanted)
		return n || (given(ids) && !json_is_array(ids))
		               ? req_invalid(req, "/attachment_ids", "type", "A message of this kind has no attachments.")
		               : 0;
	if (!json_is_array(ids) || !n)
		return req_invalid(req, "/attachment_ids", "required", "A message of this kind names at least one upload.");
	if (n > LIMIT_ATTACHMENTS)
		return req_invalid(req, "/attachment_ids", "too_long", "There are too many attachments.");
	buf = req_scratch(req);
	json_begin(&w, buf);
	json_open_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		struct str id = text_of(json_array_get(ids, i));

		if (!attachment_id_ok(id))
			return req_invalid(req, "/attachment_ids", "format", "This is not the id of an attachment.");
		json_str(&w, NULL, id);
	}
	json_close(&w);
	json_end(&w);
	*ret = buf_view(buf);
	return 0;
}

/* ---- the whole ---- */

/* The key of a retry: the body's and the header's are one. */
static int
check_client_id(struct req *req, struct draft_body *in)
{
	struct str header = req_param(req, "HTTP_IDEMPOTENCY_KEY");

	if (!str_present(in->client_id))
		in->client_id = header;
	else if (str_present(header) && !str_eq(header, in->client_id))
		return req_invalid(req, "/client_id", "exclusive", "The header Idempotency-Key says otherwise.");
	if (!str_present(in->client_id))
		return req_invalid(req, "/client_id", "required", "Give a key by which a retry finds this message.");
	if (!str_utf8_valid(in->client_id) || !str_one_line(in->client_id))
		return req_invalid(req, "/client_id", "format", "The key holds characters that it may not.");
	if (str_code_points(in->client_id) > CLIENT_ID_MAX)
		return req_invalid(req, "/client_id", "too_long", "The key is too long.");
	return 0;
}

static int
check_reply_to(struct req *req, struct str reply_to, int64_t *ret_seq)
{
	int64_t conversation;

	if (!str_present(reply_to))
		return 0;
	if (message_id_parse(reply_to, &conversation, ret_seq) && conversation == req->conversation)
		return 0;
	return req_invalid(req, "/reply_to", "format", "This is not the id of a message in this conversation.");
}

/* What is forwarded says everything itself. */
static int
check_forward(struct req *req, const struct draft_body *in, struct message_draft *ret)
{
	if (!message_id_parse(in->forward_of, &ret->forward_conversation, &ret->forward_seq))
		return req_invalid(req, "/forward_of", "format", "This is not the id of a message.");
	if (str_present(in->content))
		return req_invalid(req, "/content", "exclusive", "What is forwarded is what that message says.");
	if (json_array_size(in->mentions) || (given(in->mentions) && !json_is_array(in->mentions)))
		return req_invalid(req, "/mentions", "exclusive", "What is forwarded mentions nobody.");
	if (given(in->attachment_ids))
		return req_invalid(req, "/attachment_ids", "exclusive", "What is forwarded keeps its attachments.");
	return check_extra(req, in, 0, &ret->extra_json);
}

static int
check_kind(struct req *req, const struct draft_body *in, struct message_draft *ret)
{
	const struct kind_rule *rule = &rules[ret->kind];
	int r = check_content(req, in->content, rule->content);

	if (!r)
		r = draft_mentions(req, in->mentions, in->content, &ret->mentions_json);
	if (!r)
		r = check_attachments(req, in->attachment_ids, rule->attachments, &ret->attachments_json);
	return r ? r : check_extra(req, in, ret->kind, &ret->extra_json);
}

/*
 * What makes two sends the same: everything but the key and the conversation, which are what the hash is kept under. Keys live as
 * long as their message, so what is hashed for a body does not change with the version of this program.
 */
static struct str
request_hash(struct req *req, const struct draft_body *in, const struct message_draft *draft)
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
	if (draft->extra_json.p || draft->forward_seq || draft->expires_in) {
		json_open_object(&w, NULL);
		if (draft->extra_json.p)
			json_raw(&w, "extra", draft->extra_json);
		json_id_or_null(&w, "forward_conversation", draft->forward_conversation);
		json_int(&w, "forward_seq", draft->forward_seq);
		json_int(&w, "expires_in", draft->expires_in);
		json_close(&w);
	}
	json_close(&w);
	json_end(&w);
	bytes_sha256(buf_view(buf), digest);
	return str_n((char *)digest, SHA256_BYTES);
}

int
draft_make(struct req *req, struct draft_body *in, struct message_draft *ret)
{
	bool forward = str_present(in->forward_of);
	int r;

	if (str_present(in->message_type))
		view_message_kind_parse(in->message_type, &ret->kind);
	else if (!forward)
		return req_invalid(req, "/message_type", str_is_null(in->message_type) ? "type" : "required",
		                   "Is required.");
	r = check_client_id(req, in);
	if (!r)
		r = forward ? check_forward(req, in, ret) : check_kind(req, in, ret);
	if (!r)
		r = check_reply_to(req, in->reply_to, &ret->reply_seq);
	if (r)
		return r;
	ret->client_id = in->client_id;
	ret->content = in->content;
	ret->expires_in = in->expires_in_seconds.v;
	ret->request_hash = request_hash(req, in, ret);
	return 0;
}

struct str
draft_json(struct req *req, const struct message_draft *draft)
{
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = { { "kind", draft->kind },
		        { "reply_seq", draft->reply_seq },
		        { "forward_conversation", draft->forward_conversation },
		        { "forward_seq", draft->forward_seq },
		        { "expires_in", draft->expires_in } };
	const struct {
		const char *name;
		struct str json;
	} parts[] = { { "mentions", draft->mentions_json },
		      { "attachments", draft->attachments_json },
		      { "extra", draft->extra_json } };
	struct buf *buf = req_scratch(req);
	struct json_out w;

	json_begin(&w, buf);
	json_open_object(&w, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (numbers[i].value)
			json_int(&w, numbers[i].name, numbers[i].value);
	if (str_present(draft->content))
		json_str(&w, "content", draft->content);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (str_present(parts[i].json))
			json_raw(&w, parts[i].name, parts[i].json);
	json_close(&w);
	json_end(&w);
	return buf_view(buf);
}

int
draft_refused(struct req *req, int r)
{
	int64_t ms;

	if (r == SLOW_MODE && str_int64(str_c(db_last_error(req->db)), &ms))
		req->retry_after_ms = ms;
	r = req_refused(req, r);
	return r ? trace(r) : 0;
}
