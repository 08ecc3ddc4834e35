// tus-js-client, as an application would use it: one PATCH for all that is left, and another try whenever a line breaks.
// client.mjs <endpoint> <file> <token> <how often it may try again>; on stdout what became of it, as JSON
import { createReadStream, statSync } from 'node:fs';
import { Upload } from 'tus-js-client';

const [endpoint, path, token, tries] = process.argv.slice(2);
const started = [];
const upload = new Upload(createReadStream(path), {
	endpoint,
	uploadSize: statSync(path).size,
	chunkSize: Infinity,
	retryDelays: Array(Number(tries)).fill(50),
	headers: { Authorization: `Bearer ${token}` },
	metadata: { filename: 'large.bin', filetype: 'application/octet-stream' },
	onBeforeRequest: (request) => {
		started.push(`${request.getMethod()} ${request.getHeader('Upload-Offset') ?? ''}`.trim());
	},
	onError: (error) => {
		console.log(JSON.stringify({ error: String(error), started }));
		process.exit(1);
	},
	onSuccess: ({ lastResponse }) => {
		console.log(JSON.stringify({ url: upload.url, attachment: lastResponse.getHeader('Peal-Attachment'), started }));
	},
});
upload.start();
