/*
 * The whole client without a face: session, store, outbox and connection tied together. A user interface reads the fields, calls
 * the methods, and listens to topics: 'session', 'connection', 'list', 'presence', 'people', 'me', 'c:<conversation>'.
 */
import type { Code, PasskeyInfo } from './account.ts';
import { Actions } from './actions.ts';
import { Auth } from './auth.ts';
import { backoff, systemClock, uniqueId, type Clock } from './clock.ts';
import { Drafts } from './drafts.ts';
import { Outbox, type Extra, type Pending, type Shelf } from './outbox.ts';
import { People } from './people.ts';
import { asProblem } from './problem.ts';
import { Rest, type Transport } from './rest.ts';
import { isDurable, Socket, type ConnectionState, type Wire } from './socket.ts';
import { Store, type Room } from './store.ts';
import { kindOf, PICTURE_TYPES, Uploads, xhrCourier, type Courier, type Parcel } from './upload.ts';
import type { Attachment, Conversation, Durable, Frame, Heads, Id, Me, Message, Page, Provider, Welcome } from './types.ts';

export type Session =
	| { state: 'starting'; trouble: boolean }
	| { state: 'out'; reason: 'none' | 'expired' | 'left' }
	| { state: 'in'; user: Me };

export interface Options {
	/** Where the API is; "" for the page's own origin. */
	base?: string;
	socketUrl: string;
	transport?: Transport;
	open?: (url: string) => Wire;
	courier?: Courier;
	clock?: Clock;
	/** Survives a reload and is shared by tabs. */
	shelf: Shelf;
	/** One per tab. */
	tab: Shelf;
	changed(topic: string): void;
	/** A message of somebody else arrived just now. */
	heard?(room: Room, message: Message): void;
	/** Another person signed in on this browser: start over. */
	switched?(): void;
}

const SIGNED_IN = 'peal.signed_in';
const WATCHED_MAX = 200;
const TICK_MS = 250;
const TYPING_EVERY_MS = 3000;
const ACTIVE_EVERY_MS = 30_000;
const READ_MS = 150;
const REACH_PAGES = 30;

export class Peal {
	session: Session = { state: 'starting', trouble: false };
	connection: { state: ConnectionState; reason: string | null; since: number } = { state: 'idle', reason: null, since: 0 };
	list: { state: 'loading' | 'ready' | 'error'; more: string | null } = { state: 'loading', more: null };
	readonly rest: Rest;
	/** What is done to messages, conversations and people. */
	readonly act: Actions;
	/** Names to ids. */
	readonly people: People;
	store: Store;
	drafts: Drafts | null = null;
	outbox: Outbox | null = null;
	uploads: Uploads | null = null;
	/** Hears every frame after the store has: calls.ts listens here. */
	tap?: (frame: Frame) => void;

	private readonly auth: Auth;
	private readonly clock: Clock;
	socket: Socket | null = null;
	private mode: 'resume' | 'fresh' = 'fresh';
	private resumed = false; // the last hello named a `since`
	private life = 0; // answers that belong to an earlier session or epoch are ignored
	private loading = new Map<string, Promise<void>>();
	private failed = new Set<Id>();
	private reads = new Map<Id, number>();
	private cancelReads: (() => void) | null = null;
	private watched = new Set<Id>();
	private unseen: Id[] = []; // whom I block, as of the last look
	private extra: Id[] = []; // people on the screen who are not in the list
	private said = { typing: new Map<Id, number>(), active: 0 };
	private restarts = 0;
	private ticking: (() => void) | null = null;

	constructor(private readonly options: Options) {
		this.clock = options.clock ?? systemClock;
		const transport = options.transport ?? {
			fetch: (...a: Parameters<typeof fetch>) => fetch(...a),
			base: options.base ?? '',
		};
		this.auth = new Auth(transport, this.clock, {
			renewed: (token) => this.socket?.authorize(token),
			ended: (reason) =>
				reason === 'switched' ? this.leave('expired', () => options.switched?.()) : this.leave('expired'),
		});
		this.rest = new Rest(transport, this.auth);
		this.store = this.newStore('');
		this.act = new Actions(this.rest, () => this.store, this.clock);
		this.people = new People(this.rest.user, () => options.changed('people'));
	}

