// Whom I have blocked.
import { userName } from '../format.ts';
import { attempt, peal, watch } from '../state.ts';
import { useLoad } from './load.ts';
import { PersonLine } from './PersonLine.tsx';
import { Sheet } from './Sheet.tsx';
import { Waiting } from './Waiting.tsx';

export function Blocked() {
	watch('me');
	watch('people');
	const loaded = useLoad(() => peal.loadBlocks(), []);
	const people = [...peal.store.blocked].map((id) => peal.people.get(id)).filter((user) => user !== undefined);
	return (
		<Sheet title="Blocked people">
			<Waiting loaded={loaded}>
				{() =>
					people.length === 0 ? (
						<p class="sheet-note">You have blocked nobody.</p>
					) : (
						<ul>
							{people.map((user) => (
								<PersonLine key={user.id} user={user}>
									<button
										type="button"
										class="secondary"
										aria-label={`Unblock ${userName(user)}`}
										onClick={() => void attempt('Unblocking', () => peal.act.block(user.id, false))}
									>
										Unblock
									</button>
								</PersonLine>
							))}
						</ul>
					)
				}
			</Waiting>
		</Sheet>
	);
}
