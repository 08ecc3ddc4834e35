// Every call of the SDK against the contract: the route is there, with this method.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { eraseMe, exportMe, getExport } from '../sdk/leaving.ts';
import { call, Rest } from '../sdk/rest.ts';
import './help.ts';

/** "PUT /messages/{}/pin" for every operation of docs/openapi.yaml. */
function operations(): Set<string> {
	const found = new Set<string>();
	let path = '';
	for (const line of readFileSync('../docs/openapi.yaml', 'utf8').split('\n')) {
		if (line === 'components:') break;
		path = /^ {2}(\/\S*):$/.exec(line)?.[1]?.replace(/\{\w+\}/g, '{}') ?? path;
		const method = /^ {4}(get|post|put|patch|delete):$/.exec(line)?.[1];
		if (method) found.add(`${method.toUpperCase()} ${path}`);
	}
	return found;
}

interface Asked {
	method: string;
	path: string;
	body: unknown;
	headers: Record<string, string>;
}

function setUp() {
	const asked: Asked[] = [];
	const fetch = ((address: string, init: RequestInit) => {
		const headers = init.headers as Record<string, string>;
		asked.push({ method: init.method!, path: address, body: init.body ? JSON.parse(init.body as string) : undefined, headers });
		return Promise.resolve(new Response('{}', { status: 200 }));
	}) as typeof globalThis.fetch;
	const transport = { fetch, base: '' };
	const bearer = { token: () => Promise.resolve('t'), renew: () => Promise.resolve('t') };
	return { asked, transport, rest: new Rest(transport, bearer) };
}

