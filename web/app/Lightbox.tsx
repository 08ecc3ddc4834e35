// A picture, large; loaded when the first of them is asked for.
import type { Attachment } from '../sdk/index.ts';
import { ClearIcon, SaveIcon } from './icons.tsx';
import { useModal } from './modal.ts';
import { save } from './Picture.tsx';

export function Lightbox({ attachment, close }: { attachment: Attachment; close: () => void }) {
	const main = attachment.renditions[0]!;
	return (
		<dialog {...useModal(close)} class="lightbox" aria-label={attachment.name ?? 'Picture'}>
			<img src={main.url} width={main.width ?? undefined} height={main.height ?? undefined} alt={attachment.name ?? ''} />
			<div class="lightbox-bar">
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
