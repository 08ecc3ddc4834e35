/*
 * limits -- what the contract allows and no configuration changes. /capabilities tells clients.
 */
#ifndef PEAL_FCGI_LIMITS_H
#define PEAL_FCGI_LIMITS_H

#define LIMIT_MY_REACTIONS   20 /* different ones of one person on one message */
#define LIMIT_REACTIONS      50 /* different ones on one message */
#define LIMIT_PINS           50 /* in a conversation */
#define LIMIT_ATTACHMENTS    10 /* of a message */
#define LIMIT_MENTIONS       50 /* in a message */
#define LIMIT_POLL_OPTIONS   12
#define LIMIT_QUESTION       300           /* of a poll; code points, as all texts here */
#define LIMIT_OPTION         100           /* of a poll */
#define LIMIT_POLL_SECONDS   (365 * 86400) /* until it closes */
#define LIMIT_EXPIRES        (365 * 86400) /* seconds that a message may ask for */
#define LIMIT_PLACE_NAME     100           /* of a location */
#define LIMIT_ADDRESS        300           /* of a location */
#define LIMIT_CALL_SECONDS   (7 * 86400)
#define LIMIT_CIPHERTEXT     87384         /* 64 KiB in base64 */
#define LIMIT_TTL_SECONDS    (365 * 86400) /* of a conversation's messages */
#define LIMIT_RETENTION_DAYS 36500
#define LIMIT_SLOW_SECONDS   (6 * 3600)
#define LIMIT_PRESENCE_IDS   100 /* people in one question */
#define LIMIT_DISPLAY_NAME   64  /* code points */
#define LIMIT_STATUS_TEXT    256 /* code points */
#define LIMIT_TOKEN_NAME     64  /* code points */
#define LIMIT_TOKEN_DAYS     366
#define LIMIT_REPORT_NOTE    1000 /* code points; of a report and of who handles it */

#endif
