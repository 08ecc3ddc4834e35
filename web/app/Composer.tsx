// The field to write in. Enter sends, Shift+Enter begins a new line; what is not sent yet is kept as a draft.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { seqOf, type Extra, type Room, type User } from '../sdk/index.ts';
import { Attach } from './Attach.tsx';
import { displayName, mentionTail, userName } from './format.ts';
import { SendIcon } from './icons.tsx';
import { mentionsFor, peerOf } from './names.ts';
import { canRecord, Recorder } from './Recorder.tsx';
import { ReplyBar } from './ReplyBar.tsx';
import { attempt, editing, lay, peal, replying, sendPictures, watch, watchRoom } from './state.ts';
import { Suggest, suggestions } from './Suggest.tsx';

const MAX_CODE_POINTS = 16_384;
const IDLE_MS = 4000;

export function Composer({ room }: { room: Room }) {
	watch('me');
	const peer = peerOf(room);
	if (peer && peal.store.blocked.has(peer.id))
		return (
			<div class="composer is-blocked" role="status">
				<span>You have blocked {userName(peer)}.</span>
				<button type="button" class="link" onClick={() => void attempt('Unblocking', () => peal.act.block(peer.id, false))}>
					Unblock
				</button>
			</div>
		);
	return <Field room={room} />;
}

function Field({ room }: { room: Room }) {
	watchRoom(room.id);
	const { id } = room;
	const field = useRef<HTMLTextAreaElement>(null);
	const { text, write, clear } = useDraft(room);
	const suggest = useSuggest(room, field, text, write);
	const left = MAX_CODE_POINTS - (text.length > MAX_CODE_POINTS - 500 ? Array.from(text).length : text.length);
	const ready = text.trim() !== '' && left >= 0;
	const answered = replying.value?.conversation_id === id ? replying.value : null;

	useEffect(() => {
		if (matchMedia('(hover: hover)').matches || answered) field.current?.focus();
	}, [answered?.id]);
	useLayoutEffect(() => {
		const box = field.current!;
		box.style.height = 'auto';
		box.style.height = `${box.scrollHeight}px`;
	}, [text]);

	const send = () => {
		if (!ready) return;
		peal.send(id, text.trim(), withIt(room, text.trim(), answered?.id));
		clear();
		field.current?.focus();
	};
	/** What is in the field goes along as the caption. */
	const pictures = (files: File[]) => {
		if (files.length === 0 || !sendPictures(id, files, left >= 0 ? text.trim() : '')) return;
		if (left >= 0) write('');
		field.current?.focus();
	};
	const files = (chosen: File[]) => {
		if (chosen.length === 0) return;
		peal.sendFiles(id, chosen, left >= 0 ? text.trim() : '');
		if (left >= 0) write('');
	};
	const paste = (e: ClipboardEvent) => {
		const files = [...(e.clipboardData?.files ?? [])];
		if (files.length === 0 || e.clipboardData?.types.includes('text/plain')) return;
		e.preventDefault();
		pictures(files);
	};
	const key = (e: KeyboardEvent) => {
		if (e.isComposing || suggest.key(e)) return;
		if (e.key === 'Escape' && answered) replying.value = null;
		if (e.key === 'ArrowUp' && text === '') editLast(room, e);
		if (e.key !== 'Enter' || e.shiftKey) return;
		e.preventDefault();
		send();
	};
	return (
		<div class="composer-place">
			{answered && <ReplyBar message={answered} onClear={() => (replying.value = null)} />}
			{suggest.people.length > 0 && <Suggest people={suggest.people} at={suggest.at} onPick={suggest.pick} />}
			<form
				class="composer"
				onSubmit={(e) => {
					e.preventDefault();
					send();
				}}
			>
				<Attach
					onPictures={pictures}
					onFiles={files}
					onPoll={() => lay({ kind: 'poll', room: id })}
					onLater={() => lay({ kind: 'later', room: id, text: text.trim(), replyTo: answered?.id ?? null })}
				/>
				<div class="composer-box">
					<textarea
						ref={field}
						rows={1}
						value={text}
						dir="auto"
						placeholder="Message"
						aria-label={`Message to ${displayName(room.info)}`}
						aria-autocomplete={room.info.type === 'group' ? 'list' : undefined}
						aria-controls={suggest.people.length > 0 ? 'suggest' : undefined}
						aria-activedescendant={suggest.people.length > 0 ? `suggest-${suggest.at}` : undefined}
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
				{text.trim() === '' && canRecord() ? (
					<Recorder room={room} />
				) : (
					<button type="submit" class="send" aria-label="Send" disabled={!ready}>
						<SendIcon />
					</button>
				)}
			</form>
		</div>
	);
}

