/*
 * Calls between two people: they ring on every device, one answers, and a connection that breaks is mended. Sound, pictures and data go
 * from browser to browser; signals go over the socket of a Peal.
 *
 *     const calls = new Calls(peal, { changed: show, prepare: (call, pc) => stream.getTracks().forEach((t) => pc.addTrack(t, stream)) });
 *     await calls.call(conversation, { video: true });          there: calls.current?.state === 'ringing', then calls.answer()
 *
 * Frames of one person come to all devices in the same order, so of two devices that answer the first one heard has the call, for all.
 * Every signal bears the device that sent it; who has missed some hears the offer again, and whoever answered answers again.
 */
import type { Peal } from './client.ts';
import { systemClock, uniqueId, type Clock } from './clock.ts';
import type { Frame, IceServers, Id, Signal, SignalHeard } from './types.ts';

export type CallState = 'calling' | 'ringing' | 'connecting' | 'connected' | 'ended';
export type CallEnd =
	| 'hung_up' // by either side, after it was answered
	| 'declined'
	| 'busy'
	| 'missed' // nobody answered, or whoever called gave up
	| 'elsewhere' // another device of mine answered or declined
	| 'theirs' // both called at once: the other call goes on, and is `current` now
	| 'failed'; // no connection

const REPEAT_MS = 4000;
const RING_MS = 60_000;
const SILENT_MS = 3 * REPEAT_MS + 2000; // no offer for so long: the device that called has gone
const GATHER_MS = 50; // candidates go together
const MEND_EVERY_MS = 5000;
const MEND_MS = 30_000;
const TICK_MS = 500;
const FIRST_ID = 2 ** 40; // of frames that want an answer

/** What is in a payload. `n` counts the offers of a side; an answer says which one it is for. */
interface Said {
	device: string;
	for?: string;
	n?: number;
	sdp?: RTCSessionDescriptionInit;
	candidates?: RTCIceCandidateInit[];
	missed?: true; // was away for a moment: say your candidates again
}

const OVER = new Error('the call is over');

/** What comes of it, unless the call ends before. */
const during = <T>(call: Call, work: Promise<T>): Promise<T> => Promise.race([work, call.gone]);

export interface CallOptions {
	/** Something about a call is different; `calls.current` says whether it is the one that goes on. */
	changed(call: Call): void;
	/** Before the connection is made, on both sides: add tracks and channels, listen for theirs. */
	prepare?(call: Call, pc: RTCPeerConnection): void | Promise<void>;
	/** 'relay': by TURN servers only, so that nobody learns an address. */
	policy?: RTCIceTransportPolicy;
	clock?: Clock;
}

export class Call {
	state: CallState;
	end: CallEnd | null = null;
	pc: RTCPeerConnection | null = null;
	/** @internal */ device: string | null = null; // theirs
	/** @internal */ offer: RTCSessionDescriptionInit | null = null; // theirs, while it rings
	/** @internal */ early: RTCIceCandidateInit[] = []; // before there is anything to add them to
	/** @internal */ gathered: RTCIceCandidateInit[] = [];
	/** @internal */ found: RTCIceCandidateInit[] = []; // all of them
	/** @internal */ n = { mine: 0, theirs: 0 };
	/** @internal */ making = false;
	/** @internal */ mine = false; // nobody was before me
	/** @internal */ passed: boolean | null = null; // my first offer: null while nothing is known
	/** @internal */ rival: SignalHeard | null = null;
	/** @internal */ over!: () => void;
	/** @internal What a connection is asked while it closes is never answered: rejects when the call has ended. */
	readonly gone: Promise<never>;
	/** @internal */ at: { began: number; heard: number; repeated: number; broke: number | null; mended: number };

