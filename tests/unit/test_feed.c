/* test_feed.c -- lib/wire/feed: records and frames. What feed_publish() does is seen in tests/jobs, with a real Redis. */
#include "unit.h"
#include "wire/feed.h"
#include "wire/presence.h"

#define AT        INT64_C(1767323045678901)
#define TIMESTAMP "\"timestamp\":\"2026-01-02T03:04:05.678Z\"}"

static struct buf out;

static void
test_records_there_and_back(void **state)
{
	const struct feed_header h = { FEED_DURABLE, 'c', 12, 913, 882, STR("7,8"), STR_NONE };
	struct feed_header back;

	(void)state;
	buf_clear(&out);
	feed_write_header(&out, &h);
	assert_str(buf_view(&out), "d c12 913 882 7,8\n");
	buf_str(&out, STR("{\"type\":\"x\"}"));
	assert_true(feed_parse(buf_view(&out), &back));
	assert_int_equal(back.kind, FEED_DURABLE);
	assert_int_equal(back.stream, 'c');
	assert_int_equal(back.id, 12);
	assert_int_equal(back.position, 913);
	assert_int_equal(back.seq, 882);
	assert_str(back.recipients, "7,8");
	assert_str(back.frame, "{\"type\":\"x\"}");
	assert_true(feed_parse(STR("m u7 0 0\n{}"), &back));
	assert_false(str_present(back.recipients));
	assert_int_equal(back.kind, FEED_MARK);
	assert_true(feed_parse(STR("w u7 0 0 12\n{}"), &back));
	assert_int_equal(back.kind, FEED_UNWATCH);
	assert_str(back.recipients, "12");
}

static void
test_presence(void **state)
{
	struct presence p = { 7, presence_status_of(2, true), AT };

	(void)state;
	buf_clear(&out);
	frame_presence(&out, &p, AT);
	assert_str(buf_view(&out), "{\"type\":\"presence\",\"data\":{\"user_id\":\"7\",\"status\":\"online\",\"last_seen_"
	                           "at\":null}," TIMESTAMP);
	assert_int_equal(presence_status_of(2, false), PRESENCE_AWAY);
	p.status = presence_status_of(0, true);
	buf_clear(&out);
	frame_presence(&out, &p, AT);
	assert_str(buf_view(&out),
	           "{\"type\":\"presence\",\"data\":{\"user_id\":\"7\",\"status\":\"offline\",\"last_seen_at\":"
	           "\"2026-01-02T03:04:05.678Z\"}," TIMESTAMP);
}

static void
test_malformed_records(void **state)
{
	static const char *const bad[] = { "",
		                           "d c12 1 1",
		                           "y c12 1 1\n{}",
		                           "d x12 1 1\n{}",
		                           "d c 1 1\n{}",
		                           "d c0 1 1\n{}",
		                           "d c12 1\n{}",
		                           "d c12 -1 1\n{}",
		                           "d c12 1 -1\n{}",
		                           "dd c12 1 1\n{}",
		                           "d c12 01 1\n{}",
		                           " c12 1 1\n{}" };
	struct feed_header h;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (feed_parse(str_c(bad[i]), &h))
			print_error("accepted: %s\n", bad[i]);
		assert_false(feed_parse(str_c(bad[i]), &h));
	}
}

static void
test_marks_and_ephemeral_frames(void **state)
{
	struct conversation c = { .id = 12, .unread_count = 3, .mention_count = 1 };

	(void)state;
	c.my.read_seq = 9;
	buf_clear(&out);
	frame_mark(&out, MARK_READ, 12, 7, 882, AT);
	assert_str(
	        buf_view(&out),
	        "{\"type\":\"message_read\",\"conversation_id\":\"12\",\"data\":{\"user_id\":\"7\",\"seq\":882}," TIMESTAMP);
	buf_clear(&out);
	frame_mark(&out, MARK_DELIVERED, 12, 7, 882, AT);
	assert_str(buf_view(&out), "{\"type\":\"message_delivered\",\"conversation_id\":\"12\",\"data\":{\"user_id\":\"7\","
	                           "\"seq\":882}," TIMESTAMP);
	buf_clear(&out);
	frame_typing(&out, 12, 7, true, STR("audio"), AT);
	assert_str(buf_view(&out), "{\"type\":\"typing\",\"conversation_id\":\"12\",\"data\":{\"user_id\":\"7\",\"is_"
	                           "typing\":true,\"kind\":\"audio\"}," TIMESTAMP);
	buf_clear(&out);
	frame_skipped(&out, &(struct event_place){ 12, 882, 31, AT });
	assert_str(buf_view(&out), "{\"type\":\"skipped\",\"conversation_id\":\"12\",\"seq\":882,\"rev\":31}");
	buf_clear(&out);
	frame_user_changed(
	        &out,
	        &(struct user_change){
	                .kind = USER_EVENT_READ, .user_rev = 41, .at = AT, .conversation_id = 12, .conversation = &c });
	assert_str(buf_view(&out), "{\"type\":\"user_changed\",\"user_rev\":41,\"kind\":\"read\",\"data\":{\"conversation_"
	                           "id\":\"12\",\"read_seq\":9,"
	                           "\"unread_from\":null,\"unread_count\":3,\"mention_count\":1}," TIMESTAMP);
}

