/*
 * log -- building one line and writing it with one write(2).
 *
 * A line is at most PIPE_BUF (4096) bytes, which a pipe takes whole, so that lines of several processes never mix.
 */
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define LINE_MAX_BYTES 4096
#define TAIL           STR("...\n")

struct line {
	char p[LINE_MAX_BYTES];
	size_t n;
	bool cut;
};

static const char *const level_words[] = { "emerg", "alert", "crit", "error", "warning", "notice", "info", "debug" };

static const char *program = "peal";
static enum log_level most = LOG_LEVEL_INFO;
static bool journal;

/* As systemd.exec(5) asks: the variable names device and inode of the stream, which stderr may no longer be. */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st))
		return false;
	return device == st.st_dev && inode == st.st_ino;
}

void
log_open(const char *name, enum log_level level)
{
	program = name;
	most = level;
	journal = stderr_is_journal();
}

enum log_level
log_level_of(const char *word)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
		if (!strcmp(word, level_words[i]))
			return (enum log_level)i;
	return LOG_LEVEL_INFO;
}

static void
line_add(struct line *l, struct str s)
{
	size_t room = sizeof l->p - TAIL.n - l->n;

	if (l->cut || s.n > room) {
		l->cut = true;
		return;
	}
	if (s.n)
		memcpy(l->p + l->n, s.p, s.n);
	l->n += s.n;
}

static void
line_cstr(struct line *l, const char *s)
{
	line_add(l, str_c(s));
}

static void
line_hex(struct line *l, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char x[8];

		line_add(l, str_n(x, (size_t)snprintf(x, sizeof x, "\\x%02x", (unsigned char)s.p[i])));
	}
}

static bool
plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7F || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=')
			return false;
	return s.n > 0;
}

/* Controls, also U+0080..U+009F which terminals obey, and U+2028, U+2029 which some viewers take for the end of a line. */
static bool
control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7F && cp <= 0x9F) || cp == 0x2028 || cp == 0x2029;
}

static void
line_quoted(struct line *l, struct str s)
{
	line_cstr(l, "\"");
	while (s.n) {
		uint32_t cp = 0;
		size_t n = str_utf8_next(s, &cp);
		struct str one = str_n(s.p, n ? n : 1);

		if (!n || control(cp)) {
			line_hex(l, one);
		} else {
			if (cp == '"' || cp == '\\')
				line_cstr(l, "\\");
			line_add(l, one);
		}
		s = str_n(s.p + one.n, s.n - one.n);
	}
	line_cstr(l, "\"");
}

static void
line_value(struct line *l, struct str s)
{
	if (!str_present(s))
		line_cstr(l, "-");
	else if (plain(s))
		line_add(l, s);
	else
		line_quoted(l, s);
}

static void
line_field(struct line *l, const struct log_field *f)
{
	char number[24];

	line_cstr(l, " ");
	line_cstr(l, f->key);
	line_cstr(l, "=");
	if (f->type == LOG_FIELD_STR)
		line_value(l, f->s);
	else
		line_add(l, str_n(number, (size_t)snprintf(number, sizeof number, "%lld", (long long)f->i)));
}

static void
line_begin(struct line *l, enum log_level level, const char *event)
{
	char text[128], time[CLOCK_RFC3339_MAX];
	int n;

	if (journal)
		n = snprintf(text, sizeof text, "<%d>", level);
	else
		n = snprintf(text, sizeof text, "%.*s %s %.40s[%d] ", STR_ARG(clock_rfc3339(clock_wall_us(), time)),
		             level_words[level & 7], program, (int)getpid());
	line_add(l, str_n(text, (size_t)n));
	line_cstr(l, event);
}

static void
line_end(struct line *l)
{
	struct str end = l->cut ? TAIL : STR("\n");
	ssize_t r;

	memcpy(l->p + l->n, end.p, end.n);
	do
		r = write(STDERR_FILENO, l->p, l->n + end.n);
	while (r < 0 && errno == EINTR);
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct line l;
	int saved = errno;

	if (level > most)
		return;
	l.n = 0;
	l.cut = false;
	line_begin(&l, level, event);
	for (; fields && fields->key; fields++)
		line_field(&l, fields);
	line_end(&l);
	errno = saved;
}

void
log_fault(const char *event, int r, const struct log_field *fields)
{
	struct line l;
	int saved = errno;

	l.n = 0;
	l.cut = false;
	line_begin(&l, LOG_LEVEL_ERROR, event);
	line_field(&l, &L_CSTR("error", r < 0 ? strerrordesc_np(-r) : outcome_info(r)->code));
	line_field(&l, &L_CSTR("at", err_path()));
	for (; fields && fields->key; fields++)
		line_field(&l, fields);
	line_end(&l);
	err_clear();
	errno = saved;
}
