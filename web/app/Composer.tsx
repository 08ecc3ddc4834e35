// The field to write in. Enter sends, Shift+Enter begins a new line; what is not sent yet is kept as a draft.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { PICTURE_TYPES, type Room } from '../sdk/index.ts';
import { displayName } from './format.ts';
import { PictureIcon, SendIcon } from './icons.tsx';
import { draftOf, keepDraft, peal, sendPictures } from './state.ts';

const MAX_CODE_POINTS = 16_384;
const IDLE_MS = 4000;

export function Composer({ room }: { room: Room }) {
	const { id } = room;
	const [text, setText] = useState(() => draftOf(id));
	const field = useRef<HTMLTextAreaElement>(null);
	const picker = useRef<HTMLInputElement>(null);
	const idle = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
	const left = MAX_CODE_POINTS - (text.length > MAX_CODE_POINTS - 500 ? Array.from(text).length : text.length);
	const ready = text.trim() !== '' && left >= 0;

	useEffect(() => {
		if (matchMedia('(hover: hover)').matches) field.current?.focus();
		return () => clearTimeout(idle.current);
	}, []);
	useLayoutEffect(() => {
		const box = field.current!;
		box.style.height = 'auto';
		box.style.height = `${box.scrollHeight}px`;
	}, [text]);

	const write = (value: string) => {
		setText(value);
		keepDraft(id, value);
		clearTimeout(idle.current);
		peal.typing(id, value.trim() !== '');
		idle.current = setTimeout(() => peal.typing(id, false), IDLE_MS);
	};
	const send = () => {
		if (!ready) return;
		clearTimeout(idle.current);
		peal.send(id, text.trim());
		setText('');
		keepDraft(id, '');
		field.current?.focus();
	};
	/** What is in the field goes along as the caption. */
	const pictures = (files: File[]) => {
		if (files.length === 0 || !sendPictures(id, files, left >= 0 ? text.trim() : '')) return;
		if (left >= 0) write('');
		field.current?.focus();
	};
	const paste = (e: ClipboardEvent) => {
		const files = [...(e.clipboardData?.files ?? [])];
		if (files.length === 0 || e.clipboardData?.types.includes('text/plain')) return;
		e.preventDefault();
		pictures(files);
	};
	const key = (e: KeyboardEvent) => {
		if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
		e.preventDefault();
		send();
	};
	return (
		<form
			class="composer"
			onSubmit={(e) => {
				e.preventDefault();
				send();
			}}
		>
			<button type="button" class="ghost attach" aria-label="Send pictures" onClick={() => picker.current?.click()}>
				<PictureIcon />
			</button>
			<input
				ref={picker}
				type="file"
				accept={PICTURE_TYPES.join(',')}
				multiple
				hidden
				data-testid="picker"
				onChange={(e) => {
					pictures([...(e.currentTarget.files ?? [])]);
					e.currentTarget.value = '';
				}}
			/>
			<div class="composer-box">
				<textarea
					ref={field}
					rows={1}
					value={text}
					dir="auto"
					placeholder="Message"
					aria-label={`Message to ${displayName(room.info)}`}
					enterkeyhint="send"
					onInput={(e) => write(e.currentTarget.value)}
					onKeyDown={key}
					onPaste={paste}
					onBlur={() => peal.typing(id, false)}
				/>
				{left < 500 && (
					<span class={left < 0 ? 'left is-over' : 'left'} role="status">
						{left}
					</span>
				)}
			</div>
			<button type="submit" class="send" aria-label="Send" disabled={!ready}>
				<SendIcon />
			</button>
		</form>
	);
}
