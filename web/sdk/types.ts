// What travels: the schemas of docs/openapi.yaml and docs/asyncapi.yaml as far as this client uses them.

export type Id = string; // 64-bit numbers travel as strings
export type Time = string; // RFC 3339, UTC

export interface User {
	id: Id;
	username: string;
	display_name: string;
	avatar_id?: Id | null;
	avatar_url?: string | null;
	status_text?: string | null;
	/** A program, made by a person of this server. */
	bot?: boolean;
	/** The account was erased: its names say nothing, and nobody answers. */
	deleted?: true;
}

export interface Privacy {
	/** Others see what I read. */
	read_receipts: boolean;
	/** Others see whether I am here, and when I was. */
	last_seen: boolean;
}

export interface Me extends User {
	privacy: Privacy;
	/** What I may do on the whole server. */
	site_role?: "moderator" | "admin" | null;
}

export interface ProfileChange {
	display_name?: string;
	status_text?: string | null;
	avatar_id?: Id | null;
	privacy?: Partial<Privacy>;
}

/** Somebody else whom one may sign in with. */
export interface Provider {
	id: string;
	title: string;
}

export interface Block {
	user: User;
	created_at: Time;
}

export type MessageType =
	'text' | 'image' | 'audio' | 'video' | 'file' | 'location' | 'poll' | 'call' | 'system' | 'encrypted';
export type Status = 'sent' | 'delivered' | 'read';

export interface Rendition {
	name: 'std' | 'hd' | 'thumb' | 'aac' | 'opus' | 'video' | 'poster';
	mime: string;
	/** Signed; good for a day at least. */
	url: string;
	/** null: sound. */
	width: number | null;
	height: number | null;
	size: number;
}

export interface Attachment {
	id: Id;
	kind: 'image' | 'audio' | 'video' | 'file';
	state: 'ready' | 'processing' | 'failed';
	name: string | null;
	mime: string;
	thumbhash: string | null;
	color: string | null;
	size: number;
	width: number | null;
	height: number | null;
	animated: boolean;
	/** Of a recording; null otherwise. */
	duration_ms: number | null;
	/** One byte per tenth of a second, at most 256, base64. */
	waveform: string | null;
	/** The waveform as 64 bars, 0 to 100. */
	bars: number[] | null;
	loudness_lufs: number | null;
	/** Why it has failed: a code of the table of errors. */
	failure: string | null;
	renditions: Rendition[];
}

export interface AttachmentDetail extends Attachment {
	created_at: Time;
	download_url: string;
}

/** In Unicode code points of the content. */
export interface Mention {
	user_id: Id;
	offset: number;
	length: number;
}

export interface Location {
	latitude: number;
	longitude: number;
	name: string | null;
	address: string | null;
}

export interface Poll {
	question: string;
	multiple: boolean;
	anonymous: boolean;
	closes_at: Time | null;
	options: { text: string; count: number }[];
	voters: number;
	/** The viewer's own; not in events. */
	my_votes?: number[];
}

export interface CallRecord {
	call_id: string;
	media: 'audio' | 'video';
	outcome: 'completed' | 'missed' | 'declined' | 'busy' | 'failed';
	duration_seconds: number;
}

export interface SystemMessage {
	kind:
		| 'created'
		| 'renamed'
		| 'avatar_changed'
		| 'member_added'
		| 'member_removed'
		| 'member_left'
		| 'role_changed'
		| 'ttl_changed'
		| 'history_changed'
		| 'settings_changed';
	user_ids?: Id[];
	name?: string | null;
	role?: 'member' | 'admin' | 'owner';
	history?: 'all' | 'joined';
	ttl_seconds?: number | null;
	retention_days?: number | null;
	slow_mode_seconds?: number | null;
}

/** Base64; the server never looks inside. */
export interface Encrypted {
	ciphertext: string;
	nonce: string;
	key_id: string;
	ephemeral_key: string | null;
}

/** A message as events carry it: the same for every recipient. REST adds what is the viewer's own. */
export interface Message {
	id: Id;
	conversation_id: Id;
	seq: number;
	rev: number;
	version: number;
	sender_id: Id;
	client_id: string | null;
	message_type: MessageType;
	content: string | null;
	location: Location | null;
	poll: Poll | null;
	call: CallRecord | null;
	system: SystemMessage | null;
	encrypted: Encrypted | null;
	mentions: Mention[];
	attachments: Attachment[];
	reply_to: { id: Id; sender_id: Id; excerpt?: string | null } | null;
	forward_of: { sender_id: Id; created_at: Time } | null;
	reactions: { emoji: string; count: number; me?: boolean }[];
	pinned: boolean;
	starred?: boolean;
	read_count: number;
	delivered_count: number;
	created_at: Time;
	edited_at: Time | null;
	deleted_at: Time | null;
	/** Nobody sees it from then on; no event says so. */
	expires_at: Time | null;
	status?: Status;
}

