// Shows what the server pushes when nobody looks, and takes it away again. It serves no page and keeps nothing.
// What arrives is described in docs/notifications.md.
const KINDS = { image: 'Picture', audio: 'Audio', video: 'Video', file: 'File', location: 'Location', poll: 'Poll', call: 'Call', encrypted: 'Encrypted message' };

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('push', (event) => event.waitUntil(arrived(event.data)));
self.addEventListener('notificationclick', (event) => {
	event.notification.close();
	event.waitUntil(open(event.notification.data.conversation));
});

function read(data) {
	try {
		return data.json();
	} catch {
		return {};
	}
}

// One notification for each conversation: the newest replaces the one before.
const tagOf = (said) => `c${said.conversation_id}`;

async function arrived(data) {
	const said = read(data);
	if (!/^[1-9][0-9]*$/.test(said.conversation_id)) return;
	if (said.type === 'clear') return clear(said);
	if (await looking()) return;
	await self.registration.showNotification(...words(said));
}

function words(said) {
	const group = said.conversation_type === 'group' && said.conversation_name;
	const text = said.text || KINDS[said.message_type] || 'A new message';
	return [
		(group ? said.conversation_name : said.sender_name) || 'Peal',
		{
			body: group ? `${said.sender_name}: ${text}` : text,
			tag: tagOf(said),
			renotify: true,
			timestamp: Date.parse(said.created_at) || Date.now(),
			data: { conversation: said.conversation_id },
		},
	];
}

async function clear(said) {
	for (const shown of await self.registration.getNotifications({ tag: tagOf(said) })) shown.close();
}

const pages = () => self.clients.matchAll({ type: 'window', includeUncontrolled: true });

// Whoever has a page in front of them sees the message there.
const looking = async () => (await pages()).some((page) => page.focused);

async function open(conversation) {
	const url = `/#/c/${conversation}`;
	const [page] = await pages();
	if (!page) return self.clients.openWindow(url);
	await page.focus();
	page.postMessage({ peal: 'open', conversation });
}
