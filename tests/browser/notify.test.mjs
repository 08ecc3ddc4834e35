// Notifications in Chromium: switched on where one expects it, what the service worker makes of what arrives (delivered by CDP, as a push service would), and where a click leads.
// Headless Chromium has no push service to subscribe at: that one call is answered here; the rest is real.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fresh, launch, people, Person, until, url } from './browser.mjs';

// RFC 8291, appendix A
const KEYS = { p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4', auth: 'BTBZMqHH6r4Tts7J_aSIgg' };
let browser, alice, bob, cdp, registrationId, room;

/** Instead of the push service's: a subscription that knows which key it was made for. */
function pushService({ keys, endpoint }) {
	const made = (key) => ({
		endpoint,
		options: { applicationServerKey: Uint8Array.from(atob(key.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)).buffer },
		toJSON: () => ({ endpoint, expirationTime: null, keys }),
		unsubscribe: async () => (localStorage.removeItem('test.key'), true),
	});
	PushManager.prototype.subscribe = async (options) => {
		localStorage.setItem('test.key', options.applicationServerKey);
		return made(options.applicationServerKey);
	};
	PushManager.prototype.getSubscription = async () => {
		const key = localStorage.getItem('test.key');
		return key ? made(key) : null;
	};
}

const theWorker = async () => bob.context.serviceWorkers()[0] ?? (await bob.context.waitForEvent('serviceworker'));

const shown = async () =>
	(await theWorker()).evaluate(async () => {
		return (await self.registration.getNotifications()).map((n) => ({ title: n.title, body: n.body, tag: n.tag, data: n.data }));
	});

/** Chromium 156 says that a notification is shown a moment before it is, and forgets it when it is asked for all of them in between. */
async function push(said) {
	await cdp.send('ServiceWorker.deliverPushMessage', { origin: url, registrationId, data: typeof said === 'string' ? said : JSON.stringify(said) });
	await new Promise((go) => setTimeout(go, 500));
}

const message = (more) => ({ type: 'message', conversation_id: room, message_id: `${room}.1`, message_type: 'text', conversation_type: 'direct', mention: 'false', sender_id: '1', sender_name: 'Alice Archer', created_at: new Date().toISOString(), ...more });

async function openSwitch() {
	await bob.page.getByRole('button', { name: /^You: / }).click();
	const one = bob.page.getByRole('switch', { name: /Show what comes/ });
	await one.waitFor();
	return one;
}

before(
	async () => {
		browser = await launch();
		alice = await (await Person.arrive(browser, people[0])).signIn();
		bob = await Person.arrive(browser, people[1]);
		await bob.context.addInitScript(pushService, { keys: KEYS, endpoint: `https://push.example/${Date.now()}` });
		await bob.page.reload();
		await bob.signIn();
		await bob.talkTo(people[0].username);
		room = await bob.page.evaluate(() => /#\/c\/(\d+)/.exec(location.hash)[1]);
		cdp = await bob.context.newCDPSession(bob.page);
		cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
			for (const one of registrations) if (!one.isDeleted) registrationId = one.registrationId;
		});
		await cdp.send('ServiceWorker.enable');
	},
	{ timeout: 60_000 },
);

after(async () => {
	try {
		await alice?.leave();
		await bob?.leave();
	} finally {
		await browser?.close();
	}
});

test('whoever said no to the browser is told why', { timeout: 60_000 }, async () => {
	await browserPermission('denied');
	const one = await openSwitch();
	await until('it to be disabled', () => one.isDisabled());
	await bob.page.getByText('You told the browser that Peal may not show any.').waitFor();
	await bob.page.keyboard.press('Escape');
});

