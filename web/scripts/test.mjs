// Compiles test/*.test.ts (Node 18 reads no TypeScript) and runs them with Node's own test runner.
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const web = fileURLToPath(new URL('..', import.meta.url));
const out = `${web}node_modules/.test`;
const tests = readdirSync(`${web}test`).filter((name) => name.endsWith('.test.ts'));

rmSync(out, { recursive: true, force: true });
await build({
	entryPoints: tests.map((name) => `${web}test/${name}`),
	outdir: out,
	outExtension: { '.js': '.mjs' },
	bundle: true,
	platform: 'node',
	format: 'esm',
	target: 'node18',
	sourcemap: 'inline',
	logLevel: 'warning',
});
const built = tests.map((name) => `${out}/${name.replace(/\.ts$/, '.mjs')}`);
// what browsers have had for long, Node has behind an option until 19
const options = Number(process.versions.node.split('.')[0]) < 19 ? ['--experimental-global-webcrypto'] : [];
const run = spawnSync(process.execPath, [...options, '--enable-source-maps', '--test', ...built], { stdio: 'inherit', cwd: web });
process.exit(run.status ?? 1);
