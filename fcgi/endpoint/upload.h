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

#endif
