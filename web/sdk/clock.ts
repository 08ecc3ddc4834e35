// Time and chance as parameters, so that tests decide both.

export interface Clock {
	now(): number;
	/** Calls fn once after ms; the function returned calls it off. */
	after(ms: number, fn: () => void): () => void;
	/** 0 <= x < 1 */
	random(): number;
}

export const systemClock: Clock = {
	now: () => Date.now(),
	after(ms, fn) {
		const timer = setTimeout(fn, ms);
		return () => clearTimeout(timer);
	},
	random: () => Math.random(),
};

/** Full jitter: anything between nothing and a bound that doubles per attempt (0, 1, 2 ...). */
export function backoff(attempt: number, random: number, base = 500, cap = 30_000): number {
	return Math.round(random * Math.min(cap, base * 2 ** Math.min(attempt, 16)));
}

/** An id that nobody else makes; crypto.randomUUID exists on secure origins only. */
export function uniqueId(): string {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
