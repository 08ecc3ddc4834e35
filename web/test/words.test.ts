// Mentions, durations, and what a conversation says about itself.
import assert from 'node:assert/strict';
import test from 'node:test';
import { duration, excerpt, mentionsIn, mentionTail, spans } from '../app/format.ts';
import { list, systemText } from '../app/system.ts';
import type { SystemMessage, User } from '../sdk/index.ts';
import { message } from './help.ts';

const person = (id: string, username: string, display_name: string): User => ({ id, username, display_name });
const members = [person('2', 'bob', 'Bob'), person('3', 'bobby', 'Bob Baker'), person('4', 'cäcilie', 'Cäcilie 🎻')];

test('members are found after an @: the longest name, whole words, in code points', () => {
	const found = (text: string) => mentionsIn(text, members).map((m) => [m.user_id, m.offset, m.length]);
	assert.deepEqual(found('ask @Bob Baker, or @bob'), [['3', 4, 10], ['2', 19, 4]]);
	assert.deepEqual(found('🎉🎉 @Cäcilie 🎻!'), [['4', 3, 10]]);
	assert.deepEqual(found('@BOBBY'), [['3', 0, 6]]);
	assert.deepEqual(found('mail bob@bob.example, @bobsled, @nobody'), []);
});

test('a text with mentions falls into pieces that give it back', () => {
	const text = '🎉 @Bob Baker see https://a.example';
	const pieces = spans(text, mentionsIn(text, members));
	assert.equal(pieces.map((p) => p.text).join(''), text);
	assert.deepEqual(pieces.map((p) => p.user ?? p.href ?? null), [null, '3', null, 'https://a.example']);
	const wrong = [{ user_id: '2', offset: 5, length: 99 }, { user_id: '2', offset: 0, length: 1 }, { user_id: '2', offset: 0, length: 2 }];
	assert.equal(spans('short', wrong).map((p) => p.text).join(''), 'short');
});

test('what is being typed after an @', () => {
	assert.equal(mentionTail('hello @ca'), 'ca');
	assert.equal(mentionTail('@'), '');
	assert.equal(mentionTail('@Bob B'), 'Bob B');
	for (const text of ['mail a@b', 'hello', '@bob and then', '']) assert.equal(mentionTail(text), null, text);
});

test('durations in their largest whole unit', () => {
	assert.deepEqual([60, 90, 3600, 86_400, 172_800, 1_209_600].map(duration), ['1 minute', '90 seconds', '1 hour', '1 day', '2 days', '2 weeks']);
});

test('lines of the conversation itself', () => {
	const name = (id: string) => ({ '1': 'You', '2': 'Bob', '3': 'Carol' })[id] ?? 'Somebody';
	const line = (system: SystemMessage, sender = '2') =>
		systemText(message(1, sender, { message_type: 'system', content: null, system }), name, '1');
	assert.equal(line({ kind: 'created', name: 'Ringers' }), 'Bob created the group “Ringers”');
	assert.equal(line({ kind: 'member_added', user_ids: ['1', '3'] }), 'Bob added you and Carol');
	assert.equal(line({ kind: 'member_left', user_ids: ['2'] }), 'Bob left');
	assert.equal(line({ kind: 'role_changed', user_ids: ['3'], role: 'admin' }, '1'), 'You made Carol an admin');
	assert.equal(line({ kind: 'ttl_changed', ttl_seconds: 86_400 }), 'Bob let messages disappear after 1 day');
	assert.equal(line({ kind: 'ttl_changed', ttl_seconds: null }), 'Bob let messages stay');
	assert.equal(
		line({ kind: 'settings_changed', retention_days: 7, slow_mode_seconds: 0 }),
		'Bob set messages to be kept for 1 week and ended slow mode',
	);
	assert.equal(list(['a', 'b', 'c', 'd', 'e']), 'a, b, c and 2 others');
});

test('messages without words in a line of the list', () => {
	const poll = { question: 'Where?', multiple: false, anonymous: false, closes_at: null, options: [], voters: 0 };
	assert.equal(excerpt(message(1, '2', { content: null, message_type: 'poll', poll })), 'Poll: Where?');
	const call = { call_id: 'c', media: 'audio' as const, outcome: 'completed' as const, duration_seconds: 65 };
	assert.equal(excerpt(message(1, '2', { content: null, message_type: 'call', call })), 'Call, 1:05');
	assert.equal(excerpt(message(1, '2', { content: null, message_type: 'audio' })), 'Voice message');
});
