/* fcgi/members.c -- people, names and avatars of groups, as they come from outside; ringing for what was changed. */
#include <errno.h>

#include "members.h"
#include "publish.h"
#include "reply.h"
#include "text.h"
#include "wire/link.h"

struct bell {
	char stream;
	int64_t id, after;
	size_t n;
};

static void
ring(struct req *req, void *arg)
{
	const struct bell *bell = arg;

	publish_log(req, bell->stream, bell->id, bell->after, bell->n);
}

static void
ring_later(struct req *req, struct bell bell)
{
	struct bell *kept = arena_new_of(req->arena, struct bell);

	*kept = bell;
	req_after_commit(req, ring, kept);
}

void
members_ring(struct req *req, int64_t conversation_id, const struct logged *logged)
{
	if (logged->n)
		ring_later(req,
		           (struct bell){ 'c', conversation_id, logged->seq + logged->rev - (int64_t)logged->n, logged->n });
}

void
members_ring_user(struct req *req, int64_t user_id, int64_t user_rev)
{
	if (user_rev)
		ring_later(req, (struct bell){ 'u', user_id, user_rev - 1, 1 });
}

int
members_ids(struct req *req, const char *path, const json_t *array, const int64_t **ret, size_t *ret_n)
{
	size_t n = json_array_size(array);
	int64_t *ids = arena_alloc_array(req->arena, n + 1, sizeof(*ids));

	if (!json_is_array(array))
		return req_invalid(req, path, "type", "Must be an array of user ids.");
	if (n > GROUP_BRING_MAX)
		return req_invalid(req, path, "too_long", "One request brings at most 100 people.");
	for (size_t i = 0; i < n; i++) {
		const json_t *id = json_array_get(array, i);
		struct str text = json_is_string(id) ? str_n(json_string_value(id), json_string_length(id)) : STR_NONE;

		if (!str_id(text, &ids[i])) {
			struct str place = arena_printf(req->arena, "%s/%zu", path, i);

			return req_invalid(req, arena_cstr(req->arena, place), "format", "This is not the id of a user.");
		}
	}
	*ret = ids;
	*ret_n = n;
	return 0;
}

int
members_name(struct req *req, struct str *name)
{
	if (!str_present(*name))
		return 0;
	if (text_blank(*name) || !str_one_line(*name))
		return req_invalid(req, "/name", "format", "A name is one line with something in it.");
	*name = str_trim(*name);
	return 0;
}

int
members_avatar(struct req *req, struct str avatar_id)
{
	if (!str_present(avatar_id) || attachment_id_ok(avatar_id))
		return 0;
	return req_invalid(req, "/avatar_id", "format", "This is not the id of an attachment.");
}

int
members_refused(struct req *req, int r, const char *people_path)
{
	if (r == CONFLICT)
		req->detail = "The avatar is not a picture of yours, or a message uses it.";
	if (r == INVALID && people_path)
		return req_invalid(req, people_path, "unknown", "One of these is nobody.");
	return trace(r);
}

int
members_reply(struct req *req, int status, int64_t conversation_id)
{
	struct conversation conversation;
	int r = conversation_get(req->db, req->arena, req->me, conversation_id, &conversation);

	return r ? trace(r) : reply_conversation(req, status, &conversation);
}

int
members_again(struct req *req, struct str made)
{
	int64_t id;

	return str_id(made, &id) ? members_reply(req, 200, id) : fault(-EPROTO);
}
