import assert from 'node:assert/strict';
import test from 'node:test';
import { Order, HOLD_MS, MAX_ASKS } from '../sdk/order.ts';

test('only mine + 1 is applied; older is dropped; further waits for the hole before it', () => {
	const order = new Order<string>(7);
	assert.deepEqual(order.offer(7, 'seven', 0), []);
	assert.deepEqual(order.offer(8, 'eight', 0), ['eight']);
	assert.deepEqual(order.offer(8, 'eight again', 0), []);
	assert.deepEqual(order.offer(11, 'eleven', 0), []);
	assert.deepEqual(order.offer(10, 'ten', 0), []);
	assert.equal(order.waiting, true);
	assert.deepEqual(order.offer(9, 'nine', 0), ['nine', 'ten', 'eleven']);
	assert.equal(order.waiting, false);
	assert.equal(order.at, 11);
});

test('a hole is asked about after half a second, then less and less often, then given up', () => {
	const order = new Order<string>(0);
	order.offer(2, 'two', 0);
	const verdicts: string[] = [];
	for (let now = 0; verdicts.at(-1) !== 'give_up'; now += HOLD_MS / 2) {
		const verdict = order.overdue(now);
		if (verdict !== 'no') verdicts.push(`${verdict} ${now / HOLD_MS}`.replace(/^give_up.*/, 'give_up'));
	}
	assert.deepEqual(verdicts, ['ask 1', 'ask 3', 'ask 7', 'give_up']);
	assert.equal(verdicts.length, MAX_ASKS + 1);
});

test('a hole that fills resets the asking', () => {
	const order = new Order<string>(0);
	order.offer(2, 'two', 0);
	for (let i = 0, now = HOLD_MS; i < MAX_ASKS; i++, now += 100_000) assert.equal(order.overdue(now), 'ask');
	assert.deepEqual(order.offer(1, 'one', 1_000_000), ['one', 'two']);
	order.offer(4, 'four', 1_000_000);
	assert.equal(order.overdue(1_000_000 + HOLD_MS), 'ask');
});

test('before the place is known everything is held, and never overdue', () => {
	const order = new Order<string>(null);
	order.offer(5, 'five', 0);
	order.offer(6, 'six', 0);
	assert.equal(order.overdue(99_999), 'no');
	assert.deepEqual(order.moveTo(5, 0), ['six']);
});

test('whatever the network does to the sequence, it is applied once and in order', () => {
	for (let seed = 1; seed <= 200; seed++) {
		let state = seed;
		const random = (n: number) => {
			state = (state * 1103515245 + 12345) % 2147483648;
			return state % n;
		};
		const order = new Order<number>(0);
		const sent = Array.from({ length: 30 }, (_, i) => i + 1).flatMap((n) => Array<number>(1 + random(3)).fill(n));
		const got: number[] = [];
		while (sent.length > 0) {
			const [n] = sent.splice(random(Math.min(8, sent.length)), 1);
			got.push(...order.offer(n!, n!, 0));
		}
		assert.deepEqual(
			got,
			Array.from({ length: 30 }, (_, i) => i + 1),
			`seed ${seed}`,
		);
	}
});
