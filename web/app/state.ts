// The one client of this page, its topics as signals, and what the address bar says.
import { signal, type Signal } from '@preact/signals';
import { asProblem, Peal, seqOf, type Id, type Message, type Room, type User } from '../sdk/index.ts';
import { displayName } from './format.ts';
import { isQuiet, preview } from './names.ts';

const topics = new Map<string, Signal<number>>();

function topic(name: string): Signal<number> {
	let found = topics.get(name);
	if (!found) topics.set(name, (found = signal(0)));
	return found;
}

/**
 * A component that calls this is rendered again whenever the topic changes. Rooms change in place, and a component whose props are
 * the same as before is not rendered with its parent: whoever shows something of a room watches it.
 */
export function watch(name: string): void {
	void topic(name).value;
}

const dirty = new Set<string>();

export const watchRoom = (id: Id) => watch(`c:${id}`);

/** Many changes in one go, such as a batch of events, are one rendering. */
function changed(name: string): void {
	if (dirty.size === 0) queueMicrotask(flush);
	dirty.add(name);
}

function flush(): void {
	const names = [...dirty];
	dirty.clear();
	for (const name of names) topic(name).value++;
}

const socketUrl = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;

export const peal = new Peal({
	socketUrl,
	shelf: localStorage,
	tab: sessionStorage,
	changed,
	heard: (room, message) => {
		if (!isQuiet(room, message)) announce(room, preview(room, message));
	},
	switched: () => location.reload(),
});

// ---- where we are ----------------------------------------------------------------------------------------------------

const roomIn = (hash: string): Id | null => /^#\/c\/([1-9][0-9]*)$/.exec(hash)?.[1] ?? null;

/** The conversation on the screen; #/c/12 in the address bar, so that "back" on a phone does what it says. */
export const current = signal<Id | null>(roomIn(location.hash));
export const roomHref = (id: Id) => `#/c/${id}`;
export const goTo = (id: Id) => {
	location.hash = roomHref(id);
};
export const goHome = () => {
	location.hash = '#/';
};

/** What is typed into the search, and the one conversation that it is about. */
export const search = signal<{ text: string; room: Id | null }>({ text: '', room: null });
export const searchFor = (change: { text?: string; room?: Id | null }) => {
	search.value = { ...search.value, ...change };
};

// ---- what is said ----------------------------------------------------------------------------------------------------

export const toast = signal<string | null>(null);
let toastTimer: ReturnType<typeof setTimeout> | undefined;

export function complain(error: unknown, doing: string): void {
	const problem = asProblem(error);
	tell(problem.code === 'network' ? `${doing}: the server cannot be reached.` : `${doing}: ${problem.message}`);
}

export function tell(text: string): void {
	clearTimeout(toastTimer);
	toast.value = text;
	toastTimer = setTimeout(() => {
		toast.value = null;
	}, 5000);
}

/** For screen readers, in one polite region: bursts are said as a number. */
export const spoken = signal('');
let heard: { who: string; text: string }[] = [];

function announce(room: Room, text: string): void {
	if (heard.length === 0) setTimeout(speak, 600);
	heard.push({ who: displayName(room.info), text });
}

function speak(): void {
	const all = heard;
	heard = [];
	const names = [...new Set(all.map((one) => one.who))];
	spoken.value =
		all.length === 1 ? `${all[0]!.who}: ${all[0]!.text}` : `${all.length} new messages from ${names.join(', ')}`;
}

// ---- pictures --------------------------------------------------------------------------------------------------------

/** False when there was none among the files. */
export function sendPictures(id: Id, files: File[], caption: string): boolean {
	const refused = peal.sendPictures(id, files, caption);
	if (refused.length > 0) tell('Only JPEG, PNG, GIF and WebP pictures can be sent.');
	return refused.length < files.length;
}

// ---- drafts ----------------------------------------------------------------------------------------------------------

export const draftOf = (id: Id) => peal.drafts?.of(id).content ?? '';

export async function signOut(): Promise<void> {
	goHome();
	await peal.logout();
}

// ---- what lies over the conversation ---------------------------------------------------------------------------------

export type Overlay =
	| { kind: 'details' | 'add' | 'poll'; room: Id }
	| { kind: 'forward' | 'history' | 'who'; message: Message }
	| { kind: 'around'; message: Id }
	| { kind: 'report'; message?: Message; user?: User }
	| { kind: 'tokens' | 'moderation' }
	| { kind: 'later'; room: Id; text: string; replyTo: Id | null }
	| { kind: 'group' | 'me' | 'starred' | 'blocked' | 'scheduled' | 'archived' | 'account' };

/** Sheets, the topmost last. */
export const overlays = signal<Overlay[]>([]);
export const lay = (overlay: Overlay) => {
	overlays.value = [...overlays.value, overlay];
};
export const lift = () => {
	overlays.value = overlays.value.slice(0, -1);
};
export const liftAll = () => {
	overlays.value = [];
};

/** The message that the next one answers, and the one that is being edited. */
export const replying = signal<Message | null>(null);
export const editing = signal<Id | null>(null);

/** The message that is being shown to somebody who asked for it. */
export const aimed = signal<Id | null>(null);
let aimTimer: ReturnType<typeof setTimeout> | undefined;

/** Messages further back than this are shown with what was said around them; everything in between is not loaded for it. */
const NEAR = 300;

/** Goes there; what lies over the conversation is gone by then. */
async function enter(conversation: Id): Promise<void> {
	liftAll();
	if (current.value === conversation) return;
	const there = new Promise((resolve) => addEventListener('hashchange', resolve, { once: true }));
	goTo(conversation);
	await there;
}

export async function show(messageId: Id): Promise<void> {
	const { conversation, seq } = seqOf(messageId);
	await enter(conversation);
	await peal.openRoom(conversation);
	const first = peal.store.rooms.get(conversation)?.messages[0]?.seq ?? 0;
	if (first - seq > NEAR) return lay({ kind: 'around', message: messageId });
	if (!(await peal.reach(conversation, seq))) return tell('This message cannot be shown: it is gone, or too far back.');
	clearTimeout(aimTimer);
	aimed.value = messageId;
	aimTimer = setTimeout(() => (aimed.value = null), 2200);
}

/** Does it, and says so when it fails. True when it worked. */
export async function attempt(doing: string, action: () => Promise<unknown>): Promise<boolean> {
	try {
		await action();
		return true;
	} catch (error) {
		complain(error, doing);
		return false;
	}
}

// ---- the browser around us -------------------------------------------------------------------------------------------

export const attentive = signal(isAttentive());

function isAttentive(): boolean {
	return document.visibilityState === 'visible' && document.hasFocus();
}

function attention(): void {
	attentive.value = isAttentive();
	if (attentive.value) {
		peal.wake();
		peal.active();
	}
}

export function attach(): void {
	addEventListener('hashchange', () => {
		current.value = roomIn(location.hash);
		replying.value = editing.value = null;
		liftAll();
	});
	addEventListener('online', () => peal.online(true));
	addEventListener('offline', () => peal.online(false));
	for (const type of ['focus', 'blur']) addEventListener(type, attention);
	document.addEventListener('visibilitychange', attention);
	for (const type of ['pointerdown', 'keydown']) addEventListener(type, () => peal.active(), { passive: true });
	addEventListener('storage', (e) => {
		if (e.key === 'peal.signed_in' && e.newValue === null) peal.signedOutElsewhere();
	});
	void peal.start();
}
