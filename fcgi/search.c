/* fcgi/search.c -- see search.h. */
#include <stdlib.h>

#include "search.h"

#define TERMS_MOST      ((size_t)1 << 20)
#define SCOPE_AS_TERMS  16 /* more conversations than that are not looked up one by one */
#define COUNTED_MOST    5  /* times that a word counts */
#define RECENT_DAYS     30.0
#define LONG_POINTS     200.0
#define MICROS_PER_DAY  (86400.0 * 1e6)
#define DAY_FORM_LENGTH 10 /* 2026-01-31 */

static int
refuse(struct req *req, const char *code, const char *message)
{
	return req_invalid(req, "q", code, message);
}

/* ---- what was typed ---- */

/* A day is its first moment, of UTC; `end`: its last one and what follows. */
static bool
parse_time(struct arena *arena, struct str s, bool end, int64_t *ret)
{
	bool day = s.n == DAY_FORM_LENGTH;

	if (day)
		s = arena_printf(arena, "%.*sT00:00:00Z", STR_ARG(s));
	if (!clock_rfc3339_parse(s, ret))
		return false;
	*ret += !end ? 0 : day ? INT64_C(86400000000) : 1000; /* times are told in milliseconds */
	return *ret > 0;
}

static int
set_text(struct req *req, struct str value, struct str *to)
{
	if (str_present(*to))
		return refuse(req, "duplicate", "from: and in: can be given once.");
	*to = value;
	return 0;
}

static int
set_from(struct req *req, struct search *s, struct str value)
{
	if (value.n && value.p[0] == '@')
		value = str_n(value.p + 1, value.n - 1);
	return set_text(req, value, &s->from);
}

static int
set_in(struct req *req, struct search *s, struct str value)
{
	if (value.n && (value.p[0] == '@' || value.p[0] == '#'))
		value = str_n(value.p + 1, value.n - 1);
	return set_text(req, value, &s->in);
}

static int
set_has(struct req *req, struct search *s, struct str value)
{
	if (str_eq_ascii_case(value, STR("link"))) {
		s->link = true;
		return 0;
	}
	for (unsigned k = MESSAGE_IMAGE; k <= MESSAGE_FILE; k++) {
		if (str_eq_ascii_case(value, str_c(search_kinds[k]))) {
			s->kinds |= 1u << k;
			return 0;
		}
	}
	return refuse(req, "word", "has: is followed by image, audio, video, file or link.");
}

static int
set_before(struct req *req, struct search *s, struct str value)
{
	int64_t at;

	if (!parse_time(req->arena, value, false, &at))
		return refuse(req, "format", "before: is followed by a day, 2026-01-31, or a time of RFC 3339.");
	s->before = at < s->before ? at : s->before;
	return 0;
}

static int
set_after(struct req *req, struct search *s, struct str value)
{
	int64_t at;

	if (!parse_time(req->arena, value, true, &at))
		return refuse(req, "format", "after: is followed by a day, 2026-01-31, or a time of RFC 3339.");
	s->after = at > s->after ? at : s->after;
	return 0;
}

static int
set_is(struct req *req, struct search *s, struct str value)
{
	if (str_eq_ascii_case(value, STR("starred")))
		s->starred = true;
	else if (str_eq_ascii_case(value, STR("pinned")))
		s->pinned = true;
	else
		return refuse(req, "word", "is: is followed by starred or pinned.");
	return 0;
}

static int
set_mentions(struct req *req, struct search *s, struct str value)
{
	if (!str_eq_ascii_case(value, STR("me")))
		return refuse(req, "word", "mentions: is followed by me.");
	s->mentions_me = true;
	return 0;
}

static const struct operator
{
	const char *name;
	int (*set)(struct req *, struct search *, struct str);
}
operators[] = { { "from", set_from },   { "in", set_in }, { "has", set_has },          { "before", set_before },
	        { "after", set_after }, { "is", set_is }, { "mentions", set_mentions } };

static const struct operator* find_operator(struct str name)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (str_eq_ascii_case(name, str_c(operators[i].name)))
			return &operators[i];
	return NULL;
}

static bool
blank(char c)
{
	return (unsigned char)c <= ' ';
}

/* Takes what is between quotes, or up to a blank. An end quote that is missing is at the end. */
static struct str
take_text(struct str *rest, bool *ret_quoted)
{
	struct str text;

	*ret_quoted = rest->n && rest->p[0] == '"';
	if (*ret_quoted) {
		*rest = str_n(rest->p + 1, rest->n - 1);
		text = str_cut(rest, '"');
		return text;
	}
	for (text = str_n(rest->p, 0); text.n < rest->n && !blank(rest->p[text.n]);)
		text.n++;
	*rest = str_n(rest->p + text.n, rest->n - text.n);
	return text;
}

