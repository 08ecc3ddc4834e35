// Small pieces that several screens use.
import { useEffect, useState } from 'preact/hooks';
import type { Id, Presence } from '../sdk/index.ts';
import { hue, initials } from './format.ts';
import { toast } from './state.ts';

interface AvatarProps {
	id: Id;
	name: string;
	size?: 's' | 'm' | 'l';
	url?: string | null | undefined;
	presence?: Presence | undefined;
}

export function Avatar({ id, name, size = 'm', url, presence }: AvatarProps) {
	const [broken, setBroken] = useState(false);
	useEffect(() => setBroken(false), [url]);
	const status = presence && presence.status !== 'offline' ? presence.status : null;
	return (
		<span class={`avatar avatar-${size} hue-${hue(id)}`} aria-hidden="true">
			{url && !broken ? <img src={url} alt="" onError={() => setBroken(true)} /> : <span>{initials(name)}</span>}
			{status && <i class={`dot dot-${status}`} />}
		</span>
	);
}

export function Spinner({ label }: { label: string }) {
	return <span class="spinner" role="status" aria-label={label} />;
}

/** What went wrong, or was done. What is not in the topmost sheet is out of reach, so each has a place for it. */
export function Toast() {
	return (
		<div class="toast-place" role="alert">
			{toast.value && <div class="toast">{toast.value}</div>}
		</div>
	);
}
