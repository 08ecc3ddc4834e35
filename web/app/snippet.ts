// What of a text is shown where something was found in it.
const SNIPPET_POINTS = 160;
const SNIPPET_BEFORE = 30;

/** The part of a text where its first highlight is, in pieces; highlights are offset and length in code points. */
export function snippet(text: string, highlights: [number, number][]): { text: string; hit: boolean }[] {
	const points = Array.from(text.replace(/\s/gu, ' '));
	const first = highlights[0]?.[0] ?? 0;
	const from = points.length <= SNIPPET_POINTS || first <= SNIPPET_BEFORE ? 0 : first - SNIPPET_BEFORE;
	const to = Math.min(points.length, from + SNIPPET_POINTS);
	const found: { text: string; hit: boolean }[] = [];
	const add = (a: number, b: number, hit: boolean) => {
		if (b > a) found.push({ text: points.slice(a, b).join(''), hit });
	};
	let at = from;
	if (from > 0) found.push({ text: '…', hit: false });
	for (const [offset, length] of highlights) {
		if (offset < at || offset >= to) continue;
		add(at, offset, false);
		add(offset, Math.min(to, offset + length), true);
		at = Math.min(to, offset + length);
	}
	add(at, to, false);
	if (to < points.length) found.push({ text: '…', hit: false });
	return found;
}
