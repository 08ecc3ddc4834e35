// The one client of this page, its topics as signals, and what the address bar says.
import { signal, type Signal } from '@preact/signals';
import { asProblem, Peal, type Id, type Room } from '../sdk/index.ts';
import { displayName, excerpt } from './format.ts';

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
	heard: (room, message) => announce(room, excerpt(message)),
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

const draftKey = (id: Id) => `peal.draft.${peal.store.me}.${id}`;
export const draftOf = (id: Id) => localStorage.getItem(draftKey(id)) ?? '';

export function keepDraft(id: Id, text: string): void {
	const before = draftOf(id);
	try {
		if (text.trim() === '') localStorage.removeItem(draftKey(id));
		else localStorage.setItem(draftKey(id), text);
	} catch {
		return; // storage is full: the draft lives as long as the page
	}
	if ((before === '') !== (text.trim() === '')) changed('list');
}

function forgetDrafts(): void {
	for (const key of Object.keys(localStorage))
		if (key.startsWith(`peal.draft.${peal.store.me}.`)) localStorage.removeItem(key);
}

export async function signOut(): Promise<void> {
	forgetDrafts();
	goHome();
	await peal.logout();
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