static int
add_needle(struct req *req, struct needle *list, size_t *n, struct str text)
{
	if (*n == SEARCH_WORDS_MAX)
		return refuse(req, "too_long", "That is more words than a search takes.");
	*n += needle_parse(req->arena, text, false, &list[*n]);
	return 0;
}

/* `name:` of an operator at the beginning, which is then taken; NULL when there is none. */
static const struct operator* take_operator(struct str *rest)
{
	struct str after = *rest, name = str_cut(&after, ':');
	const struct operator* found = after.p ? find_operator(name) : NULL;

	if (found)
		*rest = after;
	return found;
}

/* One thing of the query; `rest` begins with it. */
static int
take_one(struct req *req, struct search *s, struct str *rest)
{
	bool quoted, minus = rest->n > 1 && rest->p[0] == '-' && !blank(rest->p[1]);
	const struct operator* found;
	struct str text;

	if (minus)
		*rest = str_n(rest->p + 1, rest->n - 1);
	found = take_operator(rest);
	if (found && minus)
		return refuse(req, "syntax", "A minus goes before words and phrases only.");
	text = take_text(rest, &quoted);
	if (found)
		return found->set(req, s, text);
	if (minus)
		return add_needle(req, s->unwanted, &s->unwanted_n, text);
	s->last = quoted ? STR_NONE : text;
	return add_needle(req, s->wanted, &s->wanted_n, text);
}

/* The word that was typed last may go on, wherever operators stand. */
static void
open_end(struct req *req, struct search *s)
{
	struct needle needle;

	if (s->last.n && s->wanted_n && needle_parse(req->arena, s->last, true, &needle))
		s->wanted[s->wanted_n - 1] = needle;
}

/* Keyboards put other quotation marks. */
static struct str
plain_quotes(struct arena *arena, struct str s)
{
	static const char *const marks[] = { "\u201c", "\u201d", "\u201e", "\u00ab", "\u00bb" };
	char *to = arena_alloc(arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n;) {
		size_t taken = 0;

		for (size_t k = 0; !taken && k < sizeof(marks) / sizeof(*marks); k++)
			if (str_has_prefix(str_n(s.p + i, s.n - i), str_c(marks[k])))
				taken = strlen(marks[k]);
		to[n++] = taken ? '"' : s.p[i];
		i += taken ? taken : 1;
	}
	return str_n(to, n);
}

int
search_parse(struct req *req, struct str q, struct search *ret)
{
	struct str rest = plain_quotes(req->arena, str_trim(q));
	int r = 0;

	*ret = (struct search){ .me = req->me, .after = 1, .before = SEARCH_LATEST };
	while (!r && rest.n) {
		if (blank(rest.p[0]))
			rest = str_n(rest.p + 1, rest.n - 1);
		else
			r = take_one(req, ret, &rest);
	}
	if (r)
		return r;
	open_end(req, ret);
	if (!ret->wanted_n && !str_present(ret->from) && !ret->kinds && !ret->link && !ret->starred && !ret->pinned &&
	    !ret->mentions_me)
		return refuse(req, "too_broad", "Say a word to look for, or from:, has:, is: or mentions:.");
	return 0;
}

/* ---- what the index is asked ---- */

static void
both(struct buf *buf)
{
	if (buf->n)
		buf_str(buf, STR(" & "));
}

static void
put_scope(struct buf *buf, const struct search_scope *scope)
{
	if (!scope->n || scope->n > SCOPE_AS_TERMS)
		return;
	buf_char(buf, '(');
	for (size_t i = 0; i < scope->n; i++)
		buf_printf(buf, "%s'#%lld'", i ? " | " : "", (long long)scope->conversations[i]);
	buf_char(buf, ')');
}

static void
put_filters(struct buf *buf, const struct search *s)
{
	for (unsigned k = MESSAGE_IMAGE; k <= MESSAGE_FILE; k++) {
		if (s->kinds & 1u << k) {
			both(buf);
			buf_printf(buf, "'!%s'", search_kinds[k]);
		}
	}
	if (s->link) {
		both(buf);
		buf_str(buf, STR("'!link'"));
	}
	if (s->from_id) {
		both(buf);
		buf_printf(buf, "'@%lld'", (long long)s->from_id);
	}
	if (s->mentions_me) {
		both(buf);
		buf_printf(buf, "'@m%lld'", (long long)s->me);
	}
}

