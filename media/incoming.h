/*
 * incoming -- what a client has sent, and where it is: found in the body, the body or a form's part `file`, and sniffed.
 */
#ifndef PEAL_MEDIA_INCOMING_H
#define PEAL_MEDIA_INCOMING_H

#include "sniff.h"
#include "upload.h"

struct incoming {
	bool hd;
	struct str name; /* as sent; the workers clean it */
	int fd;          /* closed with the arena */
	bool whole;      /* the upload is all of what fd is */
	uint64_t offset, size;
	enum sniffed sniffed;
};

/* EMPTY, BAD_REQUEST (a malformed form), INVALID (with the report), TOO_LARGE beyond `most` bytes; or a fault. */
int incoming_read(struct upload *, uint64_t most, struct incoming *ret);

#endif
