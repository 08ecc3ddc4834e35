/*
 * What was typed and is not yet known to be in the conversation. Kept in localStorage, one key per message, so that a reload
 * or two tabs lose nothing; sending twice is harmless, because client_id is the server's idempotency key. Per conversation one
 * message travels at a time, in the order typed.
 */
import { backoff, uniqueId, type Clock } from './clock.ts';
import { asProblem, type PealError } from './problem.ts';
import type { SendMessage } from './rest.ts';
import type { Attachment, Id, Message } from './types.ts';

export interface Pending {
	client_id: string;
	conversation_id: Id;
	content: string;
	attachments?: Attachment[];
	/** What goes with the text, or instead of it. */
	more?: Extra;
	at: number; // milliseconds since 1970, strictly growing on this device
	state: 'waiting' | 'sending' | 'failed';
	attempts: number;
	notBefore: number;
	problem?: string;
	/** Waits because the server said so; it goes by itself. */
	held?: 'rate_limited' | 'slow_mode' | undefined;
}

export type Extra = Omit<SendMessage, 'client_id' | 'content' | 'attachment_ids'>;

export interface Shelf {
	getItem(key: string): string | null;
	setItem(key: string, value: string): void;
	removeItem(key: string): void;
	key(index: number): string | null;
	readonly length: number;
}

/** What to do about a failed sending: the same again, wait until signed in, or tell the person. */
export function judge(problem: PealError): 'again' | 'wait' | 'tell' {
	if (problem.code === 'unauthenticated' || problem.code === 'token_expired' || problem.code === 'bad_refresh_token')
		return 'wait';
	return problem.retryable ? 'again' : 'tell';
}

export interface OutboxDeps {
	shelf: Shelf;
	clock: Clock;
	send(conversation: Id, message: SendMessage): Promise<Message>;
	sent(message: Message): void;
	changed(conversation: Id): void;
}

export class Outbox {
	private items: Pending[] = [];
	private last = 0;
	private cancel: () => void = () => {};
	private open = true;
	private readonly prefix: string;

	constructor(
		user: Id,
		private readonly deps: OutboxDeps,
	) {
		this.prefix = `peal.outbox.${user}.`;
		this.items = this.load().sort((a, b) => a.at - b.at);
	}

	of(conversation: Id): Pending[] {
		return this.items.filter((item) => item.conversation_id === conversation);
	}

	add(conversation: Id, content: string, more?: Extra): Pending {
		return this.put(conversation, uniqueId(), { content, ...(more ? { more } : {}) });
	}

	/** What has been uploaded, as a message whose key was chosen when the upload began. */
	addUploads(conversation: Id, clientId: string, content: string, attachments: Attachment[]): Pending {
		return this.put(conversation, clientId, { content, attachments });
	}

	private put(conversation: Id, clientId: string, what: Pick<Pending, 'content' | 'attachments' | 'more'>): Pending {
		this.last = Math.max(this.deps.clock.now(), this.last + 1);
		const item: Pending = {
			client_id: clientId,
			conversation_id: conversation,
			...what,
			at: this.last,
			state: 'waiting',
			attempts: 0,
			notBefore: 0,
		};
		this.items.push(item);
		this.save(item);
		this.deps.changed(conversation);
		this.pump();
		return item;
	}

	/** The conversation shows it now, whoever said so first: the reply or the event. */
	arrived(clientId: string): void {
		const item = this.items.find((it) => it.client_id === clientId);
		if (!item) return;
		this.remove(item);
		this.pump();
	}

	retry(clientId: string): void {
		const item = this.items.find((it) => it.client_id === clientId && it.state === 'failed');
		if (!item) return;
		Object.assign(item, { state: 'waiting', attempts: 0, notBefore: 0, problem: undefined });
		this.save(item);
		this.deps.changed(item.conversation_id);
		this.pump();
	}

	discard(clientId: string): void {
		const item = this.items.find((it) => it.client_id === clientId && it.state === 'failed');
		if (item) this.remove(item);
	}

	/** There is reason to believe that it works again. */
	nudge(): void {
		for (const item of this.items) item.notBefore = 0;
		this.pump();
	}

