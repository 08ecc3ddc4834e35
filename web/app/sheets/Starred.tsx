// The messages that I have starred, newest star first.
import { useState } from 'preact/hooks';
import type { Message } from '../../sdk/index.ts';
import { displayName, exactTime, excerpt } from '../format.ts';
import { nameOf } from '../names.ts';
import { attempt, peal, show } from '../state.ts';
import { useLoad } from './load.ts';
import { Sheet } from './Sheet.tsx';
import { Waiting } from './Waiting.tsx';

export function Starred() {
	const [turn, setTurn] = useState(0);
	const loaded = useLoad(() => peal.rest.starred(null, 100), [turn]);
	const line = (message: Message) => {
		const room = peal.store.rooms.get(message.conversation_id);
		const unstar = async () => {
			if (await attempt('Removing the star', () => peal.act.star(message, false))) setTurn(turn + 1);
		};
		return (
			<li key={message.id} class="card">
				<p class="card-head">
					<b>
						{nameOf(message.sender_id)}
						{room && ` · ${displayName(room.info)}`}
					</b>
					<time dateTime={message.created_at}>{exactTime(message.created_at)}</time>
				</p>
				<p dir="auto">{excerpt(message)}</p>
				<button type="button" class="link" onClick={() => void show(message.id)}>
					Show
				</button>{' '}
				<button type="button" class="link" onClick={() => void unstar()}>
					Remove the star
				</button>
			</li>
		);
	};
	return (
		<Sheet title="Starred messages">
			<Waiting loaded={loaded}>
				{(page) => (page.items.length === 0 ? <p class="sheet-note">No stars yet.</p> : <ul class="cards">{page.items.map(line)}</ul>)}
			</Waiting>
		</Sheet>
	);
}
