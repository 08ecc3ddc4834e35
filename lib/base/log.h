/*
 * log -- one `key=value` line per event on stderr, which systemd takes to the journal.
 *
 *     LOG(INFO, "request", L_STR("id", req->id), L_INT("status", 200), L_INT("us", 812));
 *     -> <6>request id=4f2a status=200 us=812
 *
 * Under systemd (JOURNAL_STREAM set) lines begin with the priority of sd-daemon(3), otherwise with a time. Values with
 * blanks or quotes are quoted; control characters and invalid UTF-8 are escaped, so nobody outside can forge a line.
 * Never log tokens, passwords, bodies or addresses. Libraries do not log above DEBUG; the rim does, once.
 */
#ifndef PEAL_BASE_LOG_H
#define PEAL_BASE_LOG_H

#include "str.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

struct log_field {
	const char *key; /* NULL ends the list */
	enum { LOG_FIELD_STR, LOG_FIELD_INT } type;
	struct str s;
	int64_t i;
};

#define L_STR(k, v)  ((struct log_field){ .key = (k), .type = LOG_FIELD_STR, .s = (v) })
#define L_CSTR(k, v) L_STR((k), str_c(v))
#define L_INT(k, v)  ((struct log_field){ .key = (k), .type = LOG_FIELD_INT, .i = (v) })
#define LOG(level, event, ...)                                                                                              \
	log_write(LOG_LEVEL_##level, (event), (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } })

void log_open(const char *program, enum log_level most); /* once, at the start of main */
enum log_level log_level_of(const char *word);           /* "debug" -> LOG_LEVEL_DEBUG; INFO for unknown words */
void log_write(enum log_level, const char *event, const struct log_field *);
/* Logs a fault with its trace (err_path()) and clears it. For the rim only. */
void log_fault(const char *event, int r, const struct log_field *);

#endif