test('switched on, and on again after a reload', { timeout: 60_000 }, async () => {
	await browserPermission('granted');
	let one = await openSwitch();
	assert.equal(await one.isChecked(), false);
	await one.click();
	await until('it to be on', () => one.isChecked());
	await bob.shoot('notifications');
	assert.match(await bob.page.evaluate(() => localStorage.getItem('peal.push')), /^\d+:\d+$/);
	await until('the worker', () => registrationId);
	assert.equal(await bob.page.evaluate(async () => (await navigator.serviceWorker.ready).scope), `${url}/`);
	const again = bob.page.waitForResponse((r) => r.url().endsWith('/push/subscriptions') && r.status() === 200);
	await bob.page.reload();
	await again;
	one = await openSwitch();
	await until('it to be on still', () => one.isChecked());
	await bob.page.keyboard.press('Escape');
});

test('a message is shown, the next one replaces it, reading elsewhere clears it', { timeout: 60_000 }, async () => {
	await bob.page.goto('about:blank'); // whoever has the page in front of them is shown nothing
	await push(message({ text: 'first' }));
	await until('a notification', async () => (await shown()).length === 1);
	assert.deepEqual(await shown(), [{ title: 'Alice Archer', body: 'first', tag: `c${room}`, data: { conversation: room } }]);
	await push(message({ text: 'second', conversation_type: 'group', conversation_name: 'Engineers' }));
	await until('the second', async () => (await shown())[0]?.body === 'Alice Archer: second');
	assert.equal((await shown())[0].title, 'Engineers');
	await push(message({ message_type: 'image', conversation_id: '999999' }));
	await until('another conversation', async () => (await shown()).length === 2);
	await push({ type: 'clear', conversation_id: room, message_id: `${room}.1` });
	await until('it to go', async () => (await shown()).map((n) => n.body).join() === 'Picture');
	await push({ type: 'clear', conversation_id: '999999', message_id: '999999.1' });
	await until('the other to go', async () => (await shown()).length === 0);
	await push({ type: 'message', conversation_id: room, message_id: `${room}.1` });
	await until('one without words', async () => (await shown())[0]?.title === 'Peal');
	await push({ type: 'clear', conversation_id: room, message_id: `${room}.1` });
	for (const nonsense of ['', 'not JSON', '{}', '{"conversation_id":"x"}', '{"conversation_id":"../1","type":"message"}']) await push(nonsense);
	await until('nothing', async () => (await shown()).length === 0);
	await bob.page.goto(url);
	await bob.live();
	await push(message({ text: 'in front of you' }));
	await new Promise((go) => setTimeout(go, 500));
	assert.deepEqual(await shown(), []);
});

test('a click leads into the conversation, in the page that is open', { timeout: 60_000 }, async () => {
	await bob.page.bringToFront();
	await bob.page.goto(`${url}/#/`);
	await bob.page.getByText('Pick a conversation').waitFor();
	await (await theWorker()).evaluate((conversation) => {
		const notification = { close() {}, data: { conversation } };
		const event = new Event('notificationclick');
		Object.assign(event, { notification, waitUntil: (work) => work });
		// focus() needs a real click, which CDP cannot make: what follows it is what is looked at
		WindowClient.prototype.focus = async function () { return this; };
		self.dispatchEvent(event);
	}, room);
	await bob.field().waitFor();
	assert.equal(await bob.page.evaluate(() => location.hash), `#/c/${room}`);
	const text = fresh('still the same page');
	await alice.talkTo(people[1].username);
	await alice.say(text);
	await bob.sees(text);
});

test('switched off, and forgotten', { timeout: 60_000 }, async () => {
	const one = await openSwitch();
	const gone = bob.page.waitForResponse((r) => /\/push\/subscriptions\/\d+$/.test(r.url()) && r.request().method() === 'DELETE');
	await one.click();
	assert.equal((await gone).status(), 204);
	await until('it to be off', async () => !(await one.isChecked()));
	assert.equal(await bob.page.evaluate(() => localStorage.getItem('peal.push')), null);
	await bob.page.keyboard.press('Escape');
});

async function browserPermission(setting) {
	const { targetInfo } = await cdp.send('Target.getTargetInfo');
	await cdp.send('Browser.setPermission', { permission: { name: 'notifications' }, setting, origin: url, browserContextId: targetInfo.browserContextId });
	assert.equal(await bob.page.evaluate(() => Notification.permission), setting);
}
