// server.js -- send, page and list of Peal's contract on Fastify and pg: the same statements, durability, checks and answers.
//
//   node server.js CONFIG.json      {socket, processes, connections, database, public_key, issuer, audience, statements}
//
// What is tuned: one prepared statement per route, rows as arrays, no date objects, a compiled schema for bodies and for answers, tokens
// checked once and remembered, no log, as many processes and connections as the configuration says. It publishes nothing to Redis.
'use strict';
const cluster = require('node:cluster');
const crypto = require('node:crypto');
const fs = require('node:fs');
const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

// ---- rows to objects ----

const KINDS = [null, 'text', 'image', 'audio', 'video', 'file', 'location', 'poll', 'call', 'system', 'encrypted'];

// "2026-01-02 03:04:05.678901+00" as "2026-01-02T03:04:05.678Z"
const time = (t) => t && `${t.slice(0, 10)}T${t.slice(11, 19)}.${t.length > 22 ? t.slice(20, -3).slice(0, 3).padEnd(3, '0') : '000'}Z`;

const status = (read, delivered, others) => (others > 0 && read >= others ? 'read' : others > 0 && delivered >= others ? 'delivered' : 'sent');

function message(r, c, me) {
  const gone = r[c + 14] !== null;
  return {
    id: `${r[c]}.${r[c + 1]}`, conversation_id: String(r[c]), seq: r[c + 1], rev: r[c + 2], version: r[c + 3], sender_id: String(r[c + 4]), client_id: r[c + 5],
    message_type: KINDS[r[c + 6]], content: gone ? null : r[c + 7],
    location: null, poll: null, call: null, system: null, encrypted: null, link_preview: null,
    reply_to: r[c + 8] === null ? null : { id: `${r[c]}.${r[c + 8]}`, sender_id: String(r[c + 9]), excerpt: r[c + 10] },
    mentions: gone || r[c + 11] === null ? [] : r[c + 11], attachments: gone || r[c + 18] === null ? [] : r[c + 18], reactions: [],
    starred: false, pinned: false, status: r[c + 4] === me ? status(r[c + 15], r[c + 16], r[c + 17]) : undefined,
    read_count: r[c + 15], delivered_count: r[c + 16], forward_of: null,
    created_at: time(r[c + 12]), edited_at: time(r[c + 13]), deleted_at: time(r[c + 14]), expires_at: null,
  };
}

const avatarUrl = (id) => id && `/media/${id}/thumb.webp`;

function conversation(r, me) {
  const direct = r[1] === 1;
  return {
    id: String(r[0]), type: direct ? 'direct' : 'group', name: r[2], avatar_id: r[3], avatar_url: avatarUrl(r[3]),
    peer: direct ? { id: String(r[21]), username: r[22], display_name: r[23], avatar_id: r[24], avatar_url: avatarUrl(r[24]), status_text: r[25] } : null,
    created_at: time(r[4]), updated_at: time(r[5]), first_seq: r[6], last_seq: r[7], last_rev: r[8], participant_count: r[9],
    last_message: r[28] === null ? null : message(r, 28, me), unread_count: r[19] ?? 0, mention_count: r[20] ?? 0,
    my: {
      read_seq: r[10], unread_from: r[13], role: [null, 'member', 'admin', 'owner'][r[14]], notify: [null, 'all', 'mentions', 'none'][r[15]],
      muted_until: time(r[16]), archived: r[17], pinned: r[18], draft: null,
    },
  };
}

function cursorAfter(r) {
  const micros = BigInt(Date.parse(`${r[5].slice(0, 19).replace(' ', 'T')}Z`)) * 1000n
    + BigInt(r[5].length > 22 ? r[5].slice(20, -3).padEnd(6, '0') : 0);
  return Buffer.from(`${r[18] ? 1 : 0}.${micros}.${r[0]}`).toString('base64url');
}

// ---- schemas ----

