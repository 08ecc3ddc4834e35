/*
 * Forms of one message: as a page has it (the viewer's own), as events carry it (the same for everybody), and what a reaction says
 * of it. The newest by rev wins; what only the viewer's form has is carried over from an older one.
 */
import type { Id, Message, ReactionChanged } from './types.ts';

export function newest(...forms: (Message | undefined)[]): Message {
	const known = forms.filter((m): m is Message => m !== undefined).sort((a, b) => a.rev - b.rev);
	const last = known[known.length - 1]!;
	const had = <T>(of: (m: Message) => T | undefined) => [...known].reverse().map(of).find((v) => v !== undefined);
	const merged = { ...last };
	const status = had((m) => m.status);
	const starred = had((m) => m.starred);
	if (status !== undefined) merged.status = status;
	if (starred !== undefined) merged.starred = starred;
	if (last.reply_to) merged.reply_to = had((m) => (m.reply_to?.excerpt === undefined ? undefined : m.reply_to)) ?? last.reply_to;
	if (last.poll) merged.poll = { ...last.poll, ...votes(had((m) => m.poll?.my_votes)) };
	merged.reactions = last.reactions.map((r) => ({ ...r, ...mine(known, r.emoji) }));
	return merged;
}

const votes = (mine: number[] | undefined) => (mine === undefined ? {} : { my_votes: mine });

function mine(forms: Message[], emoji: string): { me?: boolean } {
	for (const form of [...forms].reverse()) {
		const me = form.reactions.find((r) => r.emoji === emoji)?.me;
		if (me !== undefined) return { me };
	}
	return {};
}

/** The message after a reaction, or as it was when that is no news. */
export function react(message: Message, change: ReactionChanged, me: Id): Message {
	const { data } = change;
	if (data.message_rev < message.rev) return message;
	const reactions = data.reactions.map((r) => {
		const before = message.reactions.find((old) => old.emoji === r.emoji)?.me ?? false;
		const own = data.user_id === me && data.emoji === r.emoji;
		return { ...r, me: own ? change.type === 'reaction_added' : before };
	});
	return { ...message, rev: data.message_rev, reactions };
}

export function seqOf(messageId: Id): { conversation: Id; seq: number } {
	const [conversation, seq] = messageId.split('.');
	return { conversation: conversation!, seq: Number(seq) };
}

export const expired = (message: Message, wall: number) =>
	message.expires_at !== null && message.expires_at !== undefined && Date.parse(message.expires_at) <= wall;
