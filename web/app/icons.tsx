// The few pictures of this client, drawn on a 24 unit grid.
import type { ComponentChildren } from 'preact';

function Icon({ children, size = 20, name }: { children: ComponentChildren; size?: number; name: string }) {
	return (
		<svg
			class={`icon icon-${name}`}
			width={size}
			height={size}
			viewBox="0 0 24 24"
			fill="none"
			stroke="currentColor"
			stroke-width="1.9"
			stroke-linecap="round"
			stroke-linejoin="round"
			aria-hidden="true"
			focusable="false"
		>
			{children}
		</svg>
	);
}

export const SearchIcon = () => (
	<Icon name="search" size={18}>
		<circle cx="11" cy="11" r="6.5" />
		<path d="m20 20-4.3-4.3" />
	</Icon>
);
export const HelpIcon = () => (
	<Icon name="help" size={18}>
		<circle cx="12" cy="12" r="9" />
		<path d="M9.4 9.2a2.7 2.7 0 1 1 3.8 2.9c-.8.4-1.2.9-1.2 1.7" />
		<path d="M12 17h.01" />
	</Icon>
);
export const ClearIcon = () => (
	<Icon name="clear" size={16}>
		<path d="m6 6 12 12M18 6 6 18" />
	</Icon>
);
export const SaveIcon = () => (
	<Icon name="save">
		<path d="M12 4v11m0 0 4.5-4.5M12 15l-4.5-4.5M5 20h14" />
	</Icon>
);
export const PictureIcon = () => (
	<Icon name="picture" size={22}>
		<rect x="3.5" y="4.5" width="17" height="15" rx="3" />
		<circle cx="9" cy="10" r="1.6" />
		<path d="m4.5 17.5 4.7-4.2 3.3 2.9 3.6-4 3.9 3.8" />
	</Icon>
);
export const FileIcon = () => (
	<Icon name="file" size={22}>
		<path d="M13.5 3.5H7.5a2 2 0 0 0-2 2v13a2 2 0 0 0 2 2h9a2 2 0 0 0 2-2v-10zM13.5 3.5v5h5" />
	</Icon>
);
export const MicrophoneIcon = () => (
	<Icon name="microphone" size={22}>
		<rect x="9" y="3.5" width="6" height="11" rx="3" />
		<path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v2.5" />
	</Icon>
);
export const PlayIcon = () => (
	<Icon name="play">
		<path d="M8 5.5v13l10.5-6.5z" fill="currentColor" />
	</Icon>
);
export const PauseIcon = () => (
	<Icon name="pause">
		<path d="M8.5 6v12M15.5 6v12" stroke-width="3.2" />
	</Icon>
);
export const BackIcon = () => (
	<Icon name="back" size={22}>
		<path d="M15 5 8 12l7 7" />
	</Icon>
);
export const DownIcon = () => (
	<Icon name="down" size={22}>
		<path d="m6 9.5 6 6 6-6" />
	</Icon>
);
export const LeaveIcon = () => (
	<Icon name="leave">
		<path d="M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15.5 16.5 20 12l-4.5-4.5M20 12H9.5" />
	</Icon>
);
export const MoreIcon = () => (
	<svg class="icon" width="18" height="18" viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">
		<circle cx="5" cy="12" r="1.9" />
		<circle cx="12" cy="12" r="1.9" />
		<circle cx="19" cy="12" r="1.9" />
	</svg>
);
export const SendIcon = () => (
	<svg class="icon" width="20" height="20" viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">
		<path d="M4.2 5.3c-.4-1.1.7-2.2 1.8-1.7l14.6 7.1c1.1.5 1.1 2.1 0 2.6L6 20.4c-1.1.5-2.2-.6-1.8-1.7L6.3 13l7.2-1-7.2-1Z" />
	</svg>
);
export const CopyIcon = () => (
	<Icon name="copy" size={17}>
		<rect x="8.5" y="8.5" width="11.5" height="11.5" rx="2.5" />
		<path d="M15.5 8.5V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7.5a2 2 0 0 0 2 2h2.5" />
	</Icon>
);
export const BinIcon = () => (
	<Icon name="bin" size={17}>
		<path d="M4.5 7h15M9.5 7V5a1 1 0 0 1 1-1h3a1 1 0 0 1 1 1v2M6.5 7l.8 11.2a2 2 0 0 0 2 1.8h5.4a2 2 0 0 0 2-1.8L17.5 7M10.2 11v5M13.8 11v5" />
	</Icon>
);
export const AgainIcon = () => (
	<Icon name="again" size={15}>
		<path d="M19.5 12a7.5 7.5 0 1 1-2.2-5.3M19.5 4v4.2h-4.2" />
	</Icon>
);
export const NoneIcon = () => (
	<Icon name="none" size={15}>
		<circle cx="12" cy="12" r="8" />
		<path d="m6.5 17.5 11-11" />
	</Icon>
);
export const EyeIcon = ({ off }: { off: boolean }) => (
	<Icon name="eye" size={19}>
		<path d="M2.8 12S6 5.8 12 5.8 21.2 12 21.2 12 18 18.2 12 18.2 2.8 12 2.8 12Z" />
		<circle cx="12" cy="12" r="2.7" />
		{off && <path d="m4.5 19.5 15-15" />}
	</Icon>
);

