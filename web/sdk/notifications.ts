/*
 * Notifications of this browser by Web Push: on, off, and at each start once more. What the service worker gets is in docs/notifications.md.
 *
 *     const here = new Notifications(peal.rest, localStorage, me.id);
 *     button.onclick = () => here.turnOn();     in the click itself: the browser asks for permission
 *     await here.refresh();                     at each start
 *
 * A subscription belongs to the session that sent it, so whoever signs in again has to send it again; and only to the person who
 * switched it on: somebody else on the same browser decides for themselves.
 */
import { PealError } from './problem.ts';
import type { Rest } from './rest.ts';
import type { Shelf } from './outbox.ts';
import type { Id } from './types.ts';

export type PushState =
	| 'unsupported' // by this browser, or by this page: only https has it
	| 'unavailable' // the server is not set up for it
	| 'denied' // the person said no to the browser
	| 'off'
	| 'on';

const KEPT = 'peal.push'; // "<user>:<subscription>"

export class Notifications {
	constructor(
		private rest: Rest,
		private shelf: Shelf,
		private me: Id,
		private worker = '/sw.js',
	) {}

	static get here(): boolean {
		return 'serviceWorker' in navigator && 'PushManager' in self && 'Notification' in self;
	}

	async state(): Promise<PushState> {
		if (!Notifications.here) return 'unsupported';
		if ((await this.key()) === null) return 'unavailable';
		if (Notification.permission === 'denied') return 'denied';
		const registration = await navigator.serviceWorker.getRegistration('/');
		return this.kept && (await registration?.pushManager.getSubscription()) ? 'on' : 'off';
	}

	/** Asks for permission first, as browsers want it: in a click. Resolves to what it came to. */
	async turnOn(): Promise<PushState> {
		if ((await Notification.requestPermission()) !== 'granted') return Notification.permission === 'denied' ? 'denied' : 'off';
		const key = await this.key();
		if (key === null) return 'unavailable';
		await this.subscribe(key);
		return 'on';
	}

	async turnOff(): Promise<void> {
		const id = this.kept;
		this.shelf.removeItem(KEPT);
		const registration = await navigator.serviceWorker.getRegistration('/');
		const subscription = await registration?.pushManager.getSubscription();
		await subscription?.unsubscribe();
		if (id) await this.rest.body('DELETE', `/push/subscriptions/${id}`).catch(unlessGone);
	}

	/** Sends it again, if it was switched on by me: with this session, and subscribed anew should the server have another key. */
	async refresh(): Promise<void> {
		if (!this.kept || !Notifications.here || Notification.permission !== 'granted') return;
		const key = await this.key();
		if (key !== null) await this.subscribe(key);
	}

	private get kept(): Id | null {
		const [user, id] = (this.shelf.getItem(KEPT) ?? '').split(':');
		return user === this.me && id ? id : null;
	}

	private async key(): Promise<string | null> {
		try {
			return (await this.rest.body<{ public_key: string }>('GET', '/push/vapid-key')).public_key;
		} catch (error) {
			if (error instanceof PealError && error.code === 'not_configured') return null;
			throw error;
		}
	}

	private async subscribe(key: string): Promise<void> {
		await navigator.serviceWorker.register(this.worker);
		const { pushManager } = await navigator.serviceWorker.ready;
		const before = await pushManager.getSubscription();
		if (before && !madeFor(before, key)) await before.unsubscribe();
		const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
		const { id } = await this.rest.body<{ id: Id }>('POST', '/push/subscriptions', subscription.toJSON());
		this.shelf.setItem(KEPT, `${this.me}:${id}`);
	}
}

function madeFor(subscription: PushSubscription, key: string): boolean {
	const bytes = subscription.options.applicationServerKey;
	if (!bytes) return false;
	return btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '') === key;
}

function unlessGone(error: unknown): void {
	if (!(error instanceof PealError) || error.code !== 'not_found') throw error;
}
