// Where a message is to be said again.
import { useState } from 'preact/hooks';
import type { Id, Message } from '../../sdk/index.ts';
import { displayName, excerpt } from '../format.ts';
import { Avatar } from '../parts.tsx';
import { goTo, liftAll, peal, tell } from '../state.ts';
import { Sheet } from './Sheet.tsx';

const MAX = 10;

export function Forward({ message }: { message: Message }) {
	const [chosen, choose] = useState<Id[]>([]);
	const [query, setQuery] = useState('');
	const small = query.trim().toLocaleLowerCase();
	const rooms = peal.store.list().filter((room) => displayName(room.info).toLocaleLowerCase().includes(small));
	const toggle = (id: Id) => choose(chosen.includes(id) ? chosen.filter((c) => c !== id) : [...chosen, id].slice(-MAX));
	const forward = () => {
		for (const id of chosen) peal.send(id, '', { forward_of: message.id });
		liftAll();
		if (chosen.length === 1) goTo(chosen[0]!);
		else tell(`Forwarded to ${chosen.length} conversations.`);
	};
	return (
		<Sheet
			title="Forward"
			foot={
				<button type="button" class="primary" disabled={chosen.length === 0} onClick={forward}>
					Forward{chosen.length > 1 && ` to ${chosen.length}`}
				</button>
			}
		>
			<div class="quote is-plain" dir="auto">
				<span>{excerpt(message)}</span>
			</div>
			<input
				class="sheet-search"
				type="search"
				placeholder="Search conversations"
				aria-label="Search conversations"
				value={query}
				onInput={(e) => setQuery(e.currentTarget.value)}
			/>
			<ul>
				{rooms.map((room) => (
					<li key={room.id}>
						<label class="person is-choice">
							<Avatar id={room.info.peer?.id ?? room.id} name={displayName(room.info)} url={room.info.avatar_url} />
							<span class="person-body">
								<b>{displayName(room.info)}</b>
							</span>
							<input type="checkbox" checked={chosen.includes(room.id)} onChange={() => toggle(room.id)} />
						</label>
					</li>
				))}
			</ul>
		</Sheet>
	);
}