export const KeyIcon = () => (
	<Icon name="key" size={19}>
		<circle cx="8" cy="15.5" r="4.3" />
		<path d="m11.2 12.3 8-8M16 7.5l2.8 2.8M13.4 10.1l1.9 1.9" />
	</Icon>
);

export const ReplyIcon = () => (
	<Icon name="reply" size={17}>
		<path d="M9.5 6 4 11.5 9.5 17M4.5 11.5H13a7 7 0 0 1 7 7" />
	</Icon>
);
export const SmileIcon = () => (
	<Icon name="smile" size={18}>
		<circle cx="12" cy="12" r="8.3" />
		<path d="M8.5 14a4.2 4.2 0 0 0 7 0M9 9.6v.01M15 9.6v.01" />
	</Icon>
);
export const EditIcon = () => (
	<Icon name="edit" size={17}>
		<path d="M4.5 19.5 5.6 15 16 4.6a2 2 0 0 1 2.8 0l.6.6a2 2 0 0 1 0 2.8L9 18.4Z" />
	</Icon>
);
export const ForwardIcon = () => (
	<Icon name="forward" size={17}>
		<path d="M14.5 6 20 11.5 14.5 17M19.5 11.5H11a7 7 0 0 0-7 7" />
	</Icon>
);
export const StarIcon = () => (
	<Icon name="star" size={17}>
		<path d="m12 4.3 2.4 4.9 5.4.8-3.9 3.8.9 5.4-4.8-2.6-4.8 2.6.9-5.4L4.2 10l5.4-.8Z" />
	</Icon>
);
export const PinIcon = () => (
	<Icon name="pin" size={17}>
		<path d="M9 4.5h6l-.8 5 3.3 3.2v1.8h-11v-1.8L9.8 9.5ZM12 14.5V20" />
	</Icon>
);
export const FlagIcon = () => (
	<Icon name="flag" size={17}>
		<path d="M6 20.5V4.2c4-2 7 2 12 0v9.6c-5 2-8-2-12 0" />
	</Icon>
);
export const InfoIcon = () => (
	<Icon name="info" size={17}>
		<circle cx="12" cy="12" r="8.3" />
		<path d="M12 11v5M12 8v.01" />
	</Icon>
);
export const PollIcon = () => (
	<Icon name="poll" size={20}>
		<path d="M5 20V11M12 20V4.5M19 20v-6" />
	</Icon>
);
export const PlaceIcon = () => (
	<Icon name="place" size={20}>
		<path d="M12 20.5s-6.5-5.6-6.5-10.5a6.5 6.5 0 0 1 13 0c0 4.9-6.5 10.5-6.5 10.5Z" />
		<circle cx="12" cy="10" r="2.3" />
	</Icon>
);
export const GroupIcon = () => (
	<Icon name="group" size={20}>
		<circle cx="9" cy="9" r="3.3" />
		<path d="M3 19c.4-3.3 2.8-5 6-5s5.6 1.7 6 5M15.5 6.2a3 3 0 0 1 0 5.8M17.5 14.5c2 .6 3.2 2.1 3.5 4.5" />
	</Icon>
);
export const MuteIcon = () => (
	<Icon name="mute" size={15}>
		<path d="M6.5 16.5h11M8 16.5V11a4 4 0 0 1 6.5-3.1M16 11v5.5M10.5 19.5h3M4.5 4.5l15 15" />
	</Icon>
);
export const ClockIcon = () => (
	<Icon name="clock" size={17}>
		<circle cx="12" cy="12" r="8.3" />
		<path d="M12 7.5V12l3 2" />
	</Icon>
);
export const PlusIcon = () => (
	<Icon name="plus" size={20}>
		<path d="M12 5v14M5 12h14" />
	</Icon>
);
export const CheckIcon = () => (
	<Icon name="check" size={17}>
		<path d="m5 12.5 4.5 4.5L19 7.5" />
	</Icon>
);
export const HourIcon = () => (
	<Icon name="hour" size={13}>
		<path d="M7 4h10M7 20h10M8 4c0 5 8 6 8 8s-8 3-8 8M16 4c0 5-8 6-8 8s8 3 8 8" />
	</Icon>
);

