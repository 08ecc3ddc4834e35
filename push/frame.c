/* frame.c -- making and sharing outgoing frames. */
#include "frame.h"

#include "mem.h"

#define CLOSE_REASON_MAX 123

struct frame *
frame_blank(enum frame_class class, enum ws_opcode opcode, size_t n)
{
	unsigned char head[WS_HEAD_MAX];
	size_t head_n = ws_write_head(head, opcode, n);
	struct frame *f = mem_need(malloc(sizeof(*f) + head_n + n));

	*f = (struct frame){ .refs = 1, .n = (uint32_t)(head_n + n), .head = (uint8_t)head_n, .class = (uint8_t) class };
	memcpy(f->bytes, head, head_n);
	return f;
}

struct frame *
frame_new(enum frame_class class, enum ws_opcode opcode, struct str payload)
{
	struct frame *f = frame_blank(class, opcode, payload.n);

	if (payload.n)
		memcpy(frame_payload(f), payload.p, payload.n);
	return f;
}

struct frame *
frame_text(enum frame_class class, struct str payload)
{
	return frame_new(class, WS_OP_TEXT, payload);
}

struct frame *
frame_event(const struct place *place, struct str payload)
{
	struct frame *f = frame_text(FRAME_DURABLE, payload);

	f->events = 1;
	f->place = *place;
	return f;
}

struct frame *
frame_close(int code, const char *reason)
{
	char text[2 + CLOSE_REASON_MAX] = { (char)(code >> 8), (char)code };
	size_t n = strnlen(reason, CLOSE_REASON_MAX);

	if (code == WS_NO_CODE)
		return frame_new(FRAME_CONTROL, WS_OP_CLOSE, STR(""));
	memcpy(text + 2, reason, n);
	return frame_new(FRAME_CONTROL, WS_OP_CLOSE, str_n(text, 2 + n));
}

struct frame *
frame_ref(struct frame *f)
{
	f->refs++;
	return f;
}

void
frame_unref(struct frame *f)
{
	if (!f || --f->refs)
		return;
	for (int e = 0; e < ENCODINGS; e++)
		frame_unref(f->encoded[e]);
	free(f);
}
