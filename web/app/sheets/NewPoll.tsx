// A question to everybody in a conversation.
import { useState } from 'preact/hooks';
import type { Id } from '../../sdk/index.ts';
import { ClearIcon } from '../icons.tsx';
import { lift, peal } from '../state.ts';
import { Sheet } from './Sheet.tsx';

const MAX_OPTIONS = 12;

export function NewPoll({ room }: { room: Id }) {
	const [question, setQuestion] = useState('');
	const [options, setOptions] = useState(['', '']);
	const [multiple, setMultiple] = useState(false);
	const [anonymous, setAnonymous] = useState(false);
	const [closes, setCloses] = useState('');
	const said = options.map((o) => o.trim()).filter(Boolean);
	const twice = new Set(said).size < said.length;
	const ready = question.trim() !== '' && said.length >= 2 && !twice;
	const set = (i: number, value: string) => {
		const next = options.map((o, j) => (j === i ? value : o));
		if (value && i === options.length - 1 && next.length < MAX_OPTIONS) next.push('');
		setOptions(next);
	};
	const send = () => {
		const poll = { question: question.trim(), options: said, multiple, anonymous };
		peal.send(room, '', { message_type: 'poll', poll: closes ? { ...poll, closes_in_seconds: Number(closes) } : poll });
		lift();
	};
	return (
		<Sheet
			title="New poll"
			foot={
				<button type="button" class="primary" disabled={!ready} onClick={send}>
					Send poll
				</button>
			}
		>
			<label class="field">
				<span>Question</span>
				<input value={question} maxLength={300} dir="auto" onInput={(e) => setQuestion(e.currentTarget.value)} autofocus />
			</label>
			<fieldset class="options">
				<legend>Answers</legend>
				{options.map((option, i) => (
					<div key={i} class="option-edit">
						<input
							value={option}
							maxLength={100}
							dir="auto"
							placeholder={`Answer ${i + 1}`}
							aria-label={`Answer ${i + 1}`}
							onInput={(e) => set(i, e.currentTarget.value)}
						/>
						{options.length > 2 && (
							<button
								type="button"
								class="ghost"
								aria-label={`Remove answer ${i + 1}`}
								onClick={() => setOptions(options.filter((_, j) => j !== i))}
							>
								<ClearIcon />
							</button>
						)}
					</div>
				))}
			</fieldset>
			{twice && <p class="sheet-trouble">Two answers are the same.</p>}
			<label class="switch">
				<span>Several answers at once</span>
				<input type="checkbox" role="switch" checked={multiple} onChange={(e) => setMultiple(e.currentTarget.checked)} />
			</label>
			<label class="switch">
				<span>Anonymous: only counts are shown</span>
				<input type="checkbox" role="switch" checked={anonymous} onChange={(e) => setAnonymous(e.currentTarget.checked)} />
			</label>
			<label class="switch">
				<span>Closes</span>
				<select value={closes} onChange={(e) => setCloses(e.currentTarget.value)}>
					<option value="">never</option>
					<option value="3600">in an hour</option>
					<option value="86400">in a day</option>
					<option value="604800">in a week</option>
				</select>
			</label>
		</Sheet>
	);
}
