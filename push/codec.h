/*
 * codec -- RFC 6455 without I/O: bytes in, messages out; and the HTTP request that comes before them.
 *
 * Server side only. One extension: permessage-deflate (RFC 7692) without context takeover, where it was negotiated; any other
 * reserved bit is a protocol error. The decoder takes bytes however they are cut. What is
 * whole inside one piece is unmasked in place and never copied; only a frame or message that is not complete costs memory
 * (struct ws_partial), which is given back at the next boundary. Nothing here knows sockets, users or JSON.
 */
#ifndef PEAL_PUSH_CODEC_H
#define PEAL_PUSH_CODEC_H

#include "base/str.h"
#include "inflate.h"

enum ws_opcode { WS_OP_CONTINUE = 0, WS_OP_TEXT = 1, WS_OP_BINARY = 2, WS_OP_CLOSE = 8, WS_OP_PING = 9, WS_OP_PONG = 10 };

/* Close codes: RFC 6455 section 7.4, the IANA registry, and ours (realtime: 40xx reconnect, 44xx do not). */
enum ws_close {
	WS_NORMAL = 1000,
	WS_GOING_AWAY = 1001,
	WS_PROTOCOL_ERROR = 1002,
	WS_UNSUPPORTED = 1003,
	WS_NO_CODE = 1005,
	WS_ABNORMAL = 1006,
	WS_BAD_UTF8 = 1007,
	WS_TOO_BIG = 1009,
	WS_INTERNAL = 1011,
	WS_RESTART = 1012,
	WS_OVERLOAD = 1013,
	WS_ACK_TIMEOUT = 4008,
	WS_DEAD = 4010,
	WS_SLOW = 4013,
	WS_RATE = 4029,
	WS_BAD_TOKEN = 4401,
	WS_FORBIDDEN = 4403,
	WS_NO_HELLO = 4408,
	WS_FORCED = 4409,
};

struct conf;
struct ws_partial;

/* One incoming stream. Zeroed but for max_message. */
struct ws {
	struct ws_partial *partial; /* NULL at a boundary */
	struct inflater *inflater;  /* shared; NULL: permessage-deflate was not negotiated */
	uint32_t max_message;       /* bytes of one message, all fragments together, compressed and as it was */
	bool ended;                 /* a close frame or an error was seen: what follows is ignored */
};

enum ws_event {
	WS_MORE, /* all bytes are used up; come back with more */
	WS_TEXT,
	WS_BINARY, /* a whole message; text is valid UTF-8 */
	WS_PING,
	WS_PONG,
	WS_CLOSE, /* code: the peer's, or WS_NO_CODE; payload: its reason */
	WS_ERROR, /* code: with which to close */
};

struct ws_input {
	unsigned char *p; /* will be unmasked in place */
	size_t n;
};

/* The next event of the input, which is advanced. The payload lives until the next call or the reuse of the bytes. */
enum ws_event ws_next(struct ws *, struct ws_input *, struct str *ret_payload, int *ret_code);
void ws_deinit(struct ws *);
size_t ws_held(const struct ws *); /* heap bytes of a partial frame or message */

#define WS_COMPRESSED 0x40 /* RSV1 in the first byte of a message */
#define WS_HEAD_MAX   10
/* The header of an unmasked, final frame with a payload of n bytes; returns its length. */
size_t ws_write_head(unsigned char out[WS_HEAD_MAX], enum ws_opcode, size_t n);
bool ws_close_code_valid(int code); /* may it stand in a close frame? */

/* UTF-8 that arrives in pieces (RFC 3629). Zeroed: at a boundary. */
struct utf8 {
	uint8_t need, low, high; /* continuation bytes missing; bounds of the next one */
};
bool utf8_more(struct utf8 *, const unsigned char *, size_t n); /* false: invalid from here on */

/* The request: at most this many bytes with its empty line. */
#define UPGRADE_MAX     8192
#define WS_ACCEPT_CHARS 28
#define WS_PROTOCOL     "peal.v1"

struct upgrade {
	struct str target, key, origin; /* origin absent: none was sent */
	struct str token;               /* from Authorization or Sec-WebSocket-Protocol; absent: none */
	struct str address;             /* X-Real-IP, which our nginx overwrites */
	bool gzip;                      /* ?gzip=1 */
	bool deflate, deflate_window;   /* an offer we take; it named a window, so the answer must */
	bool protocol;                  /* peal.v1 was offered and is to be echoed */
	size_t n;                       /* bytes of the request */
};

/* 0: not complete yet; 101: *ret is filled, borrowing from the bytes; else the HTTP status to refuse with. */
int upgrade_parse(struct str bytes, struct upgrade *ret);
/* One Sec-WebSocket-Extensions header (RFC 6455 section 9.1): the first offer of permessage-deflate that we can take. False:
 * malformed. */
bool offers_take(struct str list, struct upgrade *);
/* By public_url and `origins`. An absent origin is a native client, which proves itself with a token in the request. */
bool upgrade_origin_allowed(const struct upgrade *, const struct conf *);
/* The ready response: 101 with the accept key, or a short refusal. Returns its length. */
size_t upgrade_write(int status, const struct upgrade *, char *out, size_t size);
#define UPGRADE_ANSWER_MAX 512

#endif