	// ---- session -------------------------------------------------------------------------------------------------------

	/** Goes on with the session that this browser has, if any. Resolves when it is clear who is here. */
	async start(): Promise<void> {
		if (this.options.shelf.getItem(SIGNED_IN) === null) return this.setSession({ state: 'out', reason: 'none' });
		for (let attempt = 0; this.session.state === 'starting'; attempt++) {
			try {
				await this.auth.refresh();
				return this.enter(await this.rest.me());
			} catch (error) {
				if (asProblem(error).status === 401 && this.session.state !== 'starting') return;
				this.setSession({ state: 'starting', trouble: true });
				await new Promise<void>((go) =>
					this.clock.after(500 + backoff(attempt, this.clock.random(), 1000, 10_000), go),
				);
			}
		}
	}

	async login(username: string, password: string): Promise<void> {
		await this.auth.login(username, password);
		this.enter(await this.rest.me());
	}

	async loginFactor(challenge: string, code: Code): Promise<void> {
		await this.auth.loginFactor(challenge, code);
		this.enter(await this.rest.me());
	}

	/** The browser asks which one, and for what unlocks it. */
	async loginPasskey(): Promise<void> {
		await this.auth.loginPasskey(await this.anyPasskey());
		this.enter(await this.rest.me());
	}

	/** Says again who I am, as changing how I sign in wants to know. */
	async proveByPasskey(): Promise<void> {
		await this.rest.prove({ credential: await this.anyPasskey() });
	}

	async addPasskey(name: string): Promise<PasskeyInfo> {
		const { makePasskey } = await import('./passkeys.ts'); // only whoever has passkeys needs it
		return this.rest.addPasskey(name, await makePasskey(await this.rest.newPasskey()));
	}

	private async anyPasskey(): Promise<unknown> {
		const { usePasskey } = await import('./passkeys.ts');
		return usePasskey(await this.auth.passkeyOptions());
	}

	async register(username: string, password: string, displayName: string): Promise<void> {
		await this.auth.register(username, password, displayName);
		this.enter(await this.rest.me());
	}

	providers(): Promise<Provider[]> {
		return this.auth.providers();
	}

	/** Where to send the page so that it comes back signed in, or with `?sign_in=` and the reason why not. */
	signInAddress(provider: string): string {
		this.options.shelf.setItem(SIGNED_IN, '1'); // who comes back has a session to go on with
		return `${this.options.base ?? ''}/api/v1/auth/oidc/${encodeURIComponent(provider)}`;
	}

	/** Unsent messages are forgotten too: ask first when there are any. */
	async logout(): Promise<void> {
		this.outbox?.clear();
		this.drafts?.close(true);
		const told = this.auth.logout();
		this.leave('left');
		await told;
	}

	/** Another tab signed out. */
	signedOutElsewhere(): void {
		if (this.session.state !== 'in') return;
		this.auth.forget();
		this.leave('left');
	}

