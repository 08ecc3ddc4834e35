import assert from 'node:assert/strict';
import test from 'node:test';
import { problemFrom, type PealError } from '../sdk/problem.ts';
import { Rest } from '../sdk/rest.ts';

const limited = (wait: number, code = 'rate_limited') =>
	new Response(JSON.stringify({ code, status: 429, detail: 'Too many requests.', retryable: true, retry_after_ms: wait }), {
		status: 429,
		headers: { 'Retry-After': String(Math.ceil(wait / 1000)) },
	});

function setUp(...answers: (() => Response)[]) {
	const pauses: number[] = [];
	const asked: string[] = [];
	const transport = {
		base: 'http://x',
		fetch: (async (url: string, init: RequestInit) => {
			asked.push(`${init.method} ${new URL(url).pathname}`);
			return (answers.shift() ?? (() => new Response('{"id":"7"}')))();
		}) as typeof fetch,
		pause: async (ms: number) => void pauses.push(ms),
	};
	return { pauses, asked, rest: new Rest(transport, { token: async () => 't', renew: async () => 'fresh' }) };
}

test('a short wait is waited, exactly as long as the server says', async () => {
	const { rest, pauses, asked } = setUp(
		() => limited(580),
		() => limited(20),
	);
	assert.deepEqual(await rest.react('1.2', '+'), { id: '7' });
	assert.deepEqual(pauses, [580, 20]);
	assert.equal(asked.length, 3);
});

test('not for ever', async () => {
	const { rest, asked } = setUp(...Array.from({ length: 9 }, () => () => limited(10)));
	await assert.rejects(rest.me(), { code: 'rate_limited' });
	assert.equal(asked.length, 3);
});

test('a long wait is told, in words', async () => {
	const { rest, pauses } = setUp(() => limited(11_400));
	await assert.rejects(rest.me(), { code: 'rate_limited', retryAfterMs: 11_400, message: 'Too much at once. Try again in 12 s.' });
	assert.deepEqual(pauses, []);
});

test('slow mode is told at once: it is meant for the person', async () => {
	const { rest, pauses } = setUp(() => limited(900, 'slow_mode'));
	await assert.rejects(rest.me(), { message: 'The group is in slow mode. Try again in 1 s.' });
	assert.deepEqual(pauses, []);
});

test('a token that was renewed has patience as well', async () => {
	const { rest, pauses } = setUp(
		() => new Response('{"code":"token_expired"}', { status: 401 }),
		() => limited(30),
	);
	await rest.me();
	assert.deepEqual(pauses, [30]);
});

test('what is said when nobody says how long', () => {
	const said = (body: unknown, retryAfter: string | null): PealError => problemFrom(429, body, retryAfter);
	assert.equal(said({ code: 'rate_limited', detail: 'Too many requests.' }, null).message, 'Too many requests.');
	assert.equal(said({ code: 'rate_limited' }, '240').message, 'Too much at once. Try again in 4 min.');
	assert.equal(said({ code: 'rate_limited' }, '80000').message, 'Too much at once. Try again in 23 h.');
	assert.equal(said('<html>', '5').message, 'status 429');
});
