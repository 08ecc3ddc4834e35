/* password_rule -- the rules of passwords. */
#include "password_rule.h"

#include "breached.h"
#include "err.h"
#include "guess.h"
#include "nfc.h"

static int
refuse(struct password_refusal *ret, const char *code, const char *message)
{
	*ret = (struct password_refusal){ code, message };
	return INVALID;
}

/* Lists have passwords as they were typed; ours is one of several ways to type it. */
static int
look_up(const struct conf *conf, struct str typed, struct str normal, bool *ret)
{
	int r = 0;

	*ret = false;
	if (*conf->breached_passwords_file)
		r = breached_find(conf->breached_passwords_file, typed, ret);
	if (!r && *conf->breached_passwords_file && !*ret && !str_eq(typed, normal))
		r = breached_find(conf->breached_passwords_file, normal, ret);
	return r ? trace(r) : 0;
}

/* Length alone, and not what everybody tries first: no rules of which characters must be there (NIST SP 800-63B). */
int
password_rule(struct arena *arena, const struct conf *conf, struct str password, const struct str *own, size_t own_n,
              struct password_refusal *ret)
{
	struct str normal = nfc(arena, password);
	bool breached;
	int r;

	if ((int64_t)normal.n > conf->password_max_bytes)
		return refuse(ret, "too_long", "The password has too many bytes.");
	if ((int64_t)str_code_points(normal) < conf->password_min_code_points)
		return refuse(ret, "too_short", "The password has too few characters.");
	if (guess_pieces(arena, normal, own, own_n) < GUESS_PIECES)
		return refuse(ret, "guessable",
		              "The password is made of little more than common words, names, repetitions or rows of keys.");
	r = look_up(conf, password, normal, &breached);
	if (r)
		return trace(r);
	return breached ? refuse(ret, "breached",
	                         "The password is in a list of passwords that were published after break-ins.")
	                : 0;
}
