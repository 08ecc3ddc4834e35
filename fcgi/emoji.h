/*
 * emoji -- tells one emoji from any other text, and writes it in one form.
 */
#ifndef PEAL_FCGI_EMOJI_H
#define PEAL_FCGI_EMOJI_H

#include "base/arena.h"
#include "base/str.h"

#define EMOJI_MAX_BYTES 96 /* no emoji comes near it */

/*
 * Is this one emoji of UTS #51, and nothing else? A single one, with a skin tone or not, a keycap, a flag of a region or of a
 * subdivision, or one of the known sequences of joined ones. U+FE0F may be missing or stand where it need not; in *ret, which lives
 * as the arena, it stands where Unicode recommends it ("fully qualified"), so that what looks the same is the same.
 */
bool emoji_parse(struct arena *, struct str, struct str *ret);

#endif
