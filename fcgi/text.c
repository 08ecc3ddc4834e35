/* fcgi/text.c -- rules about names and messages. */
#include "text.h"

#define USERNAME_MIN 3
#define USERNAME_MAX 32

/* White_Space of Unicode, and the characters that have no width. */
static bool
invisible(uint32_t c)
{
	if ((c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0)
		return true;
	if (c == 0xad || c == 0x1680 || (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f))
		return true;
	return (c >= 0x205f && c <= 0x206f) || c == 0x3000 || c == 0xfeff;
}

bool
text_blank(struct str s)
{
	uint32_t c;

	for (size_t n; (n = str_utf8_next(s, &c)); s = str_n(s.p + n, s.n - n))
		if (!invisible(c))
			return false;
	return true;
}

static bool
letter_or_digit(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool
text_username(struct str s)
{
	if (s.n < USERNAME_MIN || s.n > USERNAME_MAX || !letter_or_digit(s.p[0]))
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!letter_or_digit(s.p[i]) && s.p[i] != '.' && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return true;
}

#define FILE_NAME_MAX 255

/* Controls, line ends, marks that reorder what follows them, and what separates folders somewhere. */
static bool
unfit_for_file_name(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f)
		return true;
	return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static struct str
last_part(struct str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/' || path.p[i - 1] == '\\')
			return str_n(path.p + i, path.n - i);
	return path;
}

struct str
text_file_name(struct arena *arena, struct str name)
{
	struct str s = str_present(name) ? last_part(name) : STR_NONE, trimmed;
	char *out = arena_alloc(arena, FILE_NAME_MAX);
	size_t n = 0, used;
	uint32_t c;

	for (; (used = str_utf8_next(s, &c)); s = str_n(s.p + used, s.n - used)) {
		if (unfit_for_file_name(c))
			continue;
		if (n + used > FILE_NAME_MAX)
			break;
		memcpy(out + n, s.p, used);
		n += used;
	}
	trimmed = str_trim(str_n(out, n));
	while (trimmed.n && *trimmed.p == '.')
		trimmed = str_trim(str_n(trimmed.p + 1, trimmed.n - 1));
	return trimmed.n && !text_blank(trimmed) ? trimmed : STR_NONE;
}
