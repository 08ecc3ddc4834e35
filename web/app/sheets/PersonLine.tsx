// Somebody in a list, with what can be done at the end of the line.
import type { ComponentChildren } from 'preact';
import type { User } from '../../sdk/index.ts';
import { userName } from '../format.ts';
import { Avatar } from '../parts.tsx';
import { peal, watch } from '../state.ts';

interface Props {
	user: User;
	note?: ComponentChildren;
	children?: ComponentChildren;
}

export function PersonLine({ user, note, children }: Props) {
	watch('presence');
	return (
		<li class="person" data-user={user.username}>
			<Avatar id={user.id} name={userName(user)} url={user.avatar_url} presence={peal.store.presence.get(user.id)} />
			<span class="person-body">
				<b>
					{userName(user)}
					{user.id === peal.store.me && ' (you)'}
				</b>
				<span>{note ?? `@${user.username}`}</span>
			</span>
			{children}
		</li>
	);
}
