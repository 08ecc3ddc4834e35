// More people for a group.
import { useState } from 'preact/hooks';
import type { Id, User } from '../../sdk/index.ts';
import { attempt, lift, peal } from '../state.ts';
import { Picker } from './Picker.tsx';
import { Sheet } from './Sheet.tsx';

export function AddPeople({ room }: { room: Id }) {
	const [people, setPeople] = useState<User[]>([]);
	const [busy, setBusy] = useState(false);
	const members = (peal.store.rooms.get(room)?.info.participants ?? []).map((p) => p.user.id);
	const add = async () => {
		setBusy(true);
		const ids = people.map((user) => user.id);
		if (await attempt('Adding', () => peal.rest.addParticipants(room, ids))) lift();
		setBusy(false);
	};
	return (
		<Sheet
			title="Add people"
			foot={
				<button type="button" class="primary" disabled={busy || people.length === 0} onClick={() => void add()}>
					Add{people.length > 1 && ` ${people.length} people`}
				</button>
			}
		>
			<Picker chosen={people} onChoose={setPeople} without={members} />
		</Sheet>
	);
}
