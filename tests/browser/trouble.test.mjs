// Without a network, with a server that refuses, and with sessions that end.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fresh, launch, people, Person, until, url } from './browser.mjs';

let browser;
before(
	async () => {
		browser = await launch();
	},
	{ timeout: 60_000 },
);
after(async () => {
	await browser?.close();
});

const AWAY = /net::ERR_|Failed to load resource|WebSocket connection/;

async function pair(a = 0, b = 1) {
	const one = await (await Person.arrive(browser, people[a])).signIn();
	const two = await (await Person.arrive(browser, people[b])).signIn();
	await one.talkTo(people[b].username);
	await two.talkTo(people[a].username);
	await one.live();
	await two.live();
	return [one, two];
}

test('what is written and said while offline arrives afterwards, once, in order', { timeout: 90_000 }, async () => {
	const [alice, bob] = await pair();
	await alice.context.setOffline(true);
	await alice.page.getByTestId('connection').waitFor();
	const mine = [fresh('Written in a tunnel'), fresh('And this after it')];
	for (const text of mine) await alice.say(text);
	await alice.tick(mine[1], 'pending');
	const yours = [fresh('Said meanwhile'), fresh('And more')];
	for (const text of yours) await bob.say(text);
	await bob.tick(yours[1], 'sent');
	await alice.shoot('offline');
	await alice.context.setOffline(false);
	for (const text of mine) await bob.sees(text);
	for (const text of [...yours, ...mine]) {
		await alice.sees(text);
		assert.equal(await alice.bubble(text).count(), 1);
		assert.equal(await bob.bubble(text).count(), 1);
	}
	const order = (await bob.page.locator('.bubble .text').allInnerTexts()).map((t) => t.trim());
	assert.ok(order.indexOf(mine[0]) < order.indexOf(mine[1]));
	await alice.live();
	await until('the banner to go', async () => (await alice.page.getByTestId('connection').count()) === 0);
	await alice.leave(AWAY);
	await bob.leave();
});

test('a typed message survives a reload before it could be sent', { timeout: 90_000 }, async () => {
	const [alice, bob] = await pair();
	const text = fresh('Typed just before the crash');
	await alice.page.route('**/api/v1/conversations/*/messages', (route) =>
		route.request().method() === 'POST' ? route.abort() : route.continue(),
	);
	await alice.say(text);
	await alice.tick(text, 'pending');
	await alice.page.reload();
	await alice.tick(text, 'pending');
	await alice.page.unroute('**/api/v1/conversations/*/messages');
	await bob.sees(text);
	await until('the tick', async () => (await alice.bubble(text).locator('.tick-pending').count()) === 0, 30_000);
	assert.equal(await bob.bubble(text).count(), 1);
	await alice.leave(AWAY);
	await bob.leave();
});

test('a reply that is lost after the server has committed does not double the message', { timeout: 90_000 }, async () => {
	const [alice, bob] = await pair();
	const text = fresh('Committed, but nobody heard');
	let lost = 0;
	await alice.page.route('**/api/v1/conversations/*/messages', async (route) => {
		if (route.request().method() !== 'POST' || lost >= 2) return route.continue();
		lost++;
		await route.fetch();
		return lost === 1 ? route.abort() : route.fulfill({ status: 502, body: 'bad gateway' });
	});
	await alice.say(text);
	await bob.sees(text);
	await alice.tick(text, 'read');
	assert.equal(await alice.bubble(text).count(), 1);
	assert.equal(await bob.bubble(text).count(), 1);
	assert.ok(lost >= 1);
	await alice.leave(AWAY);
	await bob.leave();
});

