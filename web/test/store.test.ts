import assert from 'node:assert/strict';
import test from 'node:test';
import { Store } from '../sdk/store.ts';
import type { Durable, Heads, MessagePage } from '../sdk/types.ts';
import { conversation, message, said } from './help.ts';

function setUp(info = conversation(5, 1)) {
	const wanted: string[] = [],
		arrived: string[] = [],
		heard: number[] = [],
		again: string[] = [],
		stale: string[] = [];
	const store = new Store('1', {
		conversation: (id) => wanted.push(id),
		again: (id) => again.push(id),
		message: (id) => stale.push(id),
		changed: () => {},
		arrived: (id) => arrived.push(id),
		heard: (_, m) => heard.push(m.seq),
	});
	const room = store.adopt(info, 0);
	return { store, room, wanted, arrived, heard, again, stale };
}

const page = (from: number, to: number, asOfRev: number, more: Partial<MessagePage> = {}): MessagePage => ({
	messages: Array.from({ length: to - from + 1 }, (_, i) => message(from + i, '2')),
	has_before: from > 1,
	has_after: false,
	as_of_rev: asOfRev,
	...more,
});
const deleted = (seq: number, at: { seq: number; rev: number }): Durable => ({
	type: 'message_deleted',
	conversation_id: '10',
	...at,
	data: { message: message(seq, '2', { rev: at.rev, content: null, deleted_at: '2026-01-01T00:00:00.000Z' }) },
});
const heads = (more: Partial<Heads['conversations'][0]> = {}, user = 0): Heads => ({
	type: 'heads',
	user: { last_rev: user },
	conversations: [
		{ id: '10', last_seq: 5, last_rev: 1, first_seq: 1, read_seq: 5, delivered_seq: 5, unread_count: 0, ...more },
	],
});

test('messages are applied in the dense order of seq + rev, once', () => {
	const { store, room, heard } = setUp();
	store.durable(said(7, 1, '2'), 0);
	assert.equal(room.messages.length, 0);
	store.durable(said(6, 1, '2'), 0);
	store.durable(said(6, 1, '2'), 0);
	assert.deepEqual(
		room.messages.map((m) => m.seq),
		[6, 7],
	);
	assert.deepEqual(room.place, { seq: 7, rev: 1 });
	assert.equal(room.unread, 2);
	assert.deepEqual(heard, [6, 7]);
});

test('a number that I may not see still takes its place', () => {
	const { store, room } = setUp();
	store.durable(said(6, 2, '2'), 0);
	store.durable({ type: 'skipped', conversation_id: '10', seq: 5, rev: 2 }, 0);
	assert.deepEqual(
		room.messages.map((m) => m.seq),
		[6],
	);
});

test('what the server counted is not counted again by the replay', () => {
	const { store, room } = setUp();
	store.takeHeads(heads({ last_seq: 8, read_seq: 5, unread_count: 3 }), 'resume', 0);
	assert.equal(room.unread, 3);
	for (const seq of [6, 7, 8]) store.durable(said(seq, 1, '2'), 0);
	assert.equal(room.unread, 3);
	store.durable(said(9, 1, '2'), 0);
	assert.equal(room.unread, 4);
});

test('my own messages, system messages and what I have read are not unread', () => {
	const { store, room, arrived } = setUp();
	store.durable(said(6, 1, '1'), 0);
	store.durable(said(7, 1, '2', { message_type: 'system' }), 0);
	assert.equal(room.unread, 0);
	assert.deepEqual(arrived, ['k6']);
});

test('deleting an unread message takes it off the count, once', () => {
	const { store, room } = setUp();
	store.durable(said(6, 1, '2'), 0);
	store.durable(said(7, 1, '2'), 0);
	store.durable(deleted(6, { seq: 7, rev: 2 }), 0);
	store.durable(deleted(6, { seq: 7, rev: 2 }), 0);
	assert.equal(room.unread, 1);
	assert.equal(room.messages[0]!.content, null);
});

test('a page that was on its way while a message was deleted does not bring it back', () => {
	const { store, room } = setUp();
	store.durable(deleted(3, { seq: 5, rev: 2 }), 0);
	assert.equal(store.page('10', page(1, 5, 1), true), true);
	assert.equal(room.messages.find((m) => m.seq === 3)!.content, null);
	assert.equal(room.messages.find((m) => m.seq === 4)!.content, 'text 4');
});

test('a page older than all that is remembered is refused', () => {
	const { store } = setUp(conversation(5, 1000));
	assert.equal(store.page('10', page(1, 5, 100), true), false);
	assert.equal(store.page('10', page(1, 5, 990), true), true);
});

test('a page and the events that came before it make one history', () => {
	const { store, room } = setUp();
	store.durable(said(6, 1, '2'), 0);
	store.page('10', page(1, 5, 1, { has_before: false }), true);
	assert.deepEqual(
		room.messages.map((m) => m.seq),
		[1, 2, 3, 4, 5, 6],
	);
	assert.equal(room.hasBefore, false);
	store.page('10', page(1, 5, 1), true);
	assert.equal(room.messages.length, 6);
});

