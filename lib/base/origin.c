/* origin -- which web pages may use the server. */
#include "origin.h"

bool
origin_in(struct str origin, struct str list)
{
	while (origin.n && list.n)
		if (str_eq(str_cut(&list, ' '), origin))
			return true;
	return false;
}

bool
origin_listed(const struct conf *conf, struct str origin)
{
	return origin_in(origin, str_c(conf->public_url)) || origin_in(origin, str_c(conf->origins));
}
