// A panel at the side, the whole screen on a phone, with everything behind it out of reach.
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import { ClearIcon } from '../icons.tsx';
import { useModal } from '../modal.ts';
import { Toast } from '../parts.tsx';
import { lift } from '../state.ts';

interface Props {
	title: string;
	children: ComponentChildren;
	/** Stays at the bottom. */
	foot?: ComponentChildren;
}

export function Sheet({ title, children, foot }: Props) {
	const id = useId();
	return (
		<dialog
			{...useModal(lift)}
			class="sheet"
			aria-labelledby={id}
			onClick={undefined} // whoever marks text may let go of it beside the sheet
			onPointerDown={(e) => {
				if (e.target === e.currentTarget) lift();
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
