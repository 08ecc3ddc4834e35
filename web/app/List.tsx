// The left pane: who I am, search, and the conversations.
import { useEffect, useRef, useState } from 'preact/hooks';
import { userName } from './format.ts';
import { Bell, GroupIcon, LeaveIcon } from './icons.tsx';
import { Avatar, Spinner } from './parts.tsx';
import { RoomRow } from './RoomRow.tsx';
import { Results, SearchBox } from './SearchBox.tsx';
import { lay, peal, search, signOut, watch } from './state.ts';
import { Confirm } from './Confirm.tsx';

export function List() {
	const { text, room } = search.value;
	return (
		<>
			<Header />
			<SearchBox />
			<nav class="list" aria-label="Conversations">
				{text.trim() === '' ? <Rooms /> : <Results query={text.trim()} room={room} />}
			</nav>
		</>
	);
}

function Header() {
	watch('session');
	const [asking, ask] = useState(false);
	const { session } = peal;
	if (session.state !== 'in') return null;
	const unsent = [...peal.store.rooms.keys()].some((id) => (peal.outbox?.of(id).length ?? 0) > 0);
	return (
		<header class="side-head">
			<Bell size={30} />
			<h1>Peal</h1>
			<button
				type="button"
				class="me"
				aria-label={`You: ${userName(session.user)}`}
				title={`Signed in as ${session.user.username}`}
				onClick={() => lay({ kind: 'me' })}
			>
				<Avatar id={session.user.id} name={userName(session.user)} url={session.user.avatar_url} size="s" />
				<span>{userName(session.user)}</span>
			</button>
			<button type="button" class="ghost" aria-label="New group" title="New group" onClick={() => lay({ kind: 'group' })}>
				<GroupIcon />
			</button>
			<button
				class="ghost"
				type="button"
				aria-label="Sign out"
				title="Sign out"
				onClick={() => (unsent ? ask(true) : void signOut())}
			>
				<LeaveIcon />
			</button>
			{asking && (
				<Confirm
					title="Sign out?"
					text="Messages that are still waiting to be sent will be lost."
					action="Sign out"
					onYes={() => void signOut()}
					onNo={() => ask(false)}
				/>
			)}
		</header>
	);
}

function Rooms() {
	watch('list');
	const rooms = peal.store.list();
	if (rooms.length === 0) return <EmptyList />;
	return (
		<>
			<ul>
				{rooms.map((room) => (
					<RoomRow key={room.id} room={room} />
				))}
			</ul>
			{peal.list.more !== null && <More />}
		</>
	);
}

function EmptyList() {
	const { state } = peal.list;
	if (state === 'loading')
		return (
			<ul class="ghosts" aria-busy="true" aria-label="Loading">
				{[0, 1, 2, 3, 4].map((i) => (
					<li key={i} />
				))}
			</ul>
		);
	if (state === 'error') {
		return (
			<div class="list-note">
				<p>The conversations could not be loaded.</p>
				<button type="button" class="secondary" onClick={() => void peal.loadList()}>
					Try again
				</button>
			</div>
		);
	}
	return (
		<div class="list-note">
			<p>No conversations yet.</p>
			<p>Search for somebody above to begin one.</p>
		</div>
	);
}

/** Loads the next part of the list when it comes near the screen. */
function More() {
	const mark = useRef<HTMLDivElement>(null);
	useEffect(() => {
		const watcher = new IntersectionObserver((seen) => {
			if (seen.some((s) => s.isIntersecting)) void peal.loadList(true);
		});
		watcher.observe(mark.current!);
		return () => watcher.disconnect();
	}, [peal.list.more]);
	return (
		<div class="more" ref={mark}>
			<Spinner label="Loading more" />
		</div>
	);
}
