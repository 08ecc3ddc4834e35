/*
 * password_rule -- which passwords somebody may choose.
 */
#ifndef PEAL_FCGI_PASSWORD_RULE_H
#define PEAL_FCGI_PASSWORD_RULE_H

#include "req.h"

/* 0, or INVALID with this place of the body. */
int password_rule(struct req *, const char *path, struct str password, struct str username, struct str display_name);

#endif
