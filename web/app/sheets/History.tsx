// What a message said before it was edited.
import type { Message } from '../../sdk/index.ts';
import { exactTime } from '../format.ts';
import { peal } from '../state.ts';
import { useLoad } from './load.ts';
import { Sheet } from './Sheet.tsx';
import { Waiting } from './Waiting.tsx';

export function History({ message }: { message: Message }) {
	const loaded = useLoad(() => peal.rest.revisions(message.id), [message.id]);
	return (
		<Sheet title="Edits">
			<ol class="revisions">
				<li>
					<p dir="auto">{message.content}</p>
					<small>Now{message.edited_at && `, since ${exactTime(message.edited_at)}`}</small>
				</li>
				<Waiting loaded={loaded}>
					{(page) =>
						page.items.map((revision) => (
							<li key={revision.version}>
								<p dir="auto">{revision.content ?? '(no text)'}</p>
								<small>{exactTime(revision.created_at)}</small>
							</li>
						))
					}
				</Waiting>
			</ol>
		</Sheet>
	);
}
