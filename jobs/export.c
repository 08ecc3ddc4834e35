/*
 * export.c -- gathers what people have asked for, all of theirs, page by page, and lets peal-media make archives of it (media/export.h).
 *
 * A turn is one page: what was read is given to peal-media, then the place is noted. Whoever dies in between reads that page again. What
 * messages say, and which of them their person sees, is what the same statements and views give REST.
 */
#include <errno.h>
#include <jansson.h>

#include "../lib/base/ask.h"
#include "../lib/base/fail.h"
#include "../lib/base/log.h"
#include "../lib/store/conversation.h"
#include "../lib/store/export.h"
#include "../lib/store/message.h"
#include "../lib/wire/feed.h"
#include "../lib/wire/link.h"
#include "../lib/wire/view.h"
#include "duty.h"

#define PAGE_MOST     ((size_t)900 * 1024)
#define PAGE_ENOUGH   ((size_t)256 * 1024)
#define LINES         200
#define MESSAGES      100
#define CONVERSATIONS 20
#define TURNS         4 /* before others have their turn */
#define DOOR_MS       2000
#define POLL_MS       500
#define NAME_MOST     120 /* bytes of a file's own name */
#define EXPIRE_US     SECONDS(60)

/* The small lists, in the order of phases; then what follows. */
static const char *const lists[] = { "account",       "sessions", "tokens",    "bots",    "passkeys", "identities",
	                             "notifications", "blocks",   "scheduled", "reports", "uploads",  NULL };
enum { PHASE_README, PHASE_LISTS, PHASE_CONVERSATIONS = 20, PHASE_MESSAGES, PHASE_BUILD };

static const char readme[] =
        "Everything of yours on this server that you may see today.\n"
        "\n"
        "*.ndjson files have one JSON object per line; times are UTC. Members are named as in the API (/docs on your "
        "server).\n"
        "\n"
        "account.ndjson        your profile and privacy\n"
        "sessions.ndjson       where you are, or were, signed in\n"
        "tokens.ndjson         access tokens of yours and your bots, without the tokens themselves\n"
        "bots.ndjson           programs that you made\n"
        "passkeys.ndjson       keys that sign you in\n"
        "identities.ndjson     providers that know you\n"
        "notifications.ndjson  browsers and apps that are told when you are away\n"
        "blocks.ndjson         whom you block\n"
        "scheduled.ndjson      messages that are still to be sent\n"
        "reports.ndjson        what you have reported\n"
        "uploads.ndjson        your picture, and files that no message has\n"
        "conversations.ndjson  each conversation with its people (32 at most), and `my`: role, settings, marks and draft\n"
        "messages/<conversation>.ndjson\n"
        "                      what you see there, oldest first, calls among it. `starred`, `reactions[].me` and "
        "`poll.my_votes` are\n"
        "                      yours. What is end-to-end encrypted is as it was sent.\n"
        "files/                attachments that you sent, as a download gives them: <conversation>.<seq>-<number>-<name>\n"
        "\n"
        "Links in attachments stop working within two days. Files that were deleted while this was made are missing.\n";

struct page {
	struct buf text, files;
};

static void
page_begin(struct page *p)
{
	buf_init(&p->text, PAGE_MOST);
	buf_init(&p->files, PAGE_MOST);
}

static void
page_end(struct page *p)
{
	buf_deinit(&p->text);
	buf_deinit(&p->files);
}

/* ---- peal-media ---- */

static int
post(struct work *w, const struct export *e, const char *what, struct str body, struct cgi_answer *ret)
{
	const char *uri = arena_printf(w->arena, "/export/%.*s/%s", STR_ARG(e->id), what).p;
	int r = ask_post(w->arena, conf_door(w->arena, w->conf, "keeper"), uri, STR(""), body, DOOR_MS, ret);

	if (r == UNCERTAIN)
		return UNAVAILABLE; /* the same page may be given again */
	if (r)
		return trace(r);
	if (ret->status == 507)
		return NO_SPACE;
	return ret->status < 300 ? 0 : UNAVAILABLE;
}

static int
give(struct work *w, struct export *e, const struct buf *text)
{
	struct cgi_answer answer;
	char part[24];
	int r;

	if (!text->n)
		return 0;
	if (buf_failed(text))
		return fault(-EMSGSIZE);
	snprintf(part, sizeof(part), "%lld", (long long)e->part + 1);
	r = post(w, e, part, buf_view(text), &answer);
	if (!r)
		e->part++;
	return r;
}

/* ---- pages ---- */

