/*
 * What was begun to be written. Kept on the shelf at once, so that a reload or a lost network takes nothing, and on the server a
 * moment later, so that other devices have it. What is on the shelf is what the server does not know yet.
 */
import type { Clock } from './clock.ts';
import type { Shelf } from './outbox.ts';
import { asProblem } from './problem.ts';
import type { Draft, Id } from './types.ts';

export const DRAFT_MS = 1200;
const AGAIN_MS = 10_000;

export interface DraftDeps {
	shelf: Shelf;
	clock: Clock;
	/** The draft as this device last heard of it. */
	there(conversation: Id): Draft | null | undefined;
	/** The server has taken it. */
	taken(conversation: Id, draft: Draft | null): void;
	put(conversation: Id, content: string, replyTo: Id | null): Promise<void>;
	drop(conversation: Id): Promise<void>;
	changed(conversation: Id): void;
}

interface Kept {
	content: string;
	reply_to: Id | null;
}

export class Drafts {
	private readonly timers = new Map<Id, () => void>();
	private readonly held = new Map<Id, Kept>();
	private readonly prefix: string;
	private open = true;

	constructor(
		user: Id,
		private readonly deps: DraftDeps,
	) {
		this.prefix = `peal.draft.${user}.`;
		for (let i = 0; i < deps.shelf.length; i++) {
			const key = deps.shelf.key(i);
			if (!key?.startsWith(this.prefix)) continue;
			const id = key.slice(this.prefix.length);
			this.held.set(id, parse(deps.shelf.getItem(key) ?? ''));
			this.later(id, DRAFT_MS);
		}
	}

	of(id: Id): Kept {
		return this.held.get(id) ?? this.deps.there(id) ?? { content: '', reply_to: null };
	}

	keep(id: Id, content: string, replyTo: Id | null): void {
		const before = this.of(id);
		const kept = content.trim() === '' ? { content: '', reply_to: null } : { content, reply_to: replyTo };
		if (before.content === kept.content && before.reply_to === kept.reply_to) return;
		this.held.set(id, kept);
		try {
			this.deps.shelf.setItem(this.prefix + id, JSON.stringify(kept));
		} catch {
			// the shelf is full: it lives in memory
		}
		this.later(id, DRAFT_MS);
		if ((before.content === '') !== (kept.content === '')) this.deps.changed(id);
	}

	/** No more from here; `forget`: also what is on the shelf. */
	close(forget: boolean): void {
		this.open = false;
		for (const cancel of this.timers.values()) cancel();
		if (forget) for (const id of this.held.keys()) this.deps.shelf.removeItem(this.prefix + id);
		this.held.clear();
	}

	private later(id: Id, ms: number): void {
		this.timers.get(id)?.();
		this.timers.set(
			id,
			this.deps.clock.after(ms, () => void this.sync(id)),
		);
	}

	private async sync(id: Id): Promise<void> {
		const kept = this.held.get(id);
		if (!kept) return;
		const there = this.deps.there(id);
		const same = (there?.content ?? '') === kept.content && (there?.reply_to ?? null) === kept.reply_to;
		try {
			if (!same && kept.content === '') await this.deps.drop(id);
			else if (!same) await this.deps.put(id, kept.content, kept.reply_to);
		} catch (error) {
			const problem = asProblem(error);
			if (this.open && problem.retryable) return this.later(id, (problem.retryAfterMs ?? 0) + AGAIN_MS);
			if (this.open) this.release(id); // such as a conversation that is no longer ours
			return;
		}
		if (!this.open || this.held.get(id) !== kept) return; // there is something newer on its way
		this.release(id);
		if (!same) this.deps.taken(id, kept.content ? { ...kept, updated_at: new Date().toISOString() } : null);
	}

	private release(id: Id): void {
		this.held.delete(id);
		this.deps.shelf.removeItem(this.prefix + id);
	}
}

/** Earlier versions kept the bare text. */
function parse(text: string): Kept {
	try {
		const kept = JSON.parse(text) as Partial<Kept>;
		if (typeof kept.content === 'string') return { content: kept.content, reply_to: kept.reply_to ?? null };
	} catch {
		// bare text
	}
	return { content: text, reply_to: null };
}
