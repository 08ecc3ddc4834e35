import assert from 'node:assert/strict';
import test from 'node:test';
import { dayLabel, excerpt, hue, initials, isJumbo, lastSeen, listTime, pieces } from '../app/format.ts';
import { rowsOf, type Bubble } from '../app/rows.ts';
import type { Pending, Room } from '../sdk/index.ts';
import { conversation, message } from './help.ts';

test('addresses become links, and only http ones; punctuation stays outside', () => {
	assert.deepEqual(
		pieces('see https://a.example/b?c=1, or not').map((p) => p.href ?? null),
		[null, 'https://a.example/b?c=1', null],
	);
	assert.equal(
		pieces('javascript:alert(1)').some((p) => p.href),
		false,
	);
	assert.equal(
		pieces('(https://a.example)')
			.map((p) => p.text)
			.join(''),
		'(https://a.example)',
	);
	assert.equal(
		pieces('https://').some((p) => p.href),
		false,
	);
});

test('names become initials, ids colours', () => {
	assert.equal(initials('Alice Archer'), 'AA');
	assert.equal(initials('bob'), 'B');
	assert.equal(initials('  '), '?');
	assert.equal(initials('李 小龙'), '李小');
	assert.ok(new Set(Array.from({ length: 50 }, (_, i) => hue(String(i)))).size > 4);
});

test('times as people say them', () => {
	const now = new Date(2026, 5, 15, 12, 0);
	assert.equal(dayLabel(new Date(2026, 5, 15, 1).getTime(), now), 'Today');
	assert.equal(dayLabel(new Date(2026, 5, 14, 23).getTime(), now), 'Yesterday');
	assert.match(dayLabel(new Date(2026, 5, 10).getTime(), now), /day$/);
	assert.match(dayLabel(new Date(2025, 5, 10).getTime(), now), /2025/);
	assert.equal(listTime(new Date(2026, 5, 14, 23).getTime(), now), 'Yesterday');
	const seen = (seconds: number) =>
		lastSeen(
			{ user_id: '2', status: 'offline', last_seen_at: new Date(now.getTime() - seconds * 1000).toISOString() },
			now.getTime(),
		);
	assert.equal(seen(10), 'last seen just now');
	assert.match(seen(600), /10 minutes/);
	assert.match(seen(7200), /2 hours/);
});

test('a few pictographs alone are large, digits and words are not', () => {
	for (const text of ['🎉', '🎉🎉 👍', '❤️', '👩‍💻']) assert.equal(isJumbo(text), true, text);
	for (const text of ['ok 🎉', '1', '🎉🎉🎉🎉', '']) assert.equal(isJumbo(text), false, text);
});

test('deleted messages say so in the list', () => {
	assert.equal(excerpt(message(1, '2', { content: null, deleted_at: 'x' })), 'Message deleted');
	assert.equal(excerpt(message(1, '2', { content: 'a\n b' })), 'a b');
});

const room = (messages: ReturnType<typeof message>[]) =>
	({ id: '10', info: conversation(messages.length, 0), messages }) as unknown as Room;
const at = (minutes: number) => ({ created_at: new Date(2026, 5, 15, 12, minutes).toISOString() });

test('runs of one person form groups; days and unread ones are set apart', () => {
	const rows = rowsOf(
		room([
			message(1, '2', { created_at: new Date(2026, 5, 14, 12).toISOString() }),
			message(2, '2', at(0)),
			message(3, '2', at(1)),
			message(4, '2', at(30)),
			message(5, '1', at(31)),
			message(6, '2', at(32)),
		]),
		[],
		'1',
		6,
	);
	assert.deepEqual(
		rows.map((r) => r.kind),
		['day', 'bubble', 'day', 'bubble', 'bubble', 'bubble', 'bubble', 'unread', 'bubble'],
	);
	const bubbles = rows.filter((r): r is Bubble => r.kind === 'bubble');
	assert.deepEqual(
		bubbles.map((b) => [b.first, b.last]),
		[
			[true, true],
			[true, false],
			[false, true],
			[true, true],
			[true, true],
			[true, true],
		],
	);
});

test('what is on its way stands at the end, and not twice once it has arrived', () => {
	const pending = (key: string): Pending => ({
		client_id: key,
		conversation_id: '10',
		content: key,
		at: Date.now(),
		state: 'sending',
		attempts: 1,
		notBefore: 0,
	});
	const rows = rowsOf(room([message(1, '1', { client_id: 'a' })]), [pending('a'), pending('b')], '1', null);
	assert.deepEqual(
		rows.filter((r) => r.kind === 'bubble').map((r) => r.key),
		['a', 'b'],
	);
});
