// A message that goes out at a time of one's choice.
import { useState } from 'preact/hooks';
import { asProblem, uniqueId, type Id } from '../../sdk/index.ts';
import { withIt } from '../Composer.tsx';
import { exactTime } from '../format.ts';
import { lay, lift, peal, replying, tell } from '../state.ts';
import { Sheet } from './Sheet.tsx';

interface Props {
	room: Id;
	text: string;
	replyTo: Id | null;
}

/** As <input type="datetime-local"> wants it: local time, no zone. */
function local(at: Date): string {
	const two = (n: number) => String(n).padStart(2, '0');
	return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

function presets(now: Date): [string, Date][] {
	const day = (days: number, hour: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
	return [
		['In an hour', new Date(now.getTime() + 3_600_000)],
		['Tomorrow morning', day(1, 9)],
		['In a week', new Date(now.getTime() + 7 * 86_400_000)],
	];
}

export function Later({ room, text, replyTo }: Props) {
	const [content, setContent] = useState(text);
	const [at, setAt] = useState(() => local(new Date(Date.now() + 3_600_000)));
	const [trouble, setTrouble] = useState('');
	const [busy, setBusy] = useState(false);
	const [key] = useState(uniqueId);
	const when = new Date(at);
	const ready = content.trim() !== '' && Number.isFinite(when.getTime()) && !busy;
	const schedule = async () => {
		setBusy(true);
		setTrouble('');
		const known = peal.store.rooms.get(room);
		const more = known ? withIt(known, content.trim(), replyTo ?? undefined) : undefined;
		try {
			await peal.act.schedule(room, when.toISOString(), { message_type: 'text', content: content.trim(), ...more }, key);
			if (text) peal.drafts?.keep(room, '', null);
			replying.value = null;
			lift();
			tell(`It will be sent on ${exactTime(when.getTime())}.`);
		} catch (error) {
			setTrouble(asProblem(error).message);
			setBusy(false);
		}
	};
	return (
		<Sheet
			title="Send later"
			foot={
				<>
					<button type="button" class="secondary" onClick={() => lay({ kind: 'scheduled' })}>
						All scheduled
					</button>
					<button type="button" class="primary" disabled={!ready} onClick={() => void schedule()}>
						Schedule
					</button>
				</>
			}
		>
			<label class="field">
				<span>Message</span>
				<textarea rows={4} dir="auto" value={content} onInput={(e) => setContent(e.currentTarget.value)} />
			</label>
			<div class="chips">
				{presets(new Date()).map(([name, date]) => (
					<button key={name} type="button" class="secondary" onClick={() => setAt(local(date))}>
						{name}
					</button>
				))}
			</div>
			<label class="field">
				<span>When</span>
				<input type="datetime-local" value={at} min={local(new Date())} onInput={(e) => setAt(e.currentTarget.value)} />
			</label>
			{trouble && (
				<p class="sheet-trouble" role="alert">
					{trouble}
				</p>
			)}
		</Sheet>
	);
}
