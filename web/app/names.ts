// Who somebody is, what a conversation's own messages say, and how a message is named in a line.
import type { Id, Mention, Message, Room } from '../sdk/index.ts';
import { displayName, excerpt, mentionsIn, userName } from './format.ts';
import { peal, watch } from './state.ts';
import { list, systemText } from './system.ts';

/** To be called while rendering: an unknown name is asked for, and comes later. */
export function nameOf(id: Id): string {
	watch('people');
	if (id === peal.store.me) return 'You';
	return userName(peal.people.get(id));
}

/** The first name, where several people are named in a line. */
export const shortName = (id: Id) => nameOf(id).split(' ')[0] ?? '';

export const systemLine = (message: Message) => systemText(message, nameOf, peal.store.me);

/** One line about a message; in groups with who said it. */
export function preview(room: Room, message: Message): string {
	if (message.message_type === 'system') return systemLine(message);
	const text = excerpt(message);
	const named = room.info.type === 'group' && message.sender_id !== peal.store.me && !message.deleted_at;
	return named ? `${shortName(message.sender_id)}: ${text}` : text;
}

export const isAdmin = (room: Room) => room.info.type === 'group' && room.info.my.role !== 'member';

/** Of a direct conversation the other person, unless it is the one with myself. */
export const peerOf = (room: Room) => (room.info.peer && room.info.peer.id !== peal.store.me ? room.info.peer : null);

export const whomFor = (room: Room) => (room.info.type === 'direct' ? displayName(room.info) : 'everyone');

/** Who is typing, in groups by name. */
export function typingText(room: Room): string {
	const names = [...room.typing.keys()].map(shortName);
	if (room.info.type === 'direct' || names.length === 0) return 'typing…';
	return names.length === 1 ? `${names[0]} is typing…` : `${list(names)} are typing…`;
}

export const isMuted = ({ info: { my } }: Room) =>
	my.notify === 'none' || (!!my.muted_until && Date.parse(my.muted_until) > Date.now());

/** Whether I want to hear nothing of this message: muted, or not about me where only that counts. */
export function isQuiet(room: Room, message: Message): boolean {
	const named = message.mentions.some((m) => m.user_id === peal.store.me);
	return isMuted(room) || (room.info.my.notify === 'mentions' && !named);
}

/** Whom a text in this conversation names. */
export function mentionsFor(room: Room, text: string): Mention[] {
	if (room.info.type !== 'group') return [];
	return mentionsIn(text, (room.info.participants ?? []).map((p) => p.user));
}
