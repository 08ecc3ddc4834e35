import assert from 'node:assert/strict';
import test from 'node:test';
import { backoff } from '../sdk/clock.ts';
import { ACK_EVERY, ACK_MS, isDurable, PING_MS, PONG_MS, Socket, verdict, type ConnectionState } from '../sdk/socket.ts';
import type { Frame } from '../sdk/types.ts';
import { FakeWire, HandClock, said, settle } from './help.ts';

function setUp() {
	const clock = new HandClock();
	const wires: FakeWire[] = [],
		frames: Frame[] = [],
		states: ConnectionState[] = [];
	const calls = { renew: 0, token: 'first', renewFails: false };
	const socket = new Socket({
		clock,
		deviceId: 'web-1',
		open: () => {
			const wire = new FakeWire();
			wires.push(wire);
			return wire;
		},
		token: async () => calls.token,
		renew: async () => {
			calls.renew++;
			if (calls.renewFails) throw new Error('no');
			calls.token = 'second';
			return calls.token;
		},
		resume: () => ({ since: 's1', cursors: { '10': { seq: 5, rev: 1 } } }),
		frame: (frame) => frames.push(frame),
		state: (state) => states.push(state),
	});
	const connect = async () => {
		await settle();
		const wire = wires[wires.length - 1]!;
		wire.open();
		wire.hear({ type: 'welcome', mode: 'resume' }, { type: 'heads', conversations: [], user: { last_rev: 0 } });
		return wire;
	};
	const live = async () => {
		const wire = await connect();
		wire.hear({ type: 'live', since: 's2' });
		return wire;
	};
	return { clock, wires, frames, states, calls, socket, connect, live };
}

test('hello says who, which tab, and where it was', async () => {
	const { socket, live, states } = setUp();
	socket.start();
	const wire = await live();
	assert.deepEqual(wire.said[0], {
		type: 'hello',
		device_id: 'web-1',
		token: 'first',
		since: 's1',
		cursors: { '10': { seq: 5, rev: 1 } },
	});
	assert.deepEqual(states, ['connecting', 'syncing', 'live']);
});

test('acknowledgements are cumulative: within a second, at 32 events, and at once for a batch', async () => {
	const { socket, live, clock } = setUp();
	socket.start();
	const wire = await live();
	wire.hear(said(1, 0, '2'), said(2, 0, '2'));
	assert.equal(wire.of('ack').length, 0);
	await clock.pass(ACK_MS);
	assert.deepEqual(wire.of('ack'), [{ type: 'ack', count: 2 }]);
	for (let i = 0; i < ACK_EVERY; i++) wire.hear(said(3 + i, 0, '2'));
	assert.deepEqual(wire.of('ack').at(-1), { type: 'ack', count: 2 + ACK_EVERY });
	wire.hear({ type: 'batch', count: 3, events: [said(50, 0, '2'), said(51, 0, '2'), said(52, 0, '2')], more: false });
	assert.deepEqual(wire.of('ack').at(-1), { type: 'ack', count: 5 + ACK_EVERY });
	assert.ok(ACK_MS < 1000);
});

test('what is sent again is not counted again, but acknowledged again; marks and typing are not counted', async () => {
	const { socket, live, clock } = setUp();
	socket.start();
	const wire = await live();
	wire.hear(said(1, 0, '2'));
	await clock.pass(ACK_MS);
	wire.hear({ type: 'retry', attempt: 1, events: [said(1, 0, '2')] });
	assert.deepEqual(wire.of('ack'), [
		{ type: 'ack', count: 1 },
		{ type: 'ack', count: 1 },
	]);
	wire.hear(
		{ type: 'message_read', conversation_id: '10', data: { user_id: '2', seq: 1 } },
		{ type: 'typing', conversation_id: '10', data: {} },
	);
	await clock.pass(5000);
	assert.equal(wire.of('ack').length, 2);
});

test('every connection counts from nothing', async () => {
	const { socket, live, clock, wires } = setUp();
	socket.start();
	(await live()).hear(said(1, 0, '2'));
	wires[0]!.end(1006);
	await clock.pass(1000);
	const wire = await live();
	wire.hear(said(2, 0, '2'));
	await clock.pass(ACK_MS);
	assert.deepEqual(wire.of('ack'), [{ type: 'ack', count: 1 }]);
});

