// Members whose name begins with what stands after the @.
import type { User } from '../sdk/index.ts';
import { userName } from './format.ts';
import { Avatar } from './parts.tsx';

export function suggestions(tail: string, members: User[], me: string): User[] {
	const small = tail.toLocaleLowerCase();
	const fits = (name: string) => name.toLocaleLowerCase().split(/\s+/).some((word) => word.startsWith(small)) || name.toLocaleLowerCase().startsWith(small);
	return members.filter((user) => user.id !== me && (fits(user.display_name) || fits(user.username))).slice(0, 6);
}

interface Props {
	people: User[];
	at: number;
	onPick: (user: User) => void;
}

export function Suggest({ people, at, onPick }: Props) {
	return (
		<ul class="suggest" role="listbox" aria-label="Members" id="suggest">
			{people.map((user, i) => (
				<li
					key={user.id}
					role="option"
					id={`suggest-${i}`}
					aria-selected={i === at}
					onPointerDown={(e) => {
						e.preventDefault();
						onPick(user);
					}}
				>
					<Avatar id={user.id} name={userName(user)} url={user.avatar_url} size="s" />
					<b>{userName(user)}</b>
					<span>@{user.username}</span>
				</li>
			))}
		</ul>
	);
}
