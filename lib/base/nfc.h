/*
 * nfc -- canonical composition (Unicode, UAX #15): one spelling of what looks the same, whatever keyboard it came from.
 */
#ifndef PEAL_BASE_NFC_H
#define PEAL_BASE_NFC_H

#include "arena.h"
#include "str.h"

/* Of valid UTF-8; what is not valid is left as it is. Lives as the arena, or is the same text. */
struct str nfc(struct arena *, struct str);

#endif
