/* test_view.c -- lib/wire/view: what users, messages and conversations look like, exactly. */
#include "unit.h"
#include "wire/view.h"

#define AT INT64_C(1767323045678901) /* 2026-01-02T03:04:05.678Z */

static struct buf out;

static struct str
message_text(const struct message *m, int64_t viewer)
{
	struct json_out w;

	buf_clear(&out);
	json_begin(&w, &out);
	if (viewer)
		view_message(&w, NULL, m, viewer);
	else
		view_message_shared(&w, NULL, m);
	json_end(&w);
	return buf_view(&out);
}

static struct message
a_message(void)
{
	return (struct message){ .conversation_id = 12,
		                 .seq = 881,
		                 .rev = 4,
		                 .version = 2,
		                 .sender_id = 7,
		                 .client_id = STR("c-1"),
		                 .kind = MESSAGE_TEXT,
		                 .content = STR("say \"hi\"\n"),
		                 .reply_seq = 880,
		                 .reply_sender_id = 8,
		                 .reply_excerpt = STR("and?"),
		                 .mentions_json = STR("[{\"user_id\":\"8\"}]"),
		                 .created_at = AT,
		                 .edited_at = AT,
		                 .read_count = 1,
		                 .delivered_count = 2,
		                 .member_count = 2 };
}

#define HEAD                                                                                                                \
	"{\"id\":\"12.881\",\"conversation_id\":\"12\",\"seq\":881,\"rev\":4,\"version\":2,\"sender_id\":\"7\",\"client_"   \
	"id\":\"c-1\","                                                                                                     \
	"\"message_type\":\"text\","
#define KINDS "\"location\":null,\"poll\":null,\"call\":null,\"system\":null,\"encrypted\":null,\"link_preview\":null,"
#define TIMES "\"forward_of\":null,\"created_at\":\"2026-01-02T03:04:05.678Z\",\"edited_at\":\"2026-01-02T03:04:05.678Z\","

static void
test_message_for_its_sender(void **state)
{
	struct message m = a_message();

	(void)state;
	assert_str(message_text(&m, 7), HEAD "\"content\":\"say \\\"hi\\\"\\n\"," KINDS
	                                     "\"reply_to\":{\"id\":\"12.880\",\"sender_id\":\"8\",\"excerpt\":\"and?\"},"
	                                     "\"mentions\":[{\"user_id\":\"8\"}],"
	                                     "\"attachments\":[],\"reactions\":[],\"starred\":false,\"pinned\":false,"
	                                     "\"status\":\"delivered\",\"read_count\":1,"
	                                     "\"delivered_count\":2," TIMES "\"deleted_at\":null,\"expires_at\":null}");
}

/* The same for every recipient: no starred, no status, no excerpt. */
static void
test_shared_form(void **state)
{
	struct message m = a_message();

	(void)state;
	assert_str(
	        message_text(&m, 0), HEAD
	        "\"content\":\"say \\\"hi\\\"\\n\"," KINDS "\"reply_to\":{\"id\":\"12.880\",\"sender_id\":\"8\"},"
	        "\"mentions\":[{\"user_id\":\"8\"}],\"attachments\":[],\"reactions\":[],\"pinned\":false,\"read_count\":1,"
	        "\"delivered_count\":2," TIMES "\"deleted_at\":null,\"expires_at\":null}");
}

static void
test_tombstone_has_no_content(void **state)
{
	struct message m = a_message();
	struct str text;

	(void)state;
	m.deleted_at = AT;
	text = message_text(&m, 8);
	assert_non_null(memmem(text.p, text.n, "\"content\":null", 14));
	assert_non_null(memmem(text.p, text.n, "\"mentions\":[]", 13));
	assert_null(memmem(text.p, text.n, "say", 3));
	assert_null(memmem(text.p, text.n, "\"status\"", 8)); /* not mine */
}

static void
assert_has(struct str text, const char *part)
{
	assert_non_null(memmem(text.p, text.n, part, strlen(part)));
}

