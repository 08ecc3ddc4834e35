// Taking everything along, and going for good.
import { useEffect, useId, useState } from 'preact/hooks';
import { asProblem, eraseMe, exportMe, getExport, uniqueId, type Export } from '../../sdk/index.ts';
import { exactTime } from '../format.ts';
import { useModal } from '../modal.ts';
import { attempt, complain, overlays, peal, tell } from '../state.ts';
import type { Proved } from './Account.tsx';

const KEPT = 'peal.export'; // which one was asked for last, on this browser
const EVERY_MS = 1000;

export function Leaving({ proved }: { proved: Proved }) {
	return (
		<>
			<Taking />
			<Going proved={proved} />
		</>
	);
}

function Taking() {
	const [made, set] = useState<Export | null>(null);
	const going = made?.state === 'pending' || made?.state === 'running';
	useEffect(() => {
		const id = localStorage.getItem(KEPT);
		if (id) getExport(peal.rest, id).then(set, () => localStorage.removeItem(KEPT));
	}, []);
	useEffect(() => {
		if (!going) return;
		let live = true;
		const timer = setTimeout(
			() =>
				getExport(peal.rest, made.id).then(
					(now) => live && set(now),
					() => live && set({ ...made }), // asked again
				),
			EVERY_MS,
		);
		return () => {
			live = false;
			clearTimeout(timer);
		};
	}, [made]);
	const begin = async () => {
		try {
			const begun = await exportMe(peal.rest, uniqueId());
			localStorage.setItem(KEPT, begun.id);
			set(begun);
		} catch (error) {
			if (asProblem(error).code === 'rate_limited') tell('You have asked for one not long ago. Try again later.');
			else complain(error, 'Exporting');
		}
	};
	/** The link is good for minutes, so it is asked for when it is needed. */
	const save = () =>
		attempt('Downloading', async () => {
			const now = await getExport(peal.rest, made!.id);
			set(now);
			if (now.download_url) location.assign(now.download_url);
		});
	return (
		<section class="account" aria-labelledby="account-export">
			<h3 id="account-export">Your data</h3>
			<p class="sheet-note">One archive of your profile, your messages as you see them now, and the files that you have sent.</p>
			{going && (
				<p role="status">
					<progress max={made.messages_of + 1} value={Math.min(made.messages, made.messages_of)} aria-label="Gathering" /> {made.messages} of{' '}
					{made.messages_of} messages
				</p>
			)}
			{made?.state === 'failed' && <p class="sheet-trouble">It could not be made. Try again.</p>}
			{made?.state === 'ready' ? (
				<>
					<button type="button" class="primary" onClick={() => void save()}>
						Download ({((made.size ?? 0) / 1e6).toFixed(1)} MB)
					</button>
					<p class="sheet-note">Kept until {exactTime(made.expires_at!)}.</p>
				</>
			) : (
				<button type="button" class="secondary" disabled={going} onClick={() => void begin()}>
					Export my data
				</button>
			)}
		</section>
	);
}

function Going({ proved }: { proved: Proved }) {
	const [asking, setAsking] = useState(false);
	const erase = (messages: 'keep' | 'delete') => {
		setAsking(false);
		void proved('Deleting the account', async () => {
			await eraseMe(peal.rest, messages);
			localStorage.removeItem(KEPT);
			overlays.value = [];
			location.hash = '';
			await peal.logout();
		});
	};
	return (
		<section class="account" aria-labelledby="account-erase">
			<h3 id="account-erase">Delete the account</h3>
			<p class="sheet-note">You are signed out everywhere and leave all groups. It cannot be undone, and nobody can take your name again.</p>
			<button type="button" class="danger" onClick={() => setAsking(true)}>
				Delete my account
			</button>
			{asking && <Asking onYes={erase} onNo={() => setAsking(false)} />}
		</section>
	);
}

function Asking({ onYes, onNo }: { onYes: (messages: 'keep' | 'delete') => void; onNo: () => void }) {
	const id = useId();
	const name = peal.session.state === 'in' ? peal.session.user.username : '';
	const [messages, setMessages] = useState<'keep' | 'delete'>('keep');
	const [typed, setTyped] = useState('');
	return (
		<dialog {...useModal(onNo)} class="confirm" aria-labelledby={id} onClick={undefined}>
			<form
				class="confirm-body"
				onSubmit={(e) => {
					e.preventDefault();
					onYes(messages);
				}}
			>
				<h2 id={id}>Delete your account?</h2>
				<fieldset class="choices">
					<legend>What you have said</legend>
					<label>
						<input type="radio" name="said" checked={messages === 'keep'} onChange={() => setMessages('keep')} /> stays with the others, without
						your name
					</label>
					<label>
						<input type="radio" name="said" checked={messages === 'delete'} onChange={() => setMessages('delete')} /> is deleted for everyone,
						with your files
					</label>
				</fieldset>
				<label class="field">
					<span>Your user name, to be sure</span>
					<input autocomplete="off" autocapitalize="none" required autofocus value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />
				</label>
				<div class="confirm-row">
					<button type="button" class="secondary" onClick={onNo}>
						Cancel
					</button>
					<button type="submit" class="danger" disabled={typed !== name}>
						Delete my account
					</button>
				</div>
			</form>
		</dialog>
	);
}
