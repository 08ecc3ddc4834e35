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
const ROLES = [null, 'member', 'admin', 'owner'];
const NOTIFY = [null, 'all', 'mentions', 'none'];

// Columns by name, found once per statement: the n-th of that name from a place on.
function finder(fields, from) {
  const names = fields.map((field) => field.name);
  return (name, n = 1) => {
    let at = from - 1;
    for (let i = 0; i < n; i++) at = names.indexOf(name, at + 1);
    if (at < 0) throw new Error(`the statement has no column ${name}`);
    return at;
  };
}

function messageColumns(fields) {
  const at = finder(fields, fields.findIndex((field) => field.name === 'conversation_id'));
  return {
    conversation: at('conversation_id'), seq: at('seq'), rev: at('rev'), version: at('version'), sender: at('sender_id'), client: at('client_id'),
    kind: at('kind'), content: at('content'), replySeq: at('seq', 2), replySender: at('sender_id', 2), excerpt: at('left'),
    mentions: at('mentions'), created: at('created_at'), edited: at('edited_at'), deleted: at('deleted_at'), read: at('read'),
    delivered: at('delivered'), others: at('others'), attachments: at('attachments'), expires: at('expires_at'), pinned: at('?column?'),
    reactions: at('reactions'), forward: at('forward_of'), extra: at('extra'), starred: at('?column?', 2), mine: at('array_to_json'),
  };
}

function conversationColumns(fields) {
  const at = finder(fields, 0), person = finder(fields, fields.findIndex((field) => field.name === 'username'));
  return {
    id: at('id'), kind: at('kind'), name: at('name'), avatar: at('avatar_id'), created: at('created_at'), updated: at('updated_at'),
    floor: at('floor'), lastSeq: at('last_seq'), lastRev: at('last_rev'), count: at('participant_count'), read: at('read_seq'),
    unreadFrom: at('unread_from'), role: at('role'), notify: at('notify'), muted: at('muted_until'), archived: at('archived'),
    pinned: at('pinned'), draft: at('draft_json'), history: at('history_all'), ttl: at('ttl_seconds'), retention: at('retention_days'),
    slow: at('slow_mode_seconds'), unread: at('unread'), mentions: at('mentions'), person: person('username') - 1,
    message: messageColumns(fields),
  };
}

// "2026-01-02 03:04:05.678901+00" as "2026-01-02T03:04:05.678Z"
const time = (t) => t && `${t.slice(0, 10)}T${t.slice(11, 19)}.${t.length > 22 ? t.slice(20, -3).slice(0, 3).padEnd(3, '0') : '000'}Z`;

const status = (read, delivered, others) => (others > 0 && read >= others ? 'read' : others > 0 && delivered >= others ? 'delivered' : 'sent');

function message(r, c, me) {
  const gone = r[c.deleted] !== null, kind = KINDS[r[c.kind]];
  const made = {
    id: `${r[c.conversation]}.${r[c.seq]}`, conversation_id: String(r[c.conversation]), seq: r[c.seq], rev: r[c.rev], version: r[c.version],
    sender_id: String(r[c.sender]), client_id: r[c.client], message_type: kind, content: gone ? null : r[c.content],
    location: null, poll: null, call: null, system: null, encrypted: null, link_preview: null,
    reply_to: r[c.replySeq] === null ? null
      : { id: `${r[c.conversation]}.${r[c.replySeq]}`, sender_id: String(r[c.replySender]), excerpt: r[c.excerpt] },
    mentions: gone || r[c.mentions] === null ? [] : r[c.mentions], attachments: gone || r[c.attachments] === null ? [] : r[c.attachments],
    reactions: gone || r[c.reactions] === null ? [] : r[c.reactions].map((x) => ({ ...x, me: r[c.mine]?.includes(x.emoji) ?? false })),
    starred: r[c.starred], pinned: r[c.pinned] && !gone, status: r[c.sender] === me ? status(r[c.read], r[c.delivered], r[c.others]) : undefined,
    read_count: r[c.read], delivered_count: r[c.delivered], forward_of: gone ? null : r[c.forward],
    created_at: time(r[c.created]), edited_at: time(r[c.edited]), deleted_at: time(r[c.deleted]), expires_at: time(r[c.expires]),
  };
  if (r[c.extra] !== null && !gone) made[kind] = r[c.extra];
  return made;
}

const avatarUrl = (id) => id && `/media/${id}/thumb.webp`;

function user(r, at) {
  return {
    id: String(r[at]), username: r[at + 1], display_name: r[at + 2], avatar_id: r[at + 3], avatar_url: avatarUrl(r[at + 3]), status_text: r[at + 4],
    bot: r[at + 7],
  };
}

