/*
 * A ThumbHash (about 25 bytes) as pixels: what is drawn until the picture is there. The bytes hold a few frequencies of
 * luminance, two colour differences and transparency; media/decoder/thumbhash.c writes them.
 */
export interface Pixels {
	width: number;
	height: number;
	rgba: Uint8ClampedArray<ArrayBuffer>;
}

interface Channel {
	mean: number;
	across: number;
	down: number;
	coefficients: number[];
}

const SIDE = 32;

export function thumbhash(base64: string): Pixels | null {
	const bytes = decode(base64);
	if (bytes.length < 5) return null;
	const head = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16);
	const more = bytes[3]! | (bytes[4]! << 8);
	const clear = (head >> 23) & 1;
	const landscape = more >> 15;
	const long = clear ? 5 : 7;
	const across = Math.max(3, landscape ? long : more & 7);
	const down = Math.max(3, landscape ? more & 7 : long);
	let at = (clear ? 6 : 5) * 2; // in half bytes
	const channel = (mean: number, nx: number, ny: number, scale: number): Channel => {
		const coefficients: number[] = [];
		for (let cy = 0; cy < ny; cy++)
			for (let cx = cy ? 0 : 1; cx * ny < nx * (ny - cy); cx++, at++)
				coefficients.push((((bytes[at >> 1] ?? 0) >> ((at & 1) * 4)) & 15) / 7.5 - 1);
		return { mean, across: nx, down: ny, coefficients: coefficients.map((c) => c * scale) };
	};
	const light = channel((head & 63) / 63, across, down, ((head >> 18) & 31) / 31);
	const blue = channel(((head >> 6) & 63) / 31.5 - 1, 3, 3, (((more >> 3) & 63) / 63) * 1.25);
	const red = channel(((head >> 12) & 63) / 31.5 - 1, 3, 3, (((more >> 9) & 63) / 63) * 1.25);
	const alpha = clear ? channel((bytes[5]! & 15) / 15, 5, 5, (bytes[5]! >> 4) / 15) : null;
	const ratio = (landscape ? long : more & 7) / (landscape ? more & 7 : long);
	return paint(ratio, [light, blue, red, alpha]);
}

function paint(ratio: number, channels: (Channel | null)[]): Pixels {
	const width = Math.max(1, Math.round(ratio > 1 ? SIDE : SIDE * ratio));
	const height = Math.max(1, Math.round(ratio > 1 ? SIDE / ratio : SIDE));
	const rgba = new Uint8ClampedArray(width * height * 4);
	for (let y = 0, i = 0; y < height; y++)
		for (let x = 0; x < width; x++, i += 4) {
			const [l, p, q, a] = channels.map((c) => (c ? valueAt(c, (x + 0.5) / width, (y + 0.5) / height) : 1));
			const b = l! - (2 / 3) * p!;
			const r = (3 * l! - b + q!) / 2;
			rgba.set([r * 255, (r - q!) * 255, b * 255, a! * 255], i);
		}
	return { width, height, rgba };
}

function valueAt(c: Channel, x: number, y: number): number {
	let value = c.mean;
	for (let cy = 0, i = 0; cy < c.down; cy++)
		for (let cx = cy ? 0 : 1; cx * c.down < c.across * (c.down - cy); cx++, i++) {
			const wave = Math.cos(Math.PI * x * cx) * Math.cos(Math.PI * y * cy);
			value += 2 * c.coefficients[i]! * wave;
		}
	return value;
}

function decode(base64: string): Uint8Array {
	try {
		return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
	} catch {
		return new Uint8Array();
	}
}
