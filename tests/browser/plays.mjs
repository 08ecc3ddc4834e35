/*
 * Whether Chromium plays a film or a recording: node plays.mjs LINK prints what its element says after it has played, been sought in, and ended.
 */
import { launch, url } from './browser.mjs';

const browser = await launch('--autoplay-policy=no-user-gesture-required');
const page = await browser.newPage();
const blank = new URL('/blank', url).href;

await page.route(blank, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><video id="v" muted></video>' }));
await page.goto(blank);
const said = await page.evaluate(async (link) => {
	const video = document.getElementById('v');
	const heard = (name) => new Promise((go, no) => (video.addEventListener(name, go, { once: true }), video.addEventListener('error', () => no(new Error(video.error.message)))));
	video.src = link;
	await heard('loadeddata');
	const { duration, videoWidth, videoHeight } = video;
	video.currentTime = duration / 2;
	await heard('seeked');
	const sought = video.currentTime;
	await video.play();
	await heard('ended');
	const frames = video.getVideoPlaybackQuality();
	return { duration, width: videoWidth, height: videoHeight, sought, ended: video.currentTime, shown: frames.totalVideoFrames, sound: video.webkitAudioDecodedByteCount > 0 };
}, process.argv[2]);
console.log(JSON.stringify(said));
await browser.close();
