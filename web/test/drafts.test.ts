// Drafts: here at once, there a moment later, and nothing lost in between.
import assert from 'node:assert/strict';
import test from 'node:test';
import { DRAFT_MS, Drafts } from '../sdk/drafts.ts';
import { networkError, PealError } from '../sdk/problem.ts';
import type { Draft } from '../sdk/types.ts';
import { HandClock, MapShelf } from './help.ts';

function setUp(shelf = new MapShelf(), there = new Map<string, Draft | null>()) {
	const clock = new HandClock();
	const asked: string[] = [];
	const trouble: (Error | null)[] = [];
	const answer = (what: string) => {
		asked.push(what);
		const error = trouble.shift();
		return error ? Promise.reject(error) : Promise.resolve();
	};
	const drafts = new Drafts('1', {
		shelf,
		clock,
		there: (id) => there.get(id),
		taken: (id, draft) => there.set(id, draft),
		put: (id, content, replyTo) => answer(`put ${id} ${content}${replyTo ? ` to ${replyTo}` : ''}`),
		drop: (id) => answer(`drop ${id}`),
		changed: () => {},
	});
	return { drafts, clock, shelf, asked, trouble, there };
}

test('typing is one request, a moment after the last key', async () => {
	const { drafts, clock, asked, shelf, there } = setUp();
	for (const text of ['H', 'He', 'Hello']) {
		drafts.keep('10', text, null);
		await clock.pass(DRAFT_MS / 2);
	}
	assert.deepEqual([asked, drafts.of('10').content], [[], 'Hello']);
	assert.equal(shelf.length, 1);
	await clock.pass(DRAFT_MS);
	assert.deepEqual(asked, ['put 10 Hello']);
	assert.equal(shelf.length, 0);
	assert.equal(there.get('10')!.content, 'Hello');
	assert.equal(drafts.of('10').content, 'Hello');
});

test('sending forgets it, also there; a draft that never went is not dropped', async () => {
	const { drafts, clock, asked } = setUp();
	drafts.keep('10', 'Short', null);
	drafts.keep('10', '', null);
	await clock.pass(DRAFT_MS);
	assert.deepEqual(asked, []);
	drafts.keep('10', 'Long', '10.4');
	await clock.pass(DRAFT_MS);
	drafts.keep('10', '  ', '10.4');
	await clock.pass(DRAFT_MS);
	assert.deepEqual(asked, ['put 10 Long to 10.4', 'drop 10']);
	assert.equal(drafts.of('10').content, '');
});

test('without a network it waits on the shelf, and a new page goes on', async () => {
	const first = setUp();
	first.trouble.push(networkError(new Error('away')));
	first.drafts.keep('10', 'Kept', null);
	await first.clock.pass(DRAFT_MS);
	assert.equal(first.shelf.length, 1);
	first.drafts.close(false);
	const second = setUp(first.shelf);
	assert.equal(second.drafts.of('10').content, 'Kept');
	await second.clock.pass(DRAFT_MS);
	assert.deepEqual(second.asked, ['put 10 Kept']);
	assert.equal(second.shelf.length, 0);
});

test('what the server will never take is let go; signing out forgets everything', async () => {
	const { drafts, clock, asked, trouble, shelf } = setUp();
	trouble.push(new PealError('not_found', 404, 'gone', false));
	drafts.keep('10', 'For nobody', null);
	await clock.pass(DRAFT_MS * 20);
	assert.deepEqual([asked.length, shelf.length], [1, 0]);
	drafts.keep('11', 'Secret', null);
	drafts.close(true);
	await clock.pass(DRAFT_MS * 2);
	assert.deepEqual([asked.length, shelf.length], [1, 0]);
});

test('what was written on another device shows, unless there is something newer here', async () => {
	const draft = (content: string): Draft => ({ content, reply_to: null, updated_at: '2026-01-01T00:00:00.000Z' });
	const { drafts, clock, there } = setUp();
	there.set('10', draft('from the phone'));
	assert.equal(drafts.of('10').content, 'from the phone');
	drafts.keep('10', 'here', null);
	there.set('10', draft('later, on the phone'));
	assert.equal(drafts.of('10').content, 'here');
	await clock.pass(DRAFT_MS);
	assert.equal(there.get('10')!.content, 'here');
});