const text = { type: 'string' }, integer = { type: 'integer' }, flag = { type: 'boolean' }, nothing = { type: 'null' };
const orNull = (schema) => ({ ...schema, nullable: true });
const object = (properties) => ({ type: 'object', properties });
const list = (items) => ({ type: 'array', items });
const anything = list({});

const messageSchema = object({
  id: text, conversation_id: text, seq: integer, rev: integer, version: integer, sender_id: text, client_id: orNull(text), message_type: text,
  content: orNull(text), location: nothing, poll: nothing, call: nothing, system: nothing, encrypted: nothing, link_preview: nothing,
  reply_to: orNull(object({ id: text, sender_id: text, excerpt: orNull(text) })), mentions: anything, attachments: anything, reactions: anything,
  starred: flag, pinned: flag, status: text, read_count: integer, delivered_count: integer, forward_of: nothing, created_at: text,
  edited_at: orNull(text), deleted_at: orNull(text), expires_at: nothing,
});
const pageSchema = object({ messages: list(messageSchema), has_before: flag, has_after: flag, as_of_rev: integer });
const conversationSchema = object({
  id: text, type: text, name: orNull(text), avatar_id: orNull(text), avatar_url: orNull(text),
  peer: orNull(object({ id: text, username: text, display_name: text, avatar_id: orNull(text), avatar_url: orNull(text), status_text: orNull(text) })),
  created_at: text, updated_at: text, first_seq: integer, last_seq: integer, last_rev: integer, participant_count: integer,
  last_message: orNull(messageSchema), unread_count: integer, mention_count: integer,
  my: object({
    read_seq: integer, unread_from: orNull(integer), role: text, notify: text, muted_until: orNull(text), archived: flag, pinned: flag,
    draft: nothing,
  }),
});
const listSchema = object({ items: list(conversationSchema), next_cursor: orNull(text) });

