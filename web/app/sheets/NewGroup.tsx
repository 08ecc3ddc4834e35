// A conversation of several people: a name, perhaps a picture, and who is in it.
import { useState } from 'preact/hooks';
import { asProblem, uniqueId, type Attachment, type User } from '../../sdk/index.ts';
import { goTo, liftAll, peal } from '../state.ts';
import { AvatarField } from './AvatarField.tsx';
import { Picker } from './Picker.tsx';
import { Sheet } from './Sheet.tsx';

export function NewGroup() {
	const [name, setName] = useState('');
	const [people, setPeople] = useState<User[]>([]);
	const [avatar, setAvatar] = useState<Attachment | null>(null);
	const [history, setHistory] = useState<'joined' | 'all'>('joined');
	const [trouble, setTrouble] = useState('');
	const [busy, setBusy] = useState(false);
	const [key] = useState(uniqueId);
	const make = async () => {
		setBusy(true);
		setTrouble('');
		try {
			const group = { name: name.trim(), participant_ids: people.map((user) => user.id), history };
			const made = await peal.createGroup(avatar ? { ...group, avatar_id: avatar.id } : group, key);
			liftAll();
			goTo(made.id);
		} catch (error) {
			setTrouble(asProblem(error).message);
			setBusy(false);
		}
	};
	return (
		<Sheet
			title="New group"
			foot={
				<button type="button" class="primary" disabled={busy || name.trim() === '' || people.length === 0} onClick={() => void make()}>
					Create group
				</button>
			}
		>
			<AvatarField
				id="0"
				name={name || 'G'}
				url={avatar?.renditions.find((r) => r.name === 'thumb')?.url ?? avatar?.renditions[0]?.url}
				onPick={(picked) => {
					setAvatar(picked);
					return Promise.resolve();
				}}
			/>
			<label class="field">
				<span>Name of the group</span>
				<input value={name} maxLength={100} dir="auto" onInput={(e) => setName(e.currentTarget.value)} autofocus />
			</label>
			<label class="switch">
				<span>New members see what was said before</span>
				<input
					type="checkbox"
					role="switch"
					checked={history === 'all'}
					onChange={(e) => setHistory(e.currentTarget.checked ? 'all' : 'joined')}
				/>
			</label>
			<h3>Members</h3>
			<Picker chosen={people} onChoose={setPeople} without={[]} />
			{trouble && (
				<p class="sheet-trouble" role="alert">
					{trouble}
				</p>
			)}
		</Sheet>
	);
}
