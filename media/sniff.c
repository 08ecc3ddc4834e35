/*
 * media/sniff.c -- magic numbers: JPEG (ITU-T T.81 B.1.1.3), PNG (RFC 2083 12.11), GIF (87a, 89a), WebP (RFC 9649 2.3), HEIF
 * (ISO/IEC 23008-12 10.2) and AVIF by the major brand of their first box.
 */
#include "job.h"
#include "sniff.h"

static const char pictures[][5] = { "heic", "heix", "heim", "heis", "mif1", "msf1", "avif", "avis" };

/* The box `ftyp` (ISO/IEC 14496-12 4.3) comes first: length, type, major brand. */
static bool
has_brand(struct str head, const char (*brands)[5], size_t n)
{
	if (head.n < 12 || memcmp(head.p + 4, "ftyp", 4))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!memcmp(head.p + 8, brands[i], 4))
			return true;
	return false;
}

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
	if (has_brand(head, pictures, sizeof(pictures) / sizeof(pictures[0])))
		return SNIFF_HEIF;
#ifdef PEAL_FAILPOINTS
	if (str_has_prefix(head, STR(JOB_PROBE)))
		return SNIFF_PROBE;
#endif
	return SNIFF_UNKNOWN;
}
