// Every kind of event, as the store makes something of it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { newest, react } from '../sdk/merge.ts';
import { Store } from '../sdk/store.ts';
import type { Conversation, ConversationEvent, Message, Participant, UserChanged } from '../sdk/types.ts';
import { conversation, message, said } from './help.ts';

const user = (id: string) => ({ id, username: `u${id}`, display_name: `User ${id}` });
const member = (id: string): Participant => ({ user: user(id), role: 'member', receipt_seq: 0, delivered_seq: 0 });
const group = (more: Partial<Conversation> = {}) =>
	conversation(5, 1, { type: 'group', name: 'Friends', peer: null, participant_count: 2, participants: [member('1'), member('2')], ...more });

function setUp(info = group()) {
	const wanted: string[] = [];
	const store = new Store('1', {
		conversation: (id) => wanted.push(`conversation ${id}`),
		again: (id) => wanted.push(`again ${id}`),
		message: (id) => wanted.push(`message ${id}`),
		changed: () => {},
		arrived: () => {},
		heard: () => {},
	});
	const room = store.adopt(info, 0);
	const messages = Array.from({ length: 5 }, (_, i) => message(i + 1, '2'));
	store.page('10', { messages, has_before: false, has_after: false, as_of_rev: 1 }, true);
	let rev = 1,
		userRev = 0;
	store.takeHeads({ type: 'heads', user: { last_rev: 0 }, conversations: [] }, 'fresh', 0);
	const hear = (event: Record<string, unknown>) =>
		store.durable({ conversation_id: '10', seq: 5, rev: ++rev, ...event } as unknown as ConversationEvent, 0);
	const mine = (kind: string, data: Record<string, unknown>) =>
		store.durable({ type: 'user_changed', user_rev: ++userRev, kind, data } as unknown as UserChanged, 0);
	const shown = (seq: number) => store.rooms.get('10')!.messages.find((m) => m.seq === seq);
	return { store, room, wanted, hear, mine, shown, rev: () => rev };
}

const changed = (type: string, seq: number, rev: number, more: Partial<Message>) => ({
	type,
	data: { message: message(seq, '2', { rev, ...more }) },
});

test('edits and pins replace the message, and keep what is mine', () => {
	const { store, hear, mine, shown } = setUp();
	mine('star', { message_id: '10.3', starred: true });
	assert.equal(shown(3)!.starred, true);
	hear(changed('message_edited', 3, 2, { content: 'better', version: 2 }));
	hear(changed('message_pinned', 3, 3, { content: 'better', version: 2, pinned: true }));
	assert.deepEqual([shown(3)!.content, shown(3)!.pinned, shown(3)!.starred], ['better', true, true]);
	hear(changed('message_unpinned', 3, 4, { content: 'better', version: 2 }));
	assert.equal(shown(3)!.pinned, false);
	mine('star', { message_id: '10.3', starred: false });
	assert.equal(shown(3)!.starred, false);
	assert.deepEqual(store.rooms.get('10')!.place, { seq: 5, rev: 4 });
});

const reaction = (type: string, seq: number, rev: number, by: string, reactions: { emoji: string; count: number }[]) => ({
	type,
	data: { message_id: `10.${seq}`, message_rev: rev, user_id: by, emoji: '👍', reactions },
});

test('reactions are absolute, and know which are mine', () => {
	const { hear, shown } = setUp();
	hear(reaction('reaction_added', 2, 2, '2', [{ emoji: '👍', count: 1 }]));
	assert.deepEqual(shown(2)!.reactions, [{ emoji: '👍', count: 1, me: false }]);
	hear(reaction('reaction_added', 2, 3, '1', [{ emoji: '👍', count: 2 }]));
	hear(reaction('reaction_added', 2, 4, '3', [{ emoji: '👍', count: 3 }]));
	assert.deepEqual(shown(2)!.reactions, [{ emoji: '👍', count: 3, me: true }]);
	hear(reaction('reaction_removed', 2, 5, '1', [{ emoji: '👍', count: 2 }]));
	assert.deepEqual(shown(2)!.reactions, [{ emoji: '👍', count: 2, me: false }]);
	hear(changed('message_edited', 2, 6, { reactions: [{ emoji: '👍', count: 2 }] }));
	assert.equal(shown(2)!.reactions[0]!.me, false);
});

test('a reaction that overtook its page is not lost, and an older one changes nothing', () => {
	const { store, hear } = setUp(group({ last_seq: 5 }));
	hear(reaction('reaction_added', 1, 2, '2', [{ emoji: '👍', count: 1 }]));
	store.trim('10', 1);
	store.page('10', { messages: [message(1, '2')], has_before: false, has_after: true, as_of_rev: 1 }, false);
	assert.equal(store.rooms.get('10')!.messages[0]!.reactions[0]!.count, 1);
	const now = message(1, '2', { rev: 9 });
	assert.equal(react(now, { ...reaction('reaction_added', 1, 8, '2', []), conversation_id: '10', seq: 5, rev: 8 } as never, '1'), now);
});

test('votes change the counts; what I chose elsewhere is asked for', () => {
	const { hear, shown, wanted } = setUp();
	const poll = { question: '?', multiple: false, anonymous: false, closes_at: null, options: [{ text: 'a', count: 1 }], voters: 1 };
	hear({ type: 'poll_voted', data: { message: message(4, '2', { rev: 2, message_type: 'poll', poll }), user_id: '2' } });
	assert.equal(shown(4)!.poll!.voters, 1);
	assert.deepEqual(wanted, []);
	hear({ type: 'poll_voted', data: { message: message(4, '2', { rev: 3, message_type: 'poll', poll }), user_id: '1' } });
	assert.deepEqual(wanted, ['message 10.4']);
	const own = newest(message(4, '2', { rev: 3, poll: { ...poll, my_votes: [0] } }), message(4, '2', { rev: 4, poll }));
	assert.deepEqual(own.poll!.my_votes, [0]);
});

