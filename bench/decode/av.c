/* bench/decode/av.c -- what a whole voice note is compared with: decoding it, and AAC alone. */
#include "decode.h"
#include "media/av/av.h"

const char other_name[] = "AAC alone";

bool
other_make(const struct job *job, const uint8_t *bytes, uint8_t *output)
{
	AVFormatContext *in = input_open(job, bytes);
	struct sound s = { 0 };
	bool ok = in && sound_read(in, (size_t)job->max_seconds * SOUND_RATE, &s) == JOB_DONE &&
	          sound_write(&s, SOUND_AAC, output, job->output_bytes);

	free(s.p);
	return ok;
}
