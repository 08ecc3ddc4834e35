// Through the door without a name and a password.
import { useState } from 'preact/hooks';
import { asProblem, passkeysHere, wasCancelled } from '../sdk/index.ts';
import { KeyIcon } from './icons.tsx';
import { peal } from './state.ts';

/** Nothing is typed: the browser offers the passkeys that it knows for this place. */
export function PasskeyButton({ said }: { said: (trouble: string) => void }) {
	const [busy, setBusy] = useState(false);
	if (!passkeysHere()) return null;
	const go = async () => {
		setBusy(true);
		said('');
		try {
			await peal.loginPasskey();
		} catch (error) {
			const problem = asProblem(error);
			if (problem.code === 'not_found') said('This server has no passkeys.');
			else if (problem.code === 'bad_passkey') said('This server does not know that passkey.');
			else if (!wasCancelled(error)) said(problem.message);
			setBusy(false);
		}
	};
	return (
		<button type="button" class="secondary door-passkey" disabled={busy} onClick={() => void go()}>
			<KeyIcon /> Sign in with a passkey
		</button>
	);
}