	constructor(
		readonly id: string,
		readonly conversation: Id,
		readonly outgoing: boolean,
		readonly video: boolean,
		now: number,
	) {
		this.state = outgoing ? 'calling' : 'ringing';
		this.gone = new Promise((_, reject) => (this.over = () => reject(OVER)));
		this.gone.catch(() => undefined);
		this.at = { began: now, heard: now, repeated: now, broke: null, mended: 0 };
	}
}

export class Calls {
	current: Call | null = null;
	private readonly device = uniqueId();
	private readonly clock: Clock;
	private over = new Set<string>(); // what comes late begins nothing
	private unsent: Signal[] = [];
	private asked = new Map<number, (status: number) => void>();
	private nextId = FIRST_ID;
	private turn: Promise<unknown> = Promise.resolve();

	constructor(
		private readonly peal: Peal,
		private readonly options: CallOptions,
	) {
		this.clock = options.clock ?? systemClock;
		peal.tap = (frame) => this.hear(frame);
	}

	// ---- what a person does --------------------------------------------------------------------------------------------

	/** Answers, when the other side is calling already. */
	async call(conversation: Id, { video = false } = {}): Promise<Call> {
		const ringing = this.current;
		if (ringing?.state === 'ringing' && ringing.conversation === conversation) {
			await this.answer(ringing);
			return ringing;
		}
		if (this.current) throw new Error('there is a call already');
		const call = this.begin(new Call(uniqueId(), conversation, true, video, this.clock.now()));
		await this.trying(call, async () => {
			const pc = await this.open(call);
			await during(call, pc.setLocalDescription());
			this.offers(call);
		});
		return call;
	}

	async answer(call = this.current): Promise<void> {
		if (!call || call.state !== 'ringing') return;
		this.becomes(call, 'connecting');
		await this.trying(call, async () => {
			const pc = await this.open(call);
			await during(call, pc.setRemoteDescription(call.offer!));
			await this.addEarly(call);
			await during(call, pc.setLocalDescription());
			this.answers(call);
		});
	}

	decline(call = this.current): void {
		if (call?.state === 'ringing') this.leave(call, 'declined');
	}

	hangUp(call = this.current): void {
		if (call && call.state !== 'ended') this.leave(call, call.state === 'calling' ? 'missed' : 'hung_up');
	}

	// ---- saying --------------------------------------------------------------------------------------------------------

	private say(call: Call, kind: Signal['kind'], said: Partial<Said>, more: Partial<Signal> = {}): void {
		const payload: Said = { device: this.device, ...said };
		if (call.device) payload.for = call.device;
		const frame: Signal = { conversation_id: call.conversation, call_id: call.id, kind, payload, ...more };
		if (kind === 'offer' || kind === 'answer') frame.media = call.video ? 'video' : 'audio';
		this.send(frame);
	}

	private send(frame: Signal): void {
		if (!this.peal.socket?.send({ type: 'signal', ...frame })) this.unsent.push(frame);
	}

	/** `again`: the one that was said before, with what was found since. */
	private offers(call: Call, again = false): void {
		const id = this.nextId++;
		if (!again) call.n.mine++;
		if (call.state === 'calling') this.asked.set(id, (status) => this.offered(call, status));
		this.say(call, 'offer', { sdp: here(call), n: call.n.mine }, { id });
	}

	private answers(call: Call): void {
		this.say(call, 'answer', { sdp: here(call), n: call.n.theirs });
	}

	private leave(call: Call, end: CallEnd, reason?: Signal['reason']): void {
		if (call.state === 'ended') return;
		this.say(call, 'hangup', {}, reason ? { reason } : {});
		this.finish(call, end);
	}

	/** What could not be said without a connection; and what was said meanwhile, nobody keeps. Offers are said again anyway. */
	private flush(): void {
		const all = this.unsent;
		this.unsent = [];
		for (const frame of all)
			if (frame.kind === 'hangup' || frame.call_id === this.current?.id) this.send(frame);
		const call = this.current;
		if (call?.state === 'ringing' || call?.state === 'connecting') this.say(call, 'candidate', { missed: true });
	}

