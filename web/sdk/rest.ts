// The REST contract as typed calls. Knows nothing of state; throws PealError only.
import type { Factors, LinkedTo, PasskeyInfo, Proof, SignedInAt, TotpSecret } from './account.ts';
import type { NewPasskey } from './passkeys.ts';
import { networkError, problemFrom, type PealError } from './problem.ts';
import type { Account, AuditRow, Report, ReportChange, ReportNew, ReportState, Token, TokenNew } from './moderation.ts';
import type {
	AttachmentDetail,
	Block,
	CallRecord,
	Conversation,
	ConversationChange,
	Encrypted,
	GroupNew,
	IceServers,
	Id,
	Me,
	Mention,
	Message,
	MessagePage,
	MessageType,
	MySettings,
	Page,
	Participant,
	Presence,
	ProfileChange,
	Reactor,
	Receipt,
	Revision,
	Role,
	Scheduled,
	ScheduledPlace,
	SearchPage,
	Time,
	User,
} from './types.ts';

export interface Transport {
	fetch: typeof fetch;
	base: string; // "" in a page of the same origin
	timeoutMs?: number;
	pause?: (ms: number) => Promise<void>; // for tests
}

export interface Reply<T> {
	status: number;
	body: T;
	replayed: boolean;
}

/** One request, one answer. `token` null: without authorization. */
export async function call<T>(
	t: Transport,
	method: string,
	path: string,
	body?: unknown,
	token?: string | null,
	extra: Record<string, string> = {},
): Promise<Reply<T>> {
	const headers: Record<string, string> = { Accept: 'application/json', ...extra };
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	if (token) headers.Authorization = `Bearer ${token}`;
	const stop = new AbortController();
	const timer = setTimeout(() => stop.abort(), t.timeoutMs ?? 15_000);
	try {
		const init: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store', signal: stop.signal };
		if (body !== undefined) init.body = JSON.stringify(body);
		return await answer<T>(
			await t.fetch(`${t.base}/api/v1${path}`, init).catch((e) => {
				throw networkError(e);
			}),
		);
	} finally {
		clearTimeout(timer);
	}
}

async function answer<T>(response: Response): Promise<Reply<T>> {
	const text = await response.text().catch((e) => {
		throw networkError(e);
	});
	let body: unknown;
	try {
		body = text === '' ? undefined : JSON.parse(text);
	} catch {
		body = undefined;
	}
	if (!response.ok) throw problemFrom(response.status, body, response.headers.get('Retry-After'));
	if (body === undefined && response.status !== 204) throw networkError(new Error('an answer that is not JSON'));
	return { status: response.status, body: body as T, replayed: response.headers.get('Idempotency-Replayed') === 'true' };
}

const sleep = (ms: number) => new Promise<void>((go) => setTimeout(go, ms));

/** A refusal by a rate limit has done nothing, so anything may be asked again; longer waits are for the person to know of. */
const PATIENCE_MS = 3000;
const ATTEMPTS = 3;

async function patiently<T>(t: Transport, ask: () => Promise<T>): Promise<T> {
	for (let attempt = 1; ; attempt++) {
		try {
			return await ask();
		} catch (error) {
			const { code, retryAfterMs } = error as Partial<PealError>;
			const wait = code === 'rate_limited' ? (retryAfterMs ?? Infinity) : Infinity;
			if (wait > PATIENCE_MS || attempt === ATTEMPTS) throw error;
			await (t.pause ?? sleep)(wait);
		}
	}
}

/** 401 for the token that was sent, and not for a password or a code in the body. */
function isTokenRefused(error: unknown): boolean {
	const { status, code } = error as Partial<PealError>;
	return status === 401 && code !== 'bad_credentials' && code !== 'second_factor_required';
}

/** What Rest needs to act as somebody. */
export interface Bearer {
	token(): Promise<string>;
	/** The server refused this token: get another one, or throw. */
	renew(refused: string): Promise<string>;
}

