// The moderators' queue: what was reported, and what is done about it.
import { useState } from 'preact/hooks';
import type { Report, ReportChange, ReportState } from '../../sdk/index.ts';
import { Confirm } from '../Confirm.tsx';
import { exactTime, userName } from '../format.ts';
import { attempt, peal } from '../state.ts';
import { useLoad } from './load.ts';
import { REASONS } from './reasons.ts';
import { Waiting } from './Waiting.tsx';

const STATES: Record<ReportState, string> = { open: 'Open', in_review: 'In review', resolved: 'Resolved', dismissed: 'Dismissed' };
const DONE: Record<string, string> = {
	delete_message: 'message deleted',
	disable_user: 'account disabled',
	slow_mode: 'slow mode',
	dismiss: 'dismissed',
};
const SLOW_SECONDS = 60;

export function Queue() {
	const [state, setState] = useState<ReportState>('open');
	const [turn, setTurn] = useState(0);
	const [more, setMore] = useState<{ items: Report[]; next: string | null } | null>(null);
	const again = () => {
		setMore(null);
		setTurn(turn + 1);
	};
	const loaded = useLoad(() => peal.rest.reports({ state }), [state, turn]);
	const on = async (cursor: string) => {
		await attempt('Loading', async () => {
			const page = await peal.rest.reports({ state, cursor });
			setMore({ items: [...(more?.items ?? []), ...page.items], next: page.next_cursor });
		});
	};
	return (
		<>
			<label class="switch">
				<span>Show</span>
				<select
					value={state}
					onChange={(e) => {
						setMore(null);
						setState(e.currentTarget.value as ReportState);
					}}
				>
					{Object.entries(STATES).map(([value, text]) => (
						<option key={value} value={value}>
							{text}
						</option>
					))}
				</select>
			</label>
			<Waiting loaded={loaded}>
				{(page) => {
					const items = [...page.items, ...(more?.items ?? [])];
					const next = more ? more.next : page.next_cursor;
					return items.length === 0 ? (
						<p class="sheet-note">Nothing here.</p>
					) : (
						<>
							<ul class="cards">
								{items.map((one) => (
									<Line key={one.id} report={one} done={again} />
								))}
							</ul>
							{next && (
								<button type="button" class="secondary is-wide" onClick={() => void on(next)}>
									More
								</button>
							)}
						</>
					);
				}}
			</Waiting>
		</>
	);
}

function Line({ report, done }: { report: Report; done: () => void }) {
	const [asked, ask] = useState<'delete' | 'disable' | null>(null);
	const waits = report.state === 'open' || report.state === 'in_review';
	const act = async (change: ReportChange) => {
		ask(null);
		if (await attempt('Moderating', () => peal.rest.handleReport(report.id, change))) done();
	};
	return (
		<li class="card" data-report={report.id}>
			<p class="card-head">
				<b>{REASONS[report.reason]}</b>
				<time dateTime={report.created_at}>{exactTime(report.created_at)}</time>
			</p>
			<Copy report={report} />
			<p class="sheet-note">
				Reported by {userName(report.reporter)}
				{report.note && (
					<>
						: <q dir="auto">{report.note}</q>
					</>
				)}
			</p>
			{report.handled_by && (
				<p class="sheet-note">
					{STATES[report.state]} by {userName(report.handled_by)}
					{report.action && ` (${DONE[report.action]})`}
					{report.moderator_note && `: ${report.moderator_note}`}
				</p>
			)}
			{waits ? <Actions report={report} act={act} ask={ask} /> : <Reopen act={act} />}
			{asked && (
				<Confirm
					title={asked === 'delete' ? 'Delete the message?' : `Disable ${userName(report.user)}?`}
					text={
						asked === 'delete'
							? 'It goes for everybody. The copy in this report stays.'
							: 'They are signed out everywhere within a second, and cannot sign in again.'
					}
					action={asked === 'delete' ? 'Delete' : 'Disable'}
					onYes={() => void act({ action: asked === 'delete' ? 'delete_message' : 'disable_user' })}
					onNo={() => ask(null)}
				/>
			)}
		</li>
	);
}

/** What was reported, as it was then. */
function Copy({ report }: { report: Report }) {
	const { message, profile } = report;
	if (!message)
		return (
			<p>
				<b>{profile?.display_name}</b> @{profile?.username} {report.user_disabled && <span class="tag">disabled</span>}
			</p>
		);
	return (
		<blockquote class="reported">
			<p>
				<b>{message.sender.display_name}</b> @{message.sender.username}
				{message.conversation.name && ` in ${message.conversation.name}`}
			</p>
			<p dir="auto">{message.content ?? message.poll?.question ?? `(${message.message_type})`}</p>
			{report.attachments.map((file) => {
				const small = file.renditions.find((r) => r.name === 'thumb');
				return small ? <img key={file.id} src={small.url} alt={file.name ?? 'A picture'} /> : <p key={file.id}>{file.name ?? file.kind}</p>;
			})}
			<p class="tags">
				{message.edited_at && <span class="tag">edited before</span>}
				{report.message_gone && <span class="tag">gone since</span>}
				{report.user_disabled && <span class="tag">sender disabled</span>}
			</p>
		</blockquote>
	);
}

type Act = (change: ReportChange) => Promise<void>;

function Actions({ report, act, ask }: { report: Report; act: Act; ask: (what: 'delete' | 'disable') => void }) {
	const group = report.message?.conversation.type === 'group';
	return (
		<div class="actions">
			{report.message && !report.message_gone && (
				<button type="button" class="secondary is-danger" onClick={() => ask('delete')}>
					Delete message
				</button>
			)}
			{!report.user_disabled && (
				<button type="button" class="secondary is-danger" onClick={() => ask('disable')}>
					Disable account
				</button>
			)}
			{group && (
				<button type="button" class="secondary" onClick={() => void act({ action: 'slow_mode', slow_mode_seconds: SLOW_SECONDS })}>
					Slow mode
				</button>
			)}
			{report.state === 'open' && (
				<button type="button" class="secondary" onClick={() => void act({ state: 'in_review' })}>
					Take it
				</button>
			)}
			<button type="button" class="secondary" onClick={() => void act({ action: 'dismiss' })}>
				Dismiss
			</button>
		</div>
	);
}

function Reopen({ act }: { act: Act }) {
	return (
		<button type="button" class="link" onClick={() => void act({ state: 'open' })}>
			Open it again
		</button>
	);
}
