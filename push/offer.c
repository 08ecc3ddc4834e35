/* offer.c -- Sec-WebSocket-Extensions: which offer of permessage-deflate we take (RFC 6455 section 9.1, RFC 7692 section 7.1). */
#include "codec.h"

#define NAME       "permessage-deflate"
#define WINDOW_MAX 15

/* What is read so far of one offer. */
struct offer {
	bool ours;                                                               /* it is permessage-deflate */
	bool acceptable;                                                         /* and so are its parameters */
	bool server_no_context, client_no_context, server_window, client_window; /* seen: none may come twice */
};

static bool
is_token_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void
skip_blanks(struct str *s)
{
	while (s->n && (*s->p == ' ' || *s->p == '\t'))
		*s = str_n(s->p + 1, s->n - 1);
}

static bool
take_char(struct str *s, char c)
{
	skip_blanks(s);
	if (!s->n || *s->p != c)
		return false;
	*s = str_n(s->p + 1, s->n - 1);
	skip_blanks(s);
	return true;
}

static bool
take_token(struct str *s, struct str *ret)
{
	size_t n = 0;

	while (n < s->n && is_token_char(s->p[n]))
		n++;
	*ret = str_n(s->p, n);
	*s = str_n(s->p + n, s->n - n);
	return n > 0;
}

/* A token, or one in quotation marks: what is quoted must be a token too, so there is nothing to unescape. */
static bool
take_value(struct str *s, struct str *ret)
{
	if (!s->n || *s->p != '"')
		return take_token(s, ret);
	*s = str_n(s->p + 1, s->n - 1);
	if (!take_token(s, ret) || !s->n || *s->p != '"')
		return false;
	*s = str_n(s->p + 1, s->n - 1);
	return true;
}

/* 8 to 15 without leading zeros; 0: not so. */
static int
window_bits(struct str value)
{
	if (value.n == 1 && (value.p[0] == '8' || value.p[0] == '9'))
		return value.p[0] - '0';
	if (value.n == 2 && value.p[0] == '1' && value.p[1] >= '0' && value.p[1] <= '5')
		return 10 + value.p[1] - '0';
	return 0;
}

static bool
first_time(bool *seen)
{
	bool first = !*seen;

	*seen = true;
	return first;
}

/*
 * What we send was compressed once for everybody, with the largest window: an offer with a smaller one is not for us. What the
 * client compresses may have any window.
 */
static bool
parameter_taken(struct offer *o, struct str name, struct str value)
{
	if (str_eq(name, STR("server_no_context_takeover")))
		return first_time(&o->server_no_context) && !str_present(value);
	if (str_eq(name, STR("client_no_context_takeover")))
		return first_time(&o->client_no_context) && !str_present(value);
	if (str_eq(name, STR("server_max_window_bits")))
		return first_time(&o->server_window) && str_present(value) && window_bits(value) == WINDOW_MAX;
	if (str_eq(name, STR("client_max_window_bits")))
		return first_time(&o->client_window) && (!str_present(value) || window_bits(value));
	return false;
}

static bool
take_parameters(struct str *list, struct offer *o)
{
	while (take_char(list, ';')) {
		struct str name, value = STR_NONE;

		if (!take_token(list, &name))
			return false;
		if (take_char(list, '=') && !take_value(list, &value))
			return false;
		o->acceptable = o->acceptable && parameter_taken(o, name, value);
	}
	return true;
}

bool
offers_take(struct str list, struct upgrade *up)
{
	skip_blanks(&list);
	do {
		struct offer o = { .acceptable = true };
		struct str name;

		if (!take_token(&list, &name))
			return false;
		o.ours = str_eq(name, STR(NAME));
		if (!take_parameters(&list, &o))
			return false;
		if (o.ours && o.acceptable && !up->deflate) {
			up->deflate = true;
			up->deflate_window = o.server_window;
		}
	} while (take_char(&list, ','));
	return !list.n;
}
