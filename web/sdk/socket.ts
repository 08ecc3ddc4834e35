/*
 * One connection to peal-push at a time, and when to make the next one. Frames go up as they come; acknowledgements, liveness,
 * renewal of the token and back-off happen here.
 *
 *     idle -> connecting -> syncing -> live
 *               ^   |          |        |
 *               |   v          v        v        offline: the browser says there is no network
 *              waiting <-------+--------+        stopped: the server said not to come back by oneself
 */
import { backoff, type Clock } from './clock.ts';
import type { Durable, Frame, Id, Place } from './types.ts';

export type ConnectionState = 'idle' | 'connecting' | 'syncing' | 'live' | 'waiting' | 'offline' | 'stopped';

export const ACK_EVERY = 32;
export const ACK_MS = 400;
export const PING_MS = 25_000;
export const PONG_MS = 10_000;
const CONNECT_MS = 15_000;

/** What a close code asks of us. */
export type Verdict = 'reconnect' | 'renew' | 'stop';

export function verdict(code: number): Verdict {
	if (code === 4401) return 'renew';
	return (code >= 4400 && code < 4500) || code === 1008 ? 'stop' : 'reconnect';
}

/** Counts durable events of one connection, and says when to acknowledge. */
export class Acks {
	count = 0;
	private told = 0;

	/** True: tell the server now; otherwise within a second. */
	handled(n: number): boolean {
		this.count += n;
		return this.count - this.told >= ACK_EVERY;
	}

	get owed(): boolean {
		return this.count > this.told;
	}

	frame(): { type: 'ack'; count: number } {
		this.told = this.count;
		return { type: 'ack', count: this.count };
	}
}

const DURABLE = new Set<string>([
	'new_message',
	'message_edited',
	'message_deleted',
	'message_pinned',
	'message_unpinned',
	'reaction_added',
	'reaction_removed',
	'poll_voted',
	'member_added',
	'member_removed',
	'conversation_updated',
	'conversation_created',
	'user_changed',
	'skipped',
]);

export function isDurable(frame: Frame): frame is Durable {
	return DURABLE.has(frame.type);
}

/** The part of a WebSocket that is used here. */
export interface Wire {
	send(text: string): void;
	close(code?: number): void;
	onopen: ((e: never) => void) | null;
	onmessage: ((e: { data: unknown }) => void) | null;
	onclose: ((e: { code: number }) => void) | null;
	onerror: ((e: never) => void) | null;
}

export interface SocketDeps {
	open(): Wire;
	clock: Clock;
	deviceId: string;
	token(): Promise<string>;
	/** The token was refused; resolves when there is another. */
	renew(refused: string): Promise<string>;
	resume(): { since: string | null; cursors: Record<Id, Place> };
	frame(frame: Frame): void;
	state(state: ConnectionState, reason: string | null): void;
}

export class Socket {
	state: ConnectionState = 'idle';
	private wire: Wire | null = null;
	private acks = new Acks();
	private attempt = 0;
	private renewals = 0;
	private usedToken = '';
	private round = 0; // answers to an earlier round are ignored
	private heard = 0;
	private sayBye: number | null = null;
	private timers: Record<'ack' | 'alive' | 'next', () => void> = { ack: nothing, alive: nothing, next: nothing };

	constructor(private readonly deps: SocketDeps) {}

	/** Connects unless that is under way already; does away with any wait. */
	start(): void {
		if (this.wire !== null && this.state !== 'waiting') return;
		this.attempt = 0;
		this.connect();
	}

	/** Ends the connection for good, until start(). */
	stop(): void {
		this.drop(1000);
		this.set('idle', null);
	}

	/** The browser lost or found its network. */
	online(yes: boolean): void {
		if (this.state === 'idle' || this.state === 'stopped') return;
		if (!yes) {
			this.drop(1000);
			this.set('offline', null);
		} else if (this.state === 'offline' || this.state === 'waiting') {
			this.attempt = 0;
			this.connect();
		} else {
			this.probe();
		}
	}

	/** The page is looked at again, or woke up: is anybody there? */
	probe(): void {
		if (this.state === 'waiting') this.start();
		else if (this.state === 'live' || this.state === 'syncing') this.ping();
	}

	/** Begins again where we are, because what should have come did not. */
	restart(): void {
		if (this.state !== 'live' && this.state !== 'syncing') return;
		this.drop(1000);
		this.later(backoff(this.attempt++, this.deps.clock.random()));
	}

	send(frame: Record<string, unknown> & { type: string }): boolean {
		if (this.wire === null || (this.state !== 'live' && this.state !== 'syncing')) return false;
		this.wire.send(JSON.stringify(frame));
		return true;
	}

	/** A connection lives only as long as its token. */
	authorize(token: string): void {
		if (this.send({ type: 'auth', token })) this.usedToken = token;
	}

