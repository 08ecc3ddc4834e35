/*
 * Pictures, recordings and files on their way. Uploads run one at a time, in the order given, with progress; what the server answers goes on as
 * an ordinary message through the outbox. They live in this page only: a file cannot be kept over a reload.
 */
import { backoff, uniqueId, type Clock } from './clock.ts';
import { judge } from './outbox.ts';
import { asProblem, networkError, problemFrom, type PealError } from './problem.ts';
import type { Bearer } from './rest.ts';
import type { Attachment, Id } from './types.ts';

/** What every browser can show, and the server takes. */
export const PICTURE_TYPES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'];
/** What it is to be; the server looks for itself. */
export type UploadKind = Attachment['kind'];
/** Of these the server makes a film that plays, or a picture at least. */
const FILM_TYPES = ['video/mp4', 'video/quicktime', 'video/webm', 'video/x-matroska'];
export const kindOf = (file: Blob): UploadKind => (FILM_TYPES.includes(file.type) ? 'video' : 'file');
const ATTEMPTS = 6;
const LONGEST_WAIT_MS = 60_000; // whoever is told to wait longer is told so

export interface Parcel {
	/** Becomes the message's client_id; and by this the server knows a second attempt when the first one's answer was lost. */
	client_id: string;
	conversation_id: Id;
	kind: UploadKind;
	file: Blob;
	name: string;
	content: string; // the caption
	at: number;
	state: 'waiting' | 'uploading' | 'failed';
	progress: number; // 0 to 1, of the bytes; the server's work comes after them
	problem?: string;
}

export interface Courier {
	(
		path: string,
		file: Blob,
		token: string,
		key: string,
		progress: (share: number) => void,
		stop: AbortSignal,
	): Promise<Attachment>;
}

export interface UploadDeps {
	clock: Clock;
	bearer: Bearer;
	courier: Courier;
	done(parcel: Parcel, attachment: Attachment): void;
	changed(conversation: Id): void;
}

export class Uploads {
	private items: Parcel[] = [];
	private running: { parcel: Parcel; stop: AbortController } | null = null;
	private last = 0;
	private cancelWait: () => void = () => {};

	constructor(private readonly deps: UploadDeps) {}

	of(conversation: Id): Parcel[] {
		return this.items.filter((item) => item.conversation_id === conversation);
	}

	add(conversation: Id, file: Blob, name: string, content: string, kind: UploadKind = 'image'): Parcel {
		this.last = Math.max(this.deps.clock.now(), this.last + 1);
		const parcel: Parcel = {
			client_id: uniqueId(),
			conversation_id: conversation,
			kind,
			file,
			name,
			content,
			at: this.last,
			state: 'waiting',
			progress: 0,
		};
		this.items.push(parcel);
		this.deps.changed(conversation);
		this.pump();
		return parcel;
	}

	retry(id: string): void {
		const parcel = this.items.find((it) => it.client_id === id && it.state === 'failed');
		if (!parcel) return;
		Object.assign(parcel, { state: 'waiting', progress: 0, problem: undefined });
		this.deps.changed(parcel.conversation_id);
		this.pump();
	}

	/** Also while it is being sent. */
	discard(id: string): void {
		if (this.running?.parcel.client_id === id) this.running.stop.abort();
		const parcel = this.items.find((it) => it.client_id === id);
		if (parcel) this.remove(parcel);
	}

	close(): void {
		this.cancelWait();
		this.running?.stop.abort();
		this.items = [];
	}

	private pump(): void {
		const parcel = this.items.find((it) => it.state === 'waiting');
		if (this.running || !parcel) return;
		const stop = new AbortController();
		this.running = { parcel, stop };
		void this.carry(parcel, stop.signal).finally(() => {
			this.running = null;
			this.pump();
		});
	}

	private async carry(parcel: Parcel, stop: AbortSignal): Promise<void> {
		for (let attempt = 1; !stop.aborted; attempt++) {
			try {
				this.set(parcel, { state: 'uploading', progress: 0 });
				const progress = (share: number) => this.set(parcel, { progress: share });
				const attachment = await this.send(parcel.file, parcel.name, parcel.kind, progress, stop, parcel.client_id);
				if (stop.aborted) return;
				this.remove(parcel);
				return this.deps.done(parcel, attachment);
			} catch (error) {
				if (stop.aborted) return;
				const problem = asProblem(error);
				const long = (problem.retryAfterMs ?? 0) > LONGEST_WAIT_MS;
				if (judge(problem) !== 'again' || long || attempt >= ATTEMPTS)
					return this.set(parcel, { state: 'failed', problem: problem.message });
				await this.pause(problem, attempt, stop);
			}
		}
	}

	/** One file, once; trouble is the caller's. */
	async send(
		file: Blob,
		name: string,
		kind: UploadKind = 'image',
		progress: (share: number) => void = () => {},
		stop: AbortSignal = new AbortController().signal,
		key = uniqueId(),
	): Promise<Attachment> {
		const path = `/messages/upload-${kind}${name ? `?filename=${encodeURIComponent(name)}` : ''}`;
		const token = await this.deps.bearer.token();
		try {
			return await this.deps.courier(path, file, token, key, progress, stop);
		} catch (error) {
			if ((error as { status?: number }).status !== 401) throw error;
			const fresh = await this.deps.bearer.renew(token); // once: a second 401 is the caller's
			return await this.deps.courier(path, file, fresh, key, progress, stop);
		}
	}

	private pause(problem: PealError, attempt: number, stop: AbortSignal): Promise<void> {
		const wait = (problem.retryAfterMs ?? 300) + backoff(attempt, this.deps.clock.random(), 500, 20_000);
		return new Promise((go) => {
			this.cancelWait = this.deps.clock.after(wait, go);
			stop.addEventListener('abort', () => go(), { once: true });
		});
	}

	private set(parcel: Parcel, change: Partial<Parcel>): void {
		Object.assign(parcel, change);
		this.deps.changed(parcel.conversation_id);
	}

	private remove(parcel: Parcel): void {
		this.items = this.items.filter((it) => it !== parcel);
		this.deps.changed(parcel.conversation_id);
	}
}

/** XMLHttpRequest, because fetch() does not say how much has gone. */
export function xhrCourier(base: string): Courier {
	return (path, file, token, key, progress, stop) =>
		new Promise((resolve, reject) => {
			const request = new XMLHttpRequest();
			request.open('POST', `${base}/api/v1${path}`);
			request.setRequestHeader('Authorization', `Bearer ${token}`);
			request.setRequestHeader('Idempotency-Key', key);
			request.upload.onprogress = (e) => progress(e.lengthComputable ? e.loaded / e.total : 0);
			request.onerror = request.ontimeout = () => reject(networkError(new Error('the upload broke off')));
			request.onabort = () => reject(networkError(new Error('stopped')));
			request.onload = () => {
				const body = parse(request.responseText);
				if (request.status < 300) resolve(body as Attachment);
				else reject(problemFrom(request.status, body, request.getResponseHeader('Retry-After')));
			};
			stop.addEventListener('abort', () => request.abort(), { once: true });
			request.send(file);
		});
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
