import assert from 'node:assert/strict';
import test from 'node:test';
import { Outbox, type OutboxDeps } from '../sdk/outbox.ts';
import { networkError, PealError, problemFrom } from '../sdk/problem.ts';
import type { SendMessage } from '../sdk/rest.ts';
import type { Message } from '../sdk/types.ts';
import { HandClock, MapShelf, message, settle } from './help.ts';

function setUp(answers: (Error | 'ok')[], shelf = new MapShelf()) {
	const clock = new HandClock();
	const sent: { to: string; text: string; key: string; whole: SendMessage }[] = [];
	const done: string[] = [];
	let seq = 0;
	const deps: OutboxDeps = {
		shelf,
		clock,
		changed: () => {},
		sent: (m: Message) => done.push(m.client_id!),
		send: async (to: string, m: SendMessage) => {
			sent.push({ to, text: m.content!, key: m.client_id, whole: m });
			const answer = answers.shift() ?? 'ok';
			if (answer !== 'ok') throw answer;
			return message(++seq, '1', { client_id: m.client_id, content: m.content ?? null });
		},
	};
	return { clock, shelf, sent, done, outbox: new Outbox('1', deps), deps };
}

test('a message that a limit holds up says so, until it goes', async () => {
	for (const code of ['rate_limited', 'slow_mode'] as const) {
		const { outbox, clock, shelf } = setUp([problemFrom(429, { code, retryable: true, retry_after_ms: 30_000 }, '30')]);
		const item = outbox.add('10', 'one');
		await settle();
		assert.deepEqual([item.state, item.held], ['waiting', code]);
		assert.ok(!shelf.getItem(shelf.key(0)!)!.includes('held'), 'after a reload it is tried at once');
		await clock.pass(29_000);
		assert.equal(outbox.of('10').length, 1);
		await clock.pass(30_000);
		assert.equal(outbox.of('10').length, 0);
	}
});

test('what is typed quickly is sent one by one, in order', async () => {
	const { outbox, sent } = setUp([]);
	for (const text of ['one', 'two', 'three']) outbox.add('10', text);
	assert.equal(sent.length, 1);
	await settle();
	assert.deepEqual(
		sent.map((s) => s.text),
		['one', 'two', 'three'],
	);
	assert.equal(outbox.of('10').length, 0);
});

for (const [name, error] of Object.entries({
	'no network': networkError(new Error('x')),
	'a gateway': problemFrom(502, undefined, null),
	'a full server': problemFrom(503, { code: 'overloaded', retryable: true }, '1'),
	'an answer lost at commit': problemFrom(503, { code: 'uncertain', retryable: true }, null),
	'a rate limit': problemFrom(429, { code: 'rate_limited', retryable: true, retry_after_ms: 700 }, '1'),
})) {
	test(`${name}: the same message with the same key again, and what follows waits`, async () => {
		const { outbox, sent, clock } = setUp([error, error]);
		outbox.add('10', 'one');
		outbox.add('10', 'two');
		await settle();
		assert.deepEqual(
			sent.map((s) => s.text),
			['one'],
		);
		await clock.pass(60_000);
		assert.deepEqual(
			sent.map((s) => s.text),
			['one', 'one', 'one', 'two'],
		);
		assert.equal(new Set(sent.slice(0, 3).map((s) => s.key)).size, 1);
		assert.equal(outbox.of('10').length, 0);
	});
}

test("the server's Retry-After is kept", async () => {
	const { outbox, sent, clock } = setUp([problemFrom(429, { code: 'rate_limited', retryable: true }, '5')]);
	clock.chance = 0;
	outbox.add('10', 'one');
	await clock.pass(4999);
	assert.equal(sent.length, 1);
	await clock.pass(2);
	assert.equal(sent.length, 2);
});

