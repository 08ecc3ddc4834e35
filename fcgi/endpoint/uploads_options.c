/* fcgi/endpoint/uploads_options.c -- what of tus 1.0.0 is spoken at /uploads. The uploads themselves are peal-media's. */
#include "fcgi/reply.h"

/* The kinds have limits of their own; this is the highest. */
static int64_t
most(const struct conf *conf)
{
	const int64_t all[] = { conf->media_image_mib, conf->media_audio_mib, conf->media_video_mib, conf->media_file_mib };
	int64_t ret = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i] > ret)
			ret = all[i];
	return ret << 20;
}

static int
uploads_options(struct req *req)
{
	reply_header(req, "Tus-Resumable", STR("1.0.0"));
	reply_header(req, "Tus-Version", STR("1.0.0"));
	reply_header(req, "Tus-Max-Size", arena_printf(req->arena, "%lld", (long long)most(req->conf)));
	reply_header(req, "Tus-Extension", STR("creation,creation-with-upload,expiration,checksum,termination"));
	reply_header(req, "Tus-Checksum-Algorithm", STR("sha1,sha256"));
	return reply_empty(req);
}

const struct endpoint uploads_options_endpoint = {
	.method = "OPTIONS",
	.path = "/uploads",
	.who = WHO_ANYONE,
	.rate = RATE_NONE,
	.fn = uploads_options,
	.doc = "The version, extensions and limits of uploads in pieces.",
};
