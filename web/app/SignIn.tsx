// The door: signing in and registering.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { asProblem, type PealError, type Provider } from '../sdk/index.ts';
import { Bell, EyeIcon } from './icons.tsx';
import { PasskeyButton } from './PasskeyButton.tsx';
import { peal } from './state.ts';

type Fields = { username: string; password: string; display: string };

const SAID: Partial<Record<PealError['code'], string>> = {
	bad_credentials: 'The user name or the password is wrong.',
	username_taken: 'Somebody else has this user name.',
	registration_closed: 'This server does not accept registrations. Ask whoever runs it for an account.',
	network: 'The server cannot be reached. Check your connection and try again.',
};

function explain(error: unknown): string {
	const problem = asProblem(error);
	return SAID[problem.code] ?? problem.errors[0]?.message ?? problem.message;
}

export function SignIn({ expired }: { expired: boolean }) {
	const [isNew, setNew] = useState(false);
	const [busy, setBusy] = useState(false);
	const [trouble, setTrouble] = useState(expired ? 'Your session has ended. Sign in again.' : '');
	useEffect(() => {
		if (location.search) import('./arrived.ts').then((m) => setTrouble(m.arrived() ?? trouble), () => undefined);
	}, []);
	const form = useRef<HTMLFormElement>(null);
	const [second, setSecond] = useState<ComponentChildren>(null);

	const back = (why = '') => {
		setSecond(null);
		setTrouble(why);
	};
	/** Loaded when it is needed: most people have no second factor. */
	const secondStep = (challenge: string) =>
		import('./SecondStep.tsx').then(
			({ SecondStep }) => setSecond(<SecondStep challenge={challenge} back={back} />),
			() => setTrouble(SAID.network!),
		);

	const submit = async (event: Event) => {
		event.preventDefault();
		const { username, password, display } = Object.fromEntries(new FormData(form.current!)) as Fields;
		setBusy(true);
		setTrouble('');
		try {
			await (isNew ? peal.register(username.trim(), password, display.trim()) : peal.login(username.trim(), password));
		} catch (error) {
			const { code, challenge } = asProblem(error);
			if (code === 'second_factor_required' && challenge) await secondStep(challenge);
			else setTrouble(explain(error));
			setBusy(false);
		}
	};
	const turn = () => {
		setNew(!isNew);
		setTrouble('');
	};

	if (second) return <>{second}</>;

	return (
		<main class="door">
			<form class="door-card" ref={form} onSubmit={submit} aria-labelledby="door-title">
				<Bell size={52} />
				<h1 id="door-title">{isNew ? 'Create your account' : 'Sign in to Peal'}</h1>
				<p class="door-sub">{isNew ? 'Choose how others find you.' : 'Welcome back.'}</p>
				{isNew && (
					<label class="field">
						<span>
							Name <small>(optional)</small>
						</span>
						<input name="display" autocomplete="name" maxLength={64} placeholder="Alice Archer" />
					</label>
				)}
				<label class="field">
					<span>User name</span>
					<input
						name="username"
						autocomplete="username"
						autocapitalize="none"
						spellcheck={false}
						required
						maxLength={64}
						autofocus
						aria-describedby="door-trouble"
					/>
				</label>
				<Password isNew={isNew} />
				<div id="door-trouble" role="alert" class="door-trouble">
					{trouble}
				</div>
				<button class="primary" type="submit" disabled={busy}>
					{busy ? 'One moment…' : isNew ? 'Create account' : 'Sign in'}
				</button>
				{!isNew && <PasskeyButton said={setTrouble} />}
				<Providers />
				<p class="door-turn">
					{isNew ? 'Have an account already?' : 'New here?'}{' '}
					<button type="button" class="link" onClick={turn}>
						{isNew ? 'Sign in' : 'Create an account'}
					</button>
				</p>
			</form>
		</main>
	);
}

/** Others whom one may sign in with: the page goes there and comes back. */
function Providers() {
	const [providers, setProviders] = useState<Provider[]>([]);
	useEffect(() => {
		peal.providers().then(setProviders, () => undefined); // signing in by password says it when the server is away
	}, []);
	return (
		<>
			{providers.map(({ id, title }) => (
				<button
					key={id}
					type="button"
					class="secondary door-provider"
					onClick={() => location.assign(peal.signInAddress(id))}
				>
					Sign in with {title}
				</button>
			))}
		</>
	);
}

function Password({ isNew }: { isNew: boolean }) {
	const [shown, show] = useState(false);
	return (
		<label class="field">
			<span>Password {isNew && <small>(at least 15 characters; a few words are fine)</small>}</span>
			<span class="field-with">
				<input
					name="password"
					type={(shown ? 'text' : 'password') as 'password'}
					required
					minLength={isNew ? 15 : 1}
					maxLength={256}
					autocomplete={isNew ? 'new-password' : 'current-password'}
				/>
				<button
					type="button"
					class="ghost"
					aria-pressed={shown}
					aria-label="Show the password"
					onClick={() => show(!shown)}
				>
					<EyeIcon off={shown} />
				</button>
			</span>
		</label>
	);
}
