// Who reacted to a message, and whom it has reached.
import type { Message, Reactor, Receipt } from '../../sdk/index.ts';
import { exactTime } from '../format.ts';
import { nameOf } from '../names.ts';
import { peal, watchRoom } from '../state.ts';
import { useLoad } from './load.ts';
import { PersonLine } from './PersonLine.tsx';
import { Sheet } from './Sheet.tsx';
import { Waiting } from './Waiting.tsx';

export function Who({ message }: { message: Message }) {
	watchRoom(message.conversation_id);
	const mine = message.sender_id === peal.store.me;
	const place = peal.store.rooms.get(message.conversation_id)?.place;
	const reactors = useLoad(() => peal.rest.reactors(message.id), [message.id, place?.rev]);
	const receipts = useLoad(() => peal.rest.receipts(message.id), [message.id]);
	return (
		<Sheet title="Message info">
			<p class="sheet-note">
				{mine ? 'Sent' : `Sent by ${nameOf(message.sender_id)}`} on {exactTime(message.created_at)}
				{message.expires_at && `. It disappears on ${exactTime(message.expires_at)}`}.
			</p>
			<h3>Reactions</h3>
			<Waiting loaded={reactors}>{(page) => <Reactors items={page.items} />}</Waiting>
			<h3>Read and delivered</h3>
			<Waiting loaded={receipts}>{(page) => <Receipts items={page.items} />}</Waiting>
		</Sheet>
	);
}

function Reactors({ items }: { items: Reactor[] }) {
	if (items.length === 0) return <p class="sheet-note">None yet.</p>;
	return (
		<ul>
			{items.map(({ user, emojis, reacted_at }) => (
				<PersonLine key={user.id} user={user} note={exactTime(reacted_at)}>
					<span class="person-emoji">{emojis.join(' ')}</span>
				</PersonLine>
			))}
		</ul>
	);
}

function Receipts({ items }: { items: Receipt[] }) {
	if (items.length === 0) return <p class="sheet-note">It has reached nobody yet.</p>;
	return (
		<ul class="plain">
			{items.map((receipt) => {
				const at = receipt.status === 'read' ? receipt.read_at : receipt.delivered_at;
				return (
					<li key={receipt.user_id}>
						<b>{nameOf(receipt.user_id)}</b>
						<span>
							{receipt.status}
							{at && `, ${exactTime(at)}`}
						</span>
					</li>
				);
			})}
		</ul>
	);
}
