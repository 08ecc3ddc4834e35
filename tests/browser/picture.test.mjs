// Pictures between two browsers: picked, pasted, dropped; upright, without metadata, and gone when they are deleted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { fresh, launch, people, Person, until } from './browser.mjs';

const tests = fileURLToPath(new URL('..', import.meta.url));
const corners = { 'top left': [220, 20, 20], 'top right': [20, 200, 20], 'bottom left': [20, 20, 220], 'bottom right': [230, 220, 20] };
let browser, alice, bob, folder;

before(
	async () => {
		folder = mkdtempSync(`${tmpdir()}/peal-pictures-`);
		execFileSync('/usr/bin/python3', ['-m', 'peal.media', folder], { cwd: tests });
		browser = await launch();
		alice = await (await Person.arrive(browser, people[2])).signIn();
		bob = await (await Person.arrive(browser, people[3])).signIn();
		await alice.talkTo(people[3].username);
		await bob.talkTo(people[2].username);
		await alice.live();
		await bob.live();
	},
	{ timeout: 90_000 },
);

after(async () => {
	try {
		// links that have died, and the file that the server refuses, are what these tests are about
		await alice?.leave(/status of (404|422)/);
		await bob?.leave(/status of 404/);
	} finally {
		await browser?.close();
		rmSync(folder, { recursive: true, force: true });
	}
});

const pictures = (person) => person.page.locator('.bubble-row[data-message] .picture');
const pick = (person, ...names) => person.page.getByTestId('picker').setInputFiles(names.map((n) => `${folder}/${n}`));

/** Waits for the picture after `count` others, and returns it when it is drawn. */
async function arrives(person, count) {
	await until('the picture', async () => (await pictures(person).count()) > count, 30_000);
	const picture = pictures(person).nth(count);
	await picture.locator('img.is-there').waitFor();
	return picture;
}

/** What is really on the screen, in the middle of each corner. */
function colours(picture) {
	return picture.locator('img').evaluate((img) => {
		const canvas = document.createElement('canvas');
		canvas.width = img.naturalWidth;
		canvas.height = img.naturalHeight;
		const brush = canvas.getContext('2d');
		brush.drawImage(img, 0, 0);
		const at = (x, y) => [...brush.getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data].slice(0, 3);
		return {
			size: [canvas.width, canvas.height],
			'top left': at(0.1, 0.1),
			'top right': at(0.9, 0.1),
			'bottom left': at(0.1, 0.9),
			'bottom right': at(0.9, 0.9),
		};
	});
}

function assertUpright(seen) {
	for (const [name, want] of Object.entries(corners))
		want.forEach((v, i) => assert.ok(Math.abs(seen[name][i] - v) < 45, `${name}: ${seen[name]}, wanted ${want}`));
}

test('a photo with its place and its rotation arrives upright and clean', { timeout: 90_000 }, async () => {
	const caption = fresh('From the beach');
	await alice.field().fill(caption);
	await pick(alice, 'photo.jpg');
	await until('progress', async () => {
		const bar = alice.page.locator('.picture.is-sending progress');
		return (await bar.count()) === 1 && (await bar.evaluate((b) => b.value)) > 0;
	});
	const theirs = await arrives(bob, 0);
	await bob.sees(caption);
	const seen = await colours(theirs);
	assert.ok(seen.size[0] < seen.size[1], `upright: ${seen.size}`);
	assertUpright(seen);
	for (const bytes of await bob.page.evaluate(async () => {
		const urls = performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('/m/'));
		return Promise.all([...new Set(urls)].map(async (u) => [...new Uint8Array(await (await fetch(u)).arrayBuffer())]));
	})) {
		const text = Buffer.from(bytes).toString('latin1');
		assert.match(text, /^RIFF....WEBP/s);
		for (const secret of ['Exif', 'EXIF', 'XMP ', 'ICCP', 'GPS', 'Geheimkamera', 'Hinter dem Haus']) assert.ok(!text.includes(secret), secret);
	}
	await alice.tick(caption, 'read');
	assertUpright(await colours(await arrives(alice, 0)));
	assert.equal(await alice.page.locator('.picture.is-sending').count(), 0);
	await bob.shoot('picture');
});

