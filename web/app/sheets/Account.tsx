// How I sign in, and where I am signed in.
import { useState } from 'preact/hooks';
import { asProblem, wasCancelled, type SignedInAt } from '../../sdk/index.ts';
import { exactTime } from '../format.ts';
import { attempt, complain, peal, tell } from '../state.ts';
import { Leaving } from './Leaving.tsx';
import { Linked } from './Linked.tsx';
import { useLoad } from './load.ts';
import { Passkeys } from './Passkeys.tsx';
import { Prove } from './Prove.tsx';
import { Sheet } from './Sheet.tsx';
import { TwoSteps } from './TwoSteps.tsx';
import { Waiting } from './Waiting.tsx';

/** Does something that wants a proof first; asks for one if it has to, and then does it. */
export type Proved = (doing: string, action: () => Promise<unknown>) => Promise<void>;

export function Account() {
	const [turn, setTurn] = useState(0);
	const [asked, ask] = useState<(() => void) | null>(null);
	const loaded = useLoad(() => peal.rest.factors(), [turn]);
	const again = () => setTurn((n) => n + 1);
	const proved: Proved = async (doing, action) => {
		try {
			await action();
		} catch (error) {
			if (asProblem(error).code === 'proof_required') ask(() => () => void proved(doing, action));
			else if (!wasCancelled(error)) complain(error, doing);
		}
	};
	return (
		<Sheet title="Sign-in and security">
			<Waiting loaded={loaded}>
				{(factors) => (
					<>
						{factors.password && <Password />}
						{factors.password && <TwoSteps factors={factors} proved={proved} changed={again} />}
						<Passkeys proved={proved} changed={again} />
						<Linked proved={proved} />
						<Sessions />
						<Leaving proved={proved} />
						{asked && (
							<Prove
								factors={factors}
								onDone={() => {
									ask(null);
									asked();
								}}
								onNo={() => ask(null)}
							/>
						)}
					</>
				)}
			</Waiting>
		</Sheet>
	);
}

function Password() {
	const [open, setOpen] = useState(false);
	const [old, setOld] = useState('');
	const [fresh, setFresh] = useState('');
	const [trouble, setTrouble] = useState('');
	const [busy, setBusy] = useState(false);
	const save = async (event: Event) => {
		event.preventDefault();
		setBusy(true);
		setTrouble('');
		try {
			await peal.rest.changePassword(old, fresh);
			setOpen(false);
			setOld('');
			setFresh('');
			tell('The password is changed. Everywhere else you are signed out.');
		} catch (error) {
			const problem = asProblem(error);
			setTrouble(
				problem.code === 'bad_credentials' ? 'The old password is wrong.' : (problem.errors[0]?.message ?? problem.message),
			);
		}
		setBusy(false);
	};
	return (
		<section class="account" aria-labelledby="account-password">
			<h3 id="account-password">Password</h3>
			{!open ? (
				<button type="button" class="secondary" onClick={() => setOpen(true)}>
					Change the password
				</button>
			) : (
				<form onSubmit={save}>
					<label class="field">
						<span>Old password</span>
						<input
							type="password"
							autocomplete="current-password"
							required
							autofocus
							maxLength={256}
							value={old}
							onInput={(e) => setOld(e.currentTarget.value)}
						/>
					</label>
					<label class="field">
						<span>
							New password <small>(at least 15 characters; a few words are fine)</small>
						</span>
						<input
							type="password"
							autocomplete="new-password"
							required
							minLength={15}
							maxLength={256}
							value={fresh}
							onInput={(e) => setFresh(e.currentTarget.value)}
						/>
					</label>
					<div role="alert" class="sheet-trouble">
						{trouble}
					</div>
					<div class="account-row">
						<button type="submit" class="primary" disabled={busy}>
							Change
						</button>
						<button type="button" class="secondary" onClick={() => setOpen(false)}>
							Cancel
						</button>
					</div>
				</form>
			)}
		</section>
	);
}

const BROWSERS: [RegExp, string][] = [
	[/Edg\//, 'Edge'],
	[/OPR\//, 'Opera'],
	[/Firefox\//, 'Firefox'],
	[/(Headless)?Chrom(e|ium)\//, 'Chrome'],
	[/Safari\//, 'Safari'],
];
const SYSTEMS: [RegExp, string][] = [
	[/Android/, 'Android'],
	[/iPhone|iPad/, 'iOS'],
	[/Windows/, 'Windows'],
	[/Mac OS X/, 'macOS'],
	[/Linux/, 'Linux'],
];

/** "Firefox on Linux", or what it called itself. */
function agent(session: SignedInAt): string {
	const text = session.user_agent ?? '';
	const browser = BROWSERS.find(([known]) => known.test(text))?.[1];
	const system = SYSTEMS.find(([known]) => known.test(text))?.[1];
	if (!browser) return text || 'An app';
	return system ? `${browser} on ${system}` : browser;
}

function Sessions() {
	const [turn, setTurn] = useState(0);
	const loaded = useLoad(() => peal.rest.sessions(), [turn]);
	const again = () => setTurn((n) => n + 1);
	const end = async (session: SignedInAt) => {
		if (await attempt('Signing out', () => peal.rest.endSession(session.id))) again();
	};
	const endOthers = async () => {
		if (await attempt('Signing out', () => peal.rest.endOtherSessions())) again();
	};
	return (
		<section class="account" aria-labelledby="account-sessions">
			<h3 id="account-sessions">Where you are signed in</h3>
			<Waiting loaded={loaded}>
				{({ items }) => (
					<>
						<ul class="cards">
							{items.map((session) => (
								<li key={session.id} class="card">
									<p class="card-head">
										<b>{agent(session)}</b>
										{session.current && <span class="account-here">this one</span>}
									</p>
									<p class="sheet-note">
										Since {exactTime(session.created_at)}, last used {exactTime(session.last_used_at)}
									</p>
									{!session.current && (
										<button
											type="button"
											class="link"
											aria-label={`Sign out ${agent(session)}, since ${exactTime(session.created_at)}`}
											onClick={() => void end(session)}
										>
											Sign out
										</button>
									)}
								</li>
							))}
						</ul>
						{items.length > 1 && (
							<button type="button" class="secondary" onClick={() => void endOthers()}>
								Sign out everywhere else
							</button>
						)}
					</>
				)}
			</Waiting>
		</section>
	);
}
