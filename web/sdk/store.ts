/*
 * What this device knows: conversations, messages, marks, presence, typing; and how frames change it. No I/O, no timers:
 * time comes in, and what must be fetched or asked goes out through `Wants`.
 *
 * Three places can be newer than each other: the list, a page of history, and the events. Each says what it covers (last_seq
 * and last_rev, as_of_rev, seq + rev), and nothing older ever replaces what is newer.
 */
import { expired, newest, react, seqOf } from './merge.ts';
import { Order } from './order.ts';
import type {
	Block,
	Conversation,
	ConversationEvent,
	ConversationUpdated,
	Draft,
	Durable,
	Head,
	Heads,
	Id,
	Mark,
	MarkMoved,
	Me,
	Message,
	MessagePage,
	MySettings,
	Participant,
	Place,
	Presence,
	ReactionChanged,
	Scheduled,
	Status,
	Typing,
	UserChanged,
} from './types.ts';

export const TYPING_MS = 5000;
const UNREAD_CAP = 100;
const KEPT_CHANGES = 500;
const EXPIRY_SOON_MS = 60_000; // until then the next frame is early enough to look again

/** What the store cannot know by itself. */
export interface Wants {
	/** A conversation that we do not have, or of which a number cannot be known here: load it. */
	conversation(id: Id): void;
	/** The history that was shown is no longer what I may see: load it again. */
	again(id: Id): void;
	/** What of this message is mine changed on another device: load it. */
	message(id: Id): void;
	/** A part of the screen has changed: 'list', 'presence', 'me', or 'c:<conversation>'. */
	changed(topic: string): void;
	/** One of my own messages is in the conversation now. */
	arrived(clientId: string): void;
	/** For the person: somebody said something just now. */
	heard(conversation: Room, message: Message): void;
}

/** One conversation on this device. */
export interface Room {
	id: Id;
	info: Conversation;
	place: Place;
	order: Order<ConversationEvent>;
	unread: number;
	/** Up to where `unread` was counted by the server: what came before is not counted again. */
	counted: Place;
	readSeq: number;
	/** I marked unread from here, whatever I have read. */
	unreadFrom: number | null;
	marks: Map<Id, { receipt: number; delivered: number }>;
	/** The end of the history, by seq, without holes that are not the server's. */
	messages: Message[];
	loaded: boolean;
	hasBefore: boolean;
	/** Latest form of messages that changed, for pages that were on their way meanwhile. */
	changes: Map<number, Message>;
	/** The latest reaction to each, likewise. */
	reactions: Map<number, ReactionChanged>;
	/** Deleted for me. */
	hidden: Set<number>;
	/** How often pins have changed while this was watched. */
	pinTurns: number;
	typing: Map<Id, number>;
}

export interface Asked {
	conversation: Id;
	place: Place;
}

const topicOf = (id: Id) => `c:${id}`;
const byActivity = (a: Room, b: Room) =>
	Number(b.info.my.pinned) - Number(a.info.my.pinned) ||
	activity(b).localeCompare(activity(a)) ||
	Number(b.id) - Number(a.id);
const activity = (room: Room) => room.info.last_message?.created_at ?? room.info.updated_at;

export class Store {
	readonly rooms = new Map<Id, Room>();
	readonly presence = new Map<Id, Presence>();
	/** Whom I block, and what I have scheduled, as far as this device has heard. */
	readonly blocked = new Set<Id>();
	readonly scheduled = new Map<Id, Scheduled>();
	/** Me, when that changed. */
	profile: Me | null = null;
	private strangers = new Map<Id, ConversationEvent[]>();
	/** Where I was removed: what comes from up to there is late, and not mine any more. */
	private gone = new Map<Id, number>();
	private user = new Order<UserChanged>(null);
	private heads = new Map<Id, Head>();
	private since: string | null = null;
	private laterSince: string | null = null;

	constructor(
		public me: Id,
		private readonly wants: Wants,
	) {}

	// ---- what is known -------------------------------------------------------------------------------------------------

	list(): Room[] {
		return [...this.rooms.values()].filter((room) => !room.info.my.archived).sort(byActivity);
	}

	archived(): Room[] {
		return [...this.rooms.values()].filter((room) => room.info.my.archived).sort(byActivity);
	}

