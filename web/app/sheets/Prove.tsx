// Asks who somebody is before they change how they sign in.
import { useEffect, useId, useState } from 'preact/hooks';
import { asProblem, wasCancelled, type Factors, type LinkedTo } from '../../sdk/index.ts';
import { useModal } from '../modal.ts';
import { peal } from '../state.ts';

interface Props {
	factors: Factors;
	onDone: () => void;
	onNo: () => void;
}

const SAID: Record<string, string> = {
	bad_credentials: 'The password is wrong.',
	bad_code: 'The code is not right, or was used before.',
	bad_passkey: 'That passkey is not one of yours.',
};

export function Prove({ factors, onDone, onNo }: Props) {
	const id = useId();
	const [password, setPassword] = useState('');
	const [code, setCode] = useState('');
	const [busy, setBusy] = useState(false);
	const [trouble, setTrouble] = useState('');
	const prove = async (how: () => Promise<void>) => {
		setBusy(true);
		setTrouble('');
		try {
			await how();
			onDone();
		} catch (error) {
			const problem = asProblem(error);
			if (!wasCancelled(error)) setTrouble(SAID[problem.code] ?? problem.message);
			setBusy(false);
		}
	};
	const byPassword = factors.password || factors.passkeys > 0;
	const [providers, setProviders] = useState<LinkedTo[]>([]);
	useEffect(() => {
		if (!byPassword) peal.rest.identities().then(({ items }) => setProviders(items.filter((i) => i.provider)), () => undefined);
	}, []);
	const typed = code.trim();
	const which = /^[\d\s]{6,8}$/.test(typed) ? { code: typed.replace(/\s/g, '') } : { recovery_code: typed };
	return (
		<dialog {...useModal(onNo)} class="confirm" aria-labelledby={id} onClick={undefined}>
			<form
				class="confirm-body"
				onSubmit={(e) => {
					e.preventDefault();
					void prove(() => peal.rest.prove({ password, ...(typed ? which : {}) }));
				}}
			>
				<h2 id={id}>Is it you?</h2>
				<p>
					This changes how you sign in. Say again who you are{byPassword ? '.' : ', by signing in once more, and then open this again.'}
				</p>
				{providers.map((one) => (
					<button key={one.id} type="button" class="primary" onClick={() => location.assign(peal.signInAddress(one.provider!))}>
						Sign in with {one.title}
					</button>
				))}
				{factors.password && (
					<label class="field">
						<span>Your password</span>
						<input
							type="password"
							autocomplete="current-password"
							required
							autofocus
							maxLength={256}
							value={password}
							onInput={(e) => setPassword(e.currentTarget.value)}
						/>
					</label>
				)}
				{factors.totp.enabled && (
					<label class="field">
						<span>
							Code <small>(of your app, or a recovery code)</small>
						</span>
						<input
							class="is-code"
							autocomplete="one-time-code"
							required
							maxLength={64}
							value={code}
							onInput={(e) => setCode(e.currentTarget.value)}
						/>
					</label>
				)}
				<div role="alert" class="sheet-trouble">
					{trouble}
				</div>
				<div class="confirm-row">
					{factors.passkeys > 0 && (
						<button type="button" class="secondary" disabled={busy} onClick={() => void prove(() => peal.proveByPasskey())}>
							Use a passkey
						</button>
					)}
					<button type="button" class="secondary" onClick={onNo}>
						Cancel
					</button>
					{factors.password && (
						<button type="submit" class="primary" disabled={busy}>
							Go on
						</button>
					)}
				</div>
			</form>
		</dialog>
	);
}
