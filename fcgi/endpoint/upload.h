/*
 * upload -- what the endpoints of the upload door share.
 */
#ifndef PEAL_FCGI_ENDPOINT_UPLOAD_H
#define PEAL_FCGI_ENDPOINT_UPLOAD_H

#include "fcgi/reply.h"
#include "store/attachment.h"

static inline struct attachment_quota
upload_quota(const struct conf *conf)
{
	return (struct attachment_quota){ conf->media_user_mib << 20, conf->media_user_daily_mib << 20 };
}

#define DAY_US INT64_C(86400000000)

/* r, as it was; a day's quota is free again when the next day (UTC) begins. */
static inline int
upload_refused(struct req *req, int r)
{
	if (r == RATE_LIMITED)
		req->retry_after_ms = (DAY_US - req->now % DAY_US + 999) / 1000;
	return r;
}

#endif
