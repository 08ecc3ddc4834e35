/* test_s3.c -- signatures as Amazon's own examples have them, and what is read of an answer. */
#include "unit.h"

#include "base/bytes.h"
#include "s3/listing.h"
#include "s3/sign.h"

#define SECOND INT64_C(1000000)
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* "Signature Calculations for the Authorization Header" and "Authenticating Requests: Using Query Parameters", Amazon S3 API reference. */
static const struct s3_account example = {
	.tls = true,
	.host = { "examplebucket.s3.amazonaws.com", 30 },
	.bucket = { "", 0 },
	.region = { "us-east-1", 9 },
	.id = { "AKIAIOSFODNN7EXAMPLE", 20 },
	.secret = { "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40 },
};

static struct arena *arena;
static struct str date;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(1 << 20);
	date = s3_date(arena, INT64_C(1369353600) * SECOND);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void
signed_as(const char *query, const char *signature)
{
	const struct s3_ask ask = { "GET", STR("/"), str_c(query), STR(EMPTY) };

	assert_str(s3_authorization(arena, &example, &ask, date),
	           arena_printf(arena,
	                        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
	                        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=%s",
	                        signature)
	                   .p);
}

static void
test_authorization(void **state)
{
	(void)state;
	assert_str(date, "20130524T000000Z");
	signed_as("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	signed_as("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void
test_presigned(void **state)
{
	(void)state;
	assert_str(s3_presign(arena, &example, "GET", STR("test.txt"), date, 86400),
	           "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
	           "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date="
	           "20130524T000000Z"
	           "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
	           "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static void
test_paths(void **state)
{
	struct s3_account account = example;

	(void)state;
	assert_str(s3_path(arena, &account, STR("")), "/");
	account.bucket = STR("peal");
	assert_str(s3_path(arena, &account, STR("")), "/peal");
	assert_str(s3_path(arena, &account, STR("ren/ab/x")), "/peal/ren/ab/x");
}

static int
open_with(const char *key, struct s3_account *ret)
{
	struct conf conf = { .s3_endpoint = "http://store.example:9000", .s3_bucket = "peal", .s3_region = "eu" };
	char *folder = unit_folder(), path[128];
	int r;

	snprintf(path, sizeof(path), "%s/key", folder);
	unit_write_file(path, key);
	conf.s3_key_file = path;
	r = s3_account_open(arena, &conf, ret);
	unit_folder_remove(folder);
	return r;
}

static void
test_key_files(void **state)
{
	static const char *const bad[] = {
		"", "id", "id\n", "\nsecret\n", "i d\nsecret\n", "i/d\nsecret\n", "id\nse cret\n"
	};
	struct s3_account account;

	(void)state;
	assert_int_equal(open_with("id\r\nse/cret+=\n", &account), 0);
	assert_str(account.id, "id");
	assert_str(account.secret, "se/cret+=");
	assert_str(account.host, "store.example:9000");
	assert_false(account.tls);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(open_with(bad[i], &account) > 0);
}

#define OBJECT(key, size, at)                                                                                               \
	"<Contents><Key>" key "</Key><LastModified>" at "</LastModified><Size>" size "</Size></Contents>"

static void
test_listing(void **state)
{
	struct str xml = STR("<ListBucketResult><IsTruncated>false</IsTruncated>" OBJECT("ren/ab/1/std.webp", "17",
	                                                                                 "2026-01-02T03:04:05.678Z")
	                             OBJECT("b", "0", "2026-01-02T03:04:05Z") "</ListBucketResult>");
	struct s3_object object;
	struct str text;

	(void)state;
	assert_true(s3_element(xml, STR("IsTruncated"), &text));
	assert_str(text, "false");
	assert_false(s3_element(xml, STR("Code"), &text));
	assert_true(s3_listing_next(&xml, &object));
	assert_str(object.key, "ren/ab/1/std.webp");
	assert_int_equal(object.size, 17);
	assert_int_equal(object.modified_us, INT64_C(1767323045678000));
	assert_true(s3_listing_next(&xml, &object));
	assert_str(object.key, "b");
	assert_false(s3_listing_next(&xml, &object));
}

static void
test_listings_that_are_none(void **state)
{
	static const char *const bad[] = { "",
		                           "<Contents>",
		                           "<Contents></Contents>",
		                           "<Contents><Key>a</Key></Contents>",
		                           OBJECT("a", "-1", "2026-01-02T03:04:05Z"),
		                           OBJECT("a", "x", "2026-01-02T03:04:05Z"),
		                           OBJECT("a", "1", "yesterday"),
		                           "</Contents><Contents><Key>a" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct str xml = str_c(bad[i]);
		struct s3_object object;

		assert_false(s3_listing_next(&xml, &object));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_authorization, setup, teardown),
		cmocka_unit_test_setup_teardown(test_presigned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listings_that_are_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
