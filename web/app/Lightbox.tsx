// A picture, large; loaded when the first of them is asked for.
import { useEffect, useRef } from 'preact/hooks';
import type { Attachment } from '../sdk/index.ts';
import { ClearIcon, SaveIcon } from './icons.tsx';
import { save } from './Picture.tsx';

export function Lightbox({ attachment, close }: { attachment: Attachment; close: () => void }) {
	const dialog = useRef<HTMLDialogElement>(null);
	const main = attachment.renditions[0]!;
	useEffect(() => {
		const box = dialog.current!;
		box.showModal();
		return () => box.close();
	}, []);
	return (
		<dialog
			ref={dialog}
			class="lightbox"
			aria-label={attachment.name ?? 'Picture'}
			onCancel={(e) => {
				e.preventDefault();
				close();
			}}
			onClick={close}
		>
			<img
				src={main.url}
				width={main.width ?? undefined}
				height={main.height ?? undefined}
				alt={attachment.name ?? ''}
				onClick={(e) => e.stopPropagation()}
			/>
			<div class="lightbox-bar" onClick={(e) => e.stopPropagation()}>
				<button type="button" class="ghost" aria-label="Save" onClick={() => save(attachment.id)}>
					<SaveIcon />
				</button>
				<button type="button" class="ghost" aria-label="Close" onClick={close}>
					<ClearIcon />
				</button>
			</div>
		</dialog>
	);
}
