// Makes dist/docs: the API reference (Redoc, from its package) and the page that the `type` of every problem leads to.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { outcomes } from './errors.mjs';

const web = new URL('../', import.meta.url);
const target = new URL('dist/docs/', web);
const bundle = new URL('node_modules/redoc/bundles/', web);
// A picture that Redoc would fetch from elsewhere. Its words stay; what it loads comes from here.
const LOGO = 'https://cdn.redoc.ly/redoc/logo-mini.svg';

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const marked = (text) => escaped(text).replace(/`([^`]*)`/g, '<code>$1</code>');

function errorsPage(rows) {
	const lines = rows.map(
		(r) => `<tr id="${r.code}"><td><a href="#${r.code}"><code>${r.code}</code></a></td><td>${r.status}</td>` +
			`<td>${r.retryable ? 'yes' : 'no'}</td><td>${marked(r.sentence)}</td></tr>`,
	);
	return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Errors of Peal</title><link rel="icon" href="/favicon.svg"><link rel="stylesheet" href="/docs/docs.css">
</head>
<body class="errors"><main>
<h1>Errors</h1>
<p>Every refusal is <code>application/problem+json</code> (RFC 9457). Decide by <code>code</code>, which never changes its meaning;
<code>detail</code> is for people. <em>Again</em>: the same request may be sent again as it stands, after a pause
(<code>Retry-After</code> when there is one) and with the same idempotency key. The routes: <a href="/docs">/docs</a>.</p>
<table><thead><tr><th>code</th><th>status</th><th>again</th><th>meaning</th></tr></thead>
<tbody>
${lines.join('\n')}
</tbody></table>
</main></body>
</html>
`;
}

mkdirSync(target, { recursive: true });
for (const name of ['index.html', 'docs.js', 'docs.css']) copyFileSync(new URL(`docs/${name}`, web), new URL(name, target));
const redoc = readFileSync(new URL('redoc.standalone.js', bundle), 'utf8');
if (redoc.split(LOGO).length !== 2) throw new Error('redoc.standalone.js names another logo: see scripts/docs.mjs');
writeFileSync(new URL('redoc.js', target), redoc.replace(LOGO, 'data:,').replace(/^\/\/# sourceMappingURL=.*$/m, ''));
copyFileSync(new URL('redoc.standalone.js.LICENSE.txt', bundle), new URL('redoc.js.LICENSE.txt', target));
const rows = outcomes(readFileSync(new URL('../lib/base/err.h', web), 'utf8'));
writeFileSync(new URL('errors.html', target), errorsPage(rows));
