// A panel at the side, the whole screen on a phone, with everything behind it out of reach.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { ClearIcon } from '../icons.tsx';
import { Toast } from '../parts.tsx';
import { lift } from '../state.ts';

interface Props {
	title: string;
	children: ComponentChildren;
	/** Stays at the bottom. */
	foot?: ComponentChildren;
}

export function Sheet({ title, children, foot }: Props) {
	const dialog = useRef<HTMLDialogElement>(null);
	const id = useId();
	useEffect(() => {
		const box = dialog.current!;
		box.showModal();
		return () => box.close();
	}, []);
	return (
		<dialog
			ref={dialog}
			class="sheet"
			aria-labelledby={id}
			onCancel={(e) => {
				if (e.target !== dialog.current) return;
				e.preventDefault();
				lift();
			}}
			onPointerDown={(e) => {
				if (e.target === dialog.current) lift();
			}}
		>
			<div class="sheet-body">
				<header class="sheet-head">
					<h2 id={id}>{title}</h2>
					<button type="button" class="ghost" aria-label="Close" onClick={lift}>
						<ClearIcon />
					</button>
				</header>
				<div class="sheet-main">{children}</div>
				{foot && <footer class="sheet-foot">{foot}</footer>}
			</div>
			<Toast />
		</dialog>
	);
}