/* What a file is called in the archive: nothing in it leads out of a folder, on any system. */
static void
safe_name(struct buf *b, struct str name)
{
	size_t n = name.n < NAME_MOST ? name.n : NAME_MOST;

	while (n < name.n && n && (name.p[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		buf_char(b, (unsigned char)name.p[i] < 0x20 || strchr("/\\:*?\"<>|\x7f", name.p[i]) ? '_' : name.p[i]);
}

static struct str
text_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? str_n(json_string_value(v), json_string_length(v)) : STR_NONE;
}

/* The file that a download of it gives, as fcgi/endpoint/media_original_get.c chooses it. */
static void
add_file(struct work *w, struct buf *files, const json_t *a, struct str prefix, size_t no)
{
	struct str id = text_of(a, "id"), kind = text_of(a, "kind"), name = text_of(a, "name"),
	           rendition = text_of(json_array_get(json_object_get(a, "renditions"), 0), "name");
	bool whole = str_eq(kind, STR("file")) || (str_eq(kind, STR("video")) && !str_eq(rendition, STR("video")));
	struct str file = STR("original");

	if (!attachment_id_ok(id) || !str_eq(text_of(a, "state"), STR("ready")) || (!whole && !str_present(rendition)))
		return;
	if (!whole)
		file = arena_printf(w->arena, "%.*s.%s", STR_ARG(rendition), link_extension(rendition));
	if (!files->n)
		buf_str(files, STR("@files\n"));
	buf_printf(files, "%.*s/%.*s\tfiles/%.*s-%zu-", STR_ARG(id), STR_ARG(file), STR_ARG(prefix), no);
	safe_name(files, str_present(name) ? name : kind);
	if (!whole)
		buf_printf(files, ".%s", link_extension(rendition));
	buf_char(files, '\n');
}

static void
add_files(struct work *w, struct buf *files, struct str attachments, struct str prefix)
{
	json_t *all = str_present(attachments) ? json_loadb(attachments.p, attachments.n, 0, NULL) : NULL, *one;
	size_t i;

	json_array_foreach(all, i, one) add_file(w, files, one, prefix, i + 1);
	json_decref(all);
}

static int
lists_page(struct work *w, struct export *e, struct page *p)
{
	const char *list = lists[e->phase - PHASE_LISTS];
	struct str *lines;
	size_t n, i;
	int r = export_lines(w->db, w->arena, e->user_id, list, e->seq, LINES, &lines, &n);

	if (r)
		return trace(r);
	if (n || !e->seq)
		buf_printf(&p->text, "%s.ndjson\n", list);
	for (i = 0; i < n && p->text.n < PAGE_ENOUGH; i++) {
		buf_str(&p->text, lines[i]);
		buf_char(&p->text, '\n');
		if (!strcmp(list, "uploads"))
			add_files(w, &p->files, arena_printf(w->arena, "[%.*s]", STR_ARG(lines[i])),
			          arena_printf(w->arena, "upload-%lld", (long long)e->seq + (int64_t)i + 1));
	}
	e->seq += (int64_t)i;
	if (i < n || n == LINES)
		return 0;
	e->seq = 0;
	e->phase = lists[e->phase + 1 - PHASE_LISTS] ? e->phase + 1 : PHASE_CONVERSATIONS;
	return 0;
}

static int
conversations_page(struct work *w, struct export *e, struct page *p)
{
	struct conversation c;
	struct json_out out;
	int64_t id = 1;
	int r = 0;

	buf_str(&p->text, STR("conversations.ndjson\n"));
	for (int i = 0; !r && i < CONVERSATIONS && p->text.n < PAGE_ENOUGH; i++) {
		r = export_conversation(w->db, w->arena, e->user_id, e->conversation_id, &id);
		if (r || !id)
			break;
		r = conversation_get(w->db, w->arena, e->user_id, id, &c);
		if (!r) {
			json_begin(&out, &p->text);
			view_conversation(&out, NULL, &c, e->user_id);
			json_end(&out);
			buf_char(&p->text, '\n');
		}
		r = r == NOT_FOUND ? 0 : r;
		e->conversation_id = id;
	}
	if (!r && !id) {
		e->conversation_id = 0;
		e->phase = PHASE_MESSAGES;
	}
	return r ? trace(r) : 0;
}

static void
write_message(struct work *w, struct export *e, struct page *p, const struct message *m)
{
	struct json_out out;

	json_begin(&out, &p->text);
	view_message(&out, NULL, m, e->user_id);
	json_end(&out);
	buf_char(&p->text, '\n');
	if (m->sender_id == e->user_id && !m->deleted_at)
		add_files(w, &p->files, m->attachments_json,
		          arena_printf(w->arena, "%lld.%lld", (long long)m->conversation_id, (long long)m->seq));
	e->seq = m->seq;
	e->messages++;
}

static int
messages_page(struct work *w, struct export *e, struct page *p)
{
	struct message_page page = { 0 };
	int64_t id;
	size_t i = 0;
	int r = export_conversation(w->db, w->arena, e->user_id, e->conversation_id, &id);

	if (r)
		return trace(r);
	if (!id) {
		e->phase = PHASE_BUILD;
		return 0;
	}
	r = message_page(w->db, w->arena, e->user_id, id, PAGE_AFTER, e->seq, MESSAGES, &page);
	if (r && r != NOT_FOUND)
		return trace(r);
	if (page.n)
		buf_printf(&p->text, "messages/%lld.ndjson\n", (long long)id);
	for (; i < page.n && p->text.n < PAGE_ENOUGH; i++)
		write_message(w, e, p, &page.messages[i]);
	if (i < page.n || page.has_after)
		return 0;
	e->conversation_id = id; /* done with it */
	e->seq = 0;
	return 0;
}

static int
gather(struct work *w, struct export *e, struct page *p)
{
	if (e->phase == PHASE_CONVERSATIONS)
		return conversations_page(w, e, p);
	if (e->phase == PHASE_MESSAGES)
		return messages_page(w, e, p);
	if (e->phase >= PHASE_LISTS)
		return lists_page(w, e, p);
	buf_printf(&p->text, "README.txt\n%s", readme);
	e->phase = PHASE_LISTS;
	return 0;
}

static int
turn(struct work *w, struct export *e)
{
	struct page p;
	int r;

	page_begin(&p);
	r = gather(w, e, &p);
	if (!r)
		r = give(w, e, &p.text);
	if (!r)
		r = give(w, e, &p.files);
	page_end(&p);
	FAILPOINT("jobs.export_given");
	return r ? trace(r) : export_advance(w->db, w->arena, e, 0);
}

/* ---- the archive ---- */

static int
finish(struct work *w, const struct export *e, const json_t *answer)
{
	struct feed_header header = { .kind = FEED_EPHEMERAL, .stream = 'u' };
	struct str attachment;
	struct buf frame;
	int r = export_finish(w->db, w->arena, e->id, json_integer_value(json_object_get(answer, "size")),
	                      text_of(answer, "sha256"), w->conf->export_keep_hours, &header.id, &attachment);

	if (r || !header.id)
		return trace(r);
	FAILPOINT("jobs.export_finished");
	LOG(NOTICE, "exported", L_INT("user", e->user_id), L_STR("export", e->id), L_INT("messages", e->messages),
	    L_INT("missing", json_integer_value(json_object_get(answer, "missing"))));
	buf_init(&frame, 1 << 20);
	frame_attachment_ready(&frame, 0, 0, attachment, clock_wall_us());
	if (feed_publish(w->redis, w->arena, &header, buf_view(&frame), &header.id, 1) < 0)
		err_clear(); /* whoever asks learns it */
	buf_deinit(&frame);
	return 0;
}

/* From the beginning: what peal-media had is not there. */
static int
again(struct work *w, struct export *e)
{
	e->phase = e->part = e->conversation_id = e->seq = e->messages = 0;
	return export_advance(w->db, w->arena, e, 1000);
}

static int
over(struct work *w, struct export *e, int r)
{
	struct cgi_answer answer;

	if (!r && post(w, e, "end", STR("{}"), &answer) < 0)
		err_clear(); /* it goes a day later */
	return r ? trace(r) : 0;
}

static int
ask_for_it(struct work *w, struct export *e)
{
	struct str body = arena_printf(w->arena, "{\"parts\":%lld}", (long long)e->part), state, failure;
	struct cgi_answer answer;
	json_t *json;
	int r = post(w, e, "build", body, &answer);

	if (r)
		return trace(r);
	json = json_loadb(answer.body.p, answer.body.n, 0, NULL);
	state = text_of(json, "state");
	failure = text_of(json, "failure");
	if (str_eq(state, STR("done")))
		r = over(w, e, finish(w, e, json));
	else if (str_eq(failure, STR("not_found")))
		r = again(w, e);
	else if (str_present(failure))
		r = over(w, e, export_fail(w->db, w->arena, e->id, arena_cstr(w->arena, failure)));
	else
		r = export_advance(w->db, w->arena, e, POLL_MS);
	json_decref(json);
	return r ? trace(r) : 0;
}

static int
go_on(struct work *w, struct export *e)
{
	int r;

	if (e->gone)
		return over(w, e, export_fail(w->db, w->arena, e->id, NULL));
	r = e->phase == PHASE_BUILD ? ask_for_it(w, e) : turn(w, e);
	if (r == NO_SPACE)
		return over(w, e, export_fail(w->db, w->arena, e->id, "no_space"));
	return r ? trace(r) : 0;
}

static int
expire(struct work *w)
{
	int64_t expired = 0;
	int r = 0;

	if (clock_mono_us() < w->export.expire_at)
		return 0;
	r = export_expire(w->db, w->arena, LINES, &expired);
	if (!r && expired < LINES)
		w->export.expire_at = clock_mono_us() + EXPIRE_US;
	return r ? trace(r) : 0;
}

int
export_duty(struct work *w, int64_t *wait)
{
	struct export e;
	int r = expire(w);

	for (int i = 0; !r && i < TURNS; i++) {
		r = export_next(w->db, w->arena, &e);
		if (r == NOT_FOUND)
			return 0;
		if (!r)
			r = go_on(w, &e);
	}
	if (!r)
		*wait = MS(10);
	return r ? trace(r) : 0;
}
