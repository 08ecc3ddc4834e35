// Writes lib/base/fold_table.h: what each code point becomes when case, accents and width do not count, and what kind it is then.
//
//     node dev/fold.mjs > lib/base/fold_table.h
//
// Everything comes from the ICU inside Node; the first line of the table names its version of Unicode.
const LAST = 0x10ffff;
const hex = (c) => `0x${c.toString(16)}`;
const MARKS = /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0640]/gu;
const NOTHING = /[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\u{1f3fb}-\u{1f3ff}\u{e0000}-\u{e0fff}]/gu;
// letters of their own, in spite of their marks; lib/base/fold.c puts them together again when they come in pieces
const WHOLE = new Set('йїўѓќ');
const SIGNS = new Set('™℠');
const OWN = Object.entries({
	'’‘ʼ′＇`´': "'", '‐‑‒–—―−': '-', '“”„«»': '"', øØ: 'o', łŁ: 'l', đĐðÐ: 'd', þÞ: 'th', æÆ: 'ae', œŒ: 'oe', ħĦ: 'h', ŧŦ: 't',
	ىیۍ: 'ي', ةۀ: 'ه', کڪ: 'ك',
}).flatMap(([from, to]) => [...from].map((c) => [c, to]));
const own = new Map(OWN);

function folded(c) {
	if (own.has(c)) return own.get(c);
	const low = c.toLowerCase();
	if (WHOLE.has(low) || SIGNS.has(c)) return low;
	if (/\p{Nd}/u.test(c)) return c.normalize('NFKD') !== c ? c.normalize('NFKD') : String(digit(c));
	let s = c;
	for (let i = 0; i < 2; i++) {
		s = s.normalize('NFKD').replace(MARKS, '').replace(NOTHING, '').toUpperCase().toLowerCase();
		s = [...s].map((x) => own.get(x) ?? x).join('');
	}
	return s.normalize('NFKD').replace(MARKS, '').normalize('NFC');
}

// digits come in tens
function digit(c) {
	const at = c.codePointAt(0);
	let start = at;
	while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start--;
	return (at - start) % 10;
}

const RUN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc\u3005\u3006\u303b\u3099\u309a]/u;
function kind(c) {
	if (/[\u{1f1e6}-\u{1f1ff}]/u.test(c)) return 'FLAG';
	if (/[\p{P}\p{Z}\p{Cc}]/u.test(c)) return null;
	if (RUN.test(c)) return 'RUN';
	if (/[\p{L}\p{N}\p{M}]/u.test(c)) return 'WORD';
	return /[\p{Extended_Pictographic}\p{S}]/u.test(c) ? 'SIGN' : null;
}

const singles = [], several = [], pool = [], kinds = [];
for (let cp = 0x80; cp <= LAST; cp++) {
	if (cp >= 0xd800 && cp <= 0xdfff) continue;
	const c = String.fromCodePoint(cp);
	if (/[\p{Cn}\p{Co}]/u.test(c) && !NOTHING.test(c)) { NOTHING.lastIndex = 0; continue; }
	NOTHING.lastIndex = 0;
	const to = [...folded(c)].map((x) => x.codePointAt(0));
	if (to.length === 1 && to[0] !== cp) {
		const last = singles.at(-1), by = to[0] - cp;
		if (last && last.by === by && (cp - last.to === 1 || cp - last.to === 2) && (!last.step || last.step === cp - last.to)) { last.step = cp - last.to; last.to = cp; }
		else singles.push({ from: cp, to: cp, by, step: 0 });
	} else if (to.length !== 1) {
		const last = several.at(-1);
		if (!to.length && last && !last.n && last.to === cp - 1) last.to = cp;
		else { several.push({ from: cp, to: cp, at: pool.length, n: to.length }); pool.push(...to); }
	}
	const k = kind(c);
	if (k) {
		const last = kinds.at(-1);
		if (last && last.k === k && last.to === cp - 1) last.to = cp;
		else kinds.push({ from: cp, to: cp, k });
	}
}

function table(head, rows, perLine) {
	const lines = [];
	for (let i = 0; i < rows.length; i += perLine) lines.push(`\t${rows.slice(i, i + perLine).join(', ')},`);
	return `${head} = {\n${lines.join('\n')}\n};\n`;
}
console.log(`/* lib/base/fold_table.h -- made by dev/fold.mjs from Unicode ${process.versions.unicode}. Data: Unicode, Inc., Unicode License v3. */
/* clang-format off */
/* one code point instead of another: every \`step\`-th of a range, by adding */
${table('static const struct fold_single fold_singles[]', singles.map((s) => `{ ${hex(s.from)}, ${hex(s.to)}, ${s.step || 1}, ${s.by} }`), 6)}
/* several, or none */
${table('static const struct fold_several fold_several[]', several.map((s) => `{ ${hex(s.from)}, ${hex(s.to)}, ${s.at}, ${s.n} }`), 6)}
${table('static const uint32_t fold_pool[]', pool.map(hex), 16)}
/* what is not here separates words; ASCII is not here */
${table('static const struct fold_range fold_kinds[]', kinds.map((s) => `{ ${hex(s.from)}, ${hex(s.to)}, FOLD_${s.k} }`), 6)}
/* clang-format on */`);
