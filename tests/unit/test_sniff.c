/* test_sniff.c -- what a file's first bytes say. */
#include "unit.h"

#include "media/sniff.h"

static const struct {
	struct str head;
	enum sniffed want;
} samples[] = {
	{ STR("\xFF\xD8\xFF\xE0"), SNIFF_JPEG },
	{ STR("\xFF\xD8\xFF\xE1"), SNIFF_JPEG },
	{ STR("\xFF\xD8\xFF"), SNIFF_JPEG },
	{ STR("\xFF\xD8"), SNIFF_UNKNOWN },
	{ STR("\x89PNG\r\n\x1A\n"), SNIFF_PNG },
	{ STR("\x89PNG\n\x1A\n\n"), SNIFF_UNKNOWN }, /* line ends were translated on the way */
	{ STR("GIF87a"), SNIFF_GIF },
	{ STR("GIF89a....."), SNIFF_GIF },
	{ STR("GIF88a"), SNIFF_UNKNOWN },
	{ STR("RIFF\x10\0\0\0WEBPVP8 "), SNIFF_WEBP },
	{ STR("RIFF\x10\0\0\0WEBPVP8X"), SNIFF_WEBP },
	{ STR("RIFF\x10\0\0\0WEBPVP8"), SNIFF_UNKNOWN },
	{ STR("RIFF\x10\0\0\0WAVEfmt "), SNIFF_WAV },
	{ STR("RIFF\x10\0\0\0AVI LIST"), SNIFF_UNKNOWN },
	{ STR("\x1A\x45\xDF\xA3\x01"), SNIFF_WEBM },
	{ STR("OggS\0\2"), SNIFF_OGG },
	{ STR("ID3\4\0"), SNIFF_MP3 },
	{ STR("\xFF\xFB\x90\x64"), SNIFF_MP3 },
	{ STR("\xFF\xFB\xF0\x64"), SNIFF_UNKNOWN }, /* no such bit rate */
	{ STR("\xFF\xF1\x50\x80"), SNIFF_UNKNOWN }, /* AAC without a container */
	{ STR("\0\0\0\x18"
	      "ftypM4A \0\0\0\0"),
	  SNIFF_MP4 },
	{ STR("\0\0\0\x14"
	      "ftypqt  "),
	  SNIFF_MP4 },
	{ STR("#EXTM3U\n#EXTINF"), SNIFF_UNKNOWN },
	{ STR("ffconcat version 1.0"), SNIFF_UNKNOWN },
	{ STR("<svg xmlns='http://www.w3.org/2000/svg'/>"), SNIFF_UNKNOWN },
	{ STR("%PDF-1.7"), SNIFF_UNKNOWN },
	{ STR("II*\0"), SNIFF_UNKNOWN },
	{ STR("\0\0\0\x1C"
	      "ftypavif"),
	  SNIFF_HEIF },
	{ STR("\0\0\0\x18"
	      "ftypheic\0\0\0\0mif1heic"),
	  SNIFF_HEIF },
	{ STR("\0\0\0\x18"
	      "ftypmif1"),
	  SNIFF_HEIF },
	{ STR("\0\0\0\x18"
	      "ftypavi"),
	  SNIFF_UNKNOWN },
	{ STR("\0\0\0\x18"
	      "ftypcrx \0\0\0\0"),
	  SNIFF_UNKNOWN }, /* a camera's raw picture */
	{ STR(""), SNIFF_UNKNOWN },
};

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		if (sniff(samples[i].head) != samples[i].want)
			fail_msg("sample %zu: %d", i, sniff(samples[i].head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
