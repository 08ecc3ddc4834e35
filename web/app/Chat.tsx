// One conversation: whom it is with, what was said, and the field to say more.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Id, Room } from '../sdk/index.ts';
import { Composer } from './Composer.tsx';
import { displayName, lastSeen } from './format.ts';
import { BackIcon, MoreIcon, SearchIcon } from './icons.tsx';
import { Log } from './Log.tsx';
import { shortName, typingText } from './names.ts';
import { Pins } from './Pins.tsx';
import { Avatar, Spinner } from './parts.tsx';
import { goHome, lay, liftAll, peal, searchFor, sendPictures, tell, watch, watchRoom } from './state.ts';

export function Chat({ id }: { id: Id }) {
	watchRoom(id);
	const room = peal.store.rooms.get(id);
	const failed = peal.roomFailed(id);
	useEffect(() => {
		void peal.openRoom(id);
		return () => {
			peal.typing(id, false);
			peal.store.trim(id, 100);
		};
	}, [id]);
	const had = useRef(false);
	had.current ||= !!room;
	const removed = !room && had.current && peal.list.state === 'ready';
	useEffect(() => {
		if (!removed) return;
		liftAll();
		goHome();
		tell('You are no longer in this conversation.');
	}, [removed]);
	const drop = useDrop((files) => sendPictures(id, files, ''));
	if (!room) return <Missing failed={failed} onAgain={() => void peal.openRoom(id)} />;
	return (
		<section class="chat" aria-label={`Conversation with ${displayName(room.info)}`} data-room={id} {...drop.on}>
			<Header room={room} />
			{room.loaded && <Pins room={room} />}
			{room.loaded ? (
				<Log room={room} pending={peal.waiting(id)} />
			) : (
				<Loading failed={failed} onAgain={() => void peal.openRoom(id)} />
			)}
			<Composer room={room} />
			{drop.over && (
				<div class="drop" aria-hidden="true">
					<p>Drop pictures to send them</p>
				</div>
			)}
		</section>
	);
}

function Header({ room }: { room: Room }) {
	watchRoom(room.id);
	watch('connection');
	watch('presence');
	const name = displayName(room.info);
	const peer = room.info.peer;
	const presence = peer ? peal.store.presence.get(peer.id) : undefined;
	return (
		<header class="chat-head">
			<a class="ghost back" href="#/" aria-label="Back to the conversations">
				<BackIcon />
			</a>
			<button type="button" class="chat-open" aria-label={`Details: ${name}`} onClick={() => lay({ kind: 'details', room: room.id })}>
				<Avatar id={peer?.id ?? room.id} name={name} size="m" url={room.info.avatar_url ?? peer?.avatar_url} presence={presence} />
			</button>
			<div class="chat-who" onClick={() => lay({ kind: 'details', room: room.id })}>
				<h2>{name}</h2>
				<Below room={room} presence={peer ? lastSeenText(room) : ''} />
			</div>
			<button
				type="button"
				class="ghost"
				aria-label="Search in this conversation"
				title="Search in this conversation"
				onClick={() => {
					searchFor({ text: '', room: room.id });
					if (matchMedia('(max-width: 719px)').matches) goHome(); // the search is on the other screen
				}}
			>
				<SearchIcon />
			</button>
			<button type="button" class="ghost" aria-label="Details" onClick={() => lay({ kind: 'details', room: room.id })}>
				<MoreIcon />
			</button>
		</header>
	);
}

function lastSeenText(room: Room): string {
	const peer = room.info.peer;
	if (!peer) return '';
	if (peer.id === peal.store.me) return 'Notes to yourself';
	if (peal.connection.state !== 'live') return `@${peer.username}`;
	const presence = peal.store.presence.get(peer.id);
	return presence ? lastSeen(presence) : `@${peer.username}`;
}

function Below({ room, presence }: { room: Room; presence: string }) {
	watchRoom(room.id);
	if (room.typing.size > 0)
		return (
			<p class="chat-below is-typing" data-testid="typing">
				{typingText(room)}
			</p>
		);
	if (room.info.type === 'group') return <GroupBelow room={room} />;
	return (
		<p class={presence === 'online' ? 'chat-below is-online' : 'chat-below'} data-testid="presence">
			{presence}
		</p>
	);
}

function GroupBelow({ room }: { room: Room }) {
	const names = (room.info.participants ?? []).map((p) => shortName(p.user.id));
	const count = `${room.info.participant_count} ${room.info.participant_count === 1 ? 'member' : 'members'}`;
	return <p class="chat-below">{names.length === 0 ? count : `${count}: ${names.sort((a, b) => Number(a === 'You') - Number(b === 'You')).join(', ')}`}</p>;
}

function Loading({ failed, onAgain }: { failed: boolean; onAgain: () => void }) {
	return (
		<div class="log-wait">
			{failed ? (
				<>
					<p>The messages could not be loaded.</p>
					<button type="button" class="secondary" onClick={onAgain}>
						Try again
					</button>
				</>
			) : (
				<Spinner label="Loading" />
			)}
		</div>
	);
}

function Missing({ failed, onAgain }: { failed: boolean; onAgain: () => void }) {
	if (!failed)
		return (
			<div class="log-wait">
				<Spinner label="Loading" />
			</div>
		);
	return (
		<div class="log-wait">
			<p>This conversation does not exist, or is not yours to see.</p>
			<div class="confirm-row">
				<button type="button" class="secondary" onClick={goHome}>
					All conversations
				</button>
				<button type="button" class="secondary" onClick={onAgain}>
					Try again
				</button>
			</div>
		</div>
	);
}

/** Files dragged over an element; enter and leave also come from what is inside of it. */
function useDrop(take: (files: File[]) => void) {
	const [depth, setDepth] = useState(0);
	const holds = (e: DragEvent) => !!e.dataTransfer?.types.includes('Files');
	return {
		over: depth > 0,
		on: {
			onDragEnter: (e: DragEvent) => holds(e) && setDepth((d) => d + 1),
			onDragLeave: (e: DragEvent) => holds(e) && setDepth((d) => Math.max(0, d - 1)),
			onDragOver: (e: DragEvent) => {
				if (holds(e)) e.preventDefault();
			},
			onDrop: (e: DragEvent) => {
				if (!holds(e)) return;
				e.preventDefault();
				setDepth(0);
				take([...(e.dataTransfer?.files ?? [])]);
			},
		},
	};
}
