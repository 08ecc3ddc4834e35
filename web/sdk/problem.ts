// Failures of a call: problem+json (RFC 9457), or no answer at all.
import { ERRORS, type ErrorCode } from './errors.ts';

export interface FieldError {
	path: string;
	code: string;
	message: string;
}

/** `network`: no answer. `unknown`: an answer that is not one of ours, as from a proxy in between. */
export type ProblemCode = ErrorCode | 'network' | 'unknown';

export class PealError extends Error {
	constructor(
		readonly code: ProblemCode,
		readonly status: number,
		message: string,
		readonly retryable: boolean,
		readonly retryAfterMs: number | null = null,
		readonly requestId: string | null = null,
		readonly errors: FieldError[] = [],
		/** Of `second_factor_required`: what to come back with, beside a code. */
		readonly challenge: string | null = null,
	) {
		super(message);
		this.name = 'PealError';
	}
}

export function isErrorCode(code: unknown): code is ErrorCode {
	return typeof code === 'string' && Object.prototype.hasOwnProperty.call(ERRORS, code);
}

/** A gateway that answers for us has not handled the request, or cannot say whether we did: the same key is safe to send again. */
const GATEWAY = [408, 425, 429, 502, 503, 504];

/** What people read instead of `detail` when all they can do is wait. */
function plea(code: ProblemCode, waitMs: number | null): string | null {
	if (waitMs === null || (code !== 'rate_limited' && code !== 'slow_mode')) return null;
	const seconds = Math.max(1, Math.ceil(waitMs / 1000));
	const minutes = Math.ceil(seconds / 60);
	const again = seconds < 120 ? `${seconds} s` : minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
	return `${code === 'slow_mode' ? 'The group is in slow mode.' : 'Too much at once.'} Try again in ${again}.`;
}

export function problemFrom(status: number, body: unknown, retryAfter: string | null): PealError {
	const p = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
	const code = isErrorCode(p.code) ? p.code : 'unknown';
	const text = typeof p.detail === 'string' ? p.detail : typeof p.title === 'string' ? p.title : `status ${status}`;
	const seconds = retryAfter === null || retryAfter.trim() === '' ? NaN : Number(retryAfter);
	const wait = typeof p.retry_after_ms === 'number' ? p.retry_after_ms : Number.isFinite(seconds) ? seconds * 1000 : null;
	return new PealError(
		code,
		status,
		plea(code, wait) ?? text,
		p.retryable === true || GATEWAY.includes(status),
		wait,
		typeof p.request_id === 'string' ? p.request_id : null,
		Array.isArray(p.errors) ? (p.errors as FieldError[]) : [],
		typeof p.challenge === 'string' ? p.challenge : null,
	);
}

export function networkError(cause: unknown): PealError {
	return new PealError('network', 0, cause instanceof Error ? cause.message : 'no answer', true);
}

export function asProblem(error: unknown): PealError {
	return error instanceof PealError ? error : new PealError('unknown', 0, String(error), false);
}