/* What is one viewer's own stands in their form alone. */
static void
test_a_poll_and_my_votes(void **state)
{
	struct message m = a_message();

	(void)state;
	m.kind = MESSAGE_POLL;
	m.content = STR_NONE;
	m.extra_json = STR("{\"question\": \"?\", \"options\": [{\"text\": \"a\", \"count\": 1}]}");
	m.my_votes_json = STR("[0]");
	assert_has(message_text(&m, 8),
	           "\"location\":null,\"poll\":{\"question\":\"?\",\"options\":[{\"text\":\"a\",\"count\":1}],"
	           "\"my_votes\":[0]},\"call\":null");
	assert_has(message_text(&m, 0), "\"poll\":{\"question\": \"?\", \"options\": [{\"text\": \"a\", \"count\": 1}]},");
	m.my_votes_json = STR_NONE;
	assert_has(message_text(&m, 8), "\"my_votes\":[]}");
	m.deleted_at = AT;
	assert_has(message_text(&m, 8), "\"poll\":null");
}

static void
test_each_kind_has_its_member(void **state)
{
	static const char *const names[] = { [MESSAGE_LOCATION] = "location",
		                             [MESSAGE_CALL] = "call",
		                             [MESSAGE_SYSTEM] = "system",
		                             [MESSAGE_ENCRYPTED] = "encrypted" };
	struct message m = a_message();
	char part[40];

	(void)state;
	m.extra_json = STR("{\"x\": 1}");
	for (size_t kind = MESSAGE_TEXT; kind < sizeof(names) / sizeof(*names); kind++) {
		m.kind = (enum message_kind)kind;
		if (!names[kind])
			continue;
		snprintf(part, sizeof(part), "\"%s\":{\"x\": 1}", names[kind]);
		assert_has(message_text(&m, 8), part);
		assert_has(message_text(&m, 0), part);
	}
	m.kind = MESSAGE_TEXT; /* whatever was stored: a text has none */
	assert_has(message_text(&m, 8), KINDS);
}

static void
test_reactions_and_me(void **state)
{
	struct message m = a_message();

	(void)state;
	m.reactions_json = STR("[{\"count\": 2, \"emoji\": \"+\"}, {\"count\": 1, \"emoji\": \"-\"}]");
	m.my_reactions_json = STR("[\"-\"]");
	m.starred = m.pinned = true;
	assert_has(message_text(&m, 8),
	           "\"reactions\":[{\"emoji\":\"+\",\"count\":2,\"me\":false},{\"emoji\":\"-\",\"count\":1,\"me\":true}],"
	           "\"starred\":true,\"pinned\":true,");
	assert_has(message_text(&m, 0),
	           "\"reactions\":[{\"count\": 2, \"emoji\": \"+\"}, {\"count\": 1, \"emoji\": \"-\"}],\"pinned\":true,");
	m.my_reactions_json = STR_NONE;
	assert_has(message_text(&m, 8), "\"count\":1,\"me\":false}]");
	m.deleted_at = AT;
	assert_has(message_text(&m, 8), "\"reactions\":[],\"starred\":true,\"pinned\":false,");
}

static void
test_a_copy_and_its_end(void **state)
{
	struct message m = a_message();

	(void)state;
	m.forward_json = STR("{\"sender_id\": \"9\"}");
	m.expires_at = AT;
	assert_has(message_text(&m, 0), "\"forward_of\":{\"sender_id\": \"9\"},\"created_at\"");
	assert_has(message_text(&m, 0), "\"expires_at\":\"2026-01-02T03:04:05.678Z\"}");
	m.deleted_at = AT;
	assert_has(message_text(&m, 0), "\"forward_of\":null");
}

static void
check_status(int64_t reads, int64_t delivereds, int64_t others, const char *want)
{
	struct message m = a_message();
	char part[40];
	struct str text;

	m.read_count = reads;
	m.delivered_count = delivereds;
	m.member_count = others;
	text = message_text(&m, 7);
	snprintf(part, sizeof(part), "\"status\":\"%s\"", want);
	assert_non_null(memmem(text.p, text.n, part, strlen(part)));
}

