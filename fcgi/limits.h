/*
 * limits -- what the contract allows and no configuration changes. /capabilities tells clients.
 */
#ifndef PEAL_FCGI_LIMITS_H
#define PEAL_FCGI_LIMITS_H

#define LIMIT_MY_REACTIONS 20 /* different ones of one person on one message */
#define LIMIT_REACTIONS    50 /* different ones on one message */
#define LIMIT_PINS         50 /* in a conversation */
#define LIMIT_POLL_OPTIONS 12
#define LIMIT_PRESENCE_IDS 100 /* people in one question */
#define LIMIT_DISPLAY_NAME 64  /* code points */
#define LIMIT_STATUS_TEXT  256 /* code points */

#endif