test('every route that the SDK uses is in the contract', async () => {
	const { rest, asked } = setUp();
	const calls: Record<Exclude<keyof Rest, 'get'> | 'eraseMe' | 'exportMe' | 'getExport', () => Promise<unknown>> = {
		body: () =>
			Promise.all([
				rest.body('GET', '/push/vapid-key'),
				rest.body('POST', '/push/subscriptions', { endpoint: 'https://push.example/x', keys: { p256dh: 'p', auth: 'a' } }),
				rest.body('DELETE', '/push/subscriptions/7'),
			]),
		eraseMe: () => eraseMe(rest, 'delete'),
		exportMe: () => exportMe(rest, 'k'),
		getExport: () => getExport(rest, '0f1e2d3c4b5a69788796a5b4c3d2e1f0'),
		me: () => rest.me(),
		changeMe: () => rest.changeMe({ status_text: null }),
		searchUsers: () => rest.searchUsers('a b'),
		user: () => rest.user('7'),
		presence: () => rest.presence(['7', '8']),
		blocks: () => rest.blocks(null),
		block: () => rest.block('7'),
		unblock: () => rest.unblock('7'),
		changePassword: () => rest.changePassword('old', 'new'),
		sessions: () => rest.sessions(),
		endSession: () => rest.endSession('7'),
		endOtherSessions: () => rest.endOtherSessions(),
		factors: () => rest.factors(),
		prove: () => rest.prove({ password: 'p', code: '123456' }),
		beginTotp: () => rest.beginTotp(),
		confirmTotp: () => rest.confirmTotp('123456'),
		endTotp: () => rest.endTotp(),
		renewRecoveryCodes: () => rest.renewRecoveryCodes(),
		passkeys: () => rest.passkeys(),
		newPasskey: () => rest.newPasskey(),
		addPasskey: () => rest.addPasskey('Mine', {}),
		renamePasskey: () => rest.renamePasskey('7', 'Mine'),
		identities: () => rest.identities(),
		linkTo: () => rest.linkTo('7', '/'),
		unlink: () => rest.unlink('7'),
		removePasskey: () => rest.removePasskey('7'),
		conversations: () => rest.conversations(null, 50, true),
		conversation: () => rest.conversation('12'),
		startDirect: () => rest.startDirect('7'),
		createGroup: () => rest.createGroup({ name: 'G', participant_ids: ['7'] }, 'key'),
		changeConversation: () => rest.changeConversation('12', { ttl_seconds: null }),
		participants: () => rest.participants('12'),
		addParticipants: () => rest.addParticipants('12', ['7']),
		setRole: () => rest.setRole('12', '7', 'admin'),
		removeParticipant: () => rest.removeParticipant('12', '7'),
		settings: () => rest.settings('12', { pinned: true }),
		putDraft: () => rest.putDraft('12', 'a'),
		dropDraft: () => rest.dropDraft('12'),
		markRead: () => rest.markRead('12', 3),
		markUnread: () => rest.markUnread('12', 3),
		pins: () => rest.pins('12'),
		messages: () => rest.messages('12', { before: 4 }),
		message: () => rest.message('12.3'),
		send: () => rest.send('12', { client_id: 'k', content: 'a' }),
		schedule: () => rest.schedule('12', { client_id: 'k', content: 'a', send_at: '2030-01-01T00:00:00.000Z' }),
		scheduled: () => rest.scheduled(),
		unschedule: () => rest.unschedule('5'),
		attachment: () => rest.attachment('00'),
		edit: () => rest.edit('12.3', { content: 'b', if_version: 1 }),
		deleteForEveryone: () => rest.deleteForEveryone('12.3'),
		deleteForMe: () => rest.deleteForMe('12.3'),
		revisions: () => rest.revisions('12.3'),
		receipts: () => rest.receipts('12.3'),
		reactors: () => rest.reactors('12.3'),
		react: () => rest.react('12.3', '👍'),
		unreact: () => rest.unreact('12.3', '👍'),
		star: () => rest.star('12.3'),
		unstar: () => rest.unstar('12.3'),
		starred: () => rest.starred(),
		search: () => rest.search('word', { sort: 'relevance', conversation_id: '12' }),
		pin: () => rest.pin('12.3'),
		unpin: () => rest.unpin('12.3'),
		report: () => rest.report({ message_id: '12.3', reason: 'spam' }, 'key'),
		tokens: () => rest.tokens(),
		createToken: () => rest.createToken({ name: 'n', scopes: ['messages:read'] }, 'key'),
		revokeToken: () => rest.revokeToken('3'),
		bots: () => rest.bots(),
		createBot: () => rest.createBot('robo', null, 'key'),
		retireBot: () => rest.retireBot('31'),
		reports: () => rest.reports({ state: 'open' }),
		handleReport: () => rest.handleReport('5', { action: 'dismiss' }),
		accounts: () => rest.accounts({ q: 'a' }),
		disableAccount: () => rest.disableAccount('9'),
		enableAccount: () => rest.enableAccount('9'),
		audit: () => rest.audit(),
		iceServers: () => rest.iceServers(),
		vote: () => rest.vote('12.3', [0]),
	};
	const known = operations();
	assert.ok(known.size > 40, `${known.size} operations`);
	for (const [name, ask] of Object.entries(calls)) {
		await ask();
		const { method, path } = asked[asked.length - 1]!;
		const place = path.replace('/api/v1', '').replace(/\?.*/, '');
		const route = place.replace(/\/(\d[\d.]*|[0-9a-f]{32})(?=\/|$)/g, '/{}');
		assert.ok(known.has(`${method} ${route}`), `${name}: ${method} ${route}`);
	}
});

test('what goes in the query, the body and the headers', async () => {
	const { rest, asked } = setUp();
	await rest.conversations('a b', 10, true);
	await rest.conversations(null, 10);
	await rest.unreact('12.3', '❤️');
	await rest.createGroup({ name: 'G', participant_ids: ['7'] }, 'key');
	await rest.deleteForMe('12.3');
	await rest.presence(['7', '8']);
	assert.deepEqual(
		asked.map((a) => a.path.replace('/api/v1', '')),
		[
			'/conversations?limit=10&cursor=a%20b&archived=true',
			'/conversations?limit=10',
			'/messages/12.3/reactions?emoji=%E2%9D%A4%EF%B8%8F',
			'/conversations',
			'/messages/12.3?for=me',
			'/users/presence/bulk?ids=7%2C8',
		],
	);
	assert.deepEqual(asked[3]!.body, { type: 'group', name: 'G', participant_ids: ['7'] });
	assert.equal(asked[3]!.headers['Idempotency-Key'], 'key');
});

test('no content is an answer, too', async () => {
	const fetch = (() => Promise.resolve(new Response(null, { status: 204 }))) as typeof globalThis.fetch;
	assert.equal((await call({ fetch, base: '' }, 'PUT', '/users/7/block')).body, undefined);
});