	unreadTotal(): number {
		let total = 0;
		for (const room of this.rooms.values()) total += room.unread;
		return total;
	}

	/** Whom I talk with: until something was said, a direct conversation exists for one side only. */
	peers(): Id[] {
		const begun = this.list().filter((room) => room.place.seq > 0);
		return begun.map((room) => room.info.peer?.id).filter((id): id is Id => !!id && id !== this.me);
	}

	/** How far my message got: what the marks prove, or what the server said about it, whichever is further. */
	status(room: Room, message: Message): Status {
		const said = message.status ?? 'sent';
		const others = this.others(room);
		if (others.length === 0 || said === 'read') return said;
		const reach = (what: 'receipt' | 'delivered') =>
			others.every((id) => {
				const m = room.marks.get(id);
				return !!m && Math.max(m.receipt, m[what]) >= message.seq;
			});
		if (reach('receipt')) return 'read';
		return said === 'delivered' || reach('delivered') ? 'delivered' : 'sent';
	}

	private others(room: Room): Id[] {
		if (room.info.type === 'direct') return room.info.peer && room.info.peer.id !== this.me ? [room.info.peer.id] : [];
		const known = room.info.participants ?? [];
		return known.length < room.info.participant_count ? [] : known.map((p) => p.user.id).filter((id) => id !== this.me);
	}

	/** Where a new connection goes on: nothing is claimed that is not applied. */
	resume(limit = 200): { since: string | null; cursors: Record<Id, Place> } {
		const cursors: Record<Id, Place> = {};
		for (const room of this.list().slice(0, limit)) cursors[room.id] = { ...room.place };
		return { since: this.since, cursors };
	}

	// ---- what the server's REST replies say ----------------------------------------------------------------------------

	/** A conversation as the list or a single reply shows it. */
	adopt(info: Conversation, now: number): Room {
		let room = this.rooms.get(info.id);
		if (!room) {
			room = this.enter(info, { seq: info.last_seq, rev: info.last_rev }, now);
		} else if (info.last_seq + info.last_rev >= room.place.seq + room.place.rev) {
			this.refreshInfo(room, info);
		}
		if (info.participants) this.setMarks(room, info.participants.map(markOf));
		this.changed(room);
		return room;
	}

	private refreshInfo(room: Room, info: Conversation): void {
		room.info = { ...room.info, ...info, participants: info.participants ?? room.info.participants };
		if (info.my.read_seq < room.readSeq) return; // what I read here is not known there yet
		room.unread = info.unread_count;
		room.counted = { seq: info.last_seq, rev: info.last_rev };
		room.readSeq = info.my.read_seq;
		room.unreadFrom = info.my.unread_from;
	}

	private enter(info: Conversation, place: Place, now: number): Room {
		const room: Room = {
			id: info.id,
			info,
			place,
			order: new Order<ConversationEvent>(place.seq + place.rev),
			unread: info.unread_count,
			counted: { seq: info.last_seq, rev: info.last_rev },
			readSeq: info.my.read_seq,
			unreadFrom: info.my.unread_from,
			marks: new Map(),
			messages: [],
			loaded: false,
			hasBefore: true,
			changes: new Map(),
			reactions: new Map(),
			hidden: new Set(),
			pinTurns: 0,
			typing: new Map(),
		};
		this.rooms.set(info.id, room);
		const head = this.heads.get(info.id);
		if (head?.marks) this.setMarks(room, head.marks);
		const early = this.strangers.get(info.id) ?? [];
		this.strangers.delete(info.id);
		for (const event of early) this.inConversation(event, now);
		return room;
	}

	/**
	 * A page of history. False when it is older than changes that are no longer kept: then it must be fetched again.
	 * `latest`: the page is the end of the history.
	 */
	page(id: Id, page: MessagePage, latest: boolean): boolean {
		const room = this.rooms.get(id);
		if (!room) return true;
		if (page.as_of_rev < room.place.rev - KEPT_CHANGES) return false;
		const join = new Map(room.messages.map((m) => [m.seq, m]));
		for (const message of page.messages) if (!room.hidden.has(message.seq)) join.set(message.seq, this.latest(room, message));
		const first = room.messages[0]?.seq;
		room.messages = [...join.values()].sort((a, b) => a.seq - b.seq);
		const reachesBack = first === undefined || (page.messages[0]?.seq ?? Infinity) <= first;
		if (!latest || !room.loaded || reachesBack) room.hasBefore = page.has_before;
		room.loaded ||= latest;
		this.wants.changed(topicOf(id));
		return true;
	}

