// The REST contract as typed calls. Knows nothing of state; throws PealError only.
import { networkError, problemFrom } from './problem.ts';
import type {
	AttachmentDetail,
	CallRecord,
	Conversation,
	Encrypted,
	Id,
	Mention,
	Message,
	MessagePage,
	MessageType,
	Page,
	Time,
	User,
} from './types.ts';

export interface Transport {
	fetch: typeof fetch;
	base: string; // "" in a page of the same origin
	timeoutMs?: number;
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
): Promise<Reply<T>> {
	const headers: Record<string, string> = { Accept: 'application/json' };
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

	me = () => this.get<User>('/me');
	searchUsers = (q: string, limit = 20) => this.get<Page<User>>(`/users${query({ q, limit })}`);
	conversations = (cursor?: string | null, limit = 50) =>
		this.get<Page<Conversation>>(`/conversations${query({ limit, cursor })}`);
	conversation = (id: Id) => this.get<Conversation>(`/conversations/${id}`);
	startDirect = (user: Id) => this.body<Conversation>('POST', `/conversations/${user}`);
	messages = (conversation: Id, from: PageFrom = {}) =>
		this.get<MessagePage>(`/conversations/${conversation}/messages${query({ ...from })}`);
	message = (id: Id) => this.get<Message>(`/messages/${encodeURIComponent(id)}`);
	send = (conversation: Id, message: SendMessage) =>
		this.body<Message>('POST', `/conversations/${conversation}/messages`, message);
	attachment = (id: Id) => this.get<AttachmentDetail>(`/attachments/${id}`);
	markRead = (conversation: Id, seq: number) =>
		this.body<unknown>('PATCH', `/conversations/${conversation}/read`, { seq });
	deleteForEveryone = (message: Id) =>
		this.body<Message | undefined>('DELETE', `/messages/${encodeURIComponent(message)}?for=everyone`);

	private get<T>(path: string): Promise<T> {
		return this.body<T>('GET', path);
	}

	private async body<T>(method: string, path: string, body?: unknown): Promise<T> {
		const token = await this.bearer.token();
		try {
			return (await call<T>(this.transport, method, path, body, token)).body;
		} catch (error) {
			if ((error as { status?: number }).status !== 401) throw error;
			const fresh = await this.bearer.renew(token); // once: a second 401 goes to the caller
			return (await call<T>(this.transport, method, path, body, fresh)).body;
		}
	}
}
