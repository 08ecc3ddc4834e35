// Asks before something that cannot be undone.
import { useEffect, useId, useRef } from 'preact/hooks';

interface Props {
	title: string;
	text: string;
	action: string;
	onYes: () => void;
	onNo: () => void;
}

export function Confirm({ title, text, action, onYes, onNo }: Props) {
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
			class="confirm"
			aria-labelledby={`${id}-t`}
			aria-describedby={`${id}-d`}
			onCancel={(e) => {
				e.preventDefault();
				onNo();
			}}
			onClick={(e) => {
				if (e.target === dialog.current) onNo();
			}}
		>
			<div class="confirm-body">
				<h2 id={`${id}-t`}>{title}</h2>
				<p id={`${id}-d`}>{text}</p>
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
