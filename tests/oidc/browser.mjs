/*
 * Signs in through the button of the web client and the provider's own pages, in Chromium; then says no to the provider.
 * browser.mjs <url of the stack> <title on the button> <title of another provider>. Prints what the client shows in the end.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');
const [url, title, second] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });

async function toProvider() {
	const context = await browser.newContext();
	const page = await context.newPage();
	context.setDefaultTimeout(15_000);
	await page.goto(url);
	await page.getByRole('button', { name: `Sign in with ${title}` }).click();
	await page.locator('input[name=login]').waitFor();
	return page;
}

try {
	const page = await toProvider();
	await page.locator('input[name=login]').fill('frieda');
	await page.locator('input[name=password]').fill('any');
	await page.locator('button[type=submit]').click();
	await page.locator('button[type=submit]').click();
	await page.getByRole('heading', { name: 'Pick a conversation' }).waitFor();
	assert.equal(new URL(page.url()).origin, url);
	await page.reload();
	await page.getByRole('heading', { name: 'Pick a conversation' }).waitFor();
	const all = await page.context().cookies(`${url}/api/v1/auth/refresh`); // the provider's too: cookies know no ports
	const cookies = all.filter((c) => c.name.startsWith('peal'));
	assert.deepEqual(cookies.map((c) => [c.name, c.sameSite, c.httpOnly]), [['peal_refresh', 'Strict', true]]);

	// another service beside, from the account sheet: there and back, the way in that cannot go, and the one that can
	const account = async () => {
		await page.getByRole('button', { name: /^You: / }).click();
		await page.getByRole('button', { name: 'Sign-in and security' }).click();
		return page.getByRole('dialog', { name: 'Sign-in and security' });
	};
	let sheet = await account();
	await sheet.getByRole('button', { name: `Unlink ${title}` }).click();
	await page.getByText('Nothing else signs you in.').first().waitFor();
	await sheet.getByRole('button', { name: `Link ${second}` }).click();
	await page.locator('input[name=login]').fill('frieda');
	await page.locator('input[name=password]').fill('any');
	await page.locator('button[type=submit]').click();
	await page.locator('button[type=submit]').click();
	await page.getByText('From now on the other service signs you in, too.').first().waitFor();
	assert.equal(page.url(), `${url}/`);
	sheet = await account();
	await sheet.getByRole('button', { name: `Unlink ${title}` }).click();
	await sheet.getByRole('button', { name: `Link ${title}` }).waitFor();
	await sheet.getByRole('button', { name: `Unlink ${second}` }).waitFor();

	const other = await toProvider();
	await other.getByText('Cancel').or(other.getByText('Abort')).click();
	await other.getByText('You did not allow the other service').waitFor();
	assert.equal(other.url(), `${url}/`);
	console.log('ok');
} finally {
	await browser.close();
}
