/* media/sniff.c -- magic numbers: JPEG (ITU-T T.81 B.1.1.3), PNG (RFC 2083 12.11), GIF (87a, 89a), WebP (RFC 9649 2.3). */
#include "sniff.h"

enum sniffed
sniff(struct str head)
{
	if (str_has_prefix(head, STR("\xFF\xD8\xFF")))
		return SNIFF_JPEG;
	if (str_has_prefix(head, STR("\x89PNG\r\n\x1A\n")))
		return SNIFF_PNG;
	if (str_has_prefix(head, STR("GIF87a")) || str_has_prefix(head, STR("GIF89a")))
		return SNIFF_GIF;
	if (head.n >= 16 && str_has_prefix(head, STR("RIFF")) && !memcmp(head.p + 8, "WEBPVP8", 7))
		return SNIFF_WEBP;
	return SNIFF_UNKNOWN;
}
