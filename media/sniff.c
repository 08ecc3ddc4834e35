/*
 * media/sniff.c -- magic numbers: JPEG (ITU-T T.81 B.1.1.3), PNG (RFC 2083 12.11), GIF (87a, 89a), WebP (RFC 9649 2.3), HEIF
 * (ISO/IEC 23008-12 10.2), AVIF and MP4 by the major brand of their first box, Matroska (RFC 8794 11.2.1), Ogg (RFC 3533 6),
 * MP3 (ISO/IEC 11172-3 2.4.1.3, or ID3v2 in front), WAV.
 */
#include "job.h"
#include "sniff.h"

static const char movies[][5] = { "isom", "iso2", "iso3", "iso4", "iso5", "iso6", "mp41", "mp42",
	                          "avc1", "M4A ", "M4B ", "M4V ", "M4VH", "qt  ", "3gp4", "3gp5",
	                          "3gp6", "3gp7", "3g2a", "dash", "msdh", "MSNV", "mmp4" };
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

/* A frame's header: eleven bits set, no reserved version, layer III, no reserved rate. */
static bool
is_mp3(struct str head)
{
	const unsigned char *p = (const unsigned char *)head.p;

	if (str_has_prefix(head, STR("ID3")))
		return true;
	return head.n >= 4 && p[0] == 0xff && (p[1] & 0xe0) == 0xe0 && (p[1] & 0x18) != 0x08 && (p[1] & 0x06) == 0x02 &&
	       (p[2] & 0xf0) != 0xf0 && (p[2] & 0x0c) != 0x0c;
}

static bool
is_riff(struct str head, const char *kind)
{
	return head.n >= 12 && str_has_prefix(head, STR("RIFF")) && !memcmp(head.p + 8, kind, 4);
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
	if (has_brand(head, movies, sizeof(movies) / sizeof(movies[0])))
		return SNIFF_MP4;
	if (str_has_prefix(head, STR("\x1A\x45\xDF\xA3")))
		return SNIFF_WEBM;
	if (str_has_prefix(head, STR("OggS")))
		return SNIFF_OGG;
	if (is_riff(head, "WAVE"))
		return SNIFF_WAV;
	if (is_mp3(head))
		return SNIFF_MP3;
#ifdef PEAL_FAILPOINTS
	if (str_has_prefix(head, STR(JOB_PROBE)))
		return SNIFF_PROBE;
#endif
	return SNIFF_UNKNOWN;
}

bool
sniff_picture(enum sniffed s)
{
	return (s >= SNIFF_JPEG && s <= SNIFF_HEIF) || s == SNIFF_PROBE;
}

bool
sniff_sound(enum sniffed s)
{
	return (s >= SNIFF_WEBM && s <= SNIFF_WAV) || s == SNIFF_PROBE;
}

bool
sniff_film(enum sniffed s)
{
	return s == SNIFF_MP4 || s == SNIFF_WEBM || s == SNIFF_PROBE;
}
