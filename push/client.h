/*
 * client -- the frames clients send: one table, one function each.
 */
#ifndef PEAL_PUSH_CLIENT_H
#define PEAL_PUSH_CLIENT_H

#include "conn.h"

void client_frame(struct conn *, struct str text);
/* A token that came with the HTTP request; false: refused, the connection is being closed. */
bool client_authenticate(struct conn *, struct str token);

#endif
