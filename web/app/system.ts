// What a conversation says about itself, in words. No DOM.
import type { Id, Message } from '../sdk/index.ts';
import { duration } from './format.ts';

/** `name` says "You" of me. */
export function systemText(message: Message, name: (id: Id) => string, me: Id): string {
	const by = name(message.sender_id);
	const system = message.system;
	if (!system) return '';
	const ids = system.user_ids ?? [];
	const people = list(ids.map((id) => (id === me ? 'you' : name(id))));
	switch (system.kind) {
		case 'created':
			return `${by} created the group${system.name ? ` “${system.name}”` : ''}`;
		case 'renamed':
			return `${by} named the group “${system.name ?? ''}”`;
		case 'avatar_changed':
			return `${by} changed the picture`;
		case 'member_added':
			return `${by} added ${people}`;
		case 'member_removed':
			return `${by} removed ${people}`;
		case 'member_left':
			return `${by} left`;
		case 'role_changed':
			return `${by} made ${people} ${system.role === 'member' ? 'a member' : system.role === 'admin' ? 'an admin' : 'an owner'}`;
		case 'ttl_changed':
			return system.ttl_seconds ? `${by} let messages disappear after ${duration(system.ttl_seconds)}` : `${by} let messages stay`;
		case 'history_changed':
			return system.history === 'all'
				? `${by} showed new members what was said before`
				: `${by} hid from new members what was said before`;
		case 'settings_changed':
			return `${by} ${settings(system.retention_days, system.slow_mode_seconds)}`;
	}
}

function settings(days: number | null | undefined, seconds: number | null | undefined): string {
	const said: string[] = [];
	if (days !== undefined) said.push(`set messages to be kept ${days ? `for ${duration(days * 86_400)}` : 'for good'}`);
	if (seconds !== undefined) said.push(seconds ? `turned on slow mode (${duration(seconds)})` : 'ended slow mode');
	return said.join(' and ') || 'changed the settings';
}

export function list(names: string[]): string {
	if (names.length <= 1) return names[0] ?? '';
	if (names.length > 4) return `${names.slice(0, 3).join(', ')} and ${names.length - 3} others`;
	return `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}
