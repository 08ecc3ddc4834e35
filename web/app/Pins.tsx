// The pinned messages in one line; pressing goes to the one shown, and then to the next older one.
import { useEffect, useState } from 'preact/hooks';
import type { Message, Room } from '../sdk/index.ts';
import { excerpt } from './format.ts';
import { PinIcon } from './icons.tsx';
import { nameOf } from './names.ts';
import { peal, show, watchRoom } from './state.ts';

export function Pins({ room }: { room: Room }) {
	watchRoom(room.id);
	const [pins, setPins] = useState<Message[]>([]);
	const [at, setAt] = useState(0);
	const here = room.messages.filter((m) => m.pinned).map((m) => m.seq);
	useEffect(() => {
		let live = true;
		peal.rest.pins(room.id).then(
			(page) => {
				if (live) setPins(page.items);
			},
			() => undefined, // the strip is a convenience: what is pinned is marked in the conversation as well
		);
		return () => {
			live = false;
		};
	}, [room.id, room.pinTurns, here.join()]);
	const shown = pins[at % Math.max(1, pins.length)];
	if (!shown) return null;
	return (
		<button
			type="button"
			class="pins"
			data-testid="pins"
			onClick={() => {
				void show(shown.id);
				setAt((at + 1) % pins.length);
			}}
		>
			<PinIcon />
			<span class="pins-text">
				<b>{nameOf(shown.sender_id)}</b> <span dir="auto">{excerpt(shown)}</span>
			</span>
			{pins.length > 1 && (
				<small>
					{(at % pins.length) + 1}/{pins.length}
				</small>
			)}
		</button>
	);
}
