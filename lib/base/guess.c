/* guess.c -- the cheapest way to put a password together. */
#include "guess.h"

#include <stdlib.h>

#include "fold.h"
#include "guess_words.h"

#define N(array)   (sizeof(array) / sizeof((array)[0]))
#define LONGEST    24 /* of a word */
#define LEAST_RUN  3
#define LEAST_NAME 3

/* Rows and columns of keyboards, as fingers go. */
static const char *const rows[] = {
	"1234567890",
	"qwertyuiop",
	"qwertzuiop",
	"azertyuiop",
	"asdfghjkl",
	"qsdfghjklm",
	"zxcvbnm",
	"yxcvbnm",
	"wxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
	"1q2w3e4r5t6y7u8i9o0p",
	"q1w2e3r4t5y6u7i8o9p0",
	"qaywsxedcrfvtgbzhnujmikolp",
	"qazwsxedcrfvtgbyhnujmikolp",
	"147258369",
	"741852963",
	"!@#$%^&*()",
	"!\"\xc2\xa7$%&/()=",
};

struct text {
	uint32_t *plain, *letters; /* as it is; with what stands for letters replaced */
	size_t n;
};

static uint32_t
letter_of(uint32_t c)
{
	static const char signs[] = "@0134579$!|(+", letters[] = "aoieastgsilct";
	const char *at = c && c < 0x80 ? strchr(signs, (int)c) : NULL;

	return at ? (uint32_t)letters[at - signs] : c;
}

static void
read_text(struct arena *arena, struct str text, struct text *ret)
{
	struct folded f;

	fold_text(arena, text, &f);
	ret->n = f.n;
	ret->plain = f.c;
	ret->letters = arena_alloc_array(arena, f.n + 1, sizeof(*ret->letters));
	for (size_t i = 0; i < f.n; i++)
		ret->letters[i] = letter_of(f.c[i]);
}

/* How many characters from here on are a piece of this row, in either direction. */
static size_t
along(const uint32_t *c, size_t n, const char *row)
{
	const char *at = c[0] && c[0] < 0x80 ? strchr(row, (int)c[0]) : NULL;
	size_t up = 1, down = 1;

	if (!at)
		return 0;
	while (up < n && at[up] && c[up] == (unsigned char)at[up])
		up++;
	while (down < n && (size_t)(at - row) >= down && c[down] == (unsigned char)at[-(ptrdiff_t)down])
		down++;
	return up > down ? up : down;
}

static size_t
run(const uint32_t *c, size_t n)
{
	int64_t step = n > 1 ? (int64_t)c[1] - c[0] : 2;
	size_t length = 1;

	while (step >= -1 && step <= 1 && length < n && (int64_t)c[length] - c[length - 1] == step)
		length++;
	for (size_t i = 0; i < N(rows); i++) {
		size_t keys = along(c, n, rows[i]);

		length = keys > length ? keys : length;
	}
	return length >= LEAST_RUN ? length : 1;
}

static size_t
year(const uint32_t *c, size_t n)
{
	for (size_t i = 0; i < 4; i++)
		if (i >= n || c[i] < '0' || c[i] > '9')
			return 1;
	return (c[0] == '1' && c[1] == '9') || (c[0] == '2' && c[1] == '0') ? 4 : 1;
}

/* The longest piece from `at` on that stands somewhere before it, whole. */
static size_t
again(const struct text *t, size_t at)
{
	size_t longest = 1;

	for (size_t from = 0; from < at; from++) {
		size_t n = 0;

		while (from + n < at && at + n < t->n && t->letters[from + n] == t->letters[at + n])
			n++;
		longest = n > longest ? n : longest;
	}
	return longest >= LEAST_RUN ? longest : 1;
}

static int
compare(const void *key, const void *word)
{
	return strcmp(key, *(const char *const *)word);
}

static bool
is_word(const uint32_t *c, size_t n)
{
	char text[LONGEST + 1];

	for (size_t i = 0; i < n; i++) {
		if (!c[i] || c[i] >= 0x80)
			return false;
		text[i] = (char)c[i];
	}
	text[n] = 0;
	return bsearch(text, words, N(words), sizeof(*words), compare);
}

static bool
is_name(const uint32_t *c, size_t n, const struct text *own, size_t own_n)
{
	for (size_t i = 0; i < own_n; i++)
		for (size_t from = 0; from + n <= own[i].n; from++)
			if (!memcmp(own[i].letters + from, c, n * sizeof(*c)))
				return true;
	return false;
}

/* From `at` on, everything that is one piece. */
static void
extend(size_t *least, const struct text *t, size_t at, const struct text *own, size_t own_n)
{
	const uint32_t *plain = t->plain + at, *letters = t->letters + at;
	size_t left = t->n - at, cost = least[at] + 1;
	const size_t runs[] = { 1, run(plain, left), year(plain, left), again(t, at) };

	for (size_t i = 0; i < N(runs); i++)
		for (size_t n = i ? LEAST_RUN : 1; n <= runs[i]; n++)
			if (cost < least[at + n])
				least[at + n] = cost;
	for (size_t n = 2; n <= left && n <= LONGEST; n++)
		if (cost < least[at + n] &&
		    (is_word(letters, n) || is_word(plain, n) || (n >= LEAST_NAME && is_name(letters, n, own, own_n))))
			least[at + n] = cost;
}

size_t
guess_pieces(struct arena *arena, struct str password, const struct str *own, size_t own_n)
{
	struct text *names = arena_alloc_array(arena, own_n + 1, sizeof(*names)), t;
	size_t *least;

	read_text(arena, password, &t);
	for (size_t i = 0; i < own_n; i++)
		read_text(arena, own[i], &names[i]);
	least = arena_alloc_array(arena, t.n + 1, sizeof(*least));
	for (size_t i = 1; i <= t.n; i++)
		least[i] = SIZE_MAX;
	least[0] = 0;
	for (size_t i = 0; i < t.n; i++)
		extend(least, &t, i, names, own_n);
	return least[t.n];
}
