/*
 * Who I am. The access token lives in memory only; what survives a reload is the refresh token, in a cookie that scripts
 * cannot read. Tabs refresh independently: the server gives a repeated refresh within its grace the same successor.
 */
import type { Code } from './account.ts';
import type { Clock } from './clock.ts';
import type { AskPasskey } from './passkeys.ts';
import { PealError } from './problem.ts';
import { call, type Bearer, type Transport } from './rest.ts';
import type { Id, Provider, User } from './types.ts';

interface TokenReply {
	access_token: string;
	expires_in: number;
}

export interface AuthEvents {
	/** A newer token: whoever holds a connection passes it on. */
	renewed(token: string): void;
	/** The server ended the session, or another tab signed in as somebody else. */
	ended(reason: 'expired' | 'switched'): void;
}

/** The `sub` of a JWT, unverified: only to notice that the cookie now belongs to somebody else. */
export function subject(token: string): Id | null {
	try {
		const part = (token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
		const sub = (JSON.parse(atob(part)) as { sub?: unknown }).sub;
		return typeof sub === 'string' ? sub : null;
	} catch {
		return null;
	}
}

export class Auth implements Bearer {
	private access: string | null = null;
	private expires = 0;
	private lifetime = 0;
	private user: Id | null = null;
	private underway: Promise<string> | null = null;
	private cancelTimer: () => void = () => {};

	constructor(
		private readonly transport: Transport,
		private readonly clock: Clock,
		private readonly events: AuthEvents,
	) {}

	get userId(): Id | null {
		return this.user;
	}

	async login(username: string, password: string): Promise<User> {
		return this.enter('/auth/login', { username, password });
	}

	/** After `second_factor_required`. */
	async loginFactor(challenge: string, code: Code): Promise<User> {
		return this.enter('/auth/login/factor', { challenge, ...code });
	}

	async passkeyOptions(): Promise<AskPasskey> {
		return (await call<AskPasskey>(this.transport, 'POST', '/auth/login/passkey/options', {})).body;
	}

	async loginPasskey(credential: unknown): Promise<User> {
		return this.enter('/auth/login/passkey', { credential });
	}

	async register(username: string, password: string, displayName: string): Promise<User> {
		return this.enter('/auth/register', { username, password, ...(displayName ? { display_name: displayName } : {}) });
	}

	/** Whom one may sign in with instead. */
	async providers(): Promise<Provider[]> {
		return (await call<{ providers: Provider[] }>(this.transport, 'GET', '/capabilities')).body.providers;
	}

	private async enter(path: string, body: unknown): Promise<User> {
		const reply = (await call<TokenReply & { user: User }>(this.transport, 'POST', path, body)).body;
		this.user = reply.user.id;
		this.keep(reply);
		return reply.user;
	}

	/** Ends the session here at once, and on the server if it can be reached. */
	async logout(): Promise<void> {
		const token = this.access;
		this.forget();
		await call(this.transport, 'POST', '/auth/logout', {}, token).catch(() => undefined);
	}

	forget(): void {
		this.cancelTimer();
		this.access = null;
		this.user = null;
		this.expires = 0;
	}

	async token(): Promise<string> {
		if (this.access !== null && this.clock.now() < this.expires - 10_000) return this.access;
		return this.refresh();
	}

	async renew(refused: string): Promise<string> {
		return this.access !== null && this.access !== refused ? this.access : this.refresh();
	}

	/** Everybody who asks meanwhile shares the one answer. */
	refresh(): Promise<string> {
		this.underway ??= this.fetchToken().finally(() => {
			this.underway = null;
		});
		return this.underway;
	}

	private async fetchToken(): Promise<string> {
		const before = this.user;
		let reply: TokenReply;
		try {
			reply = (await call<TokenReply>(this.transport, 'POST', '/auth/refresh', {})).body;
		} catch (error) {
			if (error instanceof PealError && (error.status === 401 || error.status === 403)) this.end('expired');
			throw error;
		}
		const now = subject(reply.access_token);
		if (before !== null && this.user === null)
			throw new PealError('unauthenticated', 401, 'signed out meanwhile', false);
		if (before !== null && now !== before) {
			this.end('switched');
			throw new PealError('unauthenticated', 401, 'somebody else signed in', false);
		}
		this.user = now;
		this.keep(reply);
		this.events.renewed(reply.access_token);
		return reply.access_token;
	}

	private end(reason: 'expired' | 'switched'): void {
		this.forget();
		this.events.ended(reason);
	}

	private keep(reply: TokenReply): void {
		this.access = reply.access_token;
		this.lifetime = reply.expires_in * 1000;
		this.expires = this.clock.now() + this.lifetime;
		this.schedule(this.lifetime * 0.75);
	}

	/** Renews well before the end, because a connection lives only as long as its token. */
	private schedule(ms: number): void {
		this.cancelTimer();
		this.cancelTimer = this.clock.after(Math.max(ms, 1000), () => {
			this.refresh().catch(() => {
				if (this.user !== null) this.schedule(Math.max(5000, (this.expires - this.clock.now()) / 4));
			});
		});
	}
}
