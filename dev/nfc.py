#!/usr/bin/python3
"""Writes lib/base/nfc_table.h: what canonical composition (Unicode, UAX #15) needs, from the unicodedata of Debian's Python.

Characters that later versions of Unicode added stay as they are; for all others the result never changes (normalization is stable).
"""

import sys
import unicodedata

HANGUL = range(0xAC00, 0xAC00 + 11172)


def pairs():
    """(composed, first, second or 0, whether first + second become it again)"""
    for c in range(0x110000):
        text = unicodedata.decomposition(chr(c))
        if not text or text.startswith("<") or c in HANGUL:
            continue
        parts = [int(p, 16) for p in text.split()]
        again = len(parts) == 2 and unicodedata.normalize("NFC", chr(parts[0]) + chr(parts[1])) == chr(c)
        yield c, parts[0], parts[1] if len(parts) == 2 else 0, again


def classes():
    """(from, to, combining class) of everything whose class is not 0"""
    out = []
    for c in range(0x110000):
        k = unicodedata.combining(chr(c))
        if k and out and out[-1][1] == c - 1 and out[-1][2] == k:
            out[-1][1] = c
        elif k:
            out.append([c, c, k])
    return out


def rows(items, form, per_line):
    items = [form % tuple(i) for i in items]
    return "\n".join("\t" + " ".join(items[i:i + per_line]) for i in range(0, len(items), per_line))


apart = list(pairs())
together = sorted((a, b, c) for c, a, b, again in apart if again)
print(f"""/* nfc_table.h -- made by dev/nfc.py from Unicode {unicodedata.unidata_version}; do not edit. */
/* clang-format off */
static const struct apart {{ uint32_t whole, first, second; }} apart[] = {{
{rows([i[:3] for i in apart], "{0x%x,0x%x,0x%x},", 6)}
}};
static const struct together {{ uint32_t first, second, whole; }} together[] = {{
{rows(together, "{0x%x,0x%x,0x%x},", 6)}
}};
static const struct class {{ uint32_t from, to; uint8_t class; }} classes[] = {{
{rows(classes(), "{0x%x,0x%x,%d},", 8)}
}};
/* clang-format on */""")
sys.stdout.flush()
