// Which screen, and what lies over all of them: the connection's state, complaints, announcements.
import type { FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Chat } from './Chat.tsx';
import { displayName } from './format.ts';
import { Bell } from './icons.tsx';
import { List } from './List.tsx';
import { SignIn } from './SignIn.tsx';
import { current, liftAll, overlays, peal, spoken, tell, watch } from './state.ts';
import { Spinner, Toast } from './parts.tsx';

export function App() {
	watch('session');
	const { session } = peal;
	return (
		<>
			{session.state === 'starting' && <Starting trouble={session.trouble} />}
			{session.state === 'out' && <SignIn expired={session.reason === 'expired'} />}
			{session.state === 'in' && <Main />}
			{overlays.value.length === 0 && <Toast />}
			<div class="unseen" aria-live="polite" data-testid="announcer">
				{spoken.value}
			</div>
		</>
	);
}

function Starting({ trouble }: { trouble: boolean }) {
	return (
		<main class="starting">
			<Bell size={56} />
			{trouble ? <p>The server cannot be reached. Trying again…</p> : <Spinner label="Starting" />}
		</main>
	);
}

function Main() {
	watch('connection');
	const open = current.value;
	useEffect(() => {
		import('./begun.ts').then((m) => m.begin(), () => undefined);
	}, []);
	return (
		<div class={open ? 'panes has-room' : 'panes'} data-live={peal.connection.state}>
			<Title />
			<Connection />
			<div class="side">
				<List />
			</div>
			<main class="room-pane">{open ? <Chat key={open} id={open} /> : <Nothing />}</main>
			<Over />
		</div>
	);
}

/** Loaded when it is first needed: a first visit shows no sheets. */
function Over() {
	const [sheets, setSheets] = useState<{ Sheets: FunctionComponent } | null>(null);
	const wanted = overlays.value.length > 0;
	useEffect(() => {
		if (!wanted || sheets) return;
		import('./sheets/Sheets.tsx').then(
			(module) => setSheets({ Sheets: module.default }),
			() => {
				liftAll();
				tell('This part of Peal could not be loaded. Is the network there?');
			},
		);
	}, [wanted]);
	return sheets ? <sheets.Sheets /> : null;
}

function Nothing() {
	return (
		<div class="nothing">
			<Bell size={64} />
			<h2>Pick a conversation</h2>
			<p>Or search for somebody to begin a new one.</p>
		</div>
	);
}

/** The number of unread messages and whom we talk to, in the title of the page. */
function Title() {
	watch('list');
	const unread = peal.store.unreadTotal();
	const room = current.value ? peal.store.rooms.get(current.value) : undefined;
	const title = `${unread > 0 ? `(${unread > 99 ? '99+' : unread}) ` : ''}${room ? `${displayName(room.info)} · ` : ''}Peal`;
	useEffect(() => {
		document.title = title;
	}, [title]);
	return null;
}

const STOPPED: Record<string, string> = {
	forced: 'This tab was disconnected.',
	token: 'The server did not accept this session.',
	forbidden: 'The server refused the connection.',
	origin: 'This address may not connect to the server.',
};

/** Says that we are not live, but only once that has lasted long enough to matter. */
function Connection() {
	watch('connection');
	const { state, reason } = peal.connection;
	const bad = state !== 'live' && state !== 'idle';
	const [shown, show] = useState(false);
	useEffect(() => {
		if (!bad) return show(false);
		const timer = setTimeout(() => show(true), state === 'offline' || state === 'stopped' ? 0 : 1500);
		return () => clearTimeout(timer);
	}, [bad, state === 'offline' || state === 'stopped']);
	return (
		<div role="status" class="connection-place">
			{bad && shown && (
				<div class={`connection connection-${state}`} data-testid="connection">
					<span>{connectionText(state, reason)}</span>
					{(state === 'waiting' || state === 'stopped') && (
						<button type="button" onClick={() => peal.reconnect()}>
							Reconnect
						</button>
					)}
				</div>
			)}
		</div>
	);
}

function connectionText(state: string, reason: string | null): string {
	if (state === 'offline') return 'You are offline. Messages go out when you are back.';
	if (state === 'stopped') return STOPPED[reason ?? ''] ?? 'The connection was closed.';
	return state === 'syncing' ? 'Catching up…' : 'Connecting…';
}
