// A small grid of emoji to pick from; the arrow keys go through it.
import { useEffect, useRef } from 'preact/hooks';
import { OFFERED } from './emoji.ts';

const COLUMNS = 8;

export function EmojiGrid({ onPick }: { onPick: (emoji: string) => void }) {
	const box = useRef<HTMLDivElement>(null);
	useEffect(() => box.current?.querySelector('button')?.focus(), []);
	const keys = (e: KeyboardEvent) => {
		const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[e.key];
		if (!step) return;
		e.preventDefault();
		e.stopPropagation();
		const all = [...box.current!.querySelectorAll('button')];
		all[all.indexOf(document.activeElement as HTMLButtonElement) + step]?.focus();
	};
	return (
		<div class="emoji-grid" role="group" aria-label="Emoji" ref={box} onKeyDown={keys}>
			{OFFERED.map(([emoji, name]) => (
				<button key={emoji} type="button" aria-label={name} title={name} onClick={() => onPick(emoji)}>
					{emoji}
				</button>
			))}
		</div>
	);
}