const id = { type: 'string', pattern: '^[1-9][0-9]{0,18}$' };
const limit = { type: 'integer', minimum: 1, maximum: 100, default: 50 };
const sendBody = {
  type: 'object', required: ['client_id', 'message_type', 'content'],
  properties: {
    client_id: { type: 'string', minLength: 1, maxLength: 64, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' },
    message_type: { type: 'string', enum: ['text'] },
    content: { type: 'string', minLength: 1, maxLength: 16384, pattern: '\\S' },
    reply_to: { type: 'string', nullable: true, pattern: '^[0-9]+\\.[0-9]+$' },
    mentions: { type: 'array', maxItems: 50, nullable: true },
    attachment_ids: { type: 'array', maxItems: 10, nullable: true },
  },
};

// ---- who is calling: ES256 as in RFC 7518, the good ones remembered ----

const publicKey = crypto.createPublicKey(config.public_key);
const known = new Map();

function check(token) {
  const [head, claims, signature] = token.split('.');
  const header = JSON.parse(Buffer.from(head, 'base64url'));
  if (header.alg !== 'ES256' || header.typ !== 'at+jwt') return null;
  if (!crypto.verify('sha256', Buffer.from(`${head}.${claims}`), { key: publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature ?? '', 'base64url'))) return null;
  const c = JSON.parse(Buffer.from(claims, 'base64url'));
  return c.iss === config.issuer && c.aud === config.audience && typeof c.sub === 'string' && typeof c.sid === 'string' ? c : null;
}

function caller(authorization) {
  if (!authorization?.startsWith('Bearer ')) return null;
  const token = authorization.slice(7);
  let claims = known.get(token);
  if (claims === undefined) {
    try { claims = check(token); } catch { claims = null; }
    if (claims && known.size < 4096) known.set(token, claims);
  }
  return claims && claims.exp > Date.now() / 1000 ? claims.sub : null;
}

// ---- the service ----

const sha256 = crypto.hash ? (data, form) => crypto.hash('sha256', data, form) : (data, form) => crypto.createHash('sha256').update(data).digest(form);

function pool() {
  const pg = require('pg');
  const types = { 20: Number, 1184: (t) => t };
  return new pg.Pool({
    ...config.database, max: config.connections / config.processes, idleTimeoutMillis: 0,
    types: { getTypeParser: (oid, format) => types[oid] ?? pg.types.getTypeParser(oid, format) },
  });
}

// Ids are strings on the wire and numbers in rows; arguments beyond those that a statement is given here are null.
async function run(db, name, values) {
  const { text: sql, parameters } = config.statements[name];
  while (values.length < parameters) values.push(null);
  return (await db.query({ name, text: sql, values, rowMode: 'array' })).rows;
}

async function send(db, request, reply) {
  const body = request.body, me = request.me;
  const digest = sha256(JSON.stringify(['text', sha256(body.content, 'hex'), 0, []]), 'hex');
  const [[replayed, seq, , at, , hearers]] = await run(db, 'message_send',
    [me, request.params.conversation, body.client_id, `\\x${digest}`, 1, body.content]);
  if (replayed) return reply.code(409).send();
  const r = [Number(request.params.conversation), seq, 0, 1, Number(me), body.client_id, 1, body.content, null, null, null, null, at, null, null, 0, 0,
    hearers.length - 1, null];
  return reply.code(201).send(message(r, 0, Number(me)));
}

async function page(db, request, reply) {
  const rows = await run(db, 'message_page', [request.me, request.params.conversation, 0, 0, request.query.limit]);
  if (!rows.length) return reply.code(404).send();
  const [rev, floor, last, lo, hi] = rows[0], me = Number(request.me);
  return { messages: rows[0][6] === null ? [] : rows.map((r) => message(r, 5, me)), has_before: lo > floor, has_after: hi < last, as_of_rev: rev };
}

async function conversations(db, request) {
  const most = request.query.limit, me = Number(request.me);
  const rows = await run(db, 'conversation_list', [request.me, false, false, false, '1970-01-01 00:00:00+00', 0, most + 1]);
  const shown = rows.slice(0, most);
  return { items: shown.map((r) => conversation(r, me)), next_cursor: rows.length > most ? cursorAfter(shown[most - 1]) : null };
}

async function etag(request, reply, payload) {
  const tag = `"${sha256(payload, 'base64url').slice(0, 22)}"`;
  reply.headers({ etag: tag, 'cache-control': 'private, no-cache' });
  if (request.headers['if-none-match'] !== tag) return payload;
  reply.code(304);
  return '';
}

async function serve() {
  const app = require('fastify')({ logger: false, genReqId: (raw) => raw.headers['x-request-id'] ?? '-', disableRequestLogging: true });
  const db = pool();

  app.decorateRequest('me', null);
  app.addHook('onRequest', async (request, reply) => {
    request.me = caller(request.headers.authorization);
    reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store' });
    if (request.me === null) return reply.code(401).header('www-authenticate', 'Bearer').send();
  });
  const params = object({ conversation: id }), query = object({ limit });
  app.post('/api/v1/conversations/:conversation/messages', { schema: { params, body: sendBody, response: { 201: messageSchema } } },
    (request, reply) => send(db, request, reply));
  app.get('/api/v1/conversations/:conversation/messages', { schema: { params, querystring: query, response: { 200: pageSchema } }, onSend: etag },
    (request, reply) => page(db, request, reply));
  app.get('/api/v1/conversations', { schema: { querystring: query, response: { 200: listSchema } } }, (request) => conversations(db, request));
  // all connections are there before the first request
  const clients = await Promise.all(Array.from({ length: config.connections / config.processes }, () => db.connect()));
  clients.forEach((client) => client.release());
  await app.listen({ path: config.socket });
}

function lead() {
  const versions = ['fastify', 'pg'].map((name) => `${name} ${require(`${name}/package.json`).version}`);
  let ready = 0;
  fs.rmSync(config.socket, { force: true });
  for (let i = 0; i < config.processes; i++) cluster.fork();
  cluster.on('listening', () => {
    if (++ready === config.processes) console.log(`ready: Node.js ${process.version.slice(1)}, ${versions.join(', ')}`);
  });
  cluster.on('exit', () => process.exit(1));
}

if (cluster.isPrimary) lead();
else serve();