test('members come, go and change their roles', () => {
	const { room, hear } = setUp();
	hear({ type: 'member_added', data: { member: member('3'), by: '2', participant_count: 3 } });
	assert.deepEqual(room.info.participants!.map((p) => p.user.id), ['1', '2', '3']);
	const shared = { id: '10', type: 'group', name: 'Friends', avatar_id: null, avatar_url: null, participant_count: 3 };
	hear({ type: 'conversation_updated', data: { conversation: shared, changed: ['role'], member: { user_id: '1', role: 'admin' } } });
	assert.equal(room.info.my.role, 'admin');
	assert.equal(room.info.participants!.find((p) => p.user.id === '1')!.role, 'admin');
	hear({ type: 'member_removed', data: { user_id: '2', by: '2', participant_count: 2 } });
	assert.deepEqual(room.info.participants!.map((p) => p.user.id), ['1', '3']);
	assert.equal(room.info.participant_count, 2);
	assert.equal(room.marks.has('2'), false);
});

test('settings of a conversation: a group has its name, a direct conversation keeps the person', () => {
	const shared = { id: '10', type: 'group', name: 'Club', avatar_id: null, avatar_url: null, ttl_seconds: 60, slow_mode_seconds: 5 };
	const one = setUp();
	one.hear({ type: 'conversation_updated', data: { conversation: shared, changed: ['name'] } });
	assert.deepEqual([one.room.info.name, one.room.info.ttl_seconds], ['Club', 60]);
	const two = setUp(conversation(5, 1));
	two.hear({ type: 'conversation_updated', data: { conversation: { ...shared, type: 'direct', name: null }, changed: ['ttl_seconds'] } });
	assert.deepEqual([two.room.info.name, two.room.info.ttl_seconds], ['Bob', 60]);
});

test('what I set elsewhere arrives here', () => {
	const { store, room, mine } = setUp();
	mine('draft', { conversation_id: '10', draft: { content: 'hm', reply_to: null, updated_at: '2026-01-01T00:00:00.000Z' } });
	assert.equal(room.info.my.draft!.content, 'hm');
	mine('draft', { conversation_id: '10', draft: null });
	assert.equal(room.info.my.draft, null);
	mine('settings', { conversation_id: '10', my: { notify: 'none', muted_until: null, archived: true, pinned: false } });
	assert.equal(room.info.my.notify, 'none');
	assert.deepEqual(store.list(), []);
	mine('block', { user_id: '2', blocked: true });
	assert.deepEqual([...store.blocked], ['2']);
	mine('scheduled', { scheduled_id: '7', scheduled: { scheduled_id: '7', conversation_id: '10', send_at: '2027-01-01T00:00:00.000Z' } });
	assert.equal(store.scheduled.size, 1);
	mine('scheduled', { scheduled_id: '7', scheduled: null });
	assert.equal(store.scheduled.size, 0);
	mine('profile', { user: user('1') });
	assert.equal(store.profile!.display_name, 'User 1');
});

test('deleted for me: gone here, and not brought back by a page', () => {
	const { store, room, mine, hear } = setUp(group({ unread_count: 2, my: { ...group().my, read_seq: 3 } }));
	assert.equal(room.unread, 2);
	mine('hidden', { message_id: '10.4' });
	assert.deepEqual(room.messages.map((m) => m.seq), [1, 2, 3, 5]);
	assert.equal(room.unread, 1);
	store.page('10', { messages: [message(4, '2')], has_before: false, has_after: false, as_of_rev: 1 }, true);
	assert.deepEqual(room.messages.map((m) => m.seq), [1, 2, 3, 5]);
	hear({ type: 'skipped' });
	assert.equal(room.place.rev, 2);
});

test('marked unread elsewhere counts from there, until I read', () => {
	const { store, room, mine } = setUp();
	mine('read', { conversation_id: '10', read_seq: 5, unread_from: 2, unread_count: 4, mention_count: 0 });
	assert.equal(room.unread, 4);
	store.durable(said(6, 1, '2'), 0);
	assert.equal(room.unread, 5);
	store.readHere(room, 6);
	assert.deepEqual([room.unread, room.unreadFrom], [0, null]);
});

test('messages disappear by the clock', () => {
	const { store, room } = setUp();
	const at = Date.parse('2026-01-01T00:00:00.000Z');
	store.durable(said(6, 1, '2', { expires_at: '2026-01-01T00:00:00.000Z' }), 0);
	assert.equal(room.unread, 1);
	store.expireMessages(room, at - 1);
	assert.equal(room.messages.length, 6);
	store.expireMessages(room, at);
	assert.deepEqual([room.messages.length, room.unread, room.info.last_message!.seq], [5, 0, 5]);
});

test('removed, and added again: what came between is not there', () => {
	const { store, mine, wanted } = setUp();
	const created = (seq: number, rev: number) => ({
		type: 'conversation_created' as const,
		conversation_id: '10',
		seq,
		rev,
		data: { conversation: group({ last_seq: seq, last_rev: rev }) },
	});
	store.durable(created(40, 9), 0);
	assert.deepEqual(wanted, ['again 10']);
	assert.deepEqual([store.rooms.get('10')!.place, store.rooms.get('10')!.messages], [{ seq: 40, rev: 9 }, []]);
	mine('removed', { conversation_id: '10', seq: 20, rev: 5 });
	assert.equal(store.rooms.has('10'), true, 'that was before I came back');
	mine('removed', { conversation_id: '10', seq: 41, rev: 10 });
	assert.equal(store.rooms.has('10'), false);
});
