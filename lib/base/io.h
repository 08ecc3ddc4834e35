/*
 * io -- one FastCGI request on one connection, by libfcgi, with reads and writes of our own making.
 *
 * libfcgi parses; the accepting, the time-outs, the closing and the reply are ours (stock libfcgi would block in accept, wait up
 * to 2 s for the peer to close, and write in pieces of 8 KiB). Connections are never kept: an idle kept connection would hold
 * its worker.
 */
#ifndef PEAL_BASE_IO_H
#define PEAL_BASE_IO_H

#include <fcgiapp.h>

#include "buf.h"

#define IO_TIMEOUT_SECONDS 2

struct io {
	FCGX_Request fcgi;
	struct buf in; /* the body; kept between requests */
};

void io_init(struct io *, size_t body_most);
void io_deinit(struct io *);

/* A waiting connection, blocking, with time-outs; -1 when there is none. */
int io_accept(int listener);
/* Reads a request from fd, which it then owns. False: the peer went away or spoke nonsense, and fd is closed. */
bool io_read(struct io *, int fd, struct str *ret_body, bool *ret_cut);
bool io_peer_gone(const struct io *);
/* Status line, headers, body and the end of the request, in one go. False when the peer did not take it in time. */
bool io_write(struct io *, int status, const char *reason, struct str headers, struct str body);
void io_close(struct io *);

#endif
