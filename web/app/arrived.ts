// What the way to a provider came to, which the address says when it led back here; said once.
const REASONS: Record<string, string> = {
	denied: 'You did not allow the other service to say who you are.',
	failed: 'The other service did not say who you are. Try again.',
	stale: 'That took too long, or was begun elsewhere. Try again.',
	disabled: 'Your account is disabled. Ask whoever runs this server.',
	unavailable: 'The other service cannot be reached. Try again later.',
	done: 'From now on the other service signs you in, too.',
	ended: 'Your session ended meanwhile. Sign in and try again.',
	taken: 'This account of the other service belongs to somebody else here.',
	another: 'Another account of this service is linked already. Unlink that one first.',
};

/** Null: the address says nothing of the kind. */
export function arrived(): string | null {
	const address = new URL(location.href);
	const reason = address.searchParams.get('sign_in') ?? address.searchParams.get('linked');
	if (reason === null) return null;
	address.searchParams.delete('sign_in');
	address.searchParams.delete('linked');
	history.replaceState(history.state, '', address);
	return REASONS[reason] ?? REASONS['failed']!;
}
