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

bool
text_one_line(struct str s)
{
	uint32_t c;

	for (size_t n; (n = str_utf8_next(s, &c)); s = str_n(s.p + n, s.n - n))
		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
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
