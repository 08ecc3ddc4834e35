/*
 * fastcgi -- the client's side of FastCGI 1.0 without I/O: a request as bytes, and the reader of the response.
 *
 * One request per connection (no FCGI_KEEP_CONN), request id 1, no multiplexing: what libfcgi serves best.
 */
#ifndef PEAL_BASE_FASTCGI_H
#define PEAL_BASE_FASTCGI_H

#include "buf.h"

/* Types of records, for both sides. */
enum {
	FASTCGI_RECORD_BEGIN = 1,
	FASTCGI_RECORD_END = 3,
	FASTCGI_RECORD_PARAMS = 4,
	FASTCGI_RECORD_STDIN = 5,
	FASTCGI_RECORD_STDOUT = 6,
	FASTCGI_RECORD_STDERR = 7
};
#define FASTCGI_RESPONDER 1

void fastcgi_record(struct buf *, int type, struct str content); /* at most 65,535 bytes */
void fastcgi_stream(struct buf *, int type,
                    struct str content); /* as many records as it takes, and the empty one that ends it */

void fastcgi_begin(struct buf *); /* BEGIN_REQUEST, role responder */
void fastcgi_params(struct buf *, const struct str *pairs,
                    size_t n);                     /* name, value, name, value ...; n pairs; ends the stream */
void fastcgi_stdin(struct buf *, struct str body); /* ends the stream */

struct fastcgi_reader {
	unsigned char head[8];
	uint8_t head_n;
	bool in_body, ended;
	uint16_t content; /* bytes of this record still to come */
	uint8_t padding;
	uint8_t end_body[8]; /* of END_REQUEST */
	uint8_t end_n;
	struct buf out; /* FCGI_STDOUT so far; owned by whoever made it */
};

/* 0: go on; 1: the response is complete; a fault: this is not FastCGI, the request failed there, or it is larger than the buf. */
int fastcgi_read(struct fastcgi_reader *, const void *, size_t n);

struct cgi_answer {
	int status;                    /* 200 when there is no Status header */
	int64_t retry_after_seconds;   /* -1: none */
	struct str content_type, body; /* borrowed */
};

/* Splits the CGI header from the body; false when there is none. */
bool cgi_split(struct str out, struct cgi_answer *ret);

#endif
