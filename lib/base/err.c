/* err -- the table of outcomes, and the trace of the last fault. */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"

static const struct outcome_info outcomes[OUTCOME_MAX] = { [OUTCOME_OK] = { "OK", "ok", "Done.", 200, 0 },
#define X(name, status, code, retryable, text) [name] = { #name, code, text, status, retryable },
	                                                   OUTCOMES(X)
#undef X
};

static char path[512];
static size_t path_n;

const struct outcome_info *
outcome_info(int r)
{
	if (r < 0 || r >= OUTCOME_MAX)
		r = INTERNAL;
	return &outcomes[r];
}

/* Places beyond the room of `path` are left out: the origin, which comes first, says most. */
static void
path_add(const char *file, int line)
{
	int n;

	n = snprintf(path + path_n, sizeof path - path_n, "%s%s:%d", path_n ? " < " : "", file, line);
	if (n > 0 && (size_t)n < sizeof path - path_n)
		path_n += (size_t)n;
	else
		path[path_n] = '\0';
}

int
err_origin(int r, const char *file, int line)
{
	/* `fault(-errno)` where errno was not set must never turn a failure into success */
	if (r >= 0)
		r = -EIO;
	err_clear();
	path_add(file, line);
	return r;
}

int
err_trace(int r, const char *file, int line)
{
	if (r < 0)
		path_add(file, line);
	return r;
}

const char *
err_path(void)
{
	return path;
}

void
err_clear(void)
{
	path_n = 0;
	path[0] = '\0';
}

void
err_write_reference(struct buf *b)
{
	buf_str(b, STR("# Errors\n\n"
	               "Every refusal is `application/problem+json` (RFC 9457). Decide by `code`, which never changes its "
	               "meaning;\n"
	               "`detail` is for people. *Again* says whether the same request may be sent again as it stands, after "
	               "a pause\n"
	               "(`Retry-After` when there is one) and with the same idempotency key.\n\n"
	               "| code | status | again | meaning |\n|---|---|---|---|\n"));
	for (int i = OUTCOME_OK + 1; i < OUTCOME_MAX; i++)
		buf_printf(b, "| `%s` | %d | %s | %s |\n", outcomes[i].code, outcomes[i].status,
		           outcomes[i].retryable ? "yes" : "no", outcomes[i].text);
}