	// ---- hearing -------------------------------------------------------------------------------------------------------

	private hear(frame: Frame): void {
		if (frame.type === 'signal') this.queue(() => this.heard(frame));
		else if (frame.type === 'response') this.told(frame.id, frame.status);
		else if (frame.type === 'error' && frame.id !== undefined) this.told(frame.id, 500);
		else if (frame.type === 'live') this.flush();
		else if (frame.type === 'batch' || frame.type === 'retry') for (const event of frame.events) this.noticed(event);
		else this.noticed(frame);
	}

	/** One signal after the other: a description takes a moment to be taken in. */
	private queue(take: () => Promise<void> | void): void {
		this.turn = this.turn.then(take).catch((error) => {
			if (error !== OVER && this.current) this.breaks(this.current);
		});
	}

	private told(id: number, status: number): void {
		const then = this.asked.get(id);
		this.asked.delete(id);
		then?.(status);
	}

	/** The server says that it is over, or I have blocked them, or am no longer there. */
	private noticed(frame: Frame): void {
		const call = this.current;
		if (!call) return;
		if (frame.type === 'new_message' && frame.data.message.call?.call_id === call.id) {
			const { outcome } = frame.data.message.call;
			this.finish(call, outcome === 'completed' ? 'hung_up' : outcome);
		} else if (frame.type === 'user_changed' && frame.kind === 'removed' && frame.data.conversation_id === call.conversation)
			this.finish(call, 'hung_up');
		else if (frame.type === 'user_changed' && frame.kind === 'block' && frame.data.blocked && frame.data.user_id === this.peerOf(call))
			this.leave(call, 'hung_up');
	}

	private peerOf(call: Call): Id | undefined {
		return this.peal.store.rooms.get(call.conversation)?.info.peer?.id;
	}

	private async heard(frame: SignalHeard): Promise<void> {
		const { data } = frame;
		const said = data.payload as Said;
		const call = this.current?.id === data.call_id ? this.current : null;
		if (data.user_id === this.peal.store.me) {
			if (call) this.heardMine(call, data.kind, said.device);
			return;
		}
		if (!said.device || (said.for && said.for !== this.device)) return;
		if (!call) {
			if (data.kind === 'offer' && said.sdp && !this.over.has(data.call_id)) this.rings(frame, said);
			return;
		}
		if (call.device && call.device !== said.device && data.kind !== 'hangup') return; // of a device that came too late
		if (data.kind === 'offer') await this.heardOffer(call, said);
		else if (data.kind === 'answer') await this.heardAnswer(call, said);
		else if (data.kind === 'candidate' && said.missed) this.say(call, 'candidate', { candidates: call.found });
		else if (data.kind === 'candidate') await this.addCandidates(call, said.candidates ?? []);
		else this.heardHangup(call, data.reason);
	}

	/** What I said on this device comes back, what I said on another one too. */
	private heardMine(call: Call, kind: Signal['kind'], device: string): void {
		if (device === this.device) {
			if (kind === 'answer') call.mine = true;
		} else if (kind === 'hangup') this.finish(call, call.state === 'ringing' ? 'elsewhere' : 'hung_up');
		else if (kind === 'answer' && !call.outgoing && !call.mine) this.finish(call, 'elsewhere');
	}

	private rings(frame: SignalHeard, said: Said): void {
		const { conversation_id, data } = frame;
		if (this.peal.store.rooms.get(conversation_id)?.info.type === 'group') return;
		const now = this.clock.now();
		if (this.current) {
			if (this.current.state === 'calling' && this.current.conversation === conversation_id) this.bothCall(this.current, frame);
			else this.say(new Call(data.call_id, conversation_id, false, false, now), 'hangup', { for: said.device }, { reason: 'busy' });
			return;
		}
		const call = new Call(data.call_id, conversation_id, false, data.media === 'video', now);
		call.device = said.device;
		call.offer = said.sdp!;
		call.n.theirs = said.n ?? 1;
		this.begin(call);
	}

