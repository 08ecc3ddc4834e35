// How somebody signs in: passkeys by Chromium's virtual authenticator, a second step, the password, and where they are signed in.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { launch, Person, PHONE, until, url } from './browser.mjs';

// Passkeys are for a name: the stack's other origin, http://localhost
const home = url.replace('127.0.0.1', 'localhost');
const mia = { username: `mia-${Date.now().toString(36)}`, password: 'mia-likes-long-passwords' };
// what the browser itself says of the refusals that these tests provoke
const REFUSED = /Failed to load resource: (the server responded with a status of (401|403)|net::ERR_FAILED)/;

let browser, person, cdp, authenticatorId, secret;

/** RFC 6238, `off` steps from now. */
function code(off = 0) {
	let bits = '';
	for (const c of secret) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0');
	const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
	const counter = Buffer.alloc(8);
	counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + off));
	const mac = createHmac('sha1', key).update(counter).digest();
	const at = mac[19] & 15;
	return String((mac.readUInt32BE(at) & 0x7fffffff) % 1e6).padStart(6, '0');
}

async function arrive(options) {
	const somebody = await Person.arrive(browser, mia, options);
	await somebody.page.goto(`${home}/`);
	return somebody;
}

async function account(who = person) {
	await who.page.getByRole('button', { name: /^You: / }).click();
	await who.page.getByRole('button', { name: 'Sign-in and security' }).click();
	const sheet = who.page.getByRole('dialog', { name: 'Sign-in and security' });
	await sheet.getByText('this one').waitFor();
	return sheet;
}

/** Without the menu: the session ends as if its cookie were gone. */
async function leave() {
	await person.context.clearCookies();
	await person.page.evaluate(() => localStorage.clear());
	await person.page.goto(`${home}/`);
	await person.page.reload();
	await person.page.getByLabel('User name').waitFor();
}

async function givePassword(who = person) {
	await who.page.getByLabel('User name').fill(mia.username);
	await who.page.getByLabel('Password', { exact: true }).fill(mia.password);
	await who.page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

const inside = (who = person) => who.page.getByRole('heading', { name: 'Peal', exact: true }).waitFor();

before(
	async () => {
		const headers = { 'Content-Type': 'application/json' };
		const body = JSON.stringify({ ...mia, display_name: 'Mia Moreau', token_delivery: 'body' });
		assert.equal((await fetch(`${url}/api/v1/auth/register`, { method: 'POST', headers, body })).status, 201);
		browser = await launch();
		person = await arrive();
		cdp = await person.context.newCDPSession(person.page);
		await cdp.send('WebAuthn.enable');
		const options = {
			protocol: 'ctap2',
			transport: 'internal',
			hasResidentKey: true,
			hasUserVerification: true,
			isUserVerified: true,
			automaticPresenceSimulation: true,
		};
		({ authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options }));
		await givePassword();
		await inside();
	},
	{ timeout: 60_000 },
);

after(async () => {
	try {
		await person?.leave(REFUSED);
	} finally {
		await browser?.close();
	}
});