export interface MessagePage {
	messages: Message[];
	has_before: boolean;
	has_after: boolean;
	as_of_rev: number;
}

export type Role = 'member' | 'admin' | 'owner';

export interface Draft {
	content: string;
	reply_to: Id | null;
	updated_at: Time;
}

/** What I have set for a conversation. */
export interface MySettings {
	notify: 'all' | 'mentions' | 'none';
	muted_until: Time | null;
	archived: boolean;
	pinned: boolean;
}

export interface Participant {
	user: User;
	role: Role;
	receipt_seq: number;
	delivered_seq: number;
}

export interface Conversation {
	id: Id;
	type: 'direct' | 'group';
	name: string | null;
	avatar_id?: Id | null;
	avatar_url?: string | null;
	peer?: User | null;
	created_at: Time;
	updated_at: Time;
	last_seq: number;
	last_rev: number;
	first_seq?: number;
	participant_count: number;
	history?: 'all' | 'joined';
	ttl_seconds?: number | null;
	retention_days?: number | null;
	slow_mode_seconds?: number | null;
	last_message: Message | null;
	unread_count: number;
	mention_count: number;
	my: {
		read_seq: number;
		unread_from: number | null;
		role: Role;
		pinned: boolean;
		archived: boolean;
		notify?: MySettings['notify'];
		muted_until?: Time | null;
		draft?: Draft | null;
	};
	participants?: Participant[];
}

/** What all members share of a conversation; name and avatar are null in a direct one. */
export interface ConversationShared {
	id: Id;
	type: 'direct' | 'group';
	name: string | null;
	avatar_id: Id | null;
	avatar_url: string | null;
	history: 'all' | 'joined';
	ttl_seconds: number | null;
	retention_days: number | null;
	slow_mode_seconds: number | null;
	participant_count: number;
	first_seq: number;
	updated_at: Time;
}

export interface ScheduledPlace {
	scheduled_id: Id;
	send_at: Time;
}

export interface Scheduled extends ScheduledPlace {
	conversation_id: Id;
	client_id: Id;
	created_at: Time;
	failed_at: Time | null;
	/** A code of the table of errors: why it was not sent. */
	failure: string | null;
	message_type: MessageType | null;
	content: string | null;
	reply_to: Id | null;
	forward_of: Id | null;
}

export interface GroupNew {
	name: string;
	participant_ids: Id[];
	avatar_id?: Id | null;
	history?: 'all' | 'joined';
}

export interface ConversationChange {
	name?: string;
	avatar_id?: Id | null;
	history?: 'all' | 'joined';
	ttl_seconds?: number | null;
	retention_days?: number | null;
	slow_mode_seconds?: number | null;
}

export interface Revision {
	version: number;
	content: string | null;
	mentions: Mention[];
	created_at: Time;
}

export interface Reactor {
	user: User;
	emojis: string[];
	reacted_at: Time;
}

export interface Receipt {
	user_id: Id;
	status: 'delivered' | 'read';
	delivered_at: Time | null;
	read_at: Time | null;
}

/** What a search found: a message, and where in its content the words are, as offset and length in code points. */
export interface SearchItem {
	message: Message;
	highlights: [number, number][];
}

/** `partial`: the time for one search was over; `next_cursor` goes on. */
export interface SearchPage extends Page<SearchItem> {
	partial: boolean;
}

export interface Page<T> {
	items: T[];
	next_cursor: string | null;
}

export interface Mark {
	user_id: Id;
	receipt_seq: number;
	delivered_seq: number;
}

export interface Head {
	id: Id;
	last_seq: number;
	last_rev: number;
	first_seq: number;
	read_seq: number;
	delivered_seq: number;
	unread_from?: number | null;
	unread_count: number;
	mention_count?: number;
	marks?: Mark[];
}

export type Availability = 'online' | 'away' | 'offline';

export interface Presence {
	user_id: Id;
	status: Availability;
	last_seen_at?: Time | null;
}

// Durable events. seq and rev are the counters of the conversation after the event.
interface InConversation {
	conversation_id: Id;
	seq: number;
	rev: number;
	timestamp?: Time;
}
export interface NewMessage extends InConversation {
	type: 'new_message';
	data: { message: Message };
}
export interface MessageChanged extends InConversation {
	type: 'message_edited' | 'message_deleted' | 'message_pinned' | 'message_unpinned';
	data: { message: Message };
}
/** user_id is null when the poll is anonymous. */
export interface PollVoted extends InConversation {
	type: 'poll_voted';
	data: { message: Message; user_id: Id | null };
}
export interface ReactionChanged extends InConversation {
	type: 'reaction_added' | 'reaction_removed';
	data: { message_id: Id; message_rev: number; user_id: Id; emoji: string; reactions: { emoji: string; count: number }[] };
}
export interface MemberAdded extends InConversation {
	type: 'member_added';
	data: { member: Participant; by: Id; participant_count: number };
}
export interface MemberRemoved extends InConversation {
	type: 'member_removed';
	data: { user_id: Id; by: Id; participant_count: number };
}
export interface ConversationUpdated extends InConversation {
	type: 'conversation_updated';
	data: { conversation: ConversationShared; changed: string[]; member?: { user_id: Id; role: Role } };
}
/** It begins for me here, whatever I had of it before. */
export interface ConversationCreated extends InConversation {
	type: 'conversation_created';
	data: { conversation: Conversation };
}
export interface Skipped extends InConversation {
	type: 'skipped';
}

