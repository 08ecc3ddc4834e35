// Whether this browser shows what comes while nobody looks.
import { useState } from 'preact/hooks';
import { Notifications, type PushState } from '../../sdk/notifications.ts';
import { complain, peal } from '../state.ts';
import { useLoad } from './load.ts';

const WHY: Partial<Record<PushState, string>> = {
	unsupported: 'This browser shows no notifications here.',
	denied: 'You told the browser that Peal may not show any. Allow it in the settings of this page, beside its address.',
};

export function Notify({ me }: { me: string }) {
	const [turn, setTurn] = useState(0);
	const [busy, setBusy] = useState(false);
	const here = new Notifications(peal.rest, localStorage, me);
	const loaded = useLoad(() => here.state(), [turn]);
	if (loaded.state !== 'ready' || loaded.value === 'unavailable') return null;
	const state = loaded.value;
	const turnTo = async (on: boolean) => {
		setBusy(true);
		try {
			await (on ? here.turnOn() : here.turnOff());
		} catch (error) {
			complain(error, 'Notifications');
		}
		setBusy(false);
		setTurn((n) => n + 1);
	};
	return (
		<>
			<h3>Notifications</h3>
			<label class="switch">
				<span>
					Show what comes while I am not looking
					<small>{WHY[state] ?? 'On this browser, until you sign out. Each conversation has its own setting.'}</small>
				</span>
				<input
					type="checkbox"
					role="switch"
					checked={state === 'on'}
					disabled={busy || state === 'unsupported' || state === 'denied'}
					onChange={(e) => void turnTo(e.currentTarget.checked)}
				/>
			</label>
		</>
	);
}
