/*
 * password_rule -- which passwords somebody may choose. For the workers and for pealctl.
 */
#ifndef PEAL_BASE_PASSWORD_RULE_H
#define PEAL_BASE_PASSWORD_RULE_H

#include "conf.h"
#include "str.h"

struct password_refusal {
	const char *code, *message; /* as in json_report */
};

/* Of valid UTF-8; `own` are names of whoever chooses. 0, INVALID with the reason, or a fault: the list of breached ones is not to be read. */
int password_rule(struct arena *, const struct conf *, struct str password, const struct str *own, size_t own_n,
                  struct password_refusal *ret);

#endif
