/*
 * ice -- what a browser needs so that a call gets through: addresses of STUN and TURN servers (RFC 7064, RFC 7065), and credentials
 * that a TURN server which knows our secret can check by itself ("TURN REST API", draft-uberti-behave-turn-rest-00).
 */
#ifndef PEAL_BASE_ICE_H
#define PEAL_BASE_ICE_H

#include "arena.h"
#include "str.h"

#define ICE_URLS_MOST    8  /* of each kind; browsers complain of five servers already */
#define ICE_SECRET_LEAST 16 /* bytes: whoever is given credentials may try secrets at home */

#define ICE_SECRET_RULE "not a secret of 16 printable characters or more in its first line"

enum ice_kind { ICE_NONE, ICE_STUN, ICE_TURN };

/* Of "stun:host", "stuns:host:port", "turn:host:port?transport=udp", "turns:[2001:db8::1]:443?transport=tcp"; ICE_NONE: not an address. */
enum ice_kind ice_kind(struct str url);

/* The first line of the file. 0; -errno; INVALID: shorter than ICE_SECRET_LEAST, or not printable ASCII. */
int ice_secret_load(struct arena *, const char *path, struct str *ret);

struct ice_credentials {
	struct str username, credential;
};
/* Good until this second of 1970; `who` tells people apart and has no colon. */
struct ice_credentials ice_credentials(struct arena *, struct str secret, int64_t until_seconds, struct str who);

/* The name by which TURN servers know this person: always the same, and made by our key, without which it says nothing. */
struct str ice_alias(struct arena *, struct str key, int64_t user_id);

#endif
