// My passkeys.
import { useState } from 'preact/hooks';
import { passkeysHere, wasThere, type PasskeyInfo } from '../../sdk/index.ts';
import { exactTime } from '../format.ts';
import { attempt, peal, tell } from '../state.ts';
import type { Proved } from './Account.tsx';
import { useLoad } from './load.ts';
import { Waiting } from './Waiting.tsx';

const NAMES: [RegExp, string][] = [
	[/Android/, 'My Android phone'],
	[/iPhone/, 'My iPhone'],
	[/iPad/, 'My iPad'],
	[/Windows/, 'My Windows computer'],
	[/Mac OS X/, 'My Mac'],
];
const guess = () => NAMES.find(([known]) => known.test(navigator.userAgent))?.[1] ?? 'My computer';

export function Passkeys({ proved, changed }: { proved: Proved; changed: () => void }) {
	const [turn, setTurn] = useState(0);
	const loaded = useLoad(() => peal.rest.passkeys(), [turn]);
	const again = () => {
		setTurn((n) => n + 1);
		changed();
	};
	const add = () =>
		proved('Making a passkey', async () => {
			try {
				await peal.addPasskey(guess());
			} catch (error) {
				if (!wasThere(error)) throw error;
				return tell('There is a passkey of this account on that device already.');
			}
			again();
			tell('From now on this passkey signs you in.');
		});
	return (
		<section class="account" aria-labelledby="account-passkeys">
			<h3 id="account-passkeys">Passkeys</h3>
			<p class="sheet-note">Your device signs you in with a fingerprint, your face or its PIN. Nothing to remember, nothing to type in elsewhere.</p>
			<Waiting loaded={loaded}>
				{({ items }) => (
					<ul class="cards">
						{items.map((key) => (
							<Line key={key.id} passkey={key} proved={proved} changed={again} />
						))}
					</ul>
				)}
			</Waiting>
			{passkeysHere() ? (
				<button type="button" class="secondary" onClick={() => void add()}>
					Add a passkey
				</button>
			) : (
				<p class="sheet-note">This browser has no passkeys here.</p>
			)}
		</section>
	);
}

function Line({ passkey, proved, changed }: { passkey: PasskeyInfo; proved: Proved; changed: () => void }) {
	const [name, setName] = useState<string | null>(null);
	const rename = async (event: Event) => {
		event.preventDefault();
		if (await attempt('Renaming', () => peal.rest.renamePasskey(passkey.id, name!))) {
			setName(null);
			changed();
		}
	};
	const remove = () =>
		proved('Removing', async () => {
			await peal.rest.removePasskey(passkey.id);
			changed();
		});
	return (
		<li class="card">
			{name === null ? (
				<p class="card-head">
					<b dir="auto">{passkey.name}</b>
				</p>
			) : (
				<form class="account-row" onSubmit={rename}>
					<label class="field">
						<span>Name</span>
						<input value={name} maxLength={64} required autofocus dir="auto" onInput={(e) => setName(e.currentTarget.value)} />
					</label>
					<button type="submit" class="primary">
						Save
					</button>
				</form>
			)}
			<p class="sheet-note">
				Made {exactTime(passkey.created_at)}
				{passkey.last_used_at ? `, last used ${exactTime(passkey.last_used_at)}` : ', not used yet'}
				{passkey.backed_up && '; kept by your account with the maker of the device as well'}
			</p>
			{name === null && (
				<>
					<button type="button" class="link" aria-label={`Rename ${passkey.name}`} onClick={() => setName(passkey.name)}>
						Rename
					</button>{' '}
					<button type="button" class="link" aria-label={`Remove ${passkey.name}`} onClick={() => void remove()}>
						Remove
					</button>
				</>
			)}
		</li>
	);
}
