// Searching: people and messages as one types, what was found shown in its place, operators, one conversation only, going further.
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

const box = (person) => person.page.getByRole('searchbox');
const hits = (person) => person.page.locator('[data-hit]');

/** Types it, again and again until it is indexed, and waits for as many hits. */
async function search(person, text, n) {
	await until(`${n} hits of ${text}`, async () => {
		await box(person).fill('');
		await box(person).fill(text);
		await person.page.locator('[data-state="ready"], [data-state="failed"]').waitFor();
		return (await hits(person).count()) === n;
	});
}

/** Somebody's own way to the server, for what would take long by hand. */
async function api(user) {
	const call = async (method, path, body, token) => {
		const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) };
		const reply = await fetch(`${url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
		assert.ok(reply.ok, `${path}: ${reply.status}`);
		return reply.json();
	};
	const { access_token } = await call('POST', '/auth/login', { username: user.username, password: user.password, token_delivery: 'body' });
	return (method, path, body) => call(method, path, body, access_token);
}

test('a word is found, shown in its text, and leads to the message', { timeout: 60_000 }, async () => {
	const text = fresh('The Übergabe of the café keys');
	const word = text.split(' ').at(-1);
	await bob.say(text);
	await alice.sees(text);
	await search(alice, `ubergabe cafe ${word}`, 1);
	const marks = await hits(alice).locator('mark').allTextContents();
	assert.deepEqual(marks, ['Übergabe', 'café', word]);
	await alice.shoot('search');
	await hits(alice).click();
	await until('the message in view', () => alice.bubble(text).evaluate((e) => e.classList.contains('is-aimed')));
	await box(alice).press('Escape');
	assert.equal(await hits(alice).count(), 0);
});

test('people are found by any word of their name, without accents', { timeout: 60_000 }, async () => {
	await box(alice).fill('DUARTE');
	await alice.page.locator(`.row[data-user="${people[3].username}"]`).waitFor();
	await box(alice).fill('lindqv');
	await alice.page.locator(`.row[data-user="${people[4].username}"]`).waitFor();
	await box(alice).fill('');
});

test('operators are explained, put in, and their mistakes said', { timeout: 60_000 }, async () => {
	const text = fresh('Minutes of the meeting');
	const word = text.split(' ').at(-1);
	await alice.say(text);
	await bob.sees(text);
	await alice.page.getByRole('button', { name: 'How to search' }).click();
	const help = alice.page.getByRole('list', { name: 'How to search' });
	await alice.shoot('search-help');
	await help.getByRole('button', { name: /is:starred/ }).click();
	assert.equal(await box(alice).inputValue(), 'is:starred');
	await search(alice, `${word} from:me`, 1);
	await search(alice, `${word} from:${people[1].username}`, 0);
	await box(alice).fill('is:purple');
	await alice.page.getByText('is: is followed by starred or pinned.').waitFor();
	await box(alice).fill('');
	alice.trouble = alice.trouble.filter((said) => !/status of 400/.test(said)); // the browser says so of every refusal
});

test('one conversation can be searched alone', { timeout: 60_000 }, async () => {
	const text = fresh('Only in one place');
	const word = text.split(' ').at(-1);
	await alice.say(text);
	await bob.sees(text);
	await alice.talkTo(people[2].username);
	await alice.say(text);
	await search(alice, word, 2);
	await box(alice).fill('');
	await alice.page.getByRole('button', { name: 'Search in this conversation' }).click();
	const chip = alice.page.getByRole('button', { name: /^Search everywhere/ });
	await chip.waitFor();
	await search(alice, word, 1);
	assert.equal(await alice.page.getByRole('heading', { name: 'People' }).count(), 0);
	await chip.click();
	await until('both again', async () => (await hits(alice).count()) === 2);
	await box(alice).press('Escape');
	await alice.talkTo(people[1].username);
});

test('a message from long ago is shown with what was said around it', { timeout: 120_000 }, async () => {
	const [me, word] = [await api(people[0]), fresh('needle').replace(' ', '')];
	const [{ id: other }] = (await me('GET', `/users?q=${people[4].username}`)).items;
	const { id: conversation } = await me('POST', `/conversations/${other}`);
	const say = (content, n) => me('POST', `/conversations/${conversation}/messages`, { client_id: `${word}-${n}`, message_type: 'text', content });
	for (let n = 0; n < 420; n++) await say(n === 20 ? `The ${word} from long ago` : `Hay ${n}`, n);
	await alice.page.reload(); // what it heard by itself it would hold
	await alice.live();
	await search(alice, word, 1);
	await hits(alice).click();
	const sheet = alice.page.getByRole('dialog');
	await sheet.locator('.around-line.is-aimed', { hasText: word }).waitFor();
	await until('the message in view', () => sheet.locator('.is-aimed').evaluate((e) => e.getBoundingClientRect().top > 0 && e.getBoundingClientRect().bottom < innerHeight));
	await alice.shoot('search-around');
	const before = await sheet.locator('.around-line').count();
	await sheet.getByRole('button', { name: 'Later' }).click();
	await until('more lines', async () => (await sheet.locator('.around-line').count()) > before);
	const seqs = await sheet.locator('.around-line').evaluateAll((all) => all.map((e) => Number(e.dataset.message.split('.')[1])));
	assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b));
	assert.equal(new Set(seqs).size, seqs.length);
	await sheet.getByRole('button', { name: 'Close' }).click();
	assert.equal(await alice.page.locator('.log .bubble-row').count() < 200, true, 'what lies between was not loaded');
	await box(alice).press('Escape');
	await alice.talkTo(people[1].username);
});

test('a search that is not through says so, and goes on', { timeout: 60_000 }, async () => {
	const [me, word] = [await api(people[0]), fresh('further').replace(' ', '')];
	const [{ id: other }] = (await me('GET', `/users?q=${people[1].username}`)).items;
	const { id: conversation } = await me('POST', `/conversations/${other}`);
	for (let n = 0; n < 25; n++) await me('POST', `/conversations/${conversation}/messages`, { client_id: `${word}-${n}`, message_type: 'text', content: `${word} ${n}` });
	await search(alice, word, 20);
	await alice.page.getByRole('button', { name: 'Show more' }).click();
	await until('all of them', async () => (await hits(alice).count()) === 25);
	// the server's own first page, as if its time had been over
	await alice.page.route('**/messages/search?**', async (route) => {
		const reply = await route.fetch();
		const page = await reply.json();
		await route.fulfill({ response: reply, json: { ...page, partial: page.next_cursor !== null } });
	});
	await search(alice, word, 20);
	await alice.page.getByText('older messages have not been looked at yet').waitFor();
	await alice.shoot('search-partial');
	await alice.page.getByRole('button', { name: 'Search further' }).click();
	await until('all of them', async () => (await hits(alice).count()) === 25);
	assert.equal(await alice.page.getByRole('button', { name: 'Search further' }).count(), 0);
	await alice.page.unroute('**/messages/search?**');
	await box(alice).press('Escape');
});

test('on a phone, the search of a conversation is on the other screen', { timeout: 60_000 }, async () => {
	const text = fresh('Said to be found by phone');
	await bob.say(text);
	const phone = await (await Person.arrive(browser, people[0], PHONE)).signIn();
	await phone.talkTo(people[1].username);
	await phone.page.getByRole('button', { name: 'Search in this conversation' }).click();
	await search(phone, text.split(' ').at(-1), 1);
	await phone.shoot('search-phone');
	await hits(phone).click();
	await until('the message in view', () => phone.bubble(text).evaluate((e) => e.classList.contains('is-aimed')));
	await phone.leave();
});
