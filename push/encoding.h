/*
 * encoding -- a frame as one socket wants it: plain, deflated (permessage-deflate) or as a gzip member (?gzip=1).
 *
 * An encoded form is made when the first socket asks for it, once, and kept with the frame: every other socket gets the same
 * bytes. One deflater of either kind serves the process; no connection has one.
 */
#ifndef PEAL_PUSH_ENCODING_H
#define PEAL_PUSH_ENCODING_H

#include "frame.h"

#define ENCODING_LEAST 512 /* payloads of no more bytes stay as they are */

/* The frame to write in place of this one, borrowed from it; itself when it is small, a control frame, or does not shrink. */
struct frame *encoding_of(struct frame *, enum encoding);
void encoding_deinit(void);

#endif
