// Me: what others see of me, and my lists.
import { useEffect, useState } from 'preact/hooks';
import type { ProfileChange } from '../../sdk/index.ts';
import { userName } from '../format.ts';
import { attempt, lay, peal, watch, type Overlay } from '../state.ts';
import { AvatarField } from './AvatarField.tsx';
import { Notify } from './Notify.tsx';
import { Sheet } from './Sheet.tsx';

const LISTS: [string, Overlay][] = [
	['Starred messages', { kind: 'starred' }],
	['Scheduled messages', { kind: 'scheduled' }],
	['Archived conversations', { kind: 'archived' }],
	['Blocked people', { kind: 'blocked' }],
	['Sign-in and security', { kind: 'account' }],
];

export function Profile() {
	watch('session');
	const { session } = peal;
	const me = session.state === 'in' ? session.user : null;
	const [name, setName] = useState(me?.display_name ?? '');
	const [status, setStatus] = useState(me?.status_text ?? '');
	useEffect(() => {
		setName(me?.display_name ?? '');
		setStatus(me?.status_text ?? '');
	}, [me?.display_name, me?.status_text]);
	if (!me) return null;
	const lists: [string, Overlay][] = [...LISTS, ['Programs and bots', { kind: 'tokens' }]];
	if (me.site_role) lists.push(['Moderation', { kind: 'moderation' }]);
	const change = (what: ProfileChange) => attempt('Saving', () => peal.changeMe(what));
	const changed = name.trim() !== me.display_name || status.trim() !== (me.status_text ?? '');
	const save = () => change({ display_name: name.trim(), status_text: status.trim() || null });
	return (
		<Sheet title="You">
			<AvatarField
				id={me.id}
				name={userName(me)}
				url={me.avatar_url}
				onPick={(picked) => peal.changeMe({ avatar_id: picked?.id ?? null })}
			/>
			<p class="head-note">@{me.username}</p>
			<form
				onSubmit={(e) => {
					e.preventDefault();
					void save();
				}}
			>
				<label class="field">
					<span>Name</span>
					<input value={name} maxLength={64} dir="auto" onInput={(e) => setName(e.currentTarget.value)} />
				</label>
				<label class="field">
					<span>About</span>
					<input value={status} maxLength={256} dir="auto" onInput={(e) => setStatus(e.currentTarget.value)} />
				</label>
				{changed && (
					<button type="submit" class="primary is-wide" disabled={name.trim() === ''}>
						Save
					</button>
				)}
			</form>
			<h3>Privacy</h3>
			<label class="switch">
				<span>
					Others see what I have read
				</span>
				<input
					type="checkbox"
					role="switch"
					checked={me.privacy.read_receipts}
					onChange={(e) => void change({ privacy: { read_receipts: e.currentTarget.checked } })}
				/>
			</label>
			<label class="switch">
				<span>
					Others see whether I am here
				</span>
				<input
					type="checkbox"
					role="switch"
					checked={me.privacy.last_seen}
					onChange={(e) => void change({ privacy: { last_seen: e.currentTarget.checked } })}
				/>
			</label>
			<Notify me={me.id} />
			<h3>Lists</h3>
			<ul class="links">
				{lists.map(([text, overlay]) => (
					<li key={text}>
						<button type="button" onClick={() => lay(overlay)}>
							{text}
						</button>
					</li>
				))}
			</ul>
		</Sheet>
	);
}