test('an answer that is lost makes no second picture', { timeout: 60_000 }, async () => {
	const eva = await (await Person.arrive(browser, people[4])).signIn();
	await eva.talkTo(people[4].username);
	await eva.live();
	const devtools = await eva.context.newCDPSession(eva.page);
	const asked = [];
	devtools.on('Fetch.requestPaused', ({ requestId, request, responseStatusCode }) => {
		asked.push([request.headers['Idempotency-Key'], responseStatusCode]);
		if (asked.length === 1) void devtools.send('Fetch.failRequest', { requestId, errorReason: 'ConnectionReset' });
		else void devtools.send('Fetch.continueRequest', { requestId });
	});
	await devtools.send('Fetch.enable', { patterns: [{ urlPattern: '*/messages/upload-image*', requestStage: 'Response' }] });
	await pick(eva, 'small.png');
	await arrives(eva, 0);
	const [[key]] = asked;
	assert.ok(key);
	assert.deepEqual(asked, [
		[key, 201],
		[key, 200],
	]);
	await eva.leave(/ERR_CONNECTION_RESET/);
});

test('its place is held, and drawn roughly, before it is there', { timeout: 60_000 }, async () => {
	let open;
	const opened = new Promise((go) => (open = go));
	await bob.page.route('**/m/**', async (route) => {
		await opened;
		await route.continue();
	});
	const before = await pictures(bob).count();
	await pick(alice, 'small.png');
	await until('the placeholder', async () => (await pictures(bob).count()) > before);
	const picture = pictures(bob).nth(before);
	const box = await picture.boundingBox();
	assert.deepEqual([Math.round(box.width), Math.round(box.height)], [240, 160]);
	assert.match(await picture.evaluate((e) => e.style.backgroundImage), /^url\("data:image\/png/);
	assert.match(await picture.evaluate((e) => e.style.backgroundColor), /^rgb/);
	assert.equal(await picture.locator('img.is-there').count(), 0);
	open();
	await picture.locator('img.is-there').waitFor();
	const later = await picture.boundingBox();
	assert.deepEqual([later.width, later.height], [box.width, box.height]);
	await bob.page.unroute('**/m/**');
});

test('large, saved, and closed again', { timeout: 60_000 }, async () => {
	await pictures(bob).first().click();
	const box = bob.page.locator('dialog.lightbox');
	await box.locator('img').waitFor();
	await until('the large one', () => box.locator('img').evaluate((i) => i.complete && i.naturalHeight > 1000));
	await bob.shoot('lightbox');
	const [download] = await Promise.all([bob.page.waitForEvent('download'), box.getByRole('button', { name: 'Save' }).click()]);
	assert.equal(download.suggestedFilename(), 'photo.webp');
	const saved = readFileSync(await download.path());
	assert.equal(saved.subarray(0, 4).toString(), 'RIFF');
	await bob.page.keyboard.press('Escape');
	await until('it to close', async () => (await box.count()) === 0);
});

/** A file as the browser gives it to a page that something is pasted or dropped into. */
async function give(person, selector, type, name) {
	const bytes = [...readFileSync(`${folder}/${name}`)];
	await person.page.locator(selector).evaluate(
		(target, { type, name, bytes }) => {
			const data = new DataTransfer();
			data.items.add(new File([new Uint8Array(bytes)], name, { type: name.endsWith('png') ? 'image/png' : 'text/plain' }));
			const init = { bubbles: true, cancelable: true };
			if (type === 'paste') target.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: data }));
			else for (const t of ['dragenter', 'dragover', type]) target.dispatchEvent(new DragEvent(t, { ...init, dataTransfer: data }));
		},
		{ type, name, bytes },
	);
}

