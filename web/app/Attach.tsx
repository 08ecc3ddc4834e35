// What can be sent besides text, behind one button.
import { useEffect, useRef, useState } from 'preact/hooks';
import { PICTURE_TYPES } from '../sdk/index.ts';
import { ClockIcon, FileIcon, PictureIcon, PlusIcon, PollIcon } from './icons.tsx';
import { Item } from './Menu.tsx';

interface Props {
	onPictures: (files: File[]) => void;
	onFiles: (files: File[]) => void;
	onPoll: () => void;
	onLater: () => void;
}

export function Attach({ onPictures, onFiles, onPoll, onLater }: Props) {
	const [open, setOpen] = useState(false);
	const picker = useRef<HTMLInputElement>(null);
	const files = useRef<HTMLInputElement>(null);
	const box = useRef<HTMLDivElement>(null);
	useEffect(() => {
		if (!open) return;
		box.current!.querySelector<HTMLElement>('[role=menuitem]')?.focus();
		const outside = (e: Event) => {
			if (!box.current?.contains(e.target as Node)) setOpen(false);
		};
		document.addEventListener('pointerdown', outside);
		return () => document.removeEventListener('pointerdown', outside);
	}, [open]);
	const pick = (action: () => void) => () => {
		setOpen(false);
		action();
	};
	const keys = (e: KeyboardEvent) => {
		if (e.key === 'Escape') {
			setOpen(false);
			box.current!.querySelector<HTMLElement>('.attach')?.focus();
		}
		const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
		if (!step || !open) return;
		e.preventDefault();
		const items = [...box.current!.querySelectorAll<HTMLElement>('[role=menuitem]')];
		items[(items.indexOf(document.activeElement as HTMLElement) + step + items.length) % items.length]?.focus();
	};
	return (
		<div class="attach-place" ref={box} onKeyDown={keys}>
			<button
				type="button"
				class="ghost attach"
				aria-label="Send something else"
				aria-haspopup="menu"
				aria-expanded={open}
				onClick={() => setOpen(!open)}
			>
				<PlusIcon />
			</button>
			{open && (
				<div class="menu is-attach" role="menu" aria-label="Send">
					<Item icon={<PictureIcon />} text="Pictures" onPick={pick(() => picker.current?.click())} />
					<Item icon={<FileIcon />} text="File" onPick={pick(() => files.current?.click())} />
					<Item icon={<PollIcon />} text="Poll" onPick={pick(onPoll)} />
					<Item icon={<ClockIcon />} text="Send later" onPick={pick(onLater)} />
				</div>
			)}
			<input
				ref={picker}
				type="file"
				accept={PICTURE_TYPES.join(',')}
				multiple
				hidden
				data-testid="picker"
				onChange={(e) => {
					onPictures([...(e.currentTarget.files ?? [])]);
					e.currentTarget.value = '';
				}}
			/>
			<input
				ref={files}
				type="file"
				multiple
				hidden
				data-testid="file-picker"
				onChange={(e) => {
					onFiles([...(e.currentTarget.files ?? [])]);
					e.currentTarget.value = '';
				}}
			/>
		</div>
	);
}
