// Codes after the password: set up with a phone, kept on paper, taken off.
import { useState } from 'preact/hooks';
import { encode } from 'uqr';
import { asProblem, type Factors, type TotpSecret } from '../../sdk/index.ts';
import { exactTime } from '../format.ts';
import { peal, tell } from '../state.ts';
import type { Proved } from './Account.tsx';

interface Props {
	factors: Factors;
	proved: Proved;
	changed: () => void;
}

export function TwoSteps({ factors: { totp }, proved, changed }: Props) {
	const [secret, setSecret] = useState<TotpSecret | null>(null);
	const [codes, setCodes] = useState<string[] | null>(null);
	const begin = () => proved('Setting up', async () => setSecret(await peal.rest.beginTotp()));
	const renew = () =>
		proved('Making new codes', async () => {
			setCodes((await peal.rest.renewRecoveryCodes()).recovery_codes);
			changed();
		});
	const end = () =>
		proved('Turning off', async () => {
			await peal.rest.endTotp();
			setCodes(null);
			changed();
			tell('Signing in takes no code any more.');
		});
	return (
		<section class="account" aria-labelledby="account-steps">
			<h3 id="account-steps">Two-step sign-in</h3>
			{codes && <Codes codes={codes} gone={() => setCodes(null)} />}
			{totp.enabled ? (
				<>
					<p class="sheet-note">
						On since {exactTime(totp.enabled_at!)}. {left(totp.recovery_codes_left)}
					</p>
					<div class="account-row">
						<button type="button" class="secondary" onClick={() => void renew()}>
							New recovery codes
						</button>
						<button type="button" class="secondary" onClick={() => void end()}>
							Turn off
						</button>
					</div>
				</>
			) : secret ? (
				<SetUp
					secret={secret}
					done={(made) => {
						setSecret(null);
						setCodes(made);
						changed();
					}}
					stop={() => setSecret(null)}
				/>
			) : (
				<>
					<p class="sheet-note">After the password, an app on your phone says a code. Whoever has learnt the password alone stays out.</p>
					<button type="button" class="secondary" onClick={() => void begin()}>
						Turn on
					</button>
				</>
			)}
		</section>
	);
}

const left = (n: number) => (n === 1 ? '1 recovery code is left.' : `${n} recovery codes are left.`);

function SetUp({ secret, done, stop }: { secret: TotpSecret; done: (codes: string[]) => void; stop: () => void }) {
	const [code, setCode] = useState('');
	const [trouble, setTrouble] = useState('');
	const confirm = async (event: Event) => {
		event.preventDefault();
		setTrouble('');
		try {
			done((await peal.rest.confirmTotp(code.replace(/\s/g, ''))).recovery_codes);
		} catch (error) {
			const problem = asProblem(error);
			setTrouble(
				problem.code === 'bad_code' ? 'This is not the code. Is the clock of your phone right?' : problem.message,
			);
		}
	};
	return (
		<form onSubmit={confirm}>
			<p class="sheet-note">Scan this with an authenticator app, such as Aegis or Google Authenticator.</p>
			<Qr text={secret.uri} />
			<p class="sheet-note">
				Or type this key into it: <code class="account-key">{secret.secret.replace(/.{4}(?=.)/g, '$& ')}</code>
			</p>
			<label class="field">
				<span>The code that the app shows</span>
				<input
					class="is-code is-digits"
					inputMode="numeric"
					autocomplete="one-time-code"
					required
					maxLength={8}
					value={code}
					onInput={(e) => setCode(e.currentTarget.value)}
				/>
			</label>
			<div role="alert" class="sheet-trouble">
				{trouble}
			</div>
			<div class="account-row">
				<button type="submit" class="primary">
					Confirm
				</button>
				<button type="button" class="secondary" onClick={stop}>
					Cancel
				</button>
			</div>
		</form>
	);
}

/** Dark on light in either colour scheme: some scanners know nothing else. */
function Qr({ text }: { text: string }) {
	const { data, size } = encode(text, { ecc: 'M', border: 4 });
	let path = '';
	data.forEach((row, y) => row.forEach((dark, x) => (path += dark ? `M${x} ${y}h1v1h-1z` : '')));
	return (
		<svg class="account-qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label="QR code for an authenticator app" shape-rendering="crispEdges">
			<rect width={size} height={size} fill="#fff" />
			<path d={path} fill="#000" />
		</svg>
	);
}

/** Shown once. */
function Codes({ codes, gone }: { codes: string[]; gone: () => void }) {
	const copy = () =>
		navigator.clipboard?.writeText(codes.join('\n')).then(
			() => tell('Copied.'),
			() => tell('The browser does not allow copying here.'),
		);
	return (
		<div class="card account-codes" role="status">
			<p>
				<b>Keep these recovery codes.</b> Each signs you in once, when the phone is not there. They are not shown again.
			</p>
			<ul data-testid="recovery">
				{codes.map((one) => (
					<li key={one}>
						<code>{one}</code>
					</li>
				))}
			</ul>
			<button type="button" class="link" onClick={() => void copy()}>
				Copy
			</button>{' '}
			<button type="button" class="link" onClick={gone}>
				I have them
			</button>
		</div>
	);
}
