// A poll in a bubble: what was asked, how it stands, and my vote.
import type { Message } from '../sdk/index.ts';
import { exactTime } from './format.ts';
import { CheckIcon } from './icons.tsx';
import { attempt, peal } from './state.ts';

export function PollCard({ message }: { message: Message }) {
	const poll = message.poll!;
	const mine = poll.my_votes ?? [];
	const closed = poll.closes_at !== null && Date.parse(poll.closes_at) <= Date.now();
	const vote = (i: number) => {
		const has = mine.includes(i);
		const next = has ? mine.filter((v) => v !== i) : poll.multiple ? [...mine, i].sort((a, b) => a - b) : [i];
		void attempt('Voting', () => peal.act.vote(message, next));
	};
	const kind = [poll.multiple && 'several answers', poll.anonymous && 'anonymous'].filter(Boolean).join(', ');
	return (
		<div class="poll" role="group" aria-label={`Poll: ${poll.question}`}>
			<p class="poll-question" dir="auto">
				{poll.question}
			</p>
			<p class="poll-kind">
				Poll{kind && `, ${kind}`}
			</p>
			{poll.options.map((option, i) => {
				const share = poll.voters > 0 ? Math.round((option.count / poll.voters) * 100) : 0;
				return (
					<button
						key={i}
						type="button"
						class={mine.includes(i) ? 'option is-mine' : 'option'}
						aria-pressed={mine.includes(i)}
						aria-label={`${option.text}: ${option.count} ${option.count === 1 ? 'vote' : 'votes'}`}
						disabled={closed}
						onClick={() => vote(i)}
					>
						<span class={poll.multiple ? 'option-box is-square' : 'option-box'}>{mine.includes(i) && <CheckIcon />}</span>
						<span class="option-text" dir="auto">
							{option.text}
						</span>
						<span class="option-count">{option.count}</span>
						<span class="option-bar">
							<i style={{ width: `${share}%` }} />
						</span>
					</button>
				);
			})}
			<p class="poll-kind">
				{poll.voters} {poll.voters === 1 ? 'person' : 'people'} voted
				{poll.closes_at && (
					<>
						{' · '}
						<time dateTime={poll.closes_at}>{closed ? 'closed' : `until ${exactTime(poll.closes_at)}`}</time>
					</>
				)}
			</p>
		</div>
	);
}
