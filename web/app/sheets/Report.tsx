// Telling the moderators about a message or a person.
import { useRef, useState } from 'preact/hooks';
import { uniqueId, type Message, type Reason, type User } from '../../sdk/index.ts';
import { excerpt, userName } from '../format.ts';
import { nameOf } from '../names.ts';
import { attempt, lift, peal, tell } from '../state.ts';
import { REASONS } from './reasons.ts';
import { Sheet } from './Sheet.tsx';

const NOTE_MAX = 1000;

export function Report({ message, user }: { message?: Message; user?: User }) {
	const [reason, setReason] = useState<Reason | null>(null);
	const [note, setNote] = useState('');
	const [busy, setBusy] = useState(false);
	const key = useRef(uniqueId());
	const ready = reason !== null && (reason !== 'other' || note.trim() !== '');
	const send = async () => {
		if (!reason || !ready) return;
		setBusy(true);
		const what = message ? { message_id: message.id } : { user_id: user!.id };
		const done = await attempt('Reporting', () => peal.rest.report({ ...what, reason, note: note.trim() || null }, key.current));
		setBusy(false);
		if (!done) return;
		lift();
		tell('Reported. The moderators will look at it.');
	};
	const title = message ? 'Report a message' : `Report ${userName(user!)}`;
	return (
		<Sheet
			title={title}
			foot={
				<button type="button" class="primary" disabled={!ready || busy} onClick={() => void send()}>
					Report
				</button>
			}
		>
			{message && (
				<blockquote class="card">
					<p class="card-head">
						<b>{nameOf(message.sender_id)}</b>
					</p>
					<p dir="auto">{excerpt(message)}</p>
				</blockquote>
			)}
			<p class="sheet-note">
				{message
					? 'The moderators get a copy of this message as it is now, and your name. The sender is not told.'
					: 'The moderators get this profile as it is now, and your name. The person is not told.'}
			</p>
			<fieldset class="choices">
				<legend>What is wrong?</legend>
				{Object.entries(REASONS).map(([value, text]) => (
					<label key={value}>
						<input type="radio" name="reason" checked={reason === value} onChange={() => setReason(value as Reason)} /> {text}
					</label>
				))}
			</fieldset>
			<label class="field">
				<span>{reason === 'other' ? 'What is it?' : 'Anything to add? (optional)'}</span>
				<textarea rows={3} maxLength={NOTE_MAX} dir="auto" value={note} onInput={(e) => setNote(e.currentTarget.value)} />
			</label>
		</Sheet>
	);
}
