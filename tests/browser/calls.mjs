/*
 * Calls between pages of real browsers, by Debian's coturn and nothing else (iceTransportPolicy: relay); test_browser_calls.py starts both. The pages
 * hold no client, only the SDK, and the example of docs/calls.md as it stands there.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { after, afterEach, before, test } from 'node:test';
import { launch, people, until, url } from './browser.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { buildSync } = createRequire(`${root}web/package.json`)('esbuild');
const deep = Number(process.env.TIER || 1) >= 2 ? test : () => undefined;
let browser, folder, script;
let alice, bob, bob2, conversation;

/** One device: a browser of its own, signed in. */
async function device(user) {
	const context = await browser.newContext({ bypassCSP: true, permissions: ['microphone', 'camera'] });
	const page = await context.newPage();
	page.setDefaultTimeout(20_000);
	const trouble = [];
	page.on('pageerror', (error) => trouble.push(`${error.stack ?? error}`));
	await page.goto(`${url}/api/v1/health`);
	await page.addScriptTag({ content: script });
	const id = await page.evaluate(({ username, password }) => arrive(username, password), user);
	return { page, id, trouble, context, user };
}

function bundle() {
	const docs = readFileSync(`${root}docs/calls.md`, 'utf8');
	const example = /```ts\n(.*?)```/s.exec(docs)[1].replace("'./sdk/index.ts'", `'${root}web/sdk/index.ts'`);
	writeFileSync(`${folder}/example.ts`, example);
	writeFileSync(
		`${folder}/page.ts`,
		`
		import { Calls, Peal } from '${root}web/sdk/index.ts';
		import { phone } from './example.ts';
		const w = window as any;
		w.seen = [];
		const changed = (call) => w.seen.push([call.id, call.state, call.end]);
		w.arrive = async (name, password) => {
			const peal = (w.peal = new Peal({ socketUrl: location.origin.replace('http', 'ws') + '/ws', shelf: localStorage, tab: sessionStorage, changed: () => {} }));
			await peal.login(name, password);
			while (peal.connection.state !== 'live') await new Promise((go) => setTimeout(go, 20));
			return peal.store.me;
		};
		w.plain = () => {
			w.got = [];
			w.calls = new Calls(w.peal, {
				changed,
				policy: 'relay',
				prepare: (call, pc) => {
					w.pc = pc;
					w.channel = pc.createDataChannel('talk', { negotiated: true, id: 1 });
					w.channel.onmessage = ({ data }) => w.got.push(data);
				},
			});
		};
		w.filmed = () => {
			w.screen = document.body.appendChild(document.createElement('video'));
			Object.assign(w.screen, { autoplay: true, muted: true });
			w.tracks = [];
			const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
			navigator.mediaDevices.getUserMedia = async (what) => {
				const stream = await ask(what);
				w.tracks.push(...stream.getTracks());
				return stream;
			};
			w.calls = phone(w.peal, w.screen, changed, 'relay');
		};
		`,
	);
	const out = buildSync({ entryPoints: [`${folder}/page.ts`], bundle: true, format: 'iife', write: false, logLevel: 'error' });
	return out.outputFiles[0].text;
}

before(
	async () => {
		folder = mkdtempSync(`${tmpdir()}/peal-calls-`);
		script = bundle();
		browser = await launch('--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required');
		[alice, bob, bob2] = [await device(people[0]), await device(people[1]), await device(people[1])];
		conversation = await alice.page.evaluate((id) => peal.startDirect(id).then((c) => c.id), bob.id);
		await alice.page.evaluate((id) => peal.rest.send(id, { client_id: 'first', message_type: 'text', content: 'Shall we talk?' }), conversation);
	},
	{ timeout: 90_000 },
);

after(async () => {
	try {
		for (const one of [alice, bob, bob2]) assert.deepEqual(one?.trouble ?? [], []);
	} finally {
		await browser?.close();
		rmSync(folder, { recursive: true, force: true });
	}
});

afterEach(async () => {
	for (const one of [alice, bob, bob2]) await one.page.evaluate(() => calls.hangUp());
	await until('quiet', async () => (await Promise.all([alice, bob, bob2].map((one) => state(one)))).every((s) => s === null));
});

const plain = (...devices) => Promise.all(devices.map((one) => one.page.evaluate(() => ((window.seen = []), plain()))));
const state = (one) => one.page.evaluate(() => calls.current?.state ?? null);
const ends = (one) => one.page.evaluate(() => seen.filter(([, s]) => s === 'ended').map(([, , end]) => end));
const is = (one, want) => until(`${want} at ${one.user.username}`, async () => (await state(one)) === want, 20_000);
const ended = (one, want) => until(`end ${want}`, async () => (await ends(one)).includes(want), 20_000);
const call = (one, options) => one.page.evaluate(([id, o]) => calls.call(id, o).then((c) => c.id), [conversation, options]);
const answer = (one) => one.page.evaluate(() => calls.answer());

