/*
 * media/multipart.c -- the parser.
 *
 *     --b CRLF  header CRLF ... CRLF CRLF  bytes  CRLF --b CRLF ... CRLF --b -- CRLF
 *     MARK      HEAD                       BODY   MARK               MARK    EPILOGUE
 *
 * The delimiter is CRLF, two dashes and the boundary; CR cannot be in a boundary, so a failed match can only begin again at a
 * CR, and one counter is all the state that matching needs. The body begins as if a CRLF had come before it.
 */
#include "multipart.h"

static bool
token_char(char c)
{
	return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct str
skip_blanks(struct str s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t'))
		s = str_n(s.p + 1, s.n - 1);
	return s;
}

static struct str
take_token(struct str *s)
{
	size_t n = 0;

	while (n < s->n && token_char(s->p[n]))
		n++;
	*s = str_n(s->p + n, s->n - n);
	return str_n(s->p - n, n);
}

/* A quoted-string into out. Browsers send a quote as %22 and a backslash as itself; others escape a quote by a backslash. */
static bool
take_quoted(struct str *s, char *out, size_t size, size_t *ret_n)
{
	size_t i = 1, n = 0;

	for (; i < s->n && s->p[i] != '"'; i++) {
		char c = s->p[i];

		if (c == '\\' && i + 1 < s->n && s->p[i + 1] == '"')
			c = s->p[++i];
		else if (c == '%' && i + 2 < s->n && s->p[i + 1] == '2' && s->p[i + 2] == '2') {
			c = '"';
			i += 2;
		}
		if (n < size)
			out[n++] = c;
	}
	if (i >= s->n)
		return false;
	*s = str_n(s->p + i + 1, s->n - i - 1);
	*ret_n = n;
	return true;
}

static bool
take_value(struct str *s, char *out, size_t size, size_t *ret_n)
{
	struct str token;

	if (s->n && *s->p == '"')
		return take_quoted(s, out, size, ret_n);
	token = take_token(s);
	*ret_n = token.n < size ? token.n : size;
	if (*ret_n)
		memcpy(out, token.p, *ret_n);
	return token.n;
}

ssize_t
multipart_parameter(struct str value, struct str name, char *out, size_t size)
{
	struct str rest = value;
	size_t n;

	str_cut(&rest, ';');
	while (str_present(rest)) {
		struct str have;

		rest = skip_blanks(rest);
		have = take_token(&rest);
		if (!have.n || !rest.n || *rest.p != '=')
			return -1;
		rest = str_n(rest.p + 1, rest.n - 1);
		if (!take_value(&rest, out, size, &n))
			return -1;
		if (str_eq_ascii_case(have, name))
			return (ssize_t)n;
		rest = skip_blanks(rest);
		if (!rest.n)
			return -1;
		if (*rest.p != ';')
			return -1;
		rest = str_n(rest.p + 1, rest.n - 1);
	}
	return -1;
}

/* RFC 2046: 1 to 70 of these, the last one not a blank. */
static bool
boundary_ok(const char *p, size_t n)
{
	static const char others[] = "'()+_,-./:=? ";

	for (size_t i = 0; i < n; i++) {
		char c = p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!letter && (!c || !strchr(others, c)))
			return false;
	}
	return n && n <= MULTIPART_BOUNDARY_MAX && p[n - 1] != ' ';
}

bool
multipart_begin(struct multipart *m, struct str content_type)
{
	struct str type = content_type;
	ssize_t n;

	memset(m, 0, sizeof(*m));
	m->state = MP_FAILED;
	if (!str_eq_ascii_case(str_trim(str_cut(&type, ';')), STR("multipart/form-data")))
		return false;
	memcpy(m->delimiter, "\r\n--", 4);
	n = multipart_parameter(content_type, STR("boundary"), m->delimiter + 4, sizeof(m->delimiter) - 4);
	if (n < 0 || !boundary_ok(m->delimiter + 4, (size_t)n))
		return false;
	m->delimiter_n = 4 + (size_t)n;
	m->matched = 2;
	m->state = MP_BODY;
	return true;
}

