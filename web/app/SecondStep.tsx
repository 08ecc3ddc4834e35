// After the password: a code of the authenticator app, or one of those on paper.
import { useEffect, useRef, useState } from 'preact/hooks';
import { asProblem } from '../sdk/index.ts';
import { Bell } from './icons.tsx';
import { peal } from './state.ts';

interface Props {
	challenge: string;
	/** Back to the beginning, perhaps because of something. */
	back: (why?: string) => void;
}

export function SecondStep({ challenge, back }: Props) {
	const [paper, setPaper] = useState(false);
	const [code, setCode] = useState('');
	const [busy, setBusy] = useState(false);
	const [trouble, setTrouble] = useState('');
	const field = useRef<HTMLInputElement>(null);
	useEffect(() => field.current!.focus(), [paper]);
	const submit = async (event: Event) => {
		event.preventDefault();
		setBusy(true);
		setTrouble('');
		const typed = code.trim();
		try {
			await peal.loginFactor(challenge, paper ? { recovery_code: typed } : { code: typed.replace(/\s/g, '') });
		} catch (error) {
			const problem = asProblem(error);
			if (problem.code === 'bad_challenge') return back('That took too long. Sign in again.');
			setTrouble(problem.code === 'bad_code' ? 'This code is not right, or was used before.' : problem.message);
			setBusy(false);
		}
	};
	const turn = () => {
		setPaper(!paper);
		setCode('');
		setTrouble('');
	};
	return (
		<main class="door">
			<form class="door-card" onSubmit={submit} aria-labelledby="door-title">
				<Bell size={52} />
				<h1 id="door-title">One more step</h1>
				<p class="door-sub">
					{paper ? 'Type one of your recovery codes. Each works once.' : 'Type the code that your authenticator app shows.'}
				</p>
				<label class="field" key={paper ? 'paper' : 'app'}>
					<span>{paper ? 'Recovery code' : 'Code'}</span>
					<input
						class={paper ? 'is-code' : 'is-code is-digits'}
						value={code}
						required
						ref={field}
						autocomplete={paper ? 'off' : 'one-time-code'}
						inputMode={paper ? 'text' : 'numeric'}
						maxLength={paper ? 64 : 8}
						spellcheck={false}
						autocapitalize="none"
						aria-describedby="door-trouble"
						onInput={(e) => setCode(e.currentTarget.value)}
					/>
				</label>
				<div id="door-trouble" role="alert" class="door-trouble">
					{trouble}
				</div>
				<button class="primary" type="submit" disabled={busy}>
					{busy ? 'One moment…' : 'Go on'}
				</button>
				<p class="door-turn">
					<button type="button" class="link" onClick={turn}>
						{paper ? 'Use the app instead' : 'Use a recovery code'}
					</button>
					{' · '}
					<button type="button" class="link" onClick={() => back()}>
						Back
					</button>
				</p>
			</form>
		</main>
	);
}