test('older pages go on top', () => {
	const { store, room } = setUp(conversation(100, 0));
	store.page('10', page(51, 100, 0), true);
	assert.equal(room.hasBefore, true);
	store.page('10', page(1, 50, 0, { has_before: false }), false);
	assert.equal(room.messages.length, 100);
	assert.equal(room.hasBefore, false);
});

test('events of a conversation that is not known are kept until it is', () => {
	const { store, wanted } = setUp();
	const other = (seq: number) => ({
		...said(seq, 0, '2'),
		conversation_id: '11',
		data: { message: message(seq, '2', { conversation_id: '11' }) },
	});
	store.setSince('before');
	store.durable(other(3), 0);
	store.durable(other(4), 0);
	assert.deepEqual(wanted, ['11']);
	store.setSince('after');
	assert.equal(store.resume().since, 'before', 'a resume point is not taken while anything before it is missing');
	const room = store.adopt(conversation(3, 0, { id: '11' }), 0);
	assert.deepEqual(room.place, { seq: 4, rev: 0 });
	store.durable(said(6, 1, '2'), 0);
	assert.equal(store.resume().since, 'after');
});

test('the resume point waits for a hole to be filled', () => {
	const { store } = setUp();
	store.setSince('a');
	store.durable(said(7, 1, '2'), 0);
	store.setSince('b');
	assert.deepEqual(store.resume(), { since: 'a', cursors: { '10': { seq: 5, rev: 1 } } });
	store.durable(said(6, 1, '2'), 0);
	assert.deepEqual(store.resume(), { since: 'b', cursors: { '10': { seq: 7, rev: 1 } } });
});

test('holes are asked for after half a second, and reloaded when asking does not help', () => {
	const { store } = setUp();
	store.durable(said(7, 1, '2'), 0);
	assert.deepEqual(store.tick(499).ask, []);
	assert.deepEqual(store.tick(500).ask, [{ conversation: '10', place: { seq: 5, rev: 1 } }]);
	assert.deepEqual(store.tick(501).ask, []);
	for (const now of [100_000, 200_000]) assert.equal(store.tick(now).ask.length, 1);
	assert.deepEqual(store.tick(300_000).reload, ['10']);
	const room = store.restartRoom(conversation(9, 1), 300_000);
	assert.deepEqual(room.place, { seq: 9, rev: 1 });
	assert.equal(store.timed(), false);
});

test('heads further than what came are asked for', () => {
	const { store } = setUp();
	store.takeHeads(heads({ last_seq: 8 }), 'resume', 0);
	store.durable(said(6, 1, '2'), 0);
	assert.deepEqual(store.behind(), [{ conversation: '10', place: { seq: 6, rev: 1 } }]);
	store.durable(said(7, 1, '2'), 0);
	store.durable(said(8, 1, '2'), 0);
	assert.deepEqual(store.behind(), []);
});

test('my own stream is dense too', () => {
	const { store, room } = setUp(
		conversation(5, 1, {
			unread_count: 3,
			my: { read_seq: 2, unread_from: null, role: 'member', pinned: false, archived: false },
		}),
	);
	store.takeHeads(heads({ read_seq: 2, unread_count: 3 }, 40), 'fresh', 0);
	const read = (rev: number, seq: number, unread: number): Durable => ({
		type: 'user_changed',
		user_rev: rev,
		kind: 'read',
		data: { conversation_id: '10', read_seq: seq, unread_from: null, unread_count: unread, mention_count: 0 },
	});
	store.durable(read(42, 5, 0), 0);
	assert.equal(room.unread, 3);
	assert.equal(store.tick(500).restart, true);
	store.durable(read(41, 4, 1), 0);
	assert.equal(room.unread, 0);
	assert.equal(room.readSeq, 5);
});

test('what was read here is said again when the server does not know it', () => {
	const { store, room } = setUp(
		conversation(5, 1, {
			unread_count: 2,
			my: { read_seq: 3, unread_from: null, role: 'member', pinned: false, archived: false },
		}),
	);
	store.readHere(room, 5);
	assert.equal(room.unread, 0);
	store.takeHeads(heads({ read_seq: 3, unread_count: 2 }), 'resume', 0);
	assert.equal(room.unread, 0, 'an older count does not come back');
	assert.deepEqual(
		store.unsaidReads().map((r) => r.id),
		['10'],
	);
});

test("ticks: marks only grow, read implies delivered, and the server's word counts too", () => {
	const { store, room } = setUp();
	const mine = message(5, '1');
	const mark = (type: 'message_read' | 'message_delivered', seq: number) =>
		store.markMoved({ type, conversation_id: '10', data: { user_id: '2', seq } });
	assert.equal(store.status(room, mine), 'sent');
	assert.equal(store.status(room, { ...mine, status: 'delivered' }), 'delivered');
	mark('message_delivered', 5);
	assert.equal(store.status(room, mine), 'delivered');
	mark('message_delivered', 2);
	assert.equal(store.status(room, mine), 'delivered');
	mark('message_read', 5);
	assert.equal(store.status(room, mine), 'read');
	assert.equal(store.status(room, message(6, '1')), 'sent');
});

