/* codec.c -- the WebSocket decoder and the header of outgoing frames. */
#include "codec.h"

#include "mem.h"

#define CONTROL_MAX 125

/* What is kept while a frame or a fragmented message is incomplete. */
struct ws_partial {
	unsigned char head[14]; /* header bytes seen so far */
	uint8_t head_n;
	bool in_payload, delivered; /* delivered: the message may be reused at the next call */
	bool compressed;            /* the message is */
	uint8_t message_opcode;     /* text or binary while a message is open, else 0 */
	struct utf8 utf8;
	uint64_t left; /* payload bytes of this frame still to come */
	uint32_t mask_at;
	size_t message_n, message_size;
	unsigned char *message;
	uint8_t control_n;
	unsigned char control[CONTROL_MAX];
};

struct head {
	uint8_t opcode;
	bool fin, compressed;
	uint8_t n; /* its own bytes */
	uint64_t payload;
	const unsigned char *mask;
};

static bool
is_control(uint8_t opcode)
{
	return opcode & 8;
}

/* How long the header is, as far as its first bytes tell (2 are enough to know). */
static size_t
head_bytes(const unsigned char *p, size_t n)
{
	if (n < 2)
		return 2;
	switch (p[1] & 0x7f) {
	case 126:
		return 2 + 2 + 4;
	case 127:
		return 2 + 8 + 4;
	default:
		return 2 + 4;
	}
}