	/** A message of a page, with everything that came of it before and meanwhile. */
	private latest(room: Room, message: Message): Message {
		const held = room.messages.find((m) => m.seq === message.seq);
		const merged = newest(held, message, room.changes.get(message.seq));
		const reaction = room.reactions.get(message.seq);
		return reaction && reaction.data.message_rev > merged.rev ? react(merged, reaction, this.me) : merged;
	}

	/** The reply to my own sending; its event may come before or after. */
	sent(message: Message): void {
		if (message.client_id) this.wants.arrived(message.client_id);
		const room = this.rooms.get(message.conversation_id);
		if (!room) return;
		this.put(room, message, false);
		this.changed(room);
	}

	/** The reply to a deletion, when it carries the tombstone. */
	replaced(message: Message): void {
		const room = this.rooms.get(message.conversation_id);
		if (!room) return;
		this.change(room, message);
		this.changed(room);
	}

	/** What was asked of the server, shown before it answers: of the same age as what is there, so that any news replaces it. */
	guess(message: Message): void {
		const room = this.rooms.get(message.conversation_id);
		if (!room) return;
		const instead = (m: Message) => (m.seq === message.seq && m.rev <= message.rev ? message : m);
		room.messages = room.messages.map(instead);
		if (room.info.last_message) room.info = { ...room.info, last_message: instead(room.info.last_message) };
		this.changed(room);
	}

	/** My own side of a conversation, as I have just set it here. */
	setMine(id: Id, my: Partial<MySettings> & { draft?: Draft | null }): void {
		const room = this.rooms.get(id);
		if (!room) return;
		room.info = { ...room.info, my: { ...room.info.my, ...my } };
		this.changed(room);
	}

	setParticipants(id: Id, participants: Participant[]): void {
		const room = this.rooms.get(id);
		if (!room) return;
		room.info = { ...room.info, participants };
		this.setMarks(room, participants.map(markOf));
		this.changed(room);
	}

	setBlocked(user: Id, yes: boolean): void {
		if (yes) this.blocked.add(user);
		else this.blocked.delete(user);
		this.wants.changed('me');
	}

	setBlocks(blocks: Block[]): void {
		this.blocked.clear();
		for (const { user } of blocks) this.blocked.add(user.id);
		this.wants.changed('me');
	}

	setScheduled(items: Scheduled[]): void {
		this.scheduled.clear();
		for (const item of items) this.scheduled.set(item.scheduled_id, item);
		this.wants.changed('me');
	}

	/** I have read up to here on this device; the server is told by whoever calls. */
	readHere(room: Room, seq: number): void {
		if (seq > room.readSeq) room.readSeq = seq;
		room.unreadFrom = null;
		this.recount(room, room.unread);
		this.changed(room);
	}

	/** Drops what is far above the screen, so that a page open for weeks stays small. */
	trim(id: Id, keep: number): void {
		const room = this.rooms.get(id);
		if (!room || room.messages.length <= keep) return;
		room.messages = room.messages.slice(-keep);
		room.hasBefore = true;
		this.wants.changed(topicOf(id));
	}

	// ---- what the socket says ------------------------------------------------------------------------------------------

	/** Numbers may have been reused: nothing that was kept is worth anything. */
	reset(): void {
		this.rooms.clear();
		this.strangers.clear();
		this.gone.clear();
		this.presence.clear();
		this.heads.clear();
		this.blocked.clear();
		this.scheduled.clear();
		this.user = new Order<UserChanged>(null);
		this.since = this.laterSince = null;
		this.wants.changed('list');
	}

	takeHeads(frame: Heads, mode: 'resume' | 'fresh', now: number): void {
		this.heads = new Map(frame.conversations.map((head) => [head.id, head]));
		for (const id of frame.removed ?? []) this.leave(id);
		for (const head of frame.conversations) this.takeHead(head);
		if (mode === 'fresh' || this.user.at === null)
			this.user.moveTo(frame.user.last_rev, now).forEach((e) => this.mine(e));
		this.wants.changed('list');
	}

