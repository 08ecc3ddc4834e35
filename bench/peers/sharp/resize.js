// What peal-media makes of a photograph, made by sharp: decoded once, upright, two WebP files of it. One thread, nothing cached.
//
//     node resize.js <n> <file>      prints {"wall_ms": [...], "cpu_ms": of one, "peak_kib", "bytes", "versions"}
import { readFileSync } from 'node:fs';
import sharp from 'sharp';

const [n, file] = [Number(process.argv[2]), process.argv[3]];
const bytes = readFileSync(file);
sharp.concurrency(1);
sharp.cache(false);
sharp.simd(true);

async function both() {
	const full = await sharp(bytes, { failOn: 'error' })
		.rotate()
		.resize({ width: 1600, height: 1600, fit: 'inside', withoutEnlargement: true })
		.raw()
		.toBuffer({ resolveWithObject: true });
	const raw = { raw: { width: full.info.width, height: full.info.height, channels: full.info.channels } };
	const std = await sharp(full.data, raw).webp({ quality: 80, preset: 'photo' }).toBuffer();
	const thumb = await sharp(full.data, raw).resize({ width: 320, height: 320, fit: 'inside' }).webp({ quality: 72, preset: 'photo' }).toBuffer();
	return std.length + thumb.length;
}

await both();
const wall_ms = [];
let written = 0;
const before = process.cpuUsage();
for (let i = 0; i < n; i++) {
	const began = performance.now();
	written = await both();
	wall_ms.push(performance.now() - began);
}
const cpu = process.cpuUsage(before);
console.log(
	JSON.stringify({
		wall_ms,
		cpu_ms: (cpu.user + cpu.system) / 1000 / n,
		peak_kib: Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]),
		bytes: written,
		versions: `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}, Node.js ${process.versions.node}`,
	}),
);