/** What test_browser_calls.py has to do for us. */
async function ask(deed) {
	const file = `${process.env.PEAL_ASK}/${deed}`;
	writeFileSync(file, '');
	await until(deed, () => !existsSync(file), 30_000);
}

/** What the conversation says of calls, the last one first. */
function records() {
	return alice.page.evaluate(async (id) => {
		const page = await peal.rest.messages(id, { limit: 100 });
		return page.messages.filter((m) => m.message_type === 'call').map((m) => [m.call.outcome, m.call.media, m.sender_id]).reverse();
	}, conversation);
}

/** Both say something, and both hear it. */
async function talk(one, other) {
	await Promise.all([is(one, 'connected'), is(other, 'connected')]);
	for (const [from, to] of [[one, other], [other, one]]) {
		const word = `${Math.random()}`;
		await until('an open channel', () => from.page.evaluate(() => channel.readyState === 'open'));
		await from.page.evaluate((text) => channel.send(text), word);
		await until('the other side', () => to.page.evaluate((text) => got.includes(text), word));
	}
}

/** By which way the data goes, as the browser counts it. */
async function way(one) {
	let types;
	await until('a chosen way', async () => {
		types = await one.page.evaluate(async () => {
			const stats = [...(await pc.getStats()).values()];
			const by = (id) => stats.find((s) => s.id === id);
			const pair = by(stats.find((s) => s.type === 'transport')?.selectedCandidatePairId);
			return pair && [pair.localCandidateId, pair.remoteCandidateId].map((id) => by(id).candidateType);
		});
		return types;
	});
	return types;
}

test('it rings on all devices, one answers, data goes by the relay, and one record remains', { timeout: 60_000 }, async () => {
	await plain(alice, bob, bob2);
	const before = (await records()).length;
	await call(alice, { video: true });
	await Promise.all([is(bob, 'ringing'), is(bob2, 'ringing')]);
	assert.equal(await bob.page.evaluate(() => calls.current.video), true);
	await answer(bob2);
	await ended(bob, 'elsewhere');
	await talk(alice, bob2);
	assert.deepEqual([await way(alice), await way(bob2)], [['relay', 'relay'], ['relay', 'relay']]);
	await bob2.page.evaluate(() => calls.hangUp());
	await ended(alice, 'hung_up');
	await until('the record', async () => (await records()).length === before + 1);
	assert.deepEqual((await records())[0], ['completed', 'video', alice.id]);
});

test('declined on one device, it stops on all', { timeout: 60_000 }, async () => {
	await plain(alice, bob, bob2);
	const before = (await records()).length;
	await call(alice);
	await Promise.all([is(bob, 'ringing'), is(bob2, 'ringing')]);
	await bob.page.evaluate(() => calls.decline());
	await Promise.all([ended(alice, 'declined'), ended(bob2, 'elsewhere')]);
	await until('the record', async () => (await records()).length === before + 1);
	assert.deepEqual((await records())[0], ['declined', 'audio', alice.id]);
});

test('who calls gives up, and it stops ringing', { timeout: 60_000 }, async () => {
	await plain(alice, bob, bob2);
	await call(alice);
	await Promise.all([is(bob, 'ringing'), is(bob2, 'ringing')]);
	await alice.page.evaluate(() => calls.hangUp());
	await Promise.all([ended(bob, 'missed'), ended(bob2, 'missed')]);
});

test('two devices answer at the same moment: one has the call', { timeout: 60_000 }, async () => {
	await plain(alice, bob, bob2);
	await call(alice);
	await Promise.all([is(bob, 'ringing'), is(bob2, 'ringing')]);
	await Promise.all([answer(bob), answer(bob2)]);
	await until('one of them', async () => (await ends(bob)).length + (await ends(bob2)).length === 1);
	const [one, other] = (await ends(bob)).length ? [bob2, bob] : [bob, bob2];
	await talk(alice, one);
	assert.deepEqual(await ends(other), ['elsewhere']);
});

test('both call at once: one call, one record', { timeout: 90_000 }, async () => {
	for (let round = 0; round < 5; round++) {
		await plain(alice, bob, bob2);
		const before = (await records()).length;
		await Promise.all([call(alice), call(bob)]);
		await talk(alice, bob);
		assert.ok([...(await ends(alice)), ...(await ends(bob))].filter((e) => e === 'theirs').length <= 1);
		await alice.page.evaluate(() => calls.hangUp());
		await ended(bob, 'hung_up');
		await until('the record', async () => (await records()).length === before + 1);
		assert.equal((await records())[0][0], 'completed');
	}
});

