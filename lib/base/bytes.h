/*
 * bytes -- random bytes, digests, MACs, base64url and hex: thin fronts of OpenSSL with fixed shapes.
 */
#ifndef PEAL_BASE_BYTES_H
#define PEAL_BASE_BYTES_H

#include "arena.h"
#include "str.h"

#define SHA1_BYTES   20
#define SHA256_BYTES 32

void bytes_random(void *out, size_t n); /* getrandom(2); aborts when the kernel refuses */
void bytes_sha256(struct str, unsigned char out[SHA256_BYTES]);
/* Of size bytes of a file at offset, piece by piece. False: they could not be read, as errno says, or there are not so many (EIO). */
bool bytes_sha256_file(int fd, uint64_t offset, uint64_t size, unsigned char out[SHA256_BYTES]);
void bytes_md5(struct str, unsigned char out[16]); /* for nginx's secure_link, which has no other */
void bytes_hmac_sha256(struct str key, struct str message, unsigned char out[SHA256_BYTES]); /* RFC 2104 */
void bytes_hmac_sha1(struct str key, struct str message,
                     unsigned char out[SHA1_BYTES]); /* for TURN servers, which have no other */
/* Under a key of the purpose's own that is made of this one: else the answer to one question could stand for another. */
void bytes_hmac_for(struct str key, struct str purpose, struct str message, unsigned char out[SHA256_BYTES]);
bool bytes_equal(const void *, const void *, size_t n); /* in constant time */

struct str base64(struct arena *, const void *, size_t n); /* RFC 4648 section 4, padded */
/* Strict: padded, no blanks, no other alphabet, zero trailing bits. */
bool base64_decode(struct arena *, struct str, struct str *ret);
struct str base64url(struct arena *, const void *, size_t n); /* RFC 4648 section 5, no padding */
/* Strict: no padding, no blanks, no other alphabet, zero trailing bits. */
bool base64url_decode(struct arena *, struct str, struct str *ret);
struct str hex(struct arena *, const void *, size_t n); /* lower case */
bool hex_decode(struct arena *, struct str, struct str *ret);
/* A random UUID version 4 (RFC 9562) in text form, 36 characters. */
struct str uuid_new(struct arena *);
bool uuid_valid(struct str); /* 8-4-4-4-12, lower-case hex */

#endif