	/** No more sending from here; what is kept stays for the next time. */
	close(): void {
		this.open = false;
		this.cancel();
	}

	/** Forgets everything of this user, also on disk. */
	clear(): void {
		this.close();
		for (const item of this.items) this.deps.shelf.removeItem(this.prefix + item.client_id);
		this.items = [];
	}

	/** Sends the first of each conversation whose time has come. */
	pump(): void {
		if (!this.open) return;
		this.cancel();
		const now = this.deps.clock.now();
		let wake = Infinity;
		for (const item of this.heads()) {
			if (item.state !== 'waiting') continue;
			if (item.notBefore <= now) void this.deliver(item);
			else wake = Math.min(wake, item.notBefore - now);
		}
		if (wake < Infinity) this.cancel = this.deps.clock.after(wake, () => this.pump());
	}

	/** Failed ones do not hold up what was typed after them. */
	private heads(): Pending[] {
		const first = new Map<Id, Pending>();
		for (const item of this.items)
			if (item.state !== 'failed' && !first.has(item.conversation_id)) first.set(item.conversation_id, item);
		return [...first.values()];
	}

	private async deliver(item: Pending): Promise<void> {
		item.state = 'sending';
		item.held = undefined;
		item.attempts++;
		this.deps.changed(item.conversation_id);
		try {
			const reply = await this.deps.send(item.conversation_id, letterOf(item));
			if (!this.open) return;
			this.deps.sent(reply);
			this.arrived(item.client_id);
		} catch (error) {
			if (this.open && this.items.includes(item)) this.failed(item, asProblem(error));
		}
	}

	private failed(item: Pending, problem: PealError): void {
		const what = judge(problem);
		item.state = what === 'tell' ? 'failed' : 'waiting';
		if (what === 'again') {
			const wait = problem.retryAfterMs ?? 300;
			if (problem.code === 'rate_limited' || problem.code === 'slow_mode') item.held = problem.code;
			item.notBefore = this.deps.clock.now() + wait + backoff(item.attempts, this.deps.clock.random(), 250, 20_000);
		}
		if (what === 'wait') item.notBefore = Infinity;
		if (what === 'tell') item.problem = problem.message;
		this.save(item);
		this.deps.changed(item.conversation_id);
		this.pump();
	}

	private remove(item: Pending): void {
		this.items = this.items.filter((it) => it !== item);
		this.deps.shelf.removeItem(this.prefix + item.client_id);
		this.deps.changed(item.conversation_id);
	}

	private save(item: Pending): void {
		try {
			this.deps.shelf.setItem(this.prefix + item.client_id, JSON.stringify({ ...item, notBefore: 0, held: undefined }));
		} catch {
			// the shelf is full: it is still sent from memory
		}
	}

	private load(): Pending[] {
		const found: Pending[] = [];
		for (let i = 0; i < this.deps.shelf.length; i++) {
			const key = this.deps.shelf.key(i);
			if (!key?.startsWith(this.prefix)) continue;
			const item = parse(this.deps.shelf.getItem(key));
			if (item) found.push({ ...item, state: item.state === 'failed' ? 'failed' : 'waiting', notBefore: 0 });
		}
		return found;
	}
}

/** What is forwarded brings its own kind with it. */
function letterOf(item: Pending): SendMessage {
	const kind = item.more?.forward_of ? {} : { message_type: item.attachments?.[0]?.kind ?? ('text' as const) };
	const letter: SendMessage = { client_id: item.client_id, ...kind, ...item.more };
	if (item.content && !item.more?.forward_of) letter.content = item.content;
	if (item.attachments) letter.attachment_ids = item.attachments.map((a) => a.id);
	return letter;
}

function parse(text: string | null): Pending | null {
	try {
		const item = JSON.parse(text ?? 'null') as Partial<Pending> | null;
		const good =
			item &&
			typeof item.client_id === 'string' &&
			typeof item.conversation_id === 'string' &&
			typeof item.content === 'string' &&
			typeof item.at === 'number';
		return good ? ({ attempts: 0, notBefore: 0, state: 'waiting', ...item } as Pending) : null;
	} catch {
		return null;
	}
}
