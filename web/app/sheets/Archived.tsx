// Conversations that I have put away.
import { displayName } from '../format.ts';
import { preview } from '../names.ts';
import { Avatar } from '../parts.tsx';
import { attempt, goTo, liftAll, peal, watch } from '../state.ts';
import { useLoad } from './load.ts';
import { Sheet } from './Sheet.tsx';
import { Waiting } from './Waiting.tsx';

export function Archived() {
	watch('list');
	const loaded = useLoad(() => peal.loadArchived(), []);
	const rooms = peal.store.archived();
	return (
		<Sheet title="Archived conversations">
			<Waiting loaded={loaded}>
				{() => (
					<>
						{rooms.length === 0 && <p class="sheet-note">Nothing is archived.</p>}
						<ul>
							{rooms.map((room) => (
								<li key={room.id} class="person">
									<Avatar id={room.info.peer?.id ?? room.id} name={displayName(room.info)} url={room.info.avatar_url} />
									<button
										type="button"
										class="person-body"
										onClick={() => {
											liftAll();
											goTo(room.id);
										}}
									>
										<b>{displayName(room.info)}</b>
										<span>{room.info.last_message && preview(room, room.info.last_message)}</span>
									</button>
									<button
										type="button"
										class="secondary"
										onClick={() => void attempt('Taking it out', () => peal.act.settings(room.id, { archived: false }))}
									>
										Take out
									</button>
								</li>
							))}
						</ul>
					</>
				)}
			</Waiting>
		</Sheet>
	);
}
