// Who is in a group, and what those who may can do with them.
import type { Participant, Role, Room } from '../../sdk/index.ts';
import { useState } from 'preact/hooks';
import { Confirm } from '../Confirm.tsx';
import { lastSeen, userName } from '../format.ts';
import { isAdmin } from '../names.ts';
import { attempt, lay, peal, watch, watchRoom } from '../state.ts';
import { useLoad } from './load.ts';
import { PersonLine } from './PersonLine.tsx';
import { Waiting } from './Waiting.tsx';

const ROLES: Record<Role, string> = { owner: 'Owner', admin: 'Admin', member: 'Member' };
const RANK: Record<Role, number> = { owner: 0, admin: 1, member: 2 };

export function Members({ room }: { room: Room }) {
	watchRoom(room.id);
	const loaded = useLoad(async () => {
		await peal.loadParticipants(room.id);
		peal.watchPeople((room.info.participants ?? []).map((p) => p.user.id).slice(0, 100));
	}, [room.id, room.info.participant_count]);
	const all = [...(room.info.participants ?? [])].sort((a, b) => RANK[a.role] - RANK[b.role]);
	return (
		<>
			<h3>
				{room.info.participant_count} {room.info.participant_count === 1 ? 'member' : 'members'}
			</h3>
			{isAdmin(room) && (
				<button type="button" class="secondary is-wide" onClick={() => lay({ kind: 'add', room: room.id })}>
					Add people
				</button>
			)}
			<Waiting loaded={all.length > 0 ? { state: 'ready', value: undefined } : loaded}>
				{() => (
					<ul>
						{all.map((member) => (
							<Member key={member.user.id} member={member} room={room} />
						))}
					</ul>
				)}
			</Waiting>
		</>
	);
}

function Member({ member, room }: { member: Participant; room: Room }) {
	watch('presence');
	const [asking, ask] = useState(false);
	const { user, role } = member;
	const me = user.id === peal.store.me;
	const owner = room.info.my.role === 'owner';
	const removable = !me && (owner || (isAdmin(room) && role === 'member'));
	const presence = peal.store.presence.get(user.id);
	const change = (to: string) => {
		if (to === 'remove') ask(true);
		else if (to !== role) void attempt('Changing the role', () => peal.act.setRole(room.id, user.id, to as Role));
	};
	return (
		<>
			<PersonLine user={user} note={presence && !me ? lastSeen(presence) : undefined}>
				{(owner && !me) || removable ? (
					<select
						class="role"
						aria-label={`Role of ${userName(user)}`}
						value={role}
						onChange={(e) => {
							change(e.currentTarget.value);
							e.currentTarget.value = role;
						}}
					>
						{(owner ? (['owner', 'admin', 'member'] as Role[]) : [role]).map((r) => (
							<option key={r} value={r}>
								{ROLES[r]}
							</option>
						))}
						{removable && <option value="remove">Remove…</option>}
					</select>
				) : (
					role !== 'member' && <span class="tag">{ROLES[role]}</span>
				)}
			</PersonLine>
			{asking && (
				<Confirm
					title={`Remove ${userName(user)}?`}
					text="What they said stays in the group."
					action="Remove"
					onNo={() => ask(false)}
					onYes={() => {
						ask(false);
						void attempt('Removing', () => peal.rest.removeParticipant(room.id, user.id));
					}}
				/>
			)}
		</>
	);
}
