// One bubble, and what can be done with it.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Message, Room } from '../sdk/index.ts';
import { Confirm } from './Confirm.tsx';
import { exactTime, isJumbo, pieces, timeOfDay, userName } from './format.ts';
import { AgainIcon, BinIcon, CopyIcon, MoreIcon, NoneIcon, Ticks } from './icons.tsx';
import { Picture, Sending } from './Picture.tsx';
import { tickOf, type Bubble } from './rows.ts';
import { complain, peal, tell } from './state.ts';

const LONG_PRESS_MS = 450;

export function MessageRow({ bubble, room }: { bubble: Bubble; room: Room }) {
	const [menu, setMenu] = useState(false);
	const [asking, ask] = useState(false);
	const { mine, message, pending, parcel } = bubble;
	const waiting = pending ?? parcel;
	const gone = !!message?.deleted_at;
	const press = useLongPress(() => setMenu(true));
	const kinds = [
		'bubble-row',
		mine ? 'out' : 'in',
		bubble.first && 'is-first',
		bubble.last && 'is-last',
		menu && 'is-open',
	];
	return (
		<article
			class={kinds.filter(Boolean).join(' ')}
			data-message={message?.id}
			data-state={waiting?.state}
			{...(gone ? {} : press)}
		>
			{room.info.type === 'group' && !mine && bubble.first && (
				<span class="author">{authorName(room, bubble.author)}</span>
			)}
			<div class="bubble-line">
				<div class={shapeOf(bubble, gone)}>
					<span class="unseen">{mine ? 'You' : authorName(room, bubble.author)}: </span>
					{gone ? (
						<p class="text">
							<NoneIcon /> This message was deleted
							<Spacer at={bubble.at} ticks={false} />
						</p>
					) : (
						<>
							{bubble.pictures.map((attachment) => (
								<Picture key={attachment.id} attachment={attachment} alone={bubble.text === ''} />
							))}
							{parcel && <Sending parcel={parcel} />}
							{bubble.text !== '' && <Text text={bubble.text} at={bubble.at} mine={mine} />}
						</>
					)}
					<Meta bubble={bubble} room={room} gone={gone} />
				</div>
				{message && !gone && (mine || message.content) && (
					<div class="menu-place">
						<button
							type="button"
							class="ghost menu-button"
							aria-label="Message options"
							aria-haspopup="menu"
							aria-expanded={menu}
							onClick={() => setMenu(!menu)}
						>
							<MoreIcon />
						</button>
						{menu && (
							<Menu mine={mine} message={message} close={() => setMenu(false)} onDelete={() => ask(true)} />
						)}
					</div>
				)}
			</div>
			{waiting?.state === 'failed' && <Failed box={parcel ? peal.uploads : peal.outbox} id={waiting.client_id} why={waiting.problem} />}
			{asking && message && (
				<Confirm
					title="Delete this message?"
					text={`It disappears for you and ${room.info.type === 'direct' ? userName(room.info.peer) : 'everyone'}.`}
					action="Delete for everyone"
					onNo={() => ask(false)}
					onYes={() => {
						ask(false);
						remove(message);
					}}
				/>
			)}
		</article>
	);
}

function shapeOf(bubble: Bubble, gone: boolean): string {
	if (gone) return 'bubble is-gone';
	if (bubble.pictures.length > 0 || bubble.parcel) return bubble.text ? 'bubble has-picture' : 'bubble has-picture is-bare';
	return isJumbo(bubble.text) ? 'bubble is-jumbo' : 'bubble';
}

function remove(message: Message): void {
	peal.deleteForEveryone(message).catch((error) => complain(error, 'Deleting'));
}

function authorName(room: Room, id: string): string {
	return userName(
		room.info.peer?.id === id ? room.info.peer : room.info.participants?.find((p) => p.user.id === id)?.user,
	);
}

/** Keeps room at the end of the last line for the time and the ticks, which stand below it to the right. */
const Spacer = ({ at, ticks }: { at: number; ticks: boolean }) => (
	<span class={ticks ? 'spacer wide' : 'spacer'} data-time={timeOfDay(at)} aria-hidden="true" />
);

