/* fcgi/password_rule.c -- the rules of passwords, as refusals. */
#include "password_rule.h"

#include "base/guess.h"
#include "base/nfc.h"

/* Length alone, and not what everybody tries first: no rules of which characters must be there (NIST SP 800-63B). */
int
password_rule(struct req *req, const char *path, struct str password, struct str username, struct str display_name)
{
	const struct str own[] = { username, display_name };
	struct str normal = nfc(req->arena, password);

	if ((int64_t)normal.n > req->conf->password_max_bytes)
		return req_invalid(req, path, "too_long", "The password has too many bytes.");
	if ((int64_t)str_code_points(normal) < req->conf->password_min_code_points)
		return req_invalid(req, path, "too_short", "The password has too few characters.");
	if (guess_pieces(req->arena, normal, own, 2) < GUESS_PIECES)
		return req_invalid(
		        req, path, "guessable",
		        "The password is made of little more than common words, names, repetitions or rows of keys.");
	return 0;
}
