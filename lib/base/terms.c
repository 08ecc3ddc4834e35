/*
 * terms -- see the header for what they are.
 */
#include "terms.h"

static bool
blank(uint32_t c)
{
	return c <= 0x20 || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static bool
letters_and_digits(uint8_t kind)
{
	return kind == FOLD_WORD || kind == FOLD_DIGIT;
}

static char *
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

static void
add(struct arena *arena, struct terms *t, const uint32_t *c, size_t n, bool prefix)
{
	char *p, *end;

	if (t->n == t->size) {
		struct term *more = arena_alloc_array(arena, t->size * 2 + 64, sizeof(*more));

		if (t->n)
			memcpy(more, t->list, t->n * sizeof(*more));
		t->list = more;
		t->size = t->size * 2 + 64;
	}
	p = end = arena_alloc(arena, n * 4 + 1);
	for (size_t i = 0; i < n; i++)
		end = put_utf8(end, c[i]);
	t->list[t->n++] = (struct term){ str_n(p, (size_t)(end - p)), prefix };
}

static size_t
cut(size_t n)
{
	return n < TERM_POINTS_MAX ? n : TERM_POINTS_MAX;
}

/* The end of what begins at i: a run of letters and digits, a run of a script without blanks, a sign, a flag, or one gap. */
static size_t
piece_end(const struct folded *f, size_t i)
{
	size_t to = i + 1;

	if (letters_and_digits(f->kind[i])) {
		while (to < f->n && letters_and_digits(f->kind[to]))
			to++;
	} else if (f->kind[i] == FOLD_RUN) {
		while (to < f->n && f->kind[to] == FOLD_RUN)
			to++;
	} else if (f->kind[i] == FOLD_FLAG && to < f->n && !f->edge[to]) {
		to++;
	}
	return to;
}

/* Where a run of letters and digits has an edge inside; its end when it has none. */
static size_t
change_in(const struct folded *f, size_t from, size_t to)
{
	for (size_t i = from + 1; i < to; i++)
		if (f->edge[i])
			return i;
	return to;
}

/* Whether one gap that is no blank joins the run that ends at i with another one; returns where that one ends, or 0. */
static size_t
joined_end(const struct folded *f, size_t i)
{
	if (i + 1 >= f->n || f->kind[i] != FOLD_GAP || blank(f->c[i]) || !letters_and_digits(f->kind[i + 1]))
		return 0;
	return piece_end(f, i + 1);
}

/* Both sides of the sign, each at most as long as a term may be. */
static void
add_pair(struct arena *arena, struct terms *t, const struct folded *f, size_t from, size_t sign, size_t to, bool prefix)
{
	if (sign - from <= TERM_POINTS_MAX)
		add(arena, t, f->c + from, sign - from + 1 + cut(to - sign - 1), prefix || to - sign - 1 > TERM_POINTS_MAX);
}

static void
add_word(struct arena *arena, struct terms *t, const struct folded *f, size_t from, size_t to)
{
	size_t change = change_in(f, from, to), end = joined_end(f, to);

	add(arena, t, f->c + from, cut(to - from), false);
	if (change < to) {
		add(arena, t, f->c + from, cut(change - from), false);
		add(arena, t, f->c + change, cut(to - change), false);
	}
	if (end)
		add_pair(arena, t, f, from, to, end, false);
	if (end && change < to)
		add_pair(arena, t, f, change, to, end, false);
}

static void
add_run(struct arena *arena, struct terms *t, const struct folded *f, size_t from, size_t to)
{
	for (size_t i = from; i + 1 < to; i++)
		add(arena, t, f->c + i, 2, false);
	add(arena, t, f->c + to - 1, 1, false);
}

void
terms_of(struct arena *arena, const struct folded *f, struct terms *t)
{
	for (size_t i = 0, to; i < f->n; i = to) {
		to = piece_end(f, i);
		if (letters_and_digits(f->kind[i]))
			add_word(arena, t, f, i, to);
		else if (f->kind[i] == FOLD_RUN)
			add_run(arena, t, f, i, to);
		else if (f->kind[i] != FOLD_GAP)
			add(arena, t, f->c + i, to - i, false);
	}
}

/* Punctuation that people put around words, and that says nothing about them. */
static bool
trimmed(uint32_t c, bool at_end)
{
	if (c < 0x80)
		return strchr(at_end ? ".,;:!?()[]{}<>\"'/" : ".,;:!?()[]{}<>\"'", (int)c) != NULL;
	return (c >= 0x3001 && c <= 0x3011) || (c >= 0x2010 && c <= 0x2027) || (c >= 0x2030 && c <= 0x205e) || c == 0xbf ||
	       c == 0xa1 || c == 0x060c || c == 0x061b || c == 0x061f || c == 0x06d4 || c == 0x0964;
}

/* The part from..to of a folded text, with edges of its own. */
static void
part(struct arena *arena, const struct folded *f, size_t from, size_t to, struct folded *ret)
{
	*ret = (struct folded){ .c = f->c + from, .at = f->at + from, .kind = f->kind + from, .n = to - from };
	ret->edge = arena_alloc_array(arena, ret->n + 1, sizeof(*ret->edge));
	memcpy(ret->edge, f->edge + from, (ret->n + 1) * sizeof(*ret->edge));
	ret->points = to < f->n ? f->at[to] : f->points;
}

static bool
says_something(const struct folded *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->kind[i] != FOLD_GAP)
			return true;
	return false;
}

