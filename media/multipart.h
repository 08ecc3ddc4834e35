/*
 * multipart -- finds the one file in a multipart/form-data body (RFC 7578, RFC 2046 section 5.1) without copying it.
 *
 * A push parser: feed it the body piece by piece, in any pieces, then end it. It keeps the place of the part `file`, its
 * name and nothing else; the bytes stay where they are. Refuses, rather than guesses: anything before a boundary's line
 * ends, header fields past their limits, bytes after the limits of parts, a second part of that name, a missing end.
 */
#ifndef PEAL_MEDIA_MULTIPART_H
#define PEAL_MEDIA_MULTIPART_H

#include <sys/types.h>

#include "base/str.h"

#define MULTIPART_BOUNDARY_MAX 70   /* RFC 2046 */
#define MULTIPART_HEAD_MAX     2048 /* of all header fields of one part */
#define MULTIPART_PARTS_MAX    16
#define MULTIPART_NAME_MAX     1024 /* bytes of a file name as sent; longer ones are cut */

struct multipart {
	/* what was found, valid after multipart_end() */
	bool found;
	uint64_t offset, size;
	char name[MULTIPART_NAME_MAX];
	size_t name_n;

	/* the parser's own */
	enum { MP_BODY, MP_MARK, MP_DASH, MP_PADDING, MP_LF, MP_HEAD, MP_EPILOGUE, MP_FAILED } state;
	char delimiter[4 + MULTIPART_BOUNDARY_MAX]; /* CRLF -- boundary */
	size_t delimiter_n, matched;
	uint64_t at, part_begin;
	unsigned parts;
	bool in_part, in_file;
	char head[MULTIPART_HEAD_MAX];
	size_t head_n;
};

/* The parameter `boundary` of a Content-Type; false when it is not multipart/form-data or has no good boundary. */
bool multipart_begin(struct multipart *, struct str content_type);
bool multipart_feed(struct multipart *, const void *, size_t n); /* false: malformed, now and from now on */
bool multipart_end(struct multipart *);                          /* false: malformed, cut, or without a part `file` */

/* One parameter of a header value such as `form-data; name="file"`, unquoted into out; -1 when it is not there. */
ssize_t multipart_parameter(struct str value, struct str name, char *out, size_t size);

#endif
