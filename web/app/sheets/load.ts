// Something asked for when a sheet opens.
import { useEffect, useState } from 'preact/hooks';
import { asProblem } from '../../sdk/index.ts';

/** `trouble`: it was asked for again and did not come, so the value is that of before. */
export type Loaded<T> = { state: 'loading' } | { state: 'failed'; why: string } | { state: 'ready'; value: T; trouble?: string };

export function useLoad<T>(ask: () => Promise<T>, on: unknown[]): Loaded<T> {
	const [loaded, set] = useState<Loaded<T>>({ state: 'loading' });
	useEffect(() => {
		let live = true;
		ask().then(
			(value) => live && set({ state: 'ready', value }),
			(error) => {
				const why = asProblem(error).message;
				if (live) set((last) => (last.state === 'ready' ? { ...last, trouble: why } : { state: 'failed', why }));
			},
		);
		return () => {
			live = false;
		};
	}, on);
	return loaded;
}