	private enter(user: Me): void {
		this.life++;
		this.options.shelf.setItem(SIGNED_IN, '1');
		this.store = this.newStore(user.id);
		this.outbox = new Outbox(user.id, {
			shelf: this.options.shelf,
			clock: this.clock,
			send: (conversation, message) => this.rest.send(conversation, message),
			sent: (message) => this.store.sent(message),
			changed: (conversation) => {
				this.options.changed(`c:${conversation}`);
				this.options.changed('list');
			},
		});
		this.people.learn([user]);
		this.drafts = new Drafts(user.id, {
			shelf: this.options.shelf,
			clock: this.clock,
			there: (id) => this.store.rooms.get(id)?.info.my.draft,
			taken: (id, draft) => this.store.setMine(id, { draft }),
			put: this.rest.putDraft,
			drop: this.rest.dropDraft,
			changed: (id) => {
				this.options.changed(`c:${id}`);
				this.options.changed('list');
			},
		});
		this.uploads = new Uploads({
			clock: this.clock,
			bearer: this.auth,
			courier: this.options.courier ?? xhrCourier(this.options.base ?? ''),
			done: (parcel, attachment) =>
				this.outbox?.addUploads(parcel.conversation_id, parcel.client_id, parcel.content, [attachment]),
			changed: (conversation) => this.options.changed(`c:${conversation}`),
		});
		this.socket = this.newSocket();
		this.setSession({ state: 'in', user });
		const begin = () => {
			this.socket?.start();
			this.outbox?.pump();
		};
		void this.loadList().then(begin);
		void this.loadBlocks();
	}

	private leave(reason: 'expired' | 'left', then?: () => void): void {
		this.life++;
		this.options.shelf.removeItem(SIGNED_IN);
		this.socket?.stop();
		this.outbox?.close();
		this.drafts?.close(false);
		this.drafts = null;
		this.people.clear();
		this.extra = this.unseen = [];
		this.uploads?.close();
		this.uploads = null;
		this.socket = null;
		this.outbox = null;
		this.ticking?.();
		this.ticking = null;
		this.cancelReads?.();
		this.cancelReads = null;
		for (const kept of [this.loading, this.failed, this.reads, this.watched, this.said.typing]) kept.clear();
		this.store = this.newStore('');
		this.list = { state: 'loading', more: null };
		this.setSession({ state: 'out', reason });
		then?.();
	}

	private setSession(session: Session): void {
		this.session = session;
		this.options.changed('session');
	}

	private newStore(user: Id): Store {
		return new Store(user, {
			conversation: (id) => {
				void this.loadRoom(id);
			},
			again: (id) => {
				void this.openRoom(id);
			},
			message: (id) => {
				void this.loadMessage(id);
			},
			changed: (topic) => this.storeChanged(topic),
			arrived: (clientId) => this.outbox?.arrived(clientId),
			heard: (room, message) => this.options.heard?.(room, message),
		});
	}

	private storeChanged(topic: string): void {
		const { session, store } = this;
		if (topic === 'me' && session.state === 'in' && store.profile && store.profile !== session.user) {
			this.people.learn([store.profile]);
			this.setSession({ state: 'in', user: store.profile });
		}
		if (topic === 'me') this.watchUnblocked();
		this.options.changed(topic);
	}

	/** A block ended the watching; it does not begin again by itself. */
	private watchUnblocked(): void {
		for (const id of this.unseen) if (!this.store.blocked.has(id)) this.watched.delete(id);
		this.unseen = [...this.store.blocked];
		this.watch();
	}

	/** The whole of my profile after a change of it. */
	async changeMe(change: Parameters<Rest['changeMe']>[0]): Promise<void> {
		this.store.profile = await this.rest.changeMe(change);
		this.storeChanged('me');
	}

	// ---- connection ----------------------------------------------------------------------------------------------------

	private newSocket(): Socket {
		const open = this.options.open ?? ((url: string) => new WebSocket(url) as unknown as Wire);
		return new Socket({
			open: () => open(this.options.socketUrl),
			clock: this.clock,
			deviceId: this.deviceId(),
			token: () => this.auth.token(),
			renew: (refused) => this.auth.renew(refused),
			resume: () => {
				const from = this.store.resume();
				this.resumed = from.since !== null;
				return from;
			},
			frame: (frame) => this.receive(frame),
			state: (state, reason) => this.connectionIs(state, reason),
		});
	}

	private deviceId(): string {
		const kept = this.options.tab.getItem('peal.device');
		const id = kept ?? `web-${uniqueId().slice(0, 16)}`;
		if (kept === null) this.options.tab.setItem('peal.device', id);
		return id;
	}

