// Voice notes and files: recorded by a real browser from its fake microphone, which beeps once a second; played, sought in, saved.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { launch, people, Person, until } from './browser.mjs';

let browser, alice, bob, folder;

before(
	async () => {
		folder = mkdtempSync(`${tmpdir()}/peal-voice-`);
		browser = await launch('--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required');
		alice = await (await Person.arrive(browser, people[0], { permissions: ['microphone'] })).signIn();
		bob = await (await Person.arrive(browser, people[4])).signIn();
		await alice.talkTo(people[4].username);
		await bob.talkTo(people[0].username);
		await alice.live();
		await bob.live();
	},
	{ timeout: 90_000 },
);

after(async () => {
	try {
		await alice?.leave();
		await bob?.leave();
	} finally {
		await browser?.close();
		rmSync(folder, { recursive: true, force: true });
	}
});

const button = (person, name) => person.page.getByRole('button', { name, exact: true });
const notes = (person) => person.page.locator('.bubble-row[data-message] .voice');

/** From now on a page keeps what its recorder has recorded, as the browser made it. */
function keepRecordings() {
	const Recorder = window.MediaRecorder;
	window.recorded = [];
	window.MediaRecorder = class extends Recorder {
		constructor(...args) {
			super(...args);
			this.addEventListener('dataavailable', (e) => window.recorded.push(e.data));
		}
	};
}

/** The true length of it: of all samples that are in it. Chromium writes none into its header. */
function recordedSeconds(person) {
	return person.page.evaluate(async () => {
		const bytes = await new Blob(window.recorded).arrayBuffer();
		return (await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(bytes)).duration;
	});
}

/** Records for so long, and sends it. */
async function record(person, seconds) {
	await button(person, 'Record a voice note').click();
	await person.page.getByRole('timer').waitFor();
	await person.page.waitForTimeout(seconds * 1000);
	await button(person, 'Send the recording').click();
}

/** What the browser itself makes of a rendition: its length, whether it can seek, and the samples. */
function heard(person, url) {
	return person.page.evaluate(async (src) => {
		const audio = new Audio(src);
		audio.muted = true;
		await new Promise((go, no) => Object.assign(audio, { oncanplaythrough: go, onerror: () => no(new Error(`cannot play ${src}`)) }));
		const ranges = [audio.seekable.length && audio.seekable.start(0), audio.seekable.length && audio.seekable.end(0)];
		audio.currentTime = audio.duration - 0.6;
		await new Promise((go) => (audio.onseeked = go));
		const sought = audio.currentTime;
		audio.currentTime = 0.2;
		await new Promise((go) => (audio.onseeked = go));
		await audio.play();
		await new Promise((go) => setTimeout(go, 500));
		const played = audio.currentTime;
		audio.pause();
		const bytes = await (await fetch(src)).arrayBuffer();
		const buffer = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(bytes);
		const loudest = buffer.getChannelData(0).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
		return { duration: audio.duration, ranges, sought, played, decoded: buffer.duration, loudest };
	}, url);
}

test('a voice note arrives with its true length, seeks and plays from both renditions', { timeout: 90_000 }, async () => {
	await alice.page.evaluate(keepRecordings);
	await record(alice, 3.4);
	await until('the note', async () => (await notes(bob).count()) === 1, 30_000);
	const recorded = await recordedSeconds(alice);
	const id = await notes(bob).first().getAttribute('data-attachment');
	const note = await bob.page.evaluate(async (attachment) => {
		const sources = [...document.querySelectorAll(`[data-attachment="${attachment}"] source`)];
		return sources.map((s) => ({ src: s.src, type: s.type }));
	}, id);
	assert.deepEqual(note.map((n) => n.type), ['audio/webm; codecs=opus', 'audio/mp4']);
	const shown = (await notes(bob).first().locator('.voice-time').textContent()).trim();
	assert.match(shown, /^0:0[345]$/);
	for (const { src } of note) {
		const got = await heard(bob, src);
		assert.ok(Number.isFinite(got.duration) && got.duration > 3 && got.duration < 5.5, JSON.stringify(got));
		assert.ok(Math.abs(got.duration - got.decoded) < 0.1, `says ${got.duration}, is ${got.decoded}`);
		assert.ok(Math.abs(got.duration - recorded) < 0.05, `says ${got.duration}, and ${recorded} s were recorded`);
		assert.ok(got.ranges[0] === 0 && Math.abs(got.ranges[1] - got.duration) < 0.1, JSON.stringify(got));
		assert.ok(Math.abs(got.sought - (got.duration - 0.6)) < 0.1, JSON.stringify(got));
		assert.ok(got.played > 0.3, 'it plays');
		assert.ok(got.loudest > 0.05, 'the beep is in it');
	}
	await bob.shoot('voice');
});

