// The sheets that lie over everything; loaded when the first of them is asked for.
import { overlays, type Overlay } from '../state.ts';
import { Account } from './Account.tsx';
import { AddPeople } from './AddPeople.tsx';
import { Archived } from './Archived.tsx';
import { Around } from './Around.tsx';
import { Blocked } from './Blocked.tsx';
import { Details } from './Details.tsx';
import { Forward } from './Forward.tsx';
import { History } from './History.tsx';
import { Later } from './Later.tsx';
import { Moderation } from './Moderation.tsx';
import { NewGroup } from './NewGroup.tsx';
import { NewPoll } from './NewPoll.tsx';
import { Profile } from './Profile.tsx';
import { Report } from './Report.tsx';
import { Scheduled } from './Scheduled.tsx';
import { Starred } from './Starred.tsx';
import { Tokens } from './Tokens.tsx';
import { Who } from './Who.tsx';

export default function Sheets() {
	return (
		<>
			{overlays.value.map((overlay, i) => (
				<One key={`${i}-${overlay.kind}`} overlay={overlay} />
			))}
		</>
	);
}

function One({ overlay }: { overlay: Overlay }) {
	switch (overlay.kind) {
		case 'forward':
			return <Forward message={overlay.message} />;
		case 'history':
			return <History message={overlay.message} />;
		case 'who':
			return <Who message={overlay.message} />;
		case 'around':
			return <Around key={overlay.message} message={overlay.message} />;
		case 'poll':
			return <NewPoll room={overlay.room} />;
		case 'later':
			return <Later room={overlay.room} text={overlay.text} replyTo={overlay.replyTo} />;
		case 'scheduled':
			return <Scheduled />;
		case 'details':
			return <Details id={overlay.room} />;
		case 'add':
			return <AddPeople room={overlay.room} />;
		case 'group':
			return <NewGroup />;
		case 'me':
			return <Profile />;
		case 'account':
			return <Account />;
		case 'starred':
			return <Starred />;
		case 'blocked':
			return <Blocked />;
		case 'report':
			return <Report message={overlay.message} user={overlay.user} />;
		case 'tokens':
			return <Tokens />;
		case 'moderation':
			return <Moderation />;
		case 'archived':
			return <Archived />;
	}
}