function conversation(r, c, me) {
  const direct = r[c.kind] === 1;
  return {
    id: String(r[c.id]), type: direct ? 'direct' : 'group', name: r[c.name], avatar_id: r[c.avatar], avatar_url: avatarUrl(r[c.avatar]),
    peer: direct ? user(r, c.person) : null, created_at: time(r[c.created]), updated_at: time(r[c.updated]), first_seq: r[c.floor],
    last_seq: r[c.lastSeq], last_rev: r[c.lastRev], participant_count: r[c.count], history: r[c.history] ? 'all' : 'joined',
    ttl_seconds: r[c.ttl] || null, retention_days: r[c.retention] || null, slow_mode_seconds: r[c.slow] || null,
    last_message: r[c.message.conversation] === null ? null : message(r, c.message, me),
    unread_count: r[c.unread] ?? 0, mention_count: r[c.mentions] ?? 0,
    my: {
      read_seq: r[c.read], unread_from: r[c.unreadFrom], role: ROLES[r[c.role]], notify: NOTIFY[r[c.notify]], muted_until: time(r[c.muted]),
      archived: r[c.archived], pinned: r[c.pinned], draft: r[c.draft],
    },
  };
}

function cursorAfter(r, c) {
  const t = r[c.updated];
  const micros = BigInt(Date.parse(`${t.slice(0, 19).replace(' ', 'T')}Z`)) * 1000n + BigInt(t.length > 22 ? t.slice(20, -3).padEnd(6, '0') : 0);
  return Buffer.from(`${r[c.pinned] ? 1 : 0}.${micros}.${r[c.id]}`).toString('base64url');
}

// ---- schemas ----

const text = { type: 'string' }, integer = { type: 'integer' }, flag = { type: 'boolean' }, nothing = { type: 'null' };
const orNull = (schema) => ({ ...schema, nullable: true });
const object = (properties) => ({ type: 'object', properties });
const list = (items) => ({ type: 'array', items });
const anything = list({}), something = {};

const messageSchema = object({
  id: text, conversation_id: text, seq: integer, rev: integer, version: integer, sender_id: text, client_id: orNull(text), message_type: text,
  content: orNull(text), location: something, poll: something, call: something, system: something, encrypted: something, link_preview: nothing,
  reply_to: orNull(object({ id: text, sender_id: text, excerpt: orNull(text) })), mentions: anything, attachments: anything, reactions: anything,
  starred: flag, pinned: flag, status: text, read_count: integer, delivered_count: integer, forward_of: something, created_at: text,
  edited_at: orNull(text), deleted_at: orNull(text), expires_at: orNull(text),
});
const pageSchema = object({ messages: list(messageSchema), has_before: flag, has_after: flag, as_of_rev: integer });
const conversationSchema = object({
  id: text, type: text, name: orNull(text), avatar_id: orNull(text), avatar_url: orNull(text),
  peer: orNull(object({ id: text, username: text, display_name: text, avatar_id: orNull(text), avatar_url: orNull(text), status_text: orNull(text), bot: flag })),
  created_at: text, updated_at: text, first_seq: integer, last_seq: integer, last_rev: integer, participant_count: integer,
  history: text, ttl_seconds: orNull(integer), retention_days: orNull(integer), slow_mode_seconds: orNull(integer),
  last_message: orNull(messageSchema), unread_count: integer, mention_count: integer,
  my: object({
    read_seq: integer, unread_from: orNull(integer), role: text, notify: text, muted_until: orNull(text), archived: flag, pinned: flag,
    draft: something,
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
  return db.query({ name, text: sql, values, rowMode: 'array' });
}

// What was just sent needs no reading back.
async function send(db, request, reply) {
  const { client_id: client, content } = request.body, conversation_id = request.params.conversation;
  const digest = sha256(JSON.stringify(['text', sha256(content, 'hex'), 0, []]), 'hex');
  const { rows: [[replayed, seq, , at]] } = await run(db, 'message_send', [request.me, conversation_id, client, `\\x${digest}`, 1, content]);
  if (replayed) return reply.code(409).send();
  return reply.code(201).send({
    id: `${conversation_id}.${seq}`, conversation_id, seq, rev: 0, version: 1, sender_id: request.me, client_id: client, message_type: 'text', content,
    location: null, poll: null, call: null, system: null, encrypted: null, link_preview: null, reply_to: null, mentions: [], attachments: [],
    reactions: [], starred: false, pinned: false, status: 'sent', read_count: 0, delivered_count: 0, forward_of: null, created_at: time(at),
    edited_at: null, deleted_at: null, expires_at: null,
  });
}

const columns = {};

// The newest messages: one more than asked for tells that there are older ones, and one that is not older ends the page.
async function page(db, request, reply) {
  const most = request.query.limit, me = Number(request.me);
  const { rows, fields } = await run(db, 'message_page', [request.me, request.params.conversation, 0, 0, most]);
  const c = columns.page ??= messageColumns(fields);
  if (!rows.length) return reply.code(404).send();
  const older = rows.filter((r) => r[1]);
  return {
    messages: older.slice(-most).map((r) => message(r, c, me)), has_before: older.length > most,
    has_after: rows.some((r) => r[1] === false), as_of_rev: rows[0][0],
  };
}

async function conversations(db, request) {
  const most = request.query.limit, me = Number(request.me);
  const { rows, fields } = await run(db, 'conversation_list', [request.me, false, false, false, '1970-01-01 00:00:00+00', 0, most + 1]);
  const c = columns.list ??= conversationColumns(fields);
  const shown = rows.slice(0, most);
  return { items: shown.map((r) => conversation(r, c, me)), next_cursor: rows.length > most ? cursorAfter(shown[most - 1], c) : null };
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
