// Two people in two browsers: what one does, the other sees without reloading.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DESKTOP, fresh, launch, people, Person, until } from './browser.mjs';

let browser, alice, bob;

before(
	async () => {
		browser = await launch();
		alice = await (await Person.arrive(browser, people[0])).signIn();
		bob = await (await Person.arrive(browser, people[1])).signIn();
		await alice.talkTo(people[1].username);
		await alice.live();
		await bob.live();
	},
	{ timeout: 60_000 },
);

after(async () => {
	try {
		await alice?.leave();
		await bob?.leave();
	} finally {
		await browser?.close(); // an open browser would keep this process for ever
	}
});

test('a message arrives live, is counted as unread, and becomes read', { timeout: 60_000 }, async () => {
	const text = fresh('Hello Bob');
	await alice.say(text);
	await alice.sees(text);
	await alice.tick(text, 'delivered');
	const row = bob.page.locator(`.list .row[data-user="${people[0].username}"]`);
	await row.getByTestId('unread').waitFor();
	assert.match(await row.innerText(), new RegExp(text));
	assert.match(await bob.page.title(), /^\(\d+\+?\) Peal/);
	await until('the announcement', async () => (await bob.page.getByTestId('announcer').innerText()).includes(text));
	await bob.shoot('unread');
	await row.click();
	await bob.sees(text);
	await alice.tick(text, 'read');
	await until('the badge to go', async () => (await row.getByTestId('unread').count()) === 0);
});

test('both write, both see the same in the same order', { timeout: 60_000 }, async () => {
	const texts = [];
	for (let i = 0; i < 6; i++) {
		texts.push(fresh(`Line ${i}`));
		const [from, to] = i % 2 === 0 ? [bob, alice] : [alice, bob];
		await from.say(texts[i]);
		await to.sees(texts[i]);
	}
	for (const person of [alice, bob]) {
		const said = (await person.page.locator('.bubble .text').allInnerTexts()).map((t) => t.trim()).slice(-6);
		assert.deepEqual(said, texts);
	}
});

test('ten messages typed at once arrive once each, in order', { timeout: 60_000 }, async () => {
	const texts = Array.from({ length: 10 }, (_, i) => fresh(`Burst ${i}`));
	for (const text of texts) await alice.say(text);
	await bob.sees(texts[9]);
	const said = (await bob.page.locator('.bubble .text').allInnerTexts())
		.map((t) => t.trim())
		.filter((t) => t.startsWith('Burst'));
	assert.deepEqual(said.slice(-10), texts);
	await alice.tick(texts[9], 'read');
	assert.equal(await alice.bubble(texts[0]).count(), 1);
});

test('typing shows while it lasts', { timeout: 60_000 }, async () => {
	await bob.field().pressSequentially('Let me think');
	await alice.page.getByTestId('typing').waitFor();
	await alice.page.locator('.bubble.dots').waitFor();
	await alice.shoot('typing');
	await bob.field().fill('');
	await until('typing to end', async () => (await alice.page.getByTestId('typing').count()) === 0, 7000);
});

test('presence: who is here is shown as online', { timeout: 60_000 }, async () => {
	await until('online', async () => (await alice.page.getByTestId('presence').innerText()) === 'online');
});

test('deleting for everyone leaves a tombstone on both sides', { timeout: 60_000 }, async () => {
	const text = fresh('Not meant to be said');
	await alice.say(text);
	await bob.sees(text);
	await alice.bubble(text).hover();
	await alice.bubble(text).getByRole('button', { name: 'Message options' }).click();
	await alice.shoot('menu');
	await alice.page.getByRole('menuitem', { name: 'Delete for everyone' }).click();
	await alice.shoot('confirm');
	await alice.page.getByRole('dialog').getByRole('button', { name: 'Delete for everyone' }).click();
	for (const person of [alice, bob]) {
		await person.page.locator('.bubble.is-gone').last().waitFor();
		await until('the text to go', async () => (await person.bubble(text).count()) === 0);
	}
});

test('Shift+Enter begins a new line, Enter sends; addresses are links, markup is text', { timeout: 60_000 }, async () => {
	const mark = fresh('<b>two</b>');
	await alice.field().fill(mark);
	await alice.field().press('Shift+Enter');
	await alice.field().pressSequentially('see https://example.org/a?b=1.');
	await alice.field().press('Enter');
	const line = bob.page.locator('.text', { hasText: mark }).last();
	await line.waitFor();
	assert.equal((await line.innerText()).trim(), `${mark}\nsee https://example.org/a?b=1.`);
	assert.equal(await line.locator('a').getAttribute('href'), 'https://example.org/a?b=1');
	assert.equal(await line.locator('b').count(), 0);
});