	private async heardOffer(call: Call, said: Said): Promise<void> {
		const n = said.n ?? 0;
		call.at.heard = this.clock.now();
		if (call.state === 'ringing') {
			call.offer = said.sdp ?? call.offer;
			return;
		}
		const pc = call.pc;
		if (!pc || !said.sdp || call.state === 'calling') return;
		if (n <= call.n.theirs) {
			if (pc.signalingState === 'stable' && pc.localDescription?.type === 'answer') this.answers(call); // they have not heard it
			return;
		}
		if (call.outgoing && (call.making || pc.signalingState !== 'stable')) return; // mine goes first; they take theirs back
		call.n.theirs = n;
		await during(call, pc.setRemoteDescription(said.sdp));
		await this.addEarly(call);
		await during(call, pc.setLocalDescription());
		this.answers(call);
	}

	private async heardAnswer(call: Call, said: Said): Promise<void> {
		const pc = call.pc;
		if (!pc || !said.sdp || said.n !== call.n.mine || pc.signalingState !== 'have-local-offer') return;
		call.device = said.device;
		if (call.state === 'calling') this.becomes(call, 'connecting');
		await during(call, pc.setRemoteDescription(said.sdp));
		await this.addEarly(call);
	}

	private heardHangup(call: Call, reason: string | null): void {
		if (call.state === 'calling') this.finish(call, reason === 'busy' || reason === 'failed' ? reason : 'declined');
		else this.finish(call, call.state === 'ringing' ? 'missed' : reason === 'failed' ? 'failed' : 'hung_up');
	}

	// ---- both call at once ---------------------------------------------------------------------------------------------

	private offered(call: Call, status: number): void {
		if (call.state !== 'calling') return;
		if (status === 204 || status === 409) call.passed = status === 204;
		else if (status === 400 || status === 403 || status === 404) return this.finish(call, 'failed'); // anything else: it is said again
		if (call.rival) this.bothCall(call, call.rival);
	}

	/** The server lets one of the two through. Mine was refused, or was not heard there: theirs it is, and I want to talk. */
	private bothCall(call: Call, theirs: SignalHeard): void {
		call.rival = theirs;
		if (call.passed === null) return;
		if (call.passed) this.leave(call, 'theirs');
		else this.finish(call, 'theirs');
		this.rings(theirs, theirs.data.payload as Said);
		void this.answer();
	}

	// ---- the connection ------------------------------------------------------------------------------------------------

	private async open(call: Call): Promise<RTCPeerConnection> {
		const config: RTCConfiguration = { iceServers: await during(call, this.servers()) };
		if (this.options.policy) config.iceTransportPolicy = this.options.policy;
		const pc = new RTCPeerConnection(config);
		call.pc = pc;
		pc.onicecandidate = ({ candidate }) => candidate && this.gathers(call, candidate.toJSON());
		pc.onconnectionstatechange = () => this.connectionIs(call, pc.connectionState);
		pc.onnegotiationneeded = () => this.queue(() => this.renegotiate(call));
		await during(call, Promise.resolve(this.options.prepare?.(call, pc)));
		return pc;
	}

	private async servers(): Promise<IceServers['ice_servers']> {
		return (await this.peal.rest.iceServers()).ice_servers;
	}

	/** Tracks were added or taken away, or ways have to be found anew. */
	private async renegotiate(call: Call): Promise<void> {
		const pc = call.pc;
		if (!pc || (call.state !== 'connecting' && call.state !== 'connected') || pc.signalingState !== 'stable') return;
		call.making = true;
		try {
			await during(call, pc.setLocalDescription());
			if (pc.localDescription?.type === 'offer') this.offers(call);
		} finally {
			call.making = false;
		}
	}