test('a passkey is made, named, and signs in without a name', { timeout: 60_000 }, async () => {
	let sheet = await account();
	await sheet.getByRole('button', { name: 'Add a passkey' }).click();
	await sheet.getByText('not used yet').waitFor();
	assert.equal((await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length, 1);
	await sheet.getByRole('button', { name: /^Rename / }).click();
	await sheet.getByLabel('Name').fill('The blue one');
	await sheet.getByRole('button', { name: 'Save' }).click();
	await sheet.getByText('The blue one').waitFor();
	await person.shoot('account');
	await leave();
	await person.shoot('door-passkey');
	await person.page.getByRole('button', { name: 'Sign in with a passkey' }).click();
	await inside();
	sheet = await account();
	await sheet.getByText(/Made .*, last used/).waitFor();
	// the same authenticator makes no second one of this account
	await sheet.getByRole('button', { name: 'Add a passkey' }).click();
	await sheet.getByText('There is a passkey of this account on that device already.').waitFor();
	assert.equal((await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length, 1);
});

test('whom the authenticator does not verify stays outside', { timeout: 60_000 }, async () => {
	await leave();
	await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
	const button = person.page.getByRole('button', { name: 'Sign in with a passkey' });
	await button.click();
	await until('the browser to give up', () => button.isEnabled());
	assert.equal(await person.page.getByRole('heading', { name: 'Sign in to Peal' }).count(), 1);
	await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
	await button.click();
	await inside();
});

test('two steps: set up by QR code or key, asked for at the door, recovery codes instead', { timeout: 90_000 }, async () => {
	let sheet = await account();
	await sheet.getByRole('button', { name: 'Turn on', exact: true }).click();
	await sheet.getByRole('img', { name: /^QR code/ }).waitFor();
	secret = (await sheet.locator('.account-key').innerText()).replace(/\s/g, '');
	assert.match(secret, /^[A-Z2-7]{32}$/);
	await sheet.getByRole('img', { name: /^QR code/ }).scrollIntoViewIfNeeded();
	await person.shoot('two-steps');
	await sheet.getByLabel('The code that the app shows').fill('000000');
	await sheet.getByRole('button', { name: 'Confirm' }).click();
	await sheet.getByText('This is not the code.').waitFor();
	// the network goes in the very moment: what is shown once stays
	await person.page.route('**/api/v1/auth/factors', (route) => route.abort());
	await sheet.getByLabel('The code that the app shows').fill(code());
	await sheet.getByRole('button', { name: 'Confirm' }).click();
	await sheet.getByText('It could not be loaded again').waitFor();
	await sheet.getByTestId('recovery').locator('code').first().waitFor(); // allInnerTexts does not wait
	const recovery = await sheet.getByTestId('recovery').locator('code').allInnerTexts();
	assert.equal(new Set(recovery).size, 10);
	await sheet.getByTestId('recovery').scrollIntoViewIfNeeded();
	await person.shoot('recovery-codes');
	await person.page.unroute('**/api/v1/auth/factors');

	await leave();
	await givePassword();
	await person.page.getByRole('heading', { name: 'One more step' }).waitFor();
	await person.shoot('second-step');
	await person.page.getByLabel('Code', { exact: true }).fill('12345x');
	await person.page.getByRole('button', { name: 'Go on' }).click();
	await person.page.getByText('This code is not right').waitFor();
	await person.page.getByLabel('Code', { exact: true }).fill(code(+1)); // that of now was used to confirm
	await person.page.getByRole('button', { name: 'Go on' }).click();
	await inside();

	await leave();
	await givePassword();
	await person.page.getByRole('button', { name: 'Use a recovery code' }).click();
	await person.page.getByLabel('Recovery code').fill(recovery[0].toUpperCase().replaceAll('-', ' '));
	await person.page.getByRole('button', { name: 'Go on' }).click();
	await inside();

	// a change long after signing in: the server says so once, and everything after that is its own
	sheet = await account();
	await sheet.getByText('9 recovery codes are left.').waitFor();
	const problem = { type: '/docs/errors#proof_required', title: 'Forbidden', status: 403, detail: '-', code: 'proof_required' };
	await person.page.route(
		'**/api/v1/auth/totp',
		(route) => route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify(problem) }),
		{ times: 1 },
	);
	await sheet.getByRole('button', { name: 'Turn off' }).click();
	const asks = person.page.getByRole('dialog', { name: 'Is it you?' });
	await asks.getByLabel('Your password').fill('not the password of mia');
	await asks.getByLabel(/^Code/).fill(recovery[1]);
	await asks.getByRole('button', { name: 'Go on' }).click();
	await asks.getByText('The password is wrong.').waitFor();
	await person.shoot('prove');
	await asks.getByLabel('Your password').fill(mia.password);
	await asks.getByRole('button', { name: 'Go on' }).click();
	await sheet.getByRole('button', { name: 'Turn on', exact: true }).waitFor();
	assert.equal(await asks.count(), 0);
});

test('the other device is listed, signed out, and the password changed', { timeout: 60_000 }, async () => {
	const phone = await arrive(PHONE);
	await givePassword(phone);
	await inside(phone);
	const onPhone = await account(phone);
	await phone.shoot('phone-account');
	await onPhone.getByRole('button', { name: 'Close' }).click();
	await person.page.reload();
	await inside();
	let sheet = await account();
	const others = sheet.getByRole('button', { name: 'Sign out everywhere else' });
	await others.click();
	await phone.page.getByText('Your session has ended.').or(phone.page.getByText('This tab was disconnected.')).first().waitFor();
	await until('one to be left', async () => (await sheet.getByText(/^Since /).count()) === 1);

	await sheet.getByRole('button', { name: 'Change the password' }).click();
	await sheet.getByLabel('Old password').fill('not the password of mia');
	await sheet.getByLabel(/^New password/).fill('mia has thought of another one');
	await sheet.getByRole('button', { name: 'Change', exact: true }).click();
	await sheet.getByText('The old password is wrong.').waitFor();
	await sheet.getByLabel('Old password').fill(mia.password);
	await sheet.getByRole('button', { name: 'Change', exact: true }).click();
	await sheet.getByRole('button', { name: 'Change the password' }).waitFor();
	await phone.leave(REFUSED);

	// the passkey goes, and signs nobody in any more
	await sheet.getByRole('button', { name: /^Remove / }).click();
	await until('it to be gone', async () => (await sheet.getByRole('button', { name: /^Remove / }).count()) === 0);
	await leave();
	await person.page.getByRole('button', { name: 'Sign in with a passkey' }).click();
	await person.page.getByText('This server does not know that passkey.').waitFor();
	mia.password = 'mia has thought of another one';
	await givePassword();
	await inside();
});
