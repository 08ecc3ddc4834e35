// Something asked for when a sheet opens.
import { useEffect, useState } from 'preact/hooks';
import { asProblem } from '../../sdk/index.ts';

export type Loaded<T> = { state: 'loading' } | { state: 'failed'; why: string } | { state: 'ready'; value: T };

export function useLoad<T>(ask: () => Promise<T>, on: unknown[]): Loaded<T> {
	const [loaded, set] = useState<Loaded<T>>({ state: 'loading' });
	useEffect(() => {
		let live = true;
		ask().then(
			(value) => live && set({ state: 'ready', value }),
			(error) => live && set({ state: 'failed', why: asProblem(error).message }),
		);
		return () => {
			live = false;
		};
	}, on);
	return loaded;
}
