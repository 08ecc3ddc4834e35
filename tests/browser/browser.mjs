/*
 * What the browser tests share. A running stack is told by the environment:
 *
 *     PEAL_URL    where it is, such as http://127.0.0.1:8080
 *     PEAL_USERS  JSON: [{"username", "password"}, ...], five people at least; the first two are the ones who talk
 *     PEAL_OUT    folder for screenshots; tests/out if not set
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');

export const url = need('PEAL_URL');
export const people = JSON.parse(need('PEAL_USERS'));
const out = process.env.PEAL_OUT || fileURLToPath(new URL('../out', import.meta.url));
export const DESKTOP = { viewport: { width: 1180, height: 760 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

function need(name) {
	const value = process.env[name];
	if (!value) throw new Error(`${name} is not set: see tests/browser/browser.mjs`);
	return value;
}

export function launch(...more) {
	return chromium.launch({
		executablePath: '/usr/bin/chromium',
		args: [
			'--no-sandbox',
			'--disable-gpu',
			'--disable-quic',
			'--no-first-run',
			'--disable-background-networking',
			'--disable-component-update',
			'--disable-sync',
			...more,
		],
	});
}

/** A browser of somebody's own. What its pages complain of is collected and must be nothing in the end. */
export class Person {
	constructor(user, context) {
		Object.assign(this, { user, context, trouble: [], pages: [] });
	}

	static async arrive(browser, user, options = {}) {
		const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...DESKTOP, ...options });
		context.setDefaultTimeout(15_000);
		const person = new Person(user, context);
		person.page = await person.open();
		return person;
	}

	async open(path = '/') {
		const page = await this.context.newPage();
		page.on('pageerror', (error) => this.trouble.push(`${error.stack ?? error}`));
		page.on('console', (said) => {
			if (said.type() === 'error') this.trouble.push(`${said.text()} ${said.location().url}`);
		});
		await page.goto(url + path);
		return page;
	}

	async signIn(page = this.page) {
		await page.getByLabel('User name').fill(this.user.username);
		await page.getByLabel('Password', { exact: true }).fill(this.user.password);
		await page.getByRole('button', { name: 'Sign in', exact: true }).click();
		await page.getByRole('heading', { name: 'Peal' }).waitFor();
		return this;
	}

	/** Opens, or begins, the conversation with somebody through the search. */
	async talkTo(username, page = this.page) {
		await page.getByRole('searchbox').fill(username);
		await page.locator(`.list .row[data-user="${username}"]`).click();
		await this.field(page).waitFor();
		await page.getByRole('log').waitFor();
	}

	field(page = this.page) {
		return page.getByRole('textbox', { name: /^Message to/ });
	}

	async say(text, page = this.page) {
		await this.field(page).fill(text);
		await this.field(page).press('Enter');
	}

	/** The bubbles that hold exactly this text. */
	bubble(text, page = this.page) {
		return page
			.locator('.bubble-row')
			.filter({ has: page.locator('.text', { hasText: new RegExp(`^\\s*${escape(text)}\\s*$`) }) });
	}

	async sees(text, page = this.page) {
		await this.bubble(text, page).first().waitFor();
	}

	async tick(text, kind, page = this.page) {
		await this.bubble(text, page).locator(`.tick-${kind}`).waitFor();
	}

	/** Something from the menu of the message with this text. */
	async choose(text, item, page = this.page) {
		await this.bubble(text, page).last().hover();
		await this.bubble(text, page).last().getByRole('button', { name: 'Message options' }).click();
		await page.getByRole('menuitem', { name: item, exact: true }).click();
	}

	async live(page = this.page) {
		await page.waitForFunction(() => document.querySelector('[data-live="live"]') !== null);
	}

	async shoot(name, page = this.page) {
		mkdirSync(out, { recursive: true });
		await page.waitForTimeout(350); // transitions
		await page.screenshot({ path: `${out}/${name}.png` });
	}

	/** `expected`: complaints of the browser that the test itself provoked. */
	async leave(expected = /^$/) {
		await this.context.close();
		assert.deepEqual(
			this.trouble.filter((text) => !expected.test(text)),
			[],
		);
	}
}

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Waits until check() is true; time-outs name what was waited for. */
export async function until(what, check, ms = 10_000) {
	const end = Date.now() + ms;
	while (!(await check())) {
		if (Date.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`);
		await new Promise((go) => setTimeout(go, 50));
	}
}

let counter = 0;
/** A text that no other run has said. */
export const fresh = (text) => `${text} ${Date.now().toString(36)}${(counter++).toString(36)}`;