	private takeHead(head: Head): void {
		const room = this.rooms.get(head.id);
		if (!room) return;
		if (head.marks) this.setMarks(room, head.marks);
		const newer = head.last_seq + head.last_rev >= room.counted.seq + room.counted.rev;
		if (newer && head.read_seq >= room.readSeq) {
			room.readSeq = head.read_seq;
			room.unreadFrom = head.unread_from ?? null;
			room.unread = head.unread_count;
			room.counted = { seq: head.last_seq, rev: head.last_rev };
		}
		this.changed(room);
	}

	private leave(id: Id): void {
		this.rooms.delete(id);
		this.strangers.delete(id);
		this.wants.changed(topicOf(id));
		this.wants.changed('list');
	}

	/** It turned out not to be ours (any more). */
	dropRoom(id: Id): void {
		this.leave(id);
		this.settle();
	}

	/** Conversations that were read here without the server knowing. */
	unsaidReads(): Room[] {
		return [...this.rooms.values()].filter((room) => room.readSeq > (this.heads.get(room.id)?.read_seq ?? Infinity));
	}

	/** After `live`: conversations in which the heads were further than we are now. */
	behind(): Asked[] {
		const asked: Asked[] = [];
		for (const head of this.heads.values()) {
			const room = this.rooms.get(head.id);
			if (room && room.place.seq + room.place.rev < head.last_seq + head.last_rev) {
				asked.push({ conversation: room.id, place: { ...room.place } });
			}
		}
		return asked;
	}

	/** A newer resume point; kept back while anything before it is missing here. */
	setSince(since: string): void {
		this.laterSince = since;
		this.settle();
	}

	private settle(): void {
		if (this.laterSince === null || this.user.waiting || this.strangers.size > 0) return;
		for (const room of this.rooms.values()) if (room.order.waiting) return;
		this.since = this.laterSince;
		this.laterSince = null;
	}

	durable(event: Durable, now: number): void {
		if (event.type === 'user_changed') {
			for (const ready of this.user.offer(event.user_rev, event, now)) this.mine(ready);
		} else {
			this.inConversation(event, now);
		}
		this.settle();
	}

	private inConversation(event: ConversationEvent, now: number): void {
		const room = this.rooms.get(event.conversation_id);
		if (event.seq + event.rev <= (this.gone.get(event.conversation_id) ?? 0)) return;
		if (!room) return this.fromStranger(event, now);
		if (event.type === 'conversation_created' && event.seq + event.rev > room.place.seq + room.place.rev)
			return this.beginAgain(room, event, now);
		for (const ready of room.order.offer(event.seq + event.rev, event, now)) this.apply(room, ready);
	}

	/** I was removed and am back: what came between was not for me, and what was before may not be any more. */
	private beginAgain(old: Room, event: ConversationEvent & { type: 'conversation_created' }, now: number): void {
		this.rooms.delete(old.id);
		this.strangers.set(old.id, old.order.rest()); // from after the new beginning, perhaps
		const room = this.enter(event.data.conversation, { seq: event.seq, rev: event.rev }, now);
		this.changed(room);
		if (old.loaded) this.wants.again(room.id);
	}

	private fromStranger(event: ConversationEvent, now: number): void {
		if (event.type === 'conversation_created') {
			const room = this.enter(event.data.conversation, { seq: event.seq, rev: event.rev }, now);
			this.changed(room);
			return;
		}
		const early = this.strangers.get(event.conversation_id);
		if (early) {
			early.push(event);
		} else {
			this.strangers.set(event.conversation_id, [event]);
			this.wants.conversation(event.conversation_id);
		}
	}

	/** Conversations of which events came, but which could not be loaded yet. */
	unknown(): Id[] {
		return [...this.strangers.keys()];
	}

	/** It is not ours to see (any more). */
	forgetUnknown(id: Id): void {
		this.strangers.delete(id);
		this.settle();
	}

	private apply(room: Room, event: ConversationEvent): void {
		room.place = { seq: event.seq, rev: event.rev };
		this.take(room, event);
		this.changed(room);
	}