export interface SendMessage {
	client_id: string;
	/** Of what is forwarded it need not be said. */
	message_type?: Exclude<MessageType, 'system'>;
	content?: string;
	mentions?: Mention[];
	attachment_ids?: Id[];
	location?: { latitude: number; longitude: number; name?: string; address?: string };
	poll?: {
		question: string;
		options: string[];
		multiple?: boolean;
		anonymous?: boolean;
		closes_in_seconds?: number;
		closes_at?: Time;
	};
	call?: CallRecord;
	encrypted?: Encrypted;
	reply_to?: Id;
	forward_of?: Id;
	expires_in_seconds?: number;
}

export interface MessageEdit {
	content: string | null;
	mentions?: Mention[];
	if_version?: number;
}

const at = (message: Id) => `/messages/${encodeURIComponent(message)}`;

export type PageFrom = { before?: number; after?: number; around?: number; limit?: number };

function query(params: Record<string, string | number | undefined | null>): string {
	const set = Object.entries(params).filter(([, v]) => v !== undefined && v !== null && v !== '');
	return set.length === 0 ? '' : '?' + set.map(([k, v]) => `${k}=${encodeURIComponent(String(v))}`).join('&');
}

export class Rest {
	constructor(
		private readonly transport: Transport,
		private readonly bearer: Bearer,
	) {}

	// people
	me = () => this.get<Me>('/me');
	changeMe = (change: ProfileChange) => this.body<Me>('PATCH', '/me', change);
	searchUsers = (q: string, limit = 20) => this.get<Page<User>>(`/users${query({ q, limit })}`);
	user = (id: Id) => this.get<User>(`/users/${id}`);
	presence = (ids: Id[]) => this.get<{ items: Presence[] }>(`/users/presence/bulk${query({ ids: ids.join(',') })}`);
	blocks = (cursor?: string | null, limit = 100) => this.get<Page<Block>>(`/blocks${query({ limit, cursor })}`);
	block = (user: Id) => this.body<void>('PUT', `/users/${user}/block`);
	unblock = (user: Id) => this.body<void>('DELETE', `/users/${user}/block`);

	// how I sign in
	changePassword = (old_password: string, new_password: string) =>
		this.body<void>('POST', '/auth/password', { old_password, new_password });
	sessions = (cursor?: string | null, limit = 100) => this.get<Page<SignedInAt>>(`/auth/sessions${query({ limit, cursor })}`);
	endSession = (id: Id) => this.body<void>('DELETE', `/auth/sessions/${id}`);
	endOtherSessions = () => this.body<void>('DELETE', '/auth/sessions');
	factors = () => this.get<Factors>('/auth/factors');
	prove = (proof: Proof) => this.body<void>('POST', '/auth/proof', proof);
	beginTotp = () => this.body<TotpSecret>('POST', '/auth/totp');
	confirmTotp = (code: string) => this.body<{ recovery_codes: string[] }>('POST', '/auth/totp/confirm', { code });
	endTotp = () => this.body<void>('DELETE', '/auth/totp');
	renewRecoveryCodes = () => this.body<{ recovery_codes: string[] }>('POST', '/auth/totp/recovery-codes');
	passkeys = () => this.get<Page<PasskeyInfo>>('/auth/passkeys');
	newPasskey = () => this.body<NewPasskey>('POST', '/auth/passkeys/options');
	addPasskey = (name: string, credential: unknown) => this.body<PasskeyInfo>('POST', '/auth/passkeys', { name, credential });
	renamePasskey = (id: Id, name: string) => this.body<PasskeyInfo>('PATCH', `/auth/passkeys/${id}`, { name });
	identities = () => this.get<Page<LinkedTo>>('/auth/identities');
	/** The address at the provider to send this browser to. */
	linkTo = (provider: string, return_to: string) => this.body<{ url: string }>('POST', `/auth/oidc/${provider}/link`, { return_to });
	unlink = (id: Id) => this.body<void>('DELETE', `/auth/identities/${id}`);
	removePasskey = (id: Id) => this.body<void>('DELETE', `/auth/passkeys/${id}`);

