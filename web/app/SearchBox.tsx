// The field of the search; what it finds, and how to search, is loaded when somebody comes to it.
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Id } from '../sdk/index.ts';
import { displayName } from './format.ts';
import { ClearIcon, HelpIcon, SearchIcon } from './icons.tsx';
import { Spinner } from './parts.tsx';
import { peal, search, searchFor, tell, watch } from './state.ts';

const parts = signal<typeof import('./Search.tsx') | null>(null);

function load(): void {
	if (parts.value) return;
	import('./Search.tsx').then(
		(module) => {
			parts.value = module;
		},
		() => tell('The search could not be loaded. Is the network there?'),
	);
}

export function SearchBox() {
	const field = useRef<HTMLInputElement>(null);
	const [help, setHelp] = useState(false);
	const { text, room } = search.value;
	watch('list');
	const only = room ? peal.store.rooms.get(room) : undefined;
	useEffect(() => {
		if (room) field.current?.focus();
	}, [room]);
	const put = (example: string) => {
		searchFor({ text: `${text.trimEnd()} ${example}`.trimStart() });
		setHelp(false);
		field.current?.focus();
	};
	return (
		<div class="search-area" role="search">
			<div class="search">
				<SearchIcon />
				<input
					ref={field}
					type="search"
					value={text}
					placeholder="Search"
					aria-label="Search people, conversations and messages"
					maxLength={256}
					autocomplete="off"
					onFocus={load}
					onInput={(e) => searchFor({ text: e.currentTarget.value })}
					onKeyDown={(e) => {
						if (e.key === 'Escape') searchFor({ text: '', room: null });
					}}
				/>
				{text || room ? (
					<button
						type="button"
						class="ghost"
						aria-label="Clear the search"
						onClick={() => {
							searchFor({ text: '', room: null });
							field.current?.focus();
						}}
					>
						<ClearIcon />
					</button>
				) : (
					<button type="button" class="ghost" aria-label="How to search" aria-expanded={help} onClick={() => (setHelp(!help), load())}>
						<HelpIcon />
					</button>
				)}
			</div>
			{only && (
				<button type="button" class="chip" aria-label={`Search everywhere, not only in ${displayName(only.info)}`} onClick={() => searchFor({ room: null })}>
					in {displayName(only.info)} <ClearIcon />
				</button>
			)}
			{help && !text && parts.value && <parts.value.Help onPick={put} />}
		</div>
	);
}

export function Results({ query, room }: { query: string; room: Id | null }) {
	useEffect(load, []);
	if (parts.value) return <parts.value.Found query={query} room={room} />;
	return (
		<div class="more">
			<Spinner label="Searching" />
		</div>
	);
}
