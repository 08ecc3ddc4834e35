// The same on a small touch screen: one pane at a time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fresh, launch, people, Person, PHONE, until } from './browser.mjs';

let browser, alice, carol;

before(
	async () => {
		browser = await launch();
		alice = await (await Person.arrive(browser, people[0], PHONE)).signIn();
		carol = await (await Person.arrive(browser, people[2])).signIn();
		await carol.talkTo(people[0].username);
		await alice.live();
	},
	{ timeout: 60_000 },
);

after(async () => {
	try {
		await alice?.leave();
		await carol?.leave();
	} finally {
		await browser?.close(); // an open browser would keep this process for ever
	}
});

test('list, conversation, and back', { timeout: 60_000 }, async () => {
	const text = fresh('A word to your pocket');
	await carol.say(text);
	const row = alice.page.locator(`.list .row[data-user="${people[2].username}"]`);
	await row.getByTestId('unread').waitFor();
	await alice.shoot('phone-list');
	await row.tap();
	await alice.sees(text);
	assert.equal(await alice.page.getByRole('navigation').isVisible(), false);
	await carol.tick(text, 'read');
	await alice.say(fresh('Got it'));
	await alice.shoot('phone-chat');
	await alice.page.getByRole('link', { name: 'Back to the conversations' }).tap();
	await row.waitFor();
	assert.equal(await alice.page.getByRole('log').count(), 0);
	await alice.page.goBack();
	await alice.sees(text);
});

test('nothing is wider than the screen', { timeout: 60_000 }, async () => {
	const long = fresh('w'.repeat(300));
	await carol.say(long);
	await alice.sees(long);
	const wide = await alice.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
	assert.ok(wide <= 0, `${wide} px too wide`);
});

test('a long press opens the menu of a message', { timeout: 60_000 }, async () => {
	const text = fresh('Press me');
	await alice.say(text);
	await alice.tick(text, 'read');
	const bubble = alice.bubble(text).locator('.bubble');
	const touch = { pointerType: 'touch', isPrimary: true, bubbles: true };
	await bubble.dispatchEvent('pointerdown', touch);
	await alice.page.getByRole('menuitem', { name: 'Delete for everyone' }).waitFor();
	await bubble.dispatchEvent('pointerup', touch);
	await alice.shoot('phone-menu');
	await alice.page.keyboard.press('Escape');
	await until('the menu to close', async () => (await alice.page.getByRole('menu').count()) === 0);
});