	// conversations
	conversations = (cursor?: string | null, limit = 50, archived = false) =>
		this.get<Page<Conversation>>(`/conversations${query({ limit, cursor, archived: archived ? 'true' : null })}`);
	conversation = (id: Id) => this.get<Conversation>(`/conversations/${id}`);
	startDirect = (user: Id) => this.body<Conversation>('POST', `/conversations/${user}`);
	/** The same key again finds the group that the first one made. */
	createGroup = (group: GroupNew, key: string) =>
		this.body<Conversation>('POST', '/conversations', { type: 'group', ...group }, { 'Idempotency-Key': key });
	changeConversation = (id: Id, change: ConversationChange) =>
		this.body<Conversation>('PATCH', `/conversations/${id}`, change);
	participants = (id: Id, cursor?: string | null, limit = 100) =>
		this.get<Page<Participant>>(`/conversations/${id}/participants${query({ limit, cursor })}`);
	addParticipants = (id: Id, users: Id[]) =>
		this.body<{ added: Id[]; participant_count: number }>('POST', `/conversations/${id}/participants`, { user_ids: users });
	setRole = (id: Id, user: Id, role: Role) =>
		this.body<Participant>('PATCH', `/conversations/${id}/participants/${user}`, { role });
	/** Of myself: leaves. */
	removeParticipant = (id: Id, user: Id) => this.body<void>('DELETE', `/conversations/${id}/participants/${user}`);
	settings = (id: Id, change: Partial<MySettings>) => this.body<Conversation>('PUT', `/conversations/${id}/settings`, change);
	putDraft = (id: Id, content: string, replyTo: Id | null = null) =>
		this.body<void>('PUT', `/conversations/${id}/draft`, { content, reply_to: replyTo });
	dropDraft = (id: Id) => this.body<void>('DELETE', `/conversations/${id}/draft`);
	markRead = (conversation: Id, seq: number) =>
		this.body<unknown>('PATCH', `/conversations/${conversation}/read`, { seq });
	markUnread = (id: Id, seq: number) => this.body<Conversation>('POST', `/conversations/${id}/unread`, { seq });
	pins = (id: Id) => this.get<Page<Message>>(`/conversations/${id}/pins`);

	// messages
	messages = (conversation: Id, from: PageFrom = {}) =>
		this.get<MessagePage>(`/conversations/${conversation}/messages${query({ ...from })}`);
	message = (id: Id) => this.get<Message>(at(id));
	send = (conversation: Id, message: SendMessage) =>
		this.body<Message>('POST', `/conversations/${conversation}/messages`, message);
	schedule = (conversation: Id, message: SendMessage & { send_at: Time }) =>
		this.body<ScheduledPlace>('POST', `/conversations/${conversation}/messages`, message);
	scheduled = (cursor?: string | null, limit = 100) => this.get<Page<Scheduled>>(`/scheduled${query({ limit, cursor })}`);
	unschedule = (id: Id) => this.body<void>('DELETE', `/scheduled/${id}`);
	attachment = (id: Id) => this.get<AttachmentDetail>(`/attachments/${id}`);
	edit = (id: Id, edit: MessageEdit) => this.body<Message>('PATCH', at(id), edit);
	deleteForEveryone = (id: Id) => this.body<Message | undefined>('DELETE', `${at(id)}?for=everyone`);
	deleteForMe = (id: Id) => this.body<void>('DELETE', `${at(id)}?for=me`);
	revisions = (id: Id, cursor?: string | null) => this.get<Page<Revision>>(`${at(id)}/revisions${query({ cursor })}`);
	receipts = (id: Id, cursor?: string | null, limit = 100) =>
		this.get<Page<Receipt>>(`${at(id)}/receipts${query({ limit, cursor })}`);
	reactors = (id: Id, cursor?: string | null, limit = 100) =>
		this.get<Page<Reactor>>(`${at(id)}/reactions${query({ limit, cursor })}`);
	react = (id: Id, emoji: string) => this.body<Message>('POST', `${at(id)}/reactions`, { emoji });
	unreact = (id: Id, emoji: string) => this.body<Message>('DELETE', `${at(id)}/reactions${query({ emoji })}`);
	star = (id: Id) => this.body<Message>('POST', `${at(id)}/star`);
	unstar = (id: Id) => this.body<Message>('DELETE', `${at(id)}/star`);
	starred = (cursor?: string | null, limit = 50) => this.get<Page<Message>>(`/messages/starred${query({ limit, cursor })}`);
	/** `q` as people type it: words, "phrases", -word, from: in: has: before: after: is: mentions:me. */
	search = (q: string, more: { sort?: 'newest' | 'relevance'; conversation_id?: Id; cursor?: string | null; limit?: number } = {}) =>
		this.get<SearchPage>(`/messages/search${query({ q, limit: 50, ...more })}`);
	pin = (id: Id) => this.body<Message>('PUT', `${at(id)}/pin`);
	unpin = (id: Id) => this.body<Message>('DELETE', `${at(id)}/pin`);
	/** The same key again is the same report. */
	report = (what: ReportNew, key: string) => this.body<{ id: Id }>('POST', '/reports', what, { 'Idempotency-Key': key });

