// What the log shows, line by line: messages in groups, days between them, and where the unread ones begin. No DOM.
import type { Attachment, Message, Parcel, Pending, Room } from '../sdk/index.ts';
import { dayOf } from './format.ts';
import type { TickKind } from './icons.tsx';

const GROUP_MS = 5 * 60_000;

export interface Bubble {
	kind: 'bubble';
	key: string;
	mine: boolean;
	at: number;
	text: string;
	attachments: Attachment[];
	/** The message that this one answers. */
	parent: string | null;
	author: string;
	/** Place in a run of messages by one person. */
	first: boolean;
	last: boolean;
	message: Message | null;
	pending: Pending | null;
	parcel: Parcel | null;
}

export type Row =
	| Bubble
	| { kind: 'day'; key: string; at: number }
	| { kind: 'unread'; key: string }
	| { kind: 'note'; key: string; message: Message };

export function rowsOf(room: Room, pending: (Pending | Parcel)[], me: string, unreadFrom: number | null): Row[] {
	const rows: Row[] = [];
	let before: Bubble | null = null;
	let day: number | null = null;
	for (const next of [...room.messages.map((m) => said(m, me)), ...unsaid(room, pending, me)]) {
		if (dayOf(next.at) !== day) {
			day = dayOf(next.at);
			rows.push({ kind: 'day', key: `day-${day}`, at: day });
			before = null;
		}
		if (
			unreadFrom !== null &&
			next.message &&
			next.message.seq >= unreadFrom &&
			!rows.some((r) => r.kind === 'unread')
		) {
			rows.push({ kind: 'unread', key: 'unread' });
			before = null;
		}
		if (next.message?.message_type === 'system') {
			rows.push({ kind: 'note', key: next.key, message: next.message });
			before = null;
			continue;
		}
		if (before && before.author === next.author && next.at - before.at < GROUP_MS) {
			before.last = false;
			next.first = false;
		}
		rows.push(next);
		before = next;
	}
	return rows;
}

function said(message: Message, me: string): Bubble {
	return {
		kind: 'bubble',
		key: (message.sender_id === me && message.client_id) || message.id,
		mine: message.sender_id === me,
		author: message.sender_id,
		at: Date.parse(message.created_at),
		text: message.content ?? '',
		attachments: message.attachments,
		parent: message.reply_to?.id ?? null,
		first: true,
		last: true,
		message,
		pending: null,
		parcel: null,
	};
}

/** What is still on its way stands below everything, in the order typed, and never twice. */
function unsaid(room: Room, pending: (Pending | Parcel)[], me: string): Bubble[] {
	const there = new Set(
		room.messages
			.slice(-100)
			.filter((m) => m.sender_id === me)
			.map((m) => m.client_id),
	);
	const newest = room.messages.at(-1);
	const floor = newest ? Date.parse(newest.created_at) : 0;
	return pending
		.filter((p) => !there.has(p.client_id))
		.map((p) => ({
			kind: 'bubble',
			key: p.client_id,
			mine: true,
			author: me,
			at: Math.max(p.at, floor),
		text: p.content,
			attachments: 'file' in p ? [] : (p.attachments ?? []),
			parent: 'file' in p ? null : (p.more?.reply_to ?? null),
			first: true,
			last: true,
			message: null,
			pending: 'file' in p ? null : p,
			parcel: 'file' in p ? p : null,
		}));
}

export function tickOf(bubble: Bubble, status: () => TickKind): TickKind {
	const waiting = bubble.pending ?? bubble.parcel;
	if (waiting) return waiting.state === 'failed' ? 'failed' : 'pending';
	return status();
}
