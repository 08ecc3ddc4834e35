/*
 * fastcgi_serve -- the server's side of FastCGI 1.0 without I/O, for processes that take many requests at a time: what was read goes in,
 * and what it means comes out piece by piece, the body as it arrives. (Workers that take one at a time have io.h.)
 *
 * One request per connection, responder only, as nginx sends them; nothing else is understood.
 */
#ifndef PEAL_BASE_FASTCGI_SERVE_H
#define PEAL_BASE_FASTCGI_SERVE_H

#include "fastcgi.h"

struct fastcgi_request {
	struct buf params; /* name-value pairs as they came */
	enum { FASTCGI_IN_BEGIN, FASTCGI_IN_PARAMS, FASTCGI_IN_BODY, FASTCGI_IN_END } state;
	unsigned char head[8], begin[8];
	uint8_t head_n, begin_n;
	bool in_record;
	uint16_t content; /* bytes of this record still to come */
	uint8_t padding;
};

/* What fastcgi_take() has found. */
enum fastcgi_found {
	FASTCGI_MORE, /* nothing until more is read */
	FASTCGI_HEAD, /* all parameters are there */
	FASTCGI_BODY, /* a piece of the body */
	FASTCGI_END,  /* the request has been read to its end; whatever follows is ignored */
};

void fastcgi_request_init(struct fastcgi_request *, size_t params_most);
void fastcgi_request_deinit(struct fastcgi_request *);
/* Takes what it can from *bytes; call again until it says FASTCGI_MORE. *ret_piece borrows from *bytes. A fault: this is no
 * FastCGI, or more parameters than there may be. */
int fastcgi_take(struct fastcgi_request *, struct str *bytes, struct str *ret_piece);
/* The first of this name; absent when not sent or empty. Valid after FASTCGI_HEAD. Borrowed. */
struct str fastcgi_param(const struct fastcgi_request *, struct str name);
/* A whole response: headers are lines that end in CRLF. */
void fastcgi_reply(struct buf *, int status, const char *reason, struct str headers, struct str body);

#endif
