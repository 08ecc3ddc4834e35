// The message that another one answers, in two lines; pressing it goes there.
import { useEffect } from 'preact/hooks';
import { seqOf, type Message, type Room } from '../sdk/index.ts';
import { excerpt } from './format.ts';
import { nameOf } from './names.ts';
import { peal, show } from './state.ts';

interface Props {
	room: Room;
	parent: string;
	/** The answer, once the server has it. */
	message: Message | null;
}

export function Quote({ room, parent, message }: Props) {
	const there = room.messages.find((m) => m.seq === seqOf(parent).seq);
	const said = message?.reply_to;
	const unknown = !there && said?.excerpt === undefined && message !== null;
	useEffect(() => {
		if (unknown) void peal.loadMessage(message!.id); // events do not carry what the parent says
	}, [unknown]);
	const sender = there?.sender_id ?? said?.sender_id;
	return (
		<button type="button" class="quote" onClick={() => void show(parent)} aria-label="Go to the message that this answers">
			<b>{sender ? nameOf(sender) : 'Message'}</b>
			<span dir="auto">{(there ? excerpt(there) : said?.excerpt) || 'A message that cannot be shown'}</span>
		</button>
	);
}