test('pasted and dropped', { timeout: 60_000 }, async () => {
	const before = await pictures(bob).count();
	await give(alice, '.composer textarea', 'paste', 'small.png');
	assertUpright(await colours(await arrives(bob, before)));
	await give(alice, '.chat', 'drop', 'small.png');
	assertUpright(await colours(await arrives(bob, before + 1)));
	assert.equal(await alice.page.locator('.drop').count(), 0);
	await give(alice, '.chat', 'drop', 'notes.txt');
	await alice.page.locator('.toast', { hasText: 'Only JPEG' }).waitFor();
	assert.equal(await alice.page.locator('.picture.is-sending').count(), 0);
});

test('a picture of oneself is seen by others', { timeout: 60_000 }, async () => {
	await alice.page.getByRole('button', { name: /^You: / }).click();
	await alice.page.getByTestId('avatar').setInputFiles(`${folder}/small.png`);
	await alice.page.locator('.avatar-field img').waitFor();
	await alice.page.keyboard.press('Escape');
	await alice.page.locator('.side-head .avatar img').waitFor();
	await bob.page.reload();
	const shown = bob.page.locator(`.list .row[data-user="${people[2].username}"] .avatar img`);
	await shown.waitFor();
	await until('it to be drawn', () => shown.evaluate((img) => img.complete && img.naturalWidth > 0));
});

test('two at once arrive once each', { timeout: 60_000 }, async () => {
	const before = await pictures(bob).count();
	await pick(alice, 'small.png', 'photo.jpg');
	await arrives(bob, before + 1);
	await until('both are sent', async () => (await alice.page.locator('.picture.is-sending').count()) === 0);
	assert.equal(await pictures(bob).count(), before + 2);
	assert.equal(await pictures(alice).count(), before + 2);
});

test('a damaged file says so, and can be thrown away', { timeout: 60_000 }, async () => {
	await pick(alice, 'cut.jpg');
	const failed = alice.page.locator('.failed');
	await failed.waitFor();
	assert.match(await failed.innerText(), /Not sent: The file is damaged/);
	assert.equal(await alice.page.locator('.picture.is-sending progress').count(), 0);
	await alice.shoot('damaged');
	await failed.getByRole('button', { name: 'Discard' }).click();
	await until('it to go', async () => (await alice.page.locator('.picture.is-sending').count()) === 0);
});

test('the list says that it is a picture', { timeout: 60_000 }, async () => {
	const row = bob.page.locator(`.list .row[data-user="${people[2].username}"]`);
	await until('the list', async () => (await row.innerText()).includes('Picture'));
});

test('a deleted picture is gone for both, and so is its link', { timeout: 60_000 }, async () => {
	const message = bob.page.locator('.bubble-row[data-message]').filter({ has: bob.page.locator('.picture') }).last();
	const id = await message.getAttribute('data-message');
	const link = await message.locator('img').evaluate((img) => img.currentSrc);
	assert.equal(await bob.page.evaluate(async (u) => (await fetch(u, { cache: 'no-store' })).status, link), 200);
	const mine = alice.page.locator(`.bubble-row[data-message="${id}"]`);
	await mine.hover();
	await mine.getByRole('button', { name: 'Message options' }).click();
	await alice.page.getByRole('menuitem', { name: 'Delete for everyone' }).click();
	await alice.page.getByRole('button', { name: 'Delete for everyone' }).click();
	for (const person of [alice, bob]) {
		const row = person.page.locator(`.bubble-row[data-message="${id}"]`);
		await row.getByText('This message was deleted').waitFor();
		assert.equal(await row.locator('.picture').count(), 0);
	}
	assert.equal(await bob.page.evaluate(async (u) => (await fetch(u, { cache: 'no-store' })).status, link), 404);
});

test('after a reload everything is still there', { timeout: 60_000 }, async () => {
	const before = await pictures(bob).count();
	await bob.page.reload();
	await bob.live();
	const first = await arrives(bob, 0);
	await first.scrollIntoViewIfNeeded();
	await until('all of them', async () => (await pictures(bob).count()) === before);
	assertUpright(await colours(first));
});
