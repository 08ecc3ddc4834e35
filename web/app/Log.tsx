/*
 * What was said. The scroller stays where the reader is: at the end while new messages come, and at the same message while
 * older ones are put above it.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import type { Message, Parcel, Pending, Room } from '../sdk/index.ts';
import { dayLabel, displayName } from './format.ts';
import { DownIcon } from './icons.tsx';
import { MessageRow } from './Message.tsx';
import { systemLine } from './names.ts';
import { Spinner } from './parts.tsx';
import { rowsOf, type Row } from './rows.ts';
import { attentive, peal, watchRoom } from './state.ts';

const NEAR_END = 60;

/** The first message that was unread when the conversation was opened. */
function firstUnread(room: Room): number | null {
	if (room.unread === 0) return null;
	const from = room.unreadFrom ?? room.readSeq + 1;
	const counts = (m: Message) => m.sender_id !== peal.store.me && !m.deleted_at && m.message_type !== 'system';
	return room.messages.find((m) => m.seq >= from && counts(m))?.seq ?? null;
}

export function Log({ room, pending }: { room: Room; pending: (Pending | Parcel)[] }) {
	watchRoom(room.id);
	const scroller = useRef<HTMLDivElement>(null);
	const [unreadFrom] = useState(() => firstUnread(room));
	const rows = rowsOf(room, pending, peal.store.me, unreadFrom);
	const { atEnd, toEnd } = useScroll(scroller, room, rows, pending.length);
	const seen = atEnd && attentive.value;
	useEffect(() => {
		if (seen) peal.markRead(room.id);
	}, [seen, room.place.seq, room.messages.length, room.unread, room.unreadFrom]);

	return (
		<div class="log-frame">
			<div
				class="log"
				ref={scroller}
				role="log"
				aria-live="off"
				aria-label={`Messages with ${displayName(room.info)}`}
				tabIndex={0}
			>
				<div class="log-inner">
					{room.hasBefore ? <Older room={room} scroller={scroller} /> : <Beginning room={room} />}
					{rows.map((row) => (
						<Line key={row.key} row={row} room={room} />
					))}
					{room.typing.size > 0 && (
						<div class="bubble-row in is-first">
							<div class="bubble dots" aria-hidden="true">
								<i />
								<i />
								<i />
							</div>
						</div>
					)}
				</div>
			</div>
			{!atEnd && (
				<button type="button" class="to-end" onClick={() => toEnd(true)} aria-label="To the newest message">
					<DownIcon />
					{room.unread > 0 && <span class="badge">{room.unread > 99 ? '99+' : room.unread}</span>}
				</button>
			)}
		</div>
	);
}

function Line({ row, room }: { row: Row; room: Room }) {
	if (row.kind === 'day')
		return (
			<div class="day" role="separator">
				<span>{dayLabel(row.at)}</span>
			</div>
		);
	if (row.kind === 'unread')
		return (
			<div class="new-line" role="separator">
				<span>New messages</span>
			</div>
		);
	if (row.kind === 'note')
		return (
			<div class="note" data-message={row.message.id}>
				<span>{systemLine(row.message)}</span>
			</div>
		);
	return <MessageRow bubble={row} room={room} />;
}

function Beginning({ room }: { room: Room }) {
	return room.messages.length > 0 ? null : (
		<div class="beginning">
			<p>Nothing has been said here yet.</p>
			<p>Write the first message.</p>
		</div>
	);
}

/** Loads the 50 messages before, well before the reader gets there. */
function Older({ room, scroller }: { room: Room; scroller: RefObject<HTMLDivElement | null> }) {
	watchRoom(room.id);
	const mark = useRef<HTMLDivElement>(null);
	const first = room.messages[0]?.seq;
	const failed = peal.roomFailed(room.id);
	useEffect(() => {
		if (failed) return;
		const watcher = new IntersectionObserver(
			(seen) => {
				if (seen.some((s) => s.isIntersecting)) void peal.loadOlder(room.id);
			},
			{ root: scroller.current, rootMargin: '600px 0px 0px' },
		);
		watcher.observe(mark.current!);
		return () => watcher.disconnect();
	}, [first, failed]);
	return (
		<div class="more" ref={mark}>
			{failed ? (
				<button type="button" class="secondary" onClick={() => void peal.loadOlder(room.id)}>
					Load older messages
				</button>
			) : (
				<Spinner label="Loading older messages" />
			)}
		</div>
	);
}

function useScroll(scroller: RefObject<HTMLDivElement | null>, room: Room, rows: Row[], waiting: number) {
	const [atEnd, setAtEnd] = useState(false); // until it is laid out nothing has been seen
	const was = useRef({ height: 0, first: -1, waiting, stick: true, begun: false });
	const first = room.messages[0]?.seq ?? 0;

	const toEnd = (smooth: boolean) => {
		const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
		scroller.current?.scrollTo({ top: scroller.current.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' });
	};

	useLayoutEffect(() => {
		const box = scroller.current!,
			old = was.current;
		if (!old.begun) begin(box);
		else if (old.first > first) box.scrollTop += box.scrollHeight - old.height;
		else if (old.stick || waiting > old.waiting) toEnd(false);
		was.current = { height: box.scrollHeight, first, waiting, stick: isAtEnd(box), begun: true };
		setAtEnd(was.current.stick);
	}, [rows.length, first, waiting, room.place.seq, room.place.rev, room.typing.size > 0]);

	useEffect(() => {
		const box = scroller.current!;
		const moved = () => {
			was.current.stick = isAtEnd(box);
			setAtEnd(was.current.stick);
		};
		const resized = new ResizeObserver(() => {
			if (was.current.stick) toEnd(false);
		});
		box.addEventListener('scroll', moved, { passive: true });
		resized.observe(box);
		resized.observe(box.firstElementChild!); // what is in it grows too: a note under a message, another font
		return () => {
			box.removeEventListener('scroll', moved);
			resized.disconnect();
		};
	}, []);
	return { atEnd, toEnd };
}

/** Opens at the end, or where the unread messages begin if they do not all fit. */
function begin(box: HTMLDivElement): void {
	box.scrollTop = box.scrollHeight;
	const line = box.querySelector<HTMLElement>('.new-line');
	if (line && line.offsetTop < box.scrollTop + 24) box.scrollTop = Math.max(0, line.offsetTop - 56);
}

const isAtEnd = (box: HTMLDivElement) => box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END;
