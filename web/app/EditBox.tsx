// A message of mine being changed, in its place. Enter saves, Escape leaves it as it was.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Message, Room } from '../sdk/index.ts';
import { mentionsFor } from './names.ts';
import { attempt, editing, peal } from './state.ts';

export function EditBox({ message, room }: { message: Message; room: Room }) {
	const [text, setText] = useState(message.content ?? '');
	const field = useRef<HTMLTextAreaElement>(null);
	useLayoutEffect(() => {
		const box = field.current!;
		box.style.height = 'auto';
		box.style.height = `${box.scrollHeight}px`;
	}, [text]);
	useLayoutEffect(() => {
		field.current!.focus();
		field.current!.setSelectionRange(text.length, text.length);
	}, []);
	const done = () => {
		editing.value = null;
	};
	const content = text.trim();
	const ready = content !== '' || message.attachments.length > 0;
	const save = () => {
		if (!ready) return;
		done();
		if (content === message.content) return;
		const edit = { content: content === '' ? null : content, mentions: mentionsFor(room, content) };
		void attempt('Editing', () => peal.act.edit(message, edit));
	};
	return (
		<form
			class="edit"
			onSubmit={(e) => {
				e.preventDefault();
				save();
			}}
		>
			<textarea
				ref={field}
				rows={1}
				dir="auto"
				value={text}
				aria-label="Edit the message"
				onInput={(e) => setText(e.currentTarget.value)}
				onKeyDown={(e) => {
					if (e.key === 'Escape') done();
					if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) {
						e.preventDefault();
						save();
					}
				}}
			/>
			<div class="edit-row">
				<button type="button" class="link" onClick={done}>
					Cancel
				</button>
				<button type="submit" class="link" disabled={!ready}>
					Save
				</button>
			</div>
		</form>
	);
}