test('whoever opens the app while it rings hears it, and may answer', { timeout: 60_000 }, async () => {
	await plain(alice, bob, bob2);
	await call(alice);
	await is(bob, 'ringing');
	const late = await device(people[1]);
	await plain(late);
	await is(late, 'ringing');
	await answer(late);
	await talk(alice, late);
	await ended(bob, 'elsewhere');
	await late.page.evaluate(() => calls.hangUp());
	await ended(alice, 'hung_up');
	assert.deepEqual(late.trouble, []);
	await late.context.close();
});

test('in a call one is busy', { timeout: 60_000 }, async () => {
	await plain(alice, bob, bob2);
	await call(alice);
	await is(bob, 'ringing');
	await answer(bob);
	await talk(alice, bob);
	const carol = await device(people[2]);
	await plain(carol);
	const theirs = await carol.page.evaluate((id) => peal.startDirect(id).then((c) => c.id), bob.id);
	await carol.page.evaluate((id) => peal.rest.send(id, { client_id: 'hello', message_type: 'text', content: 'Hello' }), theirs);
	await carol.page.evaluate((id) => calls.call(id), theirs);
	await ended(carol, 'busy');
	await talk(alice, bob);
	await carol.context.close();
});

test('sockets that break do not hurt a call, and a hangup is said when they are back', { timeout: 60_000 }, async () => {
	await plain(alice, bob, bob2);
	await alice.page.evaluate(() => peal.socket.restart());
	await call(alice);
	await is(bob, 'ringing');
	await bob.page.evaluate(() => (peal.socket.restart(), calls.answer()));
	await talk(alice, bob);
	await Promise.all([alice, bob].map((one) => one.page.evaluate(() => peal.socket.restart())));
	await talk(alice, bob);
	await bob.page.evaluate(() => (peal.socket.restart(), calls.hangUp()));
	await ended(alice, 'hung_up');
});

test('processes of peal-push die: what is said goes on, and ends with one record', { timeout: 90_000 }, async () => {
	await plain(alice, bob, bob2);
	const before = (await records()).length;
	await call(alice);
	await is(bob, 'ringing');
	await ask('kill-push');
	await answer(bob);
	await talk(alice, bob);
	await ask('kill-push');
	await talk(alice, bob);
	await alice.page.evaluate(() => calls.hangUp());
	await ended(bob, 'hung_up');
	await until('the record', async () => (await records()).length === before + 1);
	assert.equal((await records())[0][0], 'completed');
});

deep('the TURN server dies and comes back: the call is mended', { timeout: 180_000 }, async () => {
	await plain(alice, bob, bob2);
	await call(alice);
	await is(bob, 'ringing');
	await answer(bob);
	await talk(alice, bob);
	await ask('restart-turn');
	await until('the break', async () => (await state(alice)) === 'connecting', 60_000);
	await until('the mending', async () => (await state(alice)) === 'connected', 60_000);
	await talk(alice, bob);
});

test('whoever blocks the other has hung up', { timeout: 60_000 }, async () => {
	await plain(alice, bob, bob2);
	await call(alice);
	await is(bob, 'ringing');
	await answer(bob);
	await talk(alice, bob);
	await bob.page.evaluate((id) => peal.rest.block(id), alice.id);
	await ended(bob, 'hung_up');
	await until('a closed channel', () => alice.page.evaluate(() => channel.readyState === 'closed'), 20_000);
	await bob.page.evaluate((id) => peal.rest.unblock(id), alice.id);
});

test('the example of docs/calls.md: sound and pictures, and a screen that is shown later', { timeout: 60_000 }, async () => {
	await Promise.all([alice, bob].map((one) => one.page.evaluate(() => ((window.seen = []), filmed()))));
	await plain(bob2);
	await call(alice, { video: true });
	await is(bob, 'ringing');
	await answer(bob);
	await Promise.all([is(alice, 'connected'), is(bob, 'connected')]);
	for (const one of [alice, bob]) await until('pictures', () => one.page.evaluate(() => screen.videoWidth > 0 && screen.currentTime > 0.2), 20_000);
	for (const one of [alice, bob])
		assert.deepEqual(await one.page.evaluate(() => screen.srcObject.getTracks().map((t) => t.kind).sort()), ['audio', 'video']);
	const [camera] = await Promise.all([alice, bob].map((one) => one.page.evaluateHandle(() => [...tracks])));
	for (const [from, to] of [[bob, alice], [alice, bob]]) {
		await to.page.evaluate(() => calls.current.pc.addEventListener('track', ({ track }) => (window.more = track.kind)));
		await from.page.evaluate(async () => {
			const more = await navigator.mediaDevices.getUserMedia({ video: true });
			calls.current.pc.addTrack(more.getTracks()[0], more);
		});
		await until('one more track', () => to.page.evaluate(() => window.more === 'video'));
	}
	await bob.page.evaluate(() => calls.hangUp());
	await ended(alice, 'hung_up');
	assert.deepEqual(await camera.evaluate((all) => all.map((t) => t.readyState)), ['ended', 'ended'], 'the camera is off');
});
