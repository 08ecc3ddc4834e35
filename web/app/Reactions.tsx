// What people made of a message: one chip per emoji, mine in colour; pressing adds or takes back my own.
import type { Message } from '../sdk/index.ts';
import { InfoIcon } from './icons.tsx';
import { attempt, lay, peal } from './state.ts';

export function toggleReaction(message: Message, emoji: string): void {
	const mine = message.reactions.find((r) => r.emoji === emoji)?.me ?? false;
	void attempt('Reacting', () => peal.act.react(message, emoji, !mine));
}

export function Reactions({ message }: { message: Message }) {
	if (message.reactions.length === 0) return null;
	return (
		<div class="reactions" role="group" aria-label="Reactions">
			{message.reactions.map(({ emoji, count, me }) => (
				<button
					key={emoji}
					type="button"
					class={me ? 'reaction is-mine' : 'reaction'}
					aria-pressed={me ?? false}
					aria-label={`${emoji}, ${count}`}
					onClick={() => toggleReaction(message, emoji)}
				>
					<span>{emoji}</span>
					<b>{count}</b>
				</button>
			))}
			<button type="button" class="reaction is-who" aria-label="Who reacted" onClick={() => lay({ kind: 'who', message })}>
				<InfoIcon />
			</button>
		</div>
	);
}
