// The left pane: who I am, search, and the conversations.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Room, User } from '../sdk/index.ts';
import { displayName, exactTime, listTime, userName } from './format.ts';
import { Bell, ClearIcon, GroupIcon, LeaveIcon, MuteIcon, PinIcon, SearchIcon, Ticks } from './icons.tsx';
import { isMuted, preview, typingText } from './names.ts';
import { Avatar, Spinner } from './parts.tsx';
import { complain, current, draftOf, goTo, lay, peal, roomHref, signOut, watch, watchRoom } from './state.ts';
import { Confirm } from './Confirm.tsx';

export function List() {
	const [query, setQuery] = useState('');
	return (
		<>
			<Header />
			<SearchBox query={query} onQuery={setQuery} />
			<nav class="list" aria-label="Conversations">
				{query.trim() === '' ? <Rooms /> : <Found query={query.trim()} done={() => setQuery('')} />}
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

function SearchBox({ query, onQuery }: { query: string; onQuery: (q: string) => void }) {
	const field = useRef<HTMLInputElement>(null);
	return (
		<div class="search" role="search">
			<SearchIcon />
			<input
				ref={field}
				type="search"
				value={query}
				placeholder="Search people"
				aria-label="Search people and conversations"
				maxLength={64}
				autocomplete="off"
				onInput={(e) => onQuery(e.currentTarget.value)}
				onKeyDown={(e) => {
					if (e.key === 'Escape') onQuery('');
				}}
			/>
			{query && (
				<button
					type="button"
					class="ghost"
					aria-label="Clear the search"
					onClick={() => {
						onQuery('');
						field.current?.focus();
					}}
				>
					<ClearIcon />
				</button>
			)}
		</div>
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

function RoomRow({ room }: { room: Room }) {
	watchRoom(room.id);
	watch('presence');
	const name = displayName(room.info);
	const last = room.info.last_message;
	const peer = room.info.peer;
	const at = last?.created_at ?? room.info.updated_at;
	return (
		<li>
			<a
				class="row"
				href={roomHref(room.id)}
				aria-current={current.value === room.id ? 'page' : undefined}
				data-room={room.id}
				data-user={peer?.username}
			>
				<Avatar
					id={peer?.id ?? room.id}
					name={name}
					url={room.info.avatar_url ?? peer?.avatar_url}
					presence={peer ? peal.store.presence.get(peer.id) : undefined}
				/>
				<span class="row-body">
					<span class="row-top">
						<b class="row-name">{name}</b>
						<time class="row-time" dateTime={at} title={exactTime(at)}>
							{listTime(at)}
						</time>
					</span>
					<span class="row-low">
						<Preview room={room} />
						<Flags room={room} />
						<Badge n={room.unread} mentioned={room.info.mention_count > 0} marked={room.unreadFrom !== null} />
					</span>
				</span>
			</a>
		</li>
	);
}

function Flags({ room }: { room: Room }) {
	const { my } = room.info;
	const muted = isMuted(room);
	if (!muted && !my.pinned) return null;
	return (
		<span class="flags">
			{muted && (
				<span role="img" aria-label="Muted" title="Muted">
					<MuteIcon />
				</span>
			)}
			{my.pinned && (
				<span role="img" aria-label="Pinned" title="Pinned">
					<PinIcon />
				</span>
			)}
		</span>
	);
}

/** Also when I marked it unread and nothing in it counts. */
function Badge({ n, mentioned, marked }: { n: number; mentioned: boolean; marked: boolean }) {
	if (n === 0 && !marked) return null;
	return (
		<>
			{n > 0 && mentioned && (
				<span class="badge" role="img" aria-label="You are mentioned">
					@
				</span>
			)}
			<span class="badge" data-testid="unread">
				<span class="unseen">Unread: </span>
				{n > 99 ? '99+' : n || '•'}
			</span>
		</>
	);
}

function Preview({ room }: { room: Room }) {
	watchRoom(room.id);
	watch('list');
	if (room.typing.size > 0) return <span class="row-text is-typing">{typingText(room)}</span>;
	const draft = current.value === room.id ? '' : draftOf(room.id);
	if (draft)
		return (
			<span class="row-text">
				<em>Draft:</em> {draft}
			</span>
		);
	const waiting = peal.waiting(room.id).at(-1);
	if (waiting)
		return (
			<span class="row-text">
				<Ticks kind={waiting.state === 'failed' ? 'failed' : 'pending'} /> {waiting.content || 'Picture'}
			</span>
		);
	const last = room.info.last_message;
	if (!last) return <span class="row-text">Say hello</span>;
	const mine = last.sender_id === peal.store.me && !last.deleted_at && last.message_type !== 'system';
	return (
		<span class={last.deleted_at ? 'row-text is-gone' : 'row-text'}>
			{mine && <Ticks kind={peal.store.status(room, last)} />} {preview(room, last)}
		</span>
	);
}

/** Conversations whose name fits, then people from the directory. */
function Found({ query, done }: { query: string; done: () => void }) {
	watch('list');
	const [people, setPeople] = useState<User[] | null>(null);
	useEffect(() => {
		let live = true;
		const timer = setTimeout(() => {
			peal.rest.searchUsers(query).then(
				(page) => {
					if (live) setPeople(page.items);
				},
				(error) => {
					if (live) {
						setPeople([]);
						complain(error, 'Searching');
					}
				},
			);
		}, 180);
		return () => {
			live = false;
			clearTimeout(timer);
		};
	}, [query]);

	const small = query.toLocaleLowerCase();
	const rooms = peal.store
		.list()
		.filter(
			(room) =>
				displayName(room.info).toLocaleLowerCase().includes(small) ||
				room.info.peer?.username.toLocaleLowerCase().startsWith(small),
		);
	const known = new Set(rooms.map((room) => room.info.peer?.id));
	const others = people?.filter((user) => !known.has(user.id)) ?? [];

	const begin = async (user: User) => {
		try {
			goTo((await peal.startDirect(user.id)).id);
			done();
		} catch (error) {
			complain(error, 'Starting a conversation');
		}
	};
	return (
		<>
			{rooms.length > 0 && <h2 class="list-title">Conversations</h2>}
			<ul onClick={done}>
				{rooms.map((room) => (
					<RoomRow key={room.id} room={room} />
				))}
			</ul>
			<h2 class="list-title">People</h2>
			{people === null && (
				<div class="more">
					<Spinner label="Searching" />
				</div>
			)}
			{people !== null && others.length === 0 && (
				<p class="list-note">{rooms.length > 0 ? 'Nobody else.' : `Nobody found for “${query}”.`}</p>
			)}
			<ul>
				{others.map((user) => (
					<Person key={user.id} user={user} onPick={() => void begin(user)} />
				))}
			</ul>
		</>
	);
}

function Person({ user, onPick }: { user: User; onPick: () => void }) {
	return (
		<li>
			<button type="button" class="row" data-user={user.username} onClick={onPick}>
				<Avatar id={user.id} name={userName(user)} url={user.avatar_url} />
				<span class="row-body">
					<span class="row-top">
						<b class="row-name">
							{userName(user)}
							{user.id === peal.store.me && ' (you)'}
						</b>
					</span>
					<span class="row-low">
						<span class="row-text">@{user.username}</span>
					</span>
				</span>
			</button>
		</li>
	);
}