	private connectionIs(state: ConnectionState, reason: string | null): void {
		if (this.connection.state === 'live' && state !== 'live') this.store.forgetPresence();
		if (state === 'connecting') this.watched.clear();
		this.connection = { state, reason, since: this.clock.now() };
		this.options.changed('connection');
	}

	/** The person asks for it, or the page has come to the front. */
	reconnect(): void {
		this.socket?.start();
		this.outbox?.nudge();
	}

	wake(): void {
		this.socket?.probe();
	}

	online(yes: boolean): void {
		this.socket?.online(yes);
		if (yes) this.outbox?.nudge();
	}

	/** Somebody is at the keyboard. */
	active(): void {
		const now = this.clock.now();
		if (now - this.said.active < ACTIVE_EVERY_MS || this.connection.state !== 'live') return;
		if (this.socket?.send({ type: 'active' })) this.said.active = now;
	}

	private receive(frame: Frame): void {
		const now = this.clock.now();
		if (isDurable(frame)) this.replay([frame], now);
		else if (frame.type === 'batch' || frame.type === 'retry') this.replay(frame.events, now);
		else if (frame.type === 'welcome') this.welcome(frame);
		else if (frame.type === 'heads') this.heads(frame, now);
		else if (frame.type === 'live') this.live(frame.since);
		else if (frame.type === 'cursor') this.store.setSince(frame.since);
		else if (frame.type === 'message_read' || frame.type === 'message_delivered') this.store.markMoved(frame);
		else if (frame.type === 'typing') this.store.setTyping(frame, now);
		else if (frame.type === 'presence') this.store.setPresence(frame.data);
		else if (frame.type === 'attachment_ready' && frame.data.message_id) void this.loadMessage(frame.data.message_id);
		this.armTick();
		this.tap?.(frame);
	}

	private replay(events: Durable[], now: number): void {
		for (const event of events) this.store.durable(event, now);
		if (
			events.some(
				(event) => event.type === 'conversation_created' || (event.type === 'new_message' && event.seq === 1),
			)
		)
			this.watch();
	}

	/** `fresh` to somebody who named a place: numbers may be reused, so what was kept is dropped and loaded again. */
	private welcome(frame: Welcome): void {
		this.mode = frame.mode;
		this.said.active = 0;
		if (frame.mode === 'fresh' && this.resumed) this.startOver();
	}

	private startOver(): void {
		const open = [...this.store.rooms.values()].filter((room) => room.loaded).map((room) => room.id);
		this.life++;
		this.loading.clear();
		this.store.reset();
		this.list = { state: 'loading', more: null };
		void this.loadList();
		void this.loadBlocks();
		for (const id of open) void this.openRoom(id);
	}

	private heads(frame: Heads, now: number): void {
		this.store.takeHeads(frame, this.mode, now);
	}

	private live(since: string): void {
		this.store.setSince(since);
		for (const { conversation, place } of this.store.behind()) this.askSync(conversation, place.seq, place.rev);
		for (const room of this.store.unsaidReads()) this.sayRead(room.id, room.readSeq);
		this.flushReads();
		for (const id of this.store.unknown()) void this.loadRoom(id);
		if (this.list.state === 'error') void this.loadList();
		this.watch();
		this.outbox?.nudge();
		this.active();
	}

	private askSync(id: Id, seq: number, rev: number): void {
		this.socket?.send({ type: 'sync', conversation_id: id, seq, rev });
	}

	/** Runs only while time matters: somebody types, or a hole is open. */
	private armTick(): void {
		if (this.ticking !== null || !this.store.timed()) return;
		this.ticking = this.clock.after(TICK_MS, () => {
			this.ticking = null;
			this.tick();
			this.armTick();
		});
	}

