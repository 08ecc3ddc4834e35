// Asks before something that cannot be undone.
import { useId } from 'preact/hooks';
import { useModal } from './modal.ts';

interface Props {
	title: string;
	text: string;
	action: string;
	onYes: () => void;
	onNo: () => void;
}

export function Confirm({ title, text, action, onYes, onNo }: Props) {
	const id = useId();
	return (
		<dialog {...useModal(onNo)} class="confirm" aria-label={title} aria-describedby={id}>
			<div class="confirm-body">
				<h2>{title}</h2>
				<p id={id}>{text}</p>
				<div class="confirm-row">
					<button type="button" class="secondary" onClick={onNo}>
						Cancel
					</button>
					<button type="button" class="danger" onClick={onYes}>
						{action}
					</button>
				</div>
			</div>
		</dialog>
	);
}