function Text({ text, at, mine }: { text: string; at: number; mine: boolean }) {
	return (
		<p class="text" dir="auto">
			{pieces(text).map((piece, i) =>
				piece.href ? (
					<a key={i} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
						{piece.text}
					</a>
				) : (
					piece.text
				),
			)}
			<Spacer at={at} ticks={mine} />
		</p>
	);
}

function Meta({ bubble, room, gone }: { bubble: Bubble; room: Room; gone: boolean }) {
	const { message } = bubble;
	return (
		<span class="meta">
			<time dateTime={new Date(bubble.at).toISOString()} title={exactTime(bubble.at)}>
				{timeOfDay(bubble.at)}
			</time>
			{bubble.mine && !gone && (
				<Ticks kind={tickOf(bubble, () => (message ? peal.store.status(room, message) : 'sent'))} />
			)}
		</span>
	);
}

interface Box {
	retry(id: string): void;
	discard(id: string): void;
}

function Failed({ box, id, why }: { box: Box | null; id: string; why: string | undefined }) {
	return (
		<div class="failed" role="alert">
			<span>Not sent{why ? `: ${why}` : '.'}</span>
			<button type="button" class="link" onClick={() => box?.retry(id)}>
				<AgainIcon /> Try again
			</button>
			<button type="button" class="link" onClick={() => box?.discard(id)}>
				Discard
			</button>
		</div>
	);
}

function Menu({
	mine,
	message,
	close,
	onDelete,
}: {
	mine: boolean;
	message: Message;
	close: () => void;
	onDelete: () => void;
}) {
	const box = useRef<HTMLDivElement>(null);
	const [up, setUp] = useState(false);
	useLayoutEffect(() => {
		const log = box.current!.closest('.log')!.getBoundingClientRect();
		setUp(box.current!.getBoundingClientRect().bottom > log.bottom - 8);
		box.current!.querySelector('button')?.focus();
	}, []);
	useEffect(() => {
		const outside = (e: Event) => {
			if (!box.current?.parentElement?.contains(e.target as Node)) close();
		};
		document.addEventListener('pointerdown', outside);
		return () => document.removeEventListener('pointerdown', outside);
	}, []);
	const leave = () => {
		const button = box.current?.parentElement?.querySelector<HTMLElement>('.menu-button');
		close();
		button?.focus();
	};
	const keys = (e: KeyboardEvent) => {
		if (e.key === 'Escape' || e.key === 'Tab') {
			e.preventDefault();
			leave();
		}
		const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0;
		if (step === 0) return;
		const items = [...box.current!.querySelectorAll('button')];
		items[(items.indexOf(document.activeElement as HTMLButtonElement) + step + items.length) % items.length]?.focus();
		e.preventDefault();
	};
	const copy = () => {
		navigator.clipboard?.writeText(message.content ?? '').then(
			() => tell('Copied.'),
			() => tell('The browser does not allow copying here.'),
		);
		leave();
	};
	return (
		<div class={up ? 'menu is-up' : 'menu'} role="menu" aria-label="Message" ref={box} onKeyDown={keys}>
			{message.content && (
				<button type="button" role="menuitem" onClick={copy}>
					<CopyIcon /> Copy text
				</button>
			)}
			{mine && (
				<button
					type="button"
					role="menuitem"
					class="is-danger"
					onClick={() => {
						leave();
						onDelete();
					}}
				>
					<BinIcon /> Delete for everyone
				</button>
			)}
		</div>
	);
}

/** A finger that rests on something for half a second; a mouse has the button that appears beside the bubble. */
function useLongPress(act: () => void) {
	const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
	const stop = () => clearTimeout(timer.current);
	useEffect(() => stop, []);
	return {
		onPointerDown: (e: PointerEvent) => {
			stop();
			if (e.pointerType === 'touch') timer.current = setTimeout(act, LONG_PRESS_MS);
		},
		onPointerUp: stop,
		onPointerMove: stop,
		onPointerCancel: stop,
		onPointerLeave: stop,
	};
}
