// What is shown before the server has answered, and what becomes of it when it refuses.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Actions } from '../sdk/actions.ts';
import { PealError } from '../sdk/problem.ts';
import { Rest } from '../sdk/rest.ts';
import { Store } from '../sdk/store.ts';
import type { Message, Poll } from '../sdk/types.ts';
import { conversation, HandClock, message, settle } from './help.ts';

const refusal = { code: 'forbidden', detail: 'no', retryable: false };
type Answer = { status: number; body: unknown };

function setUp(more: Partial<Message> = {}) {
	const store = new Store('1', {
		conversation: () => {},
		again: () => {},
		message: () => {},
		changed: () => {},
		arrived: () => {},
		heard: () => {},
	});
	store.adopt(conversation(3, 2), 0);
	const messages = [message(1, '2'), message(2, '1', { rev: 2, ...more }), message(3, '2')];
	store.page('10', { messages, has_before: false, has_after: false, as_of_rev: 2 }, true);
	const asked: { method: string; path: string; body: unknown; answer: (a: Answer) => Promise<void> }[] = [];
	const fetch = ((path: string, init: RequestInit) =>
		new Promise<Response>((go) => {
			const answer = async ({ status, body }: Answer) => {
				go(new Response(status === 204 ? null : JSON.stringify(body), { status }));
				await new Promise((later) => setTimeout(later, 0));
				await settle();
			};
			const said = init.body ? (JSON.parse(init.body as string) as unknown) : undefined;
			asked.push({ method: init.method!, path: path.replace('/api/v1', ''), body: said, answer });
		})) as typeof globalThis.fetch;
	const rest = new Rest({ fetch, base: '' }, { token: () => Promise.resolve('t'), renew: () => Promise.resolve('t') });
	const shown = (seq: number) => store.rooms.get('10')!.messages.find((m) => m.seq === seq)!;
	return { store, act: new Actions(rest, () => store, new HandClock()), asked, shown };
}

const forbidden = (error: unknown) => error instanceof PealError && error.code === 'forbidden';

test('a reaction is there at once, and the answer replaces it', async () => {
	const { act, asked, shown } = setUp();
	const done = act.react(shown(2), '👍', true);
	await settle();
	assert.deepEqual(shown(2).reactions, [{ emoji: '👍', count: 1, me: true }]);
	await asked[0]!.answer({ status: 200, body: message(2, '1', { rev: 5, reactions: [{ emoji: '👍', count: 3, me: true }] }) });
	await done;
	assert.deepEqual([shown(2).rev, shown(2).reactions[0]!.count], [5, 3]);
});

test('a refused reaction is taken back', async () => {
	const { act, asked, shown } = setUp({ reactions: [{ emoji: '👍', count: 2, me: true }] });
	const done = act.react(shown(2), '👍', false);
	await settle();
	assert.deepEqual(shown(2).reactions, [{ emoji: '👍', count: 1, me: false }]);
	await Promise.all([assert.rejects(done, forbidden), asked[0]!.answer({ status: 403, body: refusal })]);
	assert.deepEqual(shown(2).reactions, [{ emoji: '👍', count: 2, me: true }]);
});

test('what became of it meanwhile is not undone by a refusal', async () => {
	const { act, asked, shown, store } = setUp();
	const done = act.edit(shown(2), { content: 'mine' });
	await settle();
	assert.equal(shown(2).content, 'mine');
	assert.deepEqual(asked[0]!.body, { content: 'mine', if_version: 1 });
	store.replaced(message(2, '1', { rev: 6, version: 2, content: 'from my other device' }));
	const stale = { code: 'stale_version', detail: 'It was edited meanwhile.', retryable: false };
	await Promise.all([assert.rejects(done), asked[0]!.answer({ status: 409, body: stale })]);
	assert.equal(shown(2).content, 'from my other device');
});

test('a vote, a pin, a star', async () => {
	const poll: Poll = {
		question: 'q',
		multiple: false,
		anonymous: false,
		closes_at: null,
		options: [
			{ text: 'a', count: 0 },
			{ text: 'b', count: 0 },
		],
		voters: 0,
		my_votes: [],
	};
	const { act, asked, shown } = setUp({ message_type: 'poll', content: null, poll });
	const voted = act.vote(shown(2), [1]);
	await settle();
	assert.deepEqual(shown(2).poll!.my_votes, [1]);
	const counted = { ...poll, options: [poll.options[0]!, { text: 'b', count: 1 }], voters: 1, my_votes: [1] };
	await asked[0]!.answer({ status: 200, body: message(2, '1', { rev: 3, message_type: 'poll', content: null, poll: counted }) });
	await voted;
	assert.equal(shown(2).poll!.options[1]!.count, 1);
	const pinned = act.pin(shown(2), true);
	await settle();
	assert.equal(shown(2).pinned, true);
	await Promise.all([assert.rejects(pinned, forbidden), asked[1]!.answer({ status: 403, body: refusal })]);
	assert.equal(shown(2).pinned, false);
	const starred = act.star(shown(2), true);
	await settle();
	assert.equal(shown(2).starred, true);
	await Promise.all([assert.rejects(starred, forbidden), asked[2]!.answer({ status: 403, body: refusal })]);
	assert.equal(shown(2).starred, false);
	assert.deepEqual(
		asked.map((a) => `${a.method} ${a.path}`),
		['POST /messages/10.2/vote', 'PUT /messages/10.2/pin', 'POST /messages/10.2/star'],
	);
});

test('deleted for me disappears once it is done', async () => {
	const { act, asked, store } = setUp();
	const done = act.deleteForMe(message(3, '2'));
	await settle();
	assert.equal(store.rooms.get('10')!.messages.length, 3);
	await asked[0]!.answer({ status: 204, body: null });
	await done;
	assert.deepEqual(
		store.rooms.get('10')!.messages.map((m) => m.seq),
		[1, 2],
	);
});

test('settings are set at once and taken back when refused; leaving and blocking wait for the answer', async () => {
	const { act, asked, store } = setUp();
	const my = () => store.rooms.get('10')!.info.my;
	const set = act.settings('10', { pinned: true });
	await settle();
	assert.equal(my().pinned, true);
	await Promise.all([assert.rejects(set, forbidden), asked[0]!.answer({ status: 403, body: refusal })]);
	assert.equal(my().pinned, false);
	const blocked = act.block('2', true);
	await settle();
	assert.equal(store.blocked.has('2'), false);
	await asked[1]!.answer({ status: 204, body: null });
	await blocked;
	assert.equal(store.blocked.has('2'), true);
	const left = act.leave('10');
	await settle();
	assert.equal(store.rooms.has('10'), true);
	await asked[2]!.answer({ status: 204, body: null });
	await left;
	assert.equal(store.rooms.has('10'), false);
	assert.equal(asked[2]!.path, '/conversations/10/participants/1');
});
