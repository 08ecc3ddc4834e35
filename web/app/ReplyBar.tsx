// Above the field: the message that the next one answers.
import type { Message } from '../sdk/index.ts';
import { excerpt } from './format.ts';
import { ClearIcon, ReplyIcon } from './icons.tsx';
import { nameOf } from './names.ts';

export function ReplyBar({ message, onClear }: { message: Message; onClear: () => void }) {
	return (
		<div class="reply-bar" data-testid="replying">
			<ReplyIcon />
			<div class="quote is-plain">
				<b>{nameOf(message.sender_id)}</b>
				<span dir="auto">{excerpt(message)}</span>
			</div>
			<button type="button" class="ghost" aria-label="Do not answer this message" onClick={onClear}>
				<ClearIcon />
			</button>
		</div>
	);
}