	private tick(): void {
		const due = this.store.tick(this.clock.now());
		if (this.connection.state !== 'live' && this.connection.state !== 'syncing') return;
		for (const { conversation, place } of due.ask) this.askSync(conversation, place.seq, place.rev);
		for (const id of due.reload) void this.reloadRoom(id);
		if (due.restart) this.restartStream();
	}

	/** A hole in my own stream is filled by a new connection; one that stays is answered by loading everything again. */
	private restartStream(): void {
		if (++this.restarts > 2) {
			this.restarts = 0;
			this.startOver();
		}
		this.socket?.restart();
	}

	private watch(): void {
		if (this.connection.state !== 'live') return;
		const want = new Set([...this.extra, ...this.store.peers()].slice(0, WATCHED_MAX));
		const add = [...want].filter((id) => !this.watched.has(id));
		const remove = [...this.watched].filter((id) => !want.has(id));
		if (add.length + remove.length > 0 && this.socket?.send({ type: 'presence_watch', add, remove }))
			this.watched = want;
	}

	/** Whoever hid from me may have come back, and nobody says so. */
	private lookAgain(peer: Id | undefined): void {
		const seen = peer && this.store.presence.get(peer);
		if (!peer || !seen || seen.status !== 'offline' || seen.last_seen_at) return;
		this.watched.delete(peer);
		this.watch();
	}

	/** People whose presence is on the screen besides those of direct conversations. */
	watchPeople(ids: Id[]): void {
		this.extra = ids.filter((id) => id !== this.store.me);
		this.watch();
	}

	// ---- loading -------------------------------------------------------------------------------------------------------

	/** One load of a kind at a time; answers from before a new start are dropped by the `current` given to it. */
	private once(key: string, load: (current: () => boolean) => Promise<void>): Promise<void> {
		const running = this.loading.get(key);
		if (running) return running;
		const life = this.life;
		const promise = load(() => life === this.life).finally(() => {
			if (this.loading.get(key) === promise) this.loading.delete(key);
		});
		this.loading.set(key, promise);
		return promise;
	}

	loadList(more = false): Promise<void> {
		return this.once('list', async (current) => {
			try {
				const page = await this.persist(() => this.rest.conversations(more ? this.list.more : null), current);
				if (!current()) return;
				for (const info of page.items) this.adopt(info);
				this.list = { state: 'ready', more: more || this.list.more === null ? page.next_cursor : this.list.more };
			} catch {
				if (current()) this.list = { ...this.list, state: 'error' };
			}
			if (!current()) return;
			this.options.changed('list');
			this.watch();
		});
	}

	private adopt(info: Conversation): void {
		this.people.learn([info.peer, ...(info.participants ?? []).map((p) => p.user)]);
		this.store.adopt(info, this.clock.now());
	}

	loadArchived(): Promise<void> {
		return this.once('archived', async (current) => {
			let cursor: string | null = null;
			do {
				const page = await this.persist(() => this.rest.conversations(cursor, 100, true), current);
				if (!current()) return;
				for (const info of page.items) this.adopt(info);
				cursor = page.next_cursor;
			} while (cursor !== null);
			this.watch();
		});
	}

	/** Everybody in it; a conversation by itself names 32 at most. */
	loadParticipants(id: Id): Promise<void> {
		return this.once(`participants:${id}`, async (current) => {
			const all = await this.pages((cursor) => this.rest.participants(id, cursor), current);
			if (!current()) return;
			this.people.learn(all.map((p) => p.user));
			this.store.setParticipants(id, all);
		});
	}

	loadBlocks(): Promise<void> {
		return this.once('blocks', async (current) => {
			const all = await this.pages(this.rest.blocks, current).catch(() => null);
			if (!current() || !all) return;
			this.people.learn(all.map((block) => block.user));
			this.store.setBlocks(all);
		});
	}

	loadScheduled(): Promise<void> {
		return this.once('scheduled', async (current) => {
			const all = await this.pages(this.rest.scheduled, current);
			if (current()) this.store.setScheduled(all);
		});
	}