const membersOf = (room: Room): User[] => (room.info.participants ?? []).map((p) => p.user);

/** What goes along with a text: whom it names, and what it answers. */
export function withIt(room: Room, text: string, replyTo: string | undefined): Extra | undefined {
	const mentions = mentionsFor(room, text);
	if (mentions.length === 0 && !replyTo) return undefined;
	return { ...(mentions.length > 0 ? { mentions } : {}), ...(replyTo ? { reply_to: replyTo } : {}) };
}

function editLast(room: Room, e: KeyboardEvent): void {
	const last = [...room.messages].reverse().find((m) => m.sender_id === peal.store.me && !m.deleted_at && m.message_type === 'text' && !m.forward_of);
	if (!last) return;
	e.preventDefault();
	editing.value = last.id;
}

/** The text in the field, with what it answers, kept here and on the server, and taken over from there. */
function useDraft(room: Room) {
	const { id } = room;
	const [text, setText] = useState(() => peal.drafts?.of(id).content ?? '');
	const shown = useRef(text); // what this field held when it last agreed with the draft
	const idle = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
	const there = peal.drafts?.of(id).content ?? '';
	useEffect(() => {
		const parent = peal.drafts?.of(id).reply_to;
		const message = parent && room.messages.find((m) => m.seq === seqOf(parent).seq);
		if (message) replying.value = message;
		return () => clearTimeout(idle.current);
	}, []);
	useEffect(() => {
		if (there === text || shown.current !== text) return;
		shown.current = there; // written on another device
		setText(there);
	}, [there]);
	useEffect(() => {
		if (text.trim() !== '') peal.drafts?.keep(id, text, replying.value?.id ?? null);
	}, [replying.value?.id]);
	const write = (value: string) => {
		setText(value);
		peal.drafts?.keep(id, value, replying.value?.id ?? null);
		shown.current = value;
		clearTimeout(idle.current);
		peal.typing(id, value.trim() !== '');
		idle.current = setTimeout(() => peal.typing(id, false), IDLE_MS);
	};
	const clear = () => {
		clearTimeout(idle.current);
		shown.current = '';
		setText('');
		replying.value = null;
	};
	return { text, write, clear };
}

/** Names while an @ is being typed: arrows choose, Enter or Tab takes. */
function useSuggest(room: Room, field: { current: HTMLTextAreaElement | null }, text: string, write: (text: string) => void) {
	const [at, setAt] = useState(0);
	const [off, setOff] = useState<string | null>(null);
	const group = room.info.type === 'group';
	useEffect(() => {
		if (group && membersOf(room).length < room.info.participant_count) void peal.loadParticipants(room.id).catch(() => undefined);
	}, [room.id]);
	const before = text.slice(0, field.current?.selectionStart ?? text.length);
	const tail = group && off !== text ? mentionTail(before.length > text.length ? text : before) : null;
	const people = tail === null ? [] : suggestions(tail, membersOf(room), peal.store.me);
	useEffect(() => setAt(0), [tail]);
	const pick = (user: User) => {
		const start = before.length - tail!.length;
		const said = `${text.slice(0, start)}${userName(user)} `;
		write(said + text.slice(before.length));
		requestAnimationFrame(() => field.current?.setSelectionRange(said.length, said.length));
		field.current?.focus();
	};
	const key = (e: KeyboardEvent): boolean => {
		if (people.length === 0) return false;
		const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
		if (step) setAt((at + step + people.length) % people.length);
		else if (e.key === 'Enter' || e.key === 'Tab') pick(people[at] ?? people[0]!);
		else if (e.key === 'Escape') setOff(text);
		else return false;
		e.preventDefault();
		return true;
	};
	return { people, at, pick, key };
}
