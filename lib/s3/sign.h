/*
 * sign -- an account at an object store, and AWS Signature Version 4 (HMAC-SHA256) of what is asked there: the one that all S3-compatible
 * stores know. No network here; s3.h talks.
 */
#ifndef PEAL_S3_SIGN_H
#define PEAL_S3_SIGN_H

#include "../base/arena.h"
#include "../base/conf.h"

struct s3_account {
	bool tls;
	struct str host;   /* as the header Host has it */
	struct str bucket; /* empty: the host names it */
	struct str region, id, secret;
};

/* What the configuration says; reads the key file: the id in its first line, the secret in its second. INVALID (its form), or a fault.
 * Lives as the arena. */
int s3_account_open(struct arena *, const struct conf *, struct s3_account *ret);

/* Where a key lies on the host, the bucket itself for "". Keys are made of [A-Za-z0-9._/-]. */
struct str s3_path(struct arena *, const struct s3_account *, struct str key);

/* One request. The query is in the order of its names, both sides of each = percent-encoded. */
struct s3_ask {
	const char *method;
	struct str path, query;
	struct str digest; /* SHA-256 of the body, in hex */
};

#define S3_DATE_N 16 /* 20130524T000000Z */
struct str s3_date(struct arena *, int64_t wall_us);
/* The header Authorization, for a request with the headers Host, x-amz-content-sha256 and x-amz-date, and no others that are signed. */
struct str s3_authorization(struct arena *, const struct s3_account *, const struct s3_ask *, struct str date);
/* Path and query by which whoever has them may do this for so many seconds, with the header Host alone. */
struct str s3_presign(struct arena *, const struct s3_account *, const char *method, struct str key, struct str date,
                      int seconds);

#endif