static void
test_status_is_the_minimum_over_members(void **state)
{
	(void)state;
	check_status(0, 0, 2, "sent");
	check_status(0, 1, 2, "sent");
	check_status(1, 2, 2, "delivered");
	check_status(2, 2, 2, "read");
	check_status(0, 0, 0, "sent"); /* alone */
}

static void
test_kinds_there_and_back(void **state)
{
	enum message_kind kind;

	(void)state;
	for (int k = MESSAGE_TEXT; k <= MESSAGE_ENCRYPTED; k++) {
		assert_true(view_message_kind_parse(str_c(view_message_kind((enum message_kind)k)), &kind));
		assert_int_equal(kind, k);
	}
	assert_false(view_message_kind_parse(STR("Text"), &kind));
	assert_false(view_message_kind_parse(STR(""), &kind));
}

static void
test_conversation(void **state)
{
	const struct member members[] = { { .user = { .id = 7, .username = STR("ann"), .display_name = STR("Ann") },
		                            .role = ROLE_OWNER,
		                            .receipt_seq = 3,
		                            .delivered_seq = 4 } };
	struct conversation c = { .id = 12,
		                  .kind = CONVERSATION_GROUP,
		                  .name = STR("club"),
		                  .created_at = AT,
		                  .updated_at = AT,
		                  .first_seq = 1,
		                  .last_seq = 5,
		                  .last_rev = 2,
		                  .participant_count = 1,
		                  .history_all = true,
		                  .ttl_seconds = 60,
		                  .slow_mode_seconds = 30,
		                  .unread_count = 2,
		                  .mention_count = 1,
		                  .participants = members,
		                  .participants_n = 1 };
	struct json_out w;

	(void)state;
	c.my.read_seq = 3;
	c.my.unread_from = 2;
	c.my.role = ROLE_ADMIN;
	c.my.notify = 2;
	c.my.pinned = true;
	c.my.draft_json = STR("{\"content\":\"so\"}");
	buf_clear(&out);
	json_begin(&w, &out);
	view_conversation(&w, NULL, &c, 7);
	json_end(&w);
	assert_str(
	        buf_view(&out),
	        "{\"id\":\"12\",\"type\":\"group\",\"name\":\"club\",\"avatar_id\":null,\"avatar_url\":null,\"peer\":null,"
	        "\"created_at\":\"2026-01-02T03:04:05.678Z\",\"updated_at\":\"2026-01-02T03:04:05.678Z\",\"first_seq\":1,"
	        "\"last_seq\":5,"
	        "\"last_rev\":2,\"participant_count\":1,\"history\":\"all\",\"ttl_seconds\":60,\"retention_days\":null,"
	        "\"slow_mode_seconds\":30,"
	        "\"last_message\":null,\"unread_count\":2,\"mention_count\":1,\"my\":"
	        "{\"read_seq\":3,"
	        "\"unread_from\":2,\"role\":\"admin\",\"notify\":\"mentions\",\"muted_until\":null,\"archived\":false,"
	        "\"pinned\":true,"
	        "\"draft\":{\"content\":\"so\"}},\"participants\":[{\"user\":{\"id\":\"7\",\"username\":\"ann\",\"display_"
	        "name\":\"Ann\","
	        "\"avatar_id\":null,"
	        "\"avatar_url\":null,\"status_text\":null,\"bot\":false},\"role\":\"owner\",\"receipt_seq\":3,\"delivered_"
	        "seq\":4}]}");
}

static int
set_up(void **state)
{
	(void)state;
	buf_init(&out, 1 << 16);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	buf_deinit(&out);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_for_its_sender),   cmocka_unit_test(test_shared_form),
		cmocka_unit_test(test_tombstone_has_no_content), cmocka_unit_test(test_status_is_the_minimum_over_members),
		cmocka_unit_test(test_kinds_there_and_back),     cmocka_unit_test(test_a_poll_and_my_votes),
		cmocka_unit_test(test_each_kind_has_its_member), cmocka_unit_test(test_reactions_and_me),
		cmocka_unit_test(test_a_copy_and_its_end),       cmocka_unit_test(test_conversation),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
