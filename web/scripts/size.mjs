// What a first visit loads, compressed as nginx does it; fails above the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET = 48 * 1024;
const folder = new URL('../dist/assets/', import.meta.url);
let script = 0;
for (const name of readdirSync(folder).sort()) {
	const size = gzipSync(readFileSync(new URL(name, folder)), { level: 6 }).length;
	if (/^index-.*\.js$/.test(name)) script += size; // sheets come when the first of them is asked for
	console.log(`${String(size).padStart(8)}  ${name}`);
}
console.log(`${String(script).padStart(8)}  script at first, of ${BUDGET}`);
if (script > BUDGET) process.exit(1);
