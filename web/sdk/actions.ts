/*
 * What is done to messages, conversations and people. What feels instant is shown before the server has answered; a refusal takes
 * it back and is thrown to whoever asked.
 */
import { uniqueId, type Clock } from './clock.ts';
import type { MessageEdit, Rest, SendMessage } from './rest.ts';
import type { Store } from './store.ts';
import type { Id, Message, MySettings, Role, Time } from './types.ts';

export class Actions {
	constructor(
		private readonly rest: Rest,
		private readonly store: () => Store,
		private readonly clock: Clock,
	) {}

	// ---- messages ------------------------------------------------------------------------------------------------------

	react(message: Message, emoji: string, yes: boolean): Promise<void> {
		const ask = yes ? this.rest.react : this.rest.unreact;
		return this.guessed(message, { reactions: reacted(message, emoji, yes) }, () => ask(message.id, emoji));
	}

	edit(message: Message, edit: MessageEdit): Promise<void> {
		const guess = { content: edit.content, mentions: edit.mentions ?? [], edited_at: new Date(this.clock.now()).toISOString() };
		return this.guessed(message, guess, () => this.rest.edit(message.id, { ...edit, if_version: message.version }));
	}

	vote(message: Message, options: number[]): Promise<void> {
		const poll = message.poll && { ...message.poll, my_votes: options };
		return this.guessed(message, { poll }, () => this.rest.vote(message.id, options));
	}

	pin(message: Message, yes: boolean): Promise<void> {
		return this.guessed(message, { pinned: yes }, () => (yes ? this.rest.pin(message.id) : this.rest.unpin(message.id)));
	}

	async star(message: Message, yes: boolean): Promise<void> {
		const store = this.store();
		store.starred(message.id, yes);
		try {
			await (yes ? this.rest.star(message.id) : this.rest.unstar(message.id));
		} catch (error) {
			store.starred(message.id, !yes);
			throw error;
		}
	}

	async deleteForEveryone(message: Message): Promise<void> {
		const store = this.store();
		const tombstone = await this.rest.deleteForEveryone(message.id);
		if (tombstone?.seq) store.replaced(tombstone);
	}

	async deleteForMe(message: Message): Promise<void> {
		const store = this.store();
		await this.rest.deleteForMe(message.id);
		store.hide(message.id);
	}

	/** Shows `change` at once; the answer, or any event meanwhile, replaces it. */
	private async guessed(message: Message, change: Partial<Message>, ask: () => Promise<Message>): Promise<void> {
		const store = this.store();
		store.guess({ ...message, ...change });
		try {
			store.replaced(await ask());
		} catch (error) {
			store.guess(message);
			throw error;
		}
	}

	schedule(conversation: Id, sendAt: Time, message: Omit<SendMessage, 'client_id'>, key = uniqueId()): Promise<unknown> {
		return this.rest.schedule(conversation, { client_id: key, ...message, send_at: sendAt });
	}

	async unschedule(id: Id): Promise<void> {
		const store = this.store();
		await this.rest.unschedule(id);
		store.setScheduled([...store.scheduled.values()].filter((item) => item.scheduled_id !== id));
	}

	// ---- conversations -------------------------------------------------------------------------------------------------

	async settings(id: Id, change: Partial<MySettings>): Promise<void> {
		const store = this.store();
		const before = store.rooms.get(id)?.info.my;
		store.setMine(id, change);
		try {
			await this.rest.settings(id, change);
		} catch (error) {
			if (before) store.setMine(id, before);
			throw error;
		}
	}

	async markUnread(id: Id, seq: number): Promise<void> {
		const store = this.store();
		store.adopt(await this.rest.markUnread(id, seq), this.clock.now());
	}

	async setRole(id: Id, user: Id, role: Role): Promise<void> {
		const store = this.store();
		const changed = await this.rest.setRole(id, user, role);
		const all = store.rooms.get(id)?.info.participants;
		if (all) store.setParticipants(id, all.map((p) => (p.user.id === user ? changed : p)));
	}

	async leave(id: Id): Promise<void> {
		const store = this.store();
		await this.rest.removeParticipant(id, store.me);
		store.dropRoom(id);
	}

	// ---- people --------------------------------------------------------------------------------------------------------

	async block(user: Id, yes: boolean): Promise<void> {
		const store = this.store();
		await (yes ? this.rest.block(user) : this.rest.unblock(user));
		store.setBlocked(user, yes);
	}
}

function reacted(message: Message, emoji: string, yes: boolean): Message['reactions'] {
	const before = message.reactions.find((r) => r.emoji === emoji);
	if ((before?.me ?? false) === yes) return message.reactions;
	if (!before) return [...message.reactions, { emoji, count: 1, me: true }];
	const count = before.count + (yes ? 1 : -1);
	return message.reactions.map((r) => (r === before ? { emoji, count, me: yes } : r)).filter((r) => r.count > 0);
}