interface Mine<Kind, Data> {
	type: 'user_changed';
	user_rev: number;
	kind: Kind;
	data: Data;
	timestamp?: Time;
}
/** My own stream: how things are now. */
export type UserChanged =
	| Mine<
			'read',
			{ conversation_id: Id; read_seq: number; unread_from: number | null; unread_count: number; mention_count: number }
	  >
	| Mine<'star', { message_id: Id; starred: boolean }>
	| Mine<'hidden', { message_id: Id }>
	| Mine<'draft', { conversation_id: Id; draft: Draft | null }>
	| Mine<'scheduled', { scheduled_id: Id; scheduled: Scheduled | null }>
	| Mine<'settings', { conversation_id: Id; my: MySettings }>
	| Mine<'block', { user_id: Id; blocked: boolean }>
	| Mine<'profile', { user: Me }>
	| Mine<'removed', { conversation_id: Id; seq: number; rev: number }>;
export type ConversationEvent =
	| NewMessage
	| MessageChanged
	| PollVoted
	| ReactionChanged
	| MemberAdded
	| MemberRemoved
	| ConversationUpdated
	| ConversationCreated
	| Skipped;
export type Durable = ConversationEvent | UserChanged;

// Everything else that the socket says.
export interface Welcome {
	type: 'welcome';
	user_id: Id;
	connection_id: string;
	server_time: Time;
	mode: 'resume' | 'fresh';
	heartbeat_seconds: number;
}
export interface Heads {
	type: 'heads';
	conversations: Head[];
	removed?: Id[];
	user: { last_rev: number };
}
export interface Batch {
	type: 'batch';
	count: number;
	events: Durable[];
	more: boolean;
}
export interface Live {
	type: 'live';
	since: string;
}
export interface Cursor {
	type: 'cursor';
	since: string;
}
export interface Retry {
	type: 'retry';
	attempt: number;
	events: Durable[];
}
export interface MarkMoved {
	type: 'message_read' | 'message_delivered';
	conversation_id: Id;
	data: { user_id: Id; seq: number };
}
export interface Typing {
	type: 'typing';
	conversation_id: Id;
	data: { user_id: Id; is_typing: boolean; kind?: string };
}
/** An upload that took long is ready, or has failed; without a message it is mine, and none has it. */
export interface AttachmentReady {
	type: 'attachment_ready';
	conversation_id: Id | null;
	data: { message_id: Id | null; attachment: Attachment };
}
export interface PresenceChanged {
	type: 'presence';
	data: Presence;
}
export interface Bye {
	type: 'bye';
	reason: string;
	reconnect_in_ms?: number;
}
export interface SocketError {
	type: 'error';
	id?: number;
	code: string;
	message: string;
	retry_after_ms?: number;
}
export type Frame =
	| Durable
	| Welcome
	| Heads
	| Batch
	| Live
	| Cursor
	| Retry
	| MarkMoved
	| Typing
	| PresenceChanged
	| AttachmentReady
	| SignalHeard
	| Bye
	| SocketError
	| { type: 'pong' }
	| { type: 'response'; id: number; status: number; body?: unknown };

/** Of a call: passed on as it is, to those who may hear me in the conversation. */
export interface Signal {
	/** Asks for a `response` with it. */
	id?: number;
	conversation_id: Id;
	call_id: string;
	kind: 'offer' | 'answer' | 'candidate' | 'hangup';
	/** Of offers and answers, for the record. */
	media?: 'audio' | 'video';
	/** Of a hangup before it was answered, for the record. */
	reason?: 'busy' | 'failed';
	to?: Id;
	payload: object;
}
export interface SignalHeard {
	type: 'signal';
	conversation_id: Id;
	data: {
		user_id: Id;
		call_id: string;
		kind: Signal['kind'];
		to: Id | null;
		media: 'audio' | 'video' | null;
		reason: 'busy' | 'failed' | null;
		payload: object;
	};
	timestamp: Time;
}
/** As RTCPeerConnection takes them. */
export interface IceServers {
	ice_servers: { urls: string[]; username?: string; credential?: string }[];
	ttl_seconds: number;
	expires_at: Time;
}

/** A place in a conversation's order. */
export interface Place {
	seq: number;
	rev: number;
}