#define PLACE "\"conversation_id\":\"12\",\"seq\":882,\"rev\":31,\"data\":"
#define NOBODY                                                                                                              \
	"{\"id\":\"9\",\"username\":\"carol\",\"display_name\":\"Carol\",\"avatar_id\":null,\"avatar_url\":null,\"status_"  \
	"text\":null,\"bot\":false"

static void
test_events_without_a_message(void **state)
{
	const struct event_place at = { 12, 882, 31, AT };
	const struct message m = {
		.conversation_id = 12, .seq = 7, .rev = 31, .reactions_json = STR("[{\"emoji\":\"x\",\"count\":1}]")
	};
	const struct member carol = { .user = { .id = 9, .username = STR("carol"), .display_name = STR("Carol") },
		                      .role = ROLE_ADMIN };
	const struct conversation direct = {
		.id = 12, .kind = CONVERSATION_DIRECT, .name = STR("Carol"), .first_seq = 1, .updated_at = AT
	};
	struct message gone = m;

	(void)state;
	gone.deleted_at = AT;
	buf_clear(&out);
	frame_reaction(&out, &at, EVENT_REACTION_ADDED, &m, 9, STR("x"));
	assert_str(buf_view(&out),
	           "{\"type\":\"reaction_added\"," PLACE "{\"message_id\":\"12.7\",\"message_rev\":31,\"user_id\":\"9\","
	           "\"emoji\":\"x\",\"reactions\":[{\"emoji\":\"x\",\"count\":1}]}," TIMESTAMP);
	buf_clear(&out);
	frame_reaction(&out, &at, EVENT_REACTION_REMOVED, &gone, 9, STR("x"));
	assert_str(buf_view(&out),
	           "{\"type\":\"reaction_removed\"," PLACE "{\"message_id\":\"12.7\",\"message_rev\":31,\"user_id\":\"9\","
	           "\"emoji\":\"x\",\"reactions\":[]}," TIMESTAMP);
	buf_clear(&out);
	frame_member_added(&out, &at, &carol, 7, 3);
	assert_str(buf_view(&out), "{\"type\":\"member_added\"," PLACE "{\"member\":{\"user\":" NOBODY
	                           "},\"role\":\"admin\",\"receipt_seq\":0,"
	                           "\"delivered_seq\":0},\"by\":\"7\",\"participant_count\":3}," TIMESTAMP);
	buf_clear(&out);
	frame_member_removed(&out, &at, 9, 7, 2);
	assert_str(buf_view(&out), "{\"type\":\"member_removed\"," PLACE
	                           "{\"user_id\":\"9\",\"by\":\"7\",\"participant_count\":2}," TIMESTAMP);
	buf_clear(&out);
	frame_conversation_updated(&out, &at, &direct, STR("ttl_seconds,retention_days"), NULL);
	assert_str(
	        buf_view(&out),
	        "{\"type\":\"conversation_updated\"," PLACE
	        "{\"conversation\":{\"id\":\"12\",\"type\":\"direct\",\"name\":null,"
	        "\"avatar_id\":null,\"avatar_url\":null,\"history\":\"joined\",\"ttl_seconds\":null,\"retention_days\":null,"
	        "\"slow_mode_seconds\":null,\"participant_count\":0,\"first_seq\":1,\"updated_at\":"
	        "\"2026-01-02T03:04:05.678Z\"},\"changed\":[\"ttl_seconds\",\"retention_days\"]}," TIMESTAMP);
}