test('one conversation does not hold up another', async () => {
	const { outbox, sent } = setUp([networkError(new Error('x'))]);
	outbox.add('10', 'stuck');
	outbox.add('11', 'free');
	await settle();
	assert.deepEqual(
		sent.map((s) => s.to),
		['10', '11'],
	);
	assert.equal(outbox.of('11').length, 0);
});

test('a refusal is shown, does not hold up what follows, and can be tried again or dropped', async () => {
	const refusal = problemFrom(403, { code: 'forbidden', detail: 'No.' }, null);
	const { outbox, sent, shelf } = setUp([refusal, 'ok', refusal]);
	const bad = outbox.add('10', 'bad');
	outbox.add('10', 'good');
	await settle();
	assert.deepEqual(
		sent.map((s) => s.text),
		['bad', 'good'],
	);
	assert.deepEqual(
		outbox.of('10').map((p) => [p.state, p.problem]),
		[['failed', 'No.']],
	);
	outbox.retry(bad.client_id);
	await settle();
	assert.equal(sent[2]!.key, bad.client_id);
	outbox.discard(bad.client_id);
	assert.equal(outbox.of('10').length, 0);
	assert.equal(shelf.length, 0);
});

test('a session that ended keeps the messages for the next one', async () => {
	const { outbox, sent, clock, shelf, deps } = setUp([new PealError('unauthenticated', 401, 'x', false)]);
	outbox.add('10', 'later');
	await clock.pass(600_000);
	assert.equal(sent.length, 1);
	outbox.close();
	const next = new Outbox('1', deps);
	next.pump();
	await settle();
	assert.equal(sent.length, 2);
	assert.equal(sent[1]!.key, sent[0]!.key);
	assert.equal(shelf.length, 0);
});

test("a reload keeps what was typed, in order, and other people's out", async () => {
	const shelf = new MapShelf();
	const before = setUp([networkError(new Error('x'))], shelf);
	before.outbox.add('10', 'one');
	before.outbox.add('10', 'two');
	await settle();
	before.outbox.close();
	shelf.setItem(
		'peal.outbox.2.zzz',
		JSON.stringify({ client_id: 'zzz', conversation_id: '10', content: 'of another', at: 1 }),
	);
	shelf.setItem('peal.outbox.1.bad', '{"half');
	const after = setUp([], shelf);
	after.outbox.pump();
	await settle();
	assert.deepEqual(
		after.sent.map((s) => s.text),
		['one', 'two'],
	);
	assert.equal(after.sent[0]!.key, before.sent[0]!.key);
});

test('an event that arrives before the reply settles it', async () => {
	const { outbox, clock } = setUp([networkError(new Error('x'))]);
	const item = outbox.add('10', 'heard of by event');
	await settle();
	outbox.arrived(item.client_id);
	assert.equal(outbox.of('10').length, 0);
	await clock.pass(60_000);
	assert.equal(outbox.of('10').length, 0);
});

test('signing out forgets', () => {
	const { outbox, shelf } = setUp([networkError(new Error('x'))]);
	outbox.add('10', 'secret');
	assert.equal(shelf.length, 1);
	outbox.clear();
	assert.equal(shelf.length, 0);
});

test('what goes along with a text, or instead of it', async () => {
	const { outbox, sent, clock } = setUp([]);
	outbox.add('10', 'Yes', { reply_to: '10.4', mentions: [{ user_id: '2', offset: 0, length: 3 }] });
	outbox.add('11', '', { message_type: 'poll', poll: { question: 'q', options: ['a', 'b'] } });
	outbox.add('12', '', { forward_of: '10.4' });
	await clock.pass(0);
	const said = sent.map(({ whole: { client_id: _, ...more } }) => more);
	assert.deepEqual(said, [
		{ message_type: 'text', content: 'Yes', reply_to: '10.4', mentions: [{ user_id: '2', offset: 0, length: 3 }] },
		{ message_type: 'poll', poll: { question: 'q', options: ['a', 'b'] } },
		{ forward_of: '10.4' },
	]);
});
