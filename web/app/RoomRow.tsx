// A conversation in a list: with whom, what was said last, what is unread.
import type { Room } from '../sdk/index.ts';
import { displayName, exactTime, listTime } from './format.ts';
import { MuteIcon, PinIcon, Ticks } from './icons.tsx';
import { isMuted, preview, typingText } from './names.ts';
import { Avatar } from './parts.tsx';
import { current, draftOf, peal, roomHref, watch, watchRoom } from './state.ts';

export function RoomRow({ room }: { room: Room }) {
	watchRoom(room.id);
	watch('presence');
	const name = displayName(room.info);
	const last = room.info.last_message;
	const peer = room.info.peer;
	const at = last?.created_at ?? room.info.updated_at;
	return (
		<li>
			<a
				class="row"
				href={roomHref(room.id)}
				aria-current={current.value === room.id ? 'page' : undefined}
				data-room={room.id}
				data-user={peer?.username}
			>
				<Avatar
					id={peer?.id ?? room.id}
					name={name}
					url={room.info.avatar_url ?? peer?.avatar_url}
					presence={peer ? peal.store.presence.get(peer.id) : undefined}
				/>
				<span class="row-body">
					<span class="row-top">
						<b class="row-name">{name}</b>
						<time class="row-time" dateTime={at} title={exactTime(at)}>
							{listTime(at)}
						</time>
					</span>
					<span class="row-low">
						<Preview room={room} />
						<Flags room={room} />
						<Badge n={room.unread} mentioned={room.info.mention_count > 0} marked={room.unreadFrom !== null} />
					</span>
				</span>
			</a>
		</li>
	);
}

function Flags({ room }: { room: Room }) {
	const { my } = room.info;
	const muted = isMuted(room);
	if (!muted && !my.pinned) return null;
	return (
		<span class="flags">
			{muted && (
				<span role="img" aria-label="Muted" title="Muted">
					<MuteIcon />
				</span>
			)}
			{my.pinned && (
				<span role="img" aria-label="Pinned" title="Pinned">
					<PinIcon />
				</span>
			)}
		</span>
	);
}

/** Also when I marked it unread and nothing in it counts. */
function Badge({ n, mentioned, marked }: { n: number; mentioned: boolean; marked: boolean }) {
	if (n === 0 && !marked) return null;
	return (
		<>
			{n > 0 && mentioned && (
				<span class="badge" role="img" aria-label="You are mentioned">
					@
				</span>
			)}
			<span class="badge" data-testid="unread">
				<span class="unseen">Unread: </span>
				{n > 99 ? '99+' : n || '•'}
			</span>
		</>
	);
}

function Preview({ room }: { room: Room }) {
	watchRoom(room.id);
	watch('list');
	if (room.typing.size > 0) return <span class="row-text is-typing">{typingText(room)}</span>;
	const draft = current.value === room.id ? '' : draftOf(room.id);
	if (draft)
		return (
			<span class="row-text">
				<em>Draft:</em> {draft}
			</span>
		);
	const waiting = peal.waiting(room.id).at(-1);
	if (waiting)
		return (
			<span class="row-text">
				<Ticks kind={waiting.state === 'failed' ? 'failed' : 'pending'} /> {waiting.content || 'Picture'}
			</span>
		);
	const last = room.info.last_message;
	if (!last) return <span class="row-text">Say hello</span>;
	const mine = last.sender_id === peal.store.me && !last.deleted_at && last.message_type !== 'system';
	return (
		<span class={last.deleted_at ? 'row-text is-gone' : 'row-text'}>
			{mine && <Ticks kind={peal.store.status(room, last)} />} {preview(room, last)}
		</span>
	);
}
