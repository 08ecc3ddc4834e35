// What moderators and admins did, newest first.
import type { AuditRow } from '../../sdk/index.ts';
import { exactTime } from '../format.ts';
import { peal } from '../state.ts';
import { useLoad } from './load.ts';
import { Waiting } from './Waiting.tsx';

export function AuditLog() {
	const loaded = useLoad(() => peal.rest.audit(), []);
	return (
		<Waiting loaded={loaded}>
			{(page) => (page.items.length === 0 ? <p class="sheet-note">Nothing yet.</p> : <ul class="cards">{page.items.map(line)}</ul>)}
		</Waiting>
	);
}

function line(row: AuditRow) {
	return (
		<li key={row.id} class="card">
			<p class="card-head">
				<b>{row.act}</b>
				<time dateTime={row.at}>{exactTime(row.at)}</time>
			</p>
			<p>
				{row.actor}
				{row.target_kind && ` → ${row.target ?? `${row.target_kind} ${row.target_id}`}`}
			</p>
			<p class="sheet-note">{row.actor_id ? row.address : 'pealctl'}</p>
		</li>
	);
}
