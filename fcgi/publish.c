/* fcgi/publish.c -- records for the push daemon, published after commit. */
#include "base/log.h"
#include "publish.h"
#include "store/attachment.h"

#define FRAME_MOST ((size_t)8 << 20)

static struct buf frame; /* one request at a time: the process keeps the block */

static struct buf *
frame_begin(void)
{
	if (!frame.cap)
		buf_init(&frame, FRAME_MOST);
	buf_clear(&frame);
	return &frame;
}

static void
say_late(struct req *req, int r, const struct feed_header *header)
{
	if (r < 0)
		log_fault("publish_fault", r, (const struct log_field[]){ L_STR("id", req->id), { 0 } });
	else if (r)
		LOG(DEBUG, "publish_late", L_STR("id", req->id), L_INT("stream", header->id),
		    L_INT("position", header->position));
}

static void
ring(struct req *req, const struct feed_header *header, const int64_t *ids, size_t n)
{
	if (!n)
		return;
	if (buf_failed(&frame)) {
		LOG(ERROR, "frame_too_large", L_STR("id", req->id), L_INT("conversation", header->id));
		return;
	}
	say_late(req, feed_publish(req->redis, req->arena, header, buf_view(&frame), ids, n), header);
}

/* Ends the walk when Redis is away: what comes after would only be refused as well. */
static int
ring_again(void *arg, const struct feed_header *header, struct str text, const int64_t *ids, size_t n)
{
	struct req *req = arg;
	int r = feed_publish(req->redis, req->arena, header, text, ids, n);

	if (r > 0)
		say_late(req, r, header);
	return r;
}

void
publish_log(struct req *req, char stream, int64_t id, int64_t after_position, size_t n)
{
	int r = n ? event_again(req->db, req->arena, stream, id, after_position, 0, n, ring_again, req) : 0;

	if (r < 0)
		say_late(req, r, NULL);
}

void
publish_new_message(struct req *req, const struct message *message, const struct advance *advance)
{
	const struct event_place at = { message->conversation_id, advance->seq, advance->rev, advance->at };
	const struct feed_header header = {
		.kind = FEED_DURABLE, .stream = 'c', .id = at.conversation_id, .position = at.seq + at.rev, .seq = at.seq
	};

	frame_message(frame_begin(), &at, EVENT_NEW_MESSAGE, message);
	ring(req, &header, advance->hearers.ids, advance->hearers.n);
}

void
publish_mark(struct req *req, enum mark_kind kind, int64_t conversation_id, int64_t user_id, int64_t seq, int64_t at,
             struct hearers hearers)
{
	const struct feed_header header = { .kind = FEED_MARK, .stream = 'c', .id = conversation_id };

	frame_mark(frame_begin(), kind, conversation_id, user_id, seq, at);
	ring(req, &header, hearers.ids, hearers.n);
}

struct delivered {
	const struct mark_moved *moved;
	size_t n;
};

static struct str
delivered_record(struct req *req, const struct mark_moved *m)
{
	const struct feed_header header = { .kind = FEED_MARK, .stream = 'c', .id = m->conversation_id };

	feed_write_header(frame_begin(), &header);
	frame_mark(&frame, MARK_DELIVERED, m->conversation_id, m->user_id, m->seq, m->at);
	return arena_str(req->arena, buf_view(&frame));
}

static void
publish_delivered(struct req *req, void *arg)
{
	const struct delivered *d = arg;
	struct feed_letter *letters;
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->moved[i].hearers.n;
	letters = arena_alloc_array(req->arena, n + 1, sizeof(*letters));
	n = 0;
	for (size_t i = 0; i < d->n; i++) {
		const struct mark_moved *m = &d->moved[i];
		struct str record = m->hearers.n ? delivered_record(req, m) : STR_NONE;

		for (size_t k = 0; k < m->hearers.n; k++)
			letters[n++] = (struct feed_letter){ m->hearers.ids[k], record };
	}
	say_late(req, feed_publish_letters(req->redis, req->arena, letters, n), &(struct feed_header){ .kind = FEED_MARK });
}

void
publish_delivered_later(struct req *req, const struct mark_moved *moved, size_t n)
{
	struct delivered *d = arena_new_of(req->arena, struct delivered);

	*d = (struct delivered){ moved, n };
	if (n)
		req_after_commit(req, publish_delivered, d);
}

void
publish_typing(struct req *req, bool is_typing, struct str kind, struct hearers hearers)
{
	const struct feed_header header = { .kind = FEED_EPHEMERAL, .stream = 'c', .id = req->conversation };

	frame_typing(frame_begin(), req->conversation, req->me, is_typing, kind, req->now);
	ring(req, &header, hearers.ids, hearers.n);
}

void
publish_signal(struct req *req, const struct signal *signal, struct hearers hearers)
{
	const struct feed_header header = { .kind = FEED_EPHEMERAL, .stream = 'c', .id = req->conversation };

	frame_signal(frame_begin(), req->conversation, req->me, signal, req->now);
	ring(req, &header, hearers.ids, hearers.n);
}

void
publish_attachment(struct req *req, struct str id, int64_t owner_id, struct str attachment_json)
{
	struct feed_header header = { .kind = FEED_EPHEMERAL, .stream = 'u', .id = owner_id };
	struct attachment_use *uses;
	size_t n = 0;
	int r = attachment_uses(req->db, req->arena, id, &uses, &n);

	if (r)
		say_late(req, r, &header);
	for (size_t i = 0; i < n; i++) {
		header = (struct feed_header){ .kind = FEED_EPHEMERAL, .stream = 'c', .id = uses[i].conversation_id };
		frame_attachment_ready(frame_begin(), uses[i].conversation_id, uses[i].seq, attachment_json, req->now);
		ring(req, &header, uses[i].hearers.ids, uses[i].hearers.n);
	}
	if (n)
		return;
	frame_attachment_ready(frame_begin(), 0, 0, attachment_json, req->now);
	ring(req, &header, &owner_id, 1);
}

void
publish_ended(struct req *req, int64_t user_id, enum feed_ended which, struct str session_id)
{
	const struct feed_header header = { .kind = FEED_ENDED, .stream = 'u', .id = user_id };

	feed_write_ended(frame_begin(), which, session_id);
	ring(req, &header, &user_id, 1);
}
