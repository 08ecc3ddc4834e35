// What makes a dialog one before everything else: what is behind it is out of reach; Escape closes it, and a click beside it.
import { useEffect, useRef } from 'preact/hooks';

export function useModal(close: () => void) {
	const ref = useRef<HTMLDialogElement>(null);
	useEffect(() => {
		const box = ref.current!;
		box.showModal();
		return () => box.close();
	}, []);
	// what bubbles up from inside, as the `cancel` of choosing a file does, is none of ours
	const onClick = (e: Event) => {
		if (e.target !== ref.current) return;
		e.preventDefault();
		close();
	};
	return { ref, onClick, onCancel: onClick };
}