static void
changed(struct user_change u, const char *kind, const char *data)
{
	char want[512];

	u.user_rev = 41;
	u.at = AT;
	u.conversation_id = 12;
	buf_clear(&out);
	frame_user_changed(&out, &u);
	snprintf(want, sizeof(want), "{\"type\":\"user_changed\",\"user_rev\":41,\"kind\":\"%s\",\"data\":%s," TIMESTAMP,
	         kind, data);
	assert_str(buf_view(&out), want);
}

static void
test_my_own_stream(void **state)
{
	struct conversation c = { .id = 12 };

	(void)state;
	c.my.notify = 2;
	changed((struct user_change){ .kind = USER_EVENT_STAR, .seq = 7, .on = true }, "star",
	        "{\"message_id\":\"12.7\",\"starred\":true}");
	changed((struct user_change){ .kind = USER_EVENT_HIDDEN, .seq = 7 }, "hidden", "{\"message_id\":\"12.7\"}");
	changed((struct user_change){ .kind = USER_EVENT_DRAFT, .conversation = &c, .draft_json = STR("{}") }, "draft",
	        "{\"conversation_id\":\"12\",\"draft\":{}}");
	changed((struct user_change){ .kind = USER_EVENT_SCHEDULED, .target_id = 5 }, "scheduled",
	        "{\"scheduled_id\":\"5\",\"scheduled\":null}");
	changed((struct user_change){ .kind = USER_EVENT_SETTINGS, .conversation = &c }, "settings",
	        "{\"conversation_id\":\"12\",\"my\":{\"notify\":\"mentions\",\"muted_until\":null,\"archived\":false,"
	        "\"pinned\":false}}");
	changed((struct user_change){ .kind = USER_EVENT_BLOCK, .target_id = 9 }, "block",
	        "{\"user_id\":\"9\",\"blocked\":false}");
	changed((struct user_change){ .kind = USER_EVENT_REMOVED, .seq = 882, .rev = 31 }, "removed",
	        "{\"conversation_id\":\"12\",\"seq\":882,\"rev\":31}");
	/* what is no longer mine: nothing is told of it, and nothing is taken from whoever is back by now */
	changed((struct user_change){ .kind = USER_EVENT_READ }, "removed",
	        "{\"conversation_id\":\"12\",\"seq\":0,\"rev\":0}");
	changed((struct user_change){ .kind = USER_EVENT_SETTINGS }, "removed",
	        "{\"conversation_id\":\"12\",\"seq\":0,\"rev\":0}");
}

/* One line, whatever is in it: records are split at the first newline, pages at every one. */
static void
test_frames_hold_no_newline(void **state)
{
	struct message m = { .conversation_id = 12,
		             .seq = 1,
		             .version = 1,
		             .sender_id = 7,
		             .client_id = STR("a\nb"),
		             .kind = MESSAGE_TEXT,
		             .content = STR("line\r\nline\tand \"quotes\""),
		             .created_at = AT };
	struct conversation c = {
		.id = 12, .kind = CONVERSATION_GROUP, .name = STR("two\nlines"), .has_last_message = true, .last_message = m
	};

	(void)state;
	buf_clear(&out);
	frame_message(&out, &(struct event_place){ 12, 1, 1, AT }, EVENT_NEW_MESSAGE, &m);
	frame_message(&out, &(struct event_place){ 12, 1, 2, AT }, EVENT_MESSAGE_DELETED, &m);
	frame_conversation_created(&out, &(struct event_place){ 12, 0, 1, AT }, &c, 7);
	assert_null(memchr(out.p, '\n', out.n));
	assert_true(str_has_prefix(
	        buf_view(&out),
	        STR("{\"type\":\"new_message\",\"conversation_id\":\"12\",\"seq\":1,\"rev\":1,\"data\":{\"message\":{")));
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
		cmocka_unit_test(test_records_there_and_back), cmocka_unit_test(test_presence),
		cmocka_unit_test(test_malformed_records),      cmocka_unit_test(test_marks_and_ephemeral_frames),
		cmocka_unit_test(test_frames_hold_no_newline), cmocka_unit_test(test_events_without_a_message),
		cmocka_unit_test(test_my_own_stream),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