test('a group is read when everyone has read', () => {
	const { store, room } = setUp(
		conversation(5, 1, {
			type: 'group',
			peer: null,
			participant_count: 3,
			participants: ['1', '2', '3'].map((id) => ({
				user: { id, username: id, display_name: id },
				role: 'member' as const,
				receipt_seq: 0,
				delivered_seq: 0,
			})),
		}),
	);
	const read = (user_id: string) =>
		store.markMoved({ type: 'message_read', conversation_id: '10', data: { user_id, seq: 5 } });
	read('2');
	assert.equal(store.status(room, message(5, '1')), 'sent');
	read('3');
	assert.equal(store.status(room, message(5, '1')), 'read');
});

test('typing ends by itself after five seconds, or with the message', () => {
	const { store, room } = setUp();
	const typing = (yes: boolean, now: number) =>
		store.setTyping({ type: 'typing', conversation_id: '10', data: { user_id: '2', is_typing: yes } }, now);
	typing(true, 0);
	store.tick(4999);
	assert.equal(room.typing.size, 1);
	store.tick(5000);
	assert.equal(room.typing.size, 0);
	typing(true, 6000);
	store.durable(said(6, 1, '2'), 6001);
	assert.equal(room.typing.size, 0);
	store.setTyping({ type: 'typing', conversation_id: '10', data: { user_id: '1', is_typing: true } }, 0);
	assert.equal(room.typing.size, 0, 'I know that I am typing');
});

test('the reply to my message and its event are one message, whichever comes first', () => {
	for (const first of ['reply', 'event']) {
		const { store, room, arrived } = setUp();
		const reply = message(6, '1', { status: 'sent' });
		if (first === 'reply') store.sent(reply);
		store.durable(said(6, 1, '1'), 0);
		if (first === 'event') store.sent(reply);
		assert.equal(room.messages.length, 1);
		assert.equal(room.messages[0]!.status, 'sent');
		assert.ok(arrived.includes('k6'));
	}
});

test('a reply that overtakes an event leaves room for it', () => {
	const { store, room } = setUp();
	store.sent(message(7, '1'));
	store.durable(said(6, 1, '2'), 0);
	store.durable(said(7, 1, '1'), 0);
	assert.deepEqual(
		room.messages.map((m) => m.seq),
		[6, 7],
	);
});

test('the first message of a new conversation: created, then said', () => {
	const { store, heard } = setUp();
	const info = conversation(1, 1, {
		id: '11',
		unread_count: 1,
		my: { read_seq: 0, unread_from: null, role: 'member', pinned: false, archived: false },
	});
	store.durable({ type: 'conversation_created', conversation_id: '11', seq: 0, rev: 1, data: { conversation: info } }, 0);
	store.durable(
		{ ...said(1, 1, '2'), conversation_id: '11', data: { message: message(1, '2', { conversation_id: '11' }) } },
		0,
	);
	const room = store.rooms.get('11')!;
	assert.equal(room.unread, 1);
	assert.deepEqual(
		room.messages.map((m) => m.seq),
		[1],
	);
	assert.deepEqual(heard, [1]);
});

test('removed conversations go', () => {
	const { store } = setUp();
	store.takeHeads({ type: 'heads', conversations: [], removed: ['10'], user: { last_rev: 0 } }, 'resume', 0);
	assert.equal(store.rooms.size, 0);
});

test('what came early is kept when a conversation is left and begins again', () => {
	const removed: Durable = {
		type: 'user_changed',
		user_rev: 1,
		kind: 'removed',
		data: { conversation_id: '10', seq: 6, rev: 2 },
	};
	const info = conversation(6, 3);
	const created = { type: 'conversation_created' as const, conversation_id: '10', seq: 6, rev: 3, data: { conversation: info } };
	for (const order of ['removed first', 'early first', 'not removed']) {
		const { store } = setUp();
		store.takeHeads({ type: 'heads', conversations: [], user: { last_rev: 0 } }, 'resume', 0);
		if (order === 'removed first') store.durable(removed, 0);
		store.durable(said(8, 3, '2'), 0); // 11: after 10, which is not there yet
		if (order === 'early first') store.durable(removed, 0);
		store.setSince('later');
		assert.notEqual(store.resume().since, 'later', order);
		store.durable(created, 0); // 9
		store.durable(said(7, 3, '2'), 0);
		assert.deepEqual(
			store.rooms.get('10')!.messages.map((m) => m.seq),
			[7, 8],
			order,
		);
		assert.equal(store.resume().since, 'later', order);
	}
});

test('the reply to a message sent long ago makes no hole in the history', () => {
	const { store, room } = setUp(conversation(100, 0));
	store.page('10', page(51, 100, 0), true);
	store.sent(message(7, '1'));
	assert.equal(room.messages[0]!.seq, 51);
});
