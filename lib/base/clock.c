/* clock -- reading clocks, and RFC 3339 times in and out. */
#include "clock.h"

#include <stdlib.h>
#include <time.h>

#define US  ((int64_t)1000000)
#define DAY (86400 * US)
/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for the year */
#define WALL_LEAST (-62167219200 * US)
#define WALL_MOST  (253402300799 * US + 999000)

static int64_t
read_clock(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t))
		abort();
	return t.tv_sec * US + t.tv_nsec / 1000;
}

int64_t
clock_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t
clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static char *
put2(char *to, int64_t v)
{
	to[0] = (char)('0' + v / 10);
	to[1] = (char)('0' + v % 10);
	return to + 2;
}

/* The proleptic Gregorian calendar by arithmetic, in years that begin in March, so that the leap day is the last. */
static char *
put_date(char *to, int64_t days)
{
	int64_t d = days + 719468; /* since 0000-03-01 */
	int64_t era = (d < 0 ? d - 146096 : d) / 146097, day_of_era = d - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;
	int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	int64_t year = era * 400 + year_of_era + (month <= 2);

	to = put2(put2(to, year / 100), year % 100);
	*to++ = '-';
	to = put2(to, month);
	*to++ = '-';
	return put2(to, day_of_year - (153 * month_from_march + 2) / 5 + 1);
}

static char *
put_time(char *to, int64_t second_of_day, int64_t ms)
{
	to = put2(to, second_of_day / 3600);
	*to++ = ':';
	to = put2(to, second_of_day / 60 % 60);
	*to++ = ':';
	to = put2(to, second_of_day % 60);
	*to++ = '.';
	*to++ = (char)('0' + ms / 100);
	return put2(to, ms % 100);
}

struct str
clock_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_MAX])
{
	int64_t us, days;
	char *to;

	if (wall_us < WALL_LEAST)
		wall_us = WALL_LEAST;
	if (wall_us > WALL_MOST)
		wall_us = WALL_MOST;
	us = (wall_us % DAY + DAY) % DAY;
	days = (wall_us - us) / DAY;
	to = put_date(out, days);
	*to++ = 'T';
	to = put_time(to, us / US, us % US / 1000);
	*to++ = 'Z';
	*to = '\0';
	return str_n(out, (size_t)(to - out));
}

/* Takes exactly n digits off *s. */
static bool
take_digits(struct str *s, size_t n, int *ret)
{
	int v = 0;

	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = str_n(s->p + n, s->n - n);
	*ret = v;
	return true;
}

static bool
take_char(struct str *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = str_n(s->p + 1, s->n - 1);
	return true;
}

/* ".5" -> 500000; nothing -> 0. Digits past the sixth are cut. */
static bool
take_fraction(struct str *s, int64_t *ret_us)
{
	int64_t us = 0;
	int n = 0, digit;

	if (take_char(s, '.')) {
		for (; take_digits(s, 1, &digit); n++)
			us = n < 6 ? us * 10 + digit : us;
		if (n < 1 || n > 9)
			return false;
		for (; n < 6; n++)
			us *= 10;
	}
	*ret_us = us;
	return true;
}

/* "Z", "+02:00", "-05:30", at the very end. */
static bool
take_offset(struct str *s, int64_t *ret_seconds)
{
	int hours, minutes;
	bool minus;

	if (take_char(s, 'Z')) {
		*ret_seconds = 0;
		return !s->n;
	}
	minus = take_char(s, '-');
	if (!minus && !take_char(s, '+'))
		return false;
	if (!take_digits(s, 2, &hours) || !take_char(s, ':') || !take_digits(s, 2, &minutes))
		return false;
	*ret_seconds = (minus ? -1 : 1) * (hours * 3600 + minutes * 60);
	return !s->n && hours < 24 && minutes < 60;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

bool
clock_rfc3339_parse(struct str s, int64_t *ret_wall_us)
{
	struct tm tm = { 0 };
	int64_t us, offset;
	int year, month;

	if (!take_digits(&s, 4, &year) || !take_char(&s, '-') || !take_digits(&s, 2, &month) || !take_char(&s, '-') ||
	    !take_digits(&s, 2, &tm.tm_mday) || !take_char(&s, 'T') || !take_digits(&s, 2, &tm.tm_hour) ||
	    !take_char(&s, ':') || !take_digits(&s, 2, &tm.tm_min) || !take_char(&s, ':') ||
	    !take_digits(&s, 2, &tm.tm_sec) || !take_fraction(&s, &us) || !take_offset(&s, &offset))
		return false;
	if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > days_in_month(year, month) || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 59)
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	us += ((int64_t)timegm(&tm) - offset) * US;
	if (us < WALL_LEAST || us > WALL_MOST + 999) /* only an offset leads there */
		return false;
	*ret_wall_us = us;
	return true;
}
