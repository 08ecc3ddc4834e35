// People from the directory, several at once.
import { useEffect, useState } from 'preact/hooks';
import { asProblem, type Id, type User } from '../../sdk/index.ts';
import { userName } from '../format.ts';
import { ClearIcon } from '../icons.tsx';
import { Avatar, Spinner } from '../parts.tsx';
import { peal } from '../state.ts';

interface Props {
	chosen: User[];
	onChoose: (users: User[]) => void;
	/** Those who are in it already. */
	without: Id[];
}

export function Picker({ chosen, onChoose, without }: Props) {
	const [query, setQuery] = useState('');
	const { people, trouble } = useDirectory(query.trim());
	const shown = (people ?? []).filter((user) => user.id !== peal.store.me && !without.includes(user.id));
	const has = (id: Id) => chosen.some((user) => user.id === id);
	const toggle = (user: User) => onChoose(has(user.id) ? chosen.filter((c) => c.id !== user.id) : [...chosen, user]);
	return (
		<>
			{chosen.length > 0 && (
				<div class="chips" aria-label="Chosen">
					{chosen.map((user) => (
						<button key={user.id} type="button" class="chip" aria-label={`Remove ${userName(user)}`} onClick={() => toggle(user)}>
							{userName(user)} <ClearIcon />
						</button>
					))}
				</div>
			)}
			<input
				class="sheet-search"
				type="search"
				placeholder="Search people"
				aria-label="Search the directory"
				value={query}
				onInput={(e) => setQuery(e.currentTarget.value)}
			/>
			{trouble && <p class="sheet-trouble">{trouble}</p>}
			{people === null && (
				<div class="more">
					<Spinner label="Searching" />
				</div>
			)}
			{people !== null && shown.length === 0 && <p class="sheet-note">{query.trim() ? 'Nobody found.' : 'Search for somebody.'}</p>}
			<ul>
				{shown.map((user) => (
					<li key={user.id}>
						<label class="person is-choice" data-user={user.username}>
							<Avatar id={user.id} name={userName(user)} url={user.avatar_url} />
							<span class="person-body">
								<b>{userName(user)}</b>
								<span>@{user.username}</span>
							</span>
							<input type="checkbox" checked={has(user.id)} onChange={() => toggle(user)} />
						</label>
					</li>
				))}
			</ul>
		</>
	);
}

/** Those one talks to already, until something is searched for. */
function useDirectory(query: string): { people: User[] | null; trouble: string } {
	const [people, setPeople] = useState<User[] | null>(null);
	const [trouble, setTrouble] = useState('');
	useEffect(() => {
		if (query === '') return setPeople(peal.store.list().flatMap((room) => (room.info.peer ? [room.info.peer] : [])));
		let live = true;
		const timer = setTimeout(() => {
			peal.rest.searchUsers(query).then(
				(page) => live && (setPeople(page.items), setTrouble('')),
				(error) => live && (setPeople([]), setTrouble(asProblem(error).message)),
			);
		}, 180);
		return () => {
			live = false;
			clearTimeout(timer);
		};
	}, [query]);
	return { people, trouble };
}
