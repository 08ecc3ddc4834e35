/* fcgi/publish.c -- records for the push daemon, published after commit. */
#include "base/log.h"
#include "publish.h"

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
ring(struct req *req, const struct feed_header *header, const int64_t *ids, size_t n)
{
	int r;

	if (!n)
		return;
	if (buf_failed(&frame)) {
		LOG(ERROR, "frame_too_large", L_STR("id", req->id), L_INT("conversation", header->id));
		return;
	}
	r = feed_publish(req->redis, req->arena, header, buf_view(&frame), ids, n);
	if (r < 0)
		log_fault("publish_fault", r, (const struct log_field[]){ L_STR("id", req->id), { 0 } });
	else if (r)
		LOG(DEBUG, "publish_late", L_STR("id", req->id), L_INT("position", header->position));
}

static struct feed_header
durable(int64_t conversation_id, int64_t seq, int64_t rev)
{
	return (struct feed_header){
		.kind = FEED_DURABLE, .stream = 'c', .id = conversation_id, .position = seq + rev, .seq = seq
	};
}

void
publish_new_message(struct req *req, const struct message *message, const struct advance *advance)
{
	const struct feed_header header = durable(message->conversation_id, advance->seq, advance->rev);

	frame_new_message(frame_begin(), message, advance->seq, advance->rev, advance->at);
	ring(req, &header, advance->hearers.ids, advance->hearers.n);
}

void
publish_conversation_created(struct req *req, const struct conversation *conversation, int64_t viewer, int64_t seq,
                             int64_t rev, int64_t at)
{
	const struct feed_header header = durable(conversation->id, seq, rev);

	frame_conversation_created(frame_begin(), conversation, viewer, seq, rev, at);
	ring(req, &header, &viewer, 1);
}

void
publish_message_deleted(struct req *req, const struct message *message, const struct advance *advance)
{
	const struct feed_header header = durable(message->conversation_id, advance->seq, advance->rev);

	frame_message_deleted(frame_begin(), message, advance->seq, advance->rev, advance->at);
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

void
publish_user_read(struct req *req, int64_t user_rev, const struct conversation *conversation, int64_t at)
{
	const struct feed_header header = { .kind = FEED_DURABLE, .stream = 'u', .id = req->me, .position = user_rev };

	frame_user_read(frame_begin(), user_rev, conversation, at);
	ring(req, &header, &req->me, 1);
}

void
publish_typing(struct req *req, bool is_typing, struct str kind, struct hearers hearers)
{
	const struct feed_header header = { .kind = FEED_EPHEMERAL, .stream = 'c', .id = req->conversation };

	frame_typing(frame_begin(), req->conversation, req->me, is_typing, kind, req->now);
	ring(req, &header, hearers.ids, hearers.n);
}
