// What a search finds: conversations whose name fits, people of the directory, and what was said. Loaded with the first search.
import { useEffect, useRef, useState } from 'preact/hooks';
import { asProblem, type Id, type SearchItem, type User } from '../sdk/index.ts';
import { displayName, exactTime, excerpt, listTime, userName } from './format.ts';
import { nameOf } from './names.ts';
import { Avatar, Spinner } from './parts.tsx';
import { RoomRow } from './RoomRow.tsx';
import { snippet } from './snippet.ts';
import { complain, goTo, peal, searchFor, show, watch } from './state.ts';

const PAGE = 20;
const PEOPLE = 8;
const PEOPLE_POINTS = 64;
/** Whoever types one of these looks for messages, not for people. */
const OPERATOR = /(?:^|\s)(?:(?:from|in|has|is|before|after|mentions):|-\S|["“„«])/i;

/** What is put into the field, and what it does. */
const HELP: [string, string][] = [
	['"two words"', 'exactly these words, in this order'],
	['-word', 'not with this word'],
	['from:name', 'what somebody said; from:me'],
	['in:name', 'in a group, or with somebody'],
	['has:image', 'also audio, video, file and link'],
	['is:starred', 'also is:pinned'],
	['mentions:me', 'where somebody mentions you'],
	['before:2026-01-31', 'before that day'],
	['after:2026-01-31', 'after that day'],
];

export function Help({ onPick }: { onPick: (example: string) => void }) {
	return (
		<ul class="search-help" aria-label="How to search">
			{HELP.map(([example, what]) => (
				<li key={example}>
					<button type="button" onClick={() => onPick(example)}>
						<code>{example}</code> <span>{what}</span>
					</button>
				</li>
			))}
		</ul>
	);
}

export function Found({ query, room }: { query: string; room: Id | null }) {
	const names = room === null && !OPERATOR.test(query);
	return (
		<>
			{names && <Names query={query} />}
			<Messages key={`${room} ${query}`} query={query} room={room} />
		</>
	);
}

const done = () => searchFor({ text: '', room: null });

function Names({ query }: { query: string }) {
	watch('list');
	const people = usePeople(query);
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
			{(people === null || others.length > 0) && <h2 class="list-title">People</h2>}
			{people === null && (
				<div class="more">
					<Spinner label="Searching people" />
				</div>
			)}
			<ul>
				{others.map((user) => (
					<Person key={user.id} user={user} onPick={() => void begin(user)} />
				))}
			</ul>
		</>
	);
}

/** Null until the first answer. */
function usePeople(query: string): User[] | null {
	const [people, setPeople] = useState<User[] | null>(null);
	useEffect(() => {
		let live = true;
		const timer = setTimeout(() => {
			peal.rest.searchUsers(Array.from(query).slice(0, PEOPLE_POINTS).join(''), PEOPLE).then(
				(page) => {
					if (live) setPeople(page.items);
				},
				(error) => {
					if (!live) return;
					setPeople([]);
					complain(error, 'Searching');
				},
			);
		}, 180);
		return () => {
			live = false;
			clearTimeout(timer);
		};
	}, [query]);
	return people;
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

interface Hits {
	state: 'searching' | 'ready' | 'failed';
	items: SearchItem[];
	next: string | null;
	partial: boolean;
	why: string;
}

const NO_HITS: Hits = { state: 'searching', items: [], next: null, partial: false, why: '' };

/** What is wrong with the query itself is said in its own words. */
function why(error: unknown): string {
	const problem = asProblem(error);
	return problem.errors.find((e) => e.path === 'q')?.message ?? problem.message;
}

function useHits(query: string, room: Id | null): { hits: Hits; go: () => void } {
	const [hits, set] = useState(NO_HITS);
	const live = useRef(true);
	const ask = (had: Hits) => {
		set({ ...had, state: 'searching' });
		peal.rest.search(query, { limit: PAGE, cursor: had.next, ...(room ? { conversation_id: room } : {}) }).then(
			(page) => {
				if (!live.current) return;
				const { next_cursor: next, partial } = page;
				set({ state: 'ready', items: [...had.items, ...page.items], next, partial, why: '' });
			},
			(error) => live.current && set({ ...had, state: 'failed', why: why(error) }),
		);
	};
	useEffect(() => {
		live.current = true;
		const timer = setTimeout(() => ask(NO_HITS), 250);
		return () => {
			live.current = false;
			clearTimeout(timer);
		};
	}, []);
	return { hits, go: () => ask(hits) };
}

function Messages({ query, room }: { query: string; room: Id | null }) {
	const { hits, go } = useHits(query, room);
	return (
		<section aria-label="Messages found" data-state={hits.state}>
			<h2 class="list-title">Messages</h2>
			<ul>
				{hits.items.map((item) => (
					<Hit key={item.message.id} item={item} />
				))}
			</ul>
			<Rest hits={hits} query={query} onGo={go} />
		</section>
	);
}

/** What comes after the messages: nothing found, more, or not everything was searched yet. */
function Rest({ hits, query, onGo }: { hits: Hits; query: string; onGo: () => void }) {
	if (hits.state === 'searching')
		return (
			<div class="more">
				<Spinner label="Searching messages" />
			</div>
		);
	if (hits.state === 'failed') return <p class="list-none">{hits.why}</p>;
	if (hits.next === null) return hits.items.length === 0 ? <p class="list-none">No message found for “{query}”.</p> : null;
	return (
		<div class="list-none">
			{hits.partial && <p>There is a lot to search; older messages have not been looked at yet.</p>}
			<button type="button" class="secondary" onClick={onGo}>
				{hits.partial ? 'Search further' : 'Show more'}
			</button>
		</div>
	);
}

function Hit({ item }: { item: SearchItem }) {
	const { message, highlights } = item;
	const room = peal.store.rooms.get(message.conversation_id);
	const name = nameOf(message.sender_id);
	const direct = room?.info.type === 'direct';
	const title = !room ? name : direct ? displayName(room.info) : `${name} · ${displayName(room.info)}`;
	return (
		<li>
			<button type="button" class="row hit" data-hit={message.id} onClick={() => void show(message.id)}>
				<span class="row-body">
					<span class="row-top">
						<b class="row-name">{title}</b>
						<time class="row-time" dateTime={message.created_at} title={exactTime(message.created_at)}>
							{listTime(message.created_at)}
						</time>
					</span>
					<span class="hit-text" dir="auto">
						{direct && message.sender_id === peal.store.me && 'You: '}
						{message.content ? snippet(message.content, highlights).map((p, i) => (p.hit ? <mark key={i}>{p.text}</mark> : p.text)) : excerpt(message)}
					</span>
				</span>
			</button>
		</li>
	);
}