struct str
search_terms(struct req *req, const struct search *s, const struct search_scope *scope)
{
	struct buf *buf = req_scratch(req);
	struct terms terms = { 0 };

	put_scope(buf, scope);
	put_filters(buf, s);
	for (size_t i = 0; i < s->wanted_n; i++)
		terms_wanted(req->arena, &s->wanted[i], &terms);
	for (size_t i = 0; i < terms.n; i++) {
		both(buf);
		search_quote(buf, terms.list[i].text);
		buf_str(buf, terms.list[i].prefix ? STR(":*") : STR(""));
	}
	return buf_view(buf);
}

/* ---- whether a message is it ---- */

static bool
mentioned(struct arena *arena, const struct search_text *text, int64_t me)
{
	struct str id = arena_printf(arena, "%lld", (long long)me);
	struct json_report report = { 0 };
	json_t *all = NULL, *one;
	bool found = false;
	size_t i;

	if (str_present(text->mentions_json) && !json_parse(arena, text->mentions_json, &all, &report)) {
		json_array_foreach(all, i, one) found =
		        found || str_eq(str_c(json_string_value(json_object_get(one, "user_id"))), id);
	}
	return found;
}

static bool
filters_hold(struct req *req, const struct search *s, const struct search_text *text)
{
	if ((s->kinds & ~(1u << text->kind)) || (s->from_id && text->sender_id != s->from_id))
		return false;
	if (text->created_at < s->after || text->created_at >= s->before)
		return false;
	if ((s->starred && !text->starred) || (s->pinned && !text->pinned))
		return false;
	if (s->link && !terms_link(text->content))
		return false;
	return !s->mentions_me || mentioned(req->arena, text, s->me);
}

static int
compare_highlights(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return x[0] < y[0] ? -1 : x[0] > y[0];
}

/* In order, and those that touch or overlap made one. */
static void
tidy(struct search_hit *hit)
{
	size_t n = 0;

	if (hit->highlights_n)
		qsort(hit->highlights, hit->highlights_n, sizeof(*hit->highlights), compare_highlights);
	for (size_t i = 0; i < hit->highlights_n; i++) {
		uint32_t *last = n ? hit->highlights[n - 1] : NULL, *one = hit->highlights[i];

		if (last && one[0] <= last[0] + last[1]) {
			uint32_t end = one[0] + one[1];

			last[1] = end > last[0] + last[1] ? end - last[0] : last[1];
		} else {
			memcpy(hit->highlights[n++], one, sizeof(*hit->highlights));
		}
	}
	hit->highlights_n = n;
}

/* Every place of one needle in the content; how much it counts. */
static double
look_through(const struct folded *content, const struct needle *needle, struct search_hit *hit)
{
	size_t at = 0, from, to, n = 0;
	double score = 0;

	while (hit->highlights_n < SEARCH_HIGHLIGHTS_MAX && terms_find(content, needle, at, &from, &to)) {
		uint32_t *one = hit->highlights[hit->highlights_n++];

		fold_place(content, from, to, &one[0], &one[1]);
		if (n++ < COUNTED_MOST)
			score += (content->edge[to] ? 1.0 : 0.5) / (double)n;
		at = to;
	}
	return score;
}

static bool
wanted_are_there(const struct search *s, const struct folded *content, const struct folded *names, struct search_hit *hit)
{
	for (size_t i = 0; i < s->wanted_n; i++) {
		size_t from, to;
		double score = look_through(content, &s->wanted[i], hit);

		if (score == 0 && !terms_find(content, &s->wanted[i], 0, &from, &to)) {
			if (!terms_find(names, &s->wanted[i], 0, &from, &to))
				return false;
			score = 1;
		}
		hit->score += score;
	}
	return true;
}

bool
search_match(struct req *req, const struct search *s, const struct search_text *text, struct search_hit *ret)
{
	struct search_hit hit = { .place = { text->created_at, text->conversation_id, text->seq } };
	struct folded content, names;
	size_t from, to;
	double age;

	if (!filters_hold(req, s, text))
		return false;
	fold_text(req->arena, text->content, &content);
	fold_text(req->arena, text->names, &names);
	for (size_t i = 0; i < s->unwanted_n; i++)
		if (terms_find(&content, &s->unwanted[i], 0, &from, &to) ||
		    terms_find(&names, &s->unwanted[i], 0, &from, &to))
			return false;
	hit.highlights = arena_alloc_array(req->arena, SEARCH_HIGHLIGHTS_MAX, sizeof(*hit.highlights));
	if (!wanted_are_there(s, &content, &names, &hit))
		return false;
	tidy(&hit);
	age = (double)(req->now - text->created_at) / MICROS_PER_DAY;
	hit.score /= 1 + content.points / LONG_POINTS;
	hit.score += 1 / (1 + (age > 0 ? age : 0) / RECENT_DAYS);
	*ret = hit;
	return true;
}
