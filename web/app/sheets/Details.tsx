// A conversation from the side: who, my own settings, its rules, its members.
import { useEffect, useState } from 'preact/hooks';
import type { Id, MySettings, Room } from '../../sdk/index.ts';
import { Confirm } from '../Confirm.tsx';
import { displayName, exactTime, lastSeen, userName } from '../format.ts';
import { isAdmin, peerOf } from '../names.ts';
import { attempt, goHome, lay, liftAll, peal, watch, watchRoom } from '../state.ts';
import { AvatarField } from './AvatarField.tsx';
import { Members } from './Members.tsx';
import { Rules } from './Rules.tsx';
import { Sheet } from './Sheet.tsx';

export function Details({ id }: { id: Id }) {
	watchRoom(id);
	const room = peal.store.rooms.get(id);
	useEffect(() => () => peal.watchPeople([]), []);
	if (!room) return <Sheet title="Details">This conversation is gone.</Sheet>;
	const group = room.info.type === 'group';
	return (
		<Sheet title={group ? 'Group' : 'Details'}>
			{group ? <GroupHead room={room} /> : <PersonHead room={room} />}
			<Mine room={room} />
			<Rules room={room} />
			{group && <Members room={room} />}
			<Ending room={room} />
		</Sheet>
	);
}

function GroupHead({ room }: { room: Room }) {
	watchRoom(room.id);
	const [name, setName] = useState(room.info.name ?? '');
	useEffect(() => setName(room.info.name ?? ''), [room.info.name]);
	const admin = isAdmin(room);
	const change = async (what: { name: string } | { avatar_id: Id | null }) => {
		peal.store.adopt(await peal.rest.changeConversation(room.id, what), Date.now());
	};
	const said = name.trim();
	return (
		<>
			<AvatarField
				id={room.id}
				name={displayName(room.info)}
				url={room.info.avatar_url}
				{...(admin ? { onPick: (picked) => change({ avatar_id: picked?.id ?? null }) } : {})}
			/>
			{admin ? (
				<form
					class="field with-button"
					onSubmit={(e) => {
						e.preventDefault();
						void attempt('Renaming', () => change({ name: said }));
					}}
				>
					<input aria-label="Name of the group" value={name} maxLength={100} dir="auto" onInput={(e) => setName(e.currentTarget.value)} />
					{said !== '' && said !== room.info.name && (
						<button type="submit" class="primary">
							Rename
						</button>
					)}
				</form>
			) : (
				<p class="head-name">{displayName(room.info)}</p>
			)}
		</>
	);
}

function PersonHead({ room }: { room: Room }) {
	watch('presence');
	const { peer } = room.info;
	const presence = peer && peal.store.presence.get(peer.id);
	return (
		<>
			<AvatarField id={peer?.id ?? room.id} name={displayName(room.info)} url={peer?.avatar_url} />
			<p class="head-name">{displayName(room.info)}</p>
			<p class="head-note">
				@{peer?.username}
				{presence && ` · ${lastSeen(presence)}`}
			</p>
			{peer?.status_text && <p class="head-note">{peer.status_text}</p>}
		</>
	);
}

const HOUR = 3_600_000;
const MUTES: [string, number][] = [
	['for an hour', HOUR],
	['for 8 hours', 8 * HOUR],
	['for a week', 168 * HOUR],
];

function Mine({ room }: { room: Room }) {
	watchRoom(room.id);
	const { my } = room.info;
	const muted = !!my.muted_until && Date.parse(my.muted_until) > Date.now();
	const set = (change: Partial<MySettings>) => void attempt('Changing', () => peal.act.settings(room.id, change));
	const mute = (ms: string) => set({ muted_until: ms === '' ? null : new Date(Date.now() + Number(ms)).toISOString() });
	const toggle = (name: string, key: 'pinned' | 'archived') => (
		<label class="switch">
			<span>{name}</span>
			<input type="checkbox" role="switch" checked={my[key]} onChange={(e) => set({ [key]: e.currentTarget.checked })} />
		</label>
	);
	return (
		<>
			<h3>For me</h3>
			<label class="switch">
				<span>
					Muted
					{muted && <small>until {exactTime(my.muted_until!)}</small>}
				</span>
				<select value={muted ? 'is' : ''} onChange={(e) => mute(e.currentTarget.value)}>
					<option value="">no</option>
					{muted && (
						<option value="is" disabled>
							yes
						</option>
					)}
					{MUTES.map(([name, ms]) => (
						<option key={ms} value={ms}>
							{name}
						</option>
					))}
				</select>
			</label>
			<label class="switch">
				<span>Notify me</span>
				<select value={my.notify ?? 'all'} onChange={(e) => set({ notify: e.currentTarget.value as MySettings['notify'] })}>
					<option value="all">of everything</option>
					<option value="mentions">when I am mentioned</option>
					<option value="none">never</option>
				</select>
			</label>
			{toggle('Pinned to the top', 'pinned')}
			{toggle('Archived', 'archived')}
			<Unread room={room} />
		</>
	);
}

function Unread({ room }: { room: Room }) {
	const last = [...room.messages].reverse().find((m) => m.sender_id !== peal.store.me && !m.deleted_at && m.message_type !== 'system');
	if (!last) return null;
	const mark = async () => {
		// away from it first: what is on the screen is read at once
		liftAll();
		goHome();
		await attempt('Marking', () => peal.act.markUnread(room.id, last.seq));
	};
	return (
		<button type="button" class="secondary is-wide" onClick={() => void mark()}>
			Mark as unread
		</button>
	);
}

function Ending({ room }: { room: Room }) {
	watch('me');
	const [asking, ask] = useState(false);
	const peer = peerOf(room);
	const group = room.info.type === 'group';
	if (!group && !peer) return null;
	const blocked = !!peer && peal.store.blocked.has(peer.id);
	const leave = async () => {
		if (!(await attempt('Leaving', () => peal.act.leave(room.id)))) return;
		liftAll();
		goHome();
	};
	const yes = () => {
		ask(false);
		if (group) void leave();
		else if (peer) void attempt('Blocking', () => peal.act.block(peer.id, true));
	};
	return (
		<div class="ending">
			{blocked ? (
				<button type="button" class="secondary is-wide" onClick={() => void attempt('Unblocking', () => peal.act.block(peer.id, false))}>
					Unblock {userName(peer)}
				</button>
			) : (
				<button type="button" class="secondary is-wide is-danger" onClick={() => ask(true)}>
					{group ? 'Leave the group' : `Block ${userName(peer)}`}
				</button>
			)}
			{peer && (
				<button type="button" class="secondary is-wide" onClick={() => lay({ kind: 'report', user: peer })}>
					Report {userName(peer)}
				</button>
			)}
			{asking && (
				<Confirm
					title={group ? 'Leave the group?' : `Block ${userName(peer)}?`}
					text={
						group
							? 'You will no longer see what is said in it. What you said stays.'
							: 'Neither of you can write to the other here, or see whether the other is there. They are not told.'
					}
					action={group ? 'Leave' : 'Block'}
					onNo={() => ask(false)}
					onYes={yes}
				/>
			)}
		</div>
	);
}
