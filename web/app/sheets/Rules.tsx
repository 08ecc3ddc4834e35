// What a conversation keeps, and for whom; for those who may change it.
import type { ConversationChange, Room } from '../../sdk/index.ts';
import { duration } from '../format.ts';
import { isAdmin } from '../names.ts';
import { attempt, peal, watchRoom } from '../state.ts';

const LIVES = [3600, 86_400, 604_800, 2_592_000];
const DAYS = [7, 30, 90, 365];
const PAUSES = [10, 60, 300, 3600];

interface ChoiceProps {
	name: string;
	none: string;
	value: number | null | undefined;
	offered: number[];
	/** Seconds in one of what `offered` counts. */
	unit: number;
	onChange: (value: number | null) => void;
}

function Choice({ name, none, value, offered, unit, onChange }: ChoiceProps) {
	const all = value && !offered.includes(value) ? [...offered, value].sort((a, b) => a - b) : offered;
	return (
		<label class="switch">
			<span>{name}</span>
			<select value={value ?? ''} onChange={(e) => onChange(e.currentTarget.value === '' ? null : Number(e.currentTarget.value))}>
				<option value="">{none}</option>
				{all.map((n) => (
					<option key={n} value={n}>
						{duration(n * unit)}
					</option>
				))}
			</select>
		</label>
	);
}

export function Rules({ room }: { room: Room }) {
	watchRoom(room.id);
	const { info } = room;
	const group = info.type === 'group';
	const change = (what: ConversationChange) =>
		void attempt('Changing', async () => peal.store.adopt(await peal.rest.changeConversation(room.id, what), Date.now()));
	if (group && !isAdmin(room)) return <Told room={room} />;
	return (
		<>
			<h3>Messages</h3>
			<Choice
				name="Disappear after"
				none="never"
				value={info.ttl_seconds}
				offered={LIVES}
				unit={1}
				onChange={(ttl_seconds) => change({ ttl_seconds })}
			/>
			<Choice
				name="Are kept"
				none="for good"
				value={info.retention_days}
				offered={DAYS}
				unit={86_400}
				onChange={(retention_days) => change({ retention_days })}
			/>
			{group && (
				<>
					<Choice
						name="Members wait between two"
						none="not at all"
						value={info.slow_mode_seconds}
						offered={PAUSES}
						unit={1}
						onChange={(slow_mode_seconds) => change({ slow_mode_seconds })}
					/>
					<label class="switch">
						<span>New members see what was said before</span>
						<input
							type="checkbox"
							role="switch"
							checked={info.history === 'all'}
							onChange={(e) => change({ history: e.currentTarget.checked ? 'all' : 'joined' })}
						/>
					</label>
				</>
			)}
		</>
	);
}

/** To members, who cannot change it. */
function Told({ room }: { room: Room }) {
	const { ttl_seconds, retention_days, slow_mode_seconds, history } = room.info;
	const said = [
		ttl_seconds && `Messages disappear after ${duration(ttl_seconds)}.`,
		retention_days && `Messages are kept for ${duration(retention_days * 86_400)}.`,
		slow_mode_seconds && `Members write every ${duration(slow_mode_seconds)}.`,
		history === 'all' ? 'New members see what was said before.' : 'New members do not see what was said before.',
	].filter(Boolean);
	return <p class="sheet-note rules">{said.join(' ')}</p>;
}
