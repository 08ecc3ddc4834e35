// Small pieces that several screens use.
import type { Id, Presence } from '../sdk/index.ts';
import { hue, initials } from './format.ts';

export function Avatar({
	id,
	name,
	size = 'm',
	presence,
}: {
	id: Id;
	name: string;
	size?: 's' | 'm' | 'l';
	presence?: Presence | undefined;
}) {
	const status = presence && presence.status !== 'offline' ? presence.status : null;
	return (
		<span class={`avatar avatar-${size} hue-${hue(id)}`} aria-hidden="true">
			<span>{initials(name)}</span>
			{status && <i class={`dot dot-${status}`} />}
		</span>
	);
}

export function Spinner({ label }: { label: string }) {
	return <span class="spinner" role="status" aria-label={label} />;
}
