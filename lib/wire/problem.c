/* problem.c -- one writer of problem+json. */
#include "problem.h"

#include <stdio.h>

static const struct {
	int status;
	const char *title;
} titles[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 460, "Checksum Mismatch" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 507, "Insufficient Storage" },
};

const char *
problem_title(int status)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Unknown";
}

int
problem_outcome(struct str code)
{
	for (int r = OUTCOME_OK + 1; r < OUTCOME_MAX; r++)
		if (str_eq(code, str_c(outcome_info(r)->code)))
			return r;
	return 0;
}

static void
write_errors(struct json_out *w, const struct json_report *report)
{
	json_open_array(w, "errors");
	json_open_object(w, NULL);
	json_str(w, "path", report->path.p ? report->path : STR(""));
	json_cstr(w, "code", report->code);
	json_cstr(w, "message", report->message);
	json_close(w);
	json_close(w);
}

void
problem_open(struct json_out *w, int r, struct str request_id, const char *detail, int64_t retry_after_ms,
             const struct json_report *report)
{
	const struct outcome_info *info = outcome_info(r);
	char type[96];

	snprintf(type, sizeof(type), "/docs/errors#%s", info->code);
	json_open_object(w, NULL);
	json_cstr(w, "type", type);
	json_cstr(w, "title", problem_title(info->status));
	json_int(w, "status", info->status);
	json_cstr(w, "detail", detail ? detail : info->text);
	json_cstr(w, "code", info->code);
	json_str(w, "request_id", request_id);
	json_bool(w, "retryable", info->retryable);
	if (info->retryable)
		json_int(w, "retry_after_ms", retry_after_ms ? retry_after_ms : PROBLEM_RETRY_AFTER_MS);
	if (r > 0 && report && report->code)
		write_errors(w, report);
}

void
problem_write(struct json_out *w, int r, struct str request_id, const char *detail, int64_t retry_after_ms,
              const struct json_report *report)
{
	problem_open(w, r, request_id, detail, retry_after_ms, report);
	json_close(w);
}
