// What can be done with a message, as the other one sees it: answers, edits, reactions, stars, pins, polls, forwarding, deleting.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fresh, launch, people, Person, PHONE, until, url } from './browser.mjs';

let browser, alice, bob;

before(
	async () => {
		browser = await launch();
		alice = await (await Person.arrive(browser, people[0])).signIn();
		bob = await (await Person.arrive(browser, people[1])).signIn();
		await alice.talkTo(people[1].username);
		await bob.talkTo(people[0].username);
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

const reaction = (person, text, emoji) => person.bubble(text).locator('.reaction', { hasText: emoji });

test('an answer shows what it answers, and leads there', { timeout: 60_000 }, async () => {
	const text = fresh('Shall we go on Friday?');
	await alice.say(text);
	await bob.sees(text);
	await bob.choose(text, 'Reply');
	await bob.page.getByTestId('replying').waitFor();
	const answer = fresh('Yes, at eight');
	await bob.say(answer);
	assert.equal(await bob.page.getByTestId('replying').count(), 0);
	for (const person of [alice, bob]) {
		await person.sees(answer);
		await person.bubble(answer).locator('.quote', { hasText: text }).waitFor();
	}
	await alice.bubble(answer).locator('.quote').click();
	await until('the first one in view', () => alice.bubble(text).evaluate((e) => e.classList.contains('is-aimed')));
});

test('an edited message says so, and what it said before', { timeout: 60_000 }, async () => {
	const [text, better] = [fresh('At egiht'), fresh('At eight')];
	await alice.say(text);
	await bob.sees(text);
	await alice.choose(text, 'Edit');
	await alice.page.getByRole('textbox', { name: 'Edit the message' }).fill(better);
	await alice.page.keyboard.press('Enter');
	for (const person of [alice, bob]) {
		await person.sees(better);
		await person.bubble(better).getByRole('button', { name: 'edited' }).waitFor();
		assert.equal(await person.bubble(text).count(), 0);
	}
	await bob.bubble(better).getByRole('button', { name: 'edited' }).click();
	await bob.page.getByRole('dialog', { name: 'Edits' }).getByText(text).waitFor();
	await bob.shoot('edits');
	await bob.page.keyboard.press('Escape');
	await until('the sheet to close', async () => (await bob.page.getByRole('dialog').count()) === 0);
	await alice.field().press('ArrowUp');
	assert.equal(await alice.page.getByRole('textbox', { name: 'Edit the message' }).inputValue(), better);
	await alice.page.keyboard.press('Escape');
});

test('reactions are counted, shown as mine, and taken back', { timeout: 60_000 }, async () => {
	const text = fresh('We won');
	await alice.say(text);
	await bob.sees(text);
	await bob.bubble(text).hover();
	await bob.bubble(text).getByRole('button', { name: 'Message options' }).click();
	await bob.page.getByRole('menuitem', { name: 'React with 👍' }).click();
	await reaction(alice, text, '👍').waitFor();
	assert.equal(await reaction(bob, text, '👍').getAttribute('aria-pressed'), 'true');
	assert.equal(await reaction(alice, text, '👍').getAttribute('aria-pressed'), 'false');
	await reaction(alice, text, '👍').click();
	await until('two', async () => (await reaction(bob, text, '👍').innerText()).includes('2'));
	await alice.bubble(text).hover();
	await alice.bubble(text).getByRole('button', { name: 'React', exact: true }).click();
	await alice.shoot('emoji');
	await alice.page.getByRole('button', { name: 'party popper' }).click();
	await reaction(bob, text, '🎉').waitFor();
	await bob.bubble(text).hover();
	await bob.bubble(text).getByRole('button', { name: 'Who reacted' }).click();
	const sheet = bob.page.getByRole('dialog', { name: 'Message info' });
	await sheet.locator('.person', { hasText: '🎉' }).waitFor();
	await bob.shoot('who');
	await bob.page.keyboard.press('Escape');
	await reaction(bob, text, '👍').click();
	await until('one again', async () => (await reaction(alice, text, '👍').innerText()).includes('1'));
	await bob.shoot('reactions');
});

test('a pinned message stands above the conversation of both', { timeout: 60_000 }, async () => {
	const text = fresh('The address is Bell Street 4');
	await alice.say(text);
	await bob.sees(text);
	await bob.choose(text, 'Pin');
	for (const person of [alice, bob]) await person.page.getByTestId('pins').filter({ hasText: text }).waitFor();
	await alice.choose(text, 'Unpin');
	for (const person of [alice, bob]) await until('no pin', async () => (await person.page.getByTestId('pins').count()) === 0);
	await alice.choose(text, 'Star');
	await alice.bubble(text).getByRole('img', { name: 'Starred' }).waitFor();
	assert.equal(await bob.bubble(text).getByRole('img', { name: 'Starred' }).count(), 0);
});

test('a poll is asked, answered, and counted for both', { timeout: 60_000 }, async () => {
	const question = fresh('Where shall we eat?');
	await alice.page.getByRole('button', { name: 'Send something else' }).click();
	await alice.page.getByRole('menuitem', { name: 'Poll' }).click();
	const sheet = alice.page.getByRole('dialog', { name: 'New poll' });
	await sheet.getByLabel('Question').fill(question);
	await sheet.getByLabel('Answer 1', { exact: true }).fill('Pizza');
	await sheet.getByLabel('Answer 2', { exact: true }).fill('Noodles');
	await alice.shoot('new-poll');
	await sheet.getByRole('button', { name: 'Send poll' }).click();
	const poll = (person) => person.page.getByRole('group', { name: `Poll: ${question}` });
	await poll(bob).getByRole('button', { name: /^Noodles/ }).click();
	await poll(alice).getByRole('button', { name: 'Noodles: 1 vote' }).waitFor();
	await poll(alice).getByRole('button', { name: /^Pizza/ }).click();
	await poll(bob).getByRole('button', { name: 'Pizza: 1 vote' }).waitFor();
	await poll(bob).getByRole('button', { name: /^Pizza/ }).click();
	for (const person of [alice, bob]) await poll(person).getByRole('button', { name: 'Pizza: 2 votes' }).waitFor();
	assert.equal(await poll(bob).getByRole('button', { name: /^Pizza/ }).getAttribute('aria-pressed'), 'true');
	assert.equal(await poll(bob).getByRole('button', { name: /^Noodles/ }).getAttribute('aria-pressed'), 'false');
	await alice.shoot('poll');
});

/** As another client would, which can send what this one only shows. */
async function sendAs(user, conversation, message) {
	const post = async (path, body, token) => {
		const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) };
		const reply = await fetch(`${url}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
		assert.ok(reply.ok, `${path}: ${reply.status}`);
		return reply.json();
	};
	const { access_token } = await post('/auth/login', { ...user, token_delivery: 'body' });
	return post(`/conversations/${conversation}/messages`, { client_id: fresh('other').replace(' ', '-'), ...message }, access_token);
}

test('a place is a card, and what disappears says so and does', { timeout: 60_000 }, async () => {
	const conversation = await alice.page.locator('[data-room].chat').getAttribute('data-room');
	const name = fresh('Bell Tower');
	await sendAs(people[1], conversation, { message_type: 'location', location: { latitude: 52.5163, longitude: 13.3777, name } });
	const card = alice.page.locator('.place', { hasText: name });
	await card.waitFor();
	assert.match(await card.getAttribute('href'), /^https:\/\/www\.openstreetmap\.org\/.*52\.5163/);
	const text = fresh('Gone in a moment');
	await sendAs(people[1], conversation, { message_type: 'text', content: text, expires_in_seconds: 8 });
	await alice.bubble(text).getByRole('img', { name: 'Disappears' }).waitFor();
	await alice.shoot('place');
	for (const person of [alice, bob]) await until('it to disappear', async () => (await person.bubble(text).count()) === 0, 20_000);
});

test('deleted for me stays for the other one', { timeout: 60_000 }, async () => {
	const text = fresh('Seen enough of this');
	await bob.say(text);
	await alice.sees(text);
	await alice.choose(text, 'Delete for me');
	await alice.page.getByRole('dialog').getByRole('button', { name: 'Delete for me' }).click();
	await until('it to go', async () => (await alice.bubble(text).count()) === 0);
	assert.equal(await bob.bubble(text).count(), 1);
	assert.equal(await alice.bubble(text).count(), 0);
});

test('a forwarded message says whose it was', { timeout: 60_000 }, async () => {
	const text = fresh('To be told to everybody');
	await bob.say(text);
	await alice.sees(text);
	await alice.choose(text, 'Forward');
	const sheet = alice.page.getByRole('dialog', { name: 'Forward' });
	await sheet.locator('.person', { hasText: 'Bob Baker' }).getByRole('checkbox').check();
	await alice.shoot('forward');
	await sheet.getByRole('button', { name: 'Forward' }).click();
	await until('it twice', async () => (await bob.bubble(text).count()) === 2);
	await bob.bubble(text).last().getByText('Forwarded from You').waitFor();
});

test('a message scheduled for later can be taken back', { timeout: 60_000 }, async () => {
	const text = fresh('Happy birthday');
	await alice.field().fill(text);
	await alice.page.getByRole('button', { name: 'Send something else' }).click();
	await alice.page.getByRole('menuitem', { name: 'Send later' }).click();
	const sheet = alice.page.getByRole('dialog', { name: 'Send later' });
	assert.equal(await sheet.getByLabel('Message').inputValue(), text);
	await sheet.getByRole('button', { name: 'In a week' }).click();
	await sheet.getByRole('button', { name: 'Schedule', exact: true }).click();
	await until('the sheet to close', async () => (await sheet.count()) === 0);
	await until('the field to be empty', async () => (await alice.field().inputValue()) === '');
	await alice.page.getByRole('button', { name: 'Send something else' }).click();
	await alice.page.getByRole('menuitem', { name: 'Send later' }).click();
	await sheet.getByRole('button', { name: 'All scheduled' }).click();
	const all = alice.page.getByRole('dialog', { name: 'Scheduled messages' });
	await all.getByText(text).waitFor();
	await alice.shoot('scheduled');
	await all.locator('.card', { hasText: text }).getByRole('button', { name: 'Do not send' }).click();
	await all.getByText('Nothing is scheduled.').waitFor();
	await alice.page.keyboard.press('Escape');
	await alice.page.keyboard.press('Escape');
	await until('both sheets to close', async () => (await alice.page.getByRole('dialog').count()) === 0);
});

test('on a phone the menu lies at the bottom and everything can be reached by touch', { timeout: 60_000 }, async () => {
	const phone = await (await Person.arrive(browser, people[0], PHONE)).signIn();
	await phone.page.locator(`.list .row[data-user="${people[1].username}"]`).tap();
	const text = fresh('From my pocket');
	await phone.say(text);
	await bob.sees(text);
	await phone.tick(text, 'read');
	const touch = { pointerType: 'touch', isPrimary: true, bubbles: true };
	const bubble = phone.bubble(text).locator('.bubble');
	await bubble.dispatchEvent('pointerdown', touch);
	await phone.page.getByRole('menuitem', { name: 'React with ❤️' }).waitFor();
	await bubble.dispatchEvent('pointerup', touch);
	await phone.shoot('phone-message-menu');
	await phone.page.getByRole('menuitem', { name: 'React with ❤️' }).tap();
	await reaction(bob, text, '❤️').waitFor();
	await phone.page.emulateMedia({ colorScheme: 'dark' });
	await phone.shoot('phone-messages');
	const wide = await phone.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
	assert.ok(wide <= 0, `${wide} px too wide`);
	await phone.leave();
});