	// programs
	tokens = (cursor?: string | null, limit = 100) => this.get<Page<Token>>(`/tokens${query({ limit, cursor })}`);
	/** `token` is the secret, which nobody is told again. */
	createToken = (token: TokenNew, key: string) =>
		this.body<Token & { token: string }>('POST', '/tokens', token, { 'Idempotency-Key': key });
	revokeToken = (id: Id) => this.body<void>('DELETE', `/tokens/${id}`);
	bots = (cursor?: string | null, limit = 100) => this.get<Page<User>>(`/bots${query({ limit, cursor })}`);
	createBot = (username: string, display_name: string | null, key: string) =>
		this.body<User>('POST', '/bots', { username, display_name }, { 'Idempotency-Key': key });
	retireBot = (id: Id) => this.body<void>('DELETE', `/bots/${id}`);

	// moderation
	reports = (which: { state?: ReportState; user_id?: Id; cursor?: string | null; limit?: number } = {}) =>
		this.get<Page<Report>>(`/admin/reports${query(which)}`);
	handleReport = (id: Id, change: ReportChange) => this.body<Report>('PATCH', `/admin/reports/${id}`, change);
	accounts = (which: { q?: string | null; cursor?: string | null; limit?: number } = {}) =>
		this.get<Page<Account>>(`/admin/users${query(which)}`);
	disableAccount = (id: Id) => this.body<Account>('POST', `/admin/users/${id}/disable`);
	enableAccount = (id: Id) => this.body<Account>('POST', `/admin/users/${id}/enable`);
	audit = (cursor?: string | null, limit = 50) => this.get<Page<AuditRow>>(`/admin/audit${query({ limit, cursor })}`);

	/** For a call, each time anew. */
	iceServers = () => this.get<IceServers>('/calls/ice-servers');
	vote = (id: Id, options: number[]) => this.body<Message>('POST', `${at(id)}/vote`, { options });

	get<T>(path: string): Promise<T> {
		return this.body<T>('GET', path);
	}

	/** Any route; for those that have no name here. */
	async body<T>(method: string, path: string, body?: unknown, extra?: Record<string, string>): Promise<T> {
		const token = await this.bearer.token();
		const ask = async (as: string) => (await call<T>(this.transport, method, path, body, as, extra)).body;
		try {
			return await patiently(this.transport, () => ask(token));
		} catch (error) {
			if (!isTokenRefused(error)) throw error;
			const fresh = await this.bearer.renew(token); // once: a second 401 goes to the caller
			return await patiently(this.transport, () => ask(fresh));
		}
	}
}