	private take(room: Room, event: ConversationEvent): void {
		switch (event.type) {
			case 'new_message':
				return this.newMessage(room, event.data.message);
			case 'message_deleted':
				return this.deleted(room, event.data.message);
			case 'message_pinned':
			case 'message_unpinned':
				room.pinTurns++;
				return this.change(room, event.data.message);
			case 'message_edited':
				return this.change(room, event.data.message);
			case 'poll_voted':
				this.change(room, event.data.message);
				if (event.data.user_id === this.me) this.wants.message(event.data.message.id);
				return;
			case 'reaction_added':
			case 'reaction_removed':
				return this.reacted(room, event);
			case 'member_added':
			case 'member_removed':
				return this.members(room, event);
			case 'conversation_updated':
				return this.updated(room, event);
		}
	}

	private reacted(room: Room, event: ReactionChanged): void {
		const { seq } = seqOf(event.data.message_id);
		keep(room.reactions, seq, event);
		room.messages = room.messages.map((m) => (m.seq === seq ? react(m, event, this.me) : m));
		const last = room.info.last_message;
		if (last?.seq === seq) room.info = { ...room.info, last_message: react(last, event, this.me) };
	}

	private members(room: Room, event: ConversationEvent & { type: 'member_added' | 'member_removed' }): void {
		const added = event.type === 'member_added' ? event.data.member : null;
		const id = added?.user.id ?? (event.type === 'member_removed' ? event.data.user_id : '');
		const known = room.info.participants;
		const others = known?.filter((p) => p.user.id !== id);
		room.info = { ...room.info, participant_count: event.data.participant_count };
		if (others) room.info.participants = added ? [...others, added] : others;
		if (added) this.setMarks(room, [markOf(added)]);
		else room.marks.delete(id);
		room.typing.delete(id);
	}

	private updated(room: Room, event: ConversationUpdated): void {
		const { name, avatar_id, avatar_url, ...rest } = event.data.conversation;
		const member = event.data.member;
		const info = { ...room.info, ...rest };
		if (info.type === 'group') Object.assign(info, { name, avatar_id, avatar_url });
		if (member) {
			info.participants = info.participants?.map((p) => (p.user.id === member.user_id ? { ...p, role: member.role } : p));
			if (member.user_id === this.me) info.my = { ...info.my, role: member.role };
		}
		room.info = info;
	}

	private newMessage(room: Room, message: Message): void {
		if (message.client_id && message.sender_id === this.me) this.wants.arrived(message.client_id);
		this.put(room, message, true);
		room.typing.delete(message.sender_id);
		if (message.sender_id === this.me || message.message_type === 'system') return;
		if (message.seq <= unreadAfter(room)) return;
		if (message.seq > room.counted.seq) {
			room.unread = Math.min(UNREAD_CAP, room.unread + 1);
			if (message.mentions.some((m) => m.user_id === this.me))
				room.info = { ...room.info, mention_count: Math.min(UNREAD_CAP, room.info.mention_count + 1) };
		}
		this.wants.heard(room, message);
	}

	/** `next`: it follows what was applied, so only replies that overtook it can be after it. Otherwise it may be far above the part we hold. */
	private put(room: Room, message: Message, next: boolean): void {
		const at = room.messages.findIndex((m) => m.seq >= message.seq);
		if (at < 0) room.messages = [...room.messages, message];
		else if (room.messages[at]!.seq === message.seq)
			room.messages = replaceAt(room.messages, at, newest(room.messages[at], message));
		else if (at > 0 || next) room.messages = [...room.messages.slice(0, at), message, ...room.messages.slice(at)];
		const last = room.info.last_message;
		if (!last || message.seq >= last.seq)
			room.info = { ...room.info, last_message: newest(last?.seq === message.seq ? last : undefined, message) };
	}

	private deleted(room: Room, message: Message): void {
		const unread = message.seq > unreadAfter(room) && message.sender_id !== this.me && room.place.rev > room.counted.rev;
		if (unread && room.unread < UNREAD_CAP) room.unread = Math.max(0, room.unread - 1);
		this.change(room, message);
	}

	private change(room: Room, message: Message): void {
		keep(room.changes, message.seq, message);
		const at = room.messages.findIndex((m) => m.seq === message.seq);
		if (at >= 0) room.messages = replaceAt(room.messages, at, newest(room.messages[at], message));
		const last = room.info.last_message;
		if (last?.seq === message.seq) room.info = { ...room.info, last_message: newest(last, message) };
	}