/* The value of Content-Disposition among the header fields of a part; absent when there is none, or two. */
static struct str
disposition(struct str head)
{
	struct str found = STR_NONE;

	while (str_present(head)) {
		struct str line = str_cut(&head, '\n');
		struct str name = str_cut(&line, ':');

		if (!str_eq_ascii_case(name, STR("content-disposition")) || !str_present(line))
			continue;
		if (str_present(found))
			return STR_NONE;
		found = str_trim(line);
	}
	return found;
}

static bool
part_begins(struct multipart *m)
{
	struct str value = disposition(str_n(m->head, m->head_n)), kind = value;
	char name[16];
	ssize_t n;

	if (!str_eq_ascii_case(str_trim(str_cut(&kind, ';')), STR("form-data")))
		return false;
	n = multipart_parameter(value, STR("name"), name, sizeof(name));
	m->in_part = true;
	m->in_file = n >= 0 && str_eq(str_n(name, (size_t)n), STR("file"));
	m->part_begin = m->at + 1;
	if (!m->in_file)
		return n >= 0;
	if (m->found)
		return false;
	m->found = true;
	m->offset = m->part_begin;
	n = multipart_parameter(value, STR("filename"), m->name, sizeof(m->name));
	m->name_n = n < 0 ? 0 : (size_t)n;
	return true;
}

static int
part_ends(struct multipart *m)
{
	uint64_t begin_of_delimiter = m->at + 1 - m->delimiter_n;

	/* an empty part may share its delimiter's CRLF with the line that ended its header fields */
	if (m->in_file)
		m->size = begin_of_delimiter > m->offset ? begin_of_delimiter - m->offset : 0;
	m->in_part = m->in_file = false;
	return ++m->parts > MULTIPART_PARTS_MAX + 1 ? MP_FAILED : MP_MARK;
}

/* Header fields are kept whole, lines ended by LF; the empty line ends them. Its CRLF may be the start of a delimiter. */
static int
head_char(struct multipart *m, char c)
{
	if (!c || m->head_n == sizeof(m->head))
		return MP_FAILED;
	m->head[m->head_n++] = c;
	if (c != '\n')
		return MP_HEAD;
	if (m->head_n < 2 || m->head[m->head_n - 2] != '\r')
		return MP_FAILED;
	if (m->head_n > 2 && m->head[m->head_n - 3] != '\n')
		return MP_HEAD;
	m->matched = 2;
	return part_begins(m) ? MP_BODY : MP_FAILED;
}

static int
body_char(struct multipart *m, char c)
{
	if (c == m->delimiter[m->matched])
		m->matched++;
	else
		m->matched = c == '\r';
	if (m->matched < m->delimiter_n)
		return MP_BODY;
	m->matched = 0;
	return part_ends(m);
}

static int
next_state(struct multipart *m, char c)
{
	switch (m->state) {
	case MP_BODY:
		return body_char(m, c);
	case MP_MARK:
		if (c == '-')
			return MP_DASH;
		__attribute__((fallthrough));
	case MP_PADDING:
		return c == '\r' ? MP_LF : c == ' ' || c == '\t' ? MP_PADDING : MP_FAILED;
	case MP_DASH:
		return c == '-' ? MP_EPILOGUE : MP_FAILED;
	case MP_LF:
		m->head_n = 0;
		return c == '\n' ? MP_HEAD : MP_FAILED;
	case MP_HEAD:
		return head_char(m, c);
	case MP_EPILOGUE:
	case MP_FAILED:
		break;
	}
	return m->state;
}

/* Within the bytes of a part only a CR matters; memchr finds it much faster than the state machine does. */
static size_t
skip(struct multipart *m, const char *p, size_t n)
{
	const char *cr;

	if (m->state == MP_EPILOGUE)
		return n;
	if (m->state != MP_BODY || m->matched)
		return 0;
	cr = memchr(p, '\r', n);
	return cr ? (size_t)(cr - p) : n;
}

bool
multipart_feed(struct multipart *m, const void *bytes, size_t n)
{
	const char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		size_t skipped = skip(m, p + i, n - i);

		m->at += skipped;
		i += skipped;
		if (i == n)
			break;
		m->state = next_state(m, p[i]);
		if (m->state == MP_FAILED)
			return false;
		m->at++;
	}
	return m->state != MP_FAILED;
}

bool
multipart_end(struct multipart *m)
{
	return m->state == MP_EPILOGUE && m->found;
}
