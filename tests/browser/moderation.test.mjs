// Somebody reports, a moderator acts; and programs get their tokens.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fresh, launch, people, Person, until, url } from './browser.mjs';

let browser, alice, dan, eva;

before(
	async () => {
		browser = await launch();
		[alice, dan, eva] = await Promise.all([0, 3, 4].map(async (i) => (await Person.arrive(browser, people[i])).signIn()));
		for (const person of [alice, dan, eva]) await person.live();
	},
	{ timeout: 90_000 },
);

after(async () => {
	try {
		await alice?.leave();
		await dan?.leave();
		await eva?.leave();
	} finally {
		await browser?.close();
	}
});

const settings = async (person, entry) => {
	await person.page.getByRole('button', { name: /^You:/ }).click();
	await person.page.getByRole('button', { name: entry, exact: true }).click();
};
const close = async (person) => {
	while ((await person.page.getByRole('dialog').count()) > 0) {
		await person.page.keyboard.press('Escape');
		await person.page.waitForTimeout(50);
	}
};

test('a message is reported, and a moderator deletes it', { timeout: 60_000 }, async () => {
	const bad = fresh('Buy my watches');
	await dan.talkTo('alice');
	await dan.say(bad);
	await alice.talkTo('dan');
	await alice.sees(bad);
	await alice.choose(bad, 'Report');
	const sheet = alice.page.getByRole('dialog', { name: 'Report a message' });
	assert.equal(await sheet.getByRole('button', { name: 'Report', exact: true }).isDisabled(), true);
	await sheet.getByLabel('Something else').check();
	assert.equal(await sheet.getByRole('button', { name: 'Report', exact: true }).isDisabled(), true, 'something else needs words');
	await sheet.getByLabel('Spam').check();
	await sheet.getByLabel(/Anything to add/).fill('Third time today');
	await alice.shoot('report');
	await sheet.getByRole('button', { name: 'Report', exact: true }).click();
	await alice.page.getByText('Reported. The moderators will look at it.').waitFor();

	await settings(eva, 'Moderation');
	const queue = eva.page.getByRole('dialog', { name: 'Moderation' });
	const card = queue.locator('.card', { hasText: bad });
	await card.getByText('Third time today').waitFor();
	await eva.shoot('moderation');
	await card.getByRole('button', { name: 'Delete message' }).click();
	await eva.page.getByRole('dialog', { name: 'Delete the message?' }).getByRole('button', { name: 'Delete', exact: true }).click();
	await until('the report has left the open ones', async () => (await card.count()) === 0);
	await until('the message is gone for alice', async () => (await alice.bubble(bad).count()) === 0);
	await queue.getByLabel('Show').selectOption('resolved');
	await card.getByText('gone since').waitFor();
	await card.getByText('message deleted').waitFor();
	await eva.shoot('moderation-resolved');
});

test('what was done is in the log, and accounts can be found', { timeout: 60_000 }, async () => {
	const queue = eva.page.getByRole('dialog', { name: 'Moderation' });
	await queue.getByRole('tab', { name: 'Log' }).click();
	await queue.locator('.card', { hasText: 'message.delete' }).first().waitFor();
	await queue.locator('.card', { hasText: 'user.role' }).first().waitFor();
	await eva.shoot('moderation-log');
	await queue.getByRole('tab', { name: 'People' }).click();
	await queue.getByLabel('Search accounts').fill('bo');
	await until('only bob is listed', async () => {
		const listed = await queue.locator('.person').evaluateAll((all) => all.map((one) => one.dataset.user));
		return listed.length === 1 && listed[0] === 'bob';
	});
	await queue.getByRole('button', { name: 'Disable bob' }).click();
	await queue.getByRole('button', { name: 'Enable bob' }).click();
	await queue.getByRole('button', { name: 'Disable bob' }).waitFor();
	await eva.shoot('moderation-people');
	await close(eva);
});

test('nobody else has the entry', { timeout: 30_000 }, async () => {
	await alice.page.getByRole('button', { name: /^You:/ }).click();
	await alice.page.getByRole('button', { name: 'Starred messages' }).waitFor();
	assert.equal(await alice.page.getByRole('button', { name: 'Moderation', exact: true }).count(), 0);
	await close(alice);
});

test('a bot is made, gets a token, and speaks with it', { timeout: 60_000 }, async () => {
	const username = fresh('bot').replace(/[^a-z0-9]/gi, '').slice(0, 30);
	await settings(alice, 'Programs and bots');
	const sheet = alice.page.getByRole('dialog', { name: 'Programs and bots' });
	await sheet.getByText('New bot').click();
	await sheet.getByLabel('User name of the bot').fill(username);
	await sheet.getByLabel('Name of the bot', { exact: true }).fill('Build');
	await sheet.getByRole('button', { name: 'Make the bot' }).click();
	await sheet.getByRole('button', { name: `Retire ${username}` }).waitFor();
	await sheet.getByText('New access token').click();
	await sheet.getByLabel('What is it for?').fill('Nightly build');
	await sheet.locator('details[open] select').selectOption({ label: 'Build, until it is revoked' });
	await sheet.getByLabel('Start and change conversations').check();
	await alice.shoot('new-token');
	await sheet.getByRole('button', { name: 'Make the token' }).click();
	const secret = await sheet.getByTestId('secret').innerText();
	await alice.shoot('tokens');
	await sheet.getByRole('button', { name: 'I have it' }).click();
	assert.equal((await alice.page.content()).includes(secret), false, 'it is not shown again');

	const ask = async (path, body) => {
		const headers = { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/json' };
		return fetch(`${url}/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
	};
	const id = await mine();
	const room = await (await ask(`/conversations/${id}`)).json();
	const text = fresh('The build is green');
	assert.equal((await ask(`/conversations/${room.id}/messages`, { client_id: 'b-1', message_type: 'text', content: text })).status, 201);
	await close(alice);
	await alice.page.locator('.list .row', { hasText: 'Build' }).click();
	await alice.sees(text);

	await settings(alice, 'Programs and bots');
	await sheet.getByRole('button', { name: 'Revoke Nightly build' }).click();
	await sheet.getByText('None yet.').waitFor();
	assert.equal((await ask(`/conversations/${room.id}/messages`, { client_id: 'b-2', message_type: 'text', content: text })).status, 401);
	await close(alice);
});

/** Alice's id, as the server says it. */
async function mine() {
	const { username, password } = people[0];
	const body = JSON.stringify({ username, password, token_delivery: 'body' });
	const reply = await fetch(`${url}/api/v1/auth/login`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
	return (await reply.json()).user.id;
}
