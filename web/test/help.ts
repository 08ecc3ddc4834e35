// A clock that tests move, a wire that tests speak through, and small makers of what travels.
import { webcrypto } from 'node:crypto';
import type { Clock } from '../sdk/clock.ts';
import type { Shelf } from '../sdk/outbox.ts';
import type { Wire } from '../sdk/socket.ts';
import type { Conversation, Message, NewMessage } from '../sdk/types.ts';

// Browsers have it; Node does from 19 on.
if (!globalThis.crypto) Object.defineProperty(globalThis, 'crypto', { value: webcrypto });

export class HandClock implements Clock {
	time = 1_000_000;
	chance = 1;
	private due: { at: number; fn: () => void }[] = [];

	now = () => this.time;
	random = () => this.chance;
	after = (ms: number, fn: () => void) => {
		const entry = { at: this.time + ms, fn };
		this.due.push(entry);
		return () => {
			this.due = this.due.filter((e) => e !== entry);
		};
	};

	/** Lets time pass, timer by timer, and everything that was promised meanwhile happen. */
	async pass(ms: number): Promise<void> {
		const end = this.time + ms;
		await settle();
		for (;;) {
			const next = this.due.filter((e) => e.at <= end).sort((a, b) => a.at - b.at)[0];
			if (!next) break;
			this.due = this.due.filter((e) => e !== next);
			this.time = next.at;
			next.fn();
			await settle();
		}
		this.time = end;
	}
}

export const settle = async () => {
	for (let i = 0; i < 20; i++) await Promise.resolve();
};

export class FakeWire implements Wire {
	said: Record<string, unknown>[] = [];
	closedWith: number | undefined;
	onopen: ((e: never) => void) | null = null;
	onmessage: ((e: { data: unknown }) => void) | null = null;
	onclose: ((e: { code: number }) => void) | null = null;
	onerror: ((e: never) => void) | null = null;

	send(text: string): void {
		this.said.push(JSON.parse(text) as Record<string, unknown>);
	}
	close(code?: number): void {
		this.closedWith = code;
	}
	open(): void {
		this.onopen?.(undefined as never);
	}
	hear(...frames: unknown[]): void {
		for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
	}
	end(code: number): void {
		this.onclose?.({ code });
	}
	of(type: string): Record<string, unknown>[] {
		return this.said.filter((f) => f.type === type);
	}
}

export class MapShelf implements Shelf {
	readonly kept = new Map<string, string>();
	get length(): number {
		return this.kept.size;
	}
	getItem = (key: string) => this.kept.get(key) ?? null;
	setItem = (key: string, value: string) => {
		this.kept.set(key, value);
	};
	removeItem = (key: string) => {
		this.kept.delete(key);
	};
	key = (index: number) => [...this.kept.keys()][index] ?? null;
}

export function message(seq: number, sender: string, more: Partial<Message> = {}): Message {
	return {
		id: `10.${seq}`,
		conversation_id: '10',
		seq,
		rev: 0,
		version: 1,
		sender_id: sender,
		client_id: `k${seq}`,
		message_type: 'text',
		content: `text ${seq}`,
		location: null,
		poll: null,
		call: null,
		system: null,
		encrypted: null,
		mentions: [],
		attachments: [],
		reply_to: null,
		forward_of: null,
		reactions: [],
		pinned: false,
		read_count: 0,
		delivered_count: 0,
		expires_at: null,
		created_at: new Date(1_700_000_000_000 + seq * 1000).toISOString(),
		edited_at: null,
		deleted_at: null,
		...more,
	};
}

export const said = (seq: number, rev: number, sender: string, more: Partial<Message> = {}): NewMessage => ({
	type: 'new_message',
	conversation_id: '10',
	seq,
	rev,
	data: { message: message(seq, sender, more) },
});

export function conversation(lastSeq: number, lastRev: number, more: Partial<Conversation> = {}): Conversation {
	return {
		id: '10',
		type: 'direct',
		name: 'Bob',
		peer: { id: '2', username: 'bob', display_name: 'Bob' },
		created_at: new Date(1_600_000_000_000).toISOString(),
		updated_at: new Date(1_600_000_000_000).toISOString(),
		last_seq: lastSeq,
		last_rev: lastRev,
		participant_count: 2,
		last_message: null,
		unread_count: 0,
		mention_count: 0,
		my: { read_seq: lastSeq, unread_from: null, role: 'member', pinned: false, archived: false },
		...more,
	};
}
