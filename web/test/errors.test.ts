import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';

test('sdk/errors.ts is what lib/base/err.h says', () => {
	assert.doesNotThrow(() => execFileSync(process.execPath, ['scripts/errors.mjs', '--check'], { stdio: 'pipe' }));
});
