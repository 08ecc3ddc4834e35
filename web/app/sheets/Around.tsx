// A message from long ago with what was said before and after it. What lies between it and now is not loaded for that.
import { useEffect, useRef, useState } from 'preact/hooks';
import { asProblem, seqOf, type Id, type Message, type MessagePage } from '../../sdk/index.ts';
import { displayName, exactTime, excerpt } from '../format.ts';
import { nameOf, systemLine } from '../names.ts';
import { Spinner } from '../parts.tsx';
import { peal, watchRoom } from '../state.ts';
import { Sheet } from './Sheet.tsx';

const PAGE = 30;

interface Part {
	messages: Message[];
	before: boolean;
	after: boolean;
}

/** What is held and what was asked for now, one after the other. */
function joined(had: Part | null, page: MessagePage, older: boolean): Part {
	if (!had) return { messages: page.messages, before: page.has_before, after: page.has_after };
	return older
		? { messages: [...page.messages, ...had.messages], before: page.has_before, after: had.after }
		: { messages: [...had.messages, ...page.messages], before: had.before, after: page.has_after };
}

export function Around({ message }: { message: Id }) {
	const { conversation, seq } = seqOf(message);
	watchRoom(conversation);
	const [part, setPart] = useState<Part | null>(null);
	const [busy, setBusy] = useState(true);
	const [trouble, setTrouble] = useState('');
	const room = peal.store.rooms.get(conversation);
	const live = useRef(true);

	const load = async (from: { around?: number; before?: number; after?: number }) => {
		setBusy(true);
		try {
			const page = await peal.rest.messages(conversation, { ...from, limit: PAGE });
			if (live.current) setPart((had) => joined(had, page, from.before !== undefined));
			setTrouble('');
		} catch (error) {
			setTrouble(asProblem(error).message);
		}
		setBusy(false);
	};
	useEffect(() => {
		live.current = true;
		void load({ around: seq });
		return () => {
			live.current = false;
		};
	}, []);

	const more = (label: string, from: { before?: number; after?: number }) => (
		<button type="button" class="secondary around-more" disabled={busy} onClick={() => void load(from)}>
			{label}
		</button>
	);
	return (
		<Sheet title={room ? displayName(room.info) : 'Long ago'}>
			{trouble && <p class="sheet-trouble">{trouble}</p>}
			{part?.before && more('Earlier', { before: part.messages[0]!.seq })}
			<ol class="around">
				{part?.messages.map((one) => (
					<Line key={one.id} message={one} aimed={one.seq === seq} />
				))}
			</ol>
			{busy && (
				<div class="more">
					<Spinner label="Loading" />
				</div>
			)}
			{part?.after && more('Later', { after: part.messages.at(-1)!.seq })}
		</Sheet>
	);
}

function Line({ message, aimed }: { message: Message; aimed: boolean }) {
	const line = useRef<HTMLLIElement>(null);
	useEffect(() => {
		if (aimed) line.current?.scrollIntoView({ block: 'center' });
	}, []);
	const system = message.message_type === 'system';
	return (
		<li ref={line} class={aimed ? 'around-line is-aimed' : 'around-line'} data-message={message.id}>
			<p class="card-head">
				<b>{system ? '' : nameOf(message.sender_id)}</b>
				<time dateTime={message.created_at}>{exactTime(message.created_at)}</time>
			</p>
			<p class="around-text" dir="auto">
				{system ? systemLine(message) : message.content || excerpt(message)}
			</p>
		</li>
	);
}