	private mine(event: UserChanged): void {
		switch (event.kind) {
			case 'removed':
				return this.removed(event.data);
			case 'star':
				return this.starred(event.data.message_id, event.data.starred);
			case 'hidden':
				return this.hide(event.data.message_id);
			case 'block':
				return this.setBlocked(event.data.user_id, event.data.blocked);
			case 'scheduled':
				if (event.data.scheduled) this.scheduled.set(event.data.scheduled_id, event.data.scheduled);
				else this.scheduled.delete(event.data.scheduled_id);
				return this.wants.changed('me');
			case 'profile':
				this.profile = event.data.user;
				return this.wants.changed('me');
			default:
				return this.ofRoom(event);
		}
	}

	private ofRoom(event: UserChanged & { kind: 'read' | 'draft' | 'settings' }): void {
		const room = this.rooms.get(event.data.conversation_id);
		if (!room) return;
		if (event.kind === 'draft') room.info = { ...room.info, my: { ...room.info.my, draft: event.data.draft } };
		else if (event.kind === 'settings') room.info = { ...room.info, my: { ...room.info.my, ...event.data.my } };
		else {
			room.readSeq = Math.max(room.readSeq, event.data.read_seq);
			room.unreadFrom = event.data.unread_from;
			room.info = { ...room.info, mention_count: event.data.mention_count };
			this.recount(room, event.data.unread_count);
		}
		this.changed(room);
	}

	/** Unless what I have is from after it: I may be a member again. */
	private removed(data: { conversation_id: Id; seq: number; rev: number }): void {
		const id = data.conversation_id;
		const room = this.rooms.get(id);
		this.gone.set(id, data.seq + data.rev);
		if (room && room.place.seq + room.place.rev >= data.seq + data.rev) return;
		const early = room?.order.rest() ?? this.strangers.get(id) ?? [];
		this.leave(id);
		for (const event of early) this.inConversation(event, 0); // what comes from after it begins it again
	}

	starred(id: Id, starred: boolean): void {
		const { conversation, seq } = seqOf(id);
		const room = this.rooms.get(conversation);
		if (!room) return;
		room.messages = room.messages.map((m) => (m.seq === seq ? { ...m, starred } : m));
		this.changed(room);
	}

	/** Deleted for me. */
	hide(id: Id): void {
		const { conversation, seq } = seqOf(id);
		const room = this.rooms.get(conversation);
		if (!room) return;
		room.hidden.add(seq);
		this.takeAway(room, (m) => m.seq === seq);
		if (seq > room.readSeq && !this.countable(room)) this.wants.conversation(room.id);
		this.changed(room);
	}

	/** Messages that I no longer see, without a trace. */
	private takeAway(room: Room, gone: (message: Message) => boolean): void {
		room.messages = room.messages.filter((m) => !gone(m));
		const last = room.info.last_message;
		if (last && gone(last)) {
			room.info = { ...room.info, last_message: room.messages[room.messages.length - 1] ?? null };
			if (room.messages.length === 0 && (room.hasBefore || !room.loaded)) this.wants.conversation(room.id);
		}
		if (room.unread > 0) this.recount(room, room.unread);
	}

	/** Counts what is unread from what is loaded, if that reaches back far enough; otherwise believes `said`. */
	private recount(room: Room, said: number): void {
		if (room.unreadFrom === null && room.readSeq >= room.place.seq) room.unread = 0;
		else room.unread = this.countable(room) ? countUnread(room, this.me) : said;
		if (room.unread === 0 && room.info.mention_count > 0) room.info = { ...room.info, mention_count: 0 };
	}

	private countable(room: Room): boolean {
		const first = room.messages[0]?.seq;
		return room.loaded && (!room.hasBefore || (first !== undefined && first <= unreadAfter(room) + 1));
	}

	markMoved(frame: MarkMoved): void {
		const room = this.rooms.get(frame.conversation_id);
		if (!room) return;
		const mark = room.marks.get(frame.data.user_id) ?? { receipt: 0, delivered: 0 };
		const which = frame.type === 'message_read' ? 'receipt' : 'delivered';
		if (frame.data.seq <= mark[which]) return;
		room.marks.set(frame.data.user_id, { ...mark, [which]: frame.data.seq });
		this.changed(room);
	}

