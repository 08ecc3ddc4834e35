/*
 * notify -- what the files of notifications share: the words of one, and the two ways that it goes.
 */
#ifndef PEAL_JOBS_NOTIFY_H
#define PEAL_JOBS_NOTIFY_H

#include "../lib/base/conf.h"
#include "../lib/base/egress.h"
#include "../lib/base/webpush.h"
#include "../lib/store/notify.h"

#define WEB_PUSH_TEXT_MOST ((size_t)3000) /* of JSON: with more the words are left out */

/* Of the messages of one conversation a push service keeps the newest: by this name, which tells it nothing. */
struct str notify_topic(struct arena *, const struct notify_due *);
/* How long it is worth keeping, in seconds. */
int64_t notify_ttl(const struct conf *, const struct notify_due *, int64_t now_us);
/* JSON for the service worker; docs/notifications.md. */
struct str notify_payload(struct arena *, const struct conf *, const struct notify_due *);
/* The same as a request to FCM for one app. */
struct str notify_fcm_body(struct arena *, const struct conf *, const struct notify_due *, int64_t now_us);

/* Web Push: false when the subscription's keys are none. */
bool web_push_ask(struct arena *, struct vapid *, const struct conf *, const struct notify_due *, int64_t now_us,
                  struct egress_ask *ret);

/* FCM: an access token of Google's, asked for when it is needed. */
struct fcm;
struct fcm *fcm_load(const char *file, const char **ret_why);
struct fcm *fcm_free(struct fcm *);
enum fcm_state { FCM_READY, FCM_ASK, FCM_WAIT, FCM_LATER };
/* FCM_ASK: *ret is the request for a token, whose answer goes to fcm_answered(); until then FCM_WAIT. FCM_LATER: there was none, and it is too early to ask
 * again. */
enum fcm_state fcm_state(struct fcm *, struct arena *, int64_t now_us, struct egress_ask *ret);
void fcm_answered(struct fcm *, struct arena *, const struct egress_answer *, int64_t now_us);
/* The answer was lost, or the token refused: begin anew, not before `wait_us` from now. */
void fcm_forget(struct fcm *, int64_t now_us, int64_t wait_us);
void fcm_ask(struct fcm *, struct arena *, const struct conf *, const struct notify_due *, int64_t now_us,
             struct egress_ask *ret);

/* What an answer means. *ret_wait: seconds that it asks for, of NOTIFY_AGAIN. */
enum notify_outcome notify_judge(const struct notify_due *, const struct egress_answer *, int64_t *ret_wait);

#endif
