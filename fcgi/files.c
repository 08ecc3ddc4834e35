/* fcgi/files.c -- asking the keeper of peal-media. */
#include "base/ask.h"
#include "base/log.h"
#include "files.h"

#define KEEPER_TIMEOUT_MS 1000

void
files_remove(struct req *req, struct str ids)
{
	struct cgi_answer answer;
	struct str body;
	int r;

	if (!str_present(ids))
		return;
	body = arena_printf(req->arena, "{\"ids\":%.*s}", STR_ARG(ids));
	r = ask_post(req->arena, conf_door(req->arena, req->conf, "keeper"), "/remove", req->id, body, KEEPER_TIMEOUT_MS,
	             &answer);
	if (r || answer.status != 204)
		LOG(WARNING, "files_not_removed_yet", L_STR("id", req->id), L_CSTR("outcome", outcome_info(r)->code));
}