	private set(state: ConnectionState, reason: string | null): void {
		this.state = state;
		this.deps.state(state, reason);
	}

	private connect(): void {
		this.drop(1000);
		const round = ++this.round;
		this.set('connecting', null);
		this.deps.token().then(
			(token) => {
				if (round === this.round) this.open(token, round);
			},
			() => {
				if (round === this.round) this.later(backoff(this.attempt++, this.deps.clock.random()));
			},
		);
	}

	private open(token: string, round: number): void {
		const mine =
			<E>(fn: (e: E) => void) =>
			(e: E) => {
				if (round === this.round) fn(e);
			};
		const wire = this.deps.open();
		this.wire = wire;
		this.acks = new Acks();
		this.sayBye = null;
		this.usedToken = token;
		wire.onopen = mine(() => this.hello(token));
		wire.onmessage = mine((e: { data: unknown }) => this.receive(e.data));
		wire.onclose = mine((e: { code: number }) => this.closed(e.code));
		wire.onerror = nothing;
		this.timers.alive = this.deps.clock.after(CONNECT_MS, () => this.lost());
	}

	private hello(token: string): void {
		this.set('syncing', null);
		this.send({ type: 'hello', device_id: this.deps.deviceId, token, ...this.deps.resume() });
		this.listen();
	}

	private receive(data: unknown): void {
		this.heard = this.deps.clock.now();
		let frame: Frame;
		try {
			frame = JSON.parse(String(data)) as Frame;
		} catch {
			return this.lost();
		}
		this.before(frame);
		this.deps.frame(frame);
		this.after(frame);
	}

	private before(frame: Frame): void {
		if (frame.type === 'bye') this.sayBye = frame.reconnect_in_ms ?? null;
		if (frame.type !== 'live') return;
		this.attempt = 0;
		this.renewals = 0;
		this.set('live', null);
	}

	/** Acknowledges what is applied by now: a batch at once, single events in company. */
	private after(frame: Frame): void {
		if (frame.type === 'retry') return this.acknowledge();
		const events = frame.type === 'batch' ? frame.events.length : isDurable(frame) ? 1 : 0;
		if (events === 0) return;
		const first = !this.acks.owed;
		if (this.acks.handled(events) || frame.type === 'batch') this.acknowledge();
		else if (first) this.timers.ack = this.deps.clock.after(ACK_MS, () => this.acknowledge());
	}

	private acknowledge(): void {
		this.timers.ack();
		this.send(this.acks.frame());
	}

	/** Silence for a while is asked about; silence after that is a dead connection. */
	private listen(): void {
		this.timers.alive();
		const since = this.deps.clock.now() - this.heard;
		this.timers.alive = this.deps.clock.after(Math.max(1000, PING_MS - Math.min(since, PING_MS)), () => {
			if (this.deps.clock.now() - this.heard >= PING_MS) this.ping();
			else this.listen();
		});
	}

	private ping(): void {
		const asked = this.deps.clock.now();
		this.timers.alive();
		this.send({ type: 'ping' });
		this.timers.alive = this.deps.clock.after(PONG_MS, () => {
			if (this.heard < asked) this.lost();
			else this.listen();
		});
	}

	private lost(): void {
		this.drop(1000);
		this.later(backoff(this.attempt++, this.deps.clock.random()));
	}

	private closed(code: number): void {
		const bye = this.sayBye;
		const token = this.usedToken;
		this.drop(null);
		const what = verdict(code);
		if (what === 'stop' || (what === 'renew' && this.renewals >= 3)) return this.set('stopped', stopReason(code));
		if (what === 'renew') return this.renewThenConnect(token);
		this.later(bye ?? backoff(this.attempt++, this.deps.clock.random()));
	}

	private renewThenConnect(refused: string): void {
		this.renewals++;
		const round = this.round;
		this.set('connecting', null);
		const again = () => {
			if (round === this.round) this.later(backoff(this.attempt++, this.deps.clock.random()));
		};
		this.deps.renew(refused).then(again, again);
	}

	private later(ms: number): void {
		this.set('waiting', null);
		this.timers.next();
		this.timers.next = this.deps.clock.after(ms, () => this.connect());
	}

	/** Lets go of the connection; nothing it still says is heard. */
	private drop(code: number | null): void {
		this.round++;
		for (const cancel of Object.values(this.timers)) cancel();
		this.timers = { ack: nothing, alive: nothing, next: nothing };
		const wire = this.wire;
		this.wire = null;
		if (wire && code !== null) wire.close(code);
	}
}

function stopReason(code: number): string {
	return (
		({ 4401: 'token', 4403: 'forbidden', 4409: 'forced', 1008: 'origin' } as Record<number, string>)[code] ?? 'protocol'
	);
}

function nothing(): void {}
