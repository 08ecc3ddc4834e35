// What is done when somebody has come in, and nobody waits for.
import { Notifications } from '../sdk/notifications.ts';
import { arrived } from './arrived.ts';
import { goTo, liftAll, peal, tell } from './state.ts';

/** A click on a notification, while this page was open: the service worker says which conversation. */
function follow(event: MessageEvent): void {
	const said = event.data as { peal?: string; conversation?: string } | null;
	if (said?.peal !== 'open' || !/^[1-9][0-9]*$/.test(said.conversation ?? '')) return;
	liftAll();
	goTo(said.conversation!);
}

export function begin(): void {
	const said = arrived();
	if (said) tell(said);
	const { session } = peal;
	if (session.state !== 'in' || !Notifications.here) return;
	navigator.serviceWorker.addEventListener('message', follow);
	navigator.serviceWorker.startMessages();
	// it is sent again at the next start, too
	new Notifications(peal.rest, localStorage, session.user.id).refresh().catch(() => undefined);
}
