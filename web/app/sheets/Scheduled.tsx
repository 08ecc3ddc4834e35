// What waits to be sent, and what could not be.
import type { Scheduled as Item } from '../../sdk/index.ts';
import { displayName, exactTime } from '../format.ts';
import { ERRORS, type ErrorCode } from '../../sdk/index.ts';
import { attempt, peal, watch } from '../state.ts';
import { useLoad } from './load.ts';
import { Sheet } from './Sheet.tsx';
import { Waiting } from './Waiting.tsx';

const WHY: Partial<Record<ErrorCode, string>> = {
	blocked: 'you cannot write to this person',
	not_found: 'you are no longer in this conversation',
};

function why(code: string): string {
	return WHY[code as ErrorCode] ?? (code in ERRORS ? code.replace(/_/g, ' ') : 'unknown reason');
}

export function Scheduled() {
	watch('me');
	const loaded = useLoad(() => peal.loadScheduled(), []);
	const items = [...peal.store.scheduled.values()].sort((a, b) => a.send_at.localeCompare(b.send_at));
	return (
		<Sheet title="Scheduled messages">
			<Waiting loaded={loaded}>
				{() => (items.length === 0 ? <p class="sheet-note">Nothing is scheduled.</p> : <ul class="cards">{items.map(line)}</ul>)}
			</Waiting>
		</Sheet>
	);
}

function line(item: Item) {
	const room = peal.store.rooms.get(item.conversation_id);
	const remove = () => void attempt('Removing', () => peal.act.unschedule(item.scheduled_id));
	return (
		<li key={item.scheduled_id} class={item.failed_at ? 'card is-failed' : 'card'}>
			<p class="card-head">
				<b>{room ? displayName(room.info) : 'A conversation'}</b>
				<time dateTime={item.send_at}>{exactTime(item.send_at)}</time>
			</p>
			<p dir="auto">{item.content ?? `(${item.message_type ?? 'forwarded'})`}</p>
			{item.failed_at && <p class="sheet-trouble">Not sent: {why(item.failure ?? '')}.</p>}
			<button type="button" class="link" onClick={remove}>
				{item.failed_at ? 'Remove' : 'Do not send'}
			</button>
		</li>
	);
}
