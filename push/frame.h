/*
 * frame -- one outgoing WebSocket frame: header and payload, written once, references counted, the same for every socket.
 *
 * Immutable after it was made, but for its encoded forms, which are made when they are first needed. A frame is made with one reference, which belongs to the maker.
 */
#ifndef PEAL_PUSH_FRAME_H
#define PEAL_PUSH_FRAME_H

#include "base/str.h"
#include "codec.h"

/* In the order in which they are given up when a socket is slow; the last two are never. */
enum frame_class {
	FRAME_EPHEMERAL, /* typing, presence: nobody misses it */
	FRAME_DURABLE,   /* events and batches: the log has them */
	FRAME_MARK,      /* delivered, read: last write wins, repeated in heads */
	FRAME_ANSWER,    /* what this connection was told about itself: welcome, response, error, bye */
	FRAME_CONTROL,   /* ping, pong, close */
};

/* Where a durable event stands. */
struct place {
	int64_t id;            /* of a conversation, or of a user */
	char stream;           /* 'c' or 'u' */
	int64_t position, seq; /* seq: what an ack moves delivered_seq to; 0 for a user's stream */
};

/* How a socket wants what is long; see encoding.h. */
enum encoding { ENCODING_PLAIN, ENCODING_DEFLATE, ENCODING_GZIP, ENCODINGS };

struct frame {
	uint32_t refs, n; /* n: bytes on the wire */
	uint8_t head;     /* of which WebSocket header */
	uint8_t class : 5, stubborn : 1, polled : 1,
	        live : 1;                 /* does not shrink; came from the log while Redis is away; is `live` */
	uint16_t events;                  /* durable events inside: 0, 1, or those of a batch */
	struct place place;               /* of the event when it is one */
	struct frame *encoded[ENCODINGS]; /* its other forms, as soon as somebody asked; references */
	int64_t at_us;                    /* the time of a live event, as it says itself; 0: not one */
	unsigned char bytes[];
};

struct frame *frame_new(enum frame_class, enum ws_opcode, struct str payload);
struct frame *frame_text(enum frame_class, struct str payload);
struct frame *frame_event(const struct place *, struct str payload); /* FRAME_DURABLE, one event */
struct frame *frame_close(int code, const char *reason);             /* a close frame; WS_NO_CODE: with an empty payload */
/* A frame whose payload is still to be written at frame_payload(): n bytes. */
struct frame *frame_blank(enum frame_class, enum ws_opcode, size_t n);
struct frame *frame_ref(struct frame *);
void frame_unref(struct frame *); /* NULL-safe */

static inline char *
frame_payload(struct frame *f)
{
	return (char *)f->bytes + f->head;
}
static inline struct str
frame_view(const struct frame *f)
{
	return str_n((const char *)f->bytes + f->head, f->n - f->head);
}

#endif
