// Taking everything along, and going for good.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, Person, until, url } from './browser.mjs';

const zoe = { username: `zoe-${Date.now().toString(36)}`, password: 'zoe-likes-long-passwords' };
const REFUSED = /Failed to load resource: the server responded with a status of 40[13]|WebSocket/;

let browser, person, sheet;

before(
	async () => {
		const headers = { 'Content-Type': 'application/json' };
		const body = JSON.stringify({ ...zoe, display_name: 'Zoë Zimmer', token_delivery: 'body' });
		assert.equal((await fetch(`${url}/api/v1/auth/register`, { method: 'POST', headers, body })).status, 201);
		browser = await launch();
		person = await Person.arrive(browser, zoe);
		await person.signIn();
		await person.talkTo(zoe.username);
		await person.say('a note to myself');
		await person.sees('a note to myself');
		await person.page.getByRole('button', { name: /^You: / }).click();
		await person.page.getByRole('button', { name: 'Sign-in and security' }).click();
		sheet = person.page.getByRole('dialog', { name: 'Sign-in and security' });
	},
	{ timeout: 60_000 },
);

after(async () => {
	await person?.leave(REFUSED);
	await browser?.close();
});

test('everything of mine as an archive, which is downloaded', { timeout: 60_000 }, async () => {
	await sheet.getByRole('button', { name: 'Export my data' }).click();
	const download = sheet.getByRole('button', { name: /^Download \(/ });
	await download.waitFor({ timeout: 40_000 });
	const [file] = await Promise.all([person.page.waitForEvent('download'), download.click()]);
	assert.match(file.suggestedFilename(), /^peal-\d{4}-\d\d-\d\d\.zip$/);
	const bytes = readFileSync(await file.path());
	assert.equal(bytes.subarray(0, 4).toString('latin1'), 'PK\x03\x04');
	assert.ok(bytes.includes('account.ndjson') && bytes.includes('README.txt'));
});

test('the account is deleted when its name was typed', { timeout: 60_000 }, async () => {
	await sheet.getByRole('button', { name: 'Delete my account' }).click();
	const asking = person.page.getByRole('dialog', { name: 'Delete your account?' });
	const yes = asking.getByRole('button', { name: 'Delete my account' });
	assert.ok(await yes.isDisabled());
	await asking.getByLabel(/is deleted for everyone/).check();
	await asking.getByLabel('Your user name').fill(zoe.username);
	await person.shoot('delete-account');
	await yes.click();
	await person.page.getByLabel('User name').waitFor();
	const headers = { 'Content-Type': 'application/json' };
	const body = JSON.stringify({ ...zoe, token_delivery: 'body' });
	await until('nobody signs in by that name', async () => (await fetch(`${url}/api/v1/auth/login`, { method: 'POST', headers, body })).status === 401);
	assert.equal(await person.page.evaluate(() => localStorage.getItem('peal.export')), null);
});
