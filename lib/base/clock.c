/* clock -- reading clocks, and RFC 3339 times in and out. */
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define US ((int64_t)1000000)
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

struct str
clock_rfc3339(int64_t wall_us, char out[CLOCK_RFC3339_MAX])
{
	struct tm tm;
	int64_t us;
	time_t seconds;
	int n;

	if (wall_us < WALL_LEAST)
		wall_us = WALL_LEAST;
	if (wall_us > WALL_MOST)
		wall_us = WALL_MOST;
	us = (wall_us % US + US) % US;
	seconds = (time_t)((wall_us - us) / US);
	gmtime_r(&seconds, &tm);
	n = snprintf(out, CLOCK_RFC3339_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
	             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(us / 1000));
	return str_n(out, (size_t)n);
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
	*ret_wall_us = ((int64_t)timegm(&tm) - offset) * US + us;
	return true;
}
