// Everybody who has an account, for admins.
import { useEffect, useState } from 'preact/hooks';
import type { Account } from '../../sdk/index.ts';
import { attempt, peal } from '../state.ts';
import { useLoad } from './load.ts';
import { PersonLine } from './PersonLine.tsx';
import { Waiting } from './Waiting.tsx';

const TYPING_MS = 250;

export function Accounts() {
	const [typed, setTyped] = useState('');
	const [asked, ask] = useState('');
	const [turn, setTurn] = useState(0);
	useEffect(() => {
		const timer = setTimeout(() => ask(typed.trim()), TYPING_MS);
		return () => clearTimeout(timer);
	}, [typed]);
	const loaded = useLoad(() => peal.rest.accounts({ q: asked || null }), [asked, turn]);
	const toggle = async (account: Account) => {
		const { id } = account.user;
		const done = await attempt('Changing the account', () =>
			account.disabled_at ? peal.rest.enableAccount(id) : peal.rest.disableAccount(id),
		);
		if (done) setTurn(turn + 1);
	};
	return (
		<>
			<input
				class="sheet-search"
				type="search"
				aria-label="Search accounts"
				placeholder="Beginning of a user name"
				value={typed}
				onInput={(e) => setTyped(e.currentTarget.value)}
			/>
			<Waiting loaded={loaded}>
				{(page) => (
					<ul>
						{page.items.map((account) => (
							<PersonLine key={account.user.id} user={account.user} note={noteOf(account)}>
								{account.user.id !== peal.store.me && (
									<button
										type="button"
										class={account.disabled_at ? 'secondary' : 'secondary is-danger'}
										aria-label={`${account.disabled_at ? 'Enable' : 'Disable'} ${account.user.username}`}
										onClick={() => void toggle(account)}
									>
										{account.disabled_at ? 'Enable' : 'Disable'}
									</button>
								)}
							</PersonLine>
						))}
					</ul>
				)}
			</Waiting>
		</>
	);
}

function noteOf(account: Account): string {
	const parts = [`@${account.user.username}`];
	if (account.site_role) parts.push(account.site_role);
	if (account.user.bot) parts.push('bot');
	if (account.disabled_at) parts.push('disabled');
	return parts.join(' · ');
}