test('a draft waits in its conversation', { timeout: 60_000 }, async () => {
	const text = fresh('Unfinished');
	await alice.field().fill(text);
	await alice.page.evaluate(() => {
		location.hash = '#/';
	});
	await until('the draft in the list', async () =>
		(await alice.page.locator(`.list .row[data-user="${people[1].username}"]`).innerText()).includes(text),
	);
	await alice.talkTo(people[1].username);
	assert.equal(await alice.field().inputValue(), text);
	await alice.field().fill('');
});

test('a reload keeps the session, and a second tab shows the same', { timeout: 60_000 }, async () => {
	const text = fresh('Before the reload');
	await bob.say(text);
	await alice.sees(text);
	await alice.page.reload();
	await alice.sees(text);
	await alice.live();
	const tab = await alice.open(new URL(alice.page.url()).hash ? `/${new URL(alice.page.url()).hash}` : '/');
	await alice.sees(text, tab);
	await alice.live(tab);
	const both = fresh('To both tabs');
	await bob.say(both);
	await alice.sees(both);
	await alice.sees(both, tab);
	const mine = fresh('From one tab');
	await alice.say(mine, tab);
	await alice.sees(mine);
	await tab.close();
});

test('the history scrolls up page by page and stays where the reader is', { timeout: 120_000 }, async () => {
	const rows = () => alice.page.locator('.bubble-row[data-message]').count();
	for (let i = await rows(); i < 120; i++) await alice.say(`Filler ${i}`);
	await alice.tick('Filler 119', 'read');
	await alice.page.reload();
	await alice.sees('Filler 119');
	const log = alice.page.getByRole('log');
	const count = await rows();
	assert.ok(count >= 50 && count <= 100, `${count} messages at first`);
	const top = (id) => alice.page.locator(`[data-message="${id}"]`).evaluate((e) => e.getBoundingClientRect().top);
	const kept = await log.evaluate((box) => {
		box.scrollTop = 200;
		const first = box.querySelector('.bubble-row[data-message]');
		return { id: first.dataset.message, top: first.getBoundingClientRect().top };
	});
	await until('older messages', async () => (await rows()) > count);
	assert.ok(Math.abs((await top(kept.id)) - kept.top) < 50, 'the message under the eyes stayed there');
	for (let i = 0; i < 20 && (await alice.page.locator('.log .more').count()) > 0; i++) {
		await log.evaluate((e) => {
			e.scrollTop = 0;
		});
		await alice.page.waitForTimeout(150);
	}
	assert.equal(await alice.page.locator('.log .more').count(), 0);
	assert.ok((await rows()) >= 120);
	await alice.page.getByRole('button', { name: 'To the newest message' }).click();
	await until('the end', () => log.evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight < 5));
});

test('the newest message is read to those who look away only when they look again', { timeout: 60_000 }, async () => {
	await bob.page.evaluate(() => {
		location.hash = '#/';
	});
	const text = fresh('Are you there');
	await alice.say(text);
	await alice.tick(text, 'delivered');
	assert.equal(await alice.bubble(text).locator('.tick-read').count(), 0);
	await bob.talkTo(people[0].username);
	await alice.tick(text, 'read');
});

test(
	'what does not fit on the screen opens where the unread begins, and is read when the end is seen',
	{ timeout: 60_000 },
	async () => {
		await bob.page.evaluate(() => {
			location.hash = '#/';
		});
		const texts = Array.from({ length: 30 }, (_, i) => fresh(`Long story ${i}`));
		for (const text of texts) await alice.say(text);
		await alice.tick(texts[29], 'delivered');
		await bob.talkTo(people[0].username);
		await bob.page.locator('.new-line').waitFor();
		const log = bob.page.getByRole('log');
		assert.ok(await log.evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight > 100), 'not at the end');
		assert.equal(await bob.page.locator('.new-line').isVisible(), true);
		await bob.shoot('new-messages');
		await bob.page.waitForTimeout(500);
		assert.equal(await alice.bubble(texts[29]).locator('.tick-read').count(), 0);
		await bob.page.getByRole('button', { name: 'To the newest message' }).click();
		await alice.tick(texts[29], 'read');
	},
);

test('dark, light and reduced motion', { timeout: 60_000 }, async () => {
	await alice.shoot('desktop-light');
	await alice.page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
	await alice.shoot('desktop-dark');
	await alice.page.emulateMedia({ colorScheme: 'light', reducedMotion: 'no-preference' });
	assert.deepEqual(alice.page.viewportSize(), DESKTOP.viewport);
});
