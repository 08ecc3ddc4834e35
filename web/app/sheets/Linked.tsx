// The providers that sign me in.
import { useState } from 'preact/hooks';
import { asProblem, type LinkedTo } from '../../sdk/index.ts';
import { exactTime } from '../format.ts';
import { peal, tell } from '../state.ts';
import type { Proved } from './Account.tsx';
import { useLoad } from './load.ts';
import { Waiting } from './Waiting.tsx';

/** Nothing at all where there are no providers and never were. */
export function Linked({ proved }: { proved: Proved }) {
	const [turn, setTurn] = useState(0);
	const loaded = useLoad(async () => {
		const [{ items }, providers] = await Promise.all([peal.rest.identities(), peal.providers()]);
		return { items, others: providers.filter((p) => !items.some((i) => i.provider === p.id)) };
	}, [turn]);
	if (loaded.state === 'ready' && loaded.value.items.length + loaded.value.others.length === 0) return null;
	const link = (provider: string) =>
		proved('Linking', async () => {
			location.assign((await peal.rest.linkTo(provider, '/?linked=done')).url);
		});
	return (
		<section class="account" aria-labelledby="account-linked">
			<h3 id="account-linked">Other services</h3>
			<Waiting loaded={loaded}>
				{({ items, others }) => (
					<>
						<ul class="cards">
							{items.map((one) => (
								<Line key={one.id} one={one} proved={proved} changed={() => setTurn((n) => n + 1)} />
							))}
						</ul>
						<div class="account-row">
							{others.map(({ id, title }) => (
								<button key={id} type="button" class="secondary" onClick={() => void link(id)}>
									Link {title}
								</button>
							))}
						</div>
					</>
				)}
			</Waiting>
		</section>
	);
}

function Line({ one, proved, changed }: { one: LinkedTo; proved: Proved; changed: () => void }) {
	const unlink = () =>
		proved('Unlinking', async () => {
			try {
				await peal.rest.unlink(one.id);
			} catch (error) {
				if (asProblem(error).code !== 'last_way_in') throw error;
				return tell('Nothing else signs you in. Add a passkey or link another service first.');
			}
			changed();
			tell(`${one.title} does not sign you in any more.`);
		});
	return (
		<li class="card">
			<p class="card-head">
				<b dir="auto">{one.title}</b>
			</p>
			<p class="sheet-note">
				{one.provider ? 'Signs you in' : 'Not offered here'}, linked {exactTime(one.created_at)}
			</p>
			<button type="button" class="link" aria-label={`Unlink ${one.title}`} onClick={() => void unlink()}>
				Unlink
			</button>
		</li>
	);
}
