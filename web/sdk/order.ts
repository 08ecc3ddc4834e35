/*
 * One dense order: apply only mine + 1, drop what is older, keep what is further until the hole before it is filled.
 *
 *     at = 7      offer 8 -> [8]           offer 6 -> []  (dropped)
 *                 offer 10 -> []  (held)   offer 9 -> [9, 10]
 */
export const HOLD_MS = 500;
export const MAX_ASKS = 3;
const MAX_HELD = 2000;

export type Overdue = 'no' | 'ask' | 'give_up';

export class Order<E> {
	private held = new Map<number, E>();
	private due = 0;
	private asks = 0;

	/** `at` null: where we are is not known yet, so everything is held. */
	constructor(public at: number | null) {}

	get waiting(): boolean {
		return this.held.size > 0;
	}

	/** Takes an event at its position and returns what can be applied now, in order. */
	offer(position: number, event: E, now: number): E[] {
		if (this.at !== null && position <= this.at) return [];
		if (this.held.size === 0) this.due = now + HOLD_MS;
		if (this.held.size < MAX_HELD) this.held.set(position, event);
		return this.drain(now);
	}

	/** What is held, in no order. */
	rest(): E[] {
		return [...this.held.values()];
	}

	/** We now know everything up to `at`. */
	moveTo(at: number, now: number): E[] {
		this.at = at;
		for (const position of this.held.keys()) if (position <= at) this.held.delete(position);
		return this.drain(now);
	}

	/** Whether a hole is there for so long that it must be asked for; asking again takes twice as long each time. */
	overdue(now: number): Overdue {
		if (this.at === null || this.held.size === 0 || now < this.due) return 'no';
		if (this.asks >= MAX_ASKS) return 'give_up';
		this.asks++;
		this.due = now + HOLD_MS * 2 ** this.asks;
		return 'ask';
	}

	private drain(now: number): E[] {
		const ready: E[] = [];
		if (this.at === null) return ready;
		for (let event = this.held.get(this.at + 1); event !== undefined; event = this.held.get(this.at + 1)) {
			ready.push(event);
			this.held.delete(++this.at);
		}
		if (ready.length > 0) {
			this.asks = 0;
			this.due = now + HOLD_MS;
		}
		return ready;
	}
}