test('what close codes ask of us', () => {
	for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 4008, 4010, 4013, 4029])
		assert.equal(verdict(code), 'reconnect', `${code}`);
	for (const code of [1008, 4403, 4408, 4409]) assert.equal(verdict(code), 'stop', `${code}`);
	assert.equal(verdict(4401), 'renew');
});

test('full jitter: between nothing and a bound that doubles up to a cap', () => {
	assert.equal(backoff(0, 0), 0);
	assert.deepEqual(
		[0, 1, 2, 3].map((n) => backoff(n, 1)),
		[500, 1000, 2000, 4000],
	);
	assert.equal(backoff(50, 1), 30_000);
});

test('a lost connection is made again, later and later, and quickly once it has worked', async () => {
	const { socket, wires, clock, live } = setUp();
	socket.start();
	await settle();
	for (const wait of [500, 1000, 2000]) {
		const n = wires.length;
		wires[n - 1]!.end(1006);
		await clock.pass(wait - 1);
		assert.equal(wires.length, n);
		await clock.pass(2);
		assert.equal(wires.length, n + 1);
	}
	(await live()).end(4013);
	await clock.pass(500);
	assert.equal(wires.length, 5);
});

test('44xx ends it until the person asks', async () => {
	for (const code of [4403, 4408, 4409]) {
		const { socket, live, clock, wires } = setUp();
		socket.start();
		(await live()).end(code);
		await clock.pass(600_000);
		assert.equal(socket.state, 'stopped');
		assert.equal(wires.length, 1);
		socket.start();
		await settle();
		assert.equal(wires.length, 2);
	}
});

test('4401: one new token, then again; not for ever', async () => {
	const { socket, connect, clock, calls, wires } = setUp();
	socket.start();
	for (let i = 0; i < 3; i++) {
		(await connect()).end(4401);
		await clock.pass(5000);
	}
	assert.equal(calls.renew, 3);
	assert.equal((await connect()).said[0]!.token, 'second');
	wires.at(-1)!.end(4401);
	await clock.pass(600_000);
	assert.equal(socket.state, 'stopped');
	assert.equal(calls.renew, 3);
});

test('bye says when to come back', async () => {
	const { socket, live, clock, wires } = setUp();
	socket.start();
	const wire = await live();
	wire.hear({ type: 'bye', reason: 'drain', reconnect_in_ms: 18_250 });
	wire.end(1012);
	await clock.pass(18_249);
	assert.equal(wires.length, 1);
	await clock.pass(2);
	assert.equal(wires.length, 2);
});

test('silence is asked about, and a silent answer is a dead connection', async () => {
	const { socket, live, clock, wires } = setUp();
	socket.start();
	const wire = await live();
	await clock.pass(PING_MS);
	assert.equal(wire.of('ping').length, 1);
	wire.hear({ type: 'pong' });
	await clock.pass(PING_MS + PONG_MS - 1);
	assert.equal(wires.length, 1);
	await clock.pass(1 + PING_MS);
	assert.ok(wires.length > 1);
	assert.equal(wire.closedWith, 1000);
});

test('a connection that never opens is given up', async () => {
	const { socket, clock, wires } = setUp();
	socket.start();
	await clock.pass(15_500);
	assert.equal(wires.length, 2);
});

test('offline lets go at once, online comes back at once', async () => {
	const { socket, live, clock, wires, states } = setUp();
	socket.start();
	await live();
	socket.online(false);
	assert.equal(socket.state, 'offline');
	await clock.pass(60_000);
	assert.equal(wires.length, 1);
	socket.online(true);
	await live();
	assert.equal(states.at(-1), 'live');
});

test('nothing an old connection still says is heard', async () => {
	const { socket, live, wires, frames, clock } = setUp();
	socket.start();
	await live();
	socket.restart();
	await clock.pass(1000);
	await live();
	const n = frames.length;
	wires[0]!.hear(said(1, 0, '2'));
	wires[0]!.end(4409);
	assert.equal(frames.length, n);
	assert.equal(socket.state, 'live');
});

test('a renewed token is passed on', async () => {
	const { socket, live } = setUp();
	socket.start();
	const wire = await live();
	socket.authorize('newer');
	assert.deepEqual(wire.said.at(-1), { type: 'auth', token: 'newer' });
});

test('skipped events are durable, cursors and pongs are not', () => {
	assert.equal(isDurable({ type: 'skipped', conversation_id: '1', seq: 1, rev: 1 }), true);
	assert.equal(isDurable({ type: 'cursor', since: 'x' }), false);
});
