// What a sheet shows while something is asked for, and when that failed.
import type { ComponentChildren } from 'preact';
import { Spinner } from '../parts.tsx';
import type { Loaded } from './load.ts';

export function Waiting<T>({ loaded, children }: { loaded: Loaded<T>; children: (value: T) => ComponentChildren }) {
	if (loaded.state === 'ready')
		return (
			<>
				{loaded.trouble && (
					<p class="sheet-note" role="alert">
						What follows may be old. It could not be loaded again: {loaded.trouble}
					</p>
				)}
				{children(loaded.value)}
			</>
		);
	return (
		<div class="more">
			{loaded.state === 'loading' ? <Spinner label="Loading" /> : <p class="sheet-note">This could not be loaded: {loaded.why}</p>}
		</div>
	);
}
