// One bubble, and what can be done with it.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Attachment, Message, Room } from '../sdk/index.ts';
import { Card, hasCard } from './Card.tsx';
import { Confirm } from './Confirm.tsx';
import { EditBox } from './EditBox.tsx';
import { Film } from './Film.tsx';
import { duration, exactTime, hue, isJumbo, spans, timeOfDay } from './format.ts';
import { AgainIcon, ForwardIcon, HourIcon, MoreIcon, NoneIcon, PinIcon, ReplyIcon, SmileIcon, StarIcon, Ticks } from './icons.tsx';
import { Menu, type MenuKind } from './Menu.tsx';
import { nameOf, whomFor } from './names.ts';
import { Picture, Sending } from './Picture.tsx';
import { Quote } from './Quote.tsx';
import { Reactions } from './Reactions.tsx';
import { tickOf, type Bubble } from './rows.ts';
import { aimed, attempt, editing, lay, peal, replying } from './state.ts';
import { FileBox, SendingFile, Voice } from './Voice.tsx';

const LONG_PRESS_MS = 450;

export function MessageRow({ bubble, room }: { bubble: Bubble; room: Room }) {
	const [menu, setMenu] = useState<MenuKind | null>(null);
	const [asking, ask] = useState<'everyone' | 'me' | null>(null);
	const { mine, message, pending, parcel } = bubble;
	const waiting = pending ?? parcel;
	const gone = !!message?.deleted_at;
	const press = useLongPress(() => setMenu('menu'));
	const row = useRef<HTMLElement>(null);
	const aim = !!message && aimed.value === message.id;
	useEffect(() => {
		if (aim) requestAnimationFrame(() => row.current?.scrollIntoView({ block: 'center' }));
	}, [aim]);
	const kinds = [
		'bubble-row',
		mine ? 'out' : 'in',
		bubble.first && 'is-first',
		bubble.last && 'is-last',
		menu && 'is-open',
		aim && 'is-aimed',
	];
	return (
		<article
			ref={row}
			class={kinds.filter(Boolean).join(' ')}
			data-message={message?.id}
			data-state={waiting?.state}
			{...(message && !gone ? press : {})}
		>
			{room.info.type === 'group' && !mine && bubble.first && (
				<span class={`author hue-${hue(bubble.author)}`}>{nameOf(bubble.author)}</span>
			)}
			<div class="bubble-line">
				<div class={shapeOf(bubble, gone)}>
					<span class="unseen">{nameOf(bubble.author)}: </span>
					{gone ? (
						<p class="text">
							<NoneIcon /> This message was deleted
							<Spacer bubble={bubble} />
						</p>
					) : (
						<Body bubble={bubble} room={room} />
					)}
					<Meta bubble={bubble} room={room} gone={gone} />
				</div>
				{message && (
					<Tools message={message} room={room} gone={gone} menu={menu} setMenu={setMenu} onDelete={(who) => ask(who)} />
				)}
			</div>
			{message && !gone && <Reactions message={message} />}
			{waiting && 'held' in waiting && waiting.held && <Held why={waiting.held} />}
			{waiting?.state === 'failed' && (
				<Failed box={parcel ? peal.uploads : peal.outbox} id={waiting.client_id} why={waiting.problem} />
			)}
			{asking && message && <Deleting who={asking} message={message} room={room} done={() => ask(null)} />}
		</article>
	);
}

function Body({ bubble, room }: { bubble: Bubble; room: Room }) {
	const { message, parcel } = bubble;
	if (message && editing.value === message.id) return <EditBox message={message} room={room} />;
	return (
		<>
			{message?.forward_of && (
				<p class="forwarded">
					<ForwardIcon /> Forwarded from {nameOf(message.forward_of.sender_id)}
				</p>
			)}
			{bubble.parent && <Quote room={room} parent={bubble.parent} message={message} />}
			{bubble.attachments.map((attachment) => (
				<Attached key={attachment.id} attachment={attachment} alone={bubble.text === ''} of={message?.id} />
			))}
			{parcel && (parcel.kind === 'image' ? <Sending parcel={parcel} /> : <SendingFile parcel={parcel} />)}
			{hasCard(message) && <Card message={message!} />}
			{bubble.text !== '' && <Text bubble={bubble} />}
		</>
	);
}

function Attached({ attachment, alone, of }: { attachment: Attachment; alone: boolean; of?: string }) {
	if (attachment.state !== 'ready') return <FileBox attachment={attachment} of={of} />;
	if (attachment.kind === 'audio') return <Voice attachment={attachment} />;
	if (attachment.kind === 'video' && attachment.renditions[0]?.name === 'video') return <Film attachment={attachment} />;
	if (attachment.kind === 'file' || attachment.kind === 'video') return <FileBox attachment={attachment} />;
	return <Picture attachment={attachment} alone={alone} />;
}

const isPicture = (bubble: Bubble): boolean => bubble.attachments[0]?.kind === 'image' || bubble.parcel?.kind === 'image';