	private gathers(call: Call, candidate: RTCIceCandidateInit): void {
		call.found.push(candidate);
		call.gathered.push(candidate);
		if (call.gathered.length > 1) return;
		this.clock.after(GATHER_MS, () => {
			const candidates = call.gathered;
			call.gathered = [];
			if (call.state !== 'ended') this.say(call, 'candidate', { candidates });
		});
	}

	private async addCandidates(call: Call, candidates: RTCIceCandidateInit[]): Promise<void> {
		if (!call.pc?.remoteDescription) {
			call.early.push(...candidates);
			return;
		}
		const { pc } = call;
		for (const candidate of candidates) await during(call, pc.addIceCandidate(candidate).catch(() => undefined)); // of an offer taken back
	}

	private async addEarly(call: Call): Promise<void> {
		const early = call.early;
		call.early = [];
		await this.addCandidates(call, early);
	}

	private connectionIs(call: Call, state: RTCPeerConnectionState): void {
		if (call.state === 'ended') return;
		if (state === 'connected') {
			call.at.broke = null;
			this.becomes(call, 'connected');
		} else if (state === 'failed') this.breaks(call);
	}

	/** Whoever called looks for another way; both give up after a while. */
	private breaks(call: Call): void {
		if (call.state === 'ended' || call.state === 'calling' || call.state === 'ringing') return;
		call.at.broke ??= this.clock.now();
		this.becomes(call, 'connecting');
	}

	private async mend(call: Call): Promise<void> {
		call.at.mended = this.clock.now();
		const iceServers = await this.servers();
		if (!call.pc) return;
		call.pc.setConfiguration({ ...call.pc.getConfiguration(), iceServers });
		if (call.pc.signalingState === 'have-local-offer') this.offers(call, true);
		else call.pc.restartIce();
	}

	// ---- life ----------------------------------------------------------------------------------------------------------

	private begin(call: Call): Call {
		this.current = call;
		this.options.changed(call);
		this.clock.after(TICK_MS, () => this.tick(call));
		return call;
	}

	private becomes(call: Call, state: CallState): void {
		if (call.state === state || call.state === 'ended') return;
		call.state = state;
		this.options.changed(call);
	}

	private finish(call: Call, end: CallEnd): void {
		if (call.state === 'ended') return;
		call.over();
		call.pc?.close();
		call.pc = null;
		call.end = end;
		this.over.add(call.id);
		if (this.current === call) this.current = null;
		this.becomes(call, 'ended');
	}

	private async trying(call: Call, fn: () => Promise<void>): Promise<void> {
		try {
			await fn();
		} catch (error) {
			if (call.state === 'ended') return;
			this.leave(call, 'failed', 'failed');
			throw error;
		}
	}

	private tick(call: Call): void {
		if (call.state === 'ended') return;
		const now = this.clock.now();
		const { at } = call;
		if (call.state === 'calling') this.goOnCalling(call, now);
		else if (call.state === 'ringing' && now - at.heard > SILENT_MS) this.finish(call, 'missed');
		else if (at.broke !== null && now - at.broke > MEND_MS) this.leave(call, 'failed', 'failed');
		else if (at.broke !== null && call.outgoing && now - at.mended > MEND_EVERY_MS) void this.mend(call).catch(() => undefined);
		this.clock.after(TICK_MS, () => this.tick(call));
	}

	/** Whoever opens their app now hears it too; and so does whoever answered, and was not heard. */
	private goOnCalling(call: Call, now: number): void {
		if (call.passed === false && now - call.at.began > SILENT_MS) return this.finish(call, 'failed');
		if (now - call.at.began > RING_MS) return this.leave(call, 'missed');
		if (call.passed === false || !call.n.mine || now - call.at.repeated < REPEAT_MS) return;
		call.at.repeated = now;
		this.offers(call, true);
	}
}

/** As it is by now, with the candidates that were found. */
function here(call: Call): RTCSessionDescriptionInit {
	const { type, sdp } = call.pc!.localDescription!;
	return { type, sdp };
}
