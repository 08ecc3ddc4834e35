import assert from 'node:assert/strict';
import test from 'node:test';
import { networkError, PealError, problemFrom } from '../sdk/problem.ts';
import { thumbhash } from '../sdk/thumbhash.ts';
import { Uploads, type Courier, type Parcel } from '../sdk/upload.ts';
import type { Attachment } from '../sdk/types.ts';
import { HandClock, settle } from './help.ts';

const attachment = (id: string): Attachment => ({
	id,
	kind: 'image',
	state: 'ready',
	name: null,
	mime: 'image/webp',
	thumbhash: null,
	color: null,
	size: 1,
	width: 1,
	height: 1,
	animated: false,
	duration_ms: null,
	waveform: null,
	bars: null,
	loudness_lufs: null,
	failure: null,
	renditions: [],
});

type Answer = PealError | 'ok' | 'never';

function setUp(answers: Answer[]) {
	const clock = new HandClock();
	const asked: { path: string; token: string; key: string }[] = [];
	const done: { parcel: Parcel; attachment: Attachment }[] = [];
	const seen: number[] = [];
	let stopped = 0;
	const courier: Courier = (path, _file, token, key, progress, stop) => {
		asked.push({ path, token, key });
		stop.addEventListener('abort', () => stopped++);
		progress(0.5);
		const answer = answers.shift() ?? 'ok';
		if (answer === 'never')
			return new Promise((_, no) => stop.addEventListener('abort', () => no(networkError(new Error('stopped')))));
		return answer === 'ok' ? Promise.resolve(attachment(`a${asked.length}`)) : Promise.reject(answer);
	};
	const uploads: Uploads = new Uploads({
		clock,
		courier,
		bearer: { token: () => Promise.resolve('t1'), renew: () => Promise.resolve('t2') },
		done: (parcel, a) => done.push({ parcel, attachment: a }),
		changed: (id) => seen.push(...uploads.of(id).map((p) => p.progress)),
	});
	return { clock, asked, done, seen, uploads, stopped: () => stopped };
}

const file = () => new Blob(['x'], { type: 'image/png' });

test('one after the other, in order, with progress, under one key each', async () => {
	const { uploads, asked, done, seen } = setUp([]);
	const first = uploads.add('10', file(), 'a b.png', 'Look');
	const second = uploads.add('10', file(), '', '');
	await settle();
	await settle();
	assert.deepEqual(
		asked.map((a) => a.path),
		['/messages/upload-image?filename=a%20b.png', '/messages/upload-image'],
	);
	assert.deepEqual(
		done.map((d) => [d.parcel.client_id, d.parcel.content, d.attachment.id]),
		[
			[first.client_id, 'Look', 'a1'],
			[second.client_id, '', 'a2'],
		],
	);
	assert.ok(seen.includes(0.5));
	assert.equal(uploads.of('10').length, 0);
});

test('a busy server is asked again; a refusal is shown, and what follows goes on', async () => {
	const { uploads, clock, asked, done } = setUp([
		problemFrom(503, { code: 'busy', retryable: true, retry_after_ms: 1000 }, '1'),
		'ok',
		problemFrom(422, { code: 'corrupt', detail: 'It is damaged.', retryable: false }, null),
	]);
	const first = uploads.add('10', file(), '', '');
	const bad = uploads.add('10', file(), '', '');
	const last = uploads.add('10', file(), '', '');
	await settle();
	assert.equal(asked.length, 1);
	await clock.pass(5000);
	await settle();
	assert.equal(done.length, 2);
	assert.deepEqual([bad.state, bad.problem], ['failed', 'It is damaged.']);
	uploads.retry(bad.client_id);
	await settle();
	assert.equal(done.length, 3);
	const keys = [first, first, bad, last, bad].map((p) => p.client_id);
	assert.deepEqual([asked.map((a) => a.key), new Set(keys).size], [keys, 3]);
	assert.equal(uploads.of('10').length, 0);
});

test('a quota that is free again tomorrow is told, not waited for', async () => {
	const { uploads, asked } = setUp([problemFrom(429, { code: 'rate_limited', retry_after_ms: 7_200_000 }, '7200')]);
	const parcel = uploads.add('10', file(), '', '');
	await settle();
	assert.deepEqual([parcel.state, parcel.problem], ['failed', 'Too much at once. Try again in 2 h.']);
	assert.equal(asked.length, 1);
});

test('a token that was refused is renewed once', async () => {
	const expired = problemFrom(401, { code: 'token_expired' }, null);
	const { uploads, asked, done } = setUp([expired]);
	uploads.add('10', file(), '', '');
	await settle();
	assert.deepEqual(
		asked.map((a) => a.token),
		['t1', 't2'],
	);
	assert.equal(done.length, 1);
});

test('what is discarded while it is being sent is stopped, and the next one goes', async () => {
	const { uploads, done, stopped, asked } = setUp(['never']);
	const first = uploads.add('10', file(), '', '');
	uploads.add('10', file(), '', '');
	await settle();
	assert.equal(asked.length, 1);
	uploads.discard(first.client_id);
	assert.equal(stopped(), 1);
	await settle();
	assert.equal(uploads.of('10').length, 0);
	assert.equal(done.length, 1);
	assert.equal(asked.length, 2);
});

// Hashes and pixels of the format's reference implementation, for the pictures of tests/unit/test_thumbhash.c.
test('a ThumbHash has the shape and the colours that it says', () => {
	for (const [hex, width, height, first, inside] of [
		['98e80915968087877087887888788787878018f887', 32, 23, [45, 35, 38, 255], [46, 51, 43, 255]],
		['e93986350837b387b088877778954ff8727870778888888878', 32, 32, [202, 166, 95, 51], [204, 150, 94, 69]],
		['23060a0c804808d78787768382862787808df8', 32, 18, [43, 39, 120, 255], [165, 161, 222, 255]],
	] as [string, number, number, number[], number[]][]) {
		const pixels = thumbhash(Buffer.from(hex, 'hex').toString('base64'))!;
		assert.deepEqual([pixels.width, pixels.height], [width, height]);
		for (const [at, want] of [
			[0, first],
			[width * 5 + 7, inside],
		] as [number, number[]][])
			want.forEach((v, i) => assert.ok(Math.abs(pixels.rgba[at * 4 + i]! - v) <= 1, `${hex} at ${at}`));
	}
	assert.equal(thumbhash(''), null);
	assert.equal(thumbhash('%%%'), null);
});
