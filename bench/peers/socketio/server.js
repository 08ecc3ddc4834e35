// socket.io as its documentation has it: a cluster, the adapter for it, WebSockets only, and what is posted is emitted to everybody.
//
//   node server.js config.json     {"sockets": [a path per process], "port": where to post}
"use strict";
const cluster = require("node:cluster");
const fs = require("node:fs");
const http = require("node:http");
const { createAdapter, setupPrimary } = require("@socket.io/cluster-adapter");
const { Server } = require("socket.io");

const config = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));

function primary() {
	let listening = 0;
	setupPrimary();
	cluster.setupPrimary({ serialization: "advanced" });
	config.sockets.forEach((_, number) => cluster.fork({ NUMBER: String(number) }));
	cluster.on("message", (_, said) => {
		if (said === "listening" && ++listening === config.sockets.length)
			console.log(`ready: Node.js ${process.versions.node}, socket.io ${require("socket.io/package.json").version}`);
	});
	cluster.on("exit", () => process.exit(1));
	process.on("SIGTERM", () => process.exit(0));
}

function publish(io) {
	http.createServer((request, response) => {
		const pieces = [];
		request.on("data", (piece) => pieces.push(piece));
		request.on("end", () => {
			io.emit("message", Buffer.concat(pieces).toString());
			response.writeHead(200, { "Content-Length": 0 }).end();
		});
	}).listen({ port: config.port, host: "127.0.0.1", exclusive: true });
}

function worker(number) {
	const server = http.createServer();
	const io = new Server(server, { path: "/ws", addTrailingSlash: false, transports: ["websocket"], serveClient: false });
	io.adapter(createAdapter());
	if (number === 0)
		publish(io);
	server.listen({ path: config.sockets[number], exclusive: true, backlog: 4096 }, () => process.send("listening"));
}

if (cluster.isPrimary)
	primary();
else
	worker(Number(process.env.NUMBER));