function shapeOf(bubble: Bubble, gone: boolean): string {
	const { message } = bubble;
	if (gone) return 'bubble is-gone';
	const kinds = ['bubble'];
	if (message && editing.value === message.id) kinds.push('is-editing');
	if (isPicture(bubble)) kinds.push('has-picture', bubble.text ? '' : 'is-bare');
	else if (bubble.attachments.length > 0 || bubble.parcel) kinds.push('has-file');
	if (hasCard(message)) kinds.push('has-card');
	if (isJumbo(bubble.text) && kinds.length === 1 && !bubble.parent && !message?.forward_of) kinds.push('is-jumbo');
	return kinds.filter(Boolean).join(' ');
}

interface ToolsProps {
	message: Message;
	room: Room;
	gone: boolean;
	menu: MenuKind | null;
	setMenu: (kind: MenuKind | null) => void;
	onDelete: (who: 'everyone' | 'me') => void;
}

/** Beside the bubble while a mouse is over it, or a key has come to it. */
function Tools({ message, room, gone, menu, setMenu, onDelete }: ToolsProps) {
	const button = (kind: MenuKind) => () => setMenu(menu === kind ? null : kind);
	if (gone) return null;
	return (
		<div class="menu-place">
			<button type="button" class="ghost tool" aria-label="React" aria-expanded={menu === 'emoji'} onClick={button('emoji')}>
				<SmileIcon />
			</button>
			<button type="button" class="ghost tool" aria-label="Reply" onClick={() => (replying.value = message)}>
				<ReplyIcon />
			</button>
			<button
				type="button"
				class="ghost tool menu-button"
				aria-label="Message options"
				aria-haspopup="menu"
				aria-expanded={menu === 'menu'}
				onClick={button('menu')}
			>
				<MoreIcon />
			</button>
			{menu && (
				<Menu key={menu} kind={menu} message={message} room={room} close={() => setMenu(null)} onKind={setMenu} onDelete={onDelete} />
			)}
		</div>
	);
}

interface DeletingProps {
	who: 'everyone' | 'me';
	message: Message;
	room: Room;
	done: () => void;
}

function Deleting({ who, message, room, done }: DeletingProps) {
	const everyone = who === 'everyone';
	return (
		<Confirm
			title="Delete this message?"
			text={everyone ? `It disappears for you and ${whomFor(room)}.` : 'It disappears for you alone, on all your devices.'}
			action={everyone ? 'Delete for everyone' : 'Delete for me'}
			onNo={done}
			onYes={() => {
				done();
				void attempt('Deleting', () => (everyone ? peal.act.deleteForEveryone(message) : peal.act.deleteForMe(message)));
			}}
		/>
	);
}

/** Keeps room at the end of the last line for the time and the marks, which stand below it to the right. */
function Spacer({ bubble }: { bubble: Bubble }) {
	const { message } = bubble;
	const icons = message?.deleted_at ? 0 : [message?.pinned, message?.starred, message?.expires_at].filter(Boolean).length;
	const words = `${message?.edited_at && !message.deleted_at ? 'edited ' : ''}${timeOfDay(bubble.at)}${'\u2003\u2009'.repeat(icons)}`;
	return <span class={bubble.mine && !message?.deleted_at ? 'spacer wide' : 'spacer'} data-time={words} aria-hidden="true" />;
}

function Text({ bubble }: { bubble: Bubble }) {
	return (
		<p class="text" dir="auto">
			{spans(bubble.text, bubble.message?.mentions ?? []).map((piece, i) => {
				if (piece.user)
					return (
						<span key={i} class={piece.user === peal.store.me ? 'mention is-me' : 'mention'}>
							{piece.text}
						</span>
					);
				if (!piece.href) return piece.text;
				return (
					<a key={i} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
						{piece.text}
					</a>
				);
			})}
			<Spacer bubble={bubble} />
		</p>
	);
}

function Meta({ bubble, room, gone }: { bubble: Bubble; room: Room; gone: boolean }) {
	const { message } = bubble;
	return (
		<span class="meta">
			{message && !gone && <Marks message={message} />}
			<time dateTime={new Date(bubble.at).toISOString()} title={exactTime(bubble.at)}>
				{timeOfDay(bubble.at)}
			</time>
			{bubble.mine && !gone && (
				<Ticks kind={tickOf(bubble, () => (message ? peal.store.status(room, message) : 'sent'))} />
			)}
		</span>
	);
}

function Marks({ message }: { message: Message }) {
	const left = message.expires_at ? Math.max(60, Math.round((Date.parse(message.expires_at) - Date.now()) / 60_000) * 60) : 0;
	return (
		<>
			{message.pinned && (
				<span role="img" aria-label="Pinned" title="Pinned">
					<PinIcon />
				</span>
			)}
			{message.starred && (
				<span role="img" aria-label="Starred" title="Starred">
					<StarIcon />
				</span>
			)}
			{message.expires_at && (
				<span role="img" aria-label="Disappears" title={`Disappears in about ${duration(left)}`}>
					<HourIcon />
				</span>
			)}
			{message.edited_at && (
				<button type="button" class="edited" onClick={() => lay({ kind: 'history', message })}>
					edited
				</button>
			)}
		</>
	);
}

interface Box {
	retry(id: string): void;
	discard(id: string): void;
}

function Held({ why }: { why: 'rate_limited' | 'slow_mode' }) {
	const said = why === 'slow_mode' ? 'the group is in slow mode' : 'too much at once';
	return (
		<div class="held" role="status">
			Not sent yet: {said}. It goes by itself.
		</div>
	);
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