	private setMarks(room: Room, marks: Mark[]): void {
		for (const { user_id, receipt_seq, delivered_seq } of marks) {
			const mark = room.marks.get(user_id) ?? { receipt: 0, delivered: 0 };
			const receipt = Math.max(mark.receipt, receipt_seq);
			room.marks.set(user_id, { receipt, delivered: Math.max(mark.delivered, delivered_seq, receipt) });
		}
	}

	setTyping(frame: Typing, now: number): void {
		const room = this.rooms.get(frame.conversation_id);
		if (!room || frame.data.user_id === this.me) return;
		if (frame.data.is_typing) room.typing.set(frame.data.user_id, now + TYPING_MS);
		else room.typing.delete(frame.data.user_id);
		this.changed(room);
	}

	setPresence(presence: Presence): void {
		this.presence.set(presence.user_id, { ...this.presence.get(presence.user_id), ...presence });
		this.wants.changed('presence');
	}

	/** Nobody's presence is known while we are not connected. */
	forgetPresence(): void {
		this.presence.clear();
		for (const room of this.rooms.values()) room.typing.clear();
		this.wants.changed('presence');
		this.wants.changed('list');
	}

	/** Whether tick() has anything to wait for. */
	timed(): boolean {
		if (this.user.waiting) return true;
		for (const room of this.rooms.values()) if (room.order.waiting || room.typing.size > 0) return true;
		return this.nextExpiry() - Date.now() < EXPIRY_SOON_MS;
	}

	/** What time alone changes. `ask`: holes to be filled by `sync`; `reload`, `restart`: asking has not helped. */
	tick(now: number): { ask: Asked[]; reload: Id[]; restart: boolean } {
		const ask: Asked[] = [],
			reload: Id[] = [];
		for (const room of this.rooms.values()) {
			this.expireTyping(room, now);
			this.expireMessages(room, Date.now());
			const overdue = room.order.overdue(now);
			if (overdue === 'ask') ask.push({ conversation: room.id, place: { ...room.place } });
			if (overdue === 'give_up') reload.push(room.id);
		}
		return { ask, reload, restart: this.user.overdue(now) !== 'no' };
	}

	private expireTyping(room: Room, now: number): void {
		let gone = false;
		for (const [id, until] of room.typing) if (until <= now) gone = room.typing.delete(id);
		if (gone) this.changed(room);
	}

	/** Messages disappear by the clock; no event says so. */
	expireMessages(room: Room, wall: number): void {
		if (!room.messages.some((m) => expired(m, wall))) return;
		this.takeAway(room, (m) => expired(m, wall));
		this.changed(room);
	}

	private nextExpiry(): number {
		let next = Infinity;
		for (const room of this.rooms.values())
			for (const m of room.messages) if (m.expires_at) next = Math.min(next, Date.parse(m.expires_at));
		return next;
	}

	/** What is held of a conversation is dropped, and it starts over from the server's present state. */
	restartRoom(info: Conversation, now: number): Room {
		this.rooms.delete(info.id);
		this.strangers.delete(info.id);
		const room = this.adopt(info, now);
		this.settle();
		return room;
	}

	private changed(room: Room): void {
		this.wants.changed(topicOf(room.id));
		this.wants.changed('list');
	}
}

const markOf = (p: Participant): Mark => ({
	user_id: p.user.id,
	receipt_seq: p.receipt_seq,
	delivered_seq: p.delivered_seq,
});

function replaceAt<T>(items: T[], at: number, item: T): T[] {
	const copy = items.slice();
	copy[at] = item;
	return copy;
}

function keep<T>(kept: Map<number, T>, seq: number, item: T): void {
	kept.delete(seq);
	kept.set(seq, item);
	if (kept.size > KEPT_CHANGES) kept.delete(kept.keys().next().value as number);
}

const unreadAfter = (room: Room) => (room.unreadFrom === null ? room.readSeq : room.unreadFrom - 1);

function countUnread(room: Room, me: Id): number {
	const unread = room.messages.filter(
		(m) => m.seq > unreadAfter(room) && m.sender_id !== me && !m.deleted_at && m.message_type !== 'system',
	);
	return Math.min(UNREAD_CAP, unread.length);
}