static uint64_t
big_endian(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

/* What the first two bytes already forbid: 0 or a close code. */
static int
check_start(const struct ws *ws, const unsigned char *p, size_t n, uint8_t message_opcode)
{
	uint8_t opcode = p[0] & 0x0f, reserved = p[0] & 0x70;

	if (reserved && (reserved != WS_COMPRESSED || !ws->inflater || is_control(opcode) || opcode == WS_OP_CONTINUE))
		return WS_PROTOCOL_ERROR;
	if (opcode > WS_OP_PONG || (opcode > WS_OP_BINARY && opcode < WS_OP_CLOSE))
		return WS_PROTOCOL_ERROR;
	if (is_control(opcode) && !(p[0] & 0x80))
		return WS_PROTOCOL_ERROR;
	if (!is_control(opcode) && (opcode == WS_OP_CONTINUE) != (message_opcode != 0))
		return WS_PROTOCOL_ERROR;
	if (n < 2)
		return 0;
	if (!(p[1] & 0x80))
		return WS_PROTOCOL_ERROR;
	if (is_control(opcode) && (p[1] & 0x7f) > CONTROL_MAX)
		return WS_PROTOCOL_ERROR;
	return 0;
}

/* Reads a whole header: 0 or a close code. */
static int
read_head(const struct ws *ws, const unsigned char *p, struct head *h)
{
	size_t held = ws->partial ? ws->partial->message_n : 0;

	h->opcode = p[0] & 0x0f;
	h->fin = p[0] & 0x80;
	h->compressed = p[0] & WS_COMPRESSED;
	h->n = (uint8_t)head_bytes(p, 2);
	h->mask = p + h->n - 4;
	h->payload = p[1] & 0x7f;
	if (h->payload == 126) {
		h->payload = big_endian(p + 2, 2);
		if (h->payload < 126)
			return WS_PROTOCOL_ERROR;
	} else if (h->payload == 127) {
		h->payload = big_endian(p + 2, 8);
		if (h->payload < 65536 || h->payload >> 63)
			return WS_PROTOCOL_ERROR;
	}
	if (!is_control(h->opcode) && (h->payload > ws->max_message || held + h->payload > ws->max_message))
		return WS_TOO_BIG;
	return 0;
}

/* Unmasks n bytes, the first of which is number `at` of its payload. */
static void
unmask(unsigned char *p, size_t n, const unsigned char mask[4], uint32_t at)
{
	uint64_t wide, word;
	unsigned char turned[8];

	for (int i = 0; i < 8; i++)
		turned[i] = mask[(at + (uint32_t)i) & 3];
	memcpy(&wide, turned, sizeof(wide));
	while (n >= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		word ^= wide;
		memcpy(p, &word, sizeof(word));
		p += sizeof(word);
		n -= sizeof(word);
	}
	for (size_t i = 0; i < n; i++)
		p[i] ^= turned[i];
}

bool
ws_close_code_valid(int code)
{
	if (code >= 3000 && code <= 4999)
		return true;
	return code >= 1000 && code <= 1014 && code != 1004 && code != WS_NO_CODE && code != WS_ABNORMAL;
}

static enum ws_event
fail(struct ws *ws, int code, int *ret_code)
{
	ws->ended = true;
	*ret_code = code;
	return WS_ERROR;
}

static enum ws_event
control_event(struct ws *ws, uint8_t opcode, struct str payload, struct str *ret, int *ret_code)
{
	*ret = payload;
	if (opcode == WS_OP_PING)
		return WS_PING;
	if (opcode == WS_OP_PONG)
		return WS_PONG;
	if (payload.n == 1)
		return fail(ws, WS_PROTOCOL_ERROR, ret_code);
	*ret_code = payload.n ? (int)big_endian((const unsigned char *)payload.p, 2) : WS_NO_CODE;
	if (payload.n && !ws_close_code_valid(*ret_code))
		return fail(ws, WS_PROTOCOL_ERROR, ret_code);
	*ret = payload.n ? str_n(payload.p + 2, payload.n - 2) : STR("");
	if (!str_utf8_valid(*ret))
		return fail(ws, WS_BAD_UTF8, ret_code);
	ws->ended = true;
	return WS_CLOSE;
}

/* A message is complete: inflated when it was compressed, and checked when it is text. */
static enum ws_event
message_event(struct ws *ws, uint8_t opcode, bool compressed, struct str *payload, int *ret_code)
{
	int r = 0;

	if (compressed)
		r = inflate_message(ws->inflater, (const unsigned char *)payload->p, payload->n, ws->max_message, payload);
	if (r)
		return fail(ws, r, ret_code);
	if (opcode == WS_OP_TEXT && !str_utf8_valid(*payload))
		return fail(ws, WS_BAD_UTF8, ret_code);
	return opcode == WS_OP_TEXT ? WS_TEXT : WS_BINARY;
}

/* A frame that lies whole in the input, outside any message: true when it was one, with *event. */
static bool
take_whole(struct ws *ws, struct ws_input *in, struct str *ret, int *ret_code, enum ws_event *event)
{
	struct head h;
	int r;

	if (in->n < 2 || in->n < head_bytes(in->p, in->n))
		return false;
	r = check_start(ws, in->p, 2, 0);
	if (!r)
		r = read_head(ws, in->p, &h);
	if (r) {
		*event = fail(ws, r, ret_code);
		return true;
	}
	if (!h.fin || in->n - h.n < h.payload)
		return false;
	*ret = str_n((char *)in->p + h.n, (size_t)h.payload);
	unmask(in->p + h.n, ret->n, h.mask, 0);
	in->p += h.n + ret->n;
	in->n -= h.n + ret->n;
	if (is_control(h.opcode))
		*event = control_event(ws, h.opcode, *ret, ret, ret_code);
	else
		*event = message_event(ws, h.opcode, h.compressed, ret, ret_code);
	return true;
}

/* Gathers the header of the next frame; 0, or a close code. */
static int
gather_head(struct ws *ws, struct ws_input *in)
{
	struct ws_partial *part = ws->partial;
	struct head h;
	int r;

	while (in->n && part->head_n < head_bytes(part->head, part->head_n)) {
		part->head[part->head_n++] = *in->p++;
		in->n--;
		r = check_start(ws, part->head, part->head_n, part->message_opcode);
		if (r)
			return r;
	}
	if (part->head_n < head_bytes(part->head, part->head_n))
		return 0;
	r = read_head(ws, part->head, &h);
	if (r)
		return r;
	part->in_payload = true;
	part->left = h.payload;
	part->mask_at = 0;
	if (is_control(h.opcode)) {
		part->control_n = 0;
	} else if (h.opcode != WS_OP_CONTINUE) {
		part->message_opcode = h.opcode;
		part->compressed = h.compressed;
	}
	return 0;
}

/* Room grows by doubling with what has really arrived: a header that promises much costs nothing. */
static void
message_add(struct ws_partial *part, const unsigned char *p, size_t n)
{
	if (part->message_n + n > part->message_size) {
		part->message_size =
		        part->message_size * 2 > part->message_n + n ? part->message_size * 2 : part->message_n + n;
		part->message = mem_array(part->message, part->message_size, 1);
	}
	if (n)
		memcpy(part->message + part->message_n, p, n);
	part->message_n += n;
}

/* Takes what there is of the payload; 0, or a close code. */
static int
gather_payload(struct ws_partial *part, struct ws_input *in)
{
	size_t n = part->left < in->n ? (size_t)part->left : in->n;
	unsigned char *p = in->p;

	unmask(p, n, part->head + part->head_n - 4, part->mask_at);
	in->p += n;
	in->n -= n;
	part->left -= n;
	part->mask_at = (part->mask_at + (uint32_t)n) & 3;
	if (is_control(part->head[0] & 0x0f)) {
		memcpy(part->control + part->control_n, p, n);
		part->control_n += (uint8_t)n;
		return 0;
	}
	if (part->message_opcode == WS_OP_TEXT && !part->compressed && !utf8_more(&part->utf8, p, n))
		return WS_BAD_UTF8;
	message_add(part, p, n);
	return 0;
}

/* The frame is complete: an event, or WS_MORE when its message goes on. */
static enum ws_event
finish_frame(struct ws *ws, struct str *ret, int *ret_code)
{
	struct ws_partial *part = ws->partial;
	uint8_t opcode = part->head[0] & 0x0f, message = part->message_opcode;
	bool fin = part->head[0] & 0x80;

	part->in_payload = false;
	part->head_n = 0;
	if (is_control(opcode))
		return control_event(ws, opcode, str_n((char *)part->control, part->control_n), ret, ret_code);
	if (!fin)
		return WS_MORE;
	*ret = part->message ? str_n((char *)part->message, part->message_n) : STR("");
	part->delivered = true;
	part->message_opcode = 0;
	return message_event(ws, message, part->compressed, ret, ret_code);
}

/* At a boundary nothing is kept. */
static void
tidy(struct ws *ws)
{
	struct ws_partial *part = ws->partial;

	if (!part)
		return;
	if (part->delivered) {
		part->delivered = false;
		part->message_n = 0;
		part->utf8 = (struct utf8){ 0 };
	}
	if (!part->head_n && !part->in_payload && !part->message_opcode)
		ws_deinit(ws);
}

enum ws_event
ws_next(struct ws *ws, struct ws_input *in, struct str *ret, int *ret_code)
{
	enum ws_event event;
	int r = 0;

	tidy(ws);
	*ret = STR("");
	for (;;) {
		if (ws->ended || (!in->n && !(ws->partial && ws->partial->in_payload && !ws->partial->left)))
			return WS_MORE;
		if (!ws->partial && take_whole(ws, in, ret, ret_code, &event))
			return event;
		if (!ws->partial)
			ws->partial = mem_zeroed(sizeof(*ws->partial));
		r = ws->partial->in_payload ? gather_payload(ws->partial, in) : gather_head(ws, in);
		if (r)
			return fail(ws, r, ret_code);
		if (!ws->partial->in_payload || ws->partial->left)
			continue;
		event = finish_frame(ws, ret, ret_code);
		if (event != WS_MORE)
			return event;
	}
}

void
ws_deinit(struct ws *ws)
{
	if (ws->partial)
		free(ws->partial->message);
	free(ws->partial);
	ws->partial = NULL;
}

size_t
ws_held(const struct ws *ws)
{
	return ws->partial ? sizeof(*ws->partial) + ws->partial->message_size : 0;
}

size_t
ws_write_head(unsigned char out[WS_HEAD_MAX], enum ws_opcode opcode, size_t n)
{
	size_t more = n < 126 ? 0 : n < 65536 ? 2 : 8;

	out[0] = (unsigned char)(0x80 | opcode);
	out[1] = (unsigned char)(more == 0 ? n : more == 2 ? 126 : 127);
	for (size_t i = 0; i < more; i++)
		out[2 + i] = (unsigned char)(n >> 8 * (more - 1 - i));
	return 2 + more;
}

/* The bounds of the second byte carry all of RFC 3629's special cases: overlong forms, surrogates, U+10FFFF. */
static bool
utf8_first(struct utf8 *u, unsigned char c)
{
	u->low = 0x80;
	u->high = 0xbf;
	if (c < 0x80)
		return true;
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->need = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	if (c == 0xe0)
		u->low = 0xa0;
	if (c == 0xed)
		u->high = 0x9f;
	if (c == 0xf0)
		u->low = 0x90;
	if (c == 0xf4)
		u->high = 0x8f;
	return true;
}

bool
utf8_more(struct utf8 *u, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!u->need) {
			if (!utf8_first(u, p[i]))
				return false;
			continue;
		}
		if (p[i] < u->low || p[i] > u->high)
			return false;
		u->need--;
		u->low = 0x80;
		u->high = 0xbf;
	}
	return true;
}
