/* feed.c -- records between processes, and the frames of docs/asyncapi.yaml inside them. */
#include "feed.h"

#include "../base/err.h"
#include "view.h"

/* KEYS: position key or nothing. ARGV: position, payload, recipients' channels. */
static const char publish_lua[] = "local n = 0 "
                                  "for i = 3, #ARGV do n = n + redis.call('PUBLISH', ARGV[i], ARGV[2]) end "
                                  "if #KEYS > 0 then "
                                  "local old = tonumber(redis.call('GET', KEYS[1]) or '0') "
                                  "redis.call('SET', KEYS[1], math.max(old, tonumber(ARGV[1])), 'EX', 3600) end "
                                  "return n";

static bool
parse_stream(struct str word, struct feed_header *h)
{
	if (word.n < 2 || (word.p[0] != 'c' && word.p[0] != 'u'))
		return false;
	h->stream = word.p[0];
	return str_id(str_n(word.p + 1, word.n - 1), &h->id);
}

bool
feed_parse(struct str record, struct feed_header *ret)
{
	struct feed_header h = { 0 };
	struct str rest = record, line, kind, word;

	line = str_cut(&rest, '\n');
	if (!str_present(rest))
		return false;
	h.frame = rest;
	kind = str_cut(&line, ' ');
	if (kind.n != 1 || !strchr("dme", kind.p[0]))
		return false;
	h.kind = (enum feed_kind)kind.p[0];
	word = str_cut(&line, ' ');
	if (!parse_stream(word, &h))
		return false;
	word = str_cut(&line, ' ');
	if (!str_int64(word, &h.position) || h.position < 0)
		return false;
	word = str_cut(&line, ' ');
	if (!str_int64(word, &h.seq) || h.seq < 0)
		return false;
	h.recipients = line;
	*ret = h;
	return true;
}

void
feed_write_header(struct buf *out, const struct feed_header *h)
{
	buf_char(out, (char)h->kind);
	buf_char(out, ' ');
	buf_char(out, h->stream);
	buf_int(out, h->id);
	buf_char(out, ' ');
	buf_int(out, h->position);
	buf_char(out, ' ');
	buf_int(out, h->seq);
	if (str_present(h->recipients)) {
		buf_char(out, ' ');
		buf_str(out, h->recipients);
	}
	buf_char(out, '\n');
}

static void
open_frame(struct json_out *w, struct buf *out, const char *type)
{
	json_begin(w, out);
	json_open_object(w, NULL);
	json_cstr(w, "type", type);
}

static void
close_frame(struct json_out *w, int64_t at)
{
	if (at)
		json_time(w, "timestamp", at);
	json_close(w);
	json_end(w);
}

static void
open_event(struct json_out *w, struct buf *out, const char *type, int64_t conversation_id, int64_t seq, int64_t rev)
{
	open_frame(w, out, type);
	json_id(w, "conversation_id", conversation_id);
	json_int(w, "seq", seq);
	json_int(w, "rev", rev);
}

static void
frame_message(struct buf *out, const char *type, const struct message *m, int64_t seq, int64_t rev, int64_t at)
{
	struct json_out w;

	open_event(&w, out, type, m->conversation_id, seq, rev);
	json_open_object(&w, "data");
	view_message_shared(&w, "message", m);
	json_close(&w);
	close_frame(&w, at);
}

void
frame_new_message(struct buf *out, const struct message *m, int64_t seq, int64_t rev, int64_t at)
{
	frame_message(out, "new_message", m, seq, rev, at);
}

void
frame_message_deleted(struct buf *out, const struct message *m, int64_t seq, int64_t rev, int64_t at)
{
	frame_message(out, "message_deleted", m, seq, rev, at);
}

void
frame_conversation_created(struct buf *out, const struct conversation *c, int64_t viewer_id, int64_t seq, int64_t rev,
                           int64_t at)
{
	struct json_out w;

	open_event(&w, out, "conversation_created", c->id, seq, rev);
	json_open_object(&w, "data");
	view_conversation(&w, "conversation", c, viewer_id);
	json_close(&w);
	close_frame(&w, at);
}

void
frame_mark(struct buf *out, enum mark_kind kind, int64_t conversation_id, int64_t user_id, int64_t seq, int64_t at)
{
	struct json_out w;

	open_frame(&w, out, kind == MARK_READ ? "message_read" : "message_delivered");
	json_id(&w, "conversation_id", conversation_id);
	json_open_object(&w, "data");
	json_id(&w, "user_id", user_id);
	json_int(&w, "seq", seq);
	json_close(&w);
	close_frame(&w, at);
}

void
frame_typing(struct buf *out, int64_t conversation_id, int64_t user_id, bool is_typing, struct str kind, int64_t at)
{
	struct json_out w;

	open_frame(&w, out, "typing");
	json_id(&w, "conversation_id", conversation_id);
	json_open_object(&w, "data");
	json_id(&w, "user_id", user_id);
	json_bool(&w, "is_typing", is_typing);
	json_str(&w, "kind", str_present(kind) ? kind : STR("text"));
	json_close(&w);
	close_frame(&w, at);
}

void
frame_user_read(struct buf *out, int64_t user_rev, const struct conversation *c, int64_t at)
{
	struct json_out w;

	open_frame(&w, out, "user_changed");
	json_int(&w, "user_rev", user_rev);
	json_cstr(&w, "kind", "read");
	json_open_object(&w, "data");
	json_id(&w, "conversation_id", c->id);
	json_int(&w, "read_seq", c->my.read_seq);
	if (c->my.unread_from)
		json_int(&w, "unread_from", c->my.unread_from);
	else
		json_put_null(&w, "unread_from");
	json_int(&w, "unread_count", c->unread_count);
	json_int(&w, "mention_count", c->mention_count);
	json_close(&w);
	close_frame(&w, at);
}

void
frame_skipped(struct buf *out, int64_t conversation_id, int64_t seq, int64_t rev)
{
	struct json_out w;

	open_event(&w, out, "skipped", conversation_id, seq, rev);
	close_frame(&w, 0);
}

int
feed_publish(struct redis *redis, struct arena *arena, const struct feed_header *h, struct str frame,
             const int64_t *recipients, size_t n)
{
	struct str *argv, key = arena_printf(arena, "pub:%c%lld", h->stream, (long long)h->id);
	bool durable = h->kind == FEED_DURABLE;
	struct buf payload;
	redisReply *reply;
	int r;

	if (!n && !durable)
		return 0;
	buf_init(&payload, frame.n + 128);
	feed_write_header(&payload, h);
	buf_str(&payload, frame);

	argv = arena_alloc_array(arena, n + 3, sizeof(*argv));
	argv[0] = key;
	argv[durable] = arena_printf(arena, "%lld", (long long)h->position);
	argv[durable + 1] = buf_view(&payload);
	for (size_t i = 0; i < n; i++)
		argv[durable + 2 + i] = arena_printf(arena, "u:%lld", (long long)recipients[i]);
	r = redis_script(redis, arena, str_n(publish_lua, sizeof(publish_lua) - 1), durable, n + 2 + durable, argv, &reply);
	buf_deinit(&payload);
	return r;
}
