/* hub.c -- channels in one table, listeners in one list each. */
#include "hub.h"

#include "mem.h"

struct hub_channel *
hub_find(const struct hub *hub, enum hub_kind kind, int64_t user_id)
{
	struct table_slot *slot = table_get(&hub->channels, kind, user_id);

	return slot ? slot->p : NULL;
}

static struct hub_channel *
channel_need(struct hub *hub, enum hub_kind kind, int64_t user_id)
{
	struct table_slot *slot = table_put(&hub->channels, kind, user_id);
	struct hub_channel *ch = slot->p;

	if (!ch) {
		ch = slot->p = mem_zeroed(sizeof(*ch));
		ch->kind = (uint8_t)kind;
		ch->user_id = user_id;
	}
	return ch;
}

struct hub_channel *
hub_join(struct hub *hub, enum hub_kind kind, int64_t user_id, struct hub_node *node, void *listener)
{
	struct hub_channel *ch = channel_need(hub, kind, user_id);

	*node = (struct hub_node){ .next = ch->first, .at = &ch->first, .channel = ch, .listener = listener };
	if (node->next)
		node->next->at = &node->next;
	ch->first = node;
	ch->n++;
	return ch;
}

struct hub_channel *
hub_leave(struct hub_node *node)
{
	struct hub_channel *ch = node->channel;

	if (!ch)
		return NULL;
	*node->at = node->next;
	if (node->next)
		node->next->at = node->at;
	ch->n--;
	*node = (struct hub_node){ 0 };
	return ch;
}

void
hub_forget(struct hub *hub, struct hub_channel *ch)
{
	table_del(&hub->channels, ch->kind, ch->user_id);
	free(ch);
}

void
hub_deinit(struct hub *hub)
{
	for (struct table_slot *s = table_next(&hub->channels, NULL); s; s = table_next(&hub->channels, s))
		free(s->p);
	table_deinit(&hub->channels);
}