function Tick({
	children,
	label,
	kind,
	wide,
}: {
	children: ComponentChildren;
	label: string;
	kind: string;
	wide?: boolean;
}) {
	return (
		<svg
			class={`tick tick-${kind}`}
			width={wide ? 18 : 14}
			height="14"
			viewBox={wide ? '0 0 20 16' : '0 0 16 16'}
			fill="none"
			stroke="currentColor"
			stroke-width="1.7"
			stroke-linecap="round"
			stroke-linejoin="round"
			role="img"
			aria-label={label}
		>
			<title>{label}</title>
			{children}
		</svg>
	);
}

export type TickKind = 'pending' | 'failed' | 'sent' | 'delivered' | 'read';

export function Ticks({ kind }: { kind: TickKind }) {
	if (kind === 'pending')
		return (
			<Tick kind={kind} label="Sending">
				<circle cx="8" cy="8" r="5.7" />
				<path d="M8 4.8V8l2.2 1.5" />
			</Tick>
		);
	if (kind === 'failed')
		return (
			<Tick kind={kind} label="Not sent">
				<circle cx="8" cy="8" r="5.7" />
				<path d="M8 5v3.5M8 11v.01" />
			</Tick>
		);
	if (kind === 'sent')
		return (
			<Tick kind={kind} label="Sent">
				<path d="m3 8.6 3.3 3.3L13 4.8" />
			</Tick>
		);
	return (
		<Tick kind={kind} label={kind === 'read' ? 'Read' : 'Delivered'} wide>
			<path d="m1.5 8.6 3.3 3.3 6.7-7.1M9.3 11.3l.6.6 6.9-7.1" />
		</Tick>
	);
}

/** The mark of the product: a bell. */
export const Bell = ({ size = 40 }: { size?: number }) => (
	<svg class="bell" width={size} height={size} viewBox="0 0 64 64" aria-hidden="true">
		<rect class="bell-back" width="64" height="64" rx="17" />
		<path
			class="bell-body"
			d="M32 14c-8.3 0-14 6.1-14 14.2v7.1c0 2-.7 3.9-1.9 5.5l-1.5 1.9c-1.4 1.8-.1 4.3 2.1 4.3h30.6c2.2 0 3.5-2.5 2.1-4.3l-1.5-1.9A9 9 0 0 1 46 35.3v-7.1C46 20.1 40.3 14 32 14Z"
		/>
		<circle class="bell-body" cx="32" cy="51" r="4" />
	</svg>
);
