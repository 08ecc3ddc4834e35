// Taking everything along, and going for good.
import type { Rest } from './rest.ts';
import type { Id, Time } from './types.ts';

export interface Export {
	id: Id;
	state: 'pending' | 'running' | 'ready' | 'failed' | 'expired';
	created_at: Time;
	finished_at: Time | null;
	/** The archive goes then. */
	expires_at: Time | null;
	/** So many are gathered, of about so many. */
	messages: number;
	messages_of: number;
	failure: string | null;
	size: number | null;
	sha256: string | null;
	/** Good for five minutes. */
	download_url: string | null;
}

/** Begins one, or finds the one that is being made. */
export const exportMe = (rest: Rest, key: string) => rest.body<Export>('POST', '/me/export', undefined, { 'Idempotency-Key': key });
export const getExport = (rest: Rest, id: Id) => rest.get<Export>(`/me/export/${id}`);
/** The account ends, and those of one's bots. `messages`: what becomes of what was said. */
export const eraseMe = (rest: Rest, messages: 'keep' | 'delete') => rest.body<void>('DELETE', `/me?messages=${messages}`);
