// The `ws` package as a client: node peer.mjs URL TOKEN CONVERSATION CONTENT -- says hello, sends a message by a request frame and prints
// what it was told of it, as one line of JSON.
import { createRequire } from 'node:module';

const WebSocket = createRequire(new URL('../../web/package.json', import.meta.url))('ws');
const [url, token, conversation, content, deflate] = process.argv.slice(2);
const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` }, perMessageDeflate: deflate === 'deflate' ? { threshold: 64 } : false });
const frames = [];
let closed;

function say(frame) {
  socket.send(JSON.stringify(frame));
}

socket.on('open', () => say({ type: 'hello', device_id: 'node', since: null }));
socket.on('pong', (payload) => { frames.push({ type: 'protocol pong', payload: payload.toString() }); });
socket.on('message', (data, binary) => {
  if (binary) throw new Error('a binary message');
  const frame = JSON.parse(data.toString());
  frames.push(frame);
  if (frame.type === 'live') {
    socket.ping('are you there');
    say({ type: 'request', id: 1, method: 'POST', path: `/api/v1/conversations/${conversation}/messages`,
      body: { client_id: 'node-1', message_type: 'text', content } });
  }
  const types = new Set(frames.map((f) => f.type));
  if (types.has('new_message') && types.has('response') && types.has('protocol pong') && !closed) {
    say({ type: 'ack', count: 1 });
    closed = true;
    socket.close(4321, 'enough');
  }
});
socket.on('close', (code, reason) => {
  console.log(JSON.stringify({ code, reason: reason.toString(), extensions: socket.extensions, frames }));
});
