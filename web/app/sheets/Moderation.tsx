// What moderators and admins of the server do: reports, accounts, and the log of all that.
import { useState } from 'preact/hooks';
import { watch, peal } from '../state.ts';
import { Accounts } from './Accounts.tsx';
import { AuditLog } from './AuditLog.tsx';
import { Queue } from './Queue.tsx';
import { Sheet } from './Sheet.tsx';

const TABS = { reports: 'Reports', people: 'People', log: 'Log' } as const;
type Tab = keyof typeof TABS;

export function Moderation() {
	watch('session');
	const [tab, setTab] = useState<Tab>('reports');
	const role = peal.session.state === 'in' ? peal.session.user.site_role : null;
	if (!role) return null;
	const tabs = (Object.keys(TABS) as Tab[]).filter((one) => one === 'reports' || role === 'admin');
	return (
		<Sheet title="Moderation">
			{tabs.length > 1 && (
				<div class="tabs" role="tablist">
					{tabs.map((one) => (
						<button key={one} type="button" role="tab" aria-selected={tab === one} onClick={() => setTab(one)}>
							{TABS[one]}
						</button>
					))}
				</div>
			)}
			{tab === 'reports' && <Queue />}
			{tab === 'people' && <Accounts />}
			{tab === 'log' && <AuditLog />}
		</Sheet>
	);
}