test('a message that the server refuses says so and can be discarded', { timeout: 60_000 }, async () => {
	const [alice, bob] = await pair();
	const text = fresh('Refused');
	let refuse = true;
	await alice.page.route('**/api/v1/conversations/*/messages', (route) =>
		route.request().method() === 'POST' && refuse
			? route.fulfill({
					status: 400,
					contentType: 'application/problem+json',
					body: JSON.stringify({ code: 'invalid', detail: 'It is refused.' }),
				})
			: route.continue(),
	);
	await alice.say(text);
	await alice.page.locator('.failed', { hasText: 'It is refused.' }).waitFor();
	await alice.shoot('failed');
	const next = fresh('The next one');
	refuse = false;
	await alice.say(next);
	await bob.sees(next);
	await alice.bubble(text).getByRole('button', { name: 'Try again' }).click();
	await bob.sees(text);
	await alice.leave(AWAY);
	await bob.leave();
});

test('an expired access token is renewed without anybody noticing', { timeout: 60_000 }, async () => {
	const [alice, bob] = await pair();
	let refused = 0,
		renewed = 0;
	await alice.page.route('**/api/v1/auth/refresh', (route) => {
		renewed++;
		return route.continue();
	});
	await alice.page.route('**/api/v1/conversations/*/messages', (route) =>
		route.request().method() === 'POST' && refused++ === 0
			? route.fulfill({
					status: 401,
					contentType: 'application/problem+json',
					body: JSON.stringify({ code: 'token_expired', detail: 'expired' }),
				})
			: route.continue(),
	);
	const text = fresh('Sent with an old token');
	await alice.say(text);
	await bob.sees(text);
	assert.equal(renewed, 1);
	await alice.leave(AWAY);
	await bob.leave();
});

test('wrong passwords are refused in words; signing out ends the session in every tab', { timeout: 60_000 }, async () => {
	const eva = await Person.arrive(browser, people[4]);
	await eva.shoot('door');
	await eva.page.getByLabel('User name').fill(eva.user.username);
	await eva.page.getByLabel('Password', { exact: true }).fill('certainly not this one');
	await eva.page.getByRole('button', { name: 'Sign in', exact: true }).click();
	await eva.page.getByText('The user name or the password is wrong.').waitFor();
	await eva.signIn();
	const tab = await eva.open();
	await tab.getByRole('heading', { name: 'Peal' }).waitFor();
	await eva.page.getByRole('button', { name: 'Sign out' }).click();
	for (const page of [eva.page, tab]) await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
	await eva.page.reload();
	await eva.page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
	await eva.leave(/401/);
});

test('somebody registers, finds another person, and is answered', { timeout: 60_000 }, async () => {
	const name = fresh('new').replace(' ', '-');
	const newcomer = await Person.arrive(browser, { username: name, password: 'correct horse battery staple' });
	await newcomer.page.getByRole('button', { name: 'Create an account' }).click();
	await newcomer.page.getByLabel(/^Name/).fill('Nora New');
	await newcomer.page.getByLabel('User name').fill(name);
	await newcomer.page.getByLabel(/^Password/).fill(newcomer.user.password);
	await newcomer.page.getByRole('button', { name: 'Create account' }).click();
	await newcomer.page.getByText('No conversations yet.').waitFor();
	await newcomer.shoot('first-visit');

	const dan = await (await Person.arrive(browser, people[3])).signIn();
	await dan.live();
	await newcomer.talkTo(people[3].username);
	const text = fresh('We have not met');
	await newcomer.say(text);
	const row = dan.page.locator(`.list .row[data-user="${name}"]`);
	await row.getByTestId('unread').waitFor();
	await row.click();
	await dan.sees(text);
	const answer = fresh('Now we have');
	await dan.say(answer);
	await newcomer.sees(answer);
	await newcomer.leave();
	await dan.leave();
});

test('the page needs nothing from elsewhere and nothing inline', { timeout: 60_000 }, async () => {
	const carol = await Person.arrive(browser, people[2]);
	const asked = [];
	carol.page.on('request', (request) => asked.push(request.url()));
	await carol.signIn();
	await carol.live();
	const elsewhere = asked.filter((address) => !address.startsWith(url) && !address.startsWith(url.replace('http', 'ws')));
	assert.deepEqual(elsewhere, []);
	assert.equal(await carol.page.locator('script:not([src]), style, [style*="javascript"]').count(), 0);
	await carol.leave();
});
