// Writes sdk/errors.ts from the one list of outcomes in lib/base/err.h; `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const header = new URL('../../lib/base/err.h', import.meta.url);
const target = new URL('../sdk/errors.ts', import.meta.url);

export function outcomes(text) {
	const row = /X\((\w+),\s*(\d+),\s*"(\w+)",\s*([01]),[\s\\]*"((?:[^"\\]|\\.)*)"\)/g;
	return [...text.matchAll(row)].map(([, name, status, code, retryable, sentence]) => ({
		name,
		status: Number(status),
		code,
		retryable: retryable === '1',
		sentence,
	}));
}

export function render(rows) {
	const lines = rows.map(
		(r) => `\t/** ${r.sentence} */\n\t${r.code}: { status: ${r.status}, retryable: ${r.retryable} },`,
	);
	return `// What the server can answer but success. Made from lib/base/err.h by \`npm run errors\`.

export const ERRORS = {
${lines.join('\n')}
} as const;

export type ErrorCode = keyof typeof ERRORS;
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();

function main() {
	const wanted = render(outcomes(readFileSync(header, 'utf8')));
	if (process.argv.includes('--check')) {
		if (readFileSync(target, 'utf8') !== wanted) {
			console.error('sdk/errors.ts does not match lib/base/err.h: npm run errors');
			process.exit(1);
		}
	} else {
		writeFileSync(target, wanted);
	}
}
