// Names, times and links as people read them.
import type { Conversation, Mention, Message, Presence, User } from '../sdk/index.ts';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' });
const shortWeekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const shortDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const longDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
export const dayOf = (at: number | string) => midnight(new Date(at));
const daysAgo = (at: Date, now: Date) => Math.round((midnight(now) - midnight(at)) / 86_400_000);

export const timeOfDay = (at: number | string) => clock.format(new Date(at));
export const exactTime = (at: number | string) => full.format(new Date(at));

export function dayLabel(at: number, now = new Date()): string {
	const date = new Date(at),
		days = daysAgo(date, now);
	if (days === 0) return 'Today';
	if (days === 1) return 'Yesterday';
	return days < 7 && days > 0 ? weekday.format(date) : longDate.format(date);
}

/** Short, for the list. */
export function listTime(at: number | string, now = new Date()): string {
	const date = new Date(at),
		days = daysAgo(date, now);
	if (days <= 0) return clock.format(date);
	if (days === 1) return 'Yesterday';
	return days < 7 ? shortWeekday.format(date) : shortDate.format(date);
}

export function lastSeen(presence: Presence | undefined, now = Date.now()): string {
	if (presence?.status === 'online') return 'online';
	if (presence?.status === 'away') return 'away';
	if (!presence?.last_seen_at) return 'offline';
	const seconds = Math.max(0, Math.round((now - Date.parse(presence.last_seen_at)) / 1000));
	if (seconds < 90) return 'last seen just now';
	if (seconds < 3600) return `last seen ${relative.format(-Math.round(seconds / 60), 'minute')}`;
	if (seconds < 86_400) return `last seen ${relative.format(-Math.round(seconds / 3600), 'hour')}`;
	return `last seen ${relative.format(-Math.round(seconds / 86_400), 'day')}`;
}

export const userName = (user: User | null | undefined) => user?.display_name || user?.username || 'Somebody';
export const displayName = (info: Conversation) => info.name || userName(info.peer) || 'Conversation';

export function initials(name: string): string {
	const words = name.trim().split(/\s+/).filter(Boolean);
	const letters = [words[0], words.length > 1 ? words[words.length - 1] : undefined].map((w) =>
		w ? Array.from(w)[0] : '',
	);
	return letters.join('').toLocaleUpperCase() || '?';
}

/** One of eight colours, the same for one id everywhere. */
export function hue(id: string): number {
	let sum = 7;
	for (const char of id) sum = (sum * 31 + char.charCodeAt(0)) >>> 0;
	return sum % 8;
}

export interface Piece {
	text: string;
	href?: string;
	/** Whom it mentions. */
	user?: string;
}

/** The same with mentions, whose places are counted in code points. */
export function spans(text: string, mentions: Mention[]): Piece[] {
	if (mentions.length === 0) return pieces(text);
	const points = Array.from(text);
	const found: Piece[] = [];
	let from = 0;
	for (const { user_id, offset, length } of [...mentions].sort((a, b) => a.offset - b.offset)) {
		if (offset < from || offset + length > points.length) continue;
		found.push(...pieces(points.slice(from, offset).join('')));
		found.push({ text: points.slice(offset, offset + length).join(''), user: user_id });
		from = offset + length;
	}
	return [...found, ...pieces(points.slice(from).join(''))];
}

/** Members whom a text names as @Name or @username; the longest name that fits. */
export function mentionsIn(text: string, members: User[]): Mention[] {
	const names = members
		.flatMap((user) => [user.display_name, user.username].filter(Boolean).map((name) => ({ id: user.id, name })))
		.sort((a, b) => b.name.length - a.name.length);
	const found: Mention[] = [];
	for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
		if (at > 0 && /[\p{L}\p{N}_]/u.test(text[at - 1]!)) continue;
		const rest = text.slice(at + 1);
		const hit = names.find(({ name }) => rest.toLowerCase().startsWith(name.toLowerCase()) && !/^[\p{L}\p{N}_]/u.test(rest.slice(name.length)));
		if (!hit) continue;
		const points = (s: string) => Array.from(s).length;
		found.push({ user_id: hit.id, offset: points(text.slice(0, at)), length: points(hit.name) + 1 });
		at += hit.name.length;
	}
	return found.slice(0, 50);
}

/** What is being typed after an @ at the end of what stands before the cursor; null when nothing is. */
export const mentionTail = (before: string) => /(?:^|[^\p{L}\p{N}_])@([\p{L}\p{N}._-]*(?: [\p{L}\p{N}._-]*)?)$/u.exec(before)?.[1] ?? null;

const UNITS: [number, string][] = [
	[86_400 * 7, 'week'],
	[86_400, 'day'],
	[3600, 'hour'],
	[60, 'minute'],
	[1, 'second'],
];

/** 3600 as "1 hour". */
export function duration(seconds: number): string {
	const [size, unit] = UNITS.find(([n]) => seconds % n === 0 && seconds >= n) ?? [1, 'second'];
	const n = seconds / size;
	return `${n} ${unit}${n === 1 ? '' : 's'}`;
}

/** Splits text at web addresses; closing punctuation stays outside of them. */
export function pieces(text: string): Piece[] {
	const found: Piece[] = [];
	let from = 0;
	for (const match of text.matchAll(/https?:\/\/[^\s<>"']+/g)) {
		const href = match[0].replace(/[.,;:!?)\]}]+$/, '');
		if (!URL.canParse?.(href)) continue;
		if (match.index > from) found.push({ text: text.slice(from, match.index) });
		found.push({ text: href, href });
		from = match.index + href.length;
	}
	if (from < text.length) found.push({ text: text.slice(from) });
	return found;
}

/** Up to three pictographs and nothing else are shown large. */
export function isJumbo(text: string): boolean {
	return /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s*){1,3}$/u.test(
		text.trim(),
	);
}

const KINDS: Partial<Record<Message['message_type'], string>> = {
	image: 'Picture',
	audio: 'Voice message',
	video: 'Video',
	file: 'File',
	encrypted: 'Encrypted message',
};

export function excerpt(message: Message | null): string {
	if (!message) return '';
	if (message.deleted_at) return 'Message deleted';
	if (message.content) return message.content.replace(/\s+/g, ' ');
	if (message.poll) return `Poll: ${message.poll.question}`;
	if (message.location) return message.location.name ? `Location: ${message.location.name}` : 'Location';
	if (message.call) return callText(message.call);
	return KINDS[message.message_type] ?? `(${message.message_type})`;
}

export function callText(call: NonNullable<Message['call']>): string {
	const what = call.media === 'video' ? 'Video call' : 'Call';
	if (call.outcome !== 'completed') return `${what}: ${call.outcome}`;
	const minutes = Math.floor(call.duration_seconds / 60);
	return `${what}, ${minutes}:${String(call.duration_seconds % 60).padStart(2, '0')}`;
}

/** Minutes and seconds, as on a player. */
export function clockOf(ms: number): string {
	const seconds = Math.round(ms / 1000);
	return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

export function sizeText(bytes: number): string {
	const units = ['bytes', 'KB', 'MB', 'GB'];
	let n = bytes,
		unit = 0;
	for (; n >= 999.5 && unit < units.length - 1; unit++) n /= 1000;
	return `${n < 10 && unit > 0 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}
