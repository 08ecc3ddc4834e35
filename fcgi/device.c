/* fcgi/device.c -- browsers that are known by their cookie. */
#include "device.h"

#include "auth.h"
#include "base/bytes.h"
#include "rate.h"

#define NONCE_BYTES  16
#define DEVICE_BYTES (NONCE_BYTES + SHA256_BYTES)
#define KEPT_SECONDS (365 * 86400)

static const struct auth_cookie device_cookie = { "device", "/api/v1/auth", "Strict" };

static void
sign(struct req *req, struct str username, const unsigned char nonce[NONCE_BYTES], unsigned char out[SHA256_BYTES])
{
	struct str name = str_lower(req->arena, username);
	struct str text = arena_printf(req->arena, "%.*s %.*s", STR_ARG(hex(req->arena, nonce, NONCE_BYTES)), STR_ARG(name));

	bytes_hmac_for(req->service->refresh_key, STR("peal device"), text, out);
}

/* NULL: none, or not one in which this name has signed in. */
static const unsigned char *
nonce_of(struct req *req, struct str username)
{
	struct str cookie = auth_cookie_get(req, &device_cookie), bytes;
	unsigned char mac[SHA256_BYTES];
	const unsigned char *nonce;

	if (!cookie.n || cookie.n > 2 * DEVICE_BYTES || !base64url_decode(req->arena, cookie, &bytes) ||
	    bytes.n != DEVICE_BYTES)
		return NULL;
	nonce = (const unsigned char *)bytes.p;
	sign(req, username, nonce, mac);
	return bytes_equal(mac, bytes.p + NONCE_BYTES, sizeof(mac)) ? nonce : NULL;
}

int
device_attempt(struct req *req, struct str username)
{
	const unsigned char *nonce = nonce_of(req, username);

	return nonce ? rate_attempt(req, "device", hex(req->arena, nonce, NONCE_BYTES))
	             : rate_attempt(req, "name", username);
}

void
device_remember(struct req *req, struct str username)
{
	const unsigned char *nonce = nonce_of(req, username);
	unsigned char device[DEVICE_BYTES];

	if (nonce)
		memcpy(device, nonce, NONCE_BYTES);
	else
		bytes_random(device, NONCE_BYTES);
	sign(req, username, device, device + NONCE_BYTES);
	auth_cookie_set(req, &device_cookie, base64url(req->arena, device, sizeof(device)), KEPT_SECONDS);
}
