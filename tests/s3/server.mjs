// server.mjs FOLDER PORT -- npm's s3rver, behind a door that lets nobody in whose signature or digest is wrong: s3rver does not check
// version 4, aws4 does. Says one line per request on stdout. FOLDER/faults holds what is to go wrong: {"match", "status", "times", "body"}.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import aws4 from "aws4";
import S3rver from "s3rver";

const [folder, port] = process.argv.slice(2);
const account = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
const region = "eu-test-1";

mkdirSync(`${folder}/data`, { recursive: true });
const back = await new S3rver({
	directory: `${folder}/data`, address: "127.0.0.1", port: 0, silent: true, vhostBuckets: false, allowMismatchedSignatures: true,
	configureBuckets: [{ name: "peal" }],
}).run();

// Nothing is kept open to it: a line that it closes at that moment would be a fault that nobody has planned.
const agent = new http.Agent({ keepAlive: false });

// By the date that the request has.
const signed = (request, headers, path, signQuery) => aws4.sign({ service: "s3", region, method: request.method, path, headers, signQuery }, account);

// What is wrong with a request, or nothing.
function refusal(request, body) {
	const [path, query = ""] = request.url.split("?");
	const given = /(?:^|&)X-Amz-Signature=([0-9a-f]{64})$/.exec(query)?.[1];
	if (given) {
		const plain = `${path}?${query.slice(0, -given.length - "&X-Amz-Signature=".length)}`;
		const good = signed(request, { Host: request.headers.host }, plain, true).path;
		if (!good.includes(`X-Amz-Signature=${given}`)) return "SignatureDoesNotMatch";
		const [, y, mo, d, h, mi, s] = /X-Amz-Date=(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(query);
		const until = Date.UTC(y, mo - 1, d, h, mi, s) / 1000 + Number(/X-Amz-Expires=(\d+)/.exec(query)[1]);
		return until < Date.now() / 1000 ? "AccessDenied" : undefined;
	}
	const headers = {};
	for (const name of /SignedHeaders=([a-z0-9;-]+)/.exec(request.headers.authorization ?? "")?.[1].split(";") ?? [])
		headers[name] = request.headers[name];
	if (!headers.host || !headers["x-amz-date"] || !headers["x-amz-content-sha256"]) return "AccessDenied";
	const signature = (text) => /Signature=([0-9a-f]{64})/.exec(text)?.[1];
	const good = signed(request, headers, request.url, false).headers.Authorization;
	if (signature(good) !== signature(request.headers.authorization)) return "SignatureDoesNotMatch";
	return createHash("sha256").update(body).digest("hex") === headers["x-amz-content-sha256"] ? undefined : "XAmzContentSHA256Mismatch";
}

// The next fault that is meant for this request; each goes wrong so many times.
function fault(line) {
	const file = `${folder}/faults`;
	const all = existsSync(file) ? JSON.parse(readFileSync(file)) : [];
	const found = all.find((f) => f.times > 0 && new RegExp(f.match).test(line));
	if (found) {
		found.times--;
		writeFileSync(file, JSON.stringify(all));
	}
	return found;
}

function answer(request, response, body) {
	const line = `${request.method} ${request.url}`;
	const say = (status) => console.log(`${line} ${status}`);
	const wrong = refusal(request, body);
	const bad = fault(line) ?? (wrong && { status: 403, body: `<Error><Code>${wrong}</Code></Error>` });
	if (bad) {
		say(bad.status);
		response.writeHead(bad.status, { "Content-Type": "application/xml" }).end(bad.body ?? "");
		return;
	}
	const headers = { ...request.headers };
	delete headers.authorization; // s3rver trusts nobody more for it
	const [path, query = ""] = request.url.split("?");
	const url = query.includes("X-Amz-Signature") ? path : request.url;
	const to = http.request({ agent, port: back.port, method: request.method, path: url, headers }, (from) => {
		say(from.statusCode);
		response.writeHead(from.statusCode, from.rawHeaders);
		from.pipe(response);
	});
	to.on("error", () => response.destroy());
	to.end(body);
}

http.createServer({ keepAliveTimeout: 5000 }, (request, response) => {
	const parts = [];
	request.on("data", (part) => parts.push(part));
	request.on("end", () => answer(request, response, Buffer.concat(parts)));
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