	private async pages<T>(ask: (cursor: string | null) => Promise<Page<T>>, current: () => boolean): Promise<T[]> {
		const all: T[] = [];
		let cursor: string | null = null;
		do {
			const page: Page<T> = await this.persist(() => ask(cursor), current);
			all.push(...page.items);
			cursor = page.next_cursor;
		} while (cursor !== null && current());
		return all;
	}

	/** Asks again for a while when the server is away. */
	private async persist<T>(ask: () => Promise<T>, current: () => boolean, tries = 4): Promise<T> {
		for (let attempt = 1; ; attempt++) {
			try {
				return await ask();
			} catch (error) {
				const problem = asProblem(error);
				if (!problem.retryable || attempt >= tries || !current()) throw problem;
				const wait = (problem.retryAfterMs ?? 200) + backoff(attempt, this.clock.random(), 300, 5000);
				await new Promise<void>((go) => this.clock.after(wait, go));
			}
		}
	}

	private loadRoom(id: Id): Promise<void> {
		return this.once(`room:${id}`, async (current) => {
			try {
				const info = await this.persist(() => this.rest.conversation(id), current);
				if (!current()) return;
				this.adopt(info);
				this.watch();
			} catch (error) {
				if (current() && asProblem(error).code === 'not_found') this.store.forgetUnknown(id);
			}
		});
	}

	/** A message as I see it, with what events do not say. */
	loadMessage(id: Id): Promise<void> {
		return this.once(`message:${id}`, async (current) => {
			try {
				const message = await this.persist(() => this.rest.message(id), current);
				if (current()) this.store.replaced(message);
			} catch {
				// it is loaded with its page the next time
			}
		});
	}

	/** Loads what the screen of a conversation shows first. */
	async openRoom(id: Id): Promise<void> {
		const room = this.store.rooms.get(id);
		this.lookAgain(room?.info.peer?.id);
		if (!room || !room.info.participants) await this.loadRoom(id);
		const known = this.store.rooms.get(id);
		if (known && !known.loaded) await this.loadPage(id, true);
		else if (!known) this.setFailed(id, true);
	}

	loadOlder(id: Id): Promise<void> {
		const room = this.store.rooms.get(id);
		return room?.loaded && room.hasBefore ? this.loadPage(id, false) : Promise.resolve();
	}

	/** Loads back to a message that is above what is held. False when it is too far up. */
	async reach(id: Id, seq: number): Promise<boolean> {
		for (let i = 0; i < REACH_PAGES; i++) {
			const room = this.store.rooms.get(id);
			if (!room?.loaded) return false;
			if (!room.hasBefore || (room.messages[0]?.seq ?? 0) <= seq) return room.messages.some((m) => m.seq === seq);
			await this.loadPage(id, false, 100);
			if (this.failed.has(id)) return false;
		}
		return false;
	}

	roomFailed(id: Id): boolean {
		return this.failed.has(id);
	}

	private setFailed(id: Id, yes: boolean): void {
		if (yes) this.failed.add(id);
		else this.failed.delete(id);
		this.options.changed(`c:${id}`);
	}

	private loadPage(id: Id, latest: boolean, limit = 50): Promise<void> {
		return this.once(`page:${id}`, async (current) => {
			this.setFailed(id, false);
			try {
				for (let good = false; !good;) {
					const before = latest ? undefined : this.store.rooms.get(id)?.messages[0]?.seq;
					const page = await this.persist(() => this.rest.messages(id, { before, limit }), current);
					good = !current() || this.store.page(id, page, latest);
				}
			} catch {
				if (current()) this.setFailed(id, true);
			}
		});
	}

	/** Asking did not fill a hole: take the present state instead. */
	private reloadRoom(id: Id): Promise<void> {
		return this.once(`room:${id}`, async (current) => {
			const was = this.store.rooms.get(id)?.loaded ?? false;
			try {
				const info = await this.rest.conversation(id);
				if (!current()) return;
				this.store.restartRoom(info, this.clock.now());
				if (was) void this.loadPage(id, true);
			} catch (error) {
				if (current() && asProblem(error).code === 'not_found') this.store.dropRoom(id);
			}
		});
	}