test('the waveform moves while it plays, and one can seek in it', { timeout: 60_000 }, async () => {
	const note = notes(bob).first();
	await note.getByRole('button', { name: 'Play the voice note' }).click();
	await note.getByRole('button', { name: 'Pause' }).waitFor();
	await until('it moves', async () => (await note.locator('rect.is-said').count()) > 6, 10_000);
	await note.getByRole('button', { name: 'Pause' }).click();
	assert.equal(await note.locator('rect').count(), 64);
	await note.getByRole('slider').press('Home');
	await until('back at the beginning', async () => (await note.locator('rect.is-said').count()) <= 1);
	const box = await note.getByRole('slider').boundingBox();
	await note.getByRole('slider').click({ position: { x: box.width * 0.75, y: box.height / 2 } });
	const said = await note.locator('rect.is-said').count();
	assert.ok(said >= 46 && said <= 50, `${said} bars`);
});

test('what is thrown away is not sent, and the microphone is free again', { timeout: 60_000 }, async () => {
	const before = await notes(alice).count();
	await button(alice, 'Record a voice note').click();
	await alice.page.getByRole('timer').waitFor();
	await alice.page.waitForTimeout(800);
	await button(alice, 'Throw the recording away').click();
	await button(alice, 'Record a voice note').waitFor();
	await alice.page.waitForTimeout(1000);
	assert.equal(await notes(alice).count(), before);
	await alice.field().fill('a text');
	await button(alice, 'Send').waitFor();
	await alice.field().fill('');
	await button(alice, 'Record a voice note').waitFor();
});

test('a file arrives byte for byte, and is saved under its name', { timeout: 60_000 }, async () => {
	const bytes = Buffer.from('<script>alert(1)</script>'.repeat(4000));
	writeFileSync(`${folder}/Bericht für Eva.html`, bytes);
	await alice.page.getByTestId('file-picker').setInputFiles(`${folder}/Bericht für Eva.html`);
	const box = bob.page.locator('.bubble-row[data-message] .file-box');
	await box.waitFor({ timeout: 30_000 });
	assert.match(await box.textContent(), /Bericht für Eva\.html\s*100 KB/);
	const [download] = await Promise.all([bob.page.waitForEvent('download'), box.click()]);
	assert.equal(download.suggestedFilename(), 'Bericht für Eva.html');
	assert.ok(readFileSync(await download.path()).equals(bytes));
	assert.equal(bob.pages.length + 1, 1, 'nothing was opened');
});

test('a film shows its first picture, plays, and can be sought in', { timeout: 60_000 }, async () => {
	const make = ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=10', '-f', 'lavfi', '-i', 'sine', '-t', '4', '-c:v', 'libx264', '-pix_fmt', 'yuv420p'];
	execFileSync('ffmpeg', [...make, '-c:a', 'aac', `${folder}/film.mp4`], { stdio: ['ignore', 'inherit', 'inherit'] });
	await alice.page.getByTestId('file-picker').setInputFiles(`${folder}/film.mp4`);
	const film = bob.page.locator('.bubble-row[data-message] video.film');
	await film.waitFor({ timeout: 30_000 });
	const got = await film.evaluate(async (video) => {
		const poster = new Image();
		poster.src = video.poster;
		await poster.decode();
		video.muted = true;
		await video.play();
		video.currentTime = 3;
		await new Promise((go) => (video.onseeked = go));
		video.pause();
		return { poster: [poster.naturalWidth, poster.naturalHeight], at: video.currentTime, length: video.duration, size: [video.videoWidth, video.videoHeight] };
	});
	assert.deepEqual([got.poster, got.size], [[320, 180], [320, 180]]);
	assert.ok(got.at >= 3 && got.at < 4 && Math.abs(got.length - 4) < 0.2, JSON.stringify(got));
});
