/*
 * fold -- the table, and what takes more than one code point to decide.
 */
#include <stdlib.h>

#include "fold.h"

struct fold_single {
	uint32_t from, to;
	int32_t step, by;
};
struct fold_several {
	uint32_t from, to;
	uint16_t at, n;
};
struct fold_range {
	uint32_t from, to;
	enum fold_kind kind;
};
#include "fold_table.h"

#define COUNT(table)  (sizeof(table) / sizeof(*(table)))
#define MOST_SEVERAL  18 /* U+FDFA */
#define DAKUTEN       0x3099
#define HANDAKUTEN    0x309a
#define KATAKANA_FROM 0x60

/* All three tables begin with from and to. */
static int
compare_range(const void *key, const void *range)
{
	const uint32_t *c = key, *r = range;

	return *c < r[0] ? -1 : *c > r[1];
}

#define LOOK_UP(c, table) bsearch(&(c), table, COUNT(table), sizeof(*(table)), compare_range)

static enum fold_kind
kind_of(uint32_t c)
{
	const struct fold_range *r;

	if (c < 0x80) {
		if (c >= '0' && c <= '9')
			return FOLD_DIGIT;
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? FOLD_WORD : FOLD_GAP;
	}
	r = LOOK_UP(c, fold_kinds);
	return r ? r->kind : FOLD_GAP;
}

/* What c becomes, at most MOST_SEVERAL code points; returns how many. */
static size_t
fold_one(uint32_t c, uint32_t *out)
{
	const struct fold_several *several;
	const struct fold_single *single;

	if (c < 0x80) {
		out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c == '`' ? '\'' : c;
		return 1;
	}
	several = LOOK_UP(c, fold_several);
	if (several) {
		memcpy(out, fold_pool + several->at, several->n * sizeof(*out));
		return several->n;
	}
	single = LOOK_UP(c, fold_singles);
	out[0] = single && !((c - single->from) % (uint32_t)single->step) ? (uint32_t)((int32_t)c + single->by) : c;
	return 1;
}

/* Kana that take a voicing mark. */
static bool
voiced(uint32_t kana)
{
	uint32_t c = kana >= 0x30a0 ? kana - KATAKANA_FROM : kana;

	return c == 0x3046 || (c >= 0x304b && c <= 0x3061 && c % 2) || c == 0x3064 || c == 0x3066 || c == 0x3068 ||
	       (c >= 0x306f && c <= 0x307b && c % 3 == 0);
}

/* Letters that come in pieces: Cyrillic ones that are letters of their own, kana with voicing marks, Hangul. 0: these are two. */
static uint32_t
join(uint32_t a, uint32_t b)
{
	static const uint32_t letters[][3] = { { 0x0438, 0x0306, 0x0439 },
		                               { 0x0443, 0x0306, 0x045e },
		                               { 0x0456, 0x0308, 0x0457 },
		                               { 0x0433, 0x0301, 0x0453 },
		                               { 0x043a, 0x0301, 0x045c } };

	for (size_t i = 0; i < COUNT(letters); i++)
		if (a == letters[i][0] && b == letters[i][1])
			return letters[i][2];
	if (b == DAKUTEN && voiced(a))
		return a == 0x3046 ? 0x3094 : a == 0x30a6 ? 0x30f4 : a + 1;
	if (b == HANDAKUTEN && voiced(a) && (a >= 0x30a0 ? a - KATAKANA_FROM : a) >= 0x306f)
		return a + 2;
	if (a >= 0x1100 && a <= 0x1112 && b >= 0x1161 && b <= 0x1175)
		return 0xac00 + ((a - 0x1100) * 21 + (b - 0x1161)) * 28;
	if (a >= 0xac00 && a <= 0xd7a3 && (a - 0xac00) % 28 == 0 && b >= 0x11a8 && b <= 0x11c2)
		return a + (b - 0x11a7);
	return 0;
}

static void
append(struct folded *f, uint32_t c, uint32_t at)
{
	uint32_t joined = f->n ? join(f->c[f->n - 1], c) : 0;

	if (joined) {
		f->c[f->n - 1] = joined;
		return;
	}
	f->c[f->n] = c;
	f->at[f->n++] = at;
}

static bool
letters_and_digits(uint8_t kind)
{
	return kind == FOLD_WORD || kind == FOLD_DIGIT;
}

/* Of a run of letters and digits: where it ends, and where it changes from one to the other if it does so once (otherwise its end). */
static size_t
mixed_run(const struct folded *f, size_t from, size_t *ret_change)
{
	size_t changes = 0, to = from + 1;

	*ret_change = from;
	for (; to < f->n && letters_and_digits(f->kind[to]); to++) {
		if (f->kind[to] != f->kind[to - 1]) {
			changes++;
			*ret_change = to;
		}
	}
	if (changes != 1)
		*ret_change = to;
	return to;
}

static void
find_edges(struct folded *f)
{
	size_t change;

	memset(f->edge, true, (f->n + 1) * sizeof(*f->edge));
	for (size_t i = 0; i < f->n;) {
		size_t to = i + 1;

		if (letters_and_digits(f->kind[i])) {
			to = mixed_run(f, i, &change);
			for (size_t k = i + 1; k < to; k++)
				f->edge[k] = k == change;
		} else if (f->kind[i] == FOLD_FLAG && to < f->n && f->kind[to] == FOLD_FLAG) {
			f->edge[to++] = false;
		}
		i = to;
	}
}

void
fold_text(struct arena *arena, struct str s, struct folded *ret)
{
	uint32_t c, out[MOST_SEVERAL];
	struct folded f = { 0 };
	size_t n, size = 1;

	for (struct str rest = s; (n = str_utf8_next(rest, &c)); rest = str_n(rest.p + n, rest.n - n))
		size += fold_one(c, out);
	f.c = arena_alloc_array(arena, size, sizeof(*f.c));
	f.at = arena_alloc_array(arena, size, sizeof(*f.at));
	for (; (n = str_utf8_next(s, &c)); s = str_n(s.p + n, s.n - n)) {
		size_t more;

		if ((c == 0x0301 || c == 0x0306 || c == 0x0308) && f.n && join(f.c[f.n - 1], c)) {
			append(&f, c, f.points++);
			continue;
		}
		more = fold_one(c, out);
		for (size_t i = 0; i < more; i++)
			append(&f, out[i], f.points);
		f.points++;
	}
	f.kind = arena_alloc_array(arena, size, sizeof(*f.kind));
	f.edge = arena_alloc_array(arena, size, sizeof(*f.edge));
	for (size_t i = 0; i < f.n; i++)
		f.kind[i] = (uint8_t)kind_of(f.c[i]);
	find_edges(&f);
	*ret = f;
}

void
fold_place(const struct folded *f, size_t from, size_t to, uint32_t *ret_offset, uint32_t *ret_length)
{
	uint32_t end = to < f->n ? f->at[to] : f->points;

	if (end <= f->at[to - 1])
		end = f->at[to - 1] + 1;
	*ret_offset = f->at[from];
	*ret_length = end - f->at[from];
}