	// ---- doing ---------------------------------------------------------------------------------------------------------

	send(conversation: Id, content: string, more?: Extra): void {
		this.said.typing.delete(conversation);
		this.drafts?.keep(conversation, '', null);
		this.outbox?.add(conversation, content, more);
	}

	/** Pictures, each a message of its own; the text goes with the first. Returns those that are none. */
	sendPictures(conversation: Id, files: File[], caption: string): File[] {
		const pictures = files.filter((file) => PICTURE_TYPES.includes(file.type));
		pictures.forEach((file, i) => this.uploads?.add(conversation, file, file.name, i === 0 ? caption : ''));
		return files.filter((file) => !pictures.includes(file));
	}

	/** Films, and other files as they are, each a message of its own; the text goes with the first. */
	sendFiles(conversation: Id, files: File[], caption: string): void {
		files.forEach((file, i) => this.uploads?.add(conversation, file, file.name, i === 0 ? caption : '', kindOf(file)));
	}

	sendRecording(conversation: Id, sound: Blob): void {
		this.uploads?.add(conversation, sound, '', '', 'audio');
	}

	/** What is on its way into a conversation, in the order it was given. */
	waiting(conversation: Id): (Pending | Parcel)[] {
		const all = [...(this.uploads?.of(conversation) ?? []), ...(this.outbox?.of(conversation) ?? [])];
		return all.sort((a, b) => a.at - b.at);
	}

	/** A picture for something that is no message, such as a profile. */
	uploadPicture(file: File): Promise<Attachment> {
		return this.uploads!.send(file, file.name);
	}

	async startDirect(user: Id): Promise<Conversation> {
		const info = await this.rest.startDirect(user);
		this.adopt(info);
		this.watch();
		return info;
	}

	/** A group with these people; `key` is the same when it is tried again. */
	async createGroup(group: Parameters<Rest['createGroup']>[0], key: string): Promise<Conversation> {
		const info = await this.rest.createGroup(group, key);
		this.adopt(info);
		return info;
	}

	/** Everything up to the newest message is on the screen, in front of somebody. */
	markRead(id: Id): void {
		const room = this.store.rooms.get(id);
		const last = room?.messages[room.messages.length - 1]?.seq ?? 0;
		if (!room || (last <= room.readSeq && room.unread === 0 && room.unreadFrom === null)) return;
		this.store.readHere(room, last);
		this.sayRead(id, last);
	}

	private sayRead(id: Id, seq: number): void {
		this.reads.set(id, Math.max(seq, this.reads.get(id) ?? 0));
		this.cancelReads ??= this.clock.after(READ_MS, () => this.flushReads());
	}

	private flushReads(): void {
		this.cancelReads?.();
		this.cancelReads = null;
		const life = this.life;
		for (const [id, seq] of this.reads) {
			this.reads.delete(id);
			this.rest.markRead(id, seq).catch((error) => {
				const problem = asProblem(error);
				if (life !== this.life || !problem.retryable) return;
				this.reads.set(id, Math.max(seq, this.reads.get(id) ?? 0));
				if (problem.code === 'network') return; // the next connection says it again
				this.cancelReads ??= this.clock.after((problem.retryAfterMs ?? 1000) + 500, () => this.flushReads());
			});
		}
	}

	/** Called at every key; the server hears of it every three seconds at most, and when it ends. */
	typing(id: Id, yes: boolean): void {
		const now = this.clock.now();
		const last = this.said.typing.get(id) ?? 0;
		if (yes ? now - last < TYPING_EVERY_MS : last === 0) return;
		if (yes) this.said.typing.set(id, now);
		else this.said.typing.delete(id);
		this.socket?.send({ type: 'typing', conversation_id: id, is_typing: yes });
	}
}
