// What can be done with a message, in a menu at its side.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Message, Room } from '../sdk/index.ts';
import { EmojiGrid } from './Emoji.tsx';
import { QUICK } from './emoji.ts';
import { BinIcon, CopyIcon, EditIcon, FlagIcon, ForwardIcon, InfoIcon, PinIcon, PlusIcon, ReplyIcon, StarIcon } from './icons.tsx';
import { isAdmin } from './names.ts';
import { toggleReaction } from './Reactions.tsx';
import { attempt, editing, lay, peal, replying, tell } from './state.ts';

export type MenuKind = 'menu' | 'emoji';

interface Props {
	kind: MenuKind;
	message: Message;
	room: Room;
	close: () => void;
	onKind: (kind: MenuKind) => void;
	onDelete: (who: 'everyone' | 'me') => void;
}

const EDITABLE = ['text', 'image', 'audio', 'video', 'file'];
const FORWARDABLE = [...EDITABLE, 'location'];

export function Menu({ kind, message, room, close, onKind, onDelete }: Props) {
	const box = useRef<HTMLDivElement>(null);
	const up = usePlace(box, kind);
	useOutside(box, close);
	const mine = message.sender_id === peal.store.me;
	const leave = () => {
		const button = box.current?.closest('.bubble-row')?.querySelector<HTMLElement>('.menu-button');
		close();
		button?.focus();
	};
	const pick = (action: () => void) => () => {
		leave();
		action();
	};
	const react = (emoji: string) => pick(() => toggleReaction(message, emoji));
	const copy = () => {
		navigator.clipboard?.writeText(message.content ?? '').then(
			() => tell('Copied.'),
			() => tell('The browser does not allow copying here.'),
		);
	};
	const pins = room.info.type === 'direct' || isAdmin(room);
	const classes = ['menu', up && 'is-up', kind === 'emoji' && 'is-emoji'].filter(Boolean).join(' ');
	if (kind === 'emoji')
		return (
			<div class={classes} ref={box} onKeyDown={(e) => e.key === 'Escape' && leave()}>
				<EmojiGrid onPick={(emoji) => react(emoji)()} />
			</div>
		);
	return (
		<div class={classes} role="menu" aria-label="Message" ref={box} onKeyDown={(e) => keys(e, box.current!, leave)}>
			<div class="quick" role="group" aria-label="React">
				{QUICK.map((emoji) => (
					<button key={emoji} type="button" role="menuitem" aria-label={`React with ${emoji}`} onClick={react(emoji)}>
						{emoji}
					</button>
				))}
				<button type="button" role="menuitem" aria-label="More emoji" onClick={() => onKind('emoji')}>
					<PlusIcon />
				</button>
			</div>
			<Item icon={<ReplyIcon />} text="Reply" onPick={pick(() => (replying.value = message))} />
			{mine && EDITABLE.includes(message.message_type) && !message.forward_of && (
				<Item icon={<EditIcon />} text="Edit" onPick={pick(() => (editing.value = message.id))} />
			)}
			{message.content && <Item icon={<CopyIcon />} text="Copy text" onPick={pick(copy)} />}
			{FORWARDABLE.includes(message.message_type) && (
				<Item icon={<ForwardIcon />} text="Forward" onPick={pick(() => lay({ kind: 'forward', message }))} />
			)}
			<Item
				icon={<StarIcon />}
				text={message.starred ? 'Remove the star' : 'Star'}
				onPick={pick(() => void attempt('Starring', () => peal.act.star(message, !message.starred)))}
			/>
			{pins && (
				<Item
					icon={<PinIcon />}
					text={message.pinned ? 'Unpin' : 'Pin'}
					onPick={pick(() => void attempt('Pinning', () => peal.act.pin(message, !message.pinned)))}
				/>
			)}
			<Item icon={<InfoIcon />} text="Info" onPick={pick(() => lay({ kind: 'who', message }))} />
			{!mine && message.message_type !== 'system' && (
				<Item icon={<FlagIcon />} text="Report" onPick={pick(() => lay({ kind: 'report', message }))} />
			)}
			<Item icon={<BinIcon />} text="Delete for me" danger onPick={pick(() => onDelete('me'))} />
			{(mine || isAdmin(room)) && (
				<Item icon={<BinIcon />} text="Delete for everyone" danger onPick={pick(() => onDelete('everyone'))} />
			)}
		</div>
	);
}

interface ItemProps {
	icon: ComponentChildren;
	text: string;
	danger?: boolean;
	onPick: () => void;
}

export function Item({ icon, text, danger, onPick }: ItemProps) {
	return (
		<button type="button" role="menuitem" class={danger ? 'is-danger' : ''} onClick={onPick}>
			{icon} {text}
		</button>
	);
}

function keys(e: KeyboardEvent, box: HTMLElement, leave: () => void): void {
	if (e.key === 'Escape' || e.key === 'Tab') {
		e.preventDefault();
		return leave();
	}
	const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[e.key];
	if (!step) return;
	const items = [...box.querySelectorAll('button')];
	items[(items.indexOf(document.activeElement as HTMLButtonElement) + step + items.length) % items.length]?.focus();
	e.preventDefault();
}

/** Below the button, or above it where there is no room below. */
function usePlace(box: { current: HTMLDivElement | null }, kind: MenuKind): boolean {
	const [up, setUp] = useState(false);
	useLayoutEffect(() => {
		const log = box.current!.closest('.log')!.getBoundingClientRect();
		const own = box.current!.getBoundingClientRect();
		const below = own.bottom > log.bottom - 8 && !up;
		if (below) setUp(own.top - own.height > log.top || log.bottom - own.top < own.top - log.top);
		if (kind === 'menu') box.current!.querySelector<HTMLElement>('button')?.focus({ preventScroll: true });
	}, [kind]);
	useLayoutEffect(() => {
		box.current?.scrollIntoView({ block: 'nearest' });
	}, [up]);
	return up;
}

function useOutside(box: { current: HTMLDivElement | null }, close: () => void): void {
	useEffect(() => {
		const outside = (e: Event) => {
			if (!box.current?.parentElement?.contains(e.target as Node)) close();
		};
		document.addEventListener('pointerdown', outside);
		return () => document.removeEventListener('pointerdown', outside);
	}, []);
}