bool
needle_parse(struct arena *arena, struct str s, bool prefix, struct needle *ret)
{
	struct needle needle = { 0 };
	struct folded all;

	fold_text(arena, s, &all);
	needle.words = arena_alloc_array(arena, all.n / 2 + 1, sizeof(*needle.words));
	for (size_t i = 0, from, to; i < all.n;) {
		for (from = i;
		     from < all.n && (blank(all.c[from]) || (all.kind[from] == FOLD_GAP && trimmed(all.c[from], false)));)
			from++;
		for (to = from; to < all.n && !blank(all.c[to]);)
			to++;
		i = to;
		while (to > from && all.kind[to - 1] == FOLD_GAP && trimmed(all.c[to - 1], true))
			to--;
		part(arena, &all, from, to, &needle.words[needle.n]);
		needle.n += says_something(&needle.words[needle.n]);
	}
	if (needle.n) {
		const struct folded *last = &needle.words[needle.n - 1];

		needle.prefix = prefix && last->n > 1 && letters_and_digits(last->kind[last->n - 1]);
	}
	*ret = needle;
	return needle.n > 0;
}

/* What a text must have around a run of letters and digits, which may be part of a longer one only where the word begins or ends. */
static void
want_word(struct arena *arena, struct terms *t, const struct folded *f, size_t from, size_t to, bool prefix)
{
	size_t end = joined_end(f, to);

	add(arena, t, f->c + from, cut(to - from), (prefix && to == f->n) || to - from > TERM_POINTS_MAX);
	if (end)
		add_pair(arena, t, f, from, to, end, end == f->n);
}

static void
want_run(struct arena *arena, struct terms *t, const struct folded *f, size_t from, size_t to)
{
	for (size_t i = from; i + 1 < to; i++)
		add(arena, t, f->c + i, 2, false);
	if (to - from == 1)
		add(arena, t, f->c + from, 1, true);
}

static void
want(struct arena *arena, struct terms *t, const struct folded *f, bool prefix)
{
	for (size_t i = 0, to; i < f->n; i = to) {
		to = piece_end(f, i);
		if (letters_and_digits(f->kind[i]))
			want_word(arena, t, f, i, to, prefix);
		else if (f->kind[i] == FOLD_RUN)
			want_run(arena, t, f, i, to);
		else if (f->kind[i] != FOLD_GAP)
			add(arena, t, f->c + i, to - i, false);
	}
}

void
terms_wanted(struct arena *arena, const struct needle *needle, struct terms *t)
{
	for (size_t i = 0; i < needle->n; i++)
		want(arena, t, &needle->words[i], needle->prefix && i + 1 == needle->n);
}

/* Does the word stand at this place? */
static bool
stands(const struct folded *text, const struct folded *word, size_t at, bool prefix)
{
	return at + word->n <= text->n && text->edge[at] && !memcmp(text->c + at, word->c, word->n * sizeof(*word->c)) &&
	       (prefix || text->edge[at + word->n]);
}

/* Do all words stand here, one after the other? *ret_to: where the last one ends. */
static bool
follow(const struct folded *text, const struct needle *needle, size_t at, size_t *ret_to)
{
	for (size_t i = 0; i < needle->n; i++) {
		bool last = i + 1 == needle->n;

		while (i && at < text->n && text->kind[at] == FOLD_GAP && text->c[at] != needle->words[i].c[0] &&
		       text->c[at] != TERMS_BREAK)
			at++;
		if (!stands(text, &needle->words[i], at, last && needle->prefix))
			return false;
		at += needle->words[i].n;
	}
	*ret_to = at;
	return true;
}

bool
terms_find(const struct folded *text, const struct needle *needle, size_t from, size_t *ret_from, size_t *ret_to)
{
	for (size_t i = from; i < text->n; i++) {
		if (text->c[i] == needle->words[0].c[0] && follow(text, needle, i, ret_to)) {
			*ret_from = i;
			return true;
		}
	}
	return false;
}

bool
terms_link(struct str s)
{
	static const struct {
		const char *p;
		size_t n;
	} heads[] = { { "https://", 8 }, { "http://", 7 }, { "www.", 4 } };

	for (size_t i = 0; i < s.n; i++)
		for (size_t k = 0; k < sizeof(heads) / sizeof(*heads); k++)
			if (s.n - i > heads[k].n && (unsigned char)s.p[i + heads[k].n] > ' ' &&
			    str_eq_ascii_case(str_n(s.p + i, heads[k].n), str_n(heads[k].p, heads[k].n)) &&
			    (!i || !((s.p[i - 1] | 32) >= 'a' && (s.p[i - 1] | 32) <= 'z')))
				return true;
	return false;
}
