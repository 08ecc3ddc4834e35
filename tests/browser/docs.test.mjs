// The API reference at /docs: all of it from this host, under its own content security policy.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { launch, url } from './browser.mjs';

const browser = await launch();
after(() => browser.close());

async function visit(path) {
	const context = await browser.newContext({ viewport: { width: 1180, height: 760 } });
	const page = await context.newPage();
	const seen = { foreign: [], said: [] };
	// whatever is not ours does not exist, as on a network without a way out
	await context.route(
		(u) => u.origin !== new URL(url).origin && u.protocol.startsWith('http'),
		(route) => {
			seen.foreign.push(route.request().url());
			return route.abort();
		},
	);
	page.on('console', (m) => m.type() === 'error' && seen.said.push(m.text()));
	page.on('pageerror', (e) => seen.said.push(`${e}`));
	await page.goto(url + path);
	return { page, seen, context };
}

test('the reference shows every operation, and asks nobody else', async () => {
	const { page, seen, context } = await visit('/docs');
	const api = await (await fetch(`${url}/api/v1/openapi.json`)).json();
	const operations = Object.values(api.paths).flatMap((item) => Object.values(item).filter((op) => op.operationId));
	assert.ok(operations.length > 50);
	await page.waitForSelector(`[id$="operation/${operations[0].operationId}"]`, { state: 'attached', timeout: 60_000 });
	const shown = await page.$$eval('[id*="operation/"]', (all) => all.map((e) => e.id));
	for (const op of operations) assert.ok(shown.some((id) => id.endsWith(`operation/${op.operationId}`)), op.operationId);
	assert.equal(await page.textContent('h1').then((t) => t.includes('Peal')), true);
	await page.fill('[role="search"] input', 'passkey').catch(() => page.fill('input[type="text"]', 'login'));
	await page.waitForSelector('[data-role="search:results"]', { timeout: 15_000 });
	assert.deepEqual(seen, { foreign: [], said: [] });
	await context.close();
});

test('the type of a problem leads to its row', async () => {
	const problem = await (await fetch(`${url}/api/v1/me`)).json();
	const { page, seen, context } = await visit(problem.type);
	const row = await page.textContent(':target');
	assert.ok(row.includes('unauthenticated') && row.includes(problem.detail), row);
	const header = readFileSync(new URL('../../lib/base/err.h', import.meta.url), 'utf8');
	const codes = [...header.matchAll(/X\(\w+,\s*\d+,\s*"(\w+)"/g)].map((m) => m[1]);
	assert.deepEqual(await page.$$eval('tbody tr', (rows) => rows.map((r) => r.id)), codes);
	assert.deepEqual(seen, { foreign: [], said: [] });
	await context.close();
});
