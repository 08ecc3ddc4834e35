/*
 * hub -- who hears what: channels and those who listen. Pure: no sockets, no clock, no allocation beyond channels.
 *
 * A channel is a kind and a user id: HUB_EVENTS is `u:<user>`, HUB_PRESENCE is `p:<user>`. A listener embeds a struct
 * hub_node per channel it is on, and owns it. A channel outlives its last listener until hub_forget(): the subscription
 * lingers. The fields of a channel below the line belong to feed.c and presence.c.
 */
#ifndef PEAL_PUSH_HUB_H
#define PEAL_PUSH_HUB_H

#include "table.h"

enum hub_kind { HUB_EVENTS = 'u', HUB_PRESENCE = 'p' };

/* What Redis knows of a channel. */
enum hub_heard { HEARD_NOT, HEARD_ASKED, HEARD_YES, HEARD_LEAVING };

struct hub_channel;

struct hub_node {
	struct hub_node *next, **at;
	struct hub_channel *channel; /* NULL: on none */
	void *listener;
};

struct hub_channel {
	int64_t user_id;
	struct hub_node *first; /* newest first */
	uint32_t n;             /* listeners */
	uint8_t kind;
	/* --- */
	uint8_t heard;
	bool online, away;             /* HUB_EVENTS: what was last announced */
	bool lingers;                  /* is in the line of next_left */
	int64_t active_until_ms;       /* HUB_EVENTS: when to ask Redis whether the person is away */
	int64_t left_ms;               /* when the last listener left; 0: there are some */
	struct hub_channel *next_left; /* feed.c: the line of channels that linger */
};

struct hub {
	struct table channels; /* (kind, user id) -> struct hub_channel */
};

/* Puts the node on the channel, which is made when missing. */
struct hub_channel *hub_join(struct hub *, enum hub_kind, int64_t user_id, struct hub_node *, void *listener);
/* Takes it off; returns the channel (even when nobody is left on it), or NULL when the node was on none. */
struct hub_channel *hub_leave(struct hub_node *);
struct hub_channel *hub_find(const struct hub *, enum hub_kind, int64_t user_id); /* NULL: no such channel */
void hub_forget(struct hub *, struct hub_channel *);                              /* frees an empty channel */
void hub_deinit(struct hub *);                                                    /* frees all; nodes are left dangling */

/* For each listener of a channel; fn may take its own node off, and no other. */
#define HUB_EACH(ch, node)                                                                                                  \
	for (struct hub_node *node = (ch)->first, *node##_next = NULL; node && (node##_next = node->next, true);            \
	     node = node##_next)

#endif
