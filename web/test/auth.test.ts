import assert from 'node:assert/strict';
import test from 'node:test';
import { Auth, subject } from '../sdk/auth.ts';
import { Rest } from '../sdk/rest.ts';
import { PealError } from '../sdk/problem.ts';
import { HandClock, settle } from './help.ts';

type Answer = { status: number; body?: unknown; headers?: Record<string, string> } | Error;
const jwt = (sub: string, n = 0) => `h.${Buffer.from(JSON.stringify({ sub, n })).toString('base64url')}.s`;

function setUp(answer: (method: string, path: string, token: string | null) => Answer) {
	const clock = new HandClock();
	const asked: string[] = [],
		renewed: string[] = [],
		ended: string[] = [];
	const transport = {
		base: '',
		fetch: (async (url: string, init: RequestInit) => {
			const path = String(url).replace('/api/v1', '');
			const token = ((init.headers as Record<string, string>).Authorization ?? '').replace('Bearer ', '') || null;
			asked.push(`${init.method} ${path}`);
			const a = answer(init.method!, path, token);
			if (a instanceof Error) throw a;
			return new Response(a.body === undefined ? null : JSON.stringify(a.body), {
				status: a.status,
				headers: a.headers ?? {},
			});
		}) as typeof fetch,
	};
	const auth = new Auth(transport, clock, { renewed: (t) => renewed.push(t), ended: (r) => ended.push(r) });
	return { auth, rest: new Rest(transport, auth), clock, asked, renewed, ended };
}

const user = { id: '1', username: 'alice', display_name: 'Alice' };
const login = { status: 200, body: { user, access_token: jwt('1'), expires_in: 600 } };

test('many who need a token share one refresh', async () => {
	let n = 0;
	const { auth, asked } = setUp(() => ({ status: 200, body: { access_token: jwt('1', ++n), expires_in: 600 } }));
	const tokens = await Promise.all([auth.token(), auth.token(), auth.refresh(), auth.token()]);
	assert.equal(new Set(tokens).size, 1);
	assert.equal(asked.length, 1);
	await auth.token();
	assert.equal(asked.length, 1);
});

test('a 401 is answered by one refresh and one more try', async () => {
	let current = jwt('1');
	const { auth, rest, asked } = setUp((_, path, token) => {
		if (path === '/auth/login') return login;
		if (path === '/auth/refresh')
			return { status: 200, body: { access_token: (current = jwt('1', 2)), expires_in: 600 } };
		return token === current && current !== jwt('1')
			? { status: 200, body: user }
			: { status: 401, body: { code: 'token_expired', detail: 'expired' } };
	});
	await auth.login('alice', 'x');
	assert.deepEqual(await rest.me(), user);
	assert.deepEqual(asked, ['POST /auth/login', 'GET /me', 'POST /auth/refresh', 'GET /me']);
});

test('a second 401 goes to the caller', async () => {
	const { auth, rest, asked } = setUp((_, path) => {
		if (path === '/auth/login') return login;
		if (path === '/auth/refresh') return { status: 200, body: { access_token: jwt('1', 3), expires_in: 600 } };
		return { status: 401, body: { code: 'unauthenticated', detail: 'no' } };
	});
	await auth.login('alice', 'x');
	await assert.rejects(rest.me(), (e: PealError) => e.code === 'unauthenticated');
	assert.equal(asked.length, 4);
});

test('a refused refresh ends the session; a failed one does not', async () => {
	let answer: Answer = new TypeError('fetch failed');
	const { auth, ended } = setUp((_, path) => (path === '/auth/login' ? login : answer));
	await auth.login('alice', 'x');
	await assert.rejects(auth.refresh(), (e: PealError) => e.code === 'network' && e.retryable);
	answer = { status: 503, body: { code: 'unavailable', retryable: true } };
	await assert.rejects(auth.refresh(), (e: PealError) => e.code === 'unavailable');
	assert.deepEqual(ended, []);
	answer = { status: 401, body: { code: 'bad_refresh_token' } };
	await assert.rejects(auth.refresh());
	assert.deepEqual(ended, ['expired']);
	assert.equal(auth.userId, null);
});

test("a cookie that became somebody else's is not used", async () => {
	const { auth, ended } = setUp((_, path) =>
		path === '/auth/login' ? login : { status: 200, body: { access_token: jwt('2'), expires_in: 600 } },
	);
	await auth.login('alice', 'x');
	await assert.rejects(auth.refresh());
	assert.deepEqual(ended, ['switched']);
});

test('the token is renewed well before its end, and passed on', async () => {
	let n = 0;
	const { auth, clock, renewed } = setUp((_, path) =>
		path === '/auth/login' ? login : { status: 200, body: { access_token: jwt('1', ++n), expires_in: 600 } },
	);
	await auth.login('alice', 'x');
	await clock.pass(449_000);
	assert.equal(renewed.length, 0);
	await clock.pass(2000);
	await new Promise((go) => setImmediate(go));
	await settle();
	assert.equal(renewed.length, 1);
});

test('who the token is about', () => {
	assert.equal(subject(jwt('42')), '42');
	assert.equal(subject('not a token'), null);
});

test("problems: ours, a proxy's, and none at all", async () => {
	let answer: Answer = { status: 404, body: { code: 'not_found', detail: 'gone', request_id: 'abc' } };
	const { auth, rest } = setUp((_, path) => (path === '/auth/login' ? login : answer));
	await auth.login('alice', 'x');
	await assert.rejects(
		rest.conversation('1'),
		(e: PealError) => e.code === 'not_found' && !e.retryable && e.requestId === 'abc' && e.message === 'gone',
	);
	answer = { status: 502, body: undefined };
	await assert.rejects(rest.conversation('1'), (e: PealError) => e.code === 'unknown' && e.retryable);
	answer = { status: 503, body: { code: 'overloaded', retryable: true }, headers: { 'Retry-After': '2' } };
	await assert.rejects(rest.conversation('1'), (e: PealError) => e.retryAfterMs === 2000);
	answer = new TypeError('failed');
	await assert.rejects(rest.conversation('1'), (e: PealError) => e.code === 'network');
});
