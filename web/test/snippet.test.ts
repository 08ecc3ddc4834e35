// What of a text is shown where something was found in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { snippet } from '../app/snippet.ts';

const shown = (text: string, highlights: [number, number][]) =>
	snippet(text, highlights)
		.map((p) => (p.hit ? `[${p.text}]` : p.text))
		.join('');

test('a short text is whole, with what was found marked', () => {
	assert.equal(shown('one two three', [[4, 3]]), 'one [two] three');
	assert.equal(shown('one two', [[0, 3], [4, 3]]), '[one] [two]');
	assert.equal(shown('one\n\ttwo', []), 'one  two');
	assert.equal(shown('', []), '');
});

test('places are counted in code points', () => {
	assert.equal(shown('👋🏽 café 🎉 x', [[3, 4], [8, 1]]), '👋🏽 [café] [🎉] x');
});

test('of a long text there is the part with the first place', () => {
	const text = `${'a '.repeat(200)}needle${' b'.repeat(200)} needle`;
	const said = shown(text, [[400, 6], [807, 6]]);
	assert.match(said, /^…( a|a )+\s*\[needle\]( b)+ ?b?…$/u);
	assert.ok(Array.from(said).length <= 164);
	assert.equal(shown(`${'x'.repeat(155)} needle`, [[156, 6]]), `…${'x'.repeat(29)} [needle]`);
	assert.equal(shown(`needle${'y'.repeat(300)}`, [[0, 306]]), `[needle${'y'.repeat(154)}]…`);
});
